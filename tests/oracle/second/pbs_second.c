#include "tests/oracle/second/pbs_second.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double at(const sb_tensor *t, int64_t head, int64_t i, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, i)[x]);
}

static int64_t kv_of(const sb_tensor *q, const sb_tensor *k, int64_t head)
{
    return head / (q->heads / k->heads);
}

void psecond_importance(const sb_tensor *q, const sb_tensor *k, const psecond_rule *r, int64_t head,
                        double *s)
{
    int64_t n = k->tokens, complete = n / r->segment * r->segment, kv = kv_of(q, k, head);
    double *p = calloc((size_t)complete + 1, sizeof *p);
    memset(s, 0, (size_t)n * sizeof *s);
    for (int64_t i = n - r->block; i < n; i++) {
        double top = -INFINITY, sum = 0;
        for (int64_t j = 0; j < complete; j++) {
            p[j] = 0;
            for (int64_t x = 0; x < q->dim; x++)
                p[j] += at(q, head, i, x) * at(k, kv, j, x) / sqrt((double)q->dim);
            top = fmax(top, p[j]);
        }
        for (int64_t j = 0; j < complete; j++)
            sum += p[j] = exp(p[j] - top);
        for (int64_t j = 0; j < complete; j++)
            s[j] += p[j] / sum / (double)r->block;
    }
    free(p);
}

/* Mean of block b's rows over the block's nominal size; pi NULL: rows of t themselves. */
static void pool(const sb_tensor *t, int64_t head, int64_t block, int64_t b, const int64_t *pi,
                 double *out)
{
    memset(out, 0, (size_t)t->dim * sizeof *out);
    for (int64_t i = b * block; i < (b + 1) * block && i < t->tokens; i++)
        for (int64_t x = 0; x < t->dim; x++)
            out[x] += at(t, head, pi != NULL ? pi[i] : i, x) / (double)block;
}

static int64_t block_of_key_0(const int64_t *pi, int64_t block)
{
    for (int64_t c = 0;; c++)
        if (pi[c] == 0)
            return c / block;
}

double psecond_mask(const sb_tensor *q, const sb_tensor *k, const psecond_rule *r, int64_t head,
                    const int64_t *pi, uint8_t *mask)
{
    int64_t n = k->tokens, d = q->dim, T = (n + r->block - 1) / r->block,
            per = r->segment / r->block, kv = kv_of(q, k, head);
    double *qb = calloc((size_t)d, sizeof *qb), *kb = calloc((size_t)(T * d), sizeof *kb),
           *a = calloc((size_t)T, sizeof *a), margin = INFINITY;
    for (int64_t b = 0; b < T; b++)
        pool(k, kv, r->block, b, pi, kb + b * d);
    memset(mask, 0, (size_t)(T * T));
    for (int64_t row = 0; row < T; row++) {
        uint8_t *m     = mask + row * T;
        int64_t  cands = row / per * per;
        double   top = -INFINITY, sum = 0, cum = 0;
        pool(q, head, r->block, row, NULL, qb);
        for (int64_t b = 0; b < cands; b++) {
            a[b] = 0;
            for (int64_t x = 0; x < d; x++)
                a[b] += qb[x] * kb[b * d + x] / sqrt((double)d);
            top = fmax(top, a[b]);
        }
        for (int64_t b = 0; b < cands; b++)
            sum += a[b] = exp(a[b] - top);
        for (int64_t b = 0; b < cands; b++)
            a[b] /= sum;
        while (cands > 0 && cum < r->tau) {
            int64_t best = -1, next = -1;
            for (int64_t b = 0; b < cands; b++)
                if (!m[b] && (best < 0 || a[b] > a[best]))
                    best = b;
            if (best < 0)
                break; /* never reached: everything is selected [11] */
            m[best] = 1;
            cum += a[best];
            for (int64_t b = 0; b < cands; b++)
                if (!m[b] && (next < 0 || a[b] > a[next]))
                    next = b;
            if (fabs(cum - r->tau) < 2 * a[best]) {
                margin = fmin(margin, fabs(cum - r->tau));
                if (next >= 0)
                    margin = fmin(margin, (a[best] - a[next]) / a[best]);
            }
        }
        for (int64_t b = cands; b < cands + per && b < T; b++)
            m[b] = 1;
        m[block_of_key_0(pi, r->block)] = 1;
    }
    free(qb), free(kb), free(a);
    return margin;
}
