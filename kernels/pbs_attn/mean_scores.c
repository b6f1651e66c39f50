/* Step 3: pooled queries against pooled keys of earlier segments [pbs_attn 3]. */
#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/pbs_attn/plan_cpu.h"

enum { LANES = SB_PRODUCT_LANES };

/* One row block. Places of missing queries are zeros, which count in the mean and in the maximum
 * unless pool_div_valid [3, step 3, padding]. */
static void pool_queries(const sbi_pbs_room *room, const sbi_pbs_in *in, int64_t head,
                         const sb_row_block *row, float *to)
{
    int64_t d = room->dim, n = row->n_tokens;
    int64_t size = in->pool_div_valid ? n : room->block_tokens;
    int     max  = in->query_pool == SB_PBS_ATTN_POOL_MAX;
    for (int64_t x = 0; x < d; x++)
        to[x] = max && n == size ? -INFINITY : 0.0f;
    for (int64_t i = 0; i < n; i++) {
        const sb_bf16 *q = sb_tensor_bf16(in->q, head, row->slot + i);
        for (int64_t x = 0; x < d; x++) {
            float v = sb_bf16_to_f32(q[x]);
            to[x]   = max ? fmaxf(to[x], v) : to[x] + v;
        }
    }
    for (int64_t x = 0; x < d; x++)
        to[x] = sbi_pbs_rounded(in, max ? to[x] : to[x] / (float)size);
}

/* A over the n candidates of a row, from logits; behind them x is -inf up to the vector's end. */
static int64_t softmax(float *x, int64_t n)
{
    int64_t wide = (n + SBI_PBS_EXP - 1) / SBI_PBS_EXP * SBI_PBS_EXP, bad = 0;
    float   m = -INFINITY;
    for (int64_t b = 0; b < n; b++)
        m = x[b] > m ? x[b] : m;
    for (int64_t b = 0; b < wide; b++)
        x[b] = b < n ? x[b] - m : -INFINITY;
    sbi_flash_generic.exp(x, x, wide);
    float sum = sbi_pbs_sum(x, wide, &bad);
    for (int64_t b = 0; b < n; b++)
        x[b] = sum > 0 ? x[b] / sum : 0.0f;
    return bad;
}

int64_t sbi_pbs_mean_scores(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_plan *plan,
                            int64_t head, int64_t first, int64_t n, const sbi_pbs_scratch *s)
{
    int64_t      d = room->dim, wide = room->block_lanes, cells = room->perms * d * LANES;
    int64_t      seen = sbi_pbs_candidates(room, plan->row_id[first + n - 1]), bad = 0;
    const float *keys = room->k_pool + head / room->perm_heads * d * LANES;
    memset(s->q, 0, (size_t)(SB_PRODUCT_ROWS * d) * sizeof *s->q);
    for (int64_t i = 0; i < n; i++)
        pool_queries(room, in, head, &room->blocks.row[first + i], s->q + i * d);
    for (int64_t b = 0; b < seen; b += LANES) {
        in->product(s->q, keys + b / LANES * cells, d, SB_PRODUCT_ROWS, s->out);
        for (int64_t i = 0; i < n; i++)
            for (int64_t l = 0; l < LANES; l++)
                s->x[i * wide + b + l] = sbi_pbs_logit(in, s->out[i * LANES + l]);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t candidates = sbi_pbs_candidates(room, plan->row_id[first + i]);
        if (candidates == 0)
            continue;
        bad += softmax(s->x + i * wide, candidates);
        memcpy(sb_row_blocks_place(&room->blocks, plan, head, first + i), s->x + i * wide,
               (size_t)candidates * sizeof *s->x);
    }
    return bad;
}
