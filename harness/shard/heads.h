/* Some heads of what a call reads and writes, as views: nothing is copied. */
#ifndef SB_HARNESS_SHARD_HEADS_H
#define SB_HARNESS_SHARD_HEADS_H

#include "kernels/base/method.h"

/* Heads [first, first + n) of t. */
sb_tensor sbi_heads_of(const sb_tensor *t, int64_t first, int64_t n);

/* The lists and windows that query heads [first, first + n) have in plan; for executors alone: row
 * pointers need not start at 0, and what a method keeps in method_data is not cut. */
sb_plan sbi_plan_of_heads(const sb_plan *plan, int64_t first, int64_t n);

#endif
