/* Items are (KV head, tile of rows): a tile's rows, of all query heads that share the KV head, meet
 * the keys 8 at a time. Logits are not kept: a histogram a row tells afterwards what the n largest
 * hold, in one pass for any n. */
#include "kernels/exec/top_mass.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <omp.h>

#include "kernels/exec/flash.h"
#include "kernels/exec/product.h"
#include "kernels/exec/top_mass_bins.h"

enum {
    LANES     = SB_PRODUCT_LANES,
    TILE_ROWS = 64, /* rows of a tile: packing 8 keys costs about as much as 8 rows of products */
    BINS      = SBI_TOP_MASS_BINS,
};

/* One thread's. */
typedef struct scratch {
    float   *q;     /* [TILE_ROWS][d], scaled */
    float   *k;     /* [d][LANES] */
    float   *x;     /* [TILE_ROWS][LANES] */
    float   *p;     /* [TILE_ROWS][LANES] */
    int64_t *count; /* [TILE_ROWS][BINS] */
    double  *sum;   /* [TILE_ROWS][BINS] */
} scratch;

typedef struct job {
    const sb_tensor *q, *k;
    const int64_t   *row_gid, *keep;
    const float     *lse;
    double          *mass;
    float            scale;
    int64_t          group, tiles; /* query heads of a KV head; row tiles of one */
    sb_product_fn    product;
} job;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static void fini(scratch *all, int32_t threads)
{
    for (int32_t t = 0; all != NULL && t < threads; t++) {
        free(all[t].q);
        free(all[t].k);
        free(all[t].x);
        free(all[t].p);
        free(all[t].count);
        free(all[t].sum);
    }
    free(all);
}

static void *floats(int64_t n) { return aligned_alloc(64, (size_t)((n + 15) / 16 * 64)); }

static scratch *init(int64_t dim, int32_t threads)
{
    scratch *all = calloc((size_t)threads, sizeof *all);
    int      ok  = all != NULL;
    for (int32_t t = 0; ok && t < threads; t++) {
        scratch *s = &all[t];
        s->q       = floats(TILE_ROWS * dim);
        s->k       = floats(dim * LANES);
        s->x       = floats(TILE_ROWS * LANES);
        s->p       = floats(TILE_ROWS * LANES);
        s->count   = malloc((size_t)TILE_ROWS * BINS * sizeof *s->count);
        s->sum     = malloc((size_t)TILE_ROWS * BINS * sizeof *s->sum);
        ok = s->q != NULL && s->k != NULL && s->x != NULL && s->p != NULL && s->count != NULL &&
             s->sum != NULL;
    }
    if (!ok) {
        fini(all, threads);
        return NULL;
    }
    return all;
}

/* Row r of a KV head's rows is row r / group of query head kv_head * group + r % group, so that the
 * rows of a tile lie close together and end at nearly the same key. */
static int64_t head_of(const job *j, int64_t kv_head, int64_t r)
{
    return kv_head * j->group + r % j->group;
}

static void load_rows(const job *j, int64_t kv_head, int64_t first, int64_t n, scratch *s)
{
    int64_t d = j->q->dim;
    for (int64_t r = 0; r < n; r++) {
        const sb_bf16 *q =
            sb_tensor_bf16(j->q, head_of(j, kv_head, first + r), (first + r) / j->group);
        for (int64_t x = 0; x < d; x++)
            s->q[r * d + x] = sb_bf16_to_f32(q[x]) * j->scale;
    }
    memset(s->q + n * d, 0, (size_t)((TILE_ROWS - n) * d) * sizeof *s->q);
    memset(s->count, 0, (size_t)(n * BINS) * sizeof *s->count);
    memset(s->sum, 0, (size_t)(n * BINS) * sizeof *s->sum);
}

static void pack_keys(const job *j, int64_t kv_head, int64_t first, int64_t n, float *to)
{
    for (int64_t l = 0; l < LANES; l++) {
        const sb_bf16 *k = sb_tensor_bf16(j->k, kv_head, first + (l < n ? l : 0));
        for (int64_t x = 0; x < j->k->dim; x++)
            to[x * LANES + l] = l < n ? sb_bf16_to_f32(k[x]) : 0.0f;
    }
}

/* Keys [first, first + n) into the histograms of the rows that see them. */
static void count_keys(const job *j, int64_t kv_head, int64_t row, int64_t n_rows, int64_t first,
                       int64_t n, scratch *s)
{
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t i   = (row + r) / j->group;
        float   lse = j->lse[head_of(j, kv_head, row + r) * j->q->tokens + i];
        for (int64_t l = 0; l < LANES; l++)
            s->x[r * LANES + l] -= lse;
    }
    sbi_flash_generic.exp(s->x, s->p, TILE_ROWS * LANES);
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t  see   = min_i64(n, j->row_gid[(row + r) / j->group] + 1 - first);
        int64_t *count = s->count + r * BINS;
        double  *sum   = s->sum + r * BINS;
        for (int64_t l = 0; l < see; l++) {
            int bin = sbi_top_mass_bin(s->x[r * LANES + l]);
            count[bin]++;
            sum[bin] += (double)s->p[r * LANES + l];
        }
    }
}

static void run_tile(const job *j, int64_t kv_head, int64_t tile, scratch *s)
{
    int64_t first = tile * TILE_ROWS, n = min_i64(TILE_ROWS, j->q->tokens * j->group - first);
    int64_t end = j->row_gid[(first + n - 1) / j->group] + 1;
    load_rows(j, kv_head, first, n, s);
    memset(s->x, 0, TILE_ROWS * LANES * sizeof *s->x);
    for (int64_t key = 0; key < end; key += LANES) {
        int64_t lanes = min_i64(LANES, end - key);
        pack_keys(j, kv_head, key, lanes, s->k);
        j->product(s->q, s->k, j->q->dim, TILE_ROWS, s->x);
        count_keys(j, kv_head, first, n, key, lanes, s);
    }
    for (int64_t r = 0; r < n; r++) {
        int64_t at = head_of(j, kv_head, first + r) * j->q->tokens + (first + r) / j->group;
        sbi_top_mass_taken t = {j->keep[at], 0};
        for (int64_t b = r * BINS; b < (r + 1) * BINS && t.keep > 0; b++)
            sbi_top_mass_take(&t, s->count[b], s->sum[b]);
        j->mass[at] = t.mass;
    }
}

sb_status sb_top_mass_cpu(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                          const sb_tensor *k, float scale, const float *lse, const int64_t *keep,
                          double *mass)
{
    job j = {
        .q = q, .k = k, .row_gid = row_gid, .keep = keep, .lse = lse, .mass = mass, .scale = scale};
    if (k->heads < 1 || q->heads % k->heads != 0 || q->dim != k->dim)
        return sb_fail(SB_ERR_UNSUPPORTED, "top mass: %lld query heads of %lld on %lld of %lld",
                       (long long)q->heads, (long long)q->dim, (long long)k->heads,
                       (long long)k->dim);
    for (int64_t i = 0; i < q->tokens; i++)
        if (row_gid[i] < 0 || row_gid[i] >= k->tokens || (i > 0 && row_gid[i] < row_gid[i - 1]))
            return sb_fail(SB_ERR_INTERNAL, "top mass: row %lld, keys up to %lld",
                           (long long)row_gid[i], (long long)k->tokens);
    sb_status st = sb_product_choose(&j.product);
    if (st != SB_OK || q->tokens == 0)
        return st;
    int32_t  threads = ctx->threads > 1 ? ctx->threads : 1;
    scratch *all     = init(q->dim, threads);
    if (all == NULL)
        return sb_fail(SB_ERR_NOMEM, "top mass: no memory for %d threads", threads);
    j.group = q->heads / k->heads;
    j.tiles = (q->tokens * j.group + TILE_ROWS - 1) / TILE_ROWS;
    /* The last rows see most keys: they go first. */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t item = 0; item < k->heads * j.tiles; item++)
        run_tile(&j, item % k->heads, j.tiles - 1 - item / k->heads, &all[omp_get_thread_num()]);
    fini(all, threads);
    return SB_OK;
}
