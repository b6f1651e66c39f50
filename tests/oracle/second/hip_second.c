#include "tests/oracle/second/hip_second.h"

#include <math.h>
#include <stdlib.h>

typedef struct chunk {
    int64_t start, size;
    double  score;
} chunk;

typedef struct search {
    const sb_tensor    *q, *k;
    const hsecond_rule *r;
    int64_t             head, qb;
    hsecond_score       score;
    const void         *arg;
    double              largest;
} search;

static int64_t n_k(const search *s) { return s->k->tokens; }
static int64_t first_p(const search *s) { return s->k->tokens - s->q->tokens; }

static double pair_score(const search *s, int64_t row, int64_t t)
{
    if (s->score != NULL)
        return s->score(first_p(s) + row, t, s->arg);
    int64_t kv  = s->head / (s->q->heads / s->k->heads);
    double  sum = 0;
    for (int64_t x = 0; x < s->q->dim; x++)
        sum += (double)sb_bf16_to_f32(sb_tensor_bf16(s->q, s->head, row)[x]) *
               (double)sb_bf16_to_f32(sb_tensor_bf16(s->k, kv, t)[x]);
    return sum / sqrt((double)s->q->dim);
}

/* largest score of the block over the sampled rows and keys */
static double block_score(search *s, int64_t block)
{
    const hsecond_rule *r   = s->r;
    double              top = -32000;
    int64_t             n_q = s->q->tokens, begin = s->qb * r->block_q, sampled = 0;
    int64_t             step = n_q < r->stride_q ? n_q : r->stride_q;
    for (int64_t a = 0; a < r->block_q / r->stride_q + 1; a++) {
        int64_t row         = begin + a * r->stride_q + step - 1;
        int     last_resort = a == r->block_q / r->stride_q;
        if (last_resort) { /* no sampled row is there: the last one that is [5] */
            if (sampled > 0)
                break;
            row = n_q - 1;
        }
        if (row >= n_q || (!last_resort && row >= begin + r->block_q))
            continue;
        sampled++;
        for (int64_t c = 0; c < r->block_k / r->stride_k; c++) {
            int64_t t = block * r->block_k + c * r->stride_k + r->stride_k - 1;
            if (t < n_k(s) && t <= first_p(s) + row - r->window)
                top = fmax(top, pair_score(s, row, t));
        }
    }
    if (top > -32000)
        s->largest = fmax(s->largest, fabs(top));
    return top;
}

static int by_score(const void *a, const void *b)
{
    const chunk *x = a, *y = b;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    return (x->start > y->start) - (x->start < y->start);
}

static int by_start(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t hsecond_search(const sb_tensor *q, const sb_tensor *k, const hsecond_rule *r, int64_t head,
                       int64_t qb, hsecond_score score, const void *arg, int64_t *idx,
                       double *margin)
{
    search  s    = {.q = q, .k = k, .r = r, .head = head, .qb = qb, .score = score, .arg = arg};
    int64_t last = (qb + 1) * r->block_q - 1;
    last         = last < q->tokens ? last : q->tokens - 1;
    int64_t L = 1 + first_p(&s) + last, T = L - r->window - r->sink, bk = r->block_k;
    T         = T > 0 ? T : 0;
    int64_t B = (T + bk - 1) / bk, S0 = r->sink / bk, M = (r->top_k + bk - 1) / bk, n = 0;
    *margin = INFINITY;
    if (T <= r->top_k) {
        for (int64_t t = 0; t < B; t++)
            idx[t] = (S0 + t) * bk;
        return B;
    }
    int64_t A = 1;
    if (r->align) {
        int64_t power = 1;
        while (2 * power <= B)
            power *= 2;
        A = (power + M - 1) / M;
    }
    chunk  *kept = calloc((size_t)M, sizeof *kept), *cand = calloc((size_t)(2 * M), sizeof *cand);
    int64_t largest = 0;
    for (int64_t i = 0; i < M; i++) {
        int64_t c0 = B * i / M / A * A, c1 = B * (i + 1) / M / A * A;
        c0      = c0 < B ? c0 : B;
        c1      = c1 < B ? c1 : B;
        kept[i] = (chunk){S0 + c0, c1 - c0, 0};
        largest = c1 - c0 > largest ? c1 - c0 : largest;
    }
    int64_t n_kept = M;
    for (double g = (double)largest; g > 1; g *= 0.5) {
        int64_t m = 0;
        for (int64_t i = 0; i < n_kept; i++) {
            chunk half[2] = {
                {kept[i].start, kept[i].size / 2, 0},
                {kept[i].start + kept[i].size / 2, kept[i].size - kept[i].size / 2, 0}};
            for (int j = 0; j < 2; j++)
                if (half[j].size > 0) {
                    half[j].score = block_score(&s, half[j].start + half[j].size / 2);
                    cand[m++]     = half[j];
                }
        }
        qsort(cand, (size_t)m, sizeof *cand, by_score);
        n_kept = m < M ? m : M;
        for (int64_t i = 0; i < n_kept; i++)
            kept[i] = cand[i];
        if (m > M && cand[M - 1].score > -32000 && cand[M].score > -32000)
            *margin = fmin(*margin, (cand[M - 1].score - cand[M].score) / fmax(s.largest, 1e-300));
    }
    for (int64_t i = 0; i < n_kept; i++)
        if (kept[i].size > 0)
            idx[n++] = kept[i].start * bk;
    qsort(idx, (size_t)n, sizeof *idx, by_start);
    free(kept);
    free(cand);
    return n;
}

int hsecond_visible(const hsecond_rule *r, int64_t p, int64_t t, const int64_t *idx, int64_t n)
{
    if (t > p)
        return 0;
    if (t > p - r->window || t < r->sink)
        return 1;
    for (int64_t u = 0; u < n; u++)
        if (t >= idx[u] && t < idx[u] + r->block_k)
            return 1;
    return 0;
}
