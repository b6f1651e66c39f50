#include "kernels/hip/plan_cuda.h"

#include "kernels/exec/window_plan.h"

sb_status sbi_hip_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sbi_hip_device *r = plan->method_data;
    sb_status             st;
    (void)cache;
    if (sbi_hip_candidates(params, shape->n_keys).all) {
        plan->fallback = 1;
        return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
    }
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL, "hip: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    if ((st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE)) != SB_OK ||
        (st = ctx->backend->fill(r->flops, 0, sizeof *r->flops, ctx->stream)) != SB_OK ||
        (st = sbi_hip_search_cuda(params, r, q, k, &plan->tiles, ctx->stream)) != SB_OK)
        return st;
    plan->parts = SB_PART_WINDOW | SB_PART_TILES;
    return SB_OK;
}
