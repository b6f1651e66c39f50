/* RMSNorm and the gate of an MLP, on fp32 rows. A row's result depends on that row alone. */
#ifndef SB_KERNELS_NN_NORM_H
#define SB_KERNELS_NN_NORM_H

#include <stdint.h>

/* y = x / sqrt(mean(x^2) + eps) * weight, rows of `width`; the mean is summed in double. weight
 * NULL: 1. y may be x. */
void sb_rmsnorm(const float *x, int64_t n, int64_t width, const float *weight, double eps, float *y,
                int32_t threads);

/* gate = silu(gate) * up, silu(x) = x / (1 + e^-x); n rows of width, `ld` numbers apart. */
void sb_swiglu(float *gate, const float *up, int64_t n, int64_t width, int64_t ld, int32_t threads);

#endif
