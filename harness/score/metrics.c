#include "harness/score/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/metrics/longbench.h"

/* What others made of RULER's two metrics. */
static const struct variant {
    const char *name, *own, *scorer;
} variants[] = {
    {"kvpress", "ruler_all@1", "kvpress_all@1"},
    {"kvpress", "ruler_part@1", "kvpress_part@1"},
    {"lm-eval", "ruler_all@1", "ruler_all@1"},
    {"lm-eval", "ruler_part@1", "lmeval_part@1"},
};
enum { N_VARIANTS = sizeof variants / sizeof *variants };

sb_status sbi_choice_parse(const char *name, sbi_choice *out)
{
    const sb_scorer *s     = sb_scorer_find(name);
    int              known = s != NULL || strcmp(name, "own") == 0;
    for (int i = 0; i < N_VARIANTS; i++)
        known |= strcmp(name, variants[i].name) == 0;
    if (!known)
        return sb_fail(SB_ERR_USAGE,
                       "--metric: found %s, allowed own, kvpress, lm-eval and the names that "
                       "`spanbench list metrics` prints",
                       name);
    *out = (sbi_choice){name, s};
    return SB_OK;
}

sb_status sbi_choice_scorer(const sbi_choice *c, const sbi_row_source *s, const sbi_prediction *p,
                            const sb_scorer **out)
{
    const char *own = p->row.scorer;
    if (c->scorer != NULL) {
        *out = c->scorer;
        return SB_OK;
    }
    if (own == NULL)
        return sbi_row_fail(s, "metric", "task %s of %s has none of its own: give --metric",
                            p->task, p->suite);
    if (strcmp(c->name, "own") == 0) {
        *out = sb_scorer_find(own);
        return SB_OK;
    }
    for (int i = 0; i < N_VARIANTS; i++)
        if (strcmp(variants[i].name, c->name) == 0 && strcmp(variants[i].own, own) == 0) {
            *out = sb_scorer_find(variants[i].scorer);
            return SB_OK;
        }
    return sbi_row_fail(s, "metric", "%s has no variant of %s, only of ruler_all@1, ruler_part@1",
                        c->name, own);
}

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

sb_status sbi_score_prediction(const sb_scorer *scorer, const sbi_prediction *p,
                               const sb_jieba *jieba, uint8_t *hit, sb_text_score *out)
{
    static const sb_longbench first_line = {.first_line = 1};
    const sb_text_row        *r          = &p->row;
    sb_text                  *preds = NULL, *refs = NULL, *classes = NULL;
    sb_status                 st = texts_of(p->preds, p->n_preds, &preds);
    if (st == SB_OK && (st = texts_of(r->refs, r->n_refs, &refs)) == SB_OK)
        st = texts_of(r->classes, r->n_classes, &classes);
    if (st == SB_OK) {
        sb_score_req req = {.preds     = preds,
                            .n_preds   = p->n_preds,
                            .refs      = refs,
                            .n_refs    = r->n_refs,
                            .classes   = classes,
                            .n_classes = r->n_classes,
                            .relevance = r->relevance,
                            .question  = sb_text_of(r->question),
                            .task      = r->scorer_task,
                            .prefix    = r->answer_mark,
                            .jieba     = jieba,
                            .hit       = hit};
        if (r->first_line && p->n_preds == 1)
            preds[0] = sb_longbench_clean(&first_line, preds[0]);
        st = sb_scorer_score(scorer, &req, out);
    }
    free(preds);
    free(refs);
    free(classes);
    return st;
}
