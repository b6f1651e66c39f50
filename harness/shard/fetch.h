/* Prefill that fetches only the keys its queries need [sharding 7.3], for the files of this folder
 * and those who lay it out.
 *
 *   index -> need: one bit a KV head and token      (need.h)
 *   phi = keys needed of other ranks / all of them, over all ranks
 *   phi < 0.6:  bits to the keys' owners | rows packed by them, one group of transfers a KV head |
 *               to their ids
 *   else:       all keys are gathered
 *
 * Methods that look at all keys before they attend have K of all ranks then; they fetch V. On a
 * device rows are packed, moved and placed there; the index and the bits are the host's, so what
 * plans on the device cannot be fetched for. Attend finds one run of ids from 0 on in any case,
 * however many runs were fetched. */
#ifndef SB_HARNESS_SHARD_FETCH_H
#define SB_HARNESS_SHARD_FETCH_H

#include "harness/shard/shard.h"

/* Room of sb_shard_layout, for a gather may be what comes of it, and on top, a KV head at a time,
 * for what is sent and received: up to 2 * 2 * n_tokens * head_dim * 2 bytes, half of it with
 * whole_keys 1 (methods that look at all keys); n_tokens * (4 + kv_heads / 4) bytes for the needs.
 * Rows come from `data`, the rest from `a`. on_device 1: `data` is memory of a device; the needs
 * have n_tokens * kv_heads / 4 bytes more there, as they travel, a gather needs no stage, and
 * whole_keys must be 0. The link is set in s->link by the caller. */
sb_status sb_shard_layout_fetch(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                int64_t head_dim, int whole_keys, int on_device);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method without keys. */
sb_status sb_fetch_check(const sb_method *m);

/* The same for several ranks of a device: a method that plans there. */
sb_status sb_fetch_check_device(const sb_method *m, const sb_backend *backend, int32_t ranks);

/* The steps of sb_shard_prefill behind the layout of the index; st: of that, on this rank.
 * s->fetch.fetched says what was decided. k_all and v_all, on a device fetch.there, hold the needed
 * rows only. o and lse have the bits that a gather gives. Collective over s->link and ctx->comm. */
sb_status sbi_prefill_fetch(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                            const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                            sb_tensor *o, float *lse, sb_status st);

static inline int sbi_is_fetch(const sb_shard *s) { return s->prefill == sbi_prefill_fetch; }

#endif
