/* Inputs for the tests of HiP whose scores are known or exact, and a look at the lists. */
#ifndef SB_TESTS_PROPERTY_HIP_CASE_H
#define SB_TESTS_PROPERTY_HIP_CASE_H

#include "kernels/hip/hip.h"
#include "tests/oracle/case.h"

/* The named method on the case, fp32 outputs; must succeed. */
void hip_attend(sb_case *c, const char *method, const char *params);

/* The list of (head, local row). */
int64_t hip_list(const sb_plan *p, int64_t head, int64_t row, const int32_t **ids);

/* Eighths up to 3: sums of products are exact in fp32 in any order, and seldom equal. */
void     hip_fill_eighths(sb_tensor *t, uint64_t seed);
sb_case *hip_exact_case(sb_case_shape s, uint64_t seed); /* q and k of that kind */

/* One head whose product of any query and key t is x[t]: multiples of 1/16 up to 2^15. */
sb_case *hip_scored_case(int64_t n, const double *x);

#endif
