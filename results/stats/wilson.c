/* Wilson's score interval, the same formula as the view `accuracy` (which has no sqrt and
 * iterates). */
#include <math.h>

#include "results/stats/stats.h"

sb_status sb_stats_wilson(int64_t successes, int64_t n, sb_interval *out)
{
    if (n < 1 || successes < 0 || successes > n)
        return sb_fail(SB_ERR_USAGE,
                       "wilson: %lld successes of %lld trials, allowed 0..n of n >= 1",
                       (long long)successes, (long long)n);
    const double z2   = SB_STATS_Z95 * SB_STATS_Z95;
    const double k    = (double)successes;
    const double size = (double)n;
    const double root = sqrt(k * (size - k) / size + z2 / 4.0);

    out->lo = fmax(0.0, (k + z2 / 2.0 - SB_STATS_Z95 * root) / (size + z2));
    out->hi = fmin(1.0, (k + z2 / 2.0 + SB_STATS_Z95 * root) / (size + z2));
    return SB_OK;
}

double sb_stats_wilson_half(double sum, int64_t n)
{
    const double z2   = SB_STATS_Z95 * SB_STATS_Z95;
    const double size = (double)n;
    if (n < 1 || !(sum >= 0 && sum <= size))
        return NAN;
    return SB_STATS_Z95 * sqrt(sum * (size - sum) / size + z2 / 4.0) / (size + z2);
}
