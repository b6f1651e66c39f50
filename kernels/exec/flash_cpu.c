#include "kernels/exec/flash_cpu.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/flash.h"
#include "kernels/exec/key_blocks.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static const sb_bf16 zero_row[SB_TILE_DIM_MAX];

/* How a job is cut. Query tiles are cells of a grid in global ids: each row block (or the whole
 * line, for plans without lists) starts a cell, and cells hold tile_tokens. A row list is cut every
 * tile_tokens entries instead. */
typedef struct cut {
    const sbi_flash_job *job;
    const sbi_flash_ops *ops;
    int64_t              group;      /* query heads that share a KV head */
    int64_t              tile_heads; /* of them in one tile */
    int64_t              head_tiles; /* tiles that make a group */
    int64_t              tile_tokens;
    int64_t              block_tokens; /* row block, or tile_tokens */
    int64_t              cells_per_block;
    int64_t              n_token_tiles, n_items;
    int                  shared; /* all heads of a tile see the same keys */
} cut;

static int64_t cell_of(const cut *c, int64_t gid)
{
    return gid / c->block_tokens * c->cells_per_block + gid % c->block_tokens / c->tile_tokens;
}

static int64_t cell_begin(const cut *c, int64_t cell)
{
    return cell / c->cells_per_block * c->block_tokens + cell % c->cells_per_block * c->tile_tokens;
}

static int64_t cell_end(const cut *c, int64_t cell)
{
    int64_t block_end = (cell / c->cells_per_block + 1) * c->block_tokens;
    return min_i64(cell_begin(c, cell) + c->tile_tokens, block_end);
}

/* Does each query head have keys of its own? */
static int heads_differ(const sb_plan *p)
{
    return p != NULL &&
           (((p->parts & SB_PART_TILES) && p->tiles.n_heads > 1) ||
            ((p->parts & SB_PART_TOKENS) && p->tokens.n_heads > 1) || p->slots.n_heads > 1 ||
            ((p->parts & SB_PART_WINDOW) && p->form.head != NULL));
}

static void cut_job(cut *c, const sbi_flash_job *j)
{
    const sb_tensor *q = j->in->q;
    int     lists  = j->plan != NULL && (j->plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    int64_t rows   = min_i64((SB_TILE_POOL / q->dim - 2 * SB_TILE_KEYS) / 2, SB_TILE_MAX_ROWS);
    c->group       = q->heads / j->in->k->heads;
    c->shared               = !heads_differ(j->plan);
    c->tile_heads  = c->shared ? min_i64(c->group, rows) : 1;
    c->head_tiles  = (c->group + c->tile_heads - 1) / c->tile_heads;
    c->tile_tokens = max_i64(1, min_i64(rows / c->tile_heads, SB_TILE_MAX_TOKENS));
    c->block_tokens    = lists ? j->plan->row_tokens : c->tile_tokens;
    c->cells_per_block = (c->block_tokens + c->tile_tokens - 1) / c->tile_tokens;
    c->n_token_tiles   = 0;
    if (j->row_gid != NULL)
        c->n_token_tiles = (q->tokens + c->tile_tokens - 1) / c->tile_tokens;
    else
        for (int32_t r = 0; r < q->gid.n_runs; r++)
            if (q->gid.run[r].len > 0)
                c->n_token_tiles += cell_of(c, q->gid.run[r].start + q->gid.run[r].len - 1) -
                                    cell_of(c, q->gid.run[r].start) + 1;
    c->n_items = c->n_token_tiles * c->head_tiles * j->in->k->heads;
}

/* One tile at work. */
typedef struct tile {
    const cut     *c;
    sbi_flash_tile f;
    int64_t        kv_head, head, n_heads; /* query heads [head, head + n_heads) */
    int64_t        row, n_tokens;          /* local rows [row, row + n_tokens) */
    int64_t        gid[SB_TILE_MAX_TOKENS];
    sb_row_window  window[SB_TILE_MAX_TOKENS];
} tile;

static void load_rows(tile *t)
{
    const sbi_flash_job *j   = t->c->job;
    int64_t              dim = t->f.dim;
    for (int64_t h = 0; h < t->n_heads; h++)
        for (int64_t i = 0; i < t->n_tokens; i++) {
            int64_t        at  = h * t->n_tokens + i;
            const sb_bf16 *src = sb_tensor_bf16(j->in->q, t->head + h, t->row + i);
            float         *q = t->f.q + at * dim, *o = t->f.o + at * dim;
            float          running = -INFINITY;
            for (int64_t x = 0; x < dim; x++)
                q[x] = sb_bf16_to_f32(src[x]) * j->in->scale;
            if (j->mode == SB_OUT_MERGE)
                running = j->lse[(t->head + h) * j->in->q->tokens + t->row + i];
            t->f.m[at] = running;
            t->f.l[at] = running == -INFINITY ? 0.0f : 1.0f;
            if (running != -INFINITY && j->o != NULL)
                memcpy(o, sb_tensor_f32(j->o, t->head + h, t->row + i), (size_t)dim * sizeof *o);
            else
                memset(o, 0, (size_t)dim * sizeof *o);
        }
}

static void store_rows(const tile *t)
{
    const sbi_flash_job *j   = t->c->job;
    int64_t              dim = t->f.dim;
    for (int64_t h = 0; h < t->n_heads; h++)
        for (int64_t i = 0; i < t->n_tokens; i++) {
            int64_t at = h * t->n_tokens + i;
            float   l  = t->f.l[at];
            j->lse[(t->head + h) * j->in->q->tokens + t->row + i] =
                t->f.m[at] + logf(l); /* -inf - inf when l is 0 */
            if (j->o == NULL)
                continue;
            const float *o     = t->f.o + at * dim;
            float        scale = l == 0.0f ? 0.0f : 1.0f / l;
            /* + 0.0f: a zero's sign may depend on the rows that shared the tile */
            if (j->o->dtype == SB_BF16) {
                sb_bf16 *to = sb_tensor_bf16(j->o, t->head + h, t->row + i);
                for (int64_t x = 0; x < dim; x++)
                    to[x] = sb_bf16_from_f32(o[x] * scale + 0.0f);
            } else {
                float *to = sb_tensor_f32(j->o, t->head + h, t->row + i);
                for (int64_t x = 0; x < dim; x++)
                    to[x] = o[x] * scale + 0.0f;
            }
        }
}

/* Which keys of the block each row sees. */
static void set_visible(const tile *t, const sb_key_block *b)
{
    for (int64_t i = 0; i < t->n_tokens; i++) {
        uint64_t sees = sb_key_block_visible(b, t->window[i], t->gid[i]);
        for (int64_t h = 0; h < t->n_heads; h++)
            t->f.visible[h * t->n_tokens + i] = sees;
    }
}

/* Fold the block into the tile. Lanes out of use are zeros: V must be finite there. */
static void fold(const tile *t, const sb_key_block *b)
{
    const sb_tensor *k = t->c->job->in->k, *v = t->c->job->in->v;
    const sb_bf16   *k_row[SB_TILE_KEYS], *v_row[SB_TILE_KEYS];
    for (int lane = 0; lane < SB_TILE_KEYS; lane++) {
        int used    = (int)((b->listed | b->window) >> lane & 1);
        k_row[lane] = used ? sb_tensor_bf16(k, t->kv_head, b->local[lane]) : zero_row;
        v_row[lane] = used ? sb_tensor_bf16(v, t->kv_head, b->local[lane]) : zero_row;
    }
    if (t->f.n_rows <= SB_TILE_THIN_ROWS) {
        t->c->ops->thin(&t->f, k_row, v_row);
        return;
    }
    t->c->ops->pack(k_row, v_row, t->f.dim, t->f.kt, t->f.v);
    t->c->ops->block(&t->f);
}

/* Attention of t->n_tokens rows that lie in one row block; everything but the pool pointers'
 * contents is set. */
static void run_tile(tile *t)
{
    const sbi_flash_job *j = t->c->job;
    sb_key_blocks        it;
    sb_key_block         b;
    t->f.n_rows = t->n_heads * t->n_tokens;
    load_rows(t);
    for (int64_t i = 0; i < t->n_tokens; i++)
        t->window[i] = sb_plan_row_window(j->plan, t->head, t->gid[i]);
    sb_key_blocks_begin(&it, j->plan, t->head, sb_plan_row(j->plan, t->gid[0]), t->gid[0],
                        t->gid[t->n_tokens - 1], &j->in->k->gid);
    while (sb_key_blocks_next(&it, &b)) {
        set_visible(t, &b);
        fold(t, &b);
    }
    store_rows(t);
}

/* Rows of a list: cut where the row block changes, and, for plans without lists, where the grid
 * cell does, so that rows far apart do not drag each other through all the keys between them. */
static void run_list(tile *t, int64_t begin, int64_t end)
{
    const cut *c = t->c;
    for (int64_t i = begin; i < end;) {
        t->row       = i;
        t->n_tokens  = 0;
        int64_t cell = c->job->plan == NULL ? 0 : c->job->row_gid[i] / c->block_tokens;
        while (i < end && (c->job->plan == NULL || c->job->row_gid[i] / c->block_tokens == cell))
            t->gid[t->n_tokens++] = c->job->row_gid[i++];
        run_tile(t);
    }
}

/* Item 0 is the tile with the latest rows: under causality the longest, so that no long one starts
 * last. */
static void run_item(const cut *c, int64_t item)
{
    _Alignas(64) float   pool[SB_TILE_POOL];
    float                m[SB_TILE_MAX_ROWS], l[SB_TILE_MAX_ROWS];
    uint64_t             visible[SB_TILE_MAX_ROWS];
    const sbi_flash_job *j       = c->job;
    const sb_tensor     *q       = j->in->q;
    int64_t              per_row = c->head_tiles * j->in->k->heads;
    int64_t              nth = c->n_token_tiles - 1 - item / per_row, unit = item % per_row;
    int64_t              rows = c->tile_heads * c->tile_tokens;
    tile                 t    = {.c = c, .kv_head = unit / c->head_tiles};
    int64_t              sub  = unit % c->head_tiles * c->tile_heads;
    t.head                    = t.kv_head * c->group + sub;
    t.n_heads                 = min_i64(c->tile_heads, c->group - sub);
    t.f   = (sbi_flash_tile){.dim = q->dim, .m = m, .l = l, .visible = visible, .kt = pool};
    t.f.v = pool + SB_TILE_KEYS * q->dim;
    t.f.q = t.f.v + SB_TILE_KEYS * q->dim;
    t.f.o = t.f.q + rows * q->dim;
    if (j->o == NULL)
        t.f.v = NULL;
    if (j->row_gid != NULL) {
        run_list(&t, nth * c->tile_tokens, min_i64((nth + 1) * c->tile_tokens, q->tokens));
        return;
    }
    for (int32_t r = 0; r < q->gid.n_runs; t.row += q->gid.run[r++].len) {
        sb_run run = q->gid.run[r];
        if (run.len == 0)
            continue;
        int64_t first = cell_of(c, run.start), n = cell_of(c, run.start + run.len - 1) - first + 1;
        if (nth >= n) {
            nth -= n;
            continue;
        }
        int64_t begin = max_i64(run.start, cell_begin(c, first + nth));
        int64_t end   = min_i64(run.start + run.len, cell_end(c, first + nth));
        t.row += begin - run.start;
        t.n_tokens = end - begin;
        for (int64_t i = 0; i < t.n_tokens; i++)
            t.gid[i] = begin + i;
        run_tile(&t);
        return;
    }
}

sb_status sbi_flash_run(const sbi_flash_job *job)
{
    cut       c = {.job = job};
    sb_status st;
    if ((st = sbi_flash_check(job)) != SB_OK || (st = sbi_flash_choose(&c.ops)) != SB_OK)
        return st;
    cut_job(&c, job);
#pragma omp parallel for schedule(dynamic, 1) num_threads(job->threads)
    for (int64_t item = 0; item < c.n_items; item++)
        run_item(&c, item);
    return SB_OK;
}
