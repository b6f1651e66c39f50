/* The plan on a device, and its two stages. */
#ifndef SB_KERNELS_ANCHOR_ATTENTION_PLAN_CUDA_H
#define SB_KERNELS_ANCHOR_ATTENTION_PLAN_CUDA_H

#include "kernels/anchor_attention/anchor_attention.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SBI_ANCHOR_BLOCK = 128, /* block_tokens of a plan on the device */
    SBI_ANCHOR_SLICE = 64,  /* mean queries that one product takes */
};

/* sb_method.layout_device and plan, apart from the dense cases. Room: the index, a bit for every
 * (head, super-block, key), the means. SB_ERR_UNSUPPORTED: windows `released` (the executors count
 * a key once), block_tokens but 128, step_blocks no multiple of 16, head_dim, more than one rank,
 * several runs of queries of which one breaks off inside a super-block before the next one, a
 * device but of compute capability 9.0. Keys whose logit lies within some 1e-4 of the threshold may
 * be kept on one side only: sums of products run in another order, and the mean query stands as the
 * sum of two bf16 numbers. */
sb_status sbi_anchor_layout_device(sb_ctx *ctx, const sb_anchor_attention_params *p,
                                   const sb_shape *shape, sb_plan *plan);
sb_status sbi_anchor_plan_cuda(sb_ctx *ctx, const sb_anchor_attention_params *p,
                               const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                               sb_plan *plan);

/* Super-blocks with candidates: local rows [first_row, first_row + n_rows), numbered from 0 here.
 * Their queries lie side by side, whichever super-blocks they are. Means stand by
 * [kv head][row][mean_rows]: head of the group, then block of the super-block, then padding up to
 * whole slices. What a plan's method_data begins with. */
struct sbi_anchor_device {
    int64_t        first_row, n_rows;
    const int32_t *super_id;   /* device [n_rows]: ids, ascending; in the plan's row_id */
    int64_t        last_super; /* the last of them */
    int64_t        step_blocks, mean_rows;
    int64_t        heads, kv_heads, dim;
    int64_t        slot;   /* first local query of row 0 */
    float          factor; /* sc * log2(e) */
    float          theta2;
    int32_t        round;          /* 1: the roundings of the released code */
    uint16_t      *q_high, *q_low; /* device: mean queries, their sum; bf16 */
    float         *anchor;         /* device: mean anchors; of padding out of reach */
    size_t         mean_bytes, anchor_bytes;
    uint32_t      *word; /* device [head][list_rows][words] */
    int64_t        list_rows, words;
};

/* Stage 1: means of queries and anchors; queued. Bound: the matrix unit, 2 * d * B * B a block of
 * queries and tile that it always sees, some 10 tiles on average. */
sb_status sbi_anchor_means_cuda(const struct sbi_anchor_device *a, const sb_tensor *q,
                                const sb_tensor *k, void *stream);

/* Stage 2: bits of kept keys; queued, on words that are clear. Bound: the matrix unit, 4 * d *
 * mean_rows a super-block and candidate (two bf16 numbers a mean). */
sb_status sbi_anchor_stripes_cuda(const struct sbi_anchor_device *a, const sb_tensor *k,
                                  void *stream);

#ifdef __cplusplus
}
#endif
#endif
