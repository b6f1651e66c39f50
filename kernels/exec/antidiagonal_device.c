#include "kernels/exec/antidiagonal_device.h"

#include <stdlib.h>

#include "kernels/exec/need_sm90.h"
#include "kernels/exec/row_walk.h"

enum { RASTER_SETS = 8 }; /* sets of rows that a launch takes turns with */

int64_t sbi_antidiagonal_batch_bytes = INT64_C(1) << 30;

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Row blocks of a set. */
static int64_t set_rows(const sb_antidiagonal_device *a)
{
    return SB_ANTIDIAGONAL_ROWS / a->groups;
}

int64_t sbi_antidiagonal_sets(const sb_antidiagonal_device *a)
{
    return ceil_div(a->n_rows, set_rows(a));
}

sb_status sbi_antidiagonal_rows(sb_antidiagonal_device *a, const sb_gid *q)
{
    int64_t     block = a->groups * a->stride_tokens;
    sb_row_walk it;
    sb_row_part at;
    sb_status   st = SB_OK;
    if (q->n_runs > 1) /* one may begin and end anywhere: its rows lie together */
        st = sb_row_walk_whole("antidiagonal scores", q, block, a->n_keys);
    if (st != SB_OK)
        return st;
    a->q        = (sb_run){0};
    a->first_id = a->n_rows = a->pairs = 0;
    if (q->n_tokens > 0) {
        a->q        = (sb_run){q->run[0].start % block, q->n_tokens};
        a->first_id = q->run[0].start / block;
    }
    sb_row_walk_begin(&it, q, block);
    while (sb_row_walk_next(&it, &at)) {
        a->n_rows++;
        a->pairs += at.block + 1;
    }
    return SB_OK;
}

void sbi_antidiagonal_name(const sb_antidiagonal_device *a, const sb_gid *q, int32_t *set_id)
{
    int64_t     per_set = set_rows(a);
    sb_row_walk it;
    sb_row_part at;
    sb_row_walk_begin(&it, q, a->groups * a->stride_tokens);
    for (int64_t row = 0; sb_row_walk_next(&it, &at); row++)
        set_id[row / per_set] = (int32_t)at.block;
}

int64_t sb_antidiagonal_device_flops(const sb_antidiagonal_device *a)
{
    return a->heads * a->pairs * 2 * a->dim * a->stride_tokens * a->groups * a->groups;
}

/* Rows ascend: the last one of the sets [set, end) sees most. */
static sb_antidiagonal_batch batch_of(const sb_antidiagonal_device *a, int64_t set, int64_t end)
{
    int64_t tiles = sb_antidiagonal_tiles(a->set_id[end - 1], (int32_t)a->groups);
    return (sb_antidiagonal_batch){.first_group = set * SB_ANTIDIAGONAL_ROWS,
                                   .n_groups    = (end - set) * SB_ANTIDIAGONAL_ROWS,
                                   .n_tiles     = tiles,
                                   .n_blocks    = tiles * (SB_ANTIDIAGONAL_TILE / a->groups)};
}

static int64_t sums_of(const sb_antidiagonal_device *a, const sb_antidiagonal_batch *b)
{
    return a->heads * b->n_groups * b->n_blocks;
}

int sb_antidiagonal_device_next(const sb_antidiagonal_device *a, sb_antidiagonal_batch *b)
{
    int64_t set  = (b->first_group + b->n_groups) / SB_ANTIDIAGONAL_ROWS;
    int64_t last = sbi_antidiagonal_sets(a), most = sbi_antidiagonal_batch_bytes / 4, n = 1;
    if (set >= last)
        return 0;
    *b = batch_of(a, set, set + 1);
    for (sb_antidiagonal_batch more; set + n < last; n++) {
        more = batch_of(a, set, set + n + 1);
        if (sums_of(a, &more) > most)
            break;
    }
    if (set + n < last && n > RASTER_SETS)
        n -= n % RASTER_SETS;
    *b = batch_of(a, set, set + n);
    return 1;
}

static sb_status check(const sb_ctx *ctx, const sb_shape *shape, int64_t groups)
{
    if (ctx->comm != NULL && ctx->comm->size > 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "antidiagonal scores: found %d ranks, allowed one where the device plans",
                       (int)ctx->comm->size);
    if (shape->head_dim != 64 && shape->head_dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "antidiagonal scores: found head_dim %lld, allowed 64 and 128 on the cuda "
                       "backend",
                       (long long)shape->head_dim);
    if (groups != 8 && groups != 16 && groups != 32)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "antidiagonal scores: found %lld groups in a block (block_tokens by "
                       "stride_tokens), allowed 8, 16 and 32 on the cuda backend",
                       (long long)groups);
    return sbi_need_sm90("antidiagonal scores");
}

/* Room for a run of tokens in whole groups; none where it is that already. */
static sb_status copy_room(sb_arena *a, int64_t heads, int64_t stride, int64_t dim, sb_run run,
                           const char *what, sb_bf16 **out)
{
    void     *p   = NULL;
    int64_t   end = run.start + run.len, n = ceil_div(end, stride) - run.start / stride;
    sb_status st = SB_OK;
    if (run.start % stride != 0 || end % stride != 0)
        st = sb_arena_alloc(a, heads * n * stride * dim, sizeof **out, what, &p);
    *out = p;
    return st;
}

/* Elements of sums and maxima that the largest batches ask for. *a without set_id. */
static sb_status most_of(const sb_antidiagonal_device *a, const sb_gid *q, int64_t *sums,
                         int64_t *tops)
{
    sb_antidiagonal_device named = *a;
    sb_antidiagonal_batch  b     = {0};
    named.set_id = calloc((size_t)sbi_antidiagonal_sets(a) + 1, sizeof *named.set_id);
    if (named.set_id == NULL)
        return sb_fail(SB_ERR_NOMEM, "antidiagonal scores: no host memory for %lld sets of rows",
                       (long long)sbi_antidiagonal_sets(a));
    sbi_antidiagonal_name(a, q, named.set_id);
    *sums = *tops = 0;
    while (sb_antidiagonal_device_next(&named, &b)) {
        *sums = max_i64(*sums, sums_of(&named, &b));
        *tops = max_i64(*tops, named.heads * b.n_groups * b.n_tiles);
    }
    free(named.set_id);
    return SB_OK;
}

sb_status sb_antidiagonal_device_layout(sb_antidiagonal_device *out, const sb_ctx *ctx,
                                        const sb_shape *shape, const sb_row_blocks_device *rows,
                                        int64_t stride_tokens)
{
    const sb_gid          *q    = &shape->q_gid;
    sb_antidiagonal_device a    = {.stride_tokens = stride_tokens,
                                   .groups        = rows->block_tokens / stride_tokens,
                                   .heads         = shape->heads,
                                   .kv_heads      = shape->kv_heads,
                                   .dim           = shape->head_dim,
                                   .n_keys        = shape->n_keys,
                                   .row_id        = q->n_runs > 1 ? rows->row_id : NULL};
    int64_t                sums = 0, tops = 0;
    void                  *sum, *top, *set_id;
    sb_status              st = check(ctx, shape, a.groups);
    if (st != SB_OK || (st = sbi_antidiagonal_rows(&a, q)) != SB_OK ||
        (st = most_of(&a, q, &sums, &tops)) != SB_OK ||
        (st = sb_arena_alloc(ctx->arena, sums, sizeof *a.sum, "sums of key blocks", &sum)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->arena, tops, sizeof *a.top, "maxima of key tiles", &top)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->host, sbi_antidiagonal_sets(&a), sizeof *a.set_id,
                             "last row blocks of sets", &set_id)) != SB_OK ||
        (st = copy_room(ctx->arena, a.heads, stride_tokens, a.dim, a.q, "queries in whole groups",
                        &a.q_whole)) != SB_OK ||
        (st = copy_room(ctx->arena, a.kv_heads, stride_tokens, a.dim, (sb_run){0, a.n_keys},
                        "keys in whole groups", &a.k_whole)) != SB_OK)
        return st;
    if (!ctx->host->counting)
        sbi_antidiagonal_name(&a, q, set_id);
    a.sum    = sum;
    a.top    = top;
    a.set_id = set_id;
    *out     = a;
    return SB_OK;
}
