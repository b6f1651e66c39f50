/* What the tokens of one rank do to a state, as a record, and records applied in rank order
 * [linear 3.0, 8; lightning 8]. */
#include <math.h>
#include <string.h>

#include "kernels/exec/linear_scan_forms.h"

void sbi_scan_clear(const sbi_scan_head *h)
{
    const sbi_scan_room *r = h->room;
    int64_t              d = r->d;
    if (r->scan.rule == SB_SCAN_MEAN) {
        memset(h->state, 0, (size_t)d * sizeof *h->state);
        h->state[d]     = -INFINITY;
        h->state[d + 1] = 0.0f;
        return;
    }
    memset(h->state, 0,
           (size_t)(r->dk * h->cols + (r->scan.normalize ? r->dk : 0)) * sizeof *h->state);
    for (int64_t c = 0; h->cols > d && c < r->dk; c++) /* A starts as the identity */
        h->state[c * h->cols + d + c] = 1.0f;
    if (h->gates != NULL)
        memset(h->gates, 0, (size_t)r->dk * sizeof *h->gates);
}

static void add(float *to, const float *from, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += from[i];
}

/* S = A S + B, A and B side by side in the record. */
static void apply_delta(const sbi_scan_head *h, const float *record)
{
    const sbi_scan_room *r   = h->room;
    float               *out = h->s->temp;
    sbi_matmul           g   = {.m   = r->dk,
                                .n   = r->d,
                                .k   = r->dk,
                                .a   = record + r->d,
                                .lda = r->cols,
                                .b   = h->state,
                                .ldb = r->d,
                                .c   = out,
                                .ldc = r->d};
    h->ops->matmul(&g);
    for (int64_t c = 0; c < r->dk; c++)
        add(out + c * r->d, record + c * r->cols, r->d);
    memcpy(h->state, out, (size_t)(r->dk * r->d) * sizeof *out);
}

/* (m, u, w) of both, scaled to the larger m; a side that has seen nothing counts nothing. */
static void apply_mean(const sbi_scan_head *h, const float *record)
{
    int64_t d  = h->room->d;
    float  *w  = h->state;
    float   ma = w[d], mb = record[d], m = ma > mb ? ma : mb;
    float   fa = ma == -INFINITY ? 0.0f : expf(ma - m), fb = mb == -INFINITY ? 0.0f : expf(mb - m);
    for (int64_t x = 0; x < d; x++)
        w[x] = fa * w[x] + fb * record[x];
    w[d + 1] = fa * w[d + 1] + fb * record[d + 1];
    w[d]     = m;
}

void sbi_scan_apply(const sbi_scan_head *h, const float *record, int64_t tokens)
{
    const sbi_scan_room *r = h->room;
    const double        *g = (const double *)(const void *)(record + r->dk * r->d);
    switch (r->scan.rule) {
    case SB_SCAN_GATE:
        for (int64_t c = 0; c < r->dk; c++)
            sbi_scan_fade(sbi_scan_decay_of(g[c]), h->state + c * r->d, r->d);
        add(h->state, record, r->dk * r->d);
        break;
    case SB_SCAN_DELTA:
        apply_delta(h, record);
        break;
    case SB_SCAN_MEAN:
        apply_mean(h, record);
        break;
    default:
        sbi_scan_fade(sbi_scan_decay_of(-r->slope[h->head] * (double)tokens), h->state,
                      r->state_floats);
        add(h->state, record, r->state_floats);
    }
}
