/* Prefill in a ring, for the files of this folder and for those who ask what can run so. */
#ifndef SB_HARNESS_SHARD_RING_H
#define SB_HARNESS_SHARD_RING_H

#include "harness/shard/shard.h"

enum { SB_RING_HEADS = 256 }; /* KV heads */

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method whose plan reads all keys, or that has
 * none. */
sb_status sb_ring_check(const sb_method *m);

/* The steps of sb_shard_prefill after plan; st: of plan, on this rank. Collective over s->link. */
sb_status sbi_prefill_ring(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o,
                           float *lse, sb_status st);

#endif
