#include "kernels/dense/dense.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/window_plan.h"

static const sb_param params[] = {{0}};

static sb_status plan_cpu(sb_ctx *ctx, const void *p, const sb_shape *shape, const sb_tensor *q,
                          const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)p;
    (void)shape;
    (void)q;
    (void)k;
    (void)cache;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

const sb_method sb_dense = {
    .name    = "dense",
    .summary = "dense causal attention (online softmax)",
    .source  = "arXiv 2205.14135 (tiling, online softmax)",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = 0,
    .check          = sb_window_check,
    .quantum_tokens = sb_window_quantum,
    .layout         = sb_window_layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend = {[SB_CPU] = sb_attend_dense_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_dense_cuda)},
};
