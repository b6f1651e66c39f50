/* Filler words of one input, in the order of their places: words of the corpus from a seeded start,
 * or Zipf draws [probe_model 6]. */
#ifndef SB_WORKLOADS_PROBE_FILLER_H
#define SB_WORKLOADS_PROBE_FILLER_H

#include "workloads/base/corpus.h"

#define SB_PROBE_BLANK (-1) /* a place that filler will take */

/* Replace every SB_PROBE_BLANK of ids[0..n) by a FILL id. Same (corpus words, seed, number of
 * blanks before) -> same id. */
sb_status sb_probe_fill(int32_t *ids, int64_t n, const sb_corpus *corpus, uint64_t seed);

#endif
