#include "tests/property/hip_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/oracle/judge.h"

typedef struct candidate {
    int64_t start, size;
    double  score;
} candidate;

/* Sampled rows as positions in out; rows are known by what they are in their block [3.1, 5]. */
static int64_t sample(const hjudge_rule *r, const int64_t *row, int64_t n, int64_t *out)
{
    int64_t count = 0;
    for (int64_t a = 0; a < r->bq / r->sq; a++)
        for (int64_t i = 0; i < n; i++)
            if (row[i] % r->bq == a * r->sq + r->sq - 1)
                out[count++] = row[i];
    if (count == 0)
        out[count++] = row[n - 1];
    return count;
}

static int by_score(const void *a_, const void *b_)
{
    const candidate *a = a_, *b = b_;
    if ((a->size > 0) != (b->size > 0))
        return a->size > 0 ? -1 : 1;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return (a->start > b->start) - (a->start < b->start);
}

static int by_start(const void *a_, const void *b_)
{
    const candidate *a = a_, *b = b_;
    return (a->start > b->start) - (a->start < b->start);
}

int64_t hjudge_search(const hjudge_rule *r, const int64_t *row, int64_t n_rows, int64_t n_keys,
                      hjudge_score score, const void *state, int64_t *idx,
                      void (*trace)(int64_t n, const int64_t *start, const int64_t *size))
{
    static candidate c[2 * HJUDGE_CHUNKS], kept[HJUDGE_CHUNKS];
    int64_t          rows[HJUDGE_ROWS], m = (r->k + r->bk - 1) / r->bk, s0 = r->ns / r->bk;
    int64_t          sampled = sample(r, row, n_rows, rows);
    int64_t          visible = row[n_rows - 1] + 1;
    int64_t          t       = visible - r->sw - r->ns > 0 ? visible - r->sw - r->ns : 0;
    int64_t          b = (t + r->bk - 1) / r->bk, n = m;
    double           g = 0;
    if (t <= r->k) {
        for (int64_t i = 0; i < b; i++)
            idx[i] = (s0 + i) * r->bk;
        return b;
    }
    int64_t a = r->align ? (int64_t)ceil(pow(2, floor(log2((double)b))) / (double)m) : 1;
    for (int64_t i = 0; i < m; i++) {
        int64_t from = b * i / m / a * a, to = b * (i + 1) / m / a * a;
        kept[i] = (candidate){s0 + from, to - from, 0};
        g       = fmax(g, (double)(to - from));
    }
    for (; g > 1; g *= 0.5) {
        for (int64_t i = 0; i < n; i++) {
            int64_t half = kept[i].size / 2;
            c[2 * i]     = (candidate){kept[i].start, half, -INFINITY};
            c[2 * i + 1] = (candidate){kept[i].start + half, kept[i].size - half, -INFINITY};
        }
        for (int64_t i = 0; i < 2 * n; i++)
            for (int64_t x = 0; x < sampled && c[i].size > 0; x++)
                for (int64_t o = 0; o < r->bk / r->sk; o++) {
                    int64_t key    = (c[i].start + c[i].size / 2) * r->bk + o * r->sk + r->sk - 1;
                    int     counts = key < n_keys && key <= rows[x] - r->sw;
                    c[i].score     = fmax(c[i].score, counts ? score(state, rows[x], key) : -32000);
                }
        qsort(c, (size_t)(2 * n), sizeof *c, by_score);
        int64_t here = 0;
        for (int64_t i = 0; i < 2 * n && here < m && c[i].size > 0; i++)
            kept[here++] = c[i];
        n = here;
        if (trace != NULL) {
            int64_t start[HJUDGE_CHUNKS], size[HJUDGE_CHUNKS];
            for (int64_t i = 0; i < n; i++) {
                start[i] = kept[i].start;
                size[i]  = kept[i].size;
            }
            trace(n, start, size);
        }
    }
    qsort(kept, (size_t)n, sizeof *kept, by_start);
    for (int64_t i = 0; i < n; i++)
        idx[i] = kept[i].start * r->bk;
    return n;
}

double hjudge_product(const void *tensors, int64_t p, int64_t t)
{
    const hjudge_tensors *x  = tensors;
    int64_t               kv = x->head / (x->q->heads / x->k->heads), slot = 0;
    int64_t               p0  = x->q->gid.run[0].start;
    double                sum = 0;
    for (int32_t r = 0; p >= x->q->gid.run[r].start + x->q->gid.run[r].len; r++) {
        slot += x->q->gid.run[r].len;
        p0 = x->q->gid.run[r + 1].start;
    }
    slot += p - p0;
    for (int64_t i = 0; i < x->q->dim; i++)
        sum += (double)sb_bf16_to_f32(sb_tensor_bf16(x->q, x->head, slot)[i]) *
               (double)sb_bf16_to_f32(sb_tensor_bf16(x->k, kv, t)[i]);
    return sum / sqrt((double)x->q->dim);
}

int64_t hjudge_block(const hjudge_rule *r, const sb_tensor *q, const sb_tensor *k, int64_t head,
                     int64_t block, int64_t *idx)
{
    hjudge_tensors x = {q, k, head};
    int64_t        row[HJUDGE_ROWS], n = 0;
    for (int64_t i = 0; i < q->tokens; i++)
        if (judge_gid(&q->gid, i) / r->bq == block)
            row[n++] = judge_gid(&q->gid, i);
    return hjudge_search(r, row, n, k->tokens, hjudge_product, &x, idx, NULL);
}

int hjudge_parts(const hjudge_rule *r, int64_t sw, const int64_t *idx, int64_t n, int64_t p,
                 int64_t t)
{
    int parts = 0;
    if (p - sw < t && t <= p)
        parts += 1;
    if (t < r->ns && t <= p - sw)
        parts += 2;
    for (int64_t u = 0; u < n; u++)
        if (idx[u] <= t && t < idx[u] + r->bk && t >= r->ns && t <= p - sw)
            parts += 4;
    return parts;
}
