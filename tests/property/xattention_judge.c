#include "tests/property/xattention_judge.h"

#include <math.h>
#include <stdlib.h>

/* Local slot of a token, -1: not here. */
static int64_t slot_of(const sb_gid *gid, int64_t token)
{
    int64_t slot = 0;
    for (int32_t r = 0; r < gid->n_runs; slot += gid->run[r++].len)
        if (token >= gid->run[r].start && token < gid->run[r].start + gid->run[r].len)
            return slot + token - gid->run[r].start;
    return -1;
}

double xjudge_logit(const sb_tensor *q, const sb_tensor *k, const xjudge_rule *r, int64_t head,
                    int64_t row, int64_t col)
{
    int64_t s = r->stride, kv = head / (q->heads / k->heads);
    double  raw = 0;
    for (int64_t t = 0; t < s; t++) {
        int64_t a = slot_of(&q->gid, s * row + s - 1 - t), b = s * col + t;
        for (int64_t x = 0; a >= 0 && b < k->tokens && x < q->dim; x++)
            raw += (double)sb_bf16_to_f32(sb_tensor_bf16(q, head, a)[x]) *
                   (double)sb_bf16_to_f32(sb_tensor_bf16(k, kv, b)[x]);
    }
    if (r->round_raw)
        raw = (double)sb_bf16_round((float)raw);
    return raw / sqrt((double)q->dim) / ((double)s * r->norm);
}

int64_t xjudge_scores(const sb_tensor *q, const sb_tensor *k, const xjudge_rule *r, int64_t head,
                      int64_t block, double *a)
{
    int64_t per = r->block / r->stride, valid = 0;
    double *p = malloc((size_t)((block + 1) * per) * sizeof *p);
    for (int64_t j = 0; j <= block; j++)
        a[j] = 0;
    for (int64_t row = block * per; row < (block + 1) * per; row++) {
        int    here = 0;
        double sum = 0, most = -INFINITY;
        for (int64_t t = 0; t < r->stride; t++)
            here |= slot_of(&q->gid, row * r->stride + t) >= 0;
        if (!here)
            continue;
        for (int64_t j = 0; j <= row; j++)
            most = fmax(most, p[j] = xjudge_logit(q, k, r, head, row, j));
        for (int64_t j = 0; j <= row; j++)
            sum += p[j] = exp(p[j] - most);
        for (int64_t j = 0; j <= row; j++)
            a[j / per] += p[j] / sum;
        valid++;
    }
    free(p);
    return valid;
}

void xjudge_select(const double *a, int64_t n, double tau, int *keep)
{
    double req = 0, cum = a[0] + (n > 1 ? a[n - 1] : 0);
    for (int64_t j = 0; j < n; j++) {
        req += tau * a[j];
        keep[j] = j == 0 || j == n - 1;
    }
    while (cum < req) {
        int64_t best = -1;
        for (int64_t j = 0; j < n; j++)
            if (!keep[j] && (best < 0 || a[j] > a[best]))
                best = j;
        if (best < 0)
            return;
        keep[best] = 1;
        cum += a[best];
    }
}

void xjudge_select_first_chunk(const double *a, int64_t n, double tau, int *keep)
{
    double req = 0, before = 0; /* before: mass of the order but for its latest block */
    for (int64_t j = 0; j < n; j++) {
        req += tau * a[j];
        keep[j] = -1; /* not yet in the order */
    }
    for (int64_t p = 0, at = n - 1, latest = -1; p < n; p++) {
        keep[at] = p == 0 || before < req;
        before += latest >= 0 ? a[latest] : 0;
        latest = at;
        at     = -1;
        for (int64_t j = 0; j < n; j++)
            if (keep[j] < 0 && (at < 0 || a[j] > a[at]))
                at = j;
    }
    keep[0] = 1;
}
