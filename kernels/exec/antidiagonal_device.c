#include "kernels/exec/antidiagonal_device.h"

#include "kernels/exec/need_sm90.h"

enum { RASTER_SETS = 8 }; /* sets of rows that a launch takes turns with */

int64_t sbi_antidiagonal_batch_bytes = INT64_C(1) << 30;

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* Sets of ROWS groups that hold queries: [first_set, end_set). */
static int64_t first_set(const sb_antidiagonal_device *a)
{
    return a->q.start / a->stride_tokens / SB_ANTIDIAGONAL_ROWS;
}
static int64_t end_set(const sb_antidiagonal_device *a)
{
    return ceil_div(a->q.start + a->q.len, a->stride_tokens * SB_ANTIDIAGONAL_ROWS);
}

static sb_antidiagonal_batch batch_of(const sb_antidiagonal_device *a, int64_t set, int64_t end)
{
    int64_t tiles = ceil_div(end * SB_ANTIDIAGONAL_ROWS, SB_ANTIDIAGONAL_TILE);
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
    int64_t set = first_set(a), last = end_set(a), most = sbi_antidiagonal_batch_bytes / 4, n = 1;
    if (b->n_groups > 0)
        set = (b->first_group + b->n_groups) / SB_ANTIDIAGONAL_ROWS;
    if (set >= last || a->q.len == 0)
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
    if ((ctx->comm != NULL && ctx->comm->size != 1) || shape->q_gid.n_runs > 1)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "antidiagonal scores: found %d ranks and %d runs of queries, allowed one of "
                       "each on the cuda backend",
                       ctx->comm != NULL ? (int)ctx->comm->size : 1, (int)shape->q_gid.n_runs);
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

sb_status sb_antidiagonal_device_layout(sb_antidiagonal_device *out, const sb_ctx *ctx,
                                        const sb_shape *shape, int64_t block_tokens,
                                        int64_t stride_tokens)
{
    sb_antidiagonal_device a    = {.stride_tokens = stride_tokens,
                                   .groups        = block_tokens / stride_tokens,
                                   .heads         = shape->heads,
                                   .kv_heads      = shape->kv_heads,
                                   .dim           = shape->head_dim,
                                   .n_keys        = shape->n_keys};
    sb_antidiagonal_batch  b    = {0};
    int64_t                sums = 0, tops = 0;
    void                  *sum, *top;
    sb_status              st = check(ctx, shape, a.groups);
    if (st != SB_OK)
        return st;
    if (shape->q_gid.n_runs > 0)
        a.q = shape->q_gid.run[0];
    while (sb_antidiagonal_device_next(&a, &b)) {
        sums = max_i64(sums, sums_of(&a, &b));
        tops = max_i64(tops, a.heads * b.n_groups * b.n_tiles);
    }
    if ((st = sb_arena_alloc(ctx->arena, sums, sizeof *a.sum, "sums of key blocks", &sum)) !=
            SB_OK ||
        (st = sb_arena_alloc(ctx->arena, tops, sizeof *a.top, "maxima of key tiles", &top)) !=
            SB_OK ||
        (st = copy_room(ctx->arena, a.heads, stride_tokens, a.dim, a.q, "queries in whole groups",
                        &a.q_whole)) != SB_OK ||
        (st = copy_room(ctx->arena, a.kv_heads, stride_tokens, a.dim, (sb_run){0, a.n_keys},
                        "keys in whole groups", &a.k_whole)) != SB_OK)
        return st;
    a.sum = sum;
    a.top = top;
    *out  = a;
    return SB_OK;
}
