/* Block scores by antidiagonals on a device [xattention 3, steps 1 to 3], of one contiguous run of
 * queries over all keys. antidiagonal.h says what is computed; rows see what is causal.
 *
 * The groups of a head are the rows of a matrix [tokens / s][s * d] as they lie, so the sums are a
 * product of two such matrices in tiles of 128 x 256 groups, the tokens of a group of queries taken
 * from the last one on. A row's normaliser is known at its end only. What a tile leaves behind:
 *
 *   top[h][row][tile]     largest logit of the row in the tile, base 2
 *   sum[h][row][block]    of exp2(logit - top) over the groups of a key block
 *
 * of a batch of rows, as many as the room holds: no array is N/s x N/s. */
#ifndef SB_KERNELS_EXEC_ANTIDIAGONAL_DEVICE_H
#define SB_KERNELS_EXEC_ANTIDIAGONAL_DEVICE_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SB_ANTIDIAGONAL_ROWS = 128, /* groups of queries of a tile */
    SB_ANTIDIAGONAL_TILE = 256, /* groups of keys of a tile */
};

/* Bytes of sums that a batch may take, unless a single tile's rows need more. A variable so that
 * tests see more than one batch. */
extern int64_t sbi_antidiagonal_batch_bytes;

typedef struct sb_antidiagonal_device {
    int64_t  stride_tokens, groups; /* groups of a block: 8, 16 or 32 */
    int64_t  heads, kv_heads, dim;
    sb_run   q; /* ids of the queries */
    int64_t  n_keys;
    sb_bf16 *q_whole, *k_whole; /* device: copies with zeros around them, where a run of tokens
                                   does not begin and end with a group; else NULL */
    float *sum, *top;           /* device */
} sb_antidiagonal_device;

/* Rows that are scored together: groups [first_group, first_group + n_groups) of the sequence. */
typedef struct sb_antidiagonal_batch {
    int64_t first_group, n_groups;
    int64_t n_tiles;  /* of keys; a row's own and those after it may be unwritten past its end */
    int64_t n_blocks; /* of keys, those of n_tiles tiles: the stride of sum */
} sb_antidiagonal_batch;

/* For layout_device: room from ctx->arena. Up to sbi_antidiagonal_batch_bytes and an eighth; copies
 * of q and k where they do not consist of whole groups. SB_ERR_UNSUPPORTED: not one rank with one
 * run of queries, head_dim, groups, the device. */
sb_status sb_antidiagonal_device_layout(sb_antidiagonal_device *a, const sb_ctx *ctx,
                                        const sb_shape *shape, int64_t block_tokens,
                                        int64_t stride_tokens);

/* The batch after *b, the first one where b->n_groups is 0; 0: there is none. */
int sb_antidiagonal_device_next(const sb_antidiagonal_device *a, sb_antidiagonal_batch *b);

/* Queued, once before the batches: the copies, if any. */
sb_status sb_antidiagonal_device_begin(const sb_antidiagonal_device *a, const sb_tensor *q,
                                       const sb_tensor *k, void *stream);

/* sum and top of a batch; queued. factor: 1 / (sqrt(d) * s * norm). round_raw: sums of products
 * become bf16 first. Sums of products in fp32 by the matrix unit, of exponentials in fp32: last
 * bits differ from the CPU's. 2 * d * s FLOP a pair of groups; bound by the matrix unit. */
sb_status sb_antidiagonal_device_scores(const sb_antidiagonal_device *a,
                                        const sb_antidiagonal_batch *b, const sb_tensor *q,
                                        const sb_tensor *k, float factor, int32_t round_raw,
                                        void *stream);

#ifdef __cplusplus
}
#endif
#endif
