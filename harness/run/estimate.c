#include "harness/run/estimate.h"

#include <math.h>
#include <stdlib.h>

#include "results/stats/stats.h"

/* y, or y - minus, or y - factor * minus. */
typedef struct series {
    const double *y, *minus;
    double        factor;
    int64_t       stride;
} series;

static double at(const series *s, int64_t i)
{
    double y = s->y[i * s->stride];
    return s->minus == NULL ? y : y - s->factor * s->minus[i * s->stride];
}

static double mean_of(const series *s, int64_t first, int64_t n)
{
    double sum = 0;
    for (int64_t i = first; i < first + n; i++)
        sum += at(s, i);
    return n > 0 ? sum / (double)n : 0;
}

/* Mean over all rows; *variance of it, and *spread = sum a_l^2 / (m_l - 1) for Satterthwaite. */
static double stratified(const sb_rows *rows, const series *y, double *variance, double *spread)
{
    double mean = 0;
    *variance = *spread = 0;
    if (rows->n == rows->n_tokens) /* plain: no rounding by weights */
        return mean_of(y, 0, rows->n);
    for (int64_t l = 0; l <= SB_STRATA; l++) {
        const sb_stratum *t    = &rows->stratum[l];
        double            size = (double)(t->end - t->begin), m = (double)t->n_drawn, s2 = 0;
        double w = size / (double)rows->n_tokens, y_mean = mean_of(y, t->first, t->n_drawn);
        mean += w * y_mean;
        if (t->n_drawn < 2 || t->n_drawn == t->end - t->begin)
            continue;
        for (int64_t i = t->first; i < t->first + t->n_drawn; i++)
            s2 += (at(y, i) - y_mean) * (at(y, i) - y_mean);
        double a = w * w * (1 - m / size) * s2 / (m - 1) / m;
        *variance += a;
        *spread += a * a / (m - 1);
    }
    return mean;
}

static sb_estimate estimate(const sb_rows *rows, const series *y)
{
    const sb_stratum *census = &rows->stratum[SB_STRATA];
    double            variance, spread;
    sb_estimate       e = {.mean = stratified(rows, y, &variance, &spread),
                           .tail = mean_of(y, census->first, census->n_drawn)};
    e.se                = sqrt(variance);
    double half         = spread > 0 ? sb_stats_t975(variance * variance / spread) * e.se : 0;
    e.lo                = e.mean - half;
    e.hi                = e.mean + half;
    if (rows->n == 0)
        e.mean = e.tail = e.lo = e.hi = NAN;
    return e;
}

sb_estimate sb_estimate_mean(const sb_rows *rows, const double *y, int64_t stride)
{
    return estimate(rows, &(series){.y = y, .stride = stride});
}

sb_estimate sb_estimate_difference(const sb_rows *rows, const double *a, const double *b,
                                   int64_t stride)
{
    return estimate(rows, &(series){.y = a, .minus = b, .factor = 1, .stride = stride});
}

static double largest_share(const sb_rows *rows, const series *num, double mean)
{
    double share = 0;
    for (int64_t l = 0; l < SB_STRATA && mean > 0; l++) {
        const sb_stratum *t    = &rows->stratum[l];
        double            size = (double)(t->end - t->begin);
        if (t->n_drawn == t->end - t->begin)
            continue;
        for (int64_t i = t->first; i < t->first + t->n_drawn; i++)
            share = fmax(share,
                         at(num, i) * size / (double)rows->n_tokens / ((double)t->n_drawn * mean));
    }
    return share;
}

sb_ratio sb_estimate_ratio(const sb_rows *rows, const double *num, const double *den,
                           int64_t stride)
{
    series   n = {.y = num, .stride = stride}, d = {.y = den, .stride = stride};
    double   variance, spread;
    double   e = stratified(rows, &n, &variance, &spread);
    double   a = stratified(rows, &d, &variance, &spread);
    sb_ratio r = {.num   = e * (double)rows->n_tokens,
                  .den   = a * (double)rows->n_tokens,
                  .value = a > 0 ? e / a : NAN,
                  .share = largest_share(rows, &n, e)};
    (void)stratified(rows, &(series){.y = num, .minus = den, .factor = r.value, .stride = stride},
                     &variance, &spread);
    r.se = sqrt(variance) / a;
    return r;
}

typedef struct weighted {
    double y, weight;
} weighted;

static int by_value(const void *a, const void *b)
{
    double x = ((const weighted *)a)->y, y = ((const weighted *)b)->y;
    return (x > y) - (x < y);
}

static double percentile(weighted *v, int64_t n, double p)
{
    double sum = 0, total = 0;
    qsort(v, (size_t)n, sizeof *v, by_value);
    for (int64_t i = 0; i < n; i++)
        total += v[i].weight;
    for (int64_t i = 0; i < n; i++) {
        sum += v[i].weight;
        if (sum >= p * total * (1 - 1e-12)) /* weights are no exact numbers */
            return v[i].y;
    }
    return NAN;
}

static weighted *room_for(int64_t n)
{
    weighted *v = malloc((size_t)(n > 0 ? n : 1) * sizeof *v);
    if (v == NULL)
        (void)sb_fail(SB_ERR_NOMEM, "percentile: no memory for %lld values", (long long)n);
    return v;
}

sb_status sb_estimate_percentile(const sb_rows *rows, const double *y, int64_t stride, double p,
                                 double *out)
{
    weighted *v = room_for(rows->n);
    if (v == NULL)
        return SB_ERR_NOMEM;
    for (int64_t l = 0; l <= SB_STRATA; l++) {
        const sb_stratum *t = &rows->stratum[l];
        for (int64_t i = t->first; i < t->first + t->n_drawn; i++)
            v[i] = (weighted){y[i * stride], (double)(t->end - t->begin) / (double)t->n_drawn};
    }
    *out = percentile(v, rows->n, p);
    free(v);
    return SB_OK;
}

sb_status sb_percentile(const double *y, int64_t n, int64_t stride, double p, double *out)
{
    weighted *v = room_for(n);
    if (v == NULL)
        return SB_ERR_NOMEM;
    for (int64_t i = 0; i < n; i++)
        v[i] = (weighted){y[i * stride], 1};
    *out = percentile(v, n, p);
    free(v);
    return SB_OK;
}
