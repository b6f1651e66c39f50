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

#ifdef __cplusplus
extern "C" {
#endif

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

/* One phrase for `doctor`: the kernels that attention on the current CUDA device would take. */
sb_status sb_attend_cuda_kernels(char *out, size_t bytes);

/* The same on the cuda backend: tensors' data, lse and the arrays of the plan (plan_place.h) are
 * device memory; ids of tensors (gid) and the structs themselves are host memory. Queued on
 * ctx->stream; where ctx->phases is given, the call waits and adds device time by events.
 * Rounding: products of bf16 in fp32, softmax in fp32, P to bf16 before its product with V, o once.
 * A plan's index is followed as it is, but no id leads out of K and V.
 * SPAN_CUDA_KERNEL=auto|decode|gather|pairs|portable|slots|sm90 chooses the kernel: auto takes the
 * fastest that can do the call; a kernel asked for by name refuses what it cannot do. None
 * allocates but decode: its partials (a few MiB) come from a pool in the order of the stream, and
 * stay there. Errors: SB_ERR_UNSUPPORTED with what was found and what is allowed: head_dim but 64
 * and 128, ids of 2^31 and up, keys in more than 32 runs, a device before compute capability 8.0;
 * SB_ERR_DEVICE; SB_ERR_INTERNAL as above. */
sb_status sb_attend_dense_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                               const sb_plan *plan, sb_cache *cache, sb_attn_out *out);
sb_status sb_attend_window_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                const sb_plan *plan, sb_cache *cache, sb_attn_out *out);
sb_status sb_attend_block_csr_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                   const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

/* For sb_method.device_bytes: room in ctx->arena with which a plan with slots takes the kernel
 * `slots`: copies of K and V in the order of slots, of as many query heads at a time as fit 2 GiB,
 * and of one at least. Without it such a plan is followed key by key, by `gather`. */
int64_t sb_attend_slots_bytes(const sb_shape *shape);

/* For sb_method.step_bytes, of dense: the partials of kernel `decode`, which alone follows a step.
 * With ctx->step its grids are of all rows that k has room for (head_stride), CTAs without keys
 * leave at once, and o and lse have the bits of the same call without a step. */
int64_t sb_attend_step_bytes(const sb_shape *shape);

#ifdef __cplusplus
}
#endif
#endif
