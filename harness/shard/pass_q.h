/* Prefill in which queries go round and keys stay [sharding 4e], for short chunks behind many keys,
 * for the files of this folder and those who lay it out.
 *
 *   step 0      own queries on own keys                          partial (o, lse) in fp32
 *   step s      queries of rank - s, from rank - 1, on own keys   partial of those
 *   at last     every partial to the rank whose queries it is of, merged in the order of ranks
 *
 * Bytes received, all ranks together, of T queries: (R - 1) * T * heads * head_dim * 2 of queries
 * and (R - 1) * T * heads * (head_dim + 1) * 4 of partials. Less than keys going round where T / N
 * < 2 * kv_heads * 2 / (heads * 6): a sixth for 8 of 32 heads. */
#ifndef SB_HARNESS_SHARD_PASS_Q_H
#define SB_HARNESS_SHARD_PASS_Q_H

#include "harness/shard/shard.h"

/* Room for the queries of two ranks, for a partial of every query of the sequence and, of the own
 * ones, of every rank: 4 * heads * (head_dim + 1) * (T + R * own queries) bytes, each partial up to
 * the next 128. Tokens before first_query have none. No room for keys but the cache's. Rows come
 * from `data`, the rest from `a`. The link is set in s->link by the caller. sb_shard_layout_method
 * then counts two indexes: of the own rows, and of all. */
sb_status sb_shard_layout_pass_q(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                 const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                 int64_t head_dim, int64_t first_query);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method that reads keys or queries when it plans,
 * for then no rank knows what another rank's queries want; or that has no keys. */
sb_status sb_pass_q_check(const sb_method *m);

/* Queries of all ranks, as one call would see them; borrows from s. */
sb_shape sbi_pass_q_shape(const sb_shard *s, const sb_shape *shape);

/* The steps of sb_shard_prefill behind the layout of the index; st: of that, on this rank. o and
 * lse equal those of gathered keys but for the order of sums. Collective over s->link. */
sb_status sbi_prefill_pass_q(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_shape *shape, const sb_tensor *q, sb_cache *cache,
                             float scale, sb_tensor *o, float *lse, sb_status st);

static inline int sbi_is_pass_q(const sb_shard *s) { return s->prefill == sbi_prefill_pass_q; }

#endif
