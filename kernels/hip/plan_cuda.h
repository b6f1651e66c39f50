/* The prefill's plan on a device: every head and query block on its own, a warp to each. */
#ifndef SB_KERNELS_HIP_PLAN_CUDA_H
#define SB_KERNELS_HIP_PLAN_CUDA_H

#include "kernels/hip/chunks.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SBI_HIP_ASKED_MAX = 32,  /* sampled queries of a block on a device */
    SBI_HIP_KEPT_MAX  = 2048 /* M */
};

/* A local query block. Its last row's candidates, how many of them any chunk has, and so how many
 * it lists: min(M, covered), or all of them; shape alone tells. */
typedef struct sbi_hip_device_row {
    int64_t      first, last; /* tokens */
    int64_t      slot;        /* local row of the first one */
    int64_t      first_id;    /* in a head's ids */
    sbi_hip_span span;
    int32_t      align; /* A */
    int32_t      n_ids;
} sbi_hip_device_row;

typedef struct sbi_hip_device {
    sbi_hip_device_row *row;   /* device [rows] */
    int64_t            *flops; /* device: of all searches */
    int64_t             n_rows, ids_per_head, heads, group, dim, n_keys;
} sbi_hip_device;

/* sb_method.layout_device and plan. One run of queries, or several of whole blocks. Room: the
 * index, 72 bytes a query block. The whole search is timed as estimate (its choice of halves
 * included: they take turns). Beside the CPU's lists: sums of the tensor cores, so chunks whose
 * scores differ in the last bits may change places in the order. flops is added to
 * plan->estimate_flops when it is fetched. Cost [hip 7]: H * N / bq * halvings * 2 M * (bk / sk)
 * keys, 2 * d bytes each out of L2. Errors: SB_ERR_UNSUPPORTED with the reason: decode, several
 * ranks, compat official, more than SBI_HIP_ASKED_MAX sampled queries, more than SBI_HIP_KEPT_MAX
 * kept blocks. */
sb_status sbi_hip_layout_device(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache);
sb_status sbi_hip_plan_cuda(sb_ctx *ctx, const void *params, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan);

/* Lists of all rows into the ids, whose row pointers are there; queued. */
sb_status sbi_hip_search_cuda(const sb_hip_params *p, const sbi_hip_device *r, const sb_tensor *q,
                              const sb_tensor *k, const sb_csr *tiles, void *stream);

#ifdef __cplusplus
}
#endif
#endif
