/* The product under the antidiagonal logits: rows of query groups against SBI_XATTENTION_LANES key
 * groups. Products and sums are rounded apart and each sum runs in the order of `wide`, so all
 * variants give the same bits on every CPU. */
#ifndef SB_KERNELS_XATTENTION_PRODUCT_H
#define SB_KERNELS_XATTENTION_PRODUCT_H

#include "kernels/xattention/room.h"

/* q [n_rows][wide], k [wide][LANES] (32-byte aligned), out [n_rows][LANES]; n_rows a multiple of
 * SBI_XATTENTION_PASS. */
typedef void (*sbi_xattention_product_fn)(const float *q, const float *k, int64_t wide,
                                          int64_t n_rows, float *out);

void sbi_xattention_product_generic(const float *q, const float *k, int64_t wide, int64_t n_rows,
                                    float *out);
void sbi_xattention_product_avx2(const float *q, const float *k, int64_t wide, int64_t n_rows,
                                 float *out);

/* The widest one that sb_cpu_isa_choose() allows; errors are its own. */
sb_status sbi_xattention_product_choose(sbi_xattention_product_fn *out);

#endif
