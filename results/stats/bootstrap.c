/* Percentile bootstrap of a mean [workloads 5.2]. Two indices are taken from one 64-bit draw. */
#include <stdlib.h>

#include "results/stats/stats.h"
#include "results/stats/xoshiro.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int64_t n, double q)
{
    double  at   = q * (double)(n - 1);
    int64_t low  = (int64_t)at;
    int64_t high = low + 1 < n ? low + 1 : low;
    return sorted[low] + (at - (double)low) * (sorted[high] - sorted[low]);
}

sb_status sb_stats_bootstrap_mean(const double *values, int64_t n, uint64_t seed, sb_interval *out)
{
    if (n < 2 || n > INT32_MAX)
        return sb_fail(SB_ERR_USAGE, "bootstrap: %lld values, allowed 2..2^31-1", (long long)n);
    double *means = malloc(SB_STATS_BOOTSTRAP_DRAWS * sizeof *means);
    if (means == NULL)
        return sb_fail(SB_ERR_NOMEM, "bootstrap: no memory for %d means", SB_STATS_BOOTSTRAP_DRAWS);

    sb_xoshiro x;
    sb_xoshiro_init(&x, seed);
    for (int64_t draw = 0; draw < SB_STATS_BOOTSTRAP_DRAWS; draw++) {
        double sum = 0.0;
        for (int64_t i = 0; i < n; i += 2) {
            uint64_t bits = sb_xoshiro_next(&x);
            sum += values[((bits >> 32) * (uint64_t)n) >> 32];
            if (i + 1 < n)
                sum += values[((bits & UINT32_MAX) * (uint64_t)n) >> 32];
        }
        means[draw] = sum / (double)n;
    }
    qsort(means, SB_STATS_BOOTSTRAP_DRAWS, sizeof *means, compare_doubles);
    out->lo = quantile(means, SB_STATS_BOOTSTRAP_DRAWS, 0.025);
    out->hi = quantile(means, SB_STATS_BOOTSTRAP_DRAWS, 0.975);
    free(means);
    return SB_OK;
}
