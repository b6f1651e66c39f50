/* Two samples that may differ by a shift: Wilcoxon's rank sum test, and the interval of shifts that
 * it does not reject (Hodges, Lehmann 1963). The null distribution of U, the number of pairs with
 * y > x, has the coefficients of a Gaussian binomial: prod (1 - q^(ny + i)) / (1 - q^i). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/stats/rank_sum.h"

/* Coefficients 0 .. k of it, into c. Those of low order come from small whole numbers: exact. */
static void coefficients(int64_t nx, int64_t ny, int64_t k, double *c)
{
    memset(c, 0, (size_t)(k + 1) * sizeof *c);
    c[0] = 1;
    for (int64_t i = 1; i <= nx; i++) {
        for (int64_t j = k; j >= ny + i; j--)
            c[j] -= c[j - ny - i];
        for (int64_t j = i; j <= k; j++)
            c[j] += c[j - i];
    }
}

/* P(U <= u) for u < nx ny / 2. */
static sb_status lower_tail(int64_t nx, int64_t ny, int64_t u, double *p)
{
    if (u < 0) {
        *p = 0;
        return SB_OK;
    }
    if (nx > SB_STATS_RANK_EXACT || ny > SB_STATS_RANK_EXACT) {
        double mean = (double)nx * (double)ny / 2;
        double sd   = sqrt(mean * (double)(nx + ny + 1) / 6);
        *p          = erfc((mean - (double)u - 0.5) / sd / sqrt(2)) / 2;
        return SB_OK;
    }
    double *c = malloc((size_t)(u + 1) * sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "rank sum: no memory for %lld counts", (long long)u);
    double sum = 0;
    coefficients(nx, ny, u, c);
    for (int64_t j = 0; j <= u; j++)
        sum += c[j];
    free(c);
    *p = fmin(1, sum * exp(lgamma((double)nx + 1) + lgamma((double)ny + 1) -
                           lgamma((double)(nx + ny) + 1)));
    return SB_OK;
}

static sb_status need(int64_t nx, int64_t ny)
{
    if (nx < 1 || ny < 1 || nx > 10000 || ny > 10000)
        return sb_fail(SB_ERR_USAGE, "rank sum: samples of %lld and %lld, allowed 1..10000",
                       (long long)nx, (long long)ny);
    return SB_OK;
}

sb_status sb_stats_rank_sum(const double *x, int64_t nx, const double *y, int64_t ny, double shift,
                            double *p)
{
    int64_t   above = 0, all = nx * ny;
    sb_status st = need(nx, ny);
    for (int64_t i = 0; st == SB_OK && i < nx; i++)
        for (int64_t j = 0; j < ny; j++)
            above += y[j] - shift > x[i]; /* a tie counts against */
    if (st != SB_OK)
        return st;
    if (2 * above > all) /* P(U >= u) = P(U <= all - u) */
        return lower_tail(nx, ny, all - above, p);
    double below = 0;
    st           = lower_tail(nx, ny, above - 1, &below);
    if (st == SB_OK)
        *p = 1 - below;
    return st;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Most pairs that may be cut from one end at that chance, plus one: 0 when not even none. */
static sb_status cut(int64_t nx, int64_t ny, double side, int64_t *k)
{
    int64_t lo = -1, hi = (nx * ny - 1) / 2; /* P(U <= lo) <= side */
    while (lo < hi) {
        int64_t   mid = lo + (hi - lo + 1) / 2;
        double    p   = 0;
        sb_status st  = lower_tail(nx, ny, mid, &p);
        if (st != SB_OK)
            return st;
        if (p <= side)
            lo = mid;
        else
            hi = mid - 1;
    }
    *k = lo + 1;
    return SB_OK;
}

sb_status sb_stats_shift(const double *x, int64_t nx, const double *y, int64_t ny, double side,
                         double *estimate, sb_interval *out)
{
    int64_t   n = nx * ny, k = 0;
    sb_status st = need(nx, ny);
    if (st == SB_OK && !(side > 0 && side < 0.5))
        st = sb_fail(SB_ERR_USAGE, "rank sum: a side of %g, allowed above 0, below 0.5", side);
    if (st == SB_OK)
        st = cut(nx, ny, side, &k);
    if (st != SB_OK)
        return st;
    double *d = malloc((size_t)n * sizeof *d);
    if (d == NULL)
        return sb_fail(SB_ERR_NOMEM, "rank sum: no memory for %lld differences", (long long)n);
    for (int64_t i = 0; i < nx; i++)
        for (int64_t j = 0; j < ny; j++)
            d[i * ny + j] = y[j] - x[i];
    qsort(d, (size_t)n, sizeof *d, compare_doubles);
    *estimate = (d[(n - 1) / 2] + d[n / 2]) / 2;
    out->lo   = k == 0 ? -INFINITY : d[k - 1];
    out->hi   = k == 0 ? INFINITY : d[n - k];
    free(d);
    return SB_OK;
}
