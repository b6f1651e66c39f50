/* Exact McNemar. The largest term C(n, k) / 2^n, k = min(b, c), comes from Loader's saddle-point
 * form of the binomial distribution ("Fast and accurate computation of binomial probabilities",
 * 2000), whose parts are small where lgamma(n) would cancel; the smaller terms follow by ratios. */
#include <math.h>

#include "results/stats/compare.h"

#define LN_2 0.693147180559945309417
#define LN_2_PI 1.837877066409345483561
static const int64_t most_pairs = (int64_t)1 << 40;

/* ln n! minus Stirling's formula. */
static double stirling_error(double n)
{
    if (n < 16)
        return lgamma(n + 1) - (n + 0.5) * log(n) + n - LN_2_PI / 2;
    double n2 = n * n;
    return (1.0 / 12 - (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - 1.0 / 1188 / n2) / n2) / n2) / n2) /
           n;
}

/* x ln(x / m) + m - x without cancellation where x is near m. */
static double deviance(double x, double m)
{
    if (fabs(x - m) > 0.1 * (x + m))
        return x * log(x / m) + m - x;
    double v = (x - m) / (x + m), sum = (x - m) * v, term = 2 * x * v;
    for (int j = 1; j < 100; j++) {
        term *= v * v;
        double next = sum + term / (2 * j + 1);
        if (next == sum)
            break;
        sum = next;
    }
    return sum;
}

static double ln_term(double n, double k) /* ln(C(n, k) / 2^n), k <= n / 2 */
{
    if (k == 0)
        return -n * LN_2;
    double rest = n - k;
    return stirling_error(n) - stirling_error(k) - stirling_error(rest) - deviance(k, n / 2) -
           deviance(rest, n / 2) - 0.5 * (LN_2_PI + log(k) + log(rest / n));
}

double sb_stats_mcnemar_ln(int64_t b, int64_t c)
{
    if (b < 0 || c < 0 || b > most_pairs || c > most_pairs - b)
        return NAN;
    if (b == c)
        return 0;
    int64_t k   = b < c ? b : c;
    double  n   = (double)b + (double)c;
    double  sum = 1, term = 1;
    for (int64_t i = k; i > 0 && term > 1e-17 * sum; i--) {
        term *= (double)i / (n - (double)i + 1);
        sum += term;
    }
    return fmin(0, LN_2 + ln_term(n, (double)k) + log(sum));
}

double sb_stats_mcnemar(int64_t b, int64_t c) { return exp(sb_stats_mcnemar_ln(b, c)); }
