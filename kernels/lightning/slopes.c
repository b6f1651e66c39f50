#include <math.h>

#include "kernels/lightning/lightning.h"

/* Head h of n = 2^a heads: 2^(-8 (h + 1) / n). */
static double power_of_two(int64_t h, int64_t n)
{
    return exp2(-8.0 * (double)(h + 1) / (double)n);
}

/* Other numbers of heads: the slopes of the power of two below, then every other one of the power
 * above, from its first. */
static double geometric(int64_t h, int64_t n)
{
    int64_t below = 1;
    while (2 * below <= n)
        below *= 2;
    return h < below ? power_of_two(h, below) : power_of_two(2 * (h - below), 2 * below);
}

void sb_lightning_slope_table(sb_lightning_slopes rule, int64_t n_heads, int32_t layer,
                              int32_t n_layers, double *out)
{
    double l = (double)layer, n = (double)n_layers;
    for (int64_t h = 0; h < n_heads; h++)
        switch (rule) {
        case SB_LIGHTNING_PAPER:
            out[h] = 8.0 * (double)h / (double)n_heads * (n_layers > 1 ? 1.0 - l / n : 1.0);
            break;
        case SB_LIGHTNING_MINIMAX:
            out[h] = power_of_two(h, n_heads) *
                     (1.0 - (n_layers > 1 ? l / (n - 1.0 + 1e-5) : 0.0) + 1e-5);
            break;
        default:
            out[h] = geometric(h, n_heads) * (1.0 - (n_layers > 1 ? l / (n - 1.0) : 0.0) + 1e-5);
        }
}
