/* Sign-flip test of paired differences (Fisher's randomisation test). Sums that are equal but for
 * their rounding count as equally far from 0. */
#include <math.h>
#include <stdlib.h>

#include "results/stats/compare.h"
#include "results/stats/xoshiro.h"

enum { MOST_ENUMERATED = 13 }; /* 2^13 patterns are fewer than the random draws */

static double flipped_sum(const double *d, int64_t n, uint64_t bits)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (bits >> i & 1) != 0 ? -d[i] : d[i];
    return sum;
}

static double enumerate(const double *d, int64_t n, double reach)
{
    int64_t hits = 0, patterns = (int64_t)1 << n;
    for (int64_t bits = 0; bits < patterns; bits++)
        hits += fabs(flipped_sum(d, n, (uint64_t)bits)) >= reach;
    return (double)hits / (double)patterns;
}

static double sampled(const double *d, int64_t n, double reach, uint64_t seed)
{
    int64_t    hits = 0;
    sb_xoshiro x;
    sb_xoshiro_init(&x, seed);
    for (int draw = 0; draw < SB_STATS_BOOTSTRAP_DRAWS; draw++) {
        double sum = 0;
        for (int64_t i = 0; i < n; i += 64)
            sum += flipped_sum(d + i, n - i < 64 ? n - i : 64, sb_xoshiro_next(&x));
        hits += fabs(sum) >= reach;
    }
    return (double)(hits + 1) / (SB_STATS_BOOTSTRAP_DRAWS + 1);
}

sb_status sb_stats_sign_flip(const double *differences, int64_t n, uint64_t seed, double *p)
{
    if (n < 1)
        return sb_fail(SB_ERR_USAGE, "sign flips: %lld differences, allowed at least 1",
                       (long long)n);
    double *d = malloc((size_t)n * sizeof *d);
    if (d == NULL)
        return sb_fail(SB_ERR_NOMEM, "sign flips: no memory for %lld differences", (long long)n);
    int64_t m   = 0;
    double  sum = 0, size = 0;
    for (int64_t i = 0; i < n; i++) {
        if (differences[i] == 0)
            continue;
        d[m++] = differences[i];
        sum += differences[i];
        size += fabs(differences[i]);
    }
    double reach = fabs(sum) - 1e-12 * size;
    *p           = m <= MOST_ENUMERATED ? enumerate(d, m, reach) : sampled(d, m, reach, seed);
    free(d);
    return SB_OK;
}
