#include "kernels/flexprefill/room.h"

static int64_t div_up(int64_t x, int64_t by) { return (x + by - 1) / by; }
static int64_t round_up(int64_t x, int64_t to) { return div_up(x, to) * to; }

/* One array of the room, named for the error. */
#define TAKE(field, count)                                                                         \
    sb_arena_alloc(a, count, sizeof *r->field, "flexprefill " #field, (void **)&r->field)

static sb_status lay_out_head(sb_arena *a, sbi_flex_room *r, int64_t n_keys, int64_t dim)
{
    int64_t   b = r->block_tokens, n = r->n_blocks;
    sb_status st;
    if ((st = TAKE(q, b * dim)) != SB_OK || (st = TAKE(chunk_top, r->n_chunks * b)) != SB_OK ||
        (st = TAKE(chunk_sum, r->n_chunks * b)) != SB_OK || (st = TAKE(row_top, b)) != SB_OK ||
        (st = TAKE(row_unit, b)) != SB_OK || (st = TAKE(vertical, n_keys)) != SB_OK ||
        (st = TAKE(slash, n_keys)) != SB_OK || (st = TAKE(columns, n)) != SB_OK ||
        (st = TAKE(diagonals, n)) != SB_OK || (st = TAKE(seen, n)) != SB_OK ||
        (st = TAKE(p, n)) != SB_OK || (st = TAKE(t, n)) != SB_OK)
        return st;
    return TAKE(ids, n);
}

static sb_status lay_out_choice(sb_arena *a, sbi_flex_room *r, int64_t kv_heads, int64_t dim,
                                int64_t ranks)
{
    int64_t   h = r->heads;
    sb_status st;
    if ((st = TAKE(k_mean, kv_heads * r->padded_blocks * dim)) != SB_OK ||
        (st = TAKE(choice, h * (1 + 2 * r->set_words))) != SB_OK ||
        (st = TAKE(count_bytes, ranks)) != SB_OK || (st = TAKE(displ_bytes, ranks)) != SB_OK ||
        (st = TAKE(aware, h)) != SB_OK || (st = TAKE(bins, h * SBI_FLEX_BINS)) != SB_OK ||
        (st = TAKE(ties, h * r->n_blocks)) != SB_OK || (st = TAKE(cut, h)) != SB_OK)
        return st;
    return TAKE(scratch, r->threads);
}

static sb_status lay_out_scratch(sb_arena *a, const sbi_flex_room *room, int64_t dim,
                                 sbi_flex_scratch *r)
{
    int64_t   b = room->block_tokens, tile = room->tile_keys;
    sb_status st;
    if ((st = TAKE(k, tile * dim)) != SB_OK || (st = TAKE(x, b * tile)) != SB_OK ||
        (st = TAKE(near, tile + b - 1)) != SB_OK ||
        (st = TAKE(q_mean, dim * SB_PRODUCT_LANES)) != SB_OK ||
        (st = TAKE(score, room->padded_blocks * SB_PRODUCT_LANES)) != SB_OK)
        return st;
    return TAKE(keep, room->n_blocks);
}

sb_status sbi_flex_layout(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                          sb_plan *plan)
{
    sb_arena     *a = ctx->arena;
    int64_t       b = p->block_tokens, n = div_up(shape->n_keys, b), d = shape->head_dim;
    int64_t       ranks = ctx->comm != NULL ? ctx->comm->size : 1;
    int64_t       rank  = ctx->comm != NULL ? ctx->comm->rank : 0;
    sb_plan       made;
    void         *kept;
    sb_status     st;
    sbi_flex_room r = {.block_tokens  = b,
                       .n_blocks      = n,
                       .heads         = shape->heads,
                       .heads_per_kv  = shape->heads / shape->kv_heads,
                       .n_chunks      = div_up(shape->n_keys, SBI_FLEX_CHUNK_KEYS),
                       .tile_keys     = b < SBI_FLEX_TILE_KEYS ? b : SBI_FLEX_TILE_KEYS,
                       .padded_blocks = round_up(n, SB_PRODUCT_ROWS),
                       .set_words     = div_up(n, 64),
                       .first_head    = shape->heads * rank / ranks,
                       .end_head      = shape->heads * (rank + 1) / ranks,
                       .threads       = ctx->threads > 1 ? ctx->threads : 1};
    if ((st = sb_arena_alloc(a, 1, sizeof r, "flexprefill room", &kept)) != SB_OK ||
        (st = sb_row_blocks_layout(&r.rows, a, shape, b, 1, &made)) != SB_OK ||
        (st = sb_last_queries_layout(&r.last, a, shape, b)) != SB_OK ||
        (st = lay_out_head(a, &r, shape->n_keys, d)) != SB_OK ||
        (st = lay_out_choice(a, &r, shape->kv_heads, d, ranks)) != SB_OK)
        return st;
    for (int32_t t = 0; t < r.threads; t++) {
        sbi_flex_scratch s = {0};
        if ((st = lay_out_scratch(a, &r, d, &s)) != SB_OK)
            return st;
        if (!a->counting) /* a counting arena has no room to note it in */
            r.scratch[t] = s;
    }
    if (!a->counting)
        *(sbi_flex_room *)kept = r;
    made.method_data = kept;
    *plan            = made;
    return SB_OK;
}
