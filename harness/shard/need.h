/* Which keys the queries of this rank need [sharding 7.3], read from its index: token by token, one
 * bit each, one KV head after the other.
 *
 *   index of query heads      rows of this rank  ->  ranges of keys (segments.h)
 *   union over them           edges +1 .. -1     ->  sum > 0: needed
 *
 * Nothing an executor reads is left out, and but for two cases nothing else is in: the gaps of a
 * dilated window, and later keys of a segment of slots that the shard owns anyway. */
#ifndef SB_HARNESS_SHARD_NEED_H
#define SB_HARNESS_SHARD_NEED_H

#include "kernels/base/method.h"

/* Words of one KV head's bits. */
static inline int64_t sbi_need_words(int64_t n_keys) { return (n_keys + 63) / 64; }

static inline int sbi_need_bit(const uint64_t *bits, int64_t key)
{
    return (int)(bits[key / 64] >> key % 64 & 1);
}

/* Do the query heads of this plan see different keys? */
int sbi_plan_heads_differ(const sb_plan *plan);

/* bits [sbi_need_words]: keys of KV head `kv_head` that some row of shape->q_gid needs. edge
 * [n_keys + 1] is scratch. Local. Errors: SB_ERR_INTERNAL when the plan lacks a local row block.
 * Cost: O(listed ids + keys), with slots once a query head. */
sb_status sbi_need_find(const sb_plan *plan, const sb_shape *shape, int64_t kv_head, int32_t *edge,
                        uint64_t *bits);

/* Needed keys among those of gid. */
int64_t sbi_need_count(const uint64_t *bits, const sb_gid *gid);

/* The next run of needed keys in [begin, end), into *run; 0: there is none. */
int sbi_need_run(const uint64_t *bits, int64_t begin, int64_t end, sb_run *run);

#endif
