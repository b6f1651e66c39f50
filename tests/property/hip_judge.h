/* HiP written down from its spec alone, in fp64, with lists that are sorted and every rule on its
 * own, for the tests. */
#ifndef SB_TESTS_PROPERTY_HIP_JUDGE_H
#define SB_TESTS_PROPERTY_HIP_JUDGE_H

#include "kernels/base/tensor.h"

typedef struct hjudge_rule {
    int64_t k, bq, sq, bk, sk, sw, ns; /* letters of hip 2 */
    int     align;
} hjudge_rule;

enum { HJUDGE_CHUNKS = 4096, HJUDGE_ROWS = 256 };

/* Score of a pair, not masked: query at position p, key t. */
typedef double (*hjudge_score)(const void *state, int64_t p, int64_t t);

/* One search [3.1]: the rows of the block that are here, ascending; fills idx, first keys of the
 * blocks, ascending; returns n. trace: called after each iteration with what is kept, or NULL. */
int64_t hjudge_search(const hjudge_rule *r, const int64_t *row, int64_t n_rows, int64_t n_keys,
                      hjudge_score score, const void *state, int64_t *idx,
                      void (*trace)(int64_t n, const int64_t *start, const int64_t *size));

/* The scaled product, fp64. */
typedef struct hjudge_tensors {
    const sb_tensor *q, *k; /* k: all keys in id order */
    int64_t          head;
} hjudge_tensors;
double hjudge_product(const void *tensors, int64_t p, int64_t t);

/* The search of query block `block` (counted from token 0) of one head. */
int64_t hjudge_block(const hjudge_rule *r, const sb_tensor *q, const sb_tensor *k, int64_t head,
                     int64_t block, int64_t *idx);

/* In which of W, S, I of [3.2] row p has key t: 1, 2, 4 added up; more than one never happens. sw
 * may be longer than the rule's (decode's pad). */
int hjudge_parts(const hjudge_rule *r, int64_t sw, const int64_t *idx, int64_t n, int64_t p,
                 int64_t t);

#endif
