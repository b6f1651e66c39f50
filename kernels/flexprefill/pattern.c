#include "kernels/flexprefill/pattern.h"

#include <math.h>

/* ln x for x > 0, within 1e-15: x = m 2^e with m about 1, ln m = 2 artanh((m - 1) / (m + 1)) as its
 * series. */
static double natural_log(double x)
{
    int    e;
    double m = frexp(x, &e); /* [1/2, 1) */
    if (m < 0.70710678118654752) {
        m *= 2.0;
        e--;
    }
    double s = (m - 1.0) / (m + 1.0), s2 = s * s, sum = 0.0; /* |s| <= 0.1716 */
    for (int i = 21; i > 0; i -= 2)
        sum = sum * s2 + 1.0 / (double)i;
    return 2.0 * s * sum + (double)e * 0.69314718055994531;
}

double sbi_flex_distance(const double *p, const double *t, int64_t n)
{
    double of_p = 0.0, of_t = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double m = (p[i] + t[i]) / 2.0;
        if (p[i] > 0.0)
            of_p += p[i] * natural_log(p[i] / m);
        if (t[i] > 0.0)
            of_t += t[i] * natural_log(t[i] / m);
    }
    double d = 0.5 * of_p + 0.5 * of_t;
    return sqrt(d < 0.0 ? 0.0 : d); /* equal distributions may round below 0 */
}
