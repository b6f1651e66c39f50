#include "harness/run/estimate.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/base/rng.h"

/* Stratum s covers [s * n / 64, (s + 1) * n / 64) of the n rows before the census. */
static int64_t stratum_begin(int64_t n_tokens, int64_t s)
{
    return s * (n_tokens - SB_CENSUS_ROWS) / SB_STRATA;
}

static void draw_stratum(int64_t begin, int64_t end, sb_rng *rng, int64_t *row)
{
    for (int64_t i = 0; i < SB_STRATUM_ROWS; i++) {
        int64_t at = 0;
        int64_t x  = begin + (int64_t)sb_rng_below(rng, (uint64_t)(end - begin));
        for (int64_t j = 0; j < i; j++)
            if (row[j] == x) { /* taken: draw again, nothing was stored yet */
                x = begin + (int64_t)sb_rng_below(rng, (uint64_t)(end - begin));
                j = -1;
            }
        for (at = i; at > 0 && row[at - 1] > x; at--)
            row[at] = row[at - 1];
        row[at] = x;
    }
}

sb_status sb_rows_draw(int64_t n_tokens, uint64_t seed, int exact, sb_rows *out)
{
    int64_t n   = SB_STRATA * SB_STRATUM_ROWS + SB_CENSUS_ROWS;
    sb_rng  rng = {sb_mix(seed)};
    sb_rows r   = {.n_tokens = n_tokens, .exact = exact || n_tokens <= SB_EXACT_MAX_TOKENS};
    r.n         = r.exact ? n_tokens : n;
    r.row       = malloc((size_t)r.n * sizeof *r.row);
    if (r.row == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)r.n);
    if (r.exact) {
        for (int64_t i = 0; i < n_tokens; i++)
            r.row[i] = i;
    } else {
        for (int64_t s = 0; s < SB_STRATA; s++)
            draw_stratum(stratum_begin(n_tokens, s), stratum_begin(n_tokens, s + 1), &rng,
                         r.row + s * SB_STRATUM_ROWS);
        for (int64_t i = 0; i < SB_CENSUS_ROWS; i++)
            r.row[SB_STRATA * SB_STRATUM_ROWS + i] = n_tokens - SB_CENSUS_ROWS + i;
    }
    *out = r;
    return SB_OK;
}

void sb_rows_fini(sb_rows *r)
{
    free(r->row);
    *r = (sb_rows){0};
}

static double mean_of(const double *y, int64_t n, int64_t stride)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += y[i * stride];
    return n > 0 ? sum / (double)n : NAN;
}

sb_estimate sb_estimate_mean(const sb_rows *rows, const double *y, int64_t stride)
{
    int64_t     tail = rows->n < SB_CENSUS_ROWS ? rows->n : SB_CENSUS_ROWS;
    double      var = 0, mean = 0;
    sb_estimate e = {.tail = mean_of(y + (rows->n - tail) * stride, tail, stride)};
    if (rows->exact) {
        e.mean = mean_of(y, rows->n, stride);
        return e;
    }
    for (int64_t s = 0; s < SB_STRATA; s++) {
        const double *ys = y + s * SB_STRATUM_ROWS * stride;
        double        size =
            (double)(stratum_begin(rows->n_tokens, s + 1) - stratum_begin(rows->n_tokens, s));
        double w = size / (double)rows->n_tokens, m = mean_of(ys, SB_STRATUM_ROWS, stride), s2 = 0;
        for (int64_t i = 0; i < SB_STRATUM_ROWS; i++)
            s2 += (ys[i * stride] - m) * (ys[i * stride] - m);
        s2 /= SB_STRATUM_ROWS - 1;
        mean += w * m;
        var += w * w * (1 - SB_STRATUM_ROWS / size) * s2 / SB_STRATUM_ROWS;
    }
    e.mean = mean + (double)SB_CENSUS_ROWS / (double)rows->n_tokens * e.tail;
    e.se   = sqrt(var);
    return e;
}

double sb_estimate_total(const sb_rows *rows, const double *y, int64_t stride)
{
    return sb_estimate_mean(rows, y, stride).mean * (double)rows->n_tokens;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sb_percentile(const double *y, int64_t n, int64_t stride, double p)
{
    double *v = malloc((size_t)(n > 0 ? n : 1) * sizeof *v);
    double  r = NAN;
    if (v != NULL && n > 0) {
        for (int64_t i = 0; i < n; i++)
            v[i] = y[i * stride];
        qsort(v, (size_t)n, sizeof *v, by_value);
        r = v[(int64_t)fmax(0, ceil(p * (double)n) - 1)];
    }
    free(v);
    return r;
}
