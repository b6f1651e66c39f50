/* block_sparse: each row block keeps the key blocks whose means fit its own best [minference 3.6].
 * No block is forced, not even the first or the own one; still every query sees a key, for a row
 * block keeps an earlier block or its own. Every score comes from one rank, and rows are chosen
 * where they live: no communication. */
#include <string.h>

#include "kernels/exec/tiles.h"
#include "kernels/exec/top_k.h"
#include "kernels/minference/work.h"

enum { B = SBI_MINFERENCE_BLOCK, GROUP = SBI_MINFERENCE_GROUP };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* mean[x * step] = bf16 of the mean over B rows, of which those past n_rows are zero: the last
 * block is biased towards 0, as in the official code. */
static void block_mean(const sb_bf16 *row, int64_t n_rows, int64_t dim, float *mean, int64_t step)
{
    float sum[SB_TILE_DIM_MAX] = {0};
    for (int64_t i = 0; i < n_rows; i++)
        for (int64_t x = 0; x < dim; x++)
            sum[x] += sb_bf16_to_f32(row[i * dim + x]);
    for (int64_t x = 0; x < dim; x++)
        mean[x * step] = sb_bf16_round(sum[x] / (float)B);
}

/* Means of all key blocks; the places behind the last block are 0 and never read as scores. */
static void key_means(const sb_ctx *ctx, const sb_tensor *k, sbi_minference_work *w)
{
    int64_t blocks = sbi_minference_blocks(k->tokens), groups = sbi_minference_groups(k->tokens);
    int64_t d = k->dim, n = k->heads * groups;
#pragma omp parallel for schedule(static) num_threads(ctx->threads)
    for (int64_t g = 0; g < n; g++) {
        float  *mean = w->k_mean + g * d * GROUP;
        int64_t head = g / groups, first = g % groups * GROUP;
        memset(mean, 0, (size_t)(d * GROUP) * sizeof *mean);
        for (int64_t b = first; b < min_i64(first + GROUP, blocks); b++)
            block_mean(sb_tensor_bf16(k, head, b * B), min_i64(B, k->tokens - b * B), d,
                       mean + b - first, GROUP);
    }
}

/* bf16 values as integers of the same order; -0 equals 0. */
static uint64_t order_of(float x)
{
    uint32_t u = sb_bf16_from_f32(x + 0.0f);
    return u & 0x8000u ? ~u & 0xffffu : u | 0x8000u;
}

/* score[b] for key blocks [0, row]: the means' product, sums over dim in order. */
static void score_row(const float *q_mean, const float *k_mean, int64_t dim, int64_t row,
                      uint64_t *score)
{
    for (int64_t first = 0; first <= row; first += GROUP) {
        const float *mean       = k_mean + first * dim;
        float        sum[GROUP] = {0};
        for (int64_t x = 0; x < dim; x++)
            for (int i = 0; i < GROUP; i++)
                sum[i] += q_mean[x] * mean[x * GROUP + i];
        for (int64_t i = 0; i < min_i64(GROUP, row + 1 - first); i++)
            score[first + i] = order_of(sum[i]);
    }
}

/* A mean needs all queries of its row block on this rank (quantum_tokens). */
static sb_status whole_rows(const sb_shape *s, const sb_plan *plan, const sbi_minference_work *w)
{
    for (int64_t r = 0; r < plan->n_rows; r++) {
        int64_t begin = plan->row_id[r] * (int64_t)B, here;
        here = (r + 1 < plan->n_rows ? w->row_at[r + 1] : s->q_gid.n_tokens) - w->row_at[r];
        if (here != min_i64(B, s->n_keys - begin))
            return sb_fail(SB_ERR_INTERNAL,
                           "minference: row block %d has %lld of its queries on this rank",
                           (int)plan->row_id[r], (long long)here);
    }
    return SB_OK;
}

sb_status sbi_minference_key_means(sb_ctx *ctx, const sb_shape *shape, const sb_tensor *k,
                                   sb_plan *plan)
{
    sbi_minference_work *w  = plan->method_data;
    int64_t              t0 = sb_now_ns();
    sb_status            st = whole_rows(shape, plan, w);
    if (st != SB_OK)
        return st;
    key_means(ctx, k, w);
    for (int64_t r = 0; r < plan->n_rows; r++) /* products of means, 2 d each [minference 7] */
        plan->estimate_flops += w->n_heads[SB_MINFERENCE_BLOCK_SPARSE] * 2 * shape->head_dim *
                                (plan->row_id[r] + INT64_C(1));
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    return SB_OK;
}

void sbi_minference_choose_blocks(const sb_shape *s, const sb_tensor *q, const sb_plan *plan,
                                  int64_t at, int64_t n, uint64_t *score, int32_t *ids)
{
    const sbi_minference_work *w = plan->method_data;
    float                      q_mean[SB_TILE_DIM_MAX];
    int64_t head = at / plan->n_rows, r = at % plan->n_rows, row = plan->row_id[r];
    int64_t groups = sbi_minference_groups(s->n_keys), kv = head / (s->heads / s->kv_heads);
    block_mean(sb_tensor_bf16(q, head, w->row_at[r]), min_i64(B, s->n_keys - row * B), q->dim,
               q_mean, 1);
    score_row(q_mean, w->k_mean + kv * groups * q->dim * GROUP, q->dim, row, score);
    (void)sbi_top_k(score, row + 1, n, 16, ids);
}
