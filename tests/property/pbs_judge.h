/* PBS-Attn written down from its spec alone, in fp64 and without care for cost, for the tests. */
#ifndef SB_TESTS_PROPERTY_PBS_JUDGE_H
#define SB_TESTS_PROPERTY_PBS_JUDGE_H

#include "kernels/base/tensor.h"

typedef struct pjudge_rule {
    int64_t block, segment;
    double  tau;
    int     query_max, key_max, div_valid; /* pooling [pbs_attn 3, step 3] */
    int     group;                         /* one order for the heads of a KV head */
    int64_t stride;                        /* 0: pooled scores; else antidiagonal ones */
    int     official; /* roundings to bf16; and what becomes of a row that never reaches tau */
} pjudge_rule;

/* Keys that are permuted: those of complete segments. */
int64_t pjudge_sorted(const pjudge_rule *r, int64_t n_keys);

/* s[0..sorted) of query head `head` [step 1]. */
void pjudge_importance(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r, int64_t head,
                       double *s);

/* pi[slot] = token [step 2]: from s, the largest of what is left, the first of equals; the tail as
 * it is. */
void pjudge_order(const double *s, const pjudge_rule *r, int64_t n_keys, int64_t *pi);

/* A[0..) of row block `block` over the blocks of earlier segments; returns how many [step 3]. */
int64_t pjudge_scores(const sb_tensor *q, const sb_tensor *k, const pjudge_rule *r,
                      const int64_t *pi, int64_t head, int64_t block, double *a);

/* keep[0..n) from A [step 4], taking the largest again and again; returns 0 where tau is never
 * reached. */
int pjudge_select(const double *a, int64_t n, const pjudge_rule *r, int *keep);

#endif
