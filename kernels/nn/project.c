#include "kernels/nn/project.h"

#include <omp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "kernels/nn/sgemm.h"

/* A tile of W stays in a core's second-level cache. Several are expanded at a time, so that threads
 * share out (tile, 64 rows of x) pairs: a narrow W has fewer tiles than there are threads. */
enum { TILE_VALUES = 131072, TILE_ROWS = 256, TILES_AT_ONCE = 8, LANES = 16 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* A multiple of 16 rows. */
static int64_t tile_rows(int64_t cols)
{
    return min_i64(max_i64(TILE_VALUES / cols / 16 * 16, 16), TILE_ROWS);
}

static int64_t stored_row(const sb_matrix *w, int64_t row)
{
    int64_t d = w->interleaved_dim;
    if (d == 0)
        return row;
    int64_t in = row % d, half = d / 2;
    return row - in + 2 * (in % half) + in / half;
}

int sb_matrix_row(const sb_matrix *w, int64_t row, float *out)
{
    const sb_block_format *f     = &sb_block_formats[w->type];
    int64_t                bytes = w->cols / f->values * f->bytes;
    return sb_block_expand(w->type, w->data + stored_row(w, row) * bytes, w->cols, out);
}

int sb_matrix_row_bf16(const sb_matrix *w, int64_t row, float *scratch, sb_bf16 *out)
{
    if (w->type == SB_BLOCK_BF16) {
        memcpy(out, w->data + stored_row(w, row) * w->cols * (int64_t)sizeof *out,
               (size_t)w->cols * sizeof *out);
        return 1;
    }
    int ok = sb_matrix_row(w, row, scratch);
    for (int64_t i = 0; i < w->cols; i++)
        out[i] = sb_bf16_from_f32(scratch[i]);
    return ok;
}

int64_t sb_project_padded_rows(int64_t n)
{
    return (n + SB_PROJECT_ROWS - 1) / SB_PROJECT_ROWS * SB_PROJECT_ROWS;
}

/* Fewer columns may make a larger tile: the bound is for all of them. */
int64_t sb_project_scratch(int64_t cols, int32_t threads)
{
    return max_i64(TILE_VALUES, 16 * cols) * max_i64(TILES_AT_ONCE, threads);
}

static sb_status bad_row(int64_t row)
{
    return sb_fail(SB_ERR_USAGE, "row %lld: found a scale that is no finite number, allowed one",
                   (long long)row);
}

static void add_bias(const float *bias, int64_t rows, int64_t n, float *y, int64_t ldy)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t o = 0; o < rows; o++)
            y[i * ldy + o] += bias[o];
}

typedef struct job {
    sb_sgemm_fn      sgemm;
    const sb_matrix *w;
    const float     *x;
    float           *y;
    int64_t          ldy, panels;
    sb_project_mode  mode;
} job;

/* Output columns [first, first + rows) of 64 rows of x. */
static void product(const job *j, int64_t first, int64_t rows, const float *tile, int64_t panel)
{
    int64_t cols = j->w->cols, at = panel * SB_PROJECT_ROWS;
    float   beta = j->mode == SB_PROJECT_ADD ? 1.0f : 0.0f;
    float  *to   = j->y + at * j->ldy + first;
    j->sgemm(SB_CBLAS_ROW_MAJOR, SB_CBLAS_NO_TRANS, SB_CBLAS_TRANS, SB_PROJECT_ROWS, (int)rows,
             (int)cols, 1.0f, j->x + at * cols, (int)cols, tile, (int)cols, beta, to, (int)j->ldy);
    if (j->w->bias != NULL)
        add_bias(j->w->bias + first, rows, SB_PROJECT_ROWS, to, j->ldy);
}

/* Output columns [first, first + rows), some tiles of them, for all rows of x. Returns a row of W
 * that is bad, or -1. */
static int64_t tiles_product(const job *j, int64_t first, int64_t rows, int64_t step,
                             float *scratch, int32_t threads)
{
    int64_t         cols = j->w->cols, items = (rows + step - 1) / step * j->panels;
    _Atomic int64_t bad = -1;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
        for (int64_t r = 0; r < rows; r++)
            if (!sb_matrix_row(j->w, first + r, scratch + r * cols))
                atomic_store(&bad, first + r);
#pragma omp for schedule(dynamic, 1) nowait
        for (int64_t i = 0; i < items; i++) {
            int64_t at = i / j->panels * step;
            product(j, first + at, min_i64(step, rows - at), scratch + at * cols, i % j->panels);
        }
    }
    return bad;
}

sb_status sb_project(const sb_matrix *w, const float *x, int64_t n, float *y, int64_t ldy,
                     sb_project_mode mode, float *scratch, int32_t threads)
{
    job       j    = {.w = w, .x = x, .y = y, .ldy = ldy, .mode = mode};
    int64_t   step = tile_rows(w->cols), some = step * max_i64(TILES_AT_ONCE, threads);
    sb_status st = sb_sgemm_find(&j.sgemm);
    if (st != SB_OK)
        return st;
    j.panels = sb_project_padded_rows(n) / SB_PROJECT_ROWS;
    threads  = threads < sb_sgemm_callers() ? threads : sb_sgemm_callers();
    for (int64_t first = 0; first < w->rows; first += some) {
        int64_t bad =
            tiles_product(&j, first, min_i64(some, w->rows - first), step, scratch, threads);
        if (bad >= 0)
            return bad_row(bad);
    }
    return SB_OK;
}

/* Sixteen sums side by side, then added up in order. */
static float dot(const float *a, const float *b, int64_t n)
{
    float   lane[LANES] = {0}, sum = 0;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++)
            lane[j] += a[i + j] * b[i + j];
    for (; i < n; i++)
        lane[i % LANES] += a[i] * b[i];
    for (int j = 0; j < LANES; j++)
        sum += lane[j];
    return sum;
}

sb_status sb_project_one(const sb_matrix *w, const float *x, float *y, sb_project_mode mode,
                         float *scratch, int32_t threads)
{
    int64_t         step = tile_rows(w->cols);
    _Atomic int64_t bad  = -1;
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t r = 0; r < w->rows; r++) {
        float *row = scratch + omp_get_thread_num() * step * w->cols;
        if (!sb_matrix_row(w, r, row))
            atomic_store(&bad, r);
        float v = dot(row, x, w->cols) + (w->bias != NULL ? w->bias[r] : 0);
        y[r]    = mode == SB_PROJECT_ADD ? y[r] + v : v;
    }
    return bad >= 0 ? bad_row(bad) : SB_OK;
}
