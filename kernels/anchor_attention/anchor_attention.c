#include "kernels/anchor_attention/anchor_attention.h"

#include "kernels/anchor_attention/plan_cpu.h"
#include "kernels/anchor_attention/plan_cuda.h"
#include "kernels/anchor_attention/room.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/exec/window_plan.h"

#define P(field) offsetof(sb_anchor_attention_params, field)
static const sb_param params[] = {
    {"windows", "partition", "partition|released",
     "what every query sees: first block, own super-block and the block before it; or, as the "
     "released kernel does, first and own super-block",
     SB_ENUM, P(windows)},
    {"theta", "12", "[-1e30,1e30]",
     "how far below the anchor a logit may lie to be kept, natural-log units; larger keeps more",
     SB_F64, P(theta)},
    {"block_tokens", "128", "[1,65536]", "tokens of a block", SB_I64, P(block_tokens)},
    {"step_blocks", "16", "[1,65536]", "blocks of a super-block, whose queries share their stripes",
     SB_I64, P(step_blocks)},
    {"compat", "clean", "clean|official",
     "official: scaled queries, mean queries, mean anchors and compared logits are rounded to bf16",
     SB_ENUM, P(compat)},
    {0},
};

static int64_t super_tokens(const sb_anchor_attention_params *p)
{
    return p->block_tokens * p->step_blocks;
}

/* The first super-block is dense and so is an incomplete last one [2, 5]: with fewer than two whole
 * ones all is. Decode is dense [6]. */
static int is_dense(const sb_anchor_attention_params *p, const sb_shape *shape)
{
    return shape->is_decode || shape->n_keys < 2 * super_tokens(p);
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    (void)params_;
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p) { return super_tokens(p); }

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_anchor_layout(ctx, params_, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_anchor_plan_cpu(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

#if defined(SB_HAVE_CUDA)
static sb_status layout_device(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                               sb_plan *plan, sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_anchor_layout_device(ctx, params_, shape, plan);
}

static sb_status plan_cuda(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_anchor_plan_cuda(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}
#endif

const sb_method sb_anchor_attention = {
    .name      = "anchor_attention",
    .summary   = "first block, own super-block, and stripes close to the anchor; dense decode",
    .source    = "arXiv 2505.23520; anchor_attention 3",
    .caps      = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys = SB_PLAN_KEYS_ALL,
    .plan_rows_apart = 1,
    .params          = params,
    .params_bytes    = sizeof(sb_anchor_attention_params),
    .check           = check,
    .quantum_tokens  = quantum_tokens,
    .layout          = layout,
    .layout_device   = SB_IF_CUDA(layout_device),
    .plan            = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
