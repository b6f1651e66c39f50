/* Merging partial attention over disjoint key sets [sharding 3].
 *
 * m = max l_i;  w_i = exp(l_i - m);  O = sum w_i O_i / sum w_i;  l = m + log(sum w_i),  parts in
 * ascending order. A part (or all) that saw no key is (0, -inf); rows no part has keys for stay (0,
 * -inf). */
#ifndef SB_KERNELS_EXEC_MERGE_LSE_H
#define SB_KERNELS_EXEC_MERGE_LSE_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* [part][row] of o (dim normalised fp32 numbers) and lse, by strides in floats. The wire form of a
 * partial, dim + 1 floats a row, is o = base, lse = base + dim, both row strides dim + 1, both part
 * strides rows * (dim + 1). */
typedef struct sb_partials {
    const float *o;
    const float *lse;
    int64_t      o_part_stride, o_row_stride;
    int64_t      lse_part_stride, lse_row_stride;
    int64_t      n_parts, rows, dim;
} sb_partials;

/* o [rows][dim] of `dtype`, dense; lse [rows] or NULL. fp32 until the one cast. May not alias the
 * parts. Deterministic. */
void sb_merge_lse(const sb_partials *p, sb_dtype dtype, void *o, float *lse);

typedef enum sb_merge_into {
    SB_MERGE_INTO_NOTHING,
    SB_MERGE_INTO_RUNNING /* o (fp32) and lse hold a partial over other keys: it is the first part
                           */
} sb_merge_into;

/* The same on the cuda backend: parts, o and lse are device memory. Queued on `stream`.
 * Errors: SB_ERR_INTERNAL a running partial of bf16 or without lse; SB_ERR_UNSUPPORTED 2^33 rows;
 * SB_ERR_DEVICE. Cost: device memory, 4 * (dim + 1) bytes a part and row. */
sb_status sb_merge_lse_cuda(const sb_partials *p, sb_dtype dtype, sb_merge_into into, void *o,
                            float *lse, void *stream);

#ifdef __cplusplus
}
#endif

#endif
