/* Chunks of DECAY and DELTA [lightning 3.3, linear 3.4]. With G_i the sum of the chunk's gates up
 * to row i (DECAY: -s (i + 1)), G_m of all, u_j what enters S for row j (DECAY: v_j):
 *
 *   o_i = scale (e^G_i q_i S + sum over j <= i of q_i.k_j e^(G_i - G_j) u_j)
 *   S   = e^G_m S + sum over j of e^(G_m - G_j) k_j' u_j
 *
 * A short last chunk has its own m. All exponents are <= 0. */
#include <math.h>
#include <string.h>

#include "kernels/exec/linear_scan_forms.h"
#include "kernels/exec/linear_scan_rows.h"

/* e^(G_i - G_j) for j = 0 .. i. DECAY keeps one falling table, s->w[C - 1 - t] = e^-st. */
static const float *weights(const sbi_scan_head *h, int64_t i)
{
    int64_t c = h->room->chunk;
    return h->room->scan.rule == SB_SCAN_DECAY ? h->s->w + c - 1 - i : h->s->w + i * c;
}

static void decay_tables(const sbi_scan_head *h)
{
    double  slope = h->room->slope[h->head];
    int64_t c     = h->room->chunk;
    for (int64_t t = 0; t < c; t++) {
        h->s->w[c - 1 - t] = (float)exp(-slope * (double)t);
        h->s->row[t]       = (float)exp(-slope * (double)(t + 1));
    }
}

/* s->p: scores of one query head times decay and scale; zeros above the diagonal. */
static void weighted_scores(const sbi_scan_head *h, int64_t m)
{
    const sbi_scan_room    *r = h->room;
    const sbi_scan_scratch *s = h->s;
    int64_t                 c = r->chunk;
    sbi_matmul              g = {.m     = m,
                                 .n     = c,
                                 .k     = r->dk,
                                 .a     = s->q,
                                 .lda   = r->dk,
                                 .b     = s->kt,
                                 .ldb   = c,
                                 .c     = s->p,
                                 .ldc   = c,
                                 .lower = SBI_LOWER_C};
    h->ops->matmul(&g);
    for (int64_t i = 0; i < m; i++) {
        const float *w = weights(h, i);
        float       *p = s->p + i * c;
        for (int64_t j = 0; j <= i; j++)
            p[j] *= w[j] * h->scale;
        memset(p + i + 1, 0, (size_t)(c - 1 - i) * sizeof *p);
    }
}

/* s->norm: one over the sum of each row's weights [linear 3.1]. */
static void normalisers(const sbi_scan_head *h, int64_t m)
{
    const sbi_scan_scratch *s = h->s;
    int64_t                 c = h->room->chunk, dk = h->room->dk;
    for (int64_t i = 0; i < m; i++) {
        float sum = s->alpha[i] * sbi_scan_dot(s->q + i * dk, sbi_scan_z(h), dk);
        for (int64_t j = 0; j <= i; j++)
            sum += s->p[i * c + j];
        s->norm[i] = 1.0f / (sum + 1e-10f);
    }
}

static void output(const sbi_scan_head *h, int64_t query_head, int64_t first, int64_t m)
{
    const sbi_scan_room    *r = h->room;
    const sbi_scan_scratch *s = h->s;
    sbi_scan_load(h, h->in->q, query_head, first, m, s->q);
    weighted_scores(h, m);
    for (int64_t i = 0; i < m; i++)
        s->alpha[i] = h->scale * s->row[i];
    if (r->scan.normalize)
        normalisers(h, m);
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
                        .lda   = r->chunk,
                        .b     = s->v,
                        .ldb   = h->cols,
                        .c     = s->o,
                        .ldc   = h->cols,
                        .alpha = s->alpha,
                        .lower = SBI_LOWER_A};
    h->ops->matmul(&inter);
    h->ops->matmul(&intra);
    sbi_scan_store(h, query_head, first, m, s->o, h->cols, r->scan.normalize ? s->norm : NULL);
}

static void carry(const sbi_scan_head *h, int64_t m)
{
    const sbi_scan_room    *r   = h->room;
    const sbi_scan_scratch *s   = h->s;
    int64_t                 c   = r->chunk;
    const float            *key = weights(h, m - 1);
    sbi_scan_decay          f   = sbi_scan_decay_of(
                   r->scan.rule == SB_SCAN_DECAY ? -r->slope[h->head] * (double)m : s->g[m - 1]);
    for (int64_t x = 0; x < r->dk; x++)
        for (int64_t j = 0; j < m; j++)
            s->ktw[x * c + j] = s->kt[x * c + j] * key[j];
    sbi_scan_fade(f, h->state, r->dk * h->cols);
    sbi_matmul g = {.m     = r->dk,
                    .n     = h->cols,
                    .k     = m,
                    .a     = s->ktw,
                    .lda   = c,
                    .b     = s->v,
                    .ldb   = h->cols,
                    .c     = h->state,
                    .ldc   = h->cols,
                    .alpha = s->ones};
    h->ops->matmul(&g);
    if (!r->scan.normalize)
        return;
    float *z = sbi_scan_z(h);
    sbi_scan_fade(f, z, r->dk);
    for (int64_t x = 0; x < r->dk; x++)
        for (int64_t j = 0; j < m; j++)
            z[x] += s->ktw[x * c + j];
}

void sbi_scan_chunks_decay(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_room    *r   = h->room;
    const sbi_scan_scratch *s   = h->s;
    int64_t                 end = first + m, kv = sbi_scan_kv_head(h), q, queries;
    if (r->scan.rule == SB_SCAN_DECAY)
        decay_tables(h);
    for (int64_t i = 0; i < r->chunk || i < r->dk; i++)
        s->ones[i] = 1.0f;
    queries = sbi_scan_queries(h, &q);
    for (; first < end; first += m) {
        m = end - first < r->chunk ? end - first : r->chunk;
        sbi_scan_load(h, h->in->k, kv, h->key_slot + first, m, s->k);
        sbi_scan_transpose(h, s->k, m, s->kt);
        sbi_scan_load_values(h, first, m, s->v);
        if (r->scan.rule == SB_SCAN_DELTA)
            sbi_scan_delta(h, first, m);
        for (int64_t i = 0; i < queries; i++)
            output(h, q + i, first, m);
        carry(h, m);
    }
}
