/* Prefill in a ring, for the files of this folder and for those who ask what can run so. */
#ifndef SB_HARNESS_SHARD_RING_H
#define SB_HARNESS_SHARD_RING_H

#include "harness/shard/shard.h"

enum { SB_RING_HEADS = 256 }; /* KV heads */

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method whose plan reads all keys, or that has
 * none. */
sb_status sb_ring_check(const sb_method *m);

/* The same for a scheme of another name that has a ring in it. */
sb_status sb_ring_check_as(const char *name, const sb_method *m);

/* Room of a ring in which each member has the tokens of a rank of `map`; rows: queries here. */
sb_status sbi_ring_layout(sb_shard *s, sb_arena *a, const sb_map *map, int64_t heads,
                          int64_t kv_heads, int64_t rows);

/* What the link moved since its numbers were zero, on the communicator's account: one for all that
 * ranks move, whatever moves it. */
void sbi_link_account(const sb_link *l, sb_comm *comm);

/* The steps of sb_shard_prefill after plan; st: of plan, on this rank. shape: of the queries here.
 * Collective over s->link. */
sb_status sbi_prefill_ring(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                           sb_tensor *o, float *lse, sb_status st);

#endif
