/* Room of one layer's plan: what its heads need, from the shape alone. */
#include "kernels/minference/config_file.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Local row blocks, and most ids over them and over the heads. */
typedef struct room {
    int64_t n_rows, tiles, tokens;
} room;

/* Worst cases of one head in one row block: at most row + 1 disjoint tiles, and only keys before it
 * as tokens [3.4]. Bytes: 4 * the sum over rows and heads of both; at 2^20 tokens, 32 heads and the
 * default budgets some 12 GB, shared by the ranks. */
static void add_head(const sb_minference_params *p, const sbi_minference_head *h, int64_t row,
                     room *r)
{
    if (h->pattern == SB_MINFERENCE_VERTICAL_SLASH) {
        r->tiles += min_i64(h->n_slash, row + 1);
        r->tokens += min_i64(h->n_vertical, row * SBI_MINFERENCE_BLOCK);
    } else if (h->pattern == SB_MINFERENCE_BLOCK_SPARSE) {
        r->tiles += min_i64(p->top_k_blocks, row + 1);
    }
}

static room room_of(const sb_minference_params *p, int64_t layer, const sb_shape *shape)
{
    room r = {0};
    for (int64_t head = 0; head < shape->heads; head++) {
        sbi_minference_head h    = sbi_minference_head_of(p, layer, head, shape);
        int64_t             next = 0;
        for (int32_t i = 0; i < shape->q_gid.n_runs; i++) {
            sb_run run = shape->q_gid.run[i];
            if (run.len == 0)
                continue;
            int64_t row  = run.start / SBI_MINFERENCE_BLOCK;
            int64_t last = (run.start + run.len - 1) / SBI_MINFERENCE_BLOCK;
            for (row = row > next ? row : next; row <= last; row++) {
                r.n_rows += head == 0;
                add_head(p, &h, row, &r);
            }
            next = last + 1;
        }
    }
    return r;
}

static sb_status lay_out_csr(sb_arena *a, int64_t heads, int64_t n_rows, int64_t capacity,
                             int64_t width, sb_csr *c)
{
    sb_status st;
    *c = (sb_csr){.n_heads = heads, .capacity = capacity, .unit_tokens = 1, .width_tokens = width};
    if ((st = sb_arena_alloc(a, heads * n_rows + 1, sizeof *c->row_ptr, "minference row pointers",
                             (void **)&c->row_ptr)) != SB_OK)
        return st;
    return sb_arena_alloc(a, capacity, sizeof *c->id, "minference ids", (void **)&c->id);
}

static sb_status lay_out_slash(sb_ctx *ctx, const sb_shape *s, int64_t chosen,
                               sbi_minference_work *w)
{
    sb_arena *a     = ctx->arena;
    int64_t   ranks = ctx->comm != NULL ? ctx->comm->size : 1;
    sb_status st;
    if ((st = sb_arena_alloc(a, s->head_dim * SBI_PROBE_ROWS, sizeof *w->q_t, "minference queries",
                             (void **)&w->q_t)) != SB_OK ||
        (st = sb_arena_alloc(a, s->n_keys, sizeof *w->vertical, "minference columns",
                             (void **)&w->vertical)) != SB_OK ||
        (st = sb_arena_alloc(a, s->n_keys, sizeof *w->slash, "minference diagonals",
                             (void **)&w->slash)) != SB_OK ||
        (st = sb_arena_alloc(a, chosen, sizeof *w->chosen, "minference choice",
                             (void **)&w->chosen)) != SB_OK ||
        (st = sb_arena_alloc(a, ranks, sizeof *w->count_bytes, "minference counts",
                             (void **)&w->count_bytes)) != SB_OK)
        return st;
    return sb_arena_alloc(a, ranks, sizeof *w->displ_bytes, "minference places",
                          (void **)&w->displ_bytes);
}

static sb_status lay_out_blocks(sb_ctx *ctx, const sb_shape *s, sbi_minference_work *w)
{
    int64_t   groups = sbi_minference_groups(s->n_keys);
    sb_status st =
        sb_arena_alloc(ctx->arena, s->kv_heads * groups * s->head_dim * SBI_MINFERENCE_GROUP,
                       sizeof *w->k_mean, "minference key means", (void **)&w->k_mean);
    if (st != SB_OK)
        return st;
    return sb_arena_alloc(ctx->arena, ctx->threads * sbi_minference_blocks(s->n_keys),
                          sizeof *w->score, "minference block scores", (void **)&w->score);
}

/* The heads and how many there are of each pattern; *chosen: ids of all lines. */
static sb_status lay_out_heads(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *s,
                               sbi_minference_work *w, int64_t *chosen)
{
    sb_status st = sb_arena_alloc(ctx->arena, s->heads + 1, sizeof *w->head, "minference heads",
                                  (void **)&w->head);
    *chosen      = 0;
    for (int64_t i = 0; st == SB_OK && i <= s->heads; i++) {
        sbi_minference_head h = {0};
        if (i < s->heads) {
            h = sbi_minference_head_of(p, ctx->layer, i, s);
            w->n_heads[h.pattern]++;
        }
        h.chosen_at = *chosen;
        *chosen += h.n_vertical + h.n_slash;
        if (!ctx->arena->counting)
            w->head[i] = h;
    }
    return st;
}

static sb_status lay_out_lists(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *s,
                               int64_t chosen, sbi_minference_work *w, sb_plan *made)
{
    sb_arena *a     = ctx->arena;
    room      r     = room_of(p, ctx->layer, s);
    int       slash = w->n_heads[SB_MINFERENCE_VERTICAL_SLASH] > 0;
    sb_status st;
    made->n_rows = r.n_rows;
    if ((st = sb_arena_alloc(a, r.n_rows, sizeof *made->row_id, "minference row ids",
                             (void **)&made->row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, r.n_rows, sizeof *w->row_at, "minference row places",
                             (void **)&w->row_at)) != SB_OK ||
        (st = sb_last_queries_layout(&w->probe, a, s, slash ? SBI_PROBE_ROWS : 0)) != SB_OK ||
        (slash && (st = lay_out_slash(ctx, s, chosen, w)) != SB_OK) ||
        (w->n_heads[SB_MINFERENCE_BLOCK_SPARSE] > 0 && (st = lay_out_blocks(ctx, s, w)) != SB_OK) ||
        (st = lay_out_csr(a, s->heads, r.n_rows, r.tiles, SBI_MINFERENCE_BLOCK, &made->tiles)) !=
            SB_OK)
        return st;
    if (slash)
        return lay_out_csr(a, s->heads, r.n_rows, r.tokens, 1, &made->tokens);
    made->tiles.unit_tokens = SBI_MINFERENCE_BLOCK; /* whole blocks only */
    return SB_OK;
}

/* Decode and dense layers need no room; the rest does not know yet whether the ranks hold all
 * queries. */
sb_status sbi_minference_layout(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache)
{
    const sb_minference_params  *p    = params;
    const sbi_minference_config *f    = p->config_file.content;
    sb_plan                      made = {.row_tokens = 1};
    sbi_minference_work         *kept, w = {0};
    int64_t                      chosen;
    sb_status                    st;
    (void)cache;
    if (f != NULL && ctx->layer >= f->n_layers)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "config_file: found %lld layers, the model has a layer %d",
                       (long long)f->n_layers, (int)ctx->layer);
    /* one window for all heads needs no room either */
    if (shape->is_decode || ctx->layer < p->starting_layer ||
        (f == NULL && p->pattern == SB_MINFERENCE_A_SHAPE)) {
        *plan = made;
        return SB_OK;
    }
    if ((st = sb_arena_alloc(ctx->arena, 1, sizeof *kept, "minference work", (void **)&kept)) !=
            SB_OK ||
        (st = lay_out_heads(ctx, p, shape, &w, &chosen)) != SB_OK)
        return st;
    if (w.n_heads[SB_MINFERENCE_A_SHAPE] > 0) {
        made.form.n_heads = shape->heads;
        if ((st = sb_arena_alloc(ctx->arena, shape->heads, sizeof *made.form.head,
                                 "minference windows", (void **)&made.form.head)) != SB_OK)
            return st;
    }
    if (w.n_heads[SB_MINFERENCE_A_SHAPE] < shape->heads) {
        made.row_tokens = SBI_MINFERENCE_BLOCK;
        if ((st = lay_out_lists(ctx, p, shape, chosen, &w, &made)) != SB_OK)
            return st;
    }
    if (!ctx->arena->counting)
        *kept = w;
    made.method_data = kept;
    *plan            = made;
    return SB_OK;
}
