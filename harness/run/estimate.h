/* What the values of sampled rows say about all rows [quality_metrics C]. y[i * stride] belongs to
 * rows->row[i]. Sums run in row order in double: the same bits for every number of ranks. */
#ifndef SB_HARNESS_RUN_ESTIMATE_H
#define SB_HARNESS_RUN_ESTIMATE_H

#include "harness/run/rows.h"

typedef struct sb_estimate {
    double mean;   /* of all rows: sum of w_l * mean of stratum l, w_l its share of the rows */
    double se;     /* its standard error, finite population corrected; 0: every row was seen */
    double lo, hi; /* 95 %: Student's t, degrees of freedom by Satterthwaite */
    double tail;   /* mean of the last 128 rows */
} sb_estimate;

sb_estimate sb_estimate_mean(const sb_rows *rows, const double *y, int64_t stride);

/* Of a - b, of two methods on the same rows: their common ups and downs cancel. */
sb_estimate sb_estimate_difference(const sb_rows *rows, const double *a, const double *b,
                                   int64_t stride);

typedef struct sb_ratio {
    double num, den; /* totals over all rows */
    double value;    /* num / den; NaN unless den > 0 */
    double se;       /* of value, by linearisation: z = num_i - value * den_i */
    double share;    /* largest part of num that one sampled row stands for; census rows stand for
                        themselves alone and do not count. Above SB_SHARE_MAX, se cannot be trusted */
} sb_ratio;

#define SB_SHARE_MAX 0.2

/* Of the sums of num and den over all rows. */
sb_ratio sb_estimate_ratio(const sb_rows *rows, const double *num, const double *den,
                           int64_t stride);

/* The smallest value such that at least a share p of all rows does not lie above it: a row counts
 * for as many as it was drawn from. NaN without rows. Errors: SB_ERR_NOMEM for a copy to sort. */
sb_status sb_estimate_percentile(const sb_rows *rows, const double *y, int64_t stride, double p,
                                 double *out);

/* p in [0,1], of n values that count alike, nearest rank. NaN without values. Errors as above. */
sb_status sb_percentile(const double *y, int64_t n, int64_t stride, double p, double *out);

#endif
