#include "kernels/hip/hip.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/exec/window_plan.h"
#include "kernels/hip/plan_cpu.h"
#include "kernels/hip/plan_cuda.h"

#define P(field) offsetof(sb_hip_params, field)
static const sb_param params[] = {
    {"top_k_tokens", "512", "[1,16777216]",
     "keys kept for a block of queries (mask_k), besides window and sinks; multiple of "
     "block_k_tokens, best a power of two of them",
     SB_I64, P(top_k_tokens)},
    {"block_q_tokens", "64", "[1,65536]", "queries that share their kept keys", SB_I64,
     P(block_q_tokens)},
    {"stride_q_tokens", "2", "[1,65536]",
     "the last query of so many is asked; divides block_q_tokens", SB_I64, P(stride_q_tokens)},
    {"block_k_tokens", "2", "[1,65536]", "keys of a block, kept or dropped as one", SB_I64,
     P(block_k_tokens)},
    {"stride_k_tokens", "1", "[1,65536]",
     "the last key of so many is scored; divides block_k_tokens", SB_I64, P(stride_k_tokens)},
    {"window_tokens", "256", "[1,1099511627776]",
     "recent keys seen, the own one included; multiple of block_k_tokens", SB_I64,
     P(window_tokens)},
    {"sink_tokens", "16", "[0,1099511627776]", "first keys seen; multiple of block_k_tokens",
     SB_I64, P(sink_tokens)},
    {"align", "1", "[0,1]",
     "1: chunk starts are rounded down to a grid, as released, which leaves some blocks next to "
     "the window to no chunk; 0: all are candidates",
     SB_I64, P(align)},
    {"refresh_steps", "8", "[1,1099511627776]", "decode: steps from one search to the next", SB_I64,
     P(refresh_steps)},
    {"window_pad_tokens", "0", "[0,1099511627776]",
     "decode: keys by which the window is longer; refresh_steps - 1 covers what leaves it between "
     "two searches",
     SB_I64, P(window_pad_tokens)},
    {"compat", "clean", "clean|official",
     "official: scores are compared as the released code stores them, bf16 before and after a "
     "sigmoid",
     SB_ENUM, P(compat)},
    {0},
};

/* Where the last row keeps every candidate all rows are dense [5]; in decode too, whatever the last
 * search found. */
static int is_dense(const sb_hip_params *p, const sb_shape *shape)
{
    return sbi_hip_candidates(p, shape->n_keys).all;
}

static sb_status whole(const char *name, int64_t found, const char *of, int64_t unit)
{
    if (found % unit == 0)
        return SB_OK;
    return sb_fail(SB_ERR_UNSUPPORTED, "%s: found %lld, allowed a multiple of %s, %lld", name,
                   (long long)found, of, (long long)unit);
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_hip_params *p  = params_;
    int64_t              bk = p->block_k_tokens;
    sb_status            st;
    if ((st = whole("block_q_tokens", p->block_q_tokens, "stride_q_tokens", p->stride_q_tokens)) !=
            SB_OK ||
        (st = whole("block_k_tokens", bk, "stride_k_tokens", p->stride_k_tokens)) != SB_OK ||
        (st = whole("top_k_tokens", p->top_k_tokens, "block_k_tokens", bk)) != SB_OK ||
        (st = whole("window_tokens", p->window_tokens, "block_k_tokens", bk)) != SB_OK ||
        (st = whole("sink_tokens", p->sink_tokens, "block_k_tokens", bk)) != SB_OK)
        return st;
    if (shape->is_decode && shape->q_gid.n_tokens != 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "decode: found %lld queries, allowed 1",
                       (long long)shape->q_gid.n_tokens);
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p) { return ((const sb_hip_params *)p)->block_q_tokens; }

/* Window, sinks and what the search keeps. */
static int64_t row_lanes(const void *params_, const sb_shape *shape, int64_t row)
{
    const sb_hip_params *p    = params_;
    int64_t              keys = is_dense(p, shape) ? row + 1
                                                   : sb_window_row_keys(p->sink_tokens + p->top_k_tokens,
                                                                        p->window_tokens, row);
    return shape->heads * keys;
}

static int64_t state_bytes(const void *p, const sb_shape *shape)
{
    return sbi_hip_state_bytes(p, shape->heads);
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    if (shape->is_decode && cache != NULL && cache->state_bytes < state_bytes(params_, shape))
        return sb_fail(SB_ERR_INTERNAL, "hip: the cache keeps %lld bytes of state, %lld are needed",
                       (long long)cache->state_bytes, (long long)state_bytes(params_, shape));
    if (is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_hip_layout(ctx, params_, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    if (!is_dense(params_, shape))
        return shape->is_decode ? sbi_hip_decode_cpu(ctx, params_, shape, q, k, cache, plan)
                                : sbi_hip_prefill_cpu(ctx, params_, shape, q, k, plan);
    if (shape->is_decode && cache != NULL)
        sbi_hip_decode_dense(params_, shape, cache);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

const sb_method sb_hip = {
    .name    = "hip",
    .summary = "sinks, window, and blocks of keys found by a tree search per head; sparse decode",
    .source  = "arXiv 2406.09827, version 1.1; hip 3",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys         = SB_PLAN_KEYS_ALL,
    .plan_rows_apart   = 1,
    .decode_plan_meets = 1,
    .params            = params,
    .params_bytes      = sizeof(sb_hip_params),
    .check             = check,
    .quantum_tokens    = quantum_tokens,
    .row_lanes         = row_lanes,
    .state_bytes       = state_bytes,
    .layout            = layout,
    .layout_device     = SB_IF_CUDA(sbi_hip_layout_device),
    .plan              = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(sbi_hip_plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
