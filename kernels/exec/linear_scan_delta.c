/* What the gated delta rule puts into S, for a whole chunk at once [linear 3.4]. Row by row
 *
 *   u_i = beta_i (v_i - e^G_i k_i S - sum over j < i of k_i.k_j e^(G_i - G_j) u_j)
 *
 * is a triangular system (I + L) u = beta (v - e^G K S), solved forwards: 16 rows at a time, what
 * earlier blocks contribute as a product. Columns past d belong to the transition A of a shard:
 * nothing enters there but what is taken away. */
#include "kernels/exec/linear_scan_forms.h"
#include "kernels/exec/linear_scan_rows.h"

/* s->g = G_i, s->w[i][j] = e^(G_i - G_j), s->row = e^G_i. */
static void gate_tables(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_scratch *s   = h->s;
    int64_t                 c   = h->room->chunk;
    double                  sum = 0;
    for (int64_t i = 0; i < m; i++) {
        sum += (double)sbi_scan_gate(h, first + i, 0);
        s->g[i]   = sum;
        s->row[i] = (float)sum;
        float *w  = s->w + i * c;
        for (int64_t j = 0; j <= i; j++)
            w[j] = (float)(sum - s->g[j]);
        int64_t n = (i + 16) / 16 * 16;
        for (int64_t j = i + 1; j < n; j++)
            w[j] = 0.0f;
        h->ops->exp(w, w, n);
    }
    for (int64_t i = m; i < c; i++)
        s->row[i] = 0.0f;
    h->ops->exp(s->row, s->row, c);
}

/* s->p = -L, zero on and above the diagonal. */
static void minus_lower(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_room    *r = h->room;
    const sbi_scan_scratch *s = h->s;
    int64_t                 c = r->chunk;
    sbi_matmul              g = {.m     = m,
                                 .n     = c,
                                 .k     = r->dk,
                                 .a     = s->k,
                                 .lda   = r->dk,
                                 .b     = s->kt,
                                 .ldb   = c,
                                 .c     = s->p,
                                 .ldc   = c,
                                 .lower = SBI_LOWER_C};
    h->ops->matmul(&g);
    for (int64_t i = 0; i < m; i++) {
        float beta = sbi_scan_beta(h, first + i);
        for (int64_t j = 0; j < i; j++)
            s->p[i * c + j] *= -beta * s->w[i * c + j];
        for (int64_t j = i; j < c; j++)
            s->p[i * c + j] = 0.0f;
    }
}

/* s->v = beta (v - e^G K S). */
static void right_side(const sbi_scan_head *h, int64_t first, int64_t m)
{
    const sbi_scan_scratch *s = h->s;
    int64_t                 n = h->cols;
    sbi_matmul              g = {.m   = m,
                                 .n   = n,
                                 .k   = h->room->dk,
                                 .a   = s->k,
                                 .lda = h->room->dk,
                                 .b   = h->state,
                                 .ldb = n,
                                 .c   = s->o,
                                 .ldc = n};
    h->ops->matmul(&g);
    for (int64_t i = 0; i < m; i++) {
        float beta = sbi_scan_beta(h, first + i);
        for (int64_t x = 0; x < n; x++)
            s->v[i * n + x] = beta * (s->v[i * n + x] - s->row[i] * s->o[i * n + x]);
    }
}

static void solve(const sbi_scan_head *h, int64_t m)
{
    const sbi_scan_scratch *s = h->s;
    int64_t                 c = h->room->chunk, n = h->cols;
    for (int64_t b = 0; b < m; b += SBI_SCAN_SUB) {
        int64_t    end = b + SBI_SCAN_SUB < m ? b + SBI_SCAN_SUB : m;
        sbi_matmul g   = {.m     = end - b,
                          .n     = n,
                          .k     = b,
                          .a     = s->p + b * c,
                          .lda   = c,
                          .b     = s->v,
                          .ldb   = n,
                          .c     = s->v + b * n,
                          .ldc   = n,
                          .alpha = s->ones};
        h->ops->matmul(&g);
        for (int64_t i = b + 1; i < end; i++)
            for (int64_t j = b; j < i; j++) {
                float        f    = s->p[i * c + j];
                const float *from = s->v + j * n;
                float       *to   = s->v + i * n;
                for (int64_t x = 0; x < n; x++)
                    to[x] += f * from[x];
            }
    }
}

void sbi_scan_delta(const sbi_scan_head *h, int64_t first, int64_t m)
{
    gate_tables(h, first, m);
    minus_lower(h, first, m);
    right_side(h, first, m);
    solve(h, m);
}
