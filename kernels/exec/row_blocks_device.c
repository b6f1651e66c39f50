#include "kernels/exec/row_blocks_device.h"

#include <stdlib.h>

/* Rows as the host names them. Only row_id and row are used of the plan and of `r`. */
static sb_status copy_rows(const sb_ctx *ctx, const sb_shape *shape, const sb_row_blocks *host,
                           const sb_row_blocks_device *r)
{
    size_t        n    = (size_t)r->n_rows;
    sb_row_blocks made = *host;
    sb_plan       plan = {.row_id = calloc(n + 1, sizeof *plan.row_id)};
    sb_status     st   = SB_OK;
    made.row           = calloc(n + 1, sizeof *made.row);
    if (plan.row_id == NULL || made.row == NULL)
        st = sb_fail(SB_ERR_NOMEM, "row blocks: no host memory for %zu rows", n);
    if (st == SB_OK) {
        sb_row_blocks_name(&made, shape, &plan);
        st = ctx->backend->copy(r->row_id, plan.row_id, n * sizeof *plan.row_id, SB_COPY_TO_DEVICE,
                                ctx->stream);
    }
    if (st == SB_OK)
        st = ctx->backend->copy(r->row, made.row, n * sizeof *made.row, SB_COPY_TO_DEVICE,
                                ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->sync(ctx->stream);
    free(plan.row_id);
    free(made.row);
    return st;
}

sb_status sb_row_blocks_device_layout(sb_row_blocks_device *r, const sb_ctx *ctx,
                                      const sb_shape *shape, int64_t block_tokens,
                                      int64_t tile_tokens, int64_t segment_blocks, sb_plan *plan)
{
    sb_arena      count;
    sb_row_blocks host;
    sb_plan       unused;
    void         *row_id = NULL, *row = NULL, *row_ptr = NULL, *id = NULL;
    sb_arena     *a = ctx->arena;
    sb_arena_init_count(&count); /* the walk, without room for what it finds */
    sb_status st =
        sb_row_blocks_layout(&host, &count, shape, block_tokens, segment_blocks, &unused);
    int64_t lists = shape->heads * host.n_rows;
    int64_t ids   = shape->heads * host.ids_per_head * (block_tokens / tile_tokens);
    if (st != SB_OK ||
        (st = sb_arena_alloc(a, host.n_rows, sizeof(int32_t), "row ids", &row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, host.n_rows, sizeof(sb_row_block), "row blocks", &row)) != SB_OK ||
        (st = sb_arena_alloc(a, lists + 1, sizeof(int64_t), "row pointers", &row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, ids, sizeof(int32_t), "tile ids", &id)) != SB_OK)
        return st;
    *r    = (sb_row_blocks_device){.block_tokens = block_tokens,
                                   .n_blocks     = host.n_blocks,
                                   .n_rows       = host.n_rows,
                                   .ids_per_head = ids / shape->heads,
                                   .row_id       = row_id,
                                   .row          = row};
    *plan = (sb_plan){.row_tokens = block_tokens,
                      .n_rows     = host.n_rows,
                      .row_id     = row_id,
                      .tiles      = {.n_heads      = shape->heads,
                                     .row_ptr      = row_ptr,
                                     .id           = id,
                                     .capacity     = ids,
                                     .unit_tokens  = tile_tokens,
                                     .width_tokens = tile_tokens}};
    return a->counting || host.n_rows == 0 ? SB_OK : copy_rows(ctx, shape, &host, r);
}
