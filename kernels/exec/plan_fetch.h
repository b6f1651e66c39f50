/* A plan that was made in device memory, in host memory: for those who look at it. */
#ifndef SB_KERNELS_EXEC_PLAN_FETCH_H
#define SB_KERNELS_EXEC_PLAN_FETCH_H

#include "kernels/base/backend.h"
#include "kernels/base/plan.h"

/* Arrays of a fetched plan; all zero: none yet. */
typedef struct sb_fetched_plan {
    sb_plan plan; /* arrays below; method_data NULL */
    void   *part[8];
    size_t
        bytes[8]; /* of each part: kept for the next fetch, as a plan is fetched layer by layer */
} sb_fetched_plan;

/* Copy what the row pointers use of `plan`, whose arrays are memory of `from`, and add
 * estimate_flops_more. Waits for what is queued on `stream`. What f held before is lost. n_heads,
 * n_keys, q: as sb_plan_check wants them; the fetched plan has passed it. Errors: those of the
 * check, then of a planner at fault; SB_ERR_NOMEM; those of the backend. */
sb_status sb_plan_fetch(const sb_backend *from, void *stream, const sb_plan *plan, const sb_gid *q,
                        int64_t n_heads, int64_t n_keys, sb_fetched_plan *f);
void      sb_fetched_plan_fini(sb_fetched_plan *f);

#endif
