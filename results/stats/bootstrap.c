/* Percentile bootstrap [workloads 5.2]: of a mean, of paired differences, of a mean over strata.
 * Two indices are taken from one 64-bit draw. */
#include <stdlib.h>

#include "results/stats/compare.h"
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

static double resample(const double *values, int64_t n, sb_xoshiro *x)
{
    double sum = 0.0;
    for (int64_t i = 0; i < n; i += 2) {
        uint64_t bits = sb_xoshiro_next(x);
        sum += values[((bits >> 32) * (uint64_t)n) >> 32];
        if (i + 1 < n)
            sum += values[((bits & UINT32_MAX) * (uint64_t)n) >> 32];
    }
    return sum / (double)n;
}

static int all_alike(const double *values, int64_t n)
{
    for (int64_t i = 1; i < n; i++)
        if (values[i] != values[0])
            return 0;
    return 1;
}

/* No stratum has two different values, so every resample has the same mean. Other values may come
 * up with a share of at most z^2 / (N + z^2), and are anything in the range: Wilson's bound of 0 of
 * N. */
static void unseen(const double *values, const int64_t *n, int64_t n_strata, int64_t total,
                   sb_interval range, sb_interval *out)
{
    const double z2   = SB_STATS_Z95 * SB_STATS_Z95;
    double       mean = 0, share = z2 / ((double)total + z2);
    for (int64_t s = 0; s < n_strata; values += n[s++])
        mean += values[0];
    mean /= (double)n_strata; /* only now: of thirteen ones it is 1 */
    out->lo = mean - share * (mean - range.lo);
    out->hi = mean + share * (range.hi - mean);
}

sb_status sb_stats_bootstrap_strata(const double *values, const int64_t *n, int64_t n_strata,
                                    sb_interval range, uint64_t seed, sb_interval *out)
{
    int64_t total = 0;
    int     alike = 1;
    for (int64_t s = 0; s < n_strata; s++) {
        if (n[s] < 1 || n[s] > INT32_MAX)
            return sb_fail(SB_ERR_USAGE,
                           "bootstrap: %lld values in stratum %lld, allowed 1..2^31-1",
                           (long long)n[s], (long long)s);
        alike = alike && all_alike(values + total, n[s]);
        total += n[s];
    }
    if (total < 2)
        return sb_fail(SB_ERR_USAGE, "bootstrap: %lld values, allowed at least 2",
                       (long long)total);
    if (alike) {
        unseen(values, n, n_strata, total, range, out);
        return SB_OK;
    }
    double *means = malloc(SB_STATS_BOOTSTRAP_DRAWS * sizeof *means);
    if (means == NULL)
        return sb_fail(SB_ERR_NOMEM, "bootstrap: no memory for %d means", SB_STATS_BOOTSTRAP_DRAWS);
    sb_xoshiro x;
    sb_xoshiro_init(&x, seed);
    for (int64_t draw = 0; draw < SB_STATS_BOOTSTRAP_DRAWS; draw++) {
        const double *from = values;
        double        sum  = 0.0;
        for (int64_t s = 0; s < n_strata; from += n[s++])
            sum += resample(from, n[s], &x);
        means[draw] = sum / (double)n_strata;
    }
    qsort(means, SB_STATS_BOOTSTRAP_DRAWS, sizeof *means, compare_doubles);
    out->lo = quantile(means, SB_STATS_BOOTSTRAP_DRAWS, 0.025);
    out->hi = quantile(means, SB_STATS_BOOTSTRAP_DRAWS, 0.975);
    free(means);
    return SB_OK;
}

sb_status sb_stats_bootstrap_mean(const double *values, int64_t n, uint64_t seed, sb_interval *out)
{
    return sb_stats_bootstrap_strata(values, &n, 1, (sb_interval){0, 1}, seed, out);
}

sb_status sb_stats_paired_bootstrap(const double *differences, int64_t n, uint64_t seed,
                                    sb_interval *out)
{
    return sb_stats_bootstrap_strata(differences, &n, 1, (sb_interval){-1, 1}, seed, out);
}
