/* Prefill with keys gathered some heads at a time [sharding 4a], for the files of this folder and
 * those who lay it out. */
#ifndef SB_HARNESS_SHARD_GROUPS_H
#define SB_HARNESS_SHARD_GROUPS_H

#include "harness/shard/shard.h"

/* Room for two groups of `heads_at_once` KV heads of all ranks, instead of that for all heads:
 *   2 * (2 * heads_at_once * n_tokens * head_dim * 2 bytes)     K and V
 * Methods that look at all keys before they attend (whole_keys 1) have K of all heads besides, and
 * groups of V alone. Key rows come from `data`, the rest from `a` (the same arena on the cpu). At
 * most all KV heads at once. last_queries: so many last queries of the sequence come with the first
 * group, of all heads, into room from `data` besides; for a device that plans. first_query: tokens
 * before it have no query. The link is set in s->link by the caller. */
sb_status sb_shard_layout_groups(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                 const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                 int64_t head_dim, int64_t heads_at_once, int whole_keys,
                                 int64_t first_query, int64_t last_queries);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method without keys. */
sb_status sb_groups_check(const sb_method *m);

/* The steps of sb_shard_prefill behind the layout of the index; st: of that, on this rank.
 * Collective over s->link, and over ctx->comm. o and lse have the bits that a gather of all heads
 * gives. */
sb_status sbi_prefill_groups(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_shape *shape, const sb_tensor *q, sb_cache *cache,
                             float scale, sb_tensor *o, float *lse, sb_status st);

#endif
