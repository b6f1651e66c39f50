#include "kernels/anchor_attention/room.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t pass_rows(int64_t n)
{
    return (n + SB_PRODUCT_ROWS - 1) / SB_PRODUCT_ROWS * SB_PRODUCT_ROWS;
}

typedef sbi_anchor_counts counts;

/* The tiles of one super-block: all that its queries can see, or first, before and own [2].
 * ids NULL: count only. */
static int64_t list_tiles(const sbi_anchor_room *r, const sbi_anchor_row *row, int32_t *ids)
{
    int64_t end = min_i64((row->block + 1) * r->step_blocks, r->n_blocks), n = 0;
    int64_t before = max_i64(row->block * r->step_blocks - 1, 0);
    if (r->released)
        return 0;
    if (row->n_tokens < r->super_tokens)
        before = 0;
    if (before > 0) {
        if (ids != NULL)
            ids[0] = 0;
        n = 1;
    }
    for (int64_t t = before; ids != NULL && t < end; t++)
        ids[n + t - before] = (int32_t)t;
    return n + end - before;
}

static void close_row(const sbi_anchor_room *r, sbi_anchor_row *row, sb_plan *plan, counts *c)
{
    row->first_id = c->tokens;
    if (plan != NULL) {
        plan->row_id[c->rows]        = (int32_t)row->block;
        r->row[c->rows]              = *row;
        plan->tiles.row_ptr[c->rows] = c->tiles;
    }
    c->tiles += list_tiles(r, row, plan != NULL ? plan->tiles.id + c->tiles : NULL);
    c->tokens += max_i64(sbi_anchor_candidates(r, row), 0);
    c->rows++;
}

/* Walks the local super-blocks, ascending; one that several runs share comes once: its queries lie
 * together, since local order is id order. plan NULL: count only. */
static counts walk(const sbi_anchor_room *r, const sb_shape *shape, sb_plan *plan)
{
    counts         c    = {0};
    sbi_anchor_row row  = {.block = -1};
    int64_t        slot = 0;
    for (int32_t i = 0; i < shape->q_gid.n_runs; i++) {
        sb_run run = shape->q_gid.run[i];
        for (int64_t a = run.start, b; a < run.start + run.len; slot += b - a, a = b) {
            int64_t block = a / r->super_tokens;
            b             = min_i64((block + 1) * r->super_tokens, run.start + run.len);
            if (block != row.block) {
                if (row.block >= 0)
                    close_row(r, &row, plan, &c);
                row = (sbi_anchor_row){.block = block, .slot = slot};
            }
            row.n_tokens += b - a;
        }
    }
    if (row.block >= 0)
        close_row(r, &row, plan, &c);
    return c;
}

sbi_anchor_counts sbi_anchor_count(const sbi_anchor_room *r, const sb_shape *shape)
{
    return walk(r, shape, NULL);
}

void sbi_anchor_rows(const sb_shape *shape, sb_plan *plan)
{
    counts c                    = walk(plan->method_data, shape, plan);
    plan->tiles.row_ptr[c.rows] = c.tiles;
}

/* Whole super-blocks see themselves, others everything; the same list on all ranks, since it is a
 * rule. A chunk of queries may begin inside a super-block. */
static void list_spans(const sbi_anchor_room *r, int64_t first_query, int64_t n_keys,
                       sb_window_form *form)
{
    int64_t t     = r->super_tokens;
    form->n_spans = 0;
    for (int64_t a = 0; a < n_keys; a += t)
        form->span[form->n_spans++] =
            (sb_window_span){.row = a, .first = a >= first_query && a + t <= n_keys ? a : 0};
}

sb_status sbi_anchor_windows(sb_ctx *ctx, const sb_shape *shape, sb_plan *plan)
{
    const sbi_anchor_room *r = plan->method_data;
    if (!r->released) {
        plan->parts = SB_PART_TILES | SB_PART_TOKENS;
        return SB_OK;
    }
    int64_t   first = shape->q_gid.n_runs > 0 ? shape->q_gid.run[0].start : shape->n_keys;
    sb_status st    = SB_OK;
    if (ctx->comm != NULL)
        st = sb_comm_allreduce_i64(ctx->comm, &first, 1, SB_REDUCE_MIN);
    list_spans(r, first, shape->n_keys, &plan->form);
    plan->parts         = SB_PART_WINDOW | SB_PART_TOKENS;
    plan->sink_tokens   = r->super_tokens;
    plan->window_tokens = 0; /* the spans say */
    plan->own_softmax = plan->overlap_twice = 1;
    return st;
}

static sb_status lay_out_csr(sb_arena *a, int64_t heads, int64_t n_rows, int64_t capacity,
                             sb_csr *c)
{
    void     *row_ptr, *id;
    sb_status st;
    if ((st = sb_arena_alloc(a, heads * n_rows + 1, sizeof *c->row_ptr,
                             "anchor_attention row pointers", &row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, capacity, sizeof *c->id, "anchor_attention ids", &id)) != SB_OK)
        return st;
    c->n_heads  = heads;
    c->row_ptr  = row_ptr;
    c->id       = id;
    c->capacity = capacity;
    return SB_OK;
}

static sb_status lay_out_scratch(sb_arena *a, const sbi_anchor_room *r, int64_t dim,
                                 sbi_anchor_scratch *out)
{
    void     *q, *k, *s, *top;
    sb_status st;
    if ((st = sb_arena_alloc(a, r->block_rows * dim, sizeof(float), "anchor_attention queries",
                             &q)) != SB_OK ||
        (st = sb_arena_alloc(a, dim * SB_PRODUCT_LANES, sizeof(float), "anchor_attention keys",
                             &k)) != SB_OK ||
        (st = sb_arena_alloc(a, max_i64(r->block_rows, r->mean_rows) * SB_PRODUCT_LANES,
                             sizeof(float), "anchor_attention logits", &s)) != SB_OK ||
        (st = sb_arena_alloc(a, r->block_rows * SB_PRODUCT_LANES, sizeof(float),
                             "anchor_attention maxima", &top)) != SB_OK)
        return st;
    if (out != NULL)
        *out = (sbi_anchor_scratch){.q = q, .k = k, .s = s, .top = top};
    return SB_OK;
}

sbi_anchor_room sbi_anchor_room_of(const sb_anchor_attention_params *p, const sb_shape *shape,
                                   int32_t threads)
{
    int64_t b = p->block_tokens, group = shape->heads / shape->kv_heads;
    return (sbi_anchor_room){.block_tokens = b,
                             .step_blocks  = p->step_blocks,
                             .super_tokens = b * p->step_blocks,
                             .n_blocks     = (shape->n_keys + b - 1) / b,
                             .heads_per_kv = group,
                             .block_rows   = pass_rows(b),
                             .mean_rows    = pass_rows(group * p->step_blocks),
                             .threads      = threads > 1 ? threads : 1,
                             .released     = p->windows == SB_ANCHOR_WINDOWS_RELEASED};
}

sb_status sbi_anchor_layout(sb_ctx *ctx, const sb_anchor_attention_params *p, const sb_shape *shape,
                            sb_plan *plan)
{
    sb_arena       *a     = ctx->arena;
    sbi_anchor_room r     = sbi_anchor_room_of(p, shape, ctx->threads);
    counts          c     = walk(&r, shape, NULL);
    sb_plan         made  = {.row_tokens = r.super_tokens, .n_rows = c.rows};
    int64_t         means = shape->kv_heads * c.rows * r.mean_rows;
    void           *room, *row_id, *row, *span, *q_mean, *anchor_mean, *scratch;
    sb_status       st;
    r.ids_per_head = c.tokens;
    made.tiles     = (sb_csr){.unit_tokens = r.block_tokens, .width_tokens = r.block_tokens};
    made.tokens    = (sb_csr){.unit_tokens = 1, .width_tokens = 1};
    if ((st = sb_arena_alloc(a, c.rows, sizeof(int32_t), "anchor_attention row ids", &row_id)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, r.released ? shape->n_keys / r.super_tokens + 1 : 0,
                             sizeof(sb_window_span), "anchor_attention spans", &span)) != SB_OK ||
        (st = lay_out_csr(a, 1, c.rows, c.tiles, &made.tiles)) != SB_OK ||
        (st = lay_out_csr(a, shape->heads, c.rows, shape->heads * c.tokens, &made.tokens)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, 1, sizeof r, "anchor_attention room", &room)) != SB_OK ||
        (st = sb_arena_alloc(a, c.rows, sizeof *r.row, "anchor_attention rows", &row)) != SB_OK ||
        (st = sb_arena_alloc(a, means * shape->head_dim, sizeof(float),
                             "anchor_attention mean queries", &q_mean)) != SB_OK ||
        (st = sb_arena_alloc(a, means, sizeof(float), "anchor_attention mean anchors",
                             &anchor_mean)) != SB_OK ||
        (st = sb_arena_alloc(a, r.threads, sizeof *r.scratch, "anchor_attention scratch",
                             &scratch)) != SB_OK)
        return st;
    made.row_id   = row_id;
    made.form     = (sb_window_form){.span = span};
    r.row         = row;
    r.q_mean      = q_mean;
    r.anchor_mean = anchor_mean;
    r.scratch     = scratch;
    for (int32_t t = 0; t < r.threads; t++) /* a counting arena has no room to note it in */
        if ((st = lay_out_scratch(a, &r, shape->head_dim, a->counting ? NULL : &r.scratch[t])) !=
            SB_OK)
            return st;
    if (!a->counting)
        *(sbi_anchor_room *)room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}
