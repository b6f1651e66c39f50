/* The steps in order, all queued:
 *
 *   last queries  ->  masses of columns and diagonals  ->  pattern, budgets, chosen ones
 *   query-aware heads: scores of all pairs of block means  ->  one cut a head
 *   bits  ->  lists
 */
#include "kernels/backend/cuda_stream.h"
#include "kernels/flexprefill/plan_cuda.h"

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/block_means_device.h"
#include "kernels/exec/row_walk.h"
#include "kernels/flexprefill/plan_cpu.h"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

#define TAKE(field, count)                                                                         \
    sb_arena_alloc(ctx->arena, count, sizeof *r->field, "flexprefill " #field,                     \
                   reinterpret_cast<void **>(&r->field))

sb_status lay_out_heads(const sb_ctx *ctx, const sb_shape *shape, sbi_flex_device *r)
{
    int64_t   h = r->heads, n = r->n;
    sb_status st;
    if ((st = TAKE(k_mean, shape->kv_heads * n * r->dim)) != SB_OK ||
        (st = TAKE(q_mean, h * n * r->dim)) != SB_OK || (st = TAKE(pooled, 2 * h * n)) != SB_OK ||
        (st = TAKE(p, h * n)) != SB_OK || (st = TAKE(set, 2 * h * r->set_words)) != SB_OK ||
        (st = TAKE(aware, h)) != SB_OK || (st = TAKE(bins, h * SBI_FLEX_DIGIT_BINS)) != SB_OK ||
        (st = TAKE(ties, h * n)) != SB_OK || (st = TAKE(cut, h)) != SB_OK)
        return st;
    return TAKE(flops, 1);
}

/* Where scores stand: in the ids, or apart. */
sb_status lay_out_scores(const sb_ctx *ctx, const sb_flexprefill_params *p, const sb_csr *ids,
                         sbi_flex_device *r)
{
    r->scores = r->n * (r->n + 1) / 2;
    r->score  = ids->id;
    return r->rows.n_rows == r->n || p->tau == 0.0 ? SB_OK : TAKE(score, r->heads * r->scores);
}

sbi_flex_asked asked(const sb_flexprefill_params *p, const sbi_flex_device *r)
{
    sbi_flex_asked a = {};
    int64_t        b = p->block_tokens;
    a.round          = p->compat == SB_FLEXPREFILL_OFFICIAL;
    a.tau            = p->tau;
    a.min_blocks     = (p->min_budget_tokens - 1) / b + 1;
    a.max_blocks     = r->n;
    if (p->max_budget_tokens > 0)
        a.max_blocks = min_i64((p->max_budget_tokens - 1) / b + 1, r->n);
    a.slash_cover = p->slash_cover;
    a.line_limit  = static_cast<uint64_t>(p->gamma * static_cast<double>(b) * 0x1p40);
    a.block_limit = static_cast<uint64_t>(p->gamma * static_cast<double>(r->n) * 0x1p40);
    return a;
}

sb_status mean_keys(const sb_ctx *ctx, const sbi_flex_device *r, int32_t round, const sb_tensor *k)
{
    sb_block_means m = {};
    m.out            = r->k_mean;
    m.head_stride    = r->n * r->dim;
    m.block_stride   = r->dim;
    m.dim_stride     = 1;
    m.block_tokens   = r->block_tokens;
    m.steps          = round ? SB_MEAN_ROUND : 0;
    return sb_block_means_run(&m, k, ctx->stream);
}

/* Of query-aware heads; the released code's way to round a short block [3.9]. */
sb_status mean_queries(const sb_ctx *ctx, const sbi_flex_device *r, int32_t round,
                       const sb_tensor *q)
{
    sb_block_means m = {};
    m.out            = r->q_mean;
    m.head_stride    = r->n * r->dim;
    m.block_stride   = r->dim;
    m.dim_stride     = 1;
    m.block_tokens   = r->block_tokens;
    m.steps          = SB_MEAN_SCALE;
    if (round)
        m.steps |= SB_MEAN_ROUND | SB_MEAN_WHOLE | SB_MEAN_GROW;
    m.only = r->aware;
    return sb_block_means_run(&m, q, ctx->stream);
}

sb_status score_aware(const sb_ctx *ctx, const sbi_flex_device &r, const sbi_flex_asked &a,
                      cudaStream_t stream)
{
    sb_status st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    if (st == SB_OK)
        st = mean_queries(ctx, &r, a.round, ctx->last_q);
    if (st == SB_OK)
        st = sbi_flex_score_blocks(r, a, stream);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    return st == SB_OK ? sbi_flex_cut_scores(r, a, stream) : st;
}
} // namespace

extern "C" sb_status sbi_flex_layout_device(sb_ctx *ctx, const sb_flexprefill_params *p,
                                            const sb_shape *shape, sb_plan *plan)
{
    sbi_flex_device made = {}, *r = &made;
    sb_plan         index;
    void           *at = nullptr;
    r->heads           = shape->heads;
    r->heads_per_kv    = shape->heads / shape->kv_heads;
    r->n_keys          = shape->n_keys;
    r->dim             = shape->head_dim;
    r->block_tokens    = p->block_tokens;
    r->n               = (shape->n_keys + p->block_tokens - 1) / p->block_tokens;
    r->set_words       = (r->n + 31) / 32;
    if (ctx->comm != nullptr && ctx->comm->size > 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "flexprefill: found %d ranks, allowed one where the device plans",
                       static_cast<int>(ctx->comm->size));
    if (sb_shape_queries(shape) != shape->n_keys)
        return sbi_flex_part_of_sequence(sb_shape_queries(shape), shape->n_keys);
    sb_status st = sb_row_walk_whole("flexprefill", &shape->q_gid, p->block_tokens, shape->n_keys);
    if (st == SB_OK)
        st = sb_row_blocks_device_layout(&r->rows, ctx, shape, p->block_tokens, p->block_tokens, 1,
                                         &index);
    if (st == SB_OK)
        st = sb_plan_bits_layout(&r->bits, ctx, shape->heads * r->rows.n_rows, r->n);
    if (st == SB_OK)
        st = sb_last_probe_layout(&r->probe, ctx, shape, p->block_tokens, p->block_tokens, nullptr,
                                  0);
    if (st == SB_OK)
        st = lay_out_heads(ctx, shape, r);
    if (st == SB_OK)
        st = lay_out_scores(ctx, p, &index.tiles, r);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->host, 1, sizeof made, "flexprefill room", &at);
    if (st != SB_OK)
        return st;
    if (!ctx->host->counting)
        *static_cast<sbi_flex_device *>(at) = made;
    index.method_data         = at;
    index.estimate_flops_more = r->flops;
    *plan                     = index;
    return SB_OK;
}

extern "C" sb_status sbi_flex_plan_cuda(sb_ctx *ctx, const sb_flexprefill_params *p,
                                        const sb_shape *shape, const sb_tensor *q,
                                        const sb_tensor *k, sb_plan *plan)
{
    const auto    *r      = static_cast<const sbi_flex_device *>(plan->method_data);
    auto           stream = sb_cuda_stream(ctx->stream);
    sbi_flex_asked a      = asked(p, r);
    int64_t        needed = p->tau > 0.0 ? r->n_keys : r->block_tokens;
    if (ctx->last_q == nullptr || ctx->last_q->tokens < needed || k->tokens != r->n_keys ||
        q->tokens != shape->q_gid.n_tokens)
        return sb_fail(SB_ERR_INTERNAL,
                       "flexprefill: plan was given %lld of %lld keys, or too few queries",
                       static_cast<long long>(k->tokens), static_cast<long long>(r->n_keys));
    plan->estimate_flops = 2 * r->dim * r->heads * (2 * r->block_tokens * r->n_keys + r->n);
    sb_status st         = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    if (st == SB_OK)
        st = mean_keys(ctx, r, a.round, k);
    if (st == SB_OK)
        st = sb_last_probe_run(&r->probe, ctx, ctx->last_q, k,
                               a.round ? SB_PROBE_QUERIES : SB_PROBE_EXACT);
    if (st == SB_OK)
        st = sbi_flex_judge_heads(*r, a, ctx->last_q, stream);
    if (st == SB_OK)
        st = SB_CUDA(cudaMemsetAsync(r->flops, 0, sizeof *r->flops, stream));
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    if (st == SB_OK)
        st = sbi_flex_choose_lines(*r, a, stream);
    if (st == SB_OK && a.tau > 0.0) /* else no head is query-aware */
        st = score_aware(ctx, *r, a, stream);
    if (st == SB_OK)
        st = sbi_flex_set_bits(*r, a, stream);
    if (st == SB_OK)
        st = sb_plan_bits_list(&r->bits, &plan->tiles, ctx->stream);
    plan->parts = SB_PART_TILES;
    return st;
}
