/* Bounds without a distribution: empirical Bernstein (Maurer and Pontil, arXiv 0907.3740, theorem
 * 4) and Hoeffding. */
#include <math.h>

#include "results/stats/stats.h"

double sb_stats_bernstein_half(double variance, int64_t m, double side)
{
    if (m < 2 || !(side > 0 && side < 1))
        return NAN;
    double l = log(2 / side);
    return sqrt(2 * variance * l / (double)m) + 7 * l / (3 * (double)(m - 1));
}

double sb_stats_hoeffding_half(int64_t m, double side)
{
    if (m < 2 || !(side > 0 && side < 1))
        return NAN;
    return sqrt(log(1 / side) / (2 * (double)m));
}
