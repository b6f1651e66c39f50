/* Intervals of scores [workloads 5.2]. */
#ifndef SB_RESULTS_STATS_STATS_H
#define SB_RESULTS_STATS_STATS_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_interval {
    double lo, hi;
} sb_interval;

#define SB_STATS_Z95 1.9599639845400545 /* 97.5 % quantile of the normal distribution */

/* Wilson's 95 % score interval of `successes` of `n` trials, within [0,1].
 * Errors: SB_ERR_USAGE when n < 1 or successes is outside [0, n]. */
sb_status sb_stats_wilson(int64_t successes, int64_t n, sb_interval *out);

#define SB_STATS_BOOTSTRAP_DRAWS 10000

/* Percentile bootstrap of the mean: SB_STATS_BOOTSTRAP_DRAWS resamples of the n values with
 * replacement (xoshiro256** from `seed`), 2.5 % and 97.5 % quantiles of their means, interpolated
 * linearly. The order of values matters to the draw, so a caller sorts them by something stable. An
 * index is the high half of a 32 x 32 bit product: its bias is below n / 2^32. Errors: SB_ERR_USAGE
 * when n < 2 or n >= 2^31, SB_ERR_NOMEM. Cost: draws * n. */
sb_status sb_stats_bootstrap_mean(const double *values, int64_t n, uint64_t seed, sb_interval *out);

#endif
