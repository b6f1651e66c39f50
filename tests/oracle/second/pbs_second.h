/* PBS-Attn written down from its spec alone, in fp64 and brute force, for the tests. Written by
 * another hand than the method. One sequence, all tokens at hand, N_q = N_k. */
#ifndef SB_TESTS_ORACLE_SECOND_PBS_H
#define SB_TESTS_ORACLE_SECOND_PBS_H

#include "kernels/base/tensor.h"

typedef struct psecond_rule {
    int64_t block, segment;
    double  tau;
} psecond_rule;

/* s[j] of the keys of complete segments [3, step 1]; the tail's are 0. */
void psecond_importance(const sb_tensor *q, const sb_tensor *k, const psecond_rule *r, int64_t head,
                        double *s);

/* mask[T][T] over (row block, block of permuted slots), for the permutation pi[slot] = token
 * [steps 3 to 5]. Returns the least distance of a comparison, relative. */
double psecond_mask(const sb_tensor *q, const sb_tensor *k, const psecond_rule *r, int64_t head,
                    const int64_t *pi, uint8_t *mask);

#endif
