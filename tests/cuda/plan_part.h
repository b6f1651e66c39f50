/* Plans of some rows of a sequence on a device, as one of several ranks makes them: one call over
 * its queries, what it left, and that beside the plan of all rows and the CPU's. */
#ifndef SB_TESTS_CUDA_PLAN_PART_H
#define SB_TESTS_CUDA_PLAN_PART_H

#include "harness/shard/device.h"
#include "kernels/base/method.h"
#include "tests/oracle/case.h"

/* One call on the device over some queries. */
typedef struct plan_part {
    sb_device_call *call;
    sb_plan         plan;
    const sb_plan  *got;
    sb_tensor       own; /* its queries; host memory */
    sb_bf16        *o;   /* [heads][own.tokens][dim] */
} plan_part;

/* Two calls over the queries of `gid`: the second one finds rooms that the first has used. Where
 * these are not all of the sequence, its last ones come in a tensor of their own. */
void plan_part_attend(plan_part *t, const sb_case *c, const sb_method *m, const sb_gid *gid);
void plan_part_close(plan_part *t);

/* Lists of the part are those that the whole has for these rows, to the last id. */
void plan_part_is_of(const plan_part *part, const plan_part *whole);

/* Keys that every step-th row sees by one plan only, and those by the CPU's; added to both. */
void plan_part_beside_cpu(const plan_part *part, const sb_case *c, int64_t step, int64_t *differ,
                          int64_t *listed);

/* Rows of the part's output beside those of the whole. */
double plan_part_nmse(const plan_part *part, const plan_part *whole);

#endif
