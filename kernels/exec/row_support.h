/* The support of single rows: how many keys, and which of some keys, a query row of a plan sees
 * [quality_metrics B1]. For sampled rows; whole plans are counted by index_stats.h. Reads the key
 * blocks that executors read, so that every form of plan means here what it means to them. */
#ifndef SB_KERNELS_EXEC_ROW_SUPPORT_H
#define SB_KERNELS_EXEC_ROW_SUPPORT_H

#include "kernels/base/plan.h"

/* |S_i| of the row with id `gid`, which must be local to the plan (-1 where it is not).
 * Cost: the keys listed for its row block, up to the row. */
int64_t sb_row_support_count(const sb_plan *plan, int64_t head, int64_t gid);

/* sees[i] = 1 where the row sees keys[i], else 0. keys: n ascending ids, of which some may be
 * equal. All 0 where the row is not local to the plan. Cost: as above, log(n) a block of 64 keys
 * that holds none of them and 64 log(n) one that does. */
void sb_row_support_of(const sb_plan *plan, int64_t head, int64_t gid, const int64_t *keys,
                       int64_t n, uint8_t *sees);

#endif
