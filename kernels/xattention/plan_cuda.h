/* The plan on a device. */
#ifndef SB_KERNELS_XATTENTION_PLAN_CUDA_H
#define SB_KERNELS_XATTENTION_PLAN_CUDA_H

#include "kernels/xattention/xattention.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of shared memory that a choice works in; what a device allows bounds the sequence. */
enum { SBI_XATTENTION_SHARED_BYTES = 200 * 1024 };

/* sb_method.layout_device and plan, apart from the dense cases. Queries may be several runs of
 * whole blocks (antidiagonal_device.h): a row's list is that of the plan of all rows. Room: the
 * index with a place for every causal tile, a bit each, and that of sb_antidiagonal_device_layout.
 * Errors: as there; SB_ERR_UNSUPPORTED: too many tokens (8 million at a stride of 16). The lists
 * are the CPU's but where a score lies so close to the middle of two bf16 numbers that the last
 * bits of sums decide, or their sum so close to tau's. */
sb_status sbi_xattention_layout_device(sb_ctx *ctx, const sb_xattention_params *p,
                                       const sb_shape *shape, sb_plan *plan);
sb_status sbi_xattention_plan_cuda(sb_ctx *ctx, const sb_xattention_params *p,
                                   const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                                   sb_plan *plan);

/* A batch of rows of all heads: scores of key blocks from what sb_antidiagonal_device_scores left,
 * then the choice (select.h), as bits. */
struct sbi_xattention_choice {
    const float   *sum, *top;              /* of the batch */
    int64_t        n_blocks, n_tiles;      /* their strides */
    int64_t        n_groups, first_group;  /* of the batch, local */
    int64_t        first_id;               /* row block of local row 0 */
    int64_t        n_rows;                 /* local, of a head */
    const int32_t *row_id;                 /* [n_rows]; NULL: first_id and those after it */
    int64_t        first_query, end_query; /* tokens, local, from the begin of row 0 on */
    int64_t        stride_tokens, groups;  /* of a block */
    int64_t        first_chunk_blocks;     /* row blocks before that follow FIRST_CHUNK */
    double         tau;
    uint32_t      *word; /* [head][row][words] */
    int64_t        words;
};

/* Of shared memory: a factor for each group of a row block and tile of keys, a count for each word,
 * a score for each block. */
static inline int64_t sbi_xattention_choice_bytes(int64_t groups, int64_t n_tiles, int64_t words)
{
    return 4 * groups * n_tiles + (4 + 32 * 2) * words;
}

sb_status sbi_xattention_choose_cuda(const struct sbi_xattention_choice *c, int64_t heads,
                                     void *stream);

#ifdef __cplusplus
}
#endif
#endif
