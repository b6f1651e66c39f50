/* The plan on a device: room, which follows from the shape, and steps. It makes the lists of some
 * row blocks, all of one rank or those of one among several, whatever layout deals them out;
 * columns and diagonals come from all keys and the last queries in ctx->last_q, on every rank the
 * same. */
#ifndef SB_KERNELS_MINFERENCE_DEVICE_H
#define SB_KERNELS_MINFERENCE_DEVICE_H

#include "kernels/exec/last_probe_device.h"
#include "kernels/minference/minference.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One query head. */
typedef struct sbi_minference_device_head {
    int32_t pattern; /* sb_minference_pattern */
    int32_t place;   /* among the heads with lines */
    int64_t n_vertical, n_slash;
} sbi_minference_device_head;

/* Arrays are device memory; by value to kernels. Sets are bits, 32 a word. */
typedef struct sbi_minference_device {
    int64_t                     heads, kv_heads, n_keys, dim;
    int64_t                     n_rows, n_blocks;        /* row blocks here; blocks of keys */
    int64_t                     top_k_blocks, tile_step; /* a block's number times this is its id */
    int64_t                     n_lines, n_blocks_heads; /* heads of either pattern */
    int64_t                     words, most_columns;
    sbi_minference_device_head *head; /* [heads] */
    const int32_t              *row_id; /* [n_rows] the plan's: ids of the row blocks, ascending */
    /* vertical_slash */
    sb_last_probe probe;
    uint32_t     *set;    /* [n_lines][2][words] chosen columns, chosen distances */
    int32_t      *before; /* [n_lines][words] columns in the words before */
    int32_t      *skip;   /* [n_lines][words] last word before that has a distance; 0: none */
    int32_t      *column; /* [n_lines][most_columns] ids of the columns */
    /* block_sparse */
    int32_t *is_blocks; /* [heads] 1: of this pattern */
    float   *k_mean;    /* [kv_heads][dim][n_blocks] */
    float   *q_mean;    /* [heads][n_rows][dim] */
    /* of sums */
    void   *temp;
    int64_t temp_bytes;
} sbi_minference_device;

/* sb_method.layout_device and plan. Room: the index as the CPU lays it out; 16 bytes a key and head
 * with lines; 4 dim / 64 bytes a key and head for means of blocks.
 * Against the CPU's plan: block_sparse has the same bits. Lines come from last_probe_device.h, so
 * they differ where the last bit of a product rounds a logit to the next bf16 and the sums of two
 * lines are nearly equal; the lists of the same lines are the same. Two passes over the keys here
 * (three there), which estimate_flops counts; every rank takes them. Errors: SB_ERR_UNSUPPORTED
 * with a communicator of several ranks, head_dim but 64 and 128, block_sparse above some six
 * million tokens, a run of queries that is not of whole row blocks. */
sb_status sbi_minference_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                       sb_plan *plan, sb_cache *cache);
sb_status sbi_minference_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                   const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                   sb_plan *plan);

/* set, before and column from the probe [3.3]. */
sb_status sbi_minference_lines_cuda(const sbi_minference_device *r, void *stream);
/* Row pointers of both parts, then tiles and tokens of heads with lines [3.4]. tokens NULL: no head
 * has lines. */
sb_status sbi_minference_lengths_cuda(const sbi_minference_device *r, int64_t *tile_ptr,
                                      int64_t *token_ptr, void *stream);
sb_status sbi_minference_fill_lines_cuda(const sbi_minference_device *r, const sb_csr *tiles,
                                         const sb_csr *tokens, void *stream);
/* Means of the blocks of k and q, then tiles of block_sparse heads [3.6]. */
sb_status sbi_minference_means_cuda(const sbi_minference_device *r, const sb_tensor *q,
                                    const sb_tensor *k, void *stream);
sb_status sbi_minference_fill_blocks_cuda(const sbi_minference_device *r, const sb_csr *tiles,
                                          void *stream);

#ifdef __cplusplus
}
#endif
#endif
