#include "tests/property/pbs_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double round_if(int wanted, double x)
{
    return wanted ? (double)sb_bf16_round((float)x) : x;
}

static double value(const sb_tensor *t, int64_t head, int64_t token, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, token)[x]);
}

/* bf16(bf16(product) / sqrt(d)) or neither rounding. The factor is the fp32 number in both. */
static double logit(const pjudge_rule *r, double product, int64_t d)
{
    double factor = r->official ? (double)(float)(1.0 / sqrt((double)d)) : 1.0 / sqrt((double)d);
    return round_if(r->official, round_if(r->official, product) * factor);
}

int64_t pjudge_sorted(const pjudge_rule *r, int64_t n_keys)
{
    return n_keys / r->segment * r->segment;
}

void pjudge_importance(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r, int64_t head,
                       double *s)
{
    int64_t n = pjudge_sorted(r, k->tokens), per_kv = q->heads / k->heads, d = q->dim;
    int64_t from = r->group ? head / per_kv * per_kv : head, heads = r->group ? per_kv : 1;
    double *p = malloc((size_t)n * sizeof *p);
    memset(s, 0, (size_t)n * sizeof *s);
    for (int64_t i = q->tokens - r->block; i < q->tokens; i++) {
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < n; j++) {
            double dot = 0;
            for (int64_t x = 0; x < d; x++) {
                double mean = 0;
                for (int64_t h = from; h < from + heads; h++)
                    mean += value(q, h, i, x) / (double)heads;
                dot += mean * value(k, head / per_kv, j, x);
            }
            p[j] = logit(r, dot, d);
            top  = fmax(top, p[j]);
        }
        for (int64_t j = 0; j < n; j++)
            sum += p[j] = exp(p[j] - top);
        for (int64_t j = 0; j < n; j++)
            s[j] += p[j] / sum / (double)r->block;
    }
    free(p);
}

void pjudge_order(const double *s, const pjudge_rule *r, int64_t n_keys, int64_t *pi)
{
    int64_t sorted = pjudge_sorted(r, n_keys);
    char   *taken  = calloc((size_t)n_keys, 1);
    for (int64_t slot = 0; slot < n_keys; slot++) {
        int64_t best = -1, begin = slot / r->segment * r->segment;
        for (int64_t j = begin; slot < sorted && j < begin + r->segment; j++)
            if (!taken[j] && (best < 0 || s[j] > s[best]))
                best = j;
        pi[slot]        = slot < sorted ? best : slot;
        taken[pi[slot]] = 1;
    }
    free(taken);
}

/* Block `block` of t pooled: rows in the order of pi (NULL: as they stand), places past the end are
 * zeros. */
static double pooled(const sb_tensor *t, int64_t head, const pjudge_rule *r, const int64_t *pi,
                     int64_t block, int max, int div_valid, int64_t x)
{
    int64_t n   = 0;
    double  sum = 0, top = -INFINITY;
    for (int64_t i = block * r->block; i < (block + 1) * r->block; i++) {
        if (i >= t->tokens && div_valid)
            continue;
        double v = i < t->tokens ? value(t, head, pi != NULL ? pi[i] : i, x) : 0;
        sum += v;
        top = fmax(top, v);
        n++;
    }
    return round_if(r->official, max ? top : sum / (double)n);
}

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

static void pooled_scores(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r,
                          const int64_t *pi, int64_t head, int64_t block, int64_t n, double *a)
{
    int64_t kv = head / (q->heads / k->heads);
    for (int64_t b = 0; b < n; b++) {
        double dot = 0;
        for (int64_t x = 0; x < q->dim; x++)
            dot += pooled(q, head, r, NULL, block, r->query_max, r->div_valid, x) *
                   pooled(k, kv, r, pi, b, r->key_max, 0, x);
        a[b] = logit(r, dot, q->dim);
    }
    softmax(a, n);
}

/* Group i of queries, backwards, against group j of slots, forwards. */
static double antidiagonal(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r,
                           const int64_t *pi, int64_t head, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t t = 0; t < r->stride; t++)
        for (int64_t x = 0; x < q->dim; x++) {
            int64_t a = r->stride * i + r->stride - 1 - t, b = pi[r->stride * j + t];
            sum += a < q->tokens
                       ? value(q, head, a, x) * value(k, head / (q->heads / k->heads), b, x)
                       : 0;
        }
    sum = round_if(r->official, sum);
    return sum / sqrt((double)q->dim) / (double)r->stride;
}

static void antidiagonal_scores(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r,
                                const int64_t *pi, int64_t head, int64_t block, int64_t n,
                                double *a)
{
    int64_t groups = r->block / r->stride;
    double *p      = malloc((size_t)(n * groups) * sizeof *p);
    memset(a, 0, (size_t)n * sizeof *a);
    for (int64_t i = block * groups; i < (block + 1) * groups; i++) {
        if (i * r->stride >= q->tokens)
            continue; /* a row of padding */
        for (int64_t j = 0; j < n * groups; j++)
            p[j] = antidiagonal(q, k, r, pi, head, i, j);
        softmax(p, n * groups);
        for (int64_t j = 0; j < n * groups; j++)
            a[j / groups] += p[j];
    }
    free(p);
}

int64_t pjudge_scores(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r,
                      const int64_t *pi, int64_t head, int64_t block, double *a)
{
    int64_t nb = r->segment / r->block, n = block / nb * nb;
    if (n > 0 && r->stride > 0)
        antidiagonal_scores(q, k, r, pi, head, block, n, a);
    else if (n > 0)
        pooled_scores(q, k, r, pi, head, block, n, a);
    return n;
}

int pjudge_select(const double *a, int64_t n, const pjudge_rule *r, int *keep)
{
    double want = r->tau, cum = 0;
    if (r->stride > 0) { /* of the mass that there is */
        double sum = 0;
        for (int64_t b = 0; b < n; b++)
            sum += a[b];
        want *= sum;
    }
    for (int64_t b = 0; b < n; b++)
        keep[b] = r->tau >= 1;
    while (n > 0 && r->tau < 1 && cum < want) {
        int64_t best = -1;
        for (int64_t b = 0; b < n; b++)
            if (!keep[b] && (best < 0 || a[b] > a[best]))
                best = b;
        if (best < 0) { /* all of them are not enough */
            for (int64_t b = 0; r->official && b < n; b++)
                keep[b] = 0;
            return 0;
        }
        keep[best] = 1;
        cum += a[best];
    }
    return 1;
}
