/* XAttention written down from its spec alone, in fp64 and O(N^2), for the tests. */
#ifndef SB_TESTS_PROPERTY_XATTENTION_JUDGE_H
#define SB_TESTS_PROPERTY_XATTENTION_JUDGE_H

#include "kernels/base/tensor.h"

typedef struct xjudge_rule {
    int64_t block, stride;
    double  norm;
    int     round_raw; /* sums of products rounded to bf16 */
} xjudge_rule;

/* L[row group][key group] of query head `head` [xattention 3, step 1]; both counted from token 0.
 */
double xjudge_logit(const sb_tensor *q, const sb_tensor *k, const xjudge_rule *r, int64_t head,
                    int64_t row, int64_t col);

/* A[0..block] of row block `block` [steps 2, 3], not rounded; returns its valid row groups. */
int64_t xjudge_scores(const sb_tensor *q, const sb_tensor *k, const xjudge_rule *r, int64_t head,
                      int64_t block, double *a);

/* keep[0..n-1] from A [step 4], picking the largest block again and again. */
void xjudge_select(const double *a, int64_t n, double tau, int *keep);

/* The same for a row of the released code's first chunk: own block, then all others by falling
 * score; the p-th of this order (p = 0, 1, ...) is kept when the mass of the first p - 1 is below
 * tau of the whole. Block 0 is kept besides. */
void xjudge_select_first_chunk(const double *a, int64_t n, double tau, int *keep);

#endif
