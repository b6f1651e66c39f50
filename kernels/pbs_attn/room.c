#include "kernels/pbs_attn/room.h"

enum { LANES = SB_PRODUCT_LANES };

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

int64_t sbi_pbs_first_segment(const sbi_pbs_room *r, int64_t rank, int64_t ranks)
{
    int64_t unit = 1; /* segments whose blocks are whole groups */
    while (unit * r->blocks_per_segment % LANES != 0)
        unit *= 2;
    int64_t units = (r->n_segments + unit - 1) / unit;
    return min_i64(units * rank / ranks * unit, r->n_segments);
}

static sb_status lay_out_scratch(sb_arena *a, const sbi_pbs_room *r, int antidiagonal,
                                 sbi_pbs_scratch *out)
{
    sbi_pbs_scratch s = {0};
    int64_t         d = r->dim, segment = r->segment_tokens;
    int64_t         rows = max_i64(r->probe_rows, SB_PRODUCT_ROWS);
    int64_t   logits = max_i64(r->probe_rows * r->segment_lanes, SB_PRODUCT_ROWS * r->block_lanes);
    sb_status st;
    if ((st = sb_arena_alloc(a, SB_PRODUCT_ROWS * d, sizeof *s.q, "pbs_attn pooled queries",
                             (void **)&s.q)) != SB_OK ||
        (st = sb_arena_alloc(a, round_up(segment, LANES) * d, sizeof *s.k, "pbs_attn segment",
                             (void **)&s.k)) != SB_OK ||
        (st = sb_arena_alloc(a, rows * LANES, sizeof *s.out, "pbs_attn products",
                             (void **)&s.out)) != SB_OK ||
        (st = sb_arena_alloc(a, logits, sizeof *s.x, "pbs_attn logits", (void **)&s.x)) != SB_OK ||
        (st = sb_arena_alloc(a, r->blocks_per_segment * d, sizeof *s.pooled, "pbs_attn pooled keys",
                             (void **)&s.pooled)) != SB_OK ||
        (st = sb_arena_alloc(a, segment, sizeof *s.key, "pbs_attn sort keys", (void **)&s.key)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, 2 * max_i64(segment, r->n_blocks), sizeof *s.order,
                             "pbs_attn order", (void **)&s.order)) != SB_OK ||
        (st = sb_arena_alloc(a, segment, sizeof *s.block_of, "pbs_attn blocks of tokens",
                             (void **)&s.block_of)) != SB_OK ||
        (st = sb_arena_alloc(a, r->n_blocks, sizeof *s.keep, "pbs_attn kept blocks",
                             (void **)&s.keep)) != SB_OK ||
        (antidiagonal && (st = sb_antidiagonal_layout(&r->grid, a, d, &s.grid)) != SB_OK))
        return st;
    if (out != NULL)
        *out = s;
    return SB_OK;
}

/* Slots of every query head, and what the permutation is made from. */
static sb_status lay_out_segments(sb_ctx *ctx, const sb_shape *shape, sbi_pbs_room *r,
                                  sb_plan *plan)
{
    sb_arena *a     = ctx->arena;
    int64_t   own   = r->end_segment - r->first_segment;
    int64_t   parts = r->perms * own * r->probe_lanes, tops = r->perms * r->block_tokens;
    int64_t   ranks = ctx->comm != NULL ? ctx->comm->size : 1;
    int64_t   groups =
        (r->n_segments * r->blocks_per_segment + SB_PRODUCT_LANES - 1) / SB_PRODUCT_LANES;
    sb_status st;
    plan->slots = (sb_slots){
        .n_heads = r->heads, .n_slots = shape->n_keys, .segment_tokens = r->segment_tokens};
    if ((st = sb_arena_alloc(a, r->heads * shape->n_keys, sizeof *plan->slots.offset,
                             "pbs_attn slots", (void **)&plan->slots.offset)) != SB_OK ||
        (st = sb_last_queries_layout(&r->probe, a, shape, r->block_tokens)) != SB_OK ||
        (st = sb_arena_alloc(a, r->perms * r->probe_rows * r->dim, sizeof *r->q_last,
                             "pbs_attn probe", (void **)&r->q_last)) != SB_OK ||
        (st = sb_arena_alloc(a, parts, sizeof *r->part_top, "pbs_attn segment maxima",
                             (void **)&r->part_top)) != SB_OK ||
        (st = sb_arena_alloc(a, parts, sizeof *r->part_sum, "pbs_attn segment sums",
                             (void **)&r->part_sum)) != SB_OK ||
        (st = sb_arena_alloc(a, tops, sizeof *r->top, "pbs_attn row maxima", (void **)&r->top)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, tops, sizeof *r->sum, "pbs_attn row sums", (void **)&r->sum)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, r->perms * own * r->segment_tokens, sizeof *r->score,
                             "pbs_attn importance", (void **)&r->score)) != SB_OK ||
        (st = sb_arena_alloc(a, groups * r->perms * r->dim * LANES, sizeof *r->k_pool,
                             "pbs_attn pooled keys", (void **)&r->k_pool)) != SB_OK ||
        (st = sb_arena_alloc(a, r->perms, sizeof *r->first, "pbs_attn first blocks",
                             (void **)&r->first)) != SB_OK ||
        (st = sb_arena_alloc(a, ranks, sizeof *r->count_bytes, "pbs_attn counts",
                             (void **)&r->count_bytes)) != SB_OK)
        return st;
    return sb_arena_alloc(a, ranks, sizeof *r->displ_bytes, "pbs_attn places",
                          (void **)&r->displ_bytes);
}

static sbi_pbs_room room_of(const sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape)
{
    int64_t      rank = ctx->comm != NULL ? ctx->comm->rank : 0;
    int64_t      size = ctx->comm != NULL ? ctx->comm->size : 1;
    sbi_pbs_room r    = {.block_tokens       = p->block_tokens,
                         .segment_tokens     = p->segment_tokens,
                         .blocks_per_segment = p->segment_tokens / p->block_tokens,
                         .n_segments         = shape->n_keys / p->segment_tokens,
                         .n_blocks           = (shape->n_keys + p->block_tokens - 1) / p->block_tokens,
                         .heads              = shape->heads,
                         .group              = shape->heads / shape->kv_heads,
                         .dim                = shape->head_dim,
                         .probe_rows         = round_up(p->block_tokens, SB_PRODUCT_ROWS),
                         .probe_lanes        = round_up(p->block_tokens, SBI_PBS_EXP),
                         .segment_lanes      = round_up(p->segment_tokens, SBI_PBS_EXP),
                         .threads            = ctx->threads > 1 ? ctx->threads : 1};
    r.block_lanes     = round_up(r.n_blocks, SBI_PBS_EXP);
    r.perm_heads      = p->perm_share == SB_PBS_ATTN_PERM_GROUP ? r.group : 1;
    r.perms           = r.heads / r.perm_heads;
    r.first_segment   = sbi_pbs_first_segment(&r, rank, size);
    r.end_segment     = sbi_pbs_first_segment(&r, rank + 1, size);
    return r;
}

sb_status sbi_pbs_layout(sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape,
                         sb_plan *plan)
{
    sbi_pbs_room  r            = room_of(ctx, p, shape);
    int           antidiagonal = p->selector == SB_PBS_ATTN_ANTIDIAGONAL;
    sb_plan       made;
    sbi_pbs_room *room;
    sb_status     st;
    if ((st = sb_row_blocks_layout(&r.blocks, ctx->arena, shape, r.block_tokens,
                                   r.blocks_per_segment, &made)) != SB_OK ||
        (st = lay_out_segments(ctx, shape, &r, &made)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, 1, sizeof r, "pbs_attn room", (void **)&room)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, r.threads, sizeof *r.scratch, "pbs_attn scratch",
                             (void **)&r.scratch)) != SB_OK)
        return st;
    if (antidiagonal)
        r.grid =
            sb_antidiagonal_of(&r.blocks, p->stride_tokens, r.perm_heads, SB_ANTIDIAGONAL_EARLIER);
    for (int32_t t = 0; t < r.threads; t++) /* a counting arena has no room to note it in */
        if ((st = lay_out_scratch(ctx->arena, &r, antidiagonal,
                                  ctx->arena->counting ? NULL : &r.scratch[t])) != SB_OK)
            return st;
    if (!ctx->arena->counting)
        *room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}
