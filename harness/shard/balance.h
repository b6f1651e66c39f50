/* How evenly one operator call is shared out over ranks [sharding 2, 7.3, 7.5]: exact integers from
 * the indexes of all ranks, the same on every rank and in every run.
 *
 *   I       = work_max * ranks / work_sum     all-gather and its kin: max over ranks / mean
 *   step_I  = step_work * ranks / work_sum    ring: every step waits for its slowest rank
 *   I_lpt   = lpt_max * ranks / work_sum      the same rows dealt out greedily, longest first
 *   phi     = keys_needed / keys_foreign      what a fetch of needed keys would move, of all
 *
 * The unit of work is half a (query row, key) lane of a nominal block of 128 x 128 in which some
 * row sees some key, as index_blocks.h counts them: a block of the diagonal counts half, a block
 * that the sequence's end cuts short counts what there is of it. Keys in permuted slots have no
 * diagonal: their blocks count whole. Methods without an index: one row of one head is one unit. */
#ifndef SB_HARNESS_SHARD_BALANCE_H
#define SB_HARNESS_SHARD_BALANCE_H

#include "harness/shard/shard.h"

typedef struct sb_balance {
    int64_t work_max, work_sum; /* of a rank, of all ranks: all heads, their rows */
    int64_t step_work;          /* sum over the steps of a ring of the most that a rank has there */
    int64_t lpt_max; /* most work of a rank when stripes of rows are dealt out by falling work, each
                        to the rank that has least: what layout lpt would reach if it knew the index
                        and minded no memory */
    int64_t keys_needed, keys_foreign; /* (key, KV head) pairs of other ranks: needed, and all;
                                          sums over ranks. -1 without an index */
} sb_balance;

/* Who works on a pair: whoever has the row, or (queries go round) the key. */
typedef enum sb_balance_by { SB_BALANCE_BY_ROWS, SB_BALANCE_BY_KEYS } sb_balance_by;

/* plan: of the local rows shape->q_gid, host memory; NULL: the method has no index. Stripes are
 * those of block_striped: 128 tokens, up to a multiple of the map's quantum. place: this rank's
 * number in the map, which several ranks of comm share where heads are shared out. Collective; all
 * ranks get the same. Errors: SB_ERR_NOMEM; those of the index. Cost: O(listed ids + local rows /
 * 128 + kv_heads * keys), in memory 5 bytes a key and 8 bytes a rank and key block. */
sb_status sb_balance_count(const sb_plan *plan, const sb_shape *shape, const sb_map *map,
                           int32_t place, sb_balance_by by, sb_comm *comm, sb_balance *out);

#endif
