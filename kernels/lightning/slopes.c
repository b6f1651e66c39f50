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

static double slope(sb_lightning_slopes rule, int64_t h, int64_t heads, double l, double n)
{
    switch (rule) {
    case SB_LIGHTNING_PAPER:
        return 8.0 * (double)h / (double)heads * (n > 1 ? 1.0 - l / n : 1.0);
    case SB_LIGHTNING_MINIMAX:
        return power_of_two(h, heads) * (1.0 - (n > 1 ? l / (n - 1.0 + 1e-5) : 0.0) + 1e-5);
    default:
        return geometric(h, heads) * (1.0 - (n > 1 ? l / (n - 1.0) : 0.0) + 1e-5);
    }
}

void sb_lightning_slope_table(sb_lightning_slopes rule, int64_t n_heads, int32_t layer,
                              int32_t n_layers, int64_t first, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = slope(rule, first + i, n_heads, (double)layer, (double)n_layers);
}
