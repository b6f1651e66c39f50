/* What every method shares whose index is two numbers: the first sink_tokens keys and the last
 * window_tokens ones. Such an index needs no room, suits any shard and is "planned" by writing it
 * down. */
#ifndef SB_KERNELS_EXEC_WINDOW_PLAN_H
#define SB_KERNELS_EXEC_WINDOW_PLAN_H

#include "kernels/base/method.h"

/* Members of the method's record; params are not read. check: SB_ERR_UNSUPPORTED by sb_shape_check.
 * quantum: 1. */
sb_status sb_window_check(const void *params, const sb_shape *shape);
int64_t   sb_window_quantum(const void *params);
sb_status sb_window_layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                           sb_cache *cache);

/* For row_lanes of the record: keys of one head. */
int64_t sb_window_row_keys(int64_t sink_tokens, int64_t window_tokens, int64_t row);

/* For the method's plan: both counts in tokens, the query's own included in the window
 * (SB_WINDOW_ALL: all). Timed as select. */
sb_status sb_window_plan(sb_ctx *ctx, int64_t sink_tokens, int64_t window_tokens, sb_plan *plan);

#endif
