#include "kernels/pbs_attn/pbs_attn.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/exec/window_plan.h"
#include "kernels/pbs_attn/plan_cpu.h"
#include "kernels/pbs_attn/plan_cuda.h"
#include "kernels/pbs_attn/room.h"

#define P(field) offsetof(sb_pbs_attn_params, field)
static const sb_param params[] = {
    {"block_tokens", "128", "[1,65536]", "tokens of a block", SB_I64, P(block_tokens)},
    {"segment_tokens", "256", "[1,65536]",
     "tokens of a segment, inside which keys are sorted; a multiple of block_tokens", SB_I64,
     P(segment_tokens)},
    {"tau", "0.9", "(0,1]",
     "share of the estimated mass that a row of blocks keeps of earlier segments; 1: all blocks",
     SB_F64, P(tau)},
    {"query_pool", "mean", "mean|max", "selector mean: how the queries of a block become one",
     SB_ENUM, P(query_pool)},
    {"key_pool", "mean", "mean|max", "selector mean: how the sorted keys of a block become one",
     SB_ENUM, P(key_pool)},
    {"force_first_block", "on", "off|on", "keep the block that holds the first token after sorting",
     SB_ENUM, P(force_first_block)},
    {"pool_div_valid", "off", "off|on",
     "on: a short last block of queries is pooled over the queries it has; off: over block_tokens, "
     "as the released code does",
     SB_ENUM, P(pool_div_valid)},
    {"perm_share", "head", "head|group",
     "who sorts keys: each query head, or the heads of a KV head together by their mean queries",
     SB_ENUM, P(perm_share)},
    {"selector", "mean", "mean|antidiagonal",
     "scores of blocks: pooled queries and keys; or antidiagonal sums over sorted keys "
     "(PBS-Attn+)",
     SB_ENUM, P(selector)},
    {"stride_tokens", "8", "[1,65536]",
     "selector antidiagonal: tokens of a group; divides block_tokens", SB_I64, P(stride_tokens)},
    {"compat", "clean", "clean|official",
     "official: probe logits, pooled vectors and scores are rounded to bf16, sums run in fp32, and "
     "a row whose scores never reach tau keeps none of them instead of all",
     SB_ENUM, P(compat)},
    {0},
};

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_pbs_attn_params *p = params_;
    if (p->segment_tokens % p->block_tokens != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "segment_tokens: found %lld, allowed a multiple of block_tokens, %lld",
                       (long long)p->segment_tokens, (long long)p->block_tokens);
    if (p->selector == SB_PBS_ATTN_ANTIDIAGONAL && p->block_tokens % p->stride_tokens != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "stride_tokens: found %lld, allowed a divisor of block_tokens, %lld",
                       (long long)p->stride_tokens, (long long)p->block_tokens);
    if (shape->n_keys >= INT64_C(1) << 24)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length: found %lld tokens, allowed below 2^24: sums of weights are kept in "
                       "64 bits",
                       (long long)shape->n_keys);
    sb_status st = sb_shape_check(shape, p->block_tokens);
    if (st != SB_OK || p->perm_share != SB_PBS_ATTN_PERM_GROUP)
        return st;
    int64_t here  = shape->heads / shape->kv_heads;
    int64_t group = sb_shape_model_heads(shape) / sb_shape_model_kv_heads(shape);
    return here == group
               ? SB_OK
               : sb_fail(SB_ERR_UNSUPPORTED,
                         "perm_share: found group with %lld of the %lld query heads of a KV head "
                         "on a rank, allowed head: the group's order needs all of them",
                         (long long)here, (long long)group);
}

/* A segment on one rank is what its row blocks need: whole blocks [8]. */
static int64_t quantum_tokens(const void *p)
{
    return ((const sb_pbs_attn_params *)p)->segment_tokens;
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    if (sbi_pbs_is_dense(params_, shape))
        return sb_window_layout(ctx, params_, shape, plan, cache);
    return sbi_pbs_layout(ctx, params_, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)cache;
    if (!sbi_pbs_is_dense(params_, shape))
        return sbi_pbs_plan_cpu(ctx, params_, shape, q, k, plan);
    plan->fallback = 1;
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

/* Of the probe; none where the mask is dense. */
static int64_t plan_last_queries(const void *params_, const sb_shape *shape)
{
    const sb_pbs_attn_params *p = params_;
    return sbi_pbs_is_dense(p, shape) ? 0 : p->block_tokens;
}

sb_pbs_attn_counts sb_pbs_attn_counts_of(const sb_plan *plan)
{
    const sb_pbs_attn_counts *counts = plan->method_data; /* first in the rooms of both backends */
    return counts != NULL ? *counts : (sb_pbs_attn_counts){0};
}

const sb_method sb_pbs_attn = {
    .name      = "pbs_attn",
    .summary   = "blocks of keys sorted inside segments, tau of the estimated mass; dense decode",
    .source    = "arXiv 2510.21270; pbs_attn 3",
    .caps      = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys = SB_PLAN_KEYS_ALL,
    .params    = params,
    .params_bytes      = sizeof(sb_pbs_attn_params),
    .check             = check,
    .quantum_tokens    = quantum_tokens,
    .plan_last_queries = plan_last_queries,
    .device_bytes      = SB_IF_CUDA(sbi_pbs_device_bytes),
    .layout            = layout,
    .layout_device     = SB_IF_CUDA(sbi_pbs_layout_device),
    .plan              = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(sbi_pbs_plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
