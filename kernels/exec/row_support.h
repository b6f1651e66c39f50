/* The support of single rows: how many keys, and which of some keys, a query row of a plan sees
 * [quality_metrics B1]. For sampled rows; whole plans are counted by index_stats.h. */
#ifndef SB_KERNELS_EXEC_ROW_SUPPORT_H
#define SB_KERNELS_EXEC_ROW_SUPPORT_H

#include "kernels/base/plan.h"

/* |S_i| of the row with id `gid`, which must be local to the plan (-1 where it is not).
 * Cost: the listed ids of its row block. */
int64_t sb_row_support_count(const sb_plan *plan, int64_t head, int64_t gid);

/* sees[i] = 1 where the row sees keys[i], else 0. keys: n ascending ids. The row must be local to
 * the plan: all 0 where it is not. Cost: listed ids of the row block, plus n; with slots a segment
 * for each key. */
void sb_row_support_of(const sb_plan *plan, int64_t head, int64_t gid, const int64_t *keys,
                       int64_t n, uint8_t *sees);

#endif
