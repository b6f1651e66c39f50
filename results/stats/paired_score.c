/* Tango's score interval of a paired difference, by bisection: the statistic falls as the assumed
 * difference grows. */
#include <math.h>

#include "results/stats/compare.h"

/* (gains - losses - n t) / its standard error under a true difference t; the share of losses there
 * is the larger root of its likelihood equation. */
static double statistic(double losses, double gains, double n, double t)
{
    double a      = 2 * n;
    double b      = -(gains + losses) + (2 * n - gains + losses) * t;
    double c      = -losses * t * (1 - t);
    double root   = sqrt(fmax(0, b * b - 4 * a * c));
    double share  = b <= 0 ? (root - b) / (2 * a) : (root + b == 0 ? 0 : -2 * c / (root + b));
    double spread = n * (2 * share + t * (1 - t));
    double off    = gains - losses - n * t;
    if (spread <= 0)
        return off > 0 ? INFINITY : off < 0 ? -INFINITY : 0;
    return off / sqrt(spread);
}

static double lower(double losses, double gains, double n)
{
    double lo = -1, hi = (gains - losses) / n;
    for (int i = 0; i < 100; i++) {
        double mid = (lo + hi) / 2;
        if (mid <= lo || mid >= hi)
            break;
        if (statistic(losses, gains, n, mid) > SB_STATS_Z95)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

sb_status sb_stats_paired_score(int64_t b, int64_t c, int64_t n, sb_interval *out)
{
    if (n < 1 || b < 0 || c < 0 || b > n || c > n - b)
        return sb_fail(SB_ERR_USAGE,
                       "paired interval: %lld and %lld of %lld pairs differ, allowed a sum of 0..n "
                       "of n >= 1",
                       (long long)b, (long long)c, (long long)n);
    out->lo = lower((double)b, (double)c, (double)n);
    out->hi = -lower((double)c, (double)b, (double)n); /* the other way round */
    return SB_OK;
}

int sb_stats_non_inferior(double lo, double margin) { return lo > -margin; }

double sb_stats_paired_resolution(int64_t discordant, int64_t n)
{
    if (n < 1 || discordant < 0 || discordant > n)
        return NAN;
    return SB_STATS_Z95 * sqrt((double)discordant) / (double)n;
}
