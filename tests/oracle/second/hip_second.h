/* HiP written down from its spec alone, in fp64 and brute force, for the tests. Written by another
 * hand than the method. All keys at hand; queries are the last N_q of N_k tokens. */
#ifndef SB_TESTS_ORACLE_SECOND_HIP_H
#define SB_TESTS_ORACLE_SECOND_HIP_H

#include "kernels/base/tensor.h"

typedef struct hsecond_rule {
    int64_t block_q, stride_q, block_k, stride_k, top_k, window, sink;
    int     align;
} hsecond_rule;

/* Score of (query row, key), before masks; NULL: the scaled dot product. */
typedef double (*hsecond_score)(int64_t p, int64_t t, const void *arg);

/* The search of query block `qb` of a head [3.1]: first keys of the blocks kept, ascending; returns
 * how many. *margin: least difference, relative to the largest score seen, between a candidate kept
 * and one dropped; infinite where nothing was searched. idx has room for max(top_k / block_k,
 * number of key blocks). */
int64_t hsecond_search(const sb_tensor *q, const sb_tensor *k, const hsecond_rule *r, int64_t head,
                       int64_t qb, hsecond_score score, const void *arg, int64_t *idx,
                       double *margin);

/* May the row at position p see key t, given that list [3.2]? */
int hsecond_visible(const hsecond_rule *r, int64_t p, int64_t t, const int64_t *idx, int64_t n);

#endif
