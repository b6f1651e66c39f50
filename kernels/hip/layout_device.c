/* What the shape tells of a device's plan: rows, their candidates and how long each list is. */
#include <stdlib.h>

#include "kernels/exec/row_walk.h"
#include "kernels/exec/window_plan.h"
#include "kernels/hip/plan_cuda.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static sb_status check(const sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape)
{
    int64_t   asked = p->block_q_tokens / p->stride_q_tokens;
    sb_status st    = SB_OK;
    if (shape->is_decode)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "hip: found a decode step, allowed prefill where a device plans: lists live "
                       "in the cache between steps, which is in host memory");
    if (ctx->comm != NULL && ctx->comm->size > 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "hip: found %d ranks, allowed one where a device plans",
                       (int)ctx->comm->size);
    /* one run may begin and end anywhere: its rows lie together */
    if (shape->q_gid.n_runs > 1)
        st = sb_row_walk_whole("hip", &shape->q_gid, p->block_q_tokens, shape->n_keys);
    if (st != SB_OK)
        return st;
    if (p->compat != SB_HIP_CLEAN)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "compat: found official, allowed clean where a device plans");
    if (asked > SBI_HIP_ASKED_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "stride_q_tokens: found %lld, which asks %lld queries of a block, allowed "
                       "up to %d where a device plans",
                       (long long)p->stride_q_tokens, (long long)asked, SBI_HIP_ASKED_MAX);
    if (sbi_hip_blocks(p) > SBI_HIP_KEPT_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "top_k_tokens: found %lld blocks of block_k_tokens, allowed up to %d where "
                       "a device plans",
                       (long long)sbi_hip_blocks(p), SBI_HIP_KEPT_MAX);
    if (shape->head_dim != 64 && shape->head_dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "head_dim: found %lld, allowed 64 and 128 where a device plans",
                       (long long)shape->head_dim);
    return SB_OK;
}

/* Rows and ids of a head; NULL: count only. row_ptr: of the first head, from its second entry. */
static void walk(const sb_hip_params *p, const sb_shape *shape, sbi_hip_device_row *row,
                 int32_t *row_id, int64_t *row_ptr, int64_t *n_rows, int64_t *n_ids)
{
    sb_row_walk it;
    sb_row_part at;
    *n_rows = *n_ids = 0;
    sb_row_walk_begin(&it, &shape->q_gid, p->block_q_tokens);
    while (sb_row_walk_next(&it, &at)) {
        sbi_hip_span span = sbi_hip_candidates(p, at.last + 1);
        int64_t      a    = sbi_hip_alignment(p, span.n);
        int64_t      n    = span.all ? span.n : min_i64(sbi_hip_blocks(p), span.n / a * a);
        if (row != NULL) {
            row_id[*n_rows]  = (int32_t)at.block;
            row[*n_rows]     = (sbi_hip_device_row){.first    = at.first,
                                                    .last     = at.last,
                                                    .slot     = at.slot,
                                                    .first_id = *n_ids,
                                                    .span     = span,
                                                    .align    = (int32_t)a,
                                                    .n_ids    = (int32_t)n};
            row_ptr[*n_rows] = *n_ids + n;
        }
        ++*n_rows;
        *n_ids += n;
    }
}

static sb_status copy_rows(const sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                           const sbi_hip_device *r, const sb_plan *plan)
{
    size_t              n = (size_t)r->n_rows, lists = n * (size_t)r->heads + 1;
    sbi_hip_device_row *row     = calloc(n + 1, sizeof *row);
    int32_t            *row_id  = calloc(n + 1, sizeof *row_id);
    int64_t            *row_ptr = calloc(lists, sizeof *row_ptr), rows, ids;
    sb_status           st      = SB_OK;
    if (row == NULL || row_id == NULL || row_ptr == NULL)
        st = sb_fail(SB_ERR_NOMEM, "hip: no host memory for %zu query blocks", n);
    if (st == SB_OK) {
        walk(p, shape, row, row_id, row_ptr + 1, &rows, &ids);
        for (size_t i = n; i + 1 < lists; i++)
            row_ptr[i + 1] = row_ptr[i + 1 - n] + ids;
        st = ctx->backend->copy(r->row, row, n * sizeof *row, SB_COPY_TO_DEVICE, ctx->stream);
    }
    if (st == SB_OK)
        st = ctx->backend->copy(plan->row_id, row_id, n * sizeof *row_id, SB_COPY_TO_DEVICE,
                                ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->copy(plan->tiles.row_ptr, row_ptr, lists * sizeof *row_ptr,
                                SB_COPY_TO_DEVICE, ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->sync(ctx->stream);
    free(row);
    free(row_id);
    free(row_ptr);
    return st;
}

static sb_status lay_out(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape, sb_plan *plan)
{
    sb_arena      *a  = ctx->arena;
    int64_t        bk = p->block_k_tokens, h = shape->heads;
    sbi_hip_device r = {
        .heads = h, .group = h / shape->kv_heads, .dim = shape->head_dim, .n_keys = shape->n_keys};
    sb_plan        made = {.parts         = SB_PART_WINDOW | SB_PART_TILES,
                           .row_tokens    = p->block_q_tokens,
                           .sink_tokens   = p->sink_tokens,
                           .window_tokens = p->window_tokens};
    void          *room;
    sb_status      st = check(ctx, p, shape);
    if (st != SB_OK)
        return st;
    walk(p, shape, NULL, NULL, NULL, &r.n_rows, &r.ids_per_head);
    made.n_rows = r.n_rows;
    made.tiles  = (sb_csr){
         .n_heads = h, .capacity = h * r.ids_per_head, .unit_tokens = bk, .width_tokens = bk};
    if ((st = sb_arena_alloc(a, r.n_rows, sizeof *made.row_id, "hip row ids",
                             (void **)&made.row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, h * r.n_rows + 1, sizeof *made.tiles.row_ptr, "hip row pointers",
                             (void **)&made.tiles.row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, h * r.ids_per_head, sizeof *made.tiles.id, "hip tile ids",
                             (void **)&made.tiles.id)) != SB_OK ||
        (st = sb_arena_alloc(a, r.n_rows, sizeof *r.row, "hip rows", (void **)&r.row)) != SB_OK ||
        (st = sb_arena_alloc(a, 1, sizeof *r.flops, "hip flops", (void **)&r.flops)) != SB_OK ||
        (st = sb_arena_alloc(ctx->host, 1, sizeof r, "hip room", &room)) != SB_OK)
        return st;
    made.estimate_flops_more = r.flops;
    made.method_data         = room;
    if (!ctx->host->counting) {
        *(sbi_hip_device *)room = r;
        if ((st = copy_rows(ctx, p, shape, &r, &made)) != SB_OK)
            return st;
    }
    *plan = made;
    return SB_OK;
}

sb_status sbi_hip_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache)
{
    if (!shape->is_decode && sbi_hip_candidates(params, shape->n_keys).all)
        return sb_window_layout(ctx, params, shape, plan, cache);
    return lay_out(ctx, params, shape, plan);
}
