#include "kernels/flexprefill/flexprefill.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/exec/window_plan.h"
#include "kernels/flexprefill/plan_cpu.h"
#include "kernels/flexprefill/plan_cuda.h"
#include "kernels/flexprefill/room.h"

#define P(field) offsetof(sb_flexprefill_params, field)
static const sb_param params[] = {
    {"block_tokens", "128", "[32,128]", "tokens of a block: 32, 64 or 128", SB_I64,
     P(block_tokens)},
    {"gamma", "0.95", "(0,1)", "share of the estimated attention that the chosen blocks cover",
     SB_F64, P(gamma)},
    {"tau", "0.1", "[0,1]",
     "Jensen-Shannon distance below which a head is query-aware; 0: none, above 0.8326: all",
     SB_F64, P(tau)},
    {"min_budget_tokens", "1024", "[1,)",
     "least columns and least diagonals that a head keeps, tokens", SB_I64, P(min_budget_tokens)},
    {"max_budget_tokens", "0", "[0,)",
     "most columns and most diagonals that a vertical-slash head keeps, tokens; 0: no limit",
     SB_I64, P(max_budget_tokens)},
    {"slash_cover", "1", "[1,2]",
     "2: a chosen diagonal of blocks brings the next one along, which holds the rest of its tokens",
     SB_I64, P(slash_cover)},
    {"compat", "clean", "clean|official",
     "official: scaled queries, means and logits of the estimates are rounded to bf16, and a block "
     "of no mass makes a head vertical-slash",
     SB_ENUM, P(compat)},
    {0},
};

/* Decode is dense [6], and so is a sequence that the least budget covers [3.0]. */
static int is_dense(const sb_flexprefill_params *p, const sb_shape *shape)
{
    int64_t b = p->block_tokens, least = (p->min_budget_tokens - 1) / b + 1;
    return shape->is_decode || shape->n_keys <= 2 * b || (shape->n_keys - 1) / b < least;
}

/* Asked about the whole sequence, before it is sharded. */
static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_flexprefill_params *p = params_;
    int64_t                      b = p->block_tokens;
    if (b != 32 && b != 64 && b != 128)
        return sb_fail(SB_ERR_UNSUPPORTED, "block_tokens: found %lld, allowed 32, 64 or 128",
                       (long long)b);
    if (!shape->is_decode && shape->q_gid.n_tokens != shape->n_keys)
        return sbi_flex_part_of_sequence(shape->q_gid.n_tokens, shape->n_keys);
    if (shape->n_keys / b >= SBI_FLEX_MAX_BLOCKS)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length: found %lld tokens, allowed below %lld with blocks of %lld: masses "
                       "are summed in 64 bits",
                       (long long)shape->n_keys, (long long)b * SBI_FLEX_MAX_BLOCKS, (long long)b);
    return sb_shape_check(shape, b);
}

static int64_t quantum_tokens(const void *p)
{
    return ((const sb_flexprefill_params *)p)->block_tokens;
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_flex_layout(ctx, params_, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_flex_plan_cpu(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

#if defined(SB_HAVE_CUDA)
static sb_status layout_device(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                               sb_plan *plan, sb_cache *cache)
{
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_flex_layout_device(ctx, params_, shape, plan);
}

static sb_status plan_cuda(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!is_dense(params_, shape))
        return sbi_flex_plan_cuda(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}
#endif

/* The probe and the pattern test look at the last block, the cut of a query-aware head at all. */
static int64_t plan_last_queries(const void *params_, const sb_shape *shape)
{
    const sb_flexprefill_params *p = params_;
    if (is_dense(p, shape))
        return 0;
    return p->tau > 0.0 ? shape->n_keys : p->block_tokens;
}

const sb_method sb_flexprefill = {
    .name           = "flexprefill",
    .summary        = "columns and diagonals of blocks, or query-aware blocks, per head by gamma; "
                      "dense decode",
    .source         = "arXiv 2502.20766; flexprefill 3",
    .caps           = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_ALL,
    .params         = params,
    .params_bytes   = sizeof(sb_flexprefill_params),
    .check          = check,
    .quantum_tokens = quantum_tokens,
    .plan_last_queries = plan_last_queries,
    .layout            = layout,
    .layout_device     = SB_IF_CUDA(layout_device),
    .plan              = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
