/* Block scores by antidiagonals [xattention 3, steps 1 to 3], for row blocks of a shard.
 *
 *   raw[i][j] = sum_t dot(q[s*i + s-1-t], k[s*j + t])     an antidiagonal of the s x s square
 *   P = softmax of raw * factor over the groups j that row i may look at
 *   A[J] = sum of P over the rows i of the block, the groups j of key block J
 *
 * Groups of `stride_tokens` are counted from token 0, or, with slots, keys by their slots. Tokens
 * that are not here (queries of another rank or call, keys past the end) are zeros; a row without
 * any local query does not count. */
#ifndef SB_KERNELS_EXEC_ANTIDIAGONAL_H
#define SB_KERNELS_EXEC_ANTIDIAGONAL_H

#include "kernels/exec/product.h"
#include "kernels/exec/row_blocks.h"

typedef enum sb_antidiagonal_sees {
    SB_ANTIDIAGONAL_CAUSAL,  /* groups up to the row's own, which counts whole */
    SB_ANTIDIAGONAL_EARLIER, /* groups of the segments before its own */
    SB_ANTIDIAGONAL_SEES_COUNT
} sb_antidiagonal_sees;

typedef struct sb_antidiagonal {
    int64_t block_tokens, stride_tokens, groups; /* groups of a block */
    int64_t n_blocks, segment_blocks;
    int64_t heads; /* query heads that share one packing of keys: same keys and order */
    sb_antidiagonal_sees sees;
    int64_t              lanes; /* groups, padded */
    int64_t              batch; /* row blocks that share one packing of keys */
    int64_t              used_rows, block_rows, n_rows; /* used: rounded up to one pass only */
} sb_antidiagonal;

/* One thread's, for a batch of row blocks and g->heads query heads. A row is a group of queries of
 * one head: [row block of the batch][head][group in the block]; a row block has block_rows of them
 * after padding, the batch n_rows. */
typedef struct sb_antidiagonal_scratch {
    float   *q;       /* [n_rows][stride * d], each group's tokens in reverse order */
    float   *k;       /* [stride * d][SB_PRODUCT_LANES]: key groups, transposed */
    float   *raw;     /* [block_rows][SB_PRODUCT_LANES] sums of products */
    float   *x;       /* [n_rows][lanes] logits of one key block; lanes: groups, padded */
    float   *e;       /* [block_rows][lanes] their exponentials */
    float   *top;     /* [n_blocks][n_rows] largest logit of a row in a block */
    float   *sum;     /* [n_blocks][n_rows] sum of exp(logit - top), later over the row's maximum */
    float   *row_top; /* [n_rows] */
    double  *row_sum; /* [n_rows] */
    uint8_t *here;    /* [row blocks of the batch][groups] 1: some token of it is a local query */
} sb_antidiagonal_scratch;

typedef struct sb_antidiagonal_in {
    const sb_tensor *q, *k;  /* k: all keys, in id order */
    const sb_slots  *slots;  /* NULL: keys stand in id order */
    float            factor; /* 1 / (sqrt(d) * s * norm) */
    int32_t          round_raw;
    sb_product_fn    product;
} sb_antidiagonal_in;

sb_antidiagonal sb_antidiagonal_of(const sb_row_blocks *blocks, int64_t stride_tokens,
                                   int64_t heads, sb_antidiagonal_sees sees);

/* out NULL: a counting arena has no room to note it in. */
sb_status sb_antidiagonal_layout(const sb_antidiagonal *g, sb_arena *a, int64_t dim,
                                 sb_antidiagonal_scratch *out);

/* Local rows [first, first + n) of the plan, n at most g->batch, of query heads [head, head +
 * g->heads) of one KV head. The place of a (head, row) in the ids gets the fp32 patterns of A[J] of
 * all blocks that it sees: J = 0..block, or those of earlier segments. fp32 sums of products in
 * token order, fp64 sums of probabilities in block and row order, exp of the portable variant: the
 * bits depend neither on the CPU nor on batches, threads or sharding. Cost
 * 2 * d * block_tokens^2 / s FLOP a head and pair of blocks. */
void sb_antidiagonal_scores(const sb_antidiagonal *g, const sb_antidiagonal_in *in, int64_t head,
                            const sb_row_blocks *blocks, const sb_plan *plan, int64_t first,
                            int64_t n, const sb_antidiagonal_scratch *s);

/* FLOP of the products of one query head over the plan's rows, 2 * d * B^2 / s a pair of blocks
 * [quality_metrics B4]; N^2 d / s in all where rows see what is causal [xattention 7]. */
int64_t sb_antidiagonal_flops(const sb_antidiagonal *g, const sb_plan *plan, int64_t dim);

#endif
