/* Wilcoxon's rank sum test and the shift between two samples: no assumption on how values scatter,
 * only that both scatter alike. */
#ifndef SB_RESULTS_STATS_RANK_SUM_H
#define SB_RESULTS_STATS_RANK_SUM_H

#include "results/stats/stats.h"

#define SB_STATS_RANK_EXACT 60 /* values a sample up to which p is exact, then normal */

/* One-sided p of "y is x shifted by at most `shift`": the chance of as many pairs (i, j) with
 * y[j] - shift > x[i], or more. Ties count against. Errors: SB_ERR_USAGE unless 1 <= nx, ny <=
 * 10000; SB_ERR_NOMEM. Cost: nx * ny, exact nx * nx * ny. */
sb_status sb_stats_rank_sum(const double *x, int64_t nx, const double *y, int64_t ny, double shift,
                            double *p);

/* Hodges and Lehmann's estimate of the shift from x to y (median of all differences), and the
 * interval whose ends each are exceeded with chance `side` at most; infinite where samples are too
 * small to give one. Errors: those above, and SB_ERR_USAGE unless 0 < side < 0.5. Cost: sorts
 * nx * ny differences. */
sb_status sb_stats_shift(const double *x, int64_t nx, const double *y, int64_t ny, double side,
                         double *estimate, sb_interval *out);

#endif
