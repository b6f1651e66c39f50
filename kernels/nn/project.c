#include "kernels/nn/project.h"

#include <omp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "kernels/nn/sgemm.h"

/* A tile of W stays in a core's second-level cache. */
enum { TILE_VALUES = 131072, TILE_ROWS = 256, LANES = 16 };

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
    return max_i64(TILE_VALUES, 16 * cols) * threads;
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

/* Output columns [first, first + rows) for all n rows of x. */
static void tile_product(sb_sgemm_fn sgemm, const sb_matrix *w, int64_t first, int64_t rows,
                         const float *tile, const float *x, int64_t n, float *y, int64_t ldy,
                         sb_project_mode mode)
{
    float beta = mode == SB_PROJECT_ADD ? 1.0f : 0.0f;
    for (int64_t i = 0; i < n; i += SB_PROJECT_ROWS) {
        float *to = y + i * ldy + first;
        sgemm(SB_CBLAS_ROW_MAJOR, SB_CBLAS_NO_TRANS, SB_CBLAS_TRANS, SB_PROJECT_ROWS, (int)rows,
              (int)w->cols, 1.0f, x + i * w->cols, (int)w->cols, tile, (int)w->cols, beta, to,
              (int)ldy);
        if (w->bias != NULL)
            add_bias(w->bias + first, rows, SB_PROJECT_ROWS, to, ldy);
    }
}

sb_status sb_project(const sb_matrix *w, const float *x, int64_t n, float *y, int64_t ldy,
                     sb_project_mode mode, float *scratch, int32_t threads)
{
    int64_t         step = tile_rows(w->cols), tiles = (w->rows + step - 1) / step;
    _Atomic int64_t bad = -1;
    sb_sgemm_fn     sgemm;
    sb_status       st = sb_sgemm_find(&sgemm);
    if (st != SB_OK)
        return st;
    threads = threads < sb_sgemm_callers() ? threads : sb_sgemm_callers();
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t t = 0; t < tiles; t++) {
        int64_t first = t * step, rows = min_i64(step, w->rows - first);
        float  *tile = scratch + omp_get_thread_num() * step * w->cols;
        for (int64_t r = 0; r < rows; r++)
            if (!sb_matrix_row(w, first + r, tile + r * w->cols))
                atomic_store(&bad, first + r);
        tile_product(sgemm, w, first, rows, tile, x, n, y, ldy, mode);
    }
    return bad >= 0 ? bad_row(bad) : SB_OK;
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
