#include "kernels/nn/activation.h"

#include <math.h>

static float elu(float x) { return x > 0 ? x : expm1f(x); }

static float one(sb_activation a, float x)
{
    switch (a) {
    case SB_ACT_SILU:
        return x / (1.0f + expf(-x));
    case SB_ACT_RELU:
        return x > 0 ? x : 0;
    case SB_ACT_ELU:
        return elu(x);
    case SB_ACT_ELU1:
        return elu(x) + 1;
    case SB_ACT_ELU2:
        return elu(x) + 2;
    case SB_ACT_GELU:
        return 0.5f * x * (1.0f + erff(x * 0.70710678f));
    case SB_ACT_SIGMOID:
        return 1.0f / (1.0f + expf(-x));
    case SB_ACT_LEAK:
        return x > 0 ? x : 0.01f * x;
    case SB_ACT_SINE:
        return sinf(x);
    default:
        return x;
    }
}

void sb_activate(sb_activation a, float *x, int64_t n)
{
    for (int64_t i = 0; a != SB_ACT_IDENTITY && i < n; i++)
        x[i] = one(a, x[i]);
}

static float gelu_tanh(float x)
{
    return 0.5f * x * (1.0f + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
}

void sb_geglu(float *gate, const float *up, int64_t n, int64_t width, int64_t ld, int32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4)
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = r * ld; i < r * ld + width; i++)
            gate[i] = gelu_tanh(gate[i]) * up[i];
}

void sb_multiply(float *x, const float *y, int64_t n, int32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 65536)
    for (int64_t i = 0; i < n; i++)
        x[i] *= y[i];
}
