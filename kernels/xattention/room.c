#include "kernels/xattention/room.h"

static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

/* Walks the local row blocks, ascending; a block that several runs share comes once. plan NULL:
 * count only. */
static void walk(const sb_shape *shape, int64_t block_tokens, sb_plan *plan, int64_t *n_rows,
                 int64_t *n_ids)
{
    int64_t next = 0, slot = 0, rows = 0, ids = 0;
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        sb_run run = shape->q_gid.run[r];
        if (run.len == 0)
            continue;
        int64_t block = run.start / block_tokens, last = (run.start + run.len - 1) / block_tokens;
        for (block = block > next ? block : next; block <= last; block++) {
            int64_t before = block * block_tokens - run.start; /* tokens of the run before it */
            if (plan != NULL) {
                sbi_xattention_room *room = plan->method_data;
                plan->row_id[rows]        = (int32_t)block;
                room->row[rows]           = (sbi_xattention_row){
                              .first_id = ids, .slot = slot + (before > 0 ? before : 0), .run = r};
            }
            rows++;
            ids += block + 1;
        }
        next = last + 1;
        slot += run.len;
    }
    *n_rows = rows;
    *n_ids  = ids;
}

void sbi_xattention_rows(const sb_shape *shape, sb_plan *plan)
{
    const sbi_xattention_room *room = plan->method_data;
    int64_t                    n_rows, n_ids;
    walk(shape, room->block_tokens, plan, &n_rows, &n_ids);
}

static sb_status lay_out_scratch(sb_arena *a, const sbi_xattention_room *r, int64_t dim,
                                 sbi_xattention_scratch *out)
{
    int64_t   wide = r->stride_tokens * dim, cells = r->n_rows * r->n_blocks;
    void     *q, *k, *raw, *x, *e, *top, *sum, *row_top, *row_sum, *here, *order, *keep;
    sb_status st;
    if ((st = sb_arena_alloc(a, r->n_rows * wide, sizeof(float), "xattention query groups", &q)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, wide * SB_PRODUCT_LANES, sizeof(float), "xattention key groups",
                             &k)) != SB_OK ||
        (st = sb_arena_alloc(a, r->block_rows * SB_PRODUCT_LANES, sizeof(float),
                             "xattention products", &raw)) != SB_OK ||
        (st = sb_arena_alloc(a, r->n_rows * r->lanes, sizeof(float), "xattention logits", &x)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, r->block_rows * r->lanes, sizeof(float), "xattention exponentials",
                             &e)) != SB_OK ||
        (st = sb_arena_alloc(a, cells, sizeof(float), "xattention block maxima", &top)) != SB_OK ||
        (st = sb_arena_alloc(a, cells, sizeof(float), "xattention block sums", &sum)) != SB_OK ||
        (st = sb_arena_alloc(a, r->n_rows, sizeof(float), "xattention row maxima", &row_top)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, r->n_rows, sizeof(double), "xattention row sums", &row_sum)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, r->batch * r->groups, 1, "xattention rows at hand", &here)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, 2 * r->n_blocks, sizeof(int32_t), "xattention block order",
                             &order)) != SB_OK ||
        (st = sb_arena_alloc(a, r->n_blocks, 1, "xattention kept blocks", &keep)) != SB_OK)
        return st;
    if (out != NULL)
        *out = (sbi_xattention_scratch){.q       = q,
                                        .k       = k,
                                        .raw     = raw,
                                        .x       = x,
                                        .e       = e,
                                        .top     = top,
                                        .sum     = sum,
                                        .row_top = row_top,
                                        .row_sum = row_sum,
                                        .here    = here,
                                        .order   = order,
                                        .keep    = keep};
    return SB_OK;
}

/* The index proper; its row pointers are filled by plan. */
static sb_status lay_out_index(sb_arena *a, int64_t n_rows, int64_t ids, sb_plan *made)
{
    void     *row_id, *row_ptr, *id;
    sb_status st;
    if ((st = sb_arena_alloc(a, n_rows, sizeof(int32_t), "xattention row ids", &row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, made->tiles.n_heads * n_rows + 1, sizeof(int64_t),
                             "xattention row pointers", &row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, ids, sizeof(int32_t), "xattention tile ids", &id)) != SB_OK)
        return st;
    made->n_rows         = n_rows;
    made->row_id         = row_id;
    made->tiles.row_ptr  = row_ptr;
    made->tiles.id       = id;
    made->tiles.capacity = ids;
    return SB_OK;
}

sb_status sbi_xattention_layout(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                sb_plan *plan)
{
    int64_t             b = p->block_tokens, n_rows, ids;
    sbi_xattention_room r = {.block_tokens  = b,
                             .stride_tokens = p->stride_tokens,
                             .groups        = b / p->stride_tokens,
                             .heads_per_kv  = shape->heads / shape->kv_heads,
                             .n_blocks      = (shape->n_keys + b - 1) / b,
                             .threads       = ctx->threads > 1 ? ctx->threads : 1};
    void               *room, *row, *scratch;
    sb_status           st;
    walk(shape, b, NULL, &n_rows, &ids);
    r.used_rows  = round_up(r.heads_per_kv * r.groups, SB_PRODUCT_ROWS);
    r.block_rows = round_up(r.used_rows, SBI_XATTENTION_ROWS);
    r.batch =
        SBI_XATTENTION_BATCH_ROWS / r.used_rows > 1 ? SBI_XATTENTION_BATCH_ROWS / r.used_rows : 1;
    r.n_rows       = r.batch * r.block_rows;
    r.lanes        = round_up(r.groups, SB_PRODUCT_LANES);
    r.ids_per_head = ids;

    sb_plan made = {.row_tokens = b};
    made.tiles   = (sb_csr){.n_heads = shape->heads, .unit_tokens = b, .width_tokens = b};
    if ((st = lay_out_index(ctx->arena, n_rows, shape->heads * ids, &made)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, 1, sizeof r, "xattention room", &room)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, n_rows, sizeof *r.row, "xattention rows", &row)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->arena, r.threads, sizeof *r.scratch, "xattention scratch",
                             &scratch)) != SB_OK)
        return st;
    r.row     = row;
    r.scratch = scratch;
    for (int32_t t = 0; t < r.threads; t++) /* a counting arena has no room to note it in */
        if ((st = lay_out_scratch(ctx->arena, &r, shape->head_dim,
                                  ctx->arena->counting ? NULL : &r.scratch[t])) != SB_OK)
            return st;
    if (!ctx->arena->counting)
        *(sbi_xattention_room *)room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}
