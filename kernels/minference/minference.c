#include "kernels/minference/minference.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"

#define P(field) offsetof(sb_minference_params, field)
static const sb_param params[] = {
    {"pattern", "vertical_slash", "vertical_slash|block_sparse|a_shape",
     "what every head of every layer attends to", SB_ENUM, P(pattern)},
    {"vertical_tokens", "1000", "[0,)",
     "vertical_slash: columns a head keeps (k_v; at least 30, the first ones), tokens", SB_I64,
     P(vertical_tokens)},
    {"slash_tokens", "6096", "[0,)",
     "vertical_slash: diagonals a head keeps (k_s; at least 50, the nearest 100 first), tokens",
     SB_I64, P(slash_tokens)},
    {"top_k_blocks", "100", "[1,)",
     "block_sparse: key blocks a row block keeps (k_b), blocks of 64", SB_I64, P(top_k_blocks)},
    {"sink_tokens", "128", "[0,)", "a_shape: first keys that every query sees (n_init), tokens",
     SB_I64, P(sink_tokens)},
    {"window_tokens", "3968", "[1,)",
     "a_shape: last keys that a query sees, its own included (n_local), tokens", SB_I64,
     P(window_tokens)},
    {"ratio", "1", "(0,)",
     "factor on vertical_tokens and slash_tokens, or on sink_tokens and window_tokens", SB_F64,
     P(ratio)},
    {"starting_layer", "-1", "[-1,)", "layers below this one are dense", SB_I64, P(starting_layer)},
    {0},
};

int64_t sbi_minference_scaled(int64_t value, double ratio)
{
    double x = (double)value * ratio;
    return ratio == 1.0 ? value : x < 0x1p61 ? (int64_t)x : INT64_C(1) << 61;
}

/* k = min(N, max(k, least)) [3.3] */
static int64_t budget(int64_t tokens, double ratio, int64_t least, int64_t n_keys)
{
    int64_t k = sbi_minference_scaled(tokens, ratio);
    k         = k > least ? k : least;
    return k < n_keys ? k : n_keys;
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_minference_params *p = params_;
    if (p->pattern == SB_MINFERENCE_A_SHAPE &&
        sbi_minference_scaled(p->window_tokens, p->ratio) < 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "ratio: found %g, allowed what leaves of window_tokens %lld at least 1",
                       p->ratio, (long long)p->window_tokens);
    if (p->pattern == SB_MINFERENCE_VERTICAL_SLASH && shape->n_keys >= INT64_C(1) << 24)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length: found %lld tokens, allowed below 2^24: sums of weights are kept in "
                       "64 bits",
                       (long long)shape->n_keys);
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p)
{
    const sb_minference_params *m = p;
    return m->pattern == SB_MINFERENCE_A_SHAPE ? 1 : SBI_MINFERENCE_BLOCK;
}

/* Local row blocks, and most ids of one head over them. */
typedef struct room {
    int64_t n_rows, tiles, tokens;
} room;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Worst cases: a row block has at most row + 1 disjoint tiles, and lists only keys before it [3.4].
 * Bytes: 4 * heads * sum over rows of both; at 2^20 tokens, 32 heads and the default budgets some
 * 12 GB, shared by the ranks. */
static room room_of(const sb_minference_params *p, const sb_shape *shape,
                    const sbi_minference_work *w)
{
    room    r      = {0};
    int64_t next   = 0;
    int     slash  = p->pattern == SB_MINFERENCE_VERTICAL_SLASH;
    int64_t n_tile = slash ? w->n_slash : p->top_k_blocks;
    for (int32_t i = 0; i < shape->q_gid.n_runs; i++) {
        sb_run run = shape->q_gid.run[i];
        if (run.len == 0)
            continue;
        int64_t row  = run.start / SBI_MINFERENCE_BLOCK;
        int64_t last = (run.start + run.len - 1) / SBI_MINFERENCE_BLOCK;
        for (row = row > next ? row : next; row <= last; row++) {
            r.n_rows++;
            r.tiles += min_i64(n_tile, row + 1);
            r.tokens += slash ? min_i64(w->n_vertical, row * SBI_MINFERENCE_BLOCK) : 0;
        }
        next = last + 1;
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

static sb_status lay_out_slash(sb_ctx *ctx, const sb_shape *s, sbi_minference_work *w)
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
        (st = sb_arena_alloc(a, s->heads * (w->n_vertical + w->n_slash), sizeof *w->chosen,
                             "minference choice", (void **)&w->chosen)) != SB_OK ||
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

/* Decode and a_shape need no room; the rest does not know yet whether the ranks hold all queries.
 */
static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    const sb_minference_params *p = params_;
    sbi_minference_work        *kept, w = {0};
    sb_plan                     made  = {.row_tokens = SBI_MINFERENCE_BLOCK};
    int                         slash = p->pattern == SB_MINFERENCE_VERTICAL_SLASH;
    sb_arena                   *a     = ctx->arena;
    sb_status                   st;
    (void)cache;
    if (shape->is_decode || p->pattern == SB_MINFERENCE_A_SHAPE) {
        *plan = (sb_plan){.row_tokens = 1};
        return SB_OK;
    }
    if (slash) {
        int64_t n     = shape->n_keys;
        w.n_vertical  = budget(p->vertical_tokens, p->ratio, SBI_MINFERENCE_SINK, n);
        w.n_slash     = budget(p->slash_tokens, p->ratio, SBI_MINFERENCE_SLASH, n);
    }
    room r      = room_of(p, shape, &w);
    made.n_rows = r.n_rows;
    if ((st = sb_arena_alloc(a, 1, sizeof *kept, "minference work", (void **)&kept)) != SB_OK ||
        (st = sb_arena_alloc(a, r.n_rows, sizeof *made.row_id, "minference row ids",
                             (void **)&made.row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, r.n_rows, sizeof *w.row_at, "minference row places",
                             (void **)&w.row_at)) != SB_OK ||
        (st = sb_last_queries_layout(&w.probe, a, shape, slash ? SBI_PROBE_ROWS : 0)) != SB_OK ||
        (st = slash ? lay_out_slash(ctx, shape, &w) : lay_out_blocks(ctx, shape, &w)) != SB_OK ||
        (st = lay_out_csr(a, shape->heads, r.n_rows, shape->heads * r.tiles, SBI_MINFERENCE_BLOCK,
                          &made.tiles)) != SB_OK)
        return st;
    if (!slash)
        made.tiles.unit_tokens = SBI_MINFERENCE_BLOCK;
    else if ((st = lay_out_csr(a, shape->heads, r.n_rows, shape->heads * r.tokens, 1,
                               &made.tokens)) != SB_OK)
        return st;
    if (!a->counting) {
        *kept            = w;
        made.method_data = kept;
    }
    *plan = made;
    return SB_OK;
}

const sb_method sb_minference = {
    .name    = "minference",
    .summary = "vertical and slash lines, or blocks, chosen at run time; dense decode",
    .source  = "arXiv 2407.02490; minference 3",
    /* a prefill mask: official runs keep the whole cache and decode densely [6] */
    .caps           = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_ALL,
    .params         = params,
    .params_bytes   = sizeof(sb_minference_params),
    .check          = check,
    .quantum_tokens = quantum_tokens,
    .layout         = layout,
    .plan           = {[SB_CPU] = sbi_minference_plan_cpu},
    .attend         = {[SB_CPU] = sb_attend_block_csr_cpu},
};
