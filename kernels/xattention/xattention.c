#include "kernels/xattention/xattention.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/exec/window_plan.h"
#include "kernels/xattention/plan_cpu.h"
#include "kernels/xattention/plan_cuda.h"
#include "kernels/xattention/room.h"

#define P(field) offsetof(sb_xattention_params, field)
static const sb_param params[] = {
    {"block_tokens", "128", "[1,65536]", "tokens of a block", SB_I64, P(block_tokens)},
    {"stride_tokens", "16", "[1,65536]",
     "tokens of a group: one score stands for that many token pairs; divides block_tokens", SB_I64,
     P(stride_tokens)},
    {"tau", "0.9", "[0,1]", "share of the estimated attention mass that a row of blocks keeps",
     SB_F64, P(tau)},
    {"norm", "1", "(0,)",
     "divides the logits of the estimate, beside stride_tokens * sqrt(head_dim); "
     "1/sqrt(stride_tokens) is the temperature of the paper's text",
     SB_F64, P(norm)},
    {"compat", "clean", "clean|official",
     "official: sums of products of the estimate are rounded to bf16, as the released code stores "
     "them, and rows of its first chunk of queries keep a block more, as they do there",
     SB_ENUM, P(compat)},
    {0},
};

/* Up to two blocks every row keeps all it sees: first and own block [5]. Decode is dense [6]. */
static int is_dense(const sb_xattention_params *p, const sb_shape *shape)
{
    return shape->is_decode || shape->n_keys <= 2 * p->block_tokens;
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_xattention_params *p = params_;
    if (p->block_tokens % p->stride_tokens != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "stride_tokens: found %lld, allowed a divisor of block_tokens, %lld",
                       (long long)p->stride_tokens, (long long)p->block_tokens);
    return sb_shape_check(shape, p->block_tokens);
}

static int64_t quantum_tokens(const void *p)
{
    return ((const sb_xattention_params *)p)->block_tokens;
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_xattention_layout(ctx, params_, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_xattention_plan_cpu(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

#if defined(SB_HAVE_CUDA)
static sb_status layout_device(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                               sb_plan *plan, sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_xattention_layout_device(ctx, params_, shape, plan);
}

static sb_status plan_cuda(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_xattention_plan_cuda(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}
#endif

const sb_method sb_xattention = {
    .name            = "xattention",
    .summary         = "blocks by antidiagonal scores, tau of the estimated mass; dense decode",
    .source          = "arXiv 2503.16428; xattention 3",
    .caps            = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys       = SB_PLAN_KEYS_ALL,
    .plan_rows_apart = 1,
    .params          = params,
    .params_bytes    = sizeof(sb_xattention_params),
    .check           = check,
    .quantum_tokens  = quantum_tokens,
    .layout          = layout,
    .layout_device   = SB_IF_CUDA(layout_device),
    .plan            = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
