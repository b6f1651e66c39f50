/* The plan of the record, apart from its dense cases. */
#ifndef SB_KERNELS_FLEXPREFILL_PLAN_CPU_H
#define SB_KERNELS_FLEXPREFILL_PLAN_CPU_H

#include "kernels/flexprefill/flexprefill.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The record's plan where the mask is not dense. Collective. What reads q and k is timed as
 * estimate, budgets, choice and lists as select. Errors: SB_ERR_UNSUPPORTED on all ranks when they
 * hold a part of the queries only. */
sb_status sbi_flex_plan_cpu(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

/* SB_ERR_UNSUPPORTED: queries of a part of the sequence [5]. */
sb_status sbi_flex_part_of_sequence(int64_t n_queries, int64_t n_keys);

#ifdef __cplusplus
}
#endif
#endif
