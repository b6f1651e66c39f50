/* Projections y = x W^T + bias with W as it stands in a file [models 7.2].
 *
 * Rows of W are expanded to fp32 a tile at a time, so weights never take more room than their file:
 *
 *   for some tiles of W's rows:  expand, shared out by rows -> products of a tile with 64 rows of
 *                                x, shared out by pairs of these
 *
 * Products always have 64 rows of x, the last ones filled up: a row's result then depends on
 * nothing but that row and W, whatever chunk or rank it is in. */
#ifndef SB_KERNELS_NN_PROJECT_H
#define SB_KERNELS_NN_PROJECT_H

#include "kernels/base/bf16.h"
#include "kernels/base/status.h"
#include "kernels/nn/blocks.h"

enum { SB_PROJECT_ROWS = 64 };

typedef struct sb_matrix {
    const unsigned char *data; /* [rows][cols] */
    sb_block_type        type;
    int64_t              rows, cols; /* out, in */
    /* Rows are stored for interleaved rotation and are taken in half-split order: row s * d/2 + i
     * of each head of d rows is its stored row 2 i + s [models 2.1]; 0: as stored. */
    int64_t      interleaved_dim;
    const float *bias; /* [rows], in the order rows are taken in; NULL: none */
} sb_matrix;

typedef enum sb_project_mode {
    SB_PROJECT_SET, /* y = x W^T + bias */
    SB_PROJECT_ADD  /* y += x W^T + bias */
} sb_project_mode;

/* Row `row` as fp32 [cols]. 1; 0: a scale in it is no finite number. */
int sb_matrix_row(const sb_matrix *w, int64_t row, float *out);

/* The same rounded to bf16 (weights that are bf16: as they are); scratch fp32 [cols]. */
int sb_matrix_row_bf16(const sb_matrix *w, int64_t row, float *scratch, sb_bf16 *out);

int64_t sb_project_padded_rows(int64_t n); /* up to a multiple of SB_PROJECT_ROWS */

/* fp32 numbers of scratch for any matrix of at most so many columns. */
int64_t sb_project_scratch(int64_t cols, int32_t threads);

/* n rows of x [padded][cols], y [padded][ldy], padded = sb_project_padded_rows(n): what stands in
 * the last rows beyond n may be anything, and y there is overwritten. scratch: sb_project_scratch.
 * Errors: SB_ERR_USAGE a scale that is no finite number, in row ... Cost: 2 n rows cols FLOP at the
 * BLAS's speed, rows * cols values expanded. */
sb_status sb_project(const sb_matrix *w, const float *x, int64_t n, float *y, int64_t ldy,
                     sb_project_mode mode, float *scratch, int32_t threads);

/* The same for one row, y [rows]: bound by expanding W. Its sums run in another order. */
sb_status sb_project_one(const sb_matrix *w, const float *x, float *y, sb_project_mode mode,
                         float *scratch, int32_t threads);

#endif
