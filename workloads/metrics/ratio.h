/* Similarity of two texts as fuzzywuzzy's ratio sees it, before it rounds. */
#ifndef SB_WORKLOADS_METRICS_RATIO_H
#define SB_WORKLOADS_METRICS_RATIO_H

#include "workloads/metrics/text.h"

/* difflib.SequenceMatcher(None, a, b).ratio(), its autojunk rule included: in a b of 200 or more
 * characters those that stand more than |b| / 100 + 1 times start no match. SB_ERR_UNSUPPORTED when
 * it would take more than *sbi_ratio_steps_most steps. */
sb_status      sbi_ratio_difflib(sbi_pool *p, sbi_str a, sbi_str b, double *ratio);
extern int64_t sbi_ratio_steps_most; /* a variable so that tests can lower it */

/* Length of the longest common subsequence of characters. SB_ERR_UNSUPPORTED likewise, past twice
 * as many steps of 64 characters. */
sb_status sbi_common_chars(sbi_pool *p, sbi_str a, sbi_str b, int64_t *length);

#endif
