/* The executors that attention methods name in their records. Each writes o and lse of the local
 * queries; none allocates.
 *
 *   q [heads][n_q][d], k, v [kv_heads][n_k][d] bf16 with global ids; o bf16 or fp32; lse natural
 * log, fp32. SB_OUT_SET writes; SB_OUT_MERGE folds these keys into a running fp32 (o, lse) of other
 * keys [sharding 3]. A row that sees none of the keys at hand: o = 0, lse = -inf (MERGE:
 * unchanged). Rounding: fp32 throughout, one rounding of o at the end. A row's bits do not depend
 * on tiling, threads or sharding of the queries. Local, no communication. The wall time goes to
 * SB_PHASE_COMPUTE. Errors: SB_ERR_UNSUPPORTED head_dim (multiples of 16 up to 256) or heads;
 * SB_ERR_INTERNAL when parts do not fit. */
#ifndef SB_KERNELS_EXEC_ATTEND_H
#define SB_KERNELS_EXEC_ATTEND_H

#include "kernels/base/method.h"

/* All keys up to the query's own; plan is not read and may be NULL. 4 * d * pairs FLOP. */
sb_status sb_attend_dense_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                              const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

/* Plans of the WINDOW part alone: sink and recent keys. */
sb_status sb_attend_window_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                               const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

/* Any mix of parts. Work is proportional to the listed keys: single TOKENS and small TILES are
 * packed, 64 to a block (key_blocks.h); the keys of a window cost the 64-key blocks they touch. */
sb_status sb_attend_block_csr_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                  const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

#endif
