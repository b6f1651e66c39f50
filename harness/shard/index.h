/* The method's calls as prefill and decode make them, for the files of this folder. */
#ifndef SB_HARNESS_SHARD_INDEX_H
#define SB_HARNESS_SHARD_INDEX_H

#include "harness/shard/shard.h"

/* Can this communicator, backend and query serve the call? Local. */
sb_status sbi_call_check(const sb_shard *s, const sb_ctx *ctx, const sb_method *m,
                         const sb_tensor *q, int64_t q_tokens);

/* Drop the last call's index and lay out this one's. */
sb_status sbi_index_layout(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_shape *shape, sb_cache *cache);

/* What a device does not plan itself is planned on the host. */
sb_status sbi_plan_here(sb_shard *s, const sb_ctx *ctx, const sb_method *m, const void *params,
                        const sb_shape *shape, const sb_tensor *rows, const sb_tensor *k,
                        sb_cache *cache);

/* What the link moves from here on counts anew. */
static inline void sbi_link_begin(sb_link *l)
{
    l->received_bytes = l->sent_bytes = l->groups = l->ns = 0;
}

/* The host waits until what the link moved, and what is queued on `stream` besides, is there; in
 * host memory it is. */
static inline sb_status sbi_link_arrive(sb_link *l, void *stream)
{
    return l->backend->id == SB_CPU ? SB_OK : sb_link_drain(l, stream);
}

/* fp32 numbers of one rank's partial: o [heads][head_dim], lse [heads], its status. */
static inline int64_t sbi_partial_floats(const sb_shard *s)
{
    return s->heads * s->head_dim + s->heads + 1;
}

#endif
