/* Two constants from many rows. */
#include <math.h>

#include "harness/plan/fit.h"

static double error_of(const double *a, const double *b, const double *t, int64_t n, double u,
                       double v)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = (a[i] * u + b[i] * v) / t[i] - 1;
        sum += e * e;
    }
    return sum;
}

void sb_fit_two(const double *a, const double *b, const double *t, int64_t n, double *u, double *v,
                double *spread)
{
    double aa = 0, ab = 0, bb = 0, at = 0, bt = 0;
    for (int64_t i = 0; i < n; i++) { /* rows divided by t: all weigh the same */
        double x = a[i] / t[i], y = b[i] / t[i];
        aa += x * x;
        ab += x * y;
        bb += y * y;
        at += x;
        bt += y;
    }
    /* either alone, or both where that leaves none below 0 */
    double only_u = aa > 0 ? at / aa : 0, only_v = bb > 0 ? bt / bb : 0;
    double det = aa * bb - ab * ab;
    *u         = only_u;
    *v         = 0;
    if (bb > 0 && error_of(a, b, t, n, 0, only_v) <= error_of(a, b, t, n, only_u, 0)) {
        *u = 0;
        *v = only_v;
    }
    if (det > 1e-9 * aa * bb) {
        double both_u = (at * bb - bt * ab) / det, both_v = (bt * aa - at * ab) / det;
        if (both_u >= 0 && both_v >= 0) {
            *u = both_u;
            *v = both_v;
        }
    }
    *spread = sqrt(error_of(a, b, t, n, *u, *v) / (double)n);
}
