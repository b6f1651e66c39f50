/* Functions of one number that models put on rows, in fp32. */
#ifndef SB_KERNELS_NN_ACTIVATION_H
#define SB_KERNELS_NN_ACTIVATION_H

#include <stdint.h>

typedef enum sb_activation {
    SB_ACT_IDENTITY,
    SB_ACT_SILU, /* x / (1 + e^-x) */
    SB_ACT_RELU,
    SB_ACT_ELU, /* x > 0: x, else e^x - 1 */
    SB_ACT_ELU1,
    SB_ACT_ELU2, /* elu + 1, elu + 2 */
    SB_ACT_GELU, /* x Phi(x) */
    SB_ACT_SIGMOID,
    SB_ACT_LEAK, /* x > 0: x, else x / 100 */
    SB_ACT_SINE,
    SB_ACT_COUNT
} sb_activation;

void sb_activate(sb_activation a, float *x, int64_t n);

/* gate = gelu(gate) * up, gelu(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); n rows of width,
 * `ld` numbers apart. */
void sb_geglu(float *gate, const float *up, int64_t n, int64_t width, int64_t ld, int32_t threads);

/* x *= y, n numbers. */
void sb_multiply(float *x, const float *y, int64_t n, int32_t threads);

#endif
