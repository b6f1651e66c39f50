/* PBS-Attn: keys sorted inside segments before blocks are chosen [pbs_attn 3]. The last block of
 * queries says how important each key is; the keys of a segment are put in falling order of that,
 * so that important ones of a segment share a block. Block scores from pooled queries and pooled
 * permuted keys, softmax over the blocks of earlier segments, then each row keeps the fewest blocks
 * that hold tau of it, beside its own segment and the block where key 0 went. Queries are not
 * permuted. PBS-Attn+ is selector: antidiagonal. Prefill only; decode is dense [6]. */
#ifndef SB_KERNELS_PBS_ATTN_PBS_ATTN_H
#define SB_KERNELS_PBS_ATTN_PBS_ATTN_H

#include "kernels/base/method.h"

typedef enum sb_pbs_attn_pool {
    SB_PBS_ATTN_POOL_MEAN,
    SB_PBS_ATTN_POOL_MAX,
    SB_PBS_ATTN_POOL_COUNT
} sb_pbs_attn_pool;

typedef enum sb_pbs_attn_perm {
    SB_PBS_ATTN_PERM_HEAD,  /* each query head sorts the keys for itself */
    SB_PBS_ATTN_PERM_GROUP, /* one order for the query heads of a KV head, from their mean queries
                             */
    SB_PBS_ATTN_PERM_COUNT
} sb_pbs_attn_perm;

typedef enum sb_pbs_attn_selector {
    SB_PBS_ATTN_MEAN,         /* pooled queries and keys [3, step 3] */
    SB_PBS_ATTN_ANTIDIAGONAL, /* PBS-Attn+: antidiagonal sums over the permuted keys [3] */
    SB_PBS_ATTN_SELECTOR_COUNT
} sb_pbs_attn_selector;

typedef enum sb_pbs_attn_compat {
    SB_PBS_ATTN_CLEAN,    /* fp32; a row whose scores never reach tau keeps all blocks [11] */
    SB_PBS_ATTN_OFFICIAL, /* bf16 where the code has it, and such a row keeps none [3, 11] */
    SB_PBS_ATTN_COMPAT_COUNT
} sb_pbs_attn_compat;

typedef struct sb_pbs_attn_params {
    int64_t block_tokens;      /* B */
    int64_t segment_tokens;    /* S, a multiple of B */
    double  tau;               /* share of the estimated mass to keep; 1: all blocks */
    int32_t query_pool;        /* sb_pbs_attn_pool */
    int32_t key_pool;          /* sb_pbs_attn_pool */
    int32_t force_first_block; /* 1: keep the block that holds key 0 */
    int32_t pool_div_valid;    /* 1: a short last query block is pooled over its own queries only */
    int32_t perm_share;        /* sb_pbs_attn_perm */
    int32_t selector;          /* sb_pbs_attn_selector */
    int64_t stride_tokens;     /* antidiagonal: tokens of a group, divides B */
    int32_t compat;            /* sb_pbs_attn_compat */
} sb_pbs_attn_params;

/* What the last plan met on this rank; zeros where it was dense or made on a device. */
typedef struct sb_pbs_attn_counts {
    int64_t unreached_rows; /* (head, row block) whose scores do not add up to tau [11] */
    int64_t nan_scores;     /* scores that are no number, taken for 0 [5] */
} sb_pbs_attn_counts;

sb_pbs_attn_counts sb_pbs_attn_counts_of(const sb_plan *plan);

extern const sb_method sb_pbs_attn;

#endif
