/* AnchorAttention written down from its spec alone, in fp64 and O(N^2), for the tests. All queries
 * and all keys of the sequence are at hand, in id order. */
#ifndef SB_TESTS_PROPERTY_ANCHOR_JUDGE_H
#define SB_TESTS_PROPERTY_ANCHOR_JUDGE_H

#include <stddef.h>

#include "kernels/base/tensor.h"

typedef struct ajudge_rule {
    int64_t block, step;
    double  theta;    /* natural units */
    int     released; /* windows of the released kernel [anchor_attention 2] */
    int     round;    /* the released code's roundings, for inputs with exact dot products */
} ajudge_rule;

/* The rule as parameters of the method. */
void ajudge_params(const ajudge_rule *r, char *to, size_t bytes);

/* How often the windows give query i of n tokens the key j <= i: 0, 1, or 2 (never both for
 * `partition`); dense rows: 1. */
int ajudge_window(const ajudge_rule *r, int64_t n, int64_t i, int64_t j);

/* margin[j] = max over a of y + theta2 - anchor, in base-2 units, for the candidates of super-block
 * g of query head `head`: keys [block, g T - block); others untouched. Kept: margin >= 0. */
void ajudge_margins(const sb_tensor *q, const sb_tensor *k, const ajudge_rule *r, int64_t head,
                    int64_t g, double *margin);

/* Row i of `head` with the multiplicities of windows and stripes, v[j][0] = j: output and LSE, from
 * the margins of its super-block (NULL: no stripes). */
double ajudge_row(const sb_tensor *q, const sb_tensor *k, const ajudge_rule *r, int64_t head,
                  int64_t i, const double *margin, double *lse);

#endif
