/* Room on a device, and the order of the steps there. */
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/row_sum_device.h"
#include "kernels/exec/row_walk.h"
#include "kernels/exec/window_plan.h"
#include "kernels/minference/config_file.h"
#include "kernels/minference/device.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"

/* What layout knows of the layer, in host memory for the time of the call. */
typedef struct host_side {
    sbi_minference_device_head *head;
    sb_head_window             *window;
    int32_t                    *lines, *is_blocks, *row_id;
    int64_t                     n_heads[SB_MINFERENCE_PATTERN_COUNT];
    int64_t                     tiles, tokens, most_columns;
} host_side;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Sum over rows 0 .. n - 1 of min(most, (row + 1) * step - minus). */
static int64_t triangle(int64_t n, int64_t most, int64_t step, int64_t minus)
{
    int64_t below = min_i64(n, (most + minus) / step); /* rows below the ceiling */
    return step * below * (below + 1) / 2 - minus * below + (n - below) * most;
}

/* A run's row blocks [begin, end). find_rows says that runs have whole ones. */
typedef struct span {
    int64_t begin, end;
} span;

static span rows_of(sb_run run)
{
    return (span){run.start / SBI_MINFERENCE_BLOCK, sbi_minference_blocks(run.start + run.len)};
}

/* The same sum over the rows here. */
static int64_t listed(const sb_gid *q, int64_t most, int64_t step, int64_t minus)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < q->n_runs; i++) {
        span rows = rows_of(q->run[i]);
        sum += triangle(rows.end, most, step, minus) - triangle(rows.begin, most, step, minus);
    }
    return sum;
}

static void name_rows(const sb_gid *q, int32_t *row_id)
{
    for (int32_t i = 0; i < q->n_runs; i++) {
        span rows = rows_of(q->run[i]);
        for (int64_t row = rows.begin; row < rows.end; row++)
            *row_id++ = (int32_t)row;
    }
}

static void fini(host_side *h)
{
    free(h->head);
    free(h->window);
    free(h->lines);
    free(h->is_blocks);
    free(h->row_id);
}

static sb_status look(const sb_ctx *ctx, const sb_minference_params *p, const sb_shape *s,
                      const sbi_minference_device *room, host_side *h)
{
    size_t  n      = (size_t)s->heads + 1;
    int64_t n_rows = room->n_rows;
    *h           = (host_side){0};
    h->head      = calloc(n, sizeof *h->head);
    h->window    = calloc(n, sizeof *h->window);
    h->lines     = calloc(n, sizeof *h->lines);
    h->is_blocks = calloc(n, sizeof *h->is_blocks);
    h->row_id    = calloc((size_t)n_rows + 1, sizeof *h->row_id);
    if (h->head == NULL || h->window == NULL || h->lines == NULL || h->is_blocks == NULL ||
        h->row_id == NULL)
        return sb_fail(SB_ERR_NOMEM, "minference: no host memory for %lld heads and %lld rows",
                       (long long)s->heads, (long long)n_rows);
    name_rows(&s->q_gid, h->row_id);
    for (int64_t i = 0; i < s->heads; i++) {
        sbi_minference_head own   = sbi_minference_head_of(p, ctx->layer, i, s);
        int64_t             place = h->n_heads[own.pattern]++;
        h->window[i]              = own.window;
        h->head[i]                = (sbi_minference_device_head){.pattern    = own.pattern,
                                                                 .place      = (int32_t)place,
                                                                 .n_vertical = own.n_vertical,
                                                                 .n_slash    = own.n_slash};
        h->is_blocks[i]           = own.pattern == SB_MINFERENCE_BLOCK_SPARSE;
        if (own.pattern == SB_MINFERENCE_VERTICAL_SLASH) {
            h->lines[place] = (int32_t)i;
            h->most_columns = max_i64(h->most_columns, own.n_vertical);
            h->tiles += listed(&s->q_gid, own.n_slash, 1, 0);
            h->tokens +=
                listed(&s->q_gid, own.n_vertical, SBI_MINFERENCE_BLOCK, SBI_MINFERENCE_BLOCK);
        } else if (own.pattern == SB_MINFERENCE_BLOCK_SPARSE) {
            h->tiles += listed(&s->q_gid, p->top_k_blocks, 1, 0);
        }
    }
    return SB_OK;
}

/* Room for `count` elements, a copy of `from` where that is not NULL. */
static sb_status take(const sb_ctx *ctx, const char *what, const void *from, int64_t count,
                      size_t each, void **out)
{
    sb_status st = sb_arena_alloc(ctx->arena, count, each, what, out);
    if (st == SB_OK && from != NULL && count > 0 && !ctx->arena->counting)
        st = ctx->backend->copy(*out, from, (size_t)count * each, SB_COPY_TO_DEVICE, ctx->stream);
    return st;
}

static sb_status take_csr(const sb_ctx *ctx, int64_t lists, int64_t heads, int64_t capacity,
                          int64_t unit, int64_t width, sb_csr *c)
{
    *c = (sb_csr){
        .n_heads = heads, .capacity = capacity, .unit_tokens = unit, .width_tokens = width};
    sb_status st = take(ctx, "minference row pointers", NULL, lists + 1, sizeof *c->row_ptr,
                        (void **)&c->row_ptr);
    if (st == SB_OK)
        st = take(ctx, "minference ids", NULL, capacity, sizeof *c->id, (void **)&c->id);
    return st;
}

static sb_status take_lines(const sb_ctx *ctx, const sb_shape *s, const host_side *h,
                            sbi_minference_device *r)
{
    sb_status st =
        sb_last_probe_layout(&r->probe, ctx, s, SBI_PROBE_ROWS, s->n_keys, h->lines, r->n_lines);
    if (st == SB_OK)
        st = take(ctx, "minference sets", NULL, r->n_lines * 2 * r->words, sizeof *r->set,
                  (void **)&r->set);
    if (st == SB_OK)
        st = take(ctx, "minference ranks", NULL, r->n_lines * r->words, sizeof *r->before,
                  (void **)&r->before);
    if (st == SB_OK)
        st = take(ctx, "minference skips", NULL, r->n_lines * r->words, sizeof *r->skip,
                  (void **)&r->skip);
    if (st == SB_OK)
        st = take(ctx, "minference columns", NULL, r->n_lines * r->most_columns, sizeof *r->column,
                  (void **)&r->column);
    return st;
}

static sb_status take_blocks(const sb_ctx *ctx, const host_side *h, sbi_minference_device *r)
{
    sb_status st = take(ctx, "minference patterns", h->is_blocks, r->heads, sizeof *r->is_blocks,
                        (void **)&r->is_blocks);
    if (st == SB_OK)
        st = take(ctx, "minference key means", NULL, r->kv_heads * r->dim * r->n_blocks,
                  sizeof *r->k_mean, (void **)&r->k_mean);
    if (st == SB_OK)
        st = take(ctx, "minference query means", NULL, r->heads * r->dim * r->n_rows,
                  sizeof *r->q_mean, (void **)&r->q_mean);
    return st;
}

static sb_status take_all(const sb_ctx *ctx, const sb_shape *s, const host_side *h,
                          sbi_minference_device *r, sb_plan *made)
{
    int64_t   lists = r->heads * r->n_rows, unit = r->n_lines > 0 ? 1 : SBI_MINFERENCE_BLOCK;
    sb_status st =
        take(ctx, "minference heads", h->head, r->heads, sizeof *r->head, (void **)&r->head);
    if (st == SB_OK && h->n_heads[SB_MINFERENCE_A_SHAPE] > 0) {
        made->form.n_heads = r->heads;
        st                 = take(ctx, "minference windows", h->window, r->heads, sizeof *h->window,
                                  (void **)&made->form.head);
    }
    if (st != SB_OK || h->n_heads[SB_MINFERENCE_A_SHAPE] == r->heads)
        return st;
    made->row_tokens = SBI_MINFERENCE_BLOCK;
    made->n_rows     = r->n_rows;
    r->tile_step     = SBI_MINFERENCE_BLOCK / unit;
    if ((st = take(ctx, "minference row ids", h->row_id, r->n_rows, sizeof *h->row_id,
                   (void **)&made->row_id)) != SB_OK ||
        (st = take_csr(ctx, lists, r->heads, h->tiles, unit, SBI_MINFERENCE_BLOCK, &made->tiles)) !=
            SB_OK ||
        (st = sb_row_sum_bytes(lists, &r->temp_bytes)) != SB_OK ||
        (st = take(ctx, "room of a sum", NULL, r->temp_bytes, 1, &r->temp)) != SB_OK)
        return st;
    r->row_id = made->row_id;
    if (r->n_blocks_heads > 0)
        st = take_blocks(ctx, h, r);
    if (st == SB_OK && r->n_lines > 0)
        st = take_lines(ctx, s, h, r);
    if (st == SB_OK && r->n_lines > 0)
        st = take_csr(ctx, lists, r->heads, h->tokens, 1, 1, &made->tokens);
    return st;
}

/* One window for all heads [3.2]. */
static int is_a_shape(const sb_minference_params *p)
{
    return p->config_file.content == NULL && p->pattern == SB_MINFERENCE_A_SHAPE;
}

/* Whole layers without lists: decode, dense layers, a sequence of which some tokens have no query
 * [5]. */
static int is_window(const sb_ctx *ctx, const sb_minference_params *p, const sb_shape *s)
{
    return s->is_decode || ctx->layer < p->starting_layer || is_a_shape(p) ||
           sb_shape_queries(s) != s->n_keys;
}

/* How many row blocks the queries here have: whole ones, run by run, so that local row block r is
 * local queries [64 r, 64 r + 64), as means of q want it. */
static sb_status find_rows(const sb_shape *s, sbi_minference_device *r)
{
    const sb_gid *q = &s->q_gid;
    r->n_rows       = 0;
    for (int32_t i = 0; i < q->n_runs; i++) {
        span rows = rows_of(q->run[i]);
        r->n_rows += rows.end - rows.begin;
    }
    return sb_row_walk_whole("minference", q, SBI_MINFERENCE_BLOCK, s->n_keys);
}

sb_status sbi_minference_layout_device(sb_ctx *ctx, const void *params, const sb_shape *s,
                                       sb_plan *plan, sb_cache *cache)
{
    const sb_minference_params  *p    = params;
    const sbi_minference_config *f    = p->config_file.content;
    sb_plan                      made = {.row_tokens = 1};
    sbi_minference_device       *kept, r = {.heads        = s->heads,
                                            .kv_heads     = s->kv_heads,
                                            .n_keys       = s->n_keys,
                                            .dim          = s->head_dim,
                                            .top_k_blocks = p->top_k_blocks,
                                            .n_blocks     = sbi_minference_blocks(s->n_keys),
                                            .words        = (s->n_keys + 31) / 32};
    host_side                    h;
    (void)cache;
    if (ctx->comm != NULL && ctx->comm->size > 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "minference: found %d ranks, allowed one where the device plans",
                       (int)ctx->comm->size);
    if (f != NULL && ctx->layer >= f->n_layers)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "config_file: found %lld layers, the model has a layer %d",
                       (long long)f->n_layers, (int)ctx->layer);
    if (is_window(ctx, p, s)) {
        *plan = made;
        return SB_OK;
    }
    sb_status st = find_rows(s, &r);
    if (st != SB_OK)
        return st;
    st               = look(ctx, p, s, &r, &h);
    r.n_lines        = h.n_heads[SB_MINFERENCE_VERTICAL_SLASH];
    r.n_blocks_heads = h.n_heads[SB_MINFERENCE_BLOCK_SPARSE];
    r.most_columns   = h.most_columns;
    if (st == SB_OK)
        st = take_all(ctx, s, &h, &r, &made);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->host, 1, sizeof r, "minference room", (void **)&kept);
    if (st == SB_OK && !ctx->arena->counting) /* the copies above */
        st = ctx->backend->sync(ctx->stream);
    fini(&h);
    if (st != SB_OK)
        return st;
    if (!ctx->host->counting)
        *kept = r;
    made.method_data = kept;
    *plan            = made;
    return SB_OK;
}

static sb_status window(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *s,
                        sb_plan *plan)
{
    int below      = ctx->layer < p->starting_layer;
    plan->fallback = s->is_decode || (!below && !is_a_shape(p));
    if (plan->fallback || below)
        return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
    return sb_window_plan(ctx, sbi_minference_scaled(p->sink_tokens, p->ratio),
                          sbi_minference_scaled(p->window_tokens, p->ratio), plan);
}

/* Of the passes that run here; products of means, of blocks up to the row's own. */
static int64_t estimate_flops(const sbi_minference_device *r, const sb_shape *s)
{
    return 2 * r->dim *
           (r->n_lines * 2 * r->probe.n_rows * r->n_keys +
            r->n_blocks_heads * listed(&s->q_gid, r->n_blocks, 1, 0));
}

sb_status sbi_minference_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                   const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                   sb_plan *plan)
{
    const sbi_minference_device *r     = plan->method_data;
    int                          lines = r != NULL && r->n_lines > 0;
    int                          lists = r != NULL && plan->n_rows > 0;
    sb_status                    st    = SB_OK;
    (void)cache;
    plan->estimate_flops = 0;
    if (r == NULL)
        return window(ctx, params, shape, plan);
    plan->parts = (plan->form.head != NULL ? (uint32_t)SB_PART_WINDOW : 0) |
                  (lists ? (uint32_t)SB_PART_TILES : 0) | (lines ? (uint32_t)SB_PART_TOKENS : 0);
    if (!lists)
        return SB_OK;
    if (k->tokens != r->n_keys || q->tokens != shape->q_gid.n_tokens ||
        (lines && (ctx->last_q == NULL || ctx->last_q->tokens < r->probe.n_rows)))
        return sb_fail(SB_ERR_INTERNAL,
                       "minference: plan was given %lld of %lld keys, or too few queries",
                       (long long)k->tokens, (long long)r->n_keys);
    plan->estimate_flops = estimate_flops(r, shape);
    st                   = sb_ctx_enter(ctx, SB_PHASE_ESTIMATE);
    if (st == SB_OK && r->n_blocks_heads > 0)
        st = sbi_minference_means_cuda(r, q, k, ctx->stream);
    if (st == SB_OK && lines)
        st = sb_last_probe_run(&r->probe, ctx, ctx->last_q, k, SB_PROBE_LOGITS);
    if (st == SB_OK)
        st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    if (st == SB_OK && lines)
        st = sbi_minference_lines_cuda(r, ctx->stream);
    if (st == SB_OK)
        st = sbi_minference_lengths_cuda(r, plan->tiles.row_ptr,
                                         lines ? plan->tokens.row_ptr : NULL, ctx->stream);
    if (st == SB_OK && lines)
        st = sbi_minference_fill_lines_cuda(r, &plan->tiles, &plan->tokens, ctx->stream);
    if (st == SB_OK && r->n_blocks_heads > 0)
        st = sbi_minference_fill_blocks_cuda(r, &plan->tiles, ctx->stream);
    return st;
}
