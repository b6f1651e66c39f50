/* The list of scorers, and the checks that are the same for all. */
#include <string.h>

#include "workloads/metrics/suites.h"

#define ENTRY(id) &sbi_scorer_##id,
const sb_scorer *const sb_scorers[] = {SBI_SCORERS(ENTRY) NULL};

sb_text sb_text_of(const char *s) { return (sb_text){s, s == NULL ? 0 : strlen(s)}; }

const sb_scorer *sb_scorer_find(const char *name)
{
    for (const sb_scorer *const *s = sb_scorers; *s != NULL; s++)
        if (strcmp((*s)->name, name) == 0)
            return *s;
    return NULL;
}

int sb_scorer_is_binary(const sb_scorer *s, int64_t n_refs)
{
    return s->is_binary || ((s->needs & SB_GIVES_HITS) != 0 && n_refs == 1);
}

sb_status sb_scorer_score(const sb_scorer *s, const sb_score_req *req, sb_text_score *out)
{
    if (req->n_refs < 1)
        return sb_fail(SB_ERR_USAGE, "%s: the sample has no reference", s->name);
    if ((s->needs & SB_NEED_PRED_LIST) == 0 && req->n_preds != 1)
        return sb_fail(SB_ERR_USAGE, "%s: scores one prediction, not %lld", s->name,
                       (long long)req->n_preds);
    if ((s->needs & SB_NEED_CLASSES) != 0 && req->n_classes < 1)
        return sb_fail(SB_ERR_USAGE, "%s: the sample has no list of classes (all_classes)",
                       s->name);
    if ((s->needs & SB_NEED_RELEVANCE) != 0 && req->relevance == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: the sample's documents have no relevance", s->name);
    if ((s->needs & SB_NEED_TASK) != 0 && req->task == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: the sample names no task", s->name);
    if ((s->needs & SB_NEED_JIEBA) != 0 && req->jieba == NULL)
        return sb_fail(SB_ERR_USAGE,
                       "%s: needs jieba's dictionary and model to segment words (Debian package "
                       "python3-jieba)",
                       s->name);
    sb_status st = s->score(s, req, out);
    return st == SB_OK ? st : sb_wrap(st, "%s", s->name);
}
