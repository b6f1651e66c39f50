/* The plan on a device. */
#ifndef SB_KERNELS_FLEXPREFILL_PLAN_CUDA_H
#define SB_KERNELS_FLEXPREFILL_PLAN_CUDA_H

#include "kernels/flexprefill/flexprefill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The record's layout_device and plan where the mask is not dense, of all rows of the sequence, or
 * of one rank's with the last queries of all in ctx->last_q: the last block where tau is 0, else
 * every query, as the cut of a query-aware head goes through the scores of all rows. Every rank
 * then works that out; lists are of its rows. Room beside the index
 * (a place for every causal block of every head): 16 bytes a key and head for columns and
 * diagonals, 4 * dim / block_tokens bytes a key and head for means, a bit a block of the index.
 * Scores of query-aware heads stand in the index until it is written; of some rows alone it is too
 * small for them, and they take 4 bytes a causal block of every head besides.
 *
 * Against the CPU's plan: block means, their scores, the softmax over them and all sums of masses
 * have the same bits but for the order of one fp64 sum a row; the probe's weights differ in the
 * last bits of fp32 products and exponentials. So a budget may differ where the crossing line is a
 * multiple of 128, a block where two masses are nearly equal.
 *
 * Errors: SB_ERR_UNSUPPORTED with a communicator of several ranks, queries of a part of the
 * sequence, runs of queries that are not whole row blocks, head_dim but 64 and 128. */
sb_status sbi_flex_layout_device(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                                 sb_plan *plan);
sb_status sbi_flex_plan_cuda(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                             const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
