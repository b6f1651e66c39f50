/* Means of blocks of rows, on a device: the fp32 sums of the CPU planners, in the same order. */
#ifndef SB_KERNELS_EXEC_BLOCK_MEANS_DEVICE_H
#define SB_KERNELS_EXEC_BLOCK_MEANS_DEVICE_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SB_MEAN_WHOLE = 1, /* divide by block_tokens, in a short block too: as if zeros filled it */
    SB_MEAN_ROUND = 2, /* every step to bf16 */
    SB_MEAN_GROW  = 4, /* with WHOLE: a short block's mean times block_tokens / its rows */
    SB_MEAN_SCALE = 8, /* over sqrt(dim) */
};

typedef struct sb_block_means {
    float *out; /* device; mean of (head, block, dim) at [head * head_stride + block *
                   block_stride + dim * dim_stride] */
    int64_t        head_stride, block_stride, dim_stride;
    int64_t        block_tokens;
    uint32_t       steps; /* OR of the above */
    const int32_t *only;  /* device [heads]: heads with 0 are left out; NULL: none is */
} sb_block_means;

/* Sums over rows in order, then sum / rows, rounded, grown and rounded, scaled and rounded. Reads t
 * once; queued. head_dim 64 or 128, else SB_ERR_UNSUPPORTED. */
sb_status sb_block_means_run(const sb_block_means *m, const sb_tensor *t, void *stream);

#ifdef __cplusplus
}
#endif
#endif
