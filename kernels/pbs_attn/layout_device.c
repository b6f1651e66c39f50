#include "kernels/exec/attend.h"
#include "kernels/exec/window_plan.h"
#include "kernels/pbs_attn/plan_cuda.h"
#include "kernels/pbs_attn/room.h"

/* What the CPU can do and a device cannot. */
static sb_status check(const sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape)
{
    if (ctx->comm != NULL && ctx->comm->size > 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "pbs_attn: found %d ranks, allowed one where a device plans",
                       (int)ctx->comm->size);
    if (sb_shape_queries(shape) != shape->n_keys)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "pbs_attn: found %lld queries over %lld keys, allowed as many queries as "
                       "keys: the order of all keys hangs on the last block of queries",
                       (long long)sb_shape_queries(shape), (long long)shape->n_keys);
    if (p->selector != SB_PBS_ATTN_MEAN)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "selector: found antidiagonal, allowed mean where a device plans");
    if (p->perm_share != SB_PBS_ATTN_PERM_HEAD)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "perm_share: found group, allowed head where a device plans");
    if (p->compat != SB_PBS_ATTN_CLEAN)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "compat: found official, allowed clean where a device plans");
    if (p->block_tokens > SBI_PBS_PROBE_MAX || p->block_tokens % SBI_PBS_PROBE_STEP != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "block_tokens: found %lld, allowed multiples of %d up to %d where a device "
                       "plans",
                       (long long)p->block_tokens, SBI_PBS_PROBE_STEP, SBI_PBS_PROBE_MAX);
    if (p->segment_tokens > SBI_PBS_SEGMENT_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "segment_tokens: found %lld, allowed up to %d where a device plans",
                       (long long)p->segment_tokens, SBI_PBS_SEGMENT_MAX);
    if (shape->head_dim != 64 && shape->head_dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "head_dim: found %lld, allowed 64 and 128 where a device plans",
                       (long long)shape->head_dim);
    return SB_OK;
}

static sb_status lay_out(sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape,
                         sb_plan *plan)
{
    sb_arena      *a  = ctx->arena;
    int64_t        nb = p->segment_tokens / p->block_tokens, h = shape->heads, d = shape->head_dim;
    sbi_pbs_device r = {.block_tokens       = p->block_tokens,
                        .segment_tokens     = p->segment_tokens,
                        .blocks_per_segment = nb,
                        .n_keys             = shape->n_keys,
                        .n_segments         = shape->n_keys / p->segment_tokens,
                        .heads              = h,
                        .group              = h / shape->kv_heads,
                        .dim                = d};
    sb_plan        made;
    sb_status      st     = check(ctx, p, shape);
    int64_t        sorted = r.n_segments * r.segment_tokens;
    void          *room;
    r.n_chunks = (sorted + SBI_PBS_CHUNK - 1) / SBI_PBS_CHUNK;
    if (st != SB_OK ||
        (st = sb_row_blocks_device_layout(&r.rows, ctx, shape, p->block_tokens, p->block_tokens, nb,
                                          &made)) != SB_OK ||
        (st = sb_plan_bits_layout(&r.bits, ctx, h * r.rows.n_rows, r.rows.n_blocks)) != SB_OK ||
        (st = sb_arena_alloc(a, h * shape->n_keys, sizeof *made.slots.offset, "pbs_attn slots",
                             (void **)&made.slots.offset)) != SB_OK ||
        (st = sb_arena_alloc(a, h * r.n_chunks * 2 * p->block_tokens, sizeof *r.part,
                             "pbs_attn parts", (void **)&r.part)) != SB_OK ||
        (st = sb_arena_alloc(a, h * 2 * p->block_tokens, sizeof *r.top, "pbs_attn row maxima",
                             (void **)&r.top)) != SB_OK ||
        (st = sb_arena_alloc(a, h * sorted, sizeof *r.score, "pbs_attn importance",
                             (void **)&r.score)) != SB_OK ||
        (st = sb_arena_alloc(a, h * r.n_segments * nb * d, sizeof *r.k_pool, "pbs_attn pooled keys",
                             (void **)&r.k_pool)) != SB_OK ||
        (st = sb_arena_alloc(a, h * r.rows.n_rows * d, sizeof *r.q_pool, "pbs_attn pooled queries",
                             (void **)&r.q_pool)) != SB_OK ||
        (st = sb_arena_alloc(a, h, sizeof *r.first, "pbs_attn first blocks", (void **)&r.first)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->host, 1, sizeof r, "pbs_attn room", &room)) != SB_OK)
        return st;
    if (!ctx->host->counting)
        *(sbi_pbs_device *)room = r;
    made.slots.n_heads        = h;
    made.slots.n_slots        = shape->n_keys;
    made.slots.segment_tokens = p->segment_tokens;
    made.method_data          = room;
    *plan                     = made;
    return SB_OK;
}

sb_status sbi_pbs_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache)
{
    if (sbi_pbs_is_dense(params, shape))
        return sb_window_layout(ctx, params, shape, plan, cache);
    return lay_out(ctx, params, shape, plan);
}

int64_t sbi_pbs_device_bytes(const void *params, const sb_shape *shape)
{
    return sbi_pbs_is_dense(params, shape) ? 0 : sb_attend_slots_bytes(shape);
}
