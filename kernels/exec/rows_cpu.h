/* Attention of a list of single query rows: what the quality pass compares [quality_metrics B2, B3,
 * C].
 *
 *   q        [heads][n][d] bf16, the rows packed together; its gid is not read
 *   row_gid  [n] their ids, ascending
 *   k, v     the keys at hand (all, or a shard: then o and lse are partials for sb_merge_lse)
 *   o        [heads][n][d] fp32 (or bf16), or NULL: lse only, which saves half the work
 *   lse      [heads][n] natural log
 * Same arithmetic, bit for bit, as the executors give these rows. Errors as in attend.h. Not timed
 * into any phase. */
#ifndef SB_KERNELS_EXEC_ROWS_CPU_H
#define SB_KERNELS_EXEC_ROWS_CPU_H

#include "kernels/base/method.h"

/* Over all keys up to each row. Cost 4 * d * heads * sum of (gid + 1) FLOP; keys are packed once
 * for up to 128 rows. */
sb_status sb_dense_rows_cpu(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                            const sb_tensor *k, const sb_tensor *v, float scale, sb_tensor *o,
                            float *lse);

/* Over the support that the plan gives each row: lse is the support's, so recall = exp(lse - dense
 * lse). Rows must be local to the plan: SB_ERR_INTERNAL names one that is not. */
sb_status sb_plan_rows_cpu(sb_ctx *ctx, const sb_plan *plan, const sb_tensor *q,
                           const int64_t *row_gid, const sb_tensor *k, const sb_tensor *v,
                           float scale, sb_tensor *o, float *lse);

#endif
