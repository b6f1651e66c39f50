/* The plan of the record, apart from its dense cases. */
#ifndef SB_KERNELS_XATTENTION_PLAN_CPU_H
#define SB_KERNELS_XATTENTION_PLAN_CPU_H

#include "kernels/xattention/xattention.h"

/* The record's plan where the mask is not dense. Scores are timed as estimate, the choice and the
 * packing of the index as select. */
sb_status sbi_xattention_plan_cpu(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

#endif
