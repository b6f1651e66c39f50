/* Scores of answers to a text row, fed as the row says. */
#ifndef SB_WORKLOADS_METRICS_SCORE_ROW_H
#define SB_WORKLOADS_METRICS_SCORE_ROW_H

#include "workloads/base/text_suite.h"
#include "workloads/metrics/scorer.h"

/* By `scorer`, which need not be the row's own. hit: [row->n_refs] or NULL. Errors of
 * sb_scorer_score. */
sb_status sb_score_row(const sb_scorer *scorer, const sb_text_row *row, char *const *preds,
                       int64_t n_preds, const sb_jieba *jieba, uint8_t *hit, sb_text_score *out);

#endif
