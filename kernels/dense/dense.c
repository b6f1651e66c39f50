#include "kernels/dense/dense.h"

#include <stddef.h>

#include "kernels/exec/attend.h"
#include "kernels/exec/window_plan.h"

static const sb_param params[] = {
    {"impl", "auto", "auto|native|cudnn",
     "whose kernel on cuda: the faster one at each shape, ours, or NVIDIA's (the cpu has ours)",
     SB_ENUM, offsetof(sb_dense_params, impl)},
    {0},
};

/* The backend is not known here: on the cpu, attend refuses what it does not have. */
static sb_status attend_cpu(sb_ctx *ctx, const void *params_, const sb_attn_in *in,
                            const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    const sb_dense_params *p = params_;
    if (p != NULL && p->impl == SB_DENSE_CUDNN)
        return sb_fail(SB_ERR_UNSUPPORTED, "impl: found cudnn, allowed auto and native on cpu");
    return sb_attend_dense_cpu(ctx, params_, in, plan, cache, out);
}

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

/* cuDNN's plans are of a length. */
static int64_t step_bytes(const void *params_, const sb_shape *shape)
{
    const sb_dense_params *p = params_;
    return p != NULL && p->impl == SB_DENSE_CUDNN ? -1 : sb_attend_step_bytes(shape);
}

const sb_method sb_dense = {
    .name    = "dense",
    .summary = "dense causal attention (online softmax)",
    .source  = "arXiv 2205.14135 (tiling, online softmax)",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_dense_params),
    .check          = sb_window_check,
    .quantum_tokens = sb_window_quantum,
    .step_bytes     = step_bytes,
    .layout         = sb_window_layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend         = {[SB_CPU] = attend_cpu, [SB_CUDA] = SB_IF_CUDA(sb_dense_attend_cuda)},
};
