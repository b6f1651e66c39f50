/* The plan on a device; its stages are those of plan_cpu.h, each over all heads at once:
 *
 *   maxima, tops, importance   what the last block of queries makes of each key   [3, step 1]
 *   sort                       keys of each segment                               [3, step 2]
 *   pool, scores               pooled queries and keys, their products            [3, step 3]
 *   choose                     softmax, tau of the mass, forced blocks, as bits   [3, steps 4, 5]
 *
 * Scores of blocks stand in the places of the ids until these are written, as on the CPU. */
#ifndef SB_KERNELS_PBS_ATTN_PLAN_CUDA_H
#define SB_KERNELS_PBS_ATTN_PLAN_CUDA_H

#include "kernels/exec/plan_bits_device.h"
#include "kernels/exec/row_blocks_device.h"
#include "kernels/pbs_attn/pbs_attn.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SBI_PBS_PROBE_MAX   = 256,  /* block_tokens on a device, */
    SBI_PBS_PROBE_STEP  = 8,    /* a multiple of this, */
    SBI_PBS_SEGMENT_MAX = 4096, /* and segment_tokens: sorted in shared memory */
    SBI_PBS_CHUNK       = 1024  /* keys of a part of the probe's softmax */
};

typedef struct sbi_pbs_device {
    sb_pbs_attn_counts   counts; /* first, as in sbi_pbs_room; zeros: a device counts none */
    sb_row_blocks_device rows;
    sb_plan_bits         bits;
    int64_t              block_tokens, segment_tokens, blocks_per_segment;
    int64_t              n_keys, n_segments, n_chunks; /* segments: complete ones */
    int64_t              heads, group, dim;            /* group: query heads of a KV head */
    float   *part;   /* [heads][chunks][2][B] largest logit of a chunk, sum of exp2(logit - it) */
    float   *top;    /* [heads][2][B] the same over all keys, the sum as its inverse */
    float   *score;  /* [heads][segments * S] importance */
    float   *k_pool; /* [heads][segments * S / B][d] */
    float   *q_pool; /* [heads][rows][d] */
    int32_t *first;  /* [heads] the block of key 0; -1: none is forced */
} sbi_pbs_device;

/* sb_method.layout_device and plan, of all rows or of one rank's row blocks: the order of keys
 * hangs on the last block of queries, which is in ctx->last_q, and is the same on every rank. Room:
 * the index, a bit a block and row, 6 bytes a key and head, 8 * d / B more for pooled vectors.
 * Beside the CPU's plan: products and sums of fp32 in another order and exp2 of the device, so keys
 * of almost equal importance may change places, and a row may keep a block more or less where its
 * mass lies within some 1e-6 of tau; keys that are the same have the same importance here, too.
 * Estimate: 2 * 2 * B * N * d FLOP a head by tensor cores, d * (N / B)^2 in plain fp32.
 * Errors: SB_ERR_UNSUPPORTED with the reason: a communicator of several ranks, fewer queries in
 * the sequence than keys, selector
 * antidiagonal, perm_share group, compat official, sizes past those above. */
sb_status sbi_pbs_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache);
sb_status sbi_pbs_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan);

/* sb_method.device_bytes: of sb_attend_slots_bytes where there are slots. */
int64_t sbi_pbs_device_bytes(const void *params, const sb_shape *shape);

/* The stages, queued on `stream`. factor: 1 / sqrt(d); last: ends with the sequence's last block of
 * queries. */
sb_status sbi_pbs_importance_cuda(const sbi_pbs_device *r, const sb_tensor *last,
                                  const sb_tensor *k, float factor, void *stream);
sb_status sbi_pbs_sort_cuda(const sbi_pbs_device *r, int force, const sb_slots *slots,
                            void *stream);
sb_status sbi_pbs_pool_cuda(const sbi_pbs_device *r, const sb_pbs_attn_params *p,
                            const sb_tensor *q, const sb_tensor *k, const sb_slots *slots,
                            void *stream);
/* Logits into the places of `ids`. */
sb_status sbi_pbs_scores_cuda(const sbi_pbs_device *r, float factor, int32_t *ids, void *stream);
/* Bits from the logits in the places of `ids`; tau >= 1: all, and none is read. */
sb_status sbi_pbs_choose_cuda(const sbi_pbs_device *r, double tau, const int32_t *ids,
                              void *stream);

#ifdef __cplusplus
}
#endif
#endif
