#include "harness/score/metrics.h"

#include <string.h>

#include "workloads/metrics/score_row.h"

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

sb_status sbi_score_prediction(const sb_scorer *scorer, const sbi_prediction *p,
                               const sb_jieba *jieba, uint8_t *hit, sb_text_score *out)
{
    return sb_score_row(scorer, &p->row, p->preds, p->n_preds, jieba, hit, out);
}
