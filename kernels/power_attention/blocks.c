/* Patterns over whole blocks: the lists of block rows [power_attention 3, 4]. */
#include "kernels/power_attention/patterns.h"

/* The table of [power_attention 4]. */
static const int64_t own_window[SB_POWER_BLOCK_PATTERNS] = {5, 9, 6, 20, 8};
static const int64_t own_sink[SB_POWER_BLOCK_PATTERNS]   = {1, 1, 1, 0, 0};

int64_t sbi_power_window_blocks(const sb_power_attention_params *p)
{
    return p->window_blocks > 0 ? p->window_blocks : own_window[p->pattern];
}

static int64_t sink_of(const sb_power_attention_params *p)
{
    return p->sink_blocks >= 0 ? p->sink_blocks : own_sink[p->pattern];
}

typedef struct row_list {
    int32_t *ids;
    int64_t  n;
    int64_t  next; /* ids below this are listed or skipped for good */
} row_list;

/* Ascending calls; what is below `next` (already in the sink, or before block 0) drops out. */
static void add(row_list *r, int64_t id)
{
    if (id < r->next)
        return;
    if (r->ids != NULL)
        r->ids[r->n] = (int32_t)id;
    r->n++;
    r->next = id + 1;
}

/* The same for all of [begin, end): counting takes no time. */
static void add_range(row_list *r, int64_t begin, int64_t end)
{
    begin = begin > r->next ? begin : r->next;
    for (int64_t id = begin; r->ids != NULL && id < end; id++)
        r->ids[r->n + id - begin] = (int32_t)id;
    if (end > begin) {
        r->n += end - begin;
        r->next = end;
    }
}

/* OR over levels m: same aligned segment of w * 2^m blocks, and both blocks on the grid of 2^m
 * [power_attention 4]. */
static void add_longnet(row_list *r, int64_t block, int64_t w, int64_t levels)
{
    int64_t top =
        0; /* the highest level whose grid holds this block: the longest segment it attends in */
    while (top + 1 < levels && (block & ((INT64_C(1) << (top + 1)) - 1)) == 0)
        top++;
    for (int64_t k = block & ~((w << top) - 1); k <= block; k++)
        for (int64_t m = 0; m <= top; m++)
            if ((block ^ k) < (w << m) && ((block | k) & ((INT64_C(1) << m) - 1)) == 0) {
                add(r, k);
                break;
            }
}

void sb_power_attention_row(const sb_power_attention_params *p, int64_t block, int32_t *ids,
                            int64_t *n)
{
    int64_t w = sbi_power_window_blocks(p), sink = sink_of(p),
            window_begin = block >= w ? block - w + 1 : 0;
    row_list r           = {.ids = ids};
    add_range(&r, 0, sink <= block ? sink : block + 1);
    switch ((sb_power_pattern)p->pattern) {
    case SB_POWER_LONGNET:
        add_longnet(&r, block, w, p->levels);
        break;
    case SB_POWER_DILATED:
        for (int64_t d = (block - window_begin) / p->dilation_blocks * p->dilation_blocks; d >= 0;
             d -= p->dilation_blocks)
            add(&r, block - d);
        break;
    case SB_POWER_POWER:
        for (int64_t d = INT64_C(1) << 62; d >= w; d >>= 1)
            if (d <= block)
                add(&r, block - d);
        break;
    case SB_POWER_STRIDE_SLASH:
        for (int64_t d = block / p->stride_blocks * p->stride_blocks; d >= w; d -= p->stride_blocks)
            add(&r, block - d);
        break;
    default:
        break;
    }
    if (p->pattern != SB_POWER_LONGNET && p->pattern != SB_POWER_DILATED)
        add_range(&r, window_begin, block + 1);
    *n = r.n;
}

/* Calls visit(state, block) for each local row block, ascending; a block that two runs share comes
 * once. */
static void each_row(const sb_shape *shape, int64_t                   block_tokens,
                     void (*visit)(void *state, int64_t block), void *state)
{
    int64_t next = 0;
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        sb_run run = shape->q_gid.run[r];
        if (run.len == 0)
            continue;
        int64_t block = run.start / block_tokens, last = (run.start + run.len - 1) / block_tokens;
        for (block = block > next ? block : next; block <= last; block++)
            visit(state, block);
        next = last + 1;
    }
}

typedef struct filling {
    const sb_power_attention_params *p;
    int64_t                          n_rows, n_ids;
    sb_plan                         *plan; /* NULL: count only */
} filling;

static void visit_row(void *state, int64_t block)
{
    filling *f   = state;
    int32_t *ids = f->plan != NULL ? f->plan->tiles.id + f->n_ids : NULL;
    int64_t  n;
    sb_power_attention_row(f->p, block, ids, &n);
    if (f->plan != NULL) {
        f->plan->row_id[f->n_rows]        = (int32_t)block;
        f->plan->tiles.row_ptr[f->n_rows] = f->n_ids;
    }
    f->n_rows++;
    f->n_ids += n;
}

sb_status sbi_power_blocks_layout(sb_ctx *ctx, const sb_power_attention_params *p,
                                  const sb_shape *shape, sb_plan *plan)
{
    filling   f = {.p = p};
    sb_status st;
    each_row(shape, p->block_tokens, visit_row, &f);
    sb_plan made = {.row_tokens = p->block_tokens, .n_rows = f.n_rows};
    made.tiles   = (sb_csr){.n_heads      = 1,
                            .capacity     = f.n_ids,
                            .unit_tokens  = p->block_tokens,
                            .width_tokens = p->block_tokens};
    if ((st = sb_arena_alloc(ctx->arena, f.n_rows, sizeof *made.row_id, "power_attention row ids",
                             (void **)&made.row_id)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, f.n_rows + 1, sizeof *made.tiles.row_ptr,
                             "power_attention row pointers", (void **)&made.tiles.row_ptr)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->arena, f.n_ids, sizeof *made.tiles.id, "power_attention tile ids",
                             (void **)&made.tiles.id)) != SB_OK)
        return st;
    *plan = made;
    return SB_OK;
}

/* The mask depends on positions only: decode takes the same rows at its own position [6]. */
sb_status sbi_power_blocks_plan(sb_ctx *ctx, const sb_power_attention_params *p,
                                const sb_shape *shape, sb_plan *plan)
{
    int64_t t0 = sb_now_ns();
    filling f  = {.p = p};
    each_row(shape, p->block_tokens, visit_row, &f);
    if (f.n_rows != plan->n_rows || f.n_ids > plan->tiles.capacity)
        return sb_fail(
            SB_ERR_INTERNAL,
            "power_attention: laid out for %lld rows and %lld tiles, asked for %lld and %lld",
            (long long)plan->n_rows, (long long)plan->tiles.capacity, (long long)f.n_rows,
            (long long)f.n_ids);
    f = (filling){.p = p, .plan = plan};
    each_row(shape, p->block_tokens, visit_row, &f);
    plan->tiles.row_ptr[f.n_rows] = f.n_ids;
    plan->parts                   = SB_PART_TILES;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
