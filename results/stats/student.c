/* Student's t at 97.5 %, by bisection of its upper tail, which is half a regularised incomplete
 * beta function: P(T > t) = I_x(nu / 2, 1 / 2) / 2 with x = nu / (nu + t^2). */
#include <math.h>

#include "results/stats/stats.h"

/* Continued fraction of I_x(a, b), modified Lentz; converges fast for x < (a + 1) / (a + b + 2). */
static double fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double       c = 1, d = 1 - (a + b) * x / (a + 1), f;
    d = 1 / (fabs(d) < tiny ? tiny : d);
    f = d;
    for (int m = 1; m < 10000; m++) {
        for (int half = 0; half < 2; half++) {
            double n = half == 0 ? m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
                                 : -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
            d        = 1 + n * d;
            c        = 1 + n / c;
            d        = 1 / (fabs(d) < tiny ? tiny : d);
            c        = fabs(c) < tiny ? tiny : c;
            f *= c * d;
        }
        if (fabs(c * d - 1) < 1e-15)
            break;
    }
    return f;
}

static double incomplete_beta(double a, double b, double x, double y) /* y = 1 - x, unrounded */
{
    double front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    return x < (a + 1) / (a + b + 2) ? front * fraction(a, b, x) / a
                                     : 1 - front * fraction(b, a, y) / b;
}

static double tail(double t, double nu)
{
    double t2 = t * t;
    return incomplete_beta(nu / 2, 0.5, nu / (nu + t2), t2 / (nu + t2)) / 2;
}

/* Expansion in 1 / nu about the normal quantile (Abramowitz and Stegun 26.7.5): where nu is large
 * it is exact to 1e-11, and lgamma above would lose its digits. */
static double expansion(double nu)
{
    const double z = SB_STATS_Z95, z2 = z * z;
    double       g1 = z * (z2 + 1) / 4, g2 = z * ((5 * z2 + 16) * z2 + 3) / 96;
    double       g3 = z * (((3 * z2 + 19) * z2 + 17) * z2 - 15) / 384;
    double       g4 = z * ((((79 * z2 + 776) * z2 + 1482) * z2 - 1920) * z2 - 945) / 92160;
    return z + (g1 + (g2 + (g3 + g4 / nu) / nu) / nu) / nu;
}

double sb_stats_t975(double nu)
{
    double lo = SB_STATS_Z95, hi = 2 * SB_STATS_Z95;
    if (!(nu > 0))
        return NAN;
    if (nu >= 200)
        return expansion(nu);
    while (tail(hi, nu) > 0.025)
        hi *= 2;
    while (hi - lo > 1e-12 * hi) {
        double mid = (lo + hi) / 2;
        if (mid <= lo || mid >= hi)
            break;
        if (tail(mid, nu) > 0.025)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}

double sb_stats_t_upper(double t, double nu)
{
    if (!(nu > 0) || isnan(t))
        return NAN;
    double a = fabs(t), p;
    if (a == 0)
        p = 0.5;
    else if (isinf(a))
        p = 0;
    else
        p = nu > 1e8 ? erfc(a / sqrt(2)) / 2 : tail(a, nu); /* lgamma loses its digits there */
    return t >= 0 ? p : 1 - p;
}

double sb_stats_t_quantile(double side, double nu)
{
    double lo = 0, hi = 1;
    if (!(nu > 0) || !(side > 0) || !(side <= 0.5))
        return NAN;
    while (sb_stats_t_upper(hi, nu) > side && hi < 1e300)
        hi *= 2;
    for (int i = 0; i < 200 && hi - lo > 1e-12 * hi; i++) {
        double mid = (lo + hi) / 2;
        if (sb_stats_t_upper(mid, nu) > side)
            lo = mid;
        else
            hi = mid;
    }
    return (lo + hi) / 2;
}
