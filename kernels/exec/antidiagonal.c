#include "kernels/exec/antidiagonal.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/exec/slots.h"

enum {
    LANES = SB_PRODUCT_LANES,
    /* The rows of a row block are padded to this many: what the vector exp asks for. */
    EXP_ROWS = 16,
    /* Query rows that should share one packing of the keys: it costs about as much as 8 of them. */
    BATCH_ROWS = 64,
};

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

sb_antidiagonal sb_antidiagonal_of(const sb_row_blocks *blocks, int64_t stride_tokens,
                                   int64_t heads, sb_antidiagonal_sees sees)
{
    sb_antidiagonal g = {.block_tokens   = blocks->block_tokens,
                         .stride_tokens  = stride_tokens,
                         .groups         = blocks->block_tokens / stride_tokens,
                         .n_blocks       = blocks->n_blocks,
                         .segment_blocks = blocks->segment_blocks,
                         .heads          = heads,
                         .sees           = sees};
    g.used_rows       = round_up(heads * g.groups, SB_PRODUCT_ROWS);
    g.block_rows      = round_up(g.used_rows, EXP_ROWS);
    g.batch           = max_i64(BATCH_ROWS / g.used_rows, 1);
    g.n_rows          = g.batch * g.block_rows;
    g.lanes           = round_up(g.groups, LANES);
    return g;
}

sb_status sb_antidiagonal_layout(const sb_antidiagonal *g, sb_arena *a, int64_t dim,
                                 sb_antidiagonal_scratch *out)
{
    int64_t   wide = g->stride_tokens * dim, cells = g->n_rows * g->n_blocks;
    void     *q, *k, *raw, *x, *e, *top, *sum, *row_top, *row_sum, *here;
    sb_status st;
    if ((st = sb_arena_alloc(a, g->n_rows * wide, sizeof(float), "query groups", &q)) != SB_OK ||
        (st = sb_arena_alloc(a, wide * LANES, sizeof(float), "key groups", &k)) != SB_OK ||
        (st = sb_arena_alloc(a, g->block_rows * LANES, sizeof(float), "products", &raw)) != SB_OK ||
        (st = sb_arena_alloc(a, g->n_rows * g->lanes, sizeof(float), "logits", &x)) != SB_OK ||
        (st = sb_arena_alloc(a, g->block_rows * g->lanes, sizeof(float), "exponentials", &e)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, cells, sizeof(float), "block maxima", &top)) != SB_OK ||
        (st = sb_arena_alloc(a, cells, sizeof(float), "block sums", &sum)) != SB_OK ||
        (st = sb_arena_alloc(a, g->n_rows, sizeof(float), "row maxima", &row_top)) != SB_OK ||
        (st = sb_arena_alloc(a, g->n_rows, sizeof(double), "row sums", &row_sum)) != SB_OK ||
        (st = sb_arena_alloc(a, g->batch * g->groups, 1, "rows at hand", &here)) != SB_OK)
        return st;
    if (out != NULL)
        *out = (sb_antidiagonal_scratch){.q       = q,
                                         .k       = k,
                                         .raw     = raw,
                                         .x       = x,
                                         .e       = e,
                                         .top     = top,
                                         .sum     = sum,
                                         .row_top = row_top,
                                         .row_sum = row_sum,
                                         .here    = here};
    return SB_OK;
}

/* Blocks that row block `block` looks at. */
static int64_t blocks_seen(const sb_antidiagonal *g, int64_t block)
{
    return g->sees == SB_ANTIDIAGONAL_CAUSAL ? block + 1
                                             : block / g->segment_blocks * g->segment_blocks;
}

static void widen(const sb_bf16 *from, float *to, int64_t n)
{
    for (int64_t x = 0; x < n; x++)
        to[x] = sb_bf16_to_f32(from[x]);
}

/* The local queries of a row block, tokens of a group in reverse order. */
static void pack_q(const sb_antidiagonal *g, const sb_tensor *q, int64_t head, int64_t block,
                   const sb_row_block *row, float *out, uint8_t *here)
{
    int64_t stride = g->stride_tokens, d = q->dim, wide = stride * d;
    int64_t first = block * g->block_tokens, end = first + g->block_tokens, slot = row->slot;
    memset(out, 0, (size_t)(g->block_rows * wide) * sizeof *out);
    memset(here, 0, (size_t)g->groups);
    for (int32_t r = row->run; r < q->gid.n_runs && q->gid.run[r].start < end; r++) {
        sb_run  run = q->gid.run[r];
        int64_t to  = min_i64(run.start + run.len, end);
        for (int64_t token = max_i64(run.start, first); token < to; token++, slot++) {
            int64_t group = (token - first) / stride, back = stride - 1 - (token - first) % stride;
            here[group] = 1;
            for (int64_t h = 0; h < g->heads; h++)
                widen(sb_tensor_bf16(q, head + h, slot),
                      out + (h * g->groups + group) * wide + back * d, d);
        }
    }
}

/* Key groups [first, first + LANES) of key block `block`, transposed; past the block they are
 * padding that logits() masks. of: offsets of the slots, NULL without. */
static void pack_k(const sb_antidiagonal *g, const sb_antidiagonal_in *in, const uint16_t *of,
                   int64_t kv_head, int64_t block, int64_t first, float *out)
{
    int64_t stride = g->stride_tokens, d = in->k->dim;
    for (int64_t l = 0; l < LANES; l++)
        for (int64_t t = 0; t < stride; t++) {
            int64_t at = (block * g->groups + first + l) * stride + t;
            float  *to = out + t * d * LANES + l;
            if (at < in->k->tokens) {
                int64_t        token = of != NULL ? sb_slot_token(in->slots, of, at) : at;
                const sb_bf16 *from  = sb_tensor_bf16(in->k, kv_head, token);
                for (int64_t x = 0; x < d; x++)
                    to[x * LANES] = sb_bf16_to_f32(from[x]);
            } else {
                for (int64_t x = 0; x < d; x++)
                    to[x * LANES] = 0.0f;
            }
        }
}

/* Logits of one row block against key groups [first, first + LANES) of a key block, -inf where the
 * row may not look or nothing stands. diagonal: the key block is the rows' own. x: the row block's.
 */
static void logits(const sb_antidiagonal *g, const sb_antidiagonal_in *in, int diagonal,
                   int64_t first, const float *q, const sb_antidiagonal_scratch *s, float *x)
{
    in->product(q, s->k, g->stride_tokens * in->k->dim, g->used_rows, s->raw);
    for (int64_t r = 0, group = 0; r < g->used_rows; r++) {
        int64_t end = diagonal ? group + 1 : g->groups;
        for (int64_t l = 0; l < LANES; l++) {
            float raw                   = s->raw[r * LANES + l];
            raw                         = in->round_raw ? sb_bf16_round(raw) : raw;
            x[r * g->lanes + first + l] = first + l < end ? raw * in->factor : -INFINITY;
        }
        group = group + 1 < g->groups ? group + 1 : 0;
    }
}

/* Largest logit of each row of a row block in the key block, and the sum of exponentials below it.
 */
static void block_sums(const sb_antidiagonal *g, float *x, float *e, float *top, float *sum)
{
    int64_t n = g->block_rows, lanes = g->lanes;
    for (int64_t r = 0; r < n; r++) {
        float *row = x + r * lanes, m = row[0]; /* group 0 of a block is visible to all its rows */
        for (int64_t j = 1; j < lanes; j++)
            m = row[j] > m ? row[j] : m;
        for (int64_t j = 0; j < lanes; j++)
            row[j] -= m;
        top[r] = m;
    }
    sbi_flash_generic.exp(x, e, n * lanes);
    for (int64_t r = 0; r < n; r++) {
        float total = 0.0f;
        for (int64_t j = 0; j < lanes; j++)
            total += e[r * lanes + j];
        sum[r] = total;
    }
}

/* One row block: its blocks' sums over the maximum of the whole row, and the row's total. */
static void normalisers(const sb_antidiagonal *g, const sb_antidiagonal_scratch *s, int64_t at,
                        int64_t blocks)
{
    float  *row_top = s->row_top + at;
    double *row_sum = s->row_sum + at;
    for (int64_t r = 0; r < g->block_rows; r++) {
        row_top[r] = s->top[at + r];
        row_sum[r] = 0.0;
        for (int64_t b = 1; b < blocks; b++)
            row_top[r] = fmaxf(row_top[r], s->top[b * g->n_rows + at + r]);
    }
    for (int64_t b = 0; b < blocks; b++) {
        float *top = s->top + b * g->n_rows + at, *sum = s->sum + b * g->n_rows + at;
        for (int64_t r = 0; r < g->block_rows; r++)
            top[r] -= row_top[r];
        sbi_flash_generic.exp(top, top, g->block_rows);
        for (int64_t r = 0; r < g->block_rows; r++) {
            sum[r] *= top[r];
            row_sum[r] += (double)sum[r];
        }
    }
}

/* A of one row block and head: rows [at, at + groups) of the batch. */
static void masses(const sb_antidiagonal *g, const sb_antidiagonal_scratch *s, int64_t at,
                   const uint8_t *here, int64_t blocks, int32_t *out)
{
    for (int64_t b = 0; b < blocks; b++) {
        const float *sum  = s->sum + b * g->n_rows + at;
        double       mass = 0.0;
        for (int64_t i = 0; i < g->groups; i++)
            if (here[i])
                mass += (double)sum[i] / s->row_sum[at + i];
        float a = (float)mass;
        memcpy(out + b, &a, sizeof a);
    }
}

void sb_antidiagonal_scores(const sb_antidiagonal *g, const sb_antidiagonal_in *in, int64_t head,
                            const sb_row_blocks *blocks, const sb_plan *plan, int64_t first,
                            int64_t n, const sb_antidiagonal_scratch *s)
{
    int64_t         wide = g->stride_tokens * in->k->dim, size = g->block_rows, from = 0;
    int64_t         kv_head = head / (in->q->heads / in->k->heads);
    int64_t         seen    = blocks_seen(g, plan->row_id[first + n - 1]); /* rows ascend */
    const uint16_t *of      = in->slots != NULL ? sb_slots_of(in->slots, head) : NULL;
    for (int64_t i = 0; i < n; i++)
        pack_q(g, in->q, head, plan->row_id[first + i], &blocks->row[first + i],
               s->q + i * size * wide, s->here + i * g->groups);
    memset(s->x, 0, (size_t)(g->n_rows * g->lanes) * sizeof *s->x); /* rows of padding */
    for (int64_t b = 0; b < seen; b++) {
        while (blocks_seen(g, plan->row_id[first + from]) <= b) /* has seen all its keys */
            from++;
        for (int64_t j = 0; j < g->lanes; j += LANES) {
            pack_k(g, in, of, kv_head, b, j, s->k);
            for (int64_t i = from; i < n; i++)
                logits(g, in, plan->row_id[first + i] == b, j, s->q + i * size * wide, s,
                       s->x + i * size * g->lanes);
        }
        for (int64_t i = from; i < n; i++)
            block_sums(g, s->x + i * size * g->lanes, s->e, s->top + b * g->n_rows + i * size,
                       s->sum + b * g->n_rows + i * size);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t own = blocks_seen(g, plan->row_id[first + i]);
        if (own == 0)
            continue;
        normalisers(g, s, i * size, own);
        for (int64_t h = 0; h < g->heads; h++)
            masses(g, s, i * size + h * g->groups, s->here + i * g->groups, own,
                   sb_row_blocks_place(blocks, plan, head + h, first + i));
    }
}

int64_t sb_antidiagonal_flops(const sb_antidiagonal *g, const sb_plan *plan, int64_t dim)
{
    int64_t pairs = 0;
    for (int64_t r = 0; r < plan->n_rows; r++)
        pairs += blocks_seen(g, plan->row_id[r]);
    return pairs * 2 * dim * g->block_tokens * g->groups;
}
