#include "kernels/hip/room.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* plan NULL: count only. */
static void walk(const sb_hip_params *p, const sb_shape *shape, sb_plan *plan, int64_t *n_rows,
                 int64_t *n_ids)
{
    sb_row_walk it;
    sb_row_part  at;
    *n_rows = *n_ids = 0;
    sb_row_walk_begin(&it, &shape->q_gid, p->block_q_tokens);
    while (sb_row_walk_next(&it, &at)) {
        sbi_hip_span span = sbi_hip_candidates(p, at.last + 1);
        if (plan != NULL) {
            sbi_hip_room *room    = plan->method_data;
            plan->row_id[*n_rows] = (int32_t)at.block;
            room->row[*n_rows]    = (sbi_hip_row){.at = at, .span = span, .first_id = *n_ids};
        }
        ++*n_rows;
        *n_ids += min_i64(span.n, sbi_hip_blocks(p));
    }
}

void sbi_hip_rows(const sb_hip_params *p, const sb_shape *shape, sb_plan *plan)
{
    const sbi_hip_room *room = plan->method_data;
    int64_t             n_rows, n_ids;
    walk(p, shape, plan, &n_rows, &n_ids);
    for (int32_t i = 0; i < room->n_finders; i++)
        room->finder[i].pairs = 0;
}

int64_t sbi_hip_flops(const sbi_hip_room *room, const sb_shape *shape)
{
    int64_t pairs = 0;
    for (int32_t i = 0; i < room->n_finders; i++)
        pairs += room->finder[i].pairs;
    return pairs * 2 * shape->head_dim;
}

static sb_status lay_out_finders(sb_arena *a, const sb_hip_params *p, const sb_shape *shape,
                                 sbi_hip_room *r)
{
    int64_t   m = sbi_hip_blocks(p), n = r->n_finders;
    int64_t   rows    = shape->is_decode ? 1 : p->block_q_tokens / p->stride_q_tokens;
    int64_t   columns = sbi_hip_groups(rows) * SB_PRODUCT_LANES, wide = columns * shape->head_dim;
    void     *finder, *column, *at, *kept, *half, *key;
    sb_status st;
    if ((st = sb_arena_alloc(a, n, sizeof *r->finder, "hip searches", &finder)) != SB_OK ||
        (st = sb_arena_alloc(a, n * wide, sizeof(float), "hip queries", &column)) != SB_OK ||
        (st = sb_arena_alloc(a, n * columns, sizeof(int64_t), "hip query ids", &at)) != SB_OK ||
        (st = sb_arena_alloc(a, n * m, sizeof(sbi_hip_chunk), "hip chunks", &kept)) != SB_OK ||
        (st = sb_arena_alloc(a, 2 * n * m, sizeof(sbi_hip_chunk), "hip halves", &half)) != SB_OK ||
        (st = sb_arena_alloc(a, 2 * n * m, sizeof(int64_t), "hip scores", &key)) != SB_OK)
        return st;
    r->finder = finder;
    r->keys   = key;
    for (int32_t i = 0; i < r->n_finders && !a->counting; i++)
        r->finder[i] = (sbi_hip_finder){
            .queries = {.column = (float *)column + i * wide, .at = (int64_t *)at + i * columns},
            .kept    = (sbi_hip_chunk *)kept + i * m,
            .half    = (sbi_hip_chunk *)half + 2 * i * m,
            .key     = (int64_t *)key + 2 * i * m};
    return SB_OK;
}

/* The index proper; its row pointers are filled by plan. */
static sb_status lay_out_index(sb_arena *a, int64_t n_rows, int64_t ids, sb_plan *made)
{
    void     *row_id, *row_ptr, *id;
    sb_status st;
    if ((st = sb_arena_alloc(a, n_rows, sizeof(int32_t), "hip row ids", &row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, made->tiles.n_heads * n_rows + 1, sizeof(int64_t),
                             "hip row pointers", &row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, ids, sizeof(int32_t), "hip tile ids", &id)) != SB_OK)
        return st;
    made->n_rows         = n_rows;
    made->row_id         = row_id;
    made->tiles.row_ptr  = row_ptr;
    made->tiles.id       = id;
    made->tiles.capacity = ids;
    return SB_OK;
}

sb_status sbi_hip_layout(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape, sb_plan *plan)
{
    int64_t      n_rows, ids, bk = p->block_k_tokens;
    int32_t      threads = ctx->threads > 1 ? ctx->threads : 1;
    sbi_hip_room r       = {.heads_per_kv = shape->heads / shape->kv_heads,
                            .n_finders    = shape->is_decode ? (int32_t)shape->heads : threads};
    void        *room, *row, *state = NULL;
    sb_status    st = sb_product_choose(&r.product);
    if (st != SB_OK)
        return st;
    walk(p, shape, NULL, &n_rows, &ids);
    r.ids_per_head = ids;

    sb_plan made = {.row_tokens    = p->block_q_tokens,
                    .sink_tokens   = p->sink_tokens,
                    .window_tokens = p->window_tokens};
    made.tiles   = (sb_csr){.n_heads = shape->heads, .unit_tokens = bk, .width_tokens = bk};
    if ((st = lay_out_index(ctx->arena, n_rows, shape->heads * ids, &made)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, 1, sizeof r, "hip room", &room)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, n_rows, sizeof *r.row, "hip rows", &row)) != SB_OK ||
        (st = lay_out_finders(ctx->arena, p, shape, &r)) != SB_OK)
        return st;
    if (shape->is_decode && (st = sb_arena_alloc(ctx->arena, sbi_hip_state_bytes(p, shape->heads),
                                                 1, "hip state", &state)) != SB_OK)
        return st;
    r.row   = row;
    r.state = state;
    if (!ctx->arena->counting)
        *(sbi_hip_room *)room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}
