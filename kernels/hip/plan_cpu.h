/* The two plans of the record, apart from its dense cases. */
#ifndef SB_KERNELS_HIP_PLAN_CPU_H
#define SB_KERNELS_HIP_PLAN_CPU_H

#include "kernels/hip/room.h"

/* Prefill: k holds all keys in id order, every local query block searches on its own. The search is
 * timed as estimate (its choice of halves included: they take turns), moving the lists together as
 * select. Local. Errors: SB_ERR_INTERNAL when keys are missing. */
sb_status sbi_hip_prefill_cpu(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                              const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

/* Decode: one query, the same on all ranks; k holds this rank's keys. When a search is due, the
 * ranks reduce the scores of all heads once an iteration [8 B] (timed as communicate) and choose
 * alike; else the cache's lists serve. cache NULL: a search in every call. Collective when a search
 * is due, which all ranks know alike. Errors: those of the communicator; SB_ERR_INTERNAL when one
 * rank lacks keys. */
sb_status sbi_hip_decode_cpu(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                             const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                             sb_plan *plan);

/* A search of a short context's decode, where all is kept and attention is dense: the lists that
 * later steps use. */
void sbi_hip_decode_dense(const sb_hip_params *p, const sb_shape *shape, sb_cache *cache);

#endif
