/* What one layer keeps from prefill to the last decode step: K and V of the tokens this rank owns,
 * their ids, and what a method itself carries on (HiP's last index, the state of linear attention).
 * Storage comes from an arena once (capacity in tokens); appending never allocates. mark/rollback
 * serve decode scripts that try several continuations of one prompt. */
#ifndef SB_KERNELS_BASE_CACHE_H
#define SB_KERNELS_BASE_CACHE_H

#include "kernels/base/arena.h"
#include "kernels/base/backend.h"
#include "kernels/base/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_cache {
    sb_tensor k, v;            /* [kv_heads][capacity_tokens][head_dim]; .tokens = filled; .gid.run = runs below */
    int64_t   capacity_tokens;
    sb_run   *runs;            /* room for max_runs */
    int32_t   max_runs;
    int64_t   n_global;        /* tokens of the whole sequence so far, on all ranks: the next token's id */
    void *state; /* a method's own, method.h state_bytes: plain bytes without pointers; zeros after
                    a reset */
    int64_t state_bytes;
    /* Whose memory the state is, set by the caller after layout; NULL: host memory, where plans
     * made on the host read it. */
    const sb_backend *state_memory;
    /* saved by mark */
    int64_t mark_tokens, mark_global;
    int32_t mark_runs;
    int64_t mark_last_len;
    void   *mark_state;
} sb_cache;

/* max_runs: runs of the prefill shard + one per decode token in the worst case. bf16. Counting arenas leave pointers NULL. */
sb_status sb_cache_layout(sb_cache *c, sb_arena *a, int64_t kv_heads, int64_t head_dim, int64_t capacity_tokens, int32_t max_runs);
/* The same with K and V from `data`, an arena over memory of a device, and what the host reads from
 * `a`. */
sb_status sb_cache_layout_on(sb_cache *c, sb_arena *data, sb_arena *a, int64_t kv_heads,
                             int64_t head_dim, int64_t capacity_tokens, int32_t max_runs);
/* Room for the state and its mark, after sb_cache_layout; 0 bytes: none. */
sb_status sb_cache_layout_state(sb_cache *c, sb_arena *a, int64_t bytes);
/* reset, mark and rollback: what they do to a state on a device is queued on its backend's own
 * stream. Errors: those of the backend; never in host memory. */
sb_status sb_cache_reset(sb_cache *c);
/* Announce that tokens [start, start + len) of the sequence are stored next; returns their first local slot through *slot.
 * start must be past the last stored id. Caller then writes k and v rows. Errors: SB_ERR_NOMEM when full. */
sb_status sb_cache_extend(sb_cache *c, int64_t start, int64_t len, int64_t *slot);
sb_status sb_cache_mark(sb_cache *c);
sb_status sb_cache_rollback(sb_cache *c); /* to the last mark; may be called again */

#ifdef __cplusplus
}
#endif
#endif
