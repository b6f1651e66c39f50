/* The stages in turn on a device's queue. */
#include <math.h>

#include "kernels/exec/row_walk.h"
#include "kernels/exec/window_plan.h"
#include "kernels/pbs_attn/plan_cuda.h"
#include "kernels/pbs_attn/room.h"

/* As the CPU counts them: both passes over the keys of complete segments, then the scores. */
static int64_t estimate_flops(const sb_pbs_attn_params *p, const sbi_pbs_device *r,
                              const sb_shape *shape)
{
    int64_t     flops = 4 * r->block_tokens * r->n_segments * r->segment_tokens * r->dim * r->heads;
    int64_t     blocks = 0;
    sb_row_walk it;
    sb_row_part at;
    sb_row_walk_begin(&it, &shape->q_gid, r->block_tokens);
    while (p->tau < 1 && sb_row_walk_next(&it, &at))
        blocks += at.block / r->blocks_per_segment * r->blocks_per_segment;
    return flops + r->heads * 2 * r->dim * blocks;
}

sb_status sbi_pbs_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_pbs_attn_params *p = params;
    (void)cache;
    if (sbi_pbs_is_dense(p, shape)) {
        plan->fallback = 1;
        return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
    }
    const sbi_pbs_device *r      = plan->method_data;
    float                 factor = (float)(1.0 / sqrt((double)shape->head_dim));
    sb_status             st;
    const sb_tensor      *last = ctx->last_q;
    if (k->tokens != shape->n_keys || q->tokens != shape->q_gid.n_tokens || last == NULL ||
        last->tokens < r->block_tokens)
        return sb_fail(SB_ERR_INTERNAL,
                       "pbs_attn: plan was given %lld of %lld keys, or too few queries",
                       (long long)k->tokens, (long long)shape->n_keys);
    if ((st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE)) != SB_OK ||
        (st = sbi_pbs_importance_cuda(r, last, k, factor, ctx->stream)) != SB_OK ||
        (st = sb_ctx_enter(ctx, SB_PHASE_PERMUTE)) != SB_OK ||
        (st = sbi_pbs_sort_cuda(r, p->force_first_block, &plan->slots, ctx->stream)) != SB_OK ||
        (st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE)) != SB_OK)
        return st;
    if (p->tau < 1 && ((st = sbi_pbs_pool_cuda(r, p, q, k, &plan->slots, ctx->stream)) != SB_OK ||
                       (st = sbi_pbs_scores_cuda(r, factor, plan->tiles.id, ctx->stream)) != SB_OK))
        return st;
    if ((st = sb_ctx_enter(ctx, SB_PHASE_SELECT)) != SB_OK ||
        (st = sbi_pbs_choose_cuda(r, p->tau, plan->tiles.id, ctx->stream)) != SB_OK ||
        (st = sb_plan_bits_list(&r->bits, &plan->tiles, ctx->stream)) != SB_OK)
        return st;
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = estimate_flops(p, r, shape);
    return SB_OK;
}
