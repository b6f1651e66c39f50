#include "kernels/nn/norm.h"

#include <math.h>
#include <stddef.h>

static double mean_square(const float *x, int64_t n)
{
    double lane[8] = {0}, sum = 0;
    for (int64_t i = 0; i < n; i++)
        lane[i % 8] += (double)x[i] * (double)x[i];
    for (int j = 0; j < 8; j++)
        sum += lane[j];
    return sum / (double)n;
}

void sb_rmsnorm(const float *x, int64_t n, int64_t width, const float *weight, double eps, float *y,
                int32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 16)
    for (int64_t r = 0; r < n; r++) {
        const float *from  = x + r * width;
        float       *to    = y + r * width;
        float        scale = (float)(1.0 / sqrt(mean_square(from, width) + eps));
        for (int64_t i = 0; i < width; i++)
            to[i] = from[i] * scale;
        for (int64_t i = 0; weight != NULL && i < width; i++)
            to[i] *= weight[i];
    }
}

void sb_swiglu(float *gate, const float *up, int64_t n, int64_t width, int64_t ld, int32_t threads)
{
#pragma omp parallel for schedule(static) num_threads(threads) if (n > 4)
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = r * ld; i < r * ld + width; i++)
            gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}
