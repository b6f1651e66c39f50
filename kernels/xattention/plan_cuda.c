/* Batches of rows: scores, then choice; at last the lists from all bits. */
#include "kernels/xattention/plan_cuda.h"

#include <math.h>

#include "kernels/exec/antidiagonal_device.h"
#include "kernels/exec/plan_bits_device.h"
#include "kernels/exec/row_blocks_device.h"
#include "kernels/xattention/first_chunk.h"

typedef struct room {
    sb_row_blocks_device   rows;
    sb_plan_bits           bits;
    sb_antidiagonal_device scores;
} room;

static int64_t shared_bytes(const room *r)
{
    int64_t cells = r->rows.n_blocks * r->scores.groups;
    return sbi_xattention_choice_bytes(
        r->scores.groups, (cells + SB_ANTIDIAGONAL_TILE - 1) / SB_ANTIDIAGONAL_TILE, r->bits.words);
}

sb_status sbi_xattention_layout_device(sb_ctx *ctx, const sb_xattention_params *p,
                                       const sb_shape *shape, sb_plan *plan)
{
    room      r;
    sb_plan   made;
    void     *at;
    sb_status st = sb_row_blocks_device_layout(&r.rows, ctx, shape, p->block_tokens,
                                               p->block_tokens, 1, &made);
    if (st != SB_OK)
        return st;
    if ((st = sb_antidiagonal_device_layout(&r.scores, ctx, shape, &r.rows, p->stride_tokens)) !=
            SB_OK ||
        (st = sb_plan_bits_layout(&r.bits, ctx, shape->heads * r.rows.n_rows, r.rows.n_blocks)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->host, 1, sizeof r, "xattention room", &at)) != SB_OK)
        return st;
    if (shared_bytes(&r) > SBI_XATTENTION_SHARED_BYTES)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "xattention: found %lld tokens, whose choice works in %lld bytes, allowed "
                       "%d on the cuda backend",
                       (long long)shape->n_keys, (long long)shared_bytes(&r),
                       (int)SBI_XATTENTION_SHARED_BYTES);
    if (!ctx->host->counting)
        *(room *)at = r;
    made.method_data = at;
    *plan            = made;
    return SB_OK;
}

static sb_status plan_batch(sb_ctx *ctx, const sb_xattention_params *p, const room *r,
                            const sb_antidiagonal_batch *b, int64_t all_keys, const sb_tensor *q,
                            const sb_tensor *k)
{
    const sb_antidiagonal_device *s = &r->scores;
    double                        d = (double)s->dim, stride = (double)s->stride_tokens;
    sb_status                     st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    struct sbi_xattention_choice  c  = {.sum           = s->sum,
                                        .top           = s->top,
                                        .n_blocks      = b->n_blocks,
                                        .n_tiles       = b->n_tiles,
                                        .n_groups      = b->n_groups,
                                        .first_group   = b->first_group,
                                        .first_id      = s->first_id,
                                        .n_rows        = s->n_rows,
                                        .row_id        = s->row_id,
                                        .first_query   = s->q.start,
                                        .end_query     = s->q.start + s->q.len,
                                        .stride_tokens = s->stride_tokens,
                                        .groups        = s->groups,
                                        .first_chunk_blocks =
                                            sbi_xattention_first_chunk_blocks(p, all_keys),
                                        .tau   = p->tau,
                                        .word  = r->bits.word,
                                        .words = r->bits.words};
    if (st == SB_OK)
        st = sb_antidiagonal_device_scores(s, b, q, k, (float)(1.0 / (sqrt(d) * stride * p->norm)),
                                           p->compat == SB_XATTENTION_OFFICIAL, ctx->stream);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    return st == SB_OK ? sbi_xattention_choose_cuda(&c, s->heads, ctx->stream) : st;
}

sb_status sbi_xattention_plan_cuda(sb_ctx *ctx, const sb_xattention_params *p,
                                   const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                                   sb_plan *plan)
{
    const room           *r = plan->method_data;
    sb_antidiagonal_batch b = {0};
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "xattention: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    sb_status st = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    if (st == SB_OK)
        st = sb_antidiagonal_device_begin(&r->scores, q, k, ctx->stream);
    while (st == SB_OK && sb_antidiagonal_device_next(&r->scores, &b))
        st = plan_batch(ctx, p, r, &b, sb_shape_keys(shape), q, k);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    if (st == SB_OK)
        st = sb_plan_bits_list(&r->bits, &plan->tiles, ctx->stream);
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = sb_antidiagonal_device_flops(&r->scores);
    return st;
}
