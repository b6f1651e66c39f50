/* Which query rows a quality pass looks at, and what their values say about all rows (spec
 * quality_metrics C).
 *
 *   rows 0 .............................. N-128 | N-128 .. N-1
 *        64 equal strata, 7 rows each           | census: all of the last 128 (the question rows)
 *
 * The rows depend on the input and the layer only, never on method or ranks: methods are compared
 * on the same rows. */
#ifndef SB_HARNESS_RUN_ESTIMATE_H
#define SB_HARNESS_RUN_ESTIMATE_H

#include <stdint.h>

#include "kernels/base/status.h"

enum { SB_STRATA = 64, SB_STRATUM_ROWS = 7, SB_CENSUS_ROWS = 128, SB_EXACT_MAX_TOKENS = 8192 };

typedef struct sb_rows {
    int64_t *row; /* ascending token ids */
    int64_t  n, n_tokens;
    int32_t  exact; /* every row */
} sb_rows;

/* exact: all rows. Otherwise the design above (all rows as well when the sequence has at most
 * SB_EXACT_MAX_TOKENS). Draws without replacement, counter based from seed. */
sb_status sb_rows_draw(int64_t n_tokens, uint64_t seed, int exact, sb_rows *out);
void      sb_rows_fini(sb_rows *r);

typedef struct sb_estimate {
    double mean, se; /* of all rows; se 0 when exact */
    double tail;     /* mean of the last 128 rows */
} sb_estimate;

/* y[i] belongs to rows->row[i]; stride between them. Stratified mean, its standard error with
 * finite population correction. */
sb_estimate sb_estimate_mean(const sb_rows *rows, const double *y, int64_t stride);

/* Weighted mean alone: sums of e and a for the ratio rel_l2 = sqrt(sum e / sum a). */
double sb_estimate_total(const sb_rows *rows, const double *y, int64_t stride);

/* p in [0,1], of n values (copied, sorted), nearest rank. */
double sb_percentile(const double *y, int64_t n, int64_t stride, double p);

#endif
