/* One token at a time: the recurrence itself, in prefill (form recurrent) and in decode
 * [lightning 6, linear 3, 6]; and the running mean, which has no other form [linear 3.5].
 *
 * Decay and update are added before they meet S, which so is rounded once a token. A decay below
 * half of the last bit of S is lost where k'v lies on a coarser grid, as products of bf16 do: an
 * error of at most s a token, and s is then below 6e-8. Chunks do not have it. */
#include <math.h>
#include <string.h>

#include "kernels/exec/linear_scan_forms.h"
#include "kernels/exec/linear_scan_rows.h"

static sbi_scan_decay decay_of(const sbi_scan_head *h, int64_t i, int64_t channel)
{
    if (h->room->scan.rule == SB_SCAN_DECAY)
        return sbi_scan_decay_of(-h->room->slope[h->head]);
    return sbi_scan_decay_of((double)sbi_scan_gate(h, i, channel));
}

/* S = e^g S + k'v */
static void add_token(const sbi_scan_head *h, int64_t i)
{
    const sbi_scan_scratch *s = h->s;
    sbi_scan_decay          f = decay_of(h, i, 0);
    for (int64_t c = 0; c < h->room->dk; c++) {
        float *row = h->state + c * h->cols, k = s->k[c];
        if (h->room->scan.rule == SB_SCAN_GATE && c > 0)
            f = decay_of(h, i, c);
        for (int64_t x = 0; x < h->cols; x++)
            row[x] = f.a * row[x] + (f.b * row[x] + k * s->v[x]);
    }
    for (int64_t c = 0; h->gates != NULL && c < h->room->dk; c++)
        h->gates[c] += (double)sbi_scan_gate(h, i, c);
    for (int64_t c = 0; h->room->scan.normalize && c < h->room->dk; c++) {
        float *z = sbi_scan_z(h) + c;
        *z       = f.a * *z + (f.b * *z + s->k[c]);
    }
}

/* S = e^g S; S += k' beta (v - k S). The order matters. */
static void replace_token(const sbi_scan_head *h, int64_t i)
{
    const sbi_scan_scratch *s    = h->s;
    float                   beta = sbi_scan_beta(h, i);
    sbi_scan_fade(decay_of(h, i, 0), h->state, h->room->dk * h->cols);
    memset(s->o, 0, (size_t)h->cols * sizeof *s->o);
    for (int64_t c = 0; c < h->room->dk; c++)
        for (int64_t x = 0; x < h->cols; x++)
            s->o[x] += s->k[c] * h->state[c * h->cols + x];
    for (int64_t x = 0; x < h->cols; x++)
        s->v[x] = beta * (s->v[x] - s->o[x]);
    for (int64_t c = 0; c < h->room->dk; c++)
        for (int64_t x = 0; x < h->cols; x++)
            h->state[c * h->cols + x] += s->k[c] * s->v[x];
}

static void read_state(const sbi_scan_head *h, int64_t query_head, int64_t i)
{
    const sbi_scan_scratch *s = h->s;
    int64_t                 n = h->room->d;
    sbi_scan_load(h, h->in->q, query_head, i, 1, s->q);
    memset(s->o, 0, (size_t)n * sizeof *s->o);
    for (int64_t c = 0; c < h->room->dk; c++) {
        float q = h->scale * s->q[c];
        for (int64_t x = 0; x < n; x++)
            s->o[x] += q * h->state[c * h->cols + x];
    }
    if (h->room->scan.normalize)
        s->norm[0] = 1.0f / (h->scale * sbi_scan_dot(s->q, sbi_scan_z(h), h->room->dk) + 1e-10f);
    sbi_scan_store(h, query_head, i, 1, s->o, n, h->room->scan.normalize ? s->norm : NULL);
}

void sbi_scan_tokens(const sbi_scan_head *h, int64_t first, int64_t m)
{
    int64_t q, queries = sbi_scan_queries(h, &q);
    for (int64_t i = first; i < first + m; i++) {
        sbi_scan_load(h, h->in->k, sbi_scan_kv_head(h), h->key_slot + i, 1, h->s->k);
        sbi_scan_load_values(h, i, 1, h->s->v);
        if (h->room->scan.rule == SB_SCAN_DELTA)
            replace_token(h, i);
        else
            add_token(h, i);
        for (int64_t j = 0; j < queries; j++)
            read_state(h, q + j, i);
    }
}

/* (m, u, w) + leaf (s, 1, v); -inf - -inf is not met: s is finite or the result is no number. */
static void add_leaf(float *w, float *m, float *u, float s, const float *v, int64_t d)
{
    float weight = 1.0f;
    if (s > *m) {
        float fade = expf(*m - s);
        for (int64_t x = 0; x < d; x++)
            w[x] *= fade;
        *u *= fade;
        *m = s;
    } else {
        weight = expf(s - *m);
    }
    *u += weight;
    for (int64_t x = 0; x < d; x++)
        w[x] += weight * v[x];
}

void sbi_scan_tokens_mean(const sbi_scan_head *h, int64_t first, int64_t m)
{
    int64_t      d = h->room->d, q, queries = sbi_scan_queries(h, &q);
    float       *w = h->state, *top = w + d, *u = w + d + 1;
    const float *query = h->room->state + h->head * h->room->state_floats + d + 2;
    for (int64_t i = first; i < first + m; i++) {
        const sb_bf16 *k = sb_tensor_bf16(h->in->k, sbi_scan_kv_head(h), h->key_slot + i);
        for (int64_t x = 0; x < d; x++)
            h->s->raw[x] = sb_bf16_to_f32(k[x]);
        sbi_scan_load_values(h, i, 1, h->s->v);
        add_leaf(w, top, u, h->scale * sbi_scan_dot(query, h->s->raw, d), h->s->v, d);
        for (int64_t x = 0; x < d; x++)
            h->s->o[x] = w[x] / *u;
        for (int64_t j = 0; j < queries; j++)
            sbi_scan_store(h, q + j, i, 1, h->s->o, d, NULL);
    }
}
