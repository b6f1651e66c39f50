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

/* Half its width at a sum of n scores in [0,1]: of scores 0 or 1 as above; of fractions, which vary
 * no more than those, an upper bound. For lines printed before anything is stored. NaN unless n >=
 * 1 and 0 <= sum <= n. */
double sb_stats_wilson_half(double sum, int64_t n);

/* 97.5 % quantile of Student's t with nu degrees of freedom, which need not be whole
 * (Satterthwaite): within 1e-9. NaN unless nu > 0; SB_STATS_Z95 when nu is infinite. */
double sb_stats_t975(double nu);

/* P(T > t) of Student's t with nu > 0 degrees of freedom; nu may be infinite (normal). Within
 * 1e-10. NaN when nu is not above 0 or t is NaN. */
double sb_stats_t_upper(double t, double nu);
/* The t that is exceeded with chance `side` in (0, 0.5]: sb_stats_t_upper's inverse. NaN else. */
double sb_stats_t_quantile(double side, double nu);

/* Half widths that hold for any distribution on [0,1], of the mean of m values drawn independently
 * (or without replacement): for gates that promise, where Student's t only estimates
 * [quality_metrics C]. variance: of the sample, divisor m - 1. side: chance of error on each side,
 * 0.025 for a two-sided 95 % interval. NaN when m < 2 or side is outside (0, 1).
 *   empirical Bernstein   sqrt(2 V ln(2 / side) / m) + 7 ln(2 / side) / (3 (m - 1))
 *   Hoeffding             sqrt(ln(1 / side) / (2 m)) */
double sb_stats_bernstein_half(double variance, int64_t m, double side);
double sb_stats_hoeffding_half(int64_t m, double side);

#define SB_STATS_BOOTSTRAP_DRAWS 10000

/* Percentile bootstrap of a mean over strata, each weighing the same: SB_STATS_BOOTSTRAP_DRAWS
 * resamples inside each stratum with replacement (xoshiro256** from `seed`), 2.5 % and 97.5 %
 * quantiles of their means, interpolated linearly.
 *   values    [n[0]][n[1]]... one stratum behind the other; their order matters to the draw, so a
 *             caller sorts them by something stable
 *   range     what a value may be: where no stratum has two different values the resamples have no
 *             width, and the interval is what N values allow that never differed: the mean moved by
 *             z^2 / (N + z^2) towards each end of the range (of 0 or 1 this is Wilson's interval)
 * An index is the high half of a 32 x 32 bit product: its bias is below n / 2^32.
 * Errors: SB_ERR_USAGE when a stratum has n < 1 or n >= 2^31, or all together fewer than 2 values;
 * SB_ERR_NOMEM. Cost: draws * values. */
sb_status sb_stats_bootstrap_strata(const double *values, const int64_t *n, int64_t n_strata,
                                    sb_interval range, uint64_t seed, sb_interval *out);
/* The same of one stratum of n >= 2 scores in [0, 1]. */
sb_status sb_stats_bootstrap_mean(const double *values, int64_t n, uint64_t seed, sb_interval *out);

#endif
