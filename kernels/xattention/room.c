#include "kernels/xattention/room.h"

static sb_status lay_out_scratch(sb_arena *a, const sb_antidiagonal *g, int64_t dim,
                                 sbi_xattention_scratch *out)
{
    void     *order, *keep;
    sb_status st = sb_antidiagonal_layout(g, a, dim, out != NULL ? &out->scores : NULL);
    if (st != SB_OK ||
        (st = sb_arena_alloc(a, 2 * g->n_blocks, sizeof(int32_t), "xattention block order",
                             &order)) != SB_OK ||
        (st = sb_arena_alloc(a, g->n_blocks, 1, "xattention kept blocks", &keep)) != SB_OK)
        return st;
    if (out != NULL) {
        out->order = order;
        out->keep  = keep;
    }
    return SB_OK;
}

sb_status sbi_xattention_layout(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                sb_plan *plan)
{
    sbi_xattention_room r = {.threads = ctx->threads > 1 ? ctx->threads : 1};
    sb_plan             made;
    void               *room, *scratch;
    sb_status           st;
    if ((st = sb_row_blocks_layout(&r.blocks, ctx->arena, shape, p->block_tokens, 1, &made)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->arena, 1, sizeof r, "xattention room", &room)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, r.threads, sizeof *r.scratch, "xattention scratch",
                             &scratch)) != SB_OK)
        return st;
    r.grid    = sb_antidiagonal_of(&r.blocks, p->stride_tokens, shape->heads / shape->kv_heads,
                                   SB_ANTIDIAGONAL_CAUSAL);
    r.scratch = scratch;
    for (int32_t t = 0; t < r.threads; t++) /* a counting arena has no room to note it in */
        if ((st = lay_out_scratch(ctx->arena, &r.grid, shape->head_dim,
                                  ctx->arena->counting ? NULL : &r.scratch[t])) != SB_OK)
            return st;
    if (!ctx->arena->counting)
        *(sbi_xattention_room *)room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}
