/* Pairs of a causal mask in closed form: a row of id t sees min(t + 1, keys) keys. */
#include <math.h>

#include "harness/plan/parts.h"

/* Sum of t + 1 over [0, n). */
static double triangle(double n) { return n * (n + 1) / 2; }

/* Sum over [0, n) of min(t + 1, keys). */
static double up_to(double n, double keys)
{
    return n <= keys ? triangle(n) : triangle(keys) + (n - keys) * keys;
}

double sbi_pairs(sb_run q, double keys)
{
    double a = (double)q.start, b = (double)(q.start + q.len);
    return up_to(b, keys) - up_to(a, keys);
}

/* Sum over queries t of the run of clamp(t + 1 - back - k.start, 0, k.len): keys of the run that
 * are at least `back` before the own one. */
static double seen(sb_run q, sb_run k, double back)
{
    double shift = (double)k.start + back, len = (double)k.len;
    double a = fmax((double)q.start - shift, 0), b = fmax((double)(q.start + q.len) - shift, 0);
    return up_to(b, len) - up_to(a, len);
}

double sbi_pairs_between(sb_run q, sb_run k, double keys)
{
    double all = seen(q, k, 0);
    return isinf(keys) ? all : all - seen(q, k, keys);
}

double sbi_pairs_keys(int64_t first, int64_t n, double share)
{
    sb_run rows = {first, n - first};
    double low = 1, high = (double)n, want = share * sbi_pairs(rows, (double)n);
    for (int i = 0; i < 60; i++) { /* rises with keys */
        double mid                                    = (low + high) / 2;
        *(sbi_pairs(rows, mid) < want ? &low : &high) = mid;
    }
    return high;
}
