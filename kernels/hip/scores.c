#include "kernels/hip/scores.h"

#include <math.h>

#include "kernels/exec/flash.h"

enum {
    LANES = SB_PRODUCT_LANES,
    /* Keys of one batch: 16 KiB at 128 dims, which stay in L1 beside a group of queries. */
    KEYS = 32,
};

static void set_column(const sb_bf16 *from, int64_t dim, int64_t i, int64_t token,
                       sbi_hip_queries *out)
{
    float *to = out->column + i / LANES * dim * LANES + i % LANES;
    for (int64_t x = 0; x < dim; x++)
        to[x * LANES] = sb_bf16_to_f32(from[x]);
    out->at[i] = token;
}

void sbi_hip_pack_queries(const sb_hip_params *p, const sb_tensor *q, int64_t head,
                          const sb_row_part *row, sbi_hip_queries *out)
{
    int64_t stride = p->stride_q_tokens, n = 0, slot = row->slot, end = row->slot + row->n_tokens;
    int64_t token = row->first, at_last = row->last;
    for (int32_t r = row->run; slot < end;) {
        sb_run  run  = q->gid.run[r];
        int64_t stop = run.start + run.len < row->last + 1 ? run.start + run.len : row->last + 1;
        for (int64_t t = token; t < stop; t++)
            if (t % stride == stride - 1) {
                set_column(sb_tensor_bf16(q, head, slot + t - token), q->dim, n++, t, out);
                at_last = t;
            }
        slot += stop - token;
        if (slot < end)
            token = q->gid.run[++r].start;
    }
    if (n == 0)
        set_column(sb_tensor_bf16(q, head, end - 1), q->dim, n++, row->last, out);
    out->n      = n;
    out->groups = sbi_hip_groups(n);
    for (int64_t i = n; i < out->groups * LANES; i++) {
        float *to = out->column + i / LANES * q->dim * LANES;
        for (int64_t x = 0; x < q->dim; x++)
            to[x * LANES + i % LANES] = to[x * LANES + (n - 1) % LANES];
        out->at[i] = at_last;
    }
}

/* Where an ascending sequence of tokens stands among the keys at hand. */
typedef struct cursor {
    const sb_gid *gid;
    int64_t       slot; /* of the run's first token */
    int32_t       run;
} cursor;

/* Local slot, or -1. */
static int64_t seek(cursor *c, int64_t token)
{
    for (; c->run < c->gid->n_runs; c->slot += c->gid->run[c->run++].len) {
        sb_run run = c->gid->run[c->run];
        if (token < run.start)
            return -1;
        if (token < run.start + run.len)
            return c->slot + token - run.start;
    }
    return -1;
}

typedef struct batch {
    _Alignas(64) float key[KEYS * SB_TILE_DIM_MAX]; /* [n][dim] */
    _Alignas(64) float product[KEYS * LANES];
    _Alignas(64) float top[KEYS * LANES]; /* over the groups of queries */
    int64_t token[KEYS];                  /* ascending */
    int64_t owner[KEYS];                  /* which candidate it stands for */
    int64_t n;
} batch;

/* top = max(top, product); what is no number never wins. */
static void fold_all(const float *product, int64_t n, float *top)
{
    for (int64_t i = 0; i < n; i++)
        top[i] = product[i] > top[i] ? product[i] : top[i];
}

/* The same where some pairs do not count: key in the query's window or after it. */
static void fold_before_window(const batch *b, const int64_t *at, int64_t window, float *top)
{
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t l = 0; l < LANES; l++) {
            float x = b->product[i * LANES + l];
            if (b->token[i] + window <= at[l] && x > top[i * LANES + l])
                top[i * LANES + l] = x;
        }
}

static void score_batch(const sb_hip_params *p, sb_product_fn product, const sbi_hip_queries *q,
                        int64_t dim, batch *b, int64_t *key)
{
    int64_t rows = (b->n + SB_PRODUCT_ROWS - 1) / SB_PRODUCT_ROWS * SB_PRODUCT_ROWS;
    memset(b->key + b->n * dim, 0, (size_t)((rows - b->n) * dim) * sizeof *b->key);
    for (int64_t i = 0; i < b->n * LANES; i++)
        b->top[i] = -INFINITY;
    for (int64_t g = 0; g < q->groups; g++) {
        const int64_t *at = q->at + g * LANES;
        product(b->key, q->column + g * dim * LANES, dim, rows, b->product);
        if (b->token[b->n - 1] + p->window_tokens <= at[0]) /* both ascend */
            fold_all(b->product, b->n * LANES, b->top);
        else
            fold_before_window(b, at, p->window_tokens, b->top);
    }
    for (int64_t i = 0; i < b->n; i++) {
        const float *top  = b->top + i * LANES;
        float        most = top[0];
        for (int l = 1; l < LANES; l++)
            most = top[l] > most ? top[l] : most;
        int64_t here     = sbi_hip_key(most);
        key[b->owner[i]] = here > key[b->owner[i]] ? here : key[b->owner[i]];
    }
    b->n = 0;
}

int64_t sbi_hip_scores(const sb_hip_params *p, sb_product_fn product, const sbi_hip_queries *q,
                       const sb_tensor *k, int64_t kv_head, const sbi_hip_chunk *chunk, int64_t n,
                       int64_t *key)
{
    batch   b;
    cursor  c  = {.gid = &k->gid};
    int64_t bk = p->block_k_tokens, sk = p->stride_k_tokens, dim = k->dim, keys = 0;
    b.n = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t first = sbi_hip_centre(chunk[i]) * bk;
        key[i]        = sbi_hip_key(-INFINITY);
        for (int64_t o = sk - 1; o < bk; o += sk) {
            int64_t slot = seek(&c, first + o);
            if (slot < 0)
                continue;
            const sb_bf16 *from = sb_tensor_bf16(k, kv_head, slot);
            for (int64_t x = 0; x < dim; x++)
                b.key[b.n * dim + x] = sb_bf16_to_f32(from[x]);
            b.token[b.n] = first + o;
            b.owner[b.n] = i;
            keys++;
            if (++b.n == KEYS)
                score_batch(p, product, q, dim, &b, key);
        }
    }
    if (b.n > 0)
        score_batch(p, product, q, dim, &b, key);
    return keys * q->n;
}

static float score_of(int64_t key)
{
    uint32_t bits = (uint32_t)key;
    float    score;
    bits = bits >> 31 ? bits & 0x7fffffffu : ~bits;
    memcpy(&score, &bits, sizeof score);
    return score;
}

void sbi_hip_official(int64_t *key, int64_t n, float scale)
{
    enum { WIDE = 16 }; /* what the vector exp takes */
    for (int64_t first = 0; first < n; first += WIDE) {
        int64_t            here = n - first < WIDE ? n - first : WIDE;
        _Alignas(64) float x[WIDE], minus[WIDE], e[WIDE];
        for (int64_t i = 0; i < WIDE; i++) {
            x[i]     = sb_bf16_round(score_of(key[first + (i < here ? i : 0)]) * scale);
            minus[i] = -fabsf(x[i]);
        }
        sbi_flash_generic.exp(minus, e, WIDE);
        for (int64_t i = 0; i < here; i++) {
            float sigmoid  = (x[i] < 0 ? e[i] : 1.0f) / (1.0f + e[i]);
            key[first + i] = sbi_hip_key(sb_bf16_round(sigmoid));
        }
    }
}
