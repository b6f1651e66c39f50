/* Checks that a_shape and streaming_llm share: both are sink and window rules, under different
 * names and defaults. */
#ifndef SB_TESTS_PROPERTY_WINDOW_METHODS_H
#define SB_TESTS_PROPERTY_WINDOW_METHODS_H

#include "kernels/base/method.h"

/* Parameters that reach every key of 333 tokens: dense, to the bit. */
void window_covers_all_equals_dense(const sb_method *m, const char *params);

/* rho of a prefill by counting = sum_i min(|C_i|, sink + window) [quality_metrics B1], at 1,000 and
 * 2^20 tokens. */
void window_density_is_the_closed_form(const sb_method *m, int64_t sink, int64_t window);

/* Zigzag query shards over 2, 3, 4 ranks, every row bitwise as on one rank; also with the keys
 * gathered in several runs. */
void window_shards_keep_every_bit(const sb_method *m, const char *params);

/* The keys row q sees, found by attention itself: one-hot values. seen[k] for k in [0, n). */
void window_seen_by(const sb_method *m, const char *params, int64_t n, int64_t q, int *seen);

#endif
