/* What each static method lets a query see, written down from its spec alone, for the judge. */
#ifndef SB_TESTS_ORACLE_PREDICATES_H
#define SB_TESTS_ORACLE_PREDICATES_H

#include <stdint.h>

typedef struct window_rule {
    int64_t sink, window;
} window_rule;

/* [power_attention 3, 4]: b block, w window, s sink, r stride, x dilation, levels */
typedef struct block_rule {
    int64_t b, w, s, r, x, levels;
} block_rule;

/* BlockRank: instruction, documents of `each` tokens, query, in a prompt of n tokens */
typedef struct blockrank_rule {
    int64_t instruction, each, query, n;
} blockrank_rule;

int see_all(int64_t q, int64_t k, const void *none);
int see_window(int64_t q, int64_t k, const void *rule);
int see_power(int64_t q, int64_t k, const void *rule);
int see_sliding(int64_t q, int64_t k, const void *rule);
int see_stride(int64_t q, int64_t k, const void *rule);
int see_dilated(int64_t q, int64_t k, const void *rule);
int see_longnet(int64_t q, int64_t k, const void *rule);
int see_moa(int64_t q, int64_t k, const void *rule); /* block_rule: w, s tokens, b granularity */
int see_neighborhood(int64_t q, int64_t k,
                     const void *rule); /* block_rule: w, r, x tokens, b the sequence's length */
int see_blockrank(int64_t q, int64_t k, const void *rule);

#endif
