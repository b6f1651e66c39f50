/* Rows against a few columns, in plain fp32: the product under the scores of a selection. Products
 * and sums are rounded apart and each sum runs in the order of `wide`, so all variants give the
 * same bits on every CPU; the executors' own product (flash.h) does not promise that. */
#ifndef SB_KERNELS_EXEC_PRODUCT_H
#define SB_KERNELS_EXEC_PRODUCT_H

#include <stdint.h>

#include "kernels/base/status.h"

enum {
    SB_PRODUCT_LANES = 8, /* columns that one pass takes: a 32-byte vector */
    SB_PRODUCT_ROWS  = 8, /* rows of one pass at most: their number is padded to it */
};

/* q [n_rows][wide], k [wide][LANES] (32-byte aligned), out [n_rows][LANES]; n_rows a multiple of
 * SB_PRODUCT_ROWS. 2 * n_rows * wide * LANES FLOP. */
typedef void (*sb_product_fn)(const float *q, const float *k, int64_t wide, int64_t n_rows,
                              float *out);

void sbi_product_generic(const float *q, const float *k, int64_t wide, int64_t n_rows, float *out);
void sbi_product_avx2(const float *q, const float *k, int64_t wide, int64_t n_rows, float *out);

/* The widest one that sb_cpu_isa_choose() allows; errors are its own. */
sb_status sb_product_choose(sb_product_fn *out);

#endif
