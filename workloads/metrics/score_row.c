#include "workloads/metrics/score_row.h"

#include <stdlib.h>

#include "workloads/metrics/longbench.h"

static sb_status texts_of(char *const *v, int64_t n, sb_text **out)
{
    sb_text *t = malloc((size_t)(n > 0 ? n : 1) * sizeof *t);
    if (t == NULL)
        return sb_fail(SB_ERR_NOMEM, "a score: no memory");
    for (int64_t i = 0; i < n; i++)
        t[i] = sb_text_of(v[i]);
    *out = t;
    return SB_OK;
}

sb_status sb_score_row(const sb_scorer *scorer, const sb_text_row *row, char *const *preds,
                       int64_t n_preds, const sb_jieba *jieba, uint8_t *hit, sb_text_score *out)
{
    static const sb_longbench first_line = {.first_line = 1};
    sb_text                  *answers = NULL, *refs = NULL, *classes = NULL;
    sb_status                 st = texts_of(preds, n_preds, &answers);
    if (st == SB_OK && (st = texts_of(row->refs, row->n_refs, &refs)) == SB_OK)
        st = texts_of(row->classes, row->n_classes, &classes);
    if (st == SB_OK) {
        sb_score_req req = {.preds     = answers,
                            .n_preds   = n_preds,
                            .refs      = refs,
                            .n_refs    = row->n_refs,
                            .classes   = classes,
                            .n_classes = row->n_classes,
                            .relevance = row->relevance,
                            .question  = sb_text_of(row->question),
                            .task      = row->scorer_task,
                            .prefix    = row->answer_mark,
                            .jieba     = jieba,
                            .hit       = hit};
        if (row->first_line && n_preds == 1)
            answers[0] = sb_longbench_clean(&first_line, answers[0]);
        st = sb_scorer_score(scorer, &req, out);
    }
    free(answers);
    free(refs);
    free(classes);
    return st;
}
