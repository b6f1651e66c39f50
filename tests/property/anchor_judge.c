#include "tests/property/anchor_judge.h"

#include <math.h>
#include <stdio.h>

void ajudge_params(const ajudge_rule *r, char *to, size_t bytes)
{
    (void)snprintf(to, bytes,
                   "block_tokens: %lld, step_blocks: %lld, theta: %.17g, windows: %s, compat: %s",
                   (long long)r->block, (long long)r->step, r->theta,
                   r->released ? "released" : "partition", r->round ? "official" : "clean");
}

static double at(const sb_tensor *t, int64_t head, int64_t i, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, i)[x]);
}

static double rounded(const ajudge_rule *r, double x)
{
    return r->round ? (double)sb_bf16_round((float)x) : x;
}

static int64_t super_of(const ajudge_rule *r) { return r->block * r->step; }

static int64_t kv_of(const sb_tensor *q, const sb_tensor *k, int64_t head)
{
    return head / (q->heads / k->heads);
}

int ajudge_window(const ajudge_rule *r, int64_t n, int64_t i, int64_t j)
{
    int64_t t = super_of(r), g = i / t;
    if (g == 0 || i >= n / t * t)
        return 1;
    if (r->released)
        return (j < t) + (j >= g * t);
    return j < r->block || j >= g * t - r->block;
}

/* x2 of one pair [2, 3]. */
static double logit2(const sb_tensor *q, const sb_tensor *k, const ajudge_rule *r, int64_t head,
                     int64_t i, int64_t j)
{
    double factor = 1 / (log(2) * sqrt((double)q->dim)), sum = 0;
    for (int64_t x = 0; x < q->dim; x++) {
        double q2 = at(q, head, i, x) * factor;
        if (r->round)
            q2 = (double)sb_bf16_round((float)at(q, head, i, x) * (float)factor);
        sum += q2 * at(k, kv_of(q, k, head), j, x);
    }
    return sum;
}

void ajudge_margins(const sb_tensor *q, const sb_tensor *k, const ajudge_rule *r, int64_t head,
                    int64_t g, double *margin)
{
    int64_t t = super_of(r), b = r->block;
    double  factor = 1 / (log(2) * sqrt((double)q->dim)), theta2 = r->theta / log(2);
    for (int64_t j = b; j < g * t - b; j++)
        margin[j] = -INFINITY;
    for (int64_t a = 0; a < r->step; a++) {
        double anchor = 0, mean[256] = {0};
        for (int64_t i = g * t + a * b; i < g * t + (a + 1) * b; i++) {
            double most = -INFINITY;
            for (int64_t j = 0; j <= i; j++)
                if (ajudge_window(r, q->tokens, i, j))
                    most = fmax(most, logit2(q, k, r, head, i, j));
            anchor += most / (double)b;
            for (int64_t x = 0; x < q->dim; x++)
                mean[x] += at(q, head, i, x) / (double)b;
        }
        for (int64_t j = b; j < g * t - b; j++) {
            double y = 0;
            for (int64_t x = 0; x < q->dim; x++)
                y += rounded(r, mean[x]) * at(k, kv_of(q, k, head), j, x);
            y         = r->round ? rounded(r, (double)((float)y * (float)factor)) : y * factor;
            margin[j] = fmax(margin[j], y + theta2 - rounded(r, anchor));
        }
    }
}

double ajudge_row(const sb_tensor *q, const sb_tensor *k, const ajudge_rule *r, int64_t head,
                  int64_t i, const double *margin, double *lse)
{
    int64_t t = super_of(r), g = i / t, n = q->tokens;
    double  sum = 0, o = 0;
    for (int64_t j = 0; j <= i; j++) {
        int mu = ajudge_window(r, n, i, j);
        if (margin != NULL && g > 0 && i < n / t * t && j >= r->block && j < g * t - r->block)
            mu += margin[j] >= 0;
        double p = mu * exp2(logit2(q, k, r, head, i, j));
        sum += p;
        o += p * (double)j;
    }
    *lse = log(sum);
    return o / sum;
}
