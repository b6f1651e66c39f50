/* The rows of a fetch (fetch.h), once every rank knows what is needed and what is wanted of it. */
#ifndef SB_HARNESS_SHARD_FETCH_ROWS_H
#define SB_HARNESS_SHARD_FETCH_ROWS_H

#include "harness/shard/need.h"
#include "harness/shard/shard.h"

/* So many runs of one head are put together for a copy, 1 to SBI_FETCH_RUNS, which it is; tests
 * turn it down. */
enum { SBI_FETCH_RUNS = 256 };
extern int64_t sbi_fetch_runs_at_once;

/* Room for a call's transfers of one KV head. */
int64_t sbi_fetch_transfers(int32_t ranks);

static inline int64_t sbi_mask_bytes(const sb_map *map, int32_t rank)
{
    return (map->rank_tokens[rank] + 7) / 8;
}

static inline uint64_t *sbi_fetch_bits(const sb_shard *s, int64_t kv_head)
{
    return s->fetch.bits + kv_head * sbi_need_words(s->map->n_tokens);
}

/* What the peer wants of this rank's tokens, a bit each. */
static inline uint8_t *sbi_fetch_wanted(const sb_shard *s, int32_t peer, int64_t kv_head)
{
    int32_t place = peer < s->link->rank ? peer : peer - 1;
    return s->fetch.wanted +
           (place * s->kv_heads + kv_head) * sbi_mask_bytes(s->map, s->link->rank);
}

/* Rows that s->fetch.bits needs to their ids, and the own ones; those that s->fetch.wanted asks for
 * to whoever does. One group a KV head: K before V, of each the ids of a rank in its order. Queued
 * on `stream` in the memory of the link. *copied: of what this rank moves by itself; it goes on
 * meeting the others. Collective over s->link. Errors: of the link. */
sb_status sbi_fetch_needed(sb_shard *s, const sb_cache *cache, void *stream, sb_status *copied);

/* The same of all rows, straight from the cache: what a device has in place of a gather. */
sb_status sbi_fetch_all(sb_shard *s, const sb_cache *cache, void *stream, sb_status *copied);

#endif
