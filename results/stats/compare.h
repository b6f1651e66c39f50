/* Two points on the same inputs: tests, intervals of the difference, and what a gate makes of them
 * [workloads 5.2]. A difference is candidate minus base, so a loss is negative. */
#ifndef SB_RESULTS_STATS_COMPARE_H
#define SB_RESULTS_STATS_COMPARE_H

#include "results/stats/stats.h"

/* Exact McNemar, two-sided: ln of min(1, 2 sum_{i <= min(b, c)} C(b + c, i) / 2^(b + c)), where b
 * and c count the pairs in which only the base, only the candidate is right. In log space: no
 * underflow; relative error of p below 1e-12 times the size of ln p. NaN when b or c is negative or
 * their sum is above 2^40. Cost: 10 sqrt(b + c) steps. */
double sb_stats_mcnemar_ln(int64_t b, int64_t c);
/* The same as p; 0 where it is below the smallest double. */
double sb_stats_mcnemar(int64_t b, int64_t c);

/* 95 % score interval of the difference (c - b) / n of two shares on the same n inputs: the
 * differences that the score form of McNemar's test does not reject (Tango, Statistics in Medicine
 * 17:891, 1998). It has a width where no pair differs: -+ z^2 / (n + z^2).
 * Errors: SB_ERR_USAGE unless 0 <= b, c, b + c <= n, n >= 1. */
sb_status sb_stats_paired_score(int64_t b, int64_t c, int64_t n, sb_interval *out);

/* Percentile bootstrap of the mean of n paired differences in [-1, 1]; as sb_stats_bootstrap_strata
 * with one stratum. */
sb_status sb_stats_paired_bootstrap(const double *differences, int64_t n, uint64_t seed,
                                    sb_interval *out);

/* Two-sided test that differences lie symmetrically about 0: the share of sign patterns whose sum
 * is at least as far from 0. All patterns where at most 13 differences are not 0, else
 * SB_STATS_BOOTSTRAP_DRAWS random ones and (hits + 1) / (draws + 1). Of differences -1, 0, 1 it is
 * exact McNemar; unlike a p from the bootstrap it never promises more than n pairs can tell.
 * Errors: SB_ERR_USAGE when n < 1, SB_ERR_NOMEM. */
sb_status sb_stats_sign_flip(const double *differences, int64_t n, uint64_t seed, double *p);

/* Holm's step-down adjustment of n p-values: adjusted[i] < alpha for all rejected i keeps the
 * chance of any false rejection of the family below alpha. adjusted may be p. Order of ties is
 * irrelevant. Errors: SB_ERR_USAGE when a p is outside [0, 1] or NaN, SB_ERR_NOMEM. */
sb_status sb_stats_holm(const double *p, int64_t n, double *adjusted);

#define SB_STATS_MARGIN_TASK 0.03 /* of one task */
#define SB_STATS_MARGIN_MEAN 0.01 /* of a mean over tasks */

/* 1 when the lower 95 % bound of candidate - base lies above -margin: nothing worse than the margin
 * is left possible. 0 says only that this was not shown. */
int sb_stats_non_inferior(double lo, double margin);

/* Half width of the 95 % interval of a paired difference when `discordant` of n pairs differ:
 * z sqrt(d / n), d = discordant / n. NaN unless 0 <= discordant <= n, n >= 1. */
double sb_stats_paired_resolution(int64_t discordant, int64_t n);

#endif
