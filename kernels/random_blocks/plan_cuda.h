/* The plan on a device. */
#ifndef SB_KERNELS_RANDOM_BLOCKS_PLAN_CUDA_H
#define SB_KERNELS_RANDOM_BLOCKS_PLAN_CUDA_H

#include "kernels/random_blocks/random_blocks.h"

#ifdef __cplusplus
extern "C" {
#endif

/* sb_method.layout_device and plan. Room: the index with a place for every tile that may be seen,
 * and a bit each. The lists are the CPU's, bit for bit. Cost: a thread a list, as many draws. */
sb_status sbi_random_blocks_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                          sb_plan *plan, sb_cache *cache);
sb_status sbi_random_blocks_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                      const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                      sb_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
