/* Is an index safe to follow? Executors on a device cannot answer a wrong id with an error text, so
 * plans are checked where they are copied there. */
#ifndef SB_KERNELS_EXEC_PLAN_CHECK_H
#define SB_KERNELS_EXEC_PLAN_CHECK_H

#include "kernels/base/plan.h"
#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* SB_OK, or SB_ERR_INTERNAL naming the first entry that breaks plan.h: row numbers and the ids of a
 * list ascend, ids name keys (or slots) before the end of the last row block that n_keys reaches
 * (causality drops those past n_keys), row pointers ascend within capacity, spans ascend from row
 * 0, slots stay inside their segment, and every row block of the queries q (NULL: not asked) has
 * lists. The plan is in host memory; n_heads is the number of query heads. One pass over the index.
 */
sb_status sb_plan_check(const sb_plan *plan, const sb_gid *q, int64_t n_heads, int64_t n_keys);

#ifdef __cplusplus
}
#endif
#endif
