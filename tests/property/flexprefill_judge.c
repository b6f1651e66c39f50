#include "tests/property/flexprefill_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct view {
    const sb_tensor *q, *k;
    int64_t          head, kv, n_tokens, d, block, n;
} view;

static double q_at(const view *v, int64_t i, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(v->q, v->head, i)[x]);
}
static double k_at(const view *v, int64_t i, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(v->k, v->kv, i)[x]);
}
static double *doubles(int64_t n) { return calloc((size_t)n, sizeof(double)); }

static void softmax(double *x, int64_t n)
{
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = fmax(top, x[i]);
    for (int64_t i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - top);
    for (int64_t i = 0; i < n; i++)
        x[i] /= sum;
}

static void note(double *margin, double a, double b)
{
    double size = fmax(fabs(a), fabs(b));
    if (isfinite(a) && isfinite(b) && size > 0)
        *margin = fmin(*margin, fabs(a - b) / size);
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* [3.3] before raising and capping */
static int64_t cover(const double *x, int64_t n, double gamma, double *margin)
{
    double *s = doubles(n), sum = 0;
    int64_t many = 0;
    memcpy(s, x, (size_t)n * sizeof *s);
    qsort(s, (size_t)n, sizeof *s, falling);
    for (int64_t i = 0; i < n; i++) {
        sum += s[i];
        many += sum <= gamma;
        /* only a change of K across a multiple of 128 changes the budget */
        if ((many + 1) % 128 < 2)
            note(margin, sum, gamma);
    }
    free(s);
    return (1 + many) / 128 + 1;
}

/* The `keep` largest of x, equal ones by falling preference of `first`: +1 the smaller place first,
 * -1 the larger. */
static void top(const double *x, int64_t n, int64_t keep, int first, uint8_t *in, double *margin)
{
    double last = INFINITY;
    memset(in, 0, (size_t)n);
    for (int64_t c = 0; c < keep && c < n; c++) {
        int64_t best = -1;
        for (int64_t j = 0; j < n; j++) {
            int64_t i = first > 0 ? j : n - 1 - j;
            if (!in[i] && (best < 0 || x[i] > x[best]))
                best = i;
        }
        in[best] = 1;
        last     = x[best];
    }
    for (int64_t i = 0; i < n; i++)
        if (!in[i])
            note(margin, x[i], last);
}

/* [3.2] av over keys, as over j with distance N-1-j */
static void marginals(const view *v, double *av, double *as)
{
    double *a = doubles(v->n_tokens);
    for (int64_t i = 0; i < v->block; i++) {
        int64_t row = v->n_tokens - v->block + i;
        for (int64_t c = 0; c <= row; c++) {
            a[c] = 0;
            for (int64_t x = 0; x < v->d; x++)
                a[c] += q_at(v, row, x) / sqrt((double)v->d) * k_at(v, c, x);
        }
        softmax(a, row + 1);
        for (int64_t c = 0; c <= row; c++) {
            av[c] += a[c] / (double)v->block;
            as[v->n_tokens - 1 - (row - c)] += a[c] / (double)v->block;
        }
    }
    free(a);
}

static int64_t rows_of(const view *v, int64_t b)
{
    int64_t left = v->n_tokens - b * v->block;
    return left < v->block ? left : v->block;
}

static double mean_k(const view *v, int64_t b, int64_t x)
{
    double sum = 0;
    for (int64_t i = 0; i < rows_of(v, b); i++)
        sum += k_at(v, b * v->block + i, x);
    return sum / (double)rows_of(v, b);
}

/* [3.5] p: the estimate from pooled keys */
static void estimate(const view *v, const double *pooled_k, double *p)
{
    for (int64_t b = 0; b < v->n; b++) {
        p[b] = 0;
        for (int64_t x = 0; x < v->d; x++) {
            double mean = 0;
            for (int64_t i = 0; i < v->block; i++)
                mean += q_at(v, v->n_tokens - v->block + i, x) / (double)v->block;
            p[b] += mean / sqrt((double)v->d) * pooled_k[b * v->d + x];
        }
    }
    softmax(p, v->n);
}

double fjudge_divergence(const double *p, const double *t, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double m = (p[i] + t[i]) / 2;
        sum += p[i] > 0 ? 0.5 * p[i] * log(p[i] / m) : 0;
        sum += t[i] > 0 ? 0.5 * t[i] * log(t[i] / m) : 0;
    }
    return sqrt(fmax(sum, 0));
}

typedef struct cell {
    double  value;
    int64_t id;
} cell;

static int by_value(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return (x->id > y->id) - (x->id < y->id);
}

/* [3.9] */
static void query_aware(const view *v, const double *pooled_k, double gamma, uint8_t *mask,
                        double *margin)
{
    int64_t n = v->n, count = 0;
    cell   *c   = malloc((size_t)(n * n) * sizeof *c);
    double *row = doubles(n), sum = 0;
    for (int64_t a = 0; a < n; a++) {
        for (int64_t b = 0; b <= a; b++) {
            row[b] = 0;
            for (int64_t x = 0; x < v->d; x++) {
                double mean = 0;
                for (int64_t i = 0; i < rows_of(v, a); i++)
                    mean += q_at(v, a * v->block + i, x) / (double)rows_of(v, a);
                row[b] += mean / sqrt((double)v->d) * pooled_k[b * v->d + x];
            }
        }
        softmax(row, a + 1);
        for (int64_t b = 0; b <= a; b++)
            c[count++] = (cell){row[b], a * n + b};
    }
    qsort(c, (size_t)count, sizeof *c, by_value);
    for (int64_t i = 0; i < count; i++) {
        sum += c[i].value;
        int in = sum <= gamma * (double)n;
        if (in)
            mask[c[i].id] = 1;
        if (fabs(sum - gamma * (double)n) < 2 * c[i].value) { /* the crossing and its neighbours */
            note(margin, sum, gamma * (double)n);
            if (i + 1 < count)
                note(margin, c[i].value, c[i + 1].value);
        }
    }
    free(row);
    free(c);
}

fjudge_head fjudge_select(const sb_tensor *q, const sb_tensor *k, const fjudge_rule *r,
                          int64_t head, uint8_t *mask)
{
    view        v   = {.q        = q,
                       .k        = k,
                       .head     = head,
                       .kv       = head / (q->heads / k->heads),
                       .n_tokens = k->tokens,
                       .d        = q->dim,
                       .block    = r->block,
                       .n        = (k->tokens + r->block - 1) / r->block};
    fjudge_head out = {.margin = INFINITY};
    double     *av = doubles(v.n_tokens), *as = doubles(v.n_tokens), *V = doubles(v.n),
           *S = doubles(v.n), *p = doubles(v.n), *pooled = doubles(v.n * v.d);
    uint8_t *vin = malloc((size_t)v.n), *sin = malloc((size_t)v.n);
    marginals(&v, av, as);
    out.b_v = cover(av, v.n_tokens, r->gamma, &out.margin);
    out.b_s = cover(as, v.n_tokens, r->gamma, &out.margin);
    for (int64_t i = 0; i < v.n_tokens; i++) {
        V[i / v.block] += av[i];
        S[i / v.block] += as[i];
    }
    for (int64_t b = 0; b < v.n; b++)
        for (int64_t x = 0; x < v.d; x++)
            pooled[b * v.d + x] = mean_k(&v, b, x);
    estimate(&v, pooled, p);
    out.divergence  = fjudge_divergence(p, V, v.n);
    out.query_aware = out.divergence < r->tau;
    if (r->tau > 0)
        note(&out.margin, out.divergence, r->tau);
    int64_t *budget[] = {&out.b_v, &out.b_s};
    for (int i = 0; i < 2; i++) {
        *budget[i] = *budget[i] < r->min_blocks ? r->min_blocks : *budget[i];
        *budget[i] = *budget[i] > r->max_blocks ? r->max_blocks : *budget[i];
        if (out.query_aware)
            *budget[i] = r->min_blocks;
    }
    V[0]       = INFINITY; /* [3.6] */
    S[v.n - 1] = INFINITY;
    top(V, v.n, out.b_v, 1, vin, &out.margin);
    top(S, v.n, out.b_s, -1, sin, &out.margin); /* the smaller offset is the larger place */
    for (int64_t a = 0; a < v.n; a++)
        for (int64_t b = 0; b < v.n; b++)
            mask[a * v.n + b] = b <= a && (vin[b] || sin[v.n - 1 - (a - b)]);
    if (out.query_aware)
        query_aware(&v, pooled, r->gamma, mask, &out.margin);
    free(av), free(as), free(V), free(S), free(p), free(pooled), free(vin), free(sin);
    return out;
}
