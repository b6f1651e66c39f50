#include "kernels/dense/dense.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"

static const sb_param params[] = {{0}};

static sb_status check(const void *p, const sb_shape *shape)
{
    (void)p;
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p)
{
    (void)p;
    return 1;
}

static sb_status layout(sb_ctx *ctx, const void *p, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    (void)ctx;
    (void)p;
    (void)shape;
    (void)cache;
    *plan = (sb_plan){.row_tokens = 1};
    return SB_OK;
}

static sb_status plan_cpu(sb_ctx *ctx, const void *p, const sb_shape *shape, const sb_tensor *q,
                          const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)p;
    (void)shape;
    (void)q;
    (void)k;
    (void)cache;
    int64_t t0          = sb_now_ns();
    plan->parts         = SB_PART_WINDOW;
    plan->sink_tokens   = 0;
    plan->window_tokens = SB_WINDOW_ALL;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

const sb_method sb_dense = {
    .name    = "dense",
    .summary = "dense causal attention (online softmax)",
    .source  = "arXiv 2205.14135 (tiling, online softmax)",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = 0,
    .check          = check,
    .quantum_tokens = quantum_tokens,
    .layout         = layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend         = {[SB_CPU] = sb_attend_dense_cpu},
};
