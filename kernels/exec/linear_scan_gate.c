/* Chunks of GATE: a decay a key channel [linear 3.3]. Scores are sums over channels of
 * q_i k_j e^(G_i - G_j), so the decay cannot be taken out of the product; e^-G_j alone would
 * overflow. Here a chunk is one sub-block of 16 rows: the weighted keys
 *
 *   kw_j <- kw_j e^g_i for every row i > j in turn
 *
 * hold k_j e^(G_i - G_j) when row i looks at them, and k_j e^(G_m - G_j) at the end, which is what
 * enters S. One exp a token and channel, no exponent above 0, no products between sub-blocks. */
#include <string.h>

#include "kernels/exec/linear_scan_forms.h"
#include "kernels/exec/linear_scan_rows.h"

/* s->kt = e^g, row by row; s->g = the chunk's sums of g. */
static void gate_tables(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_scratch *s  = h->s;
    int64_t                 dk = h->room->dk;
    memset(s->g, 0, (size_t)dk * sizeof *s->g);
    for (int64_t i = 0; i < m; i++)
        for (int64_t c = 0; c < dk; c++) {
            float g           = sbi_scan_gate(h, first + i, c);
            s->kt[i * dk + c] = g;
            s->g[c] += (double)g;
        }
    h->ops->exp(s->kt, s->kt, m * dk);
}

static void multiply(float *x, const float *by, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        x[c] *= by[c];
}

/* s->ktw = the weighted keys [m][dk] after the last row. With q: s->p [m][16] gets the scores on
 * the way, and row i of q becomes q_i e^G_i. */
static void weigh(const sbi_scan_head *h, int64_t m, float *q)
{
    const sbi_scan_scratch *s  = h->s;
    int64_t                 dk = h->room->dk;
    float                  *kw = s->ktw, *since = s->temp; /* e^G_i */
    memcpy(kw, s->k, (size_t)(m * dk) * sizeof *kw);
    for (int64_t c = 0; c < dk; c++)
        since[c] = 1.0f;
    for (int64_t i = 0; i < m; i++) {
        const float *decay = s->kt + i * dk;
        float       *p     = s->p + i * SBI_SCAN_SUB;
        for (int64_t j = 0; j < i; j++)
            multiply(kw + j * dk, decay, dk);
        if (q == NULL)
            continue;
        for (int64_t j = 0; j < SBI_SCAN_SUB; j++)
            p[j] = j <= i ? h->scale * sbi_scan_dot(q + i * dk, kw + j * dk, dk) : 0.0f;
        multiply(since, decay, dk);
        multiply(q + i * dk, since, dk);
    }
}

static void output(const sbi_scan_head *h, int64_t query_head, int64_t first, int64_t m)
{
    const sbi_scan_room    *r = h->room;
    const sbi_scan_scratch *s = h->s;
    sbi_scan_load(h, h->in->q, query_head, first, m, s->q);
    weigh(h, m, s->q);
    for (int64_t i = 0; i < m; i++)
        s->alpha[i] = h->scale;
    sbi_matmul inter = {.m   = m,
                        .n   = r->d,
                        .k   = r->dk,
                        .a   = s->q,
                        .lda = r->dk,
                        .b   = h->state,
                        .ldb = h->cols,
                        .c   = s->o,
                        .ldc = h->cols};
    sbi_matmul intra = {.m     = m,
                        .n     = r->d,
                        .k     = m,
                        .a     = s->p,
                        .lda   = SBI_SCAN_SUB,
                        .b     = s->v,
                        .ldb   = h->cols,
                        .c     = s->o,
                        .ldc   = h->cols,
                        .alpha = s->alpha,
                        .lower = SBI_LOWER_A};
    h->ops->matmul(&inter);
    h->ops->matmul(&intra);
    sbi_scan_store(h, query_head, first, m, s->o, h->cols, NULL);
}

static void carry(const sbi_scan_head *h, int64_t m)
{
    const sbi_scan_room    *r = h->room;
    const sbi_scan_scratch *s = h->s;
    for (int64_t c = 0; c < r->dk; c++) {
        sbi_scan_fade(sbi_scan_decay_of(s->g[c]), h->state + c * h->cols, h->cols);
        if (h->gates != NULL)
            h->gates[c] += s->g[c];
    }
    sbi_scan_transpose(h, s->ktw, m, s->kt);
    sbi_matmul g = {.m     = r->dk,
                    .n     = h->cols,
                    .k     = m,
                    .a     = s->kt,
                    .lda   = SBI_SCAN_SUB,
                    .b     = s->v,
                    .ldb   = h->cols,
                    .c     = h->state,
                    .ldc   = h->cols,
                    .alpha = s->ones};
    h->ops->matmul(&g);
}

void sbi_scan_chunks_gate(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_room    *r   = h->room;
    const sbi_scan_scratch *s   = h->s;
    int64_t                 end = first + m, kv = sbi_scan_kv_head(h), q, queries;
    for (int64_t i = 0; i < r->dk; i++)
        s->ones[i] = 1.0f;
    queries = sbi_scan_queries(h, &q);
    for (; first < end; first += m) {
        m = end - first < SBI_SCAN_SUB ? end - first : SBI_SCAN_SUB;
        sbi_scan_load(h, h->in->k, kv, h->key_slot + first, m, s->k);
        sbi_scan_load_values(h, first, m, s->v);
        gate_tables(h, first, m);
        if (queries == 0)
            weigh(h, m, NULL);
        for (int64_t i = 0; i < queries; i++)
            output(h, q + i, first, m);
        carry(h, m);
    }
}
