/* FlexPrefill's selection written down from its spec alone, in fp64 and brute force, for the tests.
 * Written by another hand than the method. One sequence, all tokens at hand, N_q = N_k. */
#ifndef SB_TESTS_PROPERTY_FLEXPREFILL_JUDGE_H
#define SB_TESTS_PROPERTY_FLEXPREFILL_JUDGE_H

#include "kernels/base/tensor.h"

typedef struct fjudge_rule {
    int64_t block, min_blocks, max_blocks; /* m_b, M_b [2]; max_blocks already capped at n */
    double  gamma, tau;
} fjudge_rule;

typedef struct fjudge_head {
    int64_t b_v, b_s;    /* budgets [3.3], after the pattern test */
    double  divergence;  /* D [3.5] */
    int     query_aware; /* block-sparse on top */
    /* How near the decisions were to falling otherwise: the least distance of a comparison,
     * relative to what is compared. fp32 arithmetic can decide otherwise only where this is of the
     * order of its rounding. */
    double margin;
} fjudge_head;

/* mask[n][n], n = ceil(N / block): 1 where block (row, key) is selected [3.1-3.9]. */
fjudge_head fjudge_select(const sb_tensor *q, const sb_tensor *k, const fjudge_rule *r,
                          int64_t head, uint8_t *mask);

/* sqrt of the Jensen-Shannon divergence, natural log, 0 ln 0 = 0 [3.5]. */
double fjudge_divergence(const double *p, const double *t, int64_t n);

#endif
