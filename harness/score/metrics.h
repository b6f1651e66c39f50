/* Which scorer scores a row: the suite's own, a published variant of it, or one by name. */
#ifndef SB_HARNESS_SCORE_METRICS_H
#define SB_HARNESS_SCORE_METRICS_H

#include "harness/score/prediction.h"
#include "workloads/metrics/scorer.h"

typedef struct sbi_choice {
    const char      *name;   /* as the user wrote it */
    const sb_scorer *scorer; /* NULL: by the row */
} sbi_choice;

/* SB_ERR_USAGE: neither a scorer's name nor own, kvpress, lm-eval. */
sb_status sbi_choice_parse(const char *name, sbi_choice *out);

/* SB_ERR_USAGE: the row has no metric of its own, or the variant has none for it. */
sb_status sbi_choice_scorer(const sbi_choice *c, const sbi_row_source *s, const sbi_prediction *p,
                            const sb_scorer **out);

/* hit: [n_refs]. Errors of sb_scorer_score. */
sb_status sbi_score_prediction(const sb_scorer *scorer, const sbi_prediction *p,
                               const sb_jieba *jieba, uint8_t *hit, sb_text_score *out);

#endif
