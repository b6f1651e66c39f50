/* Vertical-slash or query-aware? [flexprefill 3.5] */
#ifndef SB_KERNELS_FLEXPREFILL_PATTERN_H
#define SB_KERNELS_FLEXPREFILL_PATTERN_H

#include <stdint.h>

/* Square root of the Jensen-Shannon divergence of two distributions over n, natural logarithm, 0 ln
 * 0 = 0: 0 where p = t, sqrt(ln 2) = 0.8326 where they have nothing in common. fp64 sums in order,
 * with a logarithm of its own: the same bits whatever the mathematics library. */
double sbi_flex_distance(const double *p, const double *t, int64_t n);

#endif
