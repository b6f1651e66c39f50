/* The plan on a device. */
#ifndef SB_KERNELS_FLEXPREFILL_PLAN_CUDA_H
#define SB_KERNELS_FLEXPREFILL_PLAN_CUDA_H

#include "kernels/flexprefill/flexprefill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The record's layout_device and plan where the mask is not dense; one rank. Room beside the index
 * (a place for every causal block of every head): 16 bytes a key and head for columns and
 * diagonals, 4 * dim / block_tokens bytes a key and head for means, a bit a block of the index.
 * Scores of query-aware heads stand in the index until it is written.
 *
 * Against the CPU's plan: block means, their scores, the softmax over them and all sums of masses
 * have the same bits but for the order of one fp64 sum a row; the probe's weights differ in the
 * last bits of fp32 products and exponentials. So a budget may differ where the crossing line is a
 * multiple of 128, a block where two masses are nearly equal.
 *
 * Errors: SB_ERR_UNSUPPORTED with more than one rank, queries of a part of the sequence, head_dim
 * but 64 and 128. */
sb_status sbi_flex_layout_device(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                                 sb_plan *plan);
sb_status sbi_flex_plan_cuda(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                             const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
