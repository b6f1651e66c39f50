#include "workloads/synthetic/draw.h"

#include <math.h>
#include <string.h>

sb_rng sbi_stream_at(uint64_t seed, sbi_stream stream, int64_t head, int64_t index)
{
    uint64_t z = sb_mix(seed ^ ((uint64_t)stream + 1) * 0xD6E8FEB86659FD93u);
    z          = sb_mix(z ^ ((uint64_t)head + 1) * 0xA0761D6478BD642Fu);
    return (sb_rng){sb_mix(z + (uint64_t)index)};
}

/* x = m * 2^e with m in [1/sqrt 2, sqrt 2): ln x = e ln 2 + 2 atanh((m - 1) / (m + 1)). */
double sbi_ln(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    int64_t e = (int64_t)(bits >> 52) - 1023;
    bits      = (bits & 0x000fffffffffffffu) | 0x3ff0000000000000u;
    double m;
    memcpy(&m, &bits, sizeof m);
    if (m > 0x1.6a09e667f3bcdp0) {
        m *= 0.5;
        e++;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 15; k >= 1; k -= 2) /* |s| <= 0.1716: the next term is below 1e-14 */
        sum = sum * s2 + 1.0 / k;
    return (double)e * 0x1.62e42fefa39efp-1 + 2 * s * sum;
}

/* x = n ln 2 + r, |r| <= 0.35: a Taylor sum, then an exact shift. */
double sbi_exp(double x)
{
    double n = floor(x * 0x1.71547652b82fep0 + 0.5);
    double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33, sum = 1;
    for (int k = 14; k >= 1; k--)
        sum = 1 + sum * r / k;
    uint64_t bits = (uint64_t)((int64_t)n + 1023) << 52;
    double   power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

/* Quadrant by three parts of pi/2, of which the first two times n < 2^30 are exact. */
void sbi_sin_cos(double x, double *sin, double *cos)
{
    static const double part[3] = {0x1.921fb4p+0, 0x1.4442dp-24, 0x1.8469898cc5170p-48};
    double              n       = floor(x * 0x1.45f306dc9c883p-1 + 0.5);
    double              r = ((x - n * part[0]) - n * part[1]) - n * part[2], r2 = r * r;
    double              s = 0, c = 0;
    for (int k = 13; k >= 3; k -= 2) /* sin r = r - r^3/3! + ..., from the inside out */
        s = -(1 + s) * r2 / (k * (k - 1));
    for (int k = 14; k >= 2; k -= 2)
        c = -(1 + c) * r2 / (k * (k - 1));
    s              = r + r * s;
    c              = 1 + c;
    int    quarter = (int)((int64_t)n & 3);
    double a = quarter & 1 ? c : s, b = quarter & 1 ? s : c;
    *sin = quarter & 2 ? -a : a;
    *cos = quarter == 1 || quarter == 2 ? -b : b;
}

/* The inverse of the normal distribution function for 0 < p < 1. */
static double inverse_normal(double p)
{
    double q = p - 0.5;
    if (fabs(q) <= 0.425) {
        double r = 0.180625 - q * q;
        return q * (((59.109374720 * r + 159.29113202) * r + 50.434271938) * r + 3.3871327179) /
               (((67.187563600 * r + 78.757757664) * r + 17.895169469) * r + 1.0);
    }
    /* p of 32 bits keeps the root below 5, where a third form would begin */
    double r = sqrt(-sbi_ln(q < 0 ? p : 1 - p)) - 1.6;
    double x = (((0.17023821103 * r + 1.3067284816) * r + 2.7568153900) * r + 1.4234372777) /
               ((0.12021132975 * r + 0.73700164250) * r + 1.0);
    return q < 0 ? -x : x;
}

void sbi_normals(sb_rng *r, int64_t n, double *out)
{
    for (int64_t i = 0; i < n; i += 2) {
        uint64_t w = sb_rng_next(r);
        out[i]     = inverse_normal(((double)(w >> 32) + 0.5) * 0x1p-32);
        if (i + 1 < n)
            out[i + 1] = inverse_normal(((double)(w & 0xffffffffu) + 0.5) * 0x1p-32);
    }
}

double sbi_uniform_in(sb_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * sb_rng_uniform(r);
}

void sbi_signs(sb_rng *r, int64_t n, double *out)
{
    uint64_t w = 0;
    for (int64_t i = 0; i < n; i++) {
        if (i % 64 == 0)
            w = sb_rng_next(r);
        out[i] = (w >> (i % 64)) & 1 ? 1.0 : -1.0;
    }
}
