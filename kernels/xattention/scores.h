/* Block scores of row blocks [xattention 3, steps 1 to 3].
 *
 *   raw[i][j] = sum_t dot(q[s*i + s-1-t], k[s*j + t])     an antidiagonal of the s x s square
 *   P = softmax over j <= i of raw * factor               the diagonal square counts whole
 *   A[J] = sum of P over the rows i of the block, the groups j of key block J; rounded to bf16
 *
 * Groups are counted from token 0. Tokens that are not here (queries of another rank or call, keys
 * past the end) are zeros; a row without any local query does not count. */
#ifndef SB_KERNELS_XATTENTION_SCORES_H
#define SB_KERNELS_XATTENTION_SCORES_H

#include "kernels/exec/product.h"
#include "kernels/xattention/room.h"

typedef struct sbi_xattention_in {
    const sb_tensor *q, *k;  /* k: all keys, in id order */
    float            factor; /* 1 / (sqrt(d) * s * norm) */
    int32_t          round_raw;
    sb_product_fn    product;
} sbi_xattention_in;

/* Local rows [first, first + n) of the plan, n at most room->batch, of all query heads of one KV
 * head. Query head h puts the bf16 patterns of A[J], J = 0..block, of a row into
 * id[h * room->ids_per_head + row's first_id ...]. fp32 sums of products in token order, fp64 sums
 * of probabilities in block and row order, exp of the portable variant: the bits depend neither on
 * the CPU nor on batches, threads or sharding. Cost 2 * d * block_tokens^2 / s FLOP a head and pair
 * of blocks. */
void sbi_xattention_scores(const sbi_xattention_room *room, const sbi_xattention_in *in,
                           int64_t kv_head, const int32_t *row_id, int64_t first, int64_t n,
                           sbi_xattention_scratch *s, int32_t *id);

#endif
