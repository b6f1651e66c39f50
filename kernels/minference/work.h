/* What minference keeps beside the index, laid out by shape alone; and the steps of its plan. */
#ifndef SB_KERNELS_MINFERENCE_WORK_H
#define SB_KERNELS_MINFERENCE_WORK_H

#include "kernels/exec/last_queries.h"
#include "kernels/minference/minference.h"

enum {
    SBI_MINFERENCE_BLOCK = 64,  /* BM = BN [minference 2] */
    SBI_MINFERENCE_SINK  = 30,  /* columns always chosen; least k_v [3.3] */
    SBI_MINFERENCE_LOCAL = 100, /* nearest diagonals always chosen [3.3] */
    SBI_MINFERENCE_SLASH = 50,  /* least k_s [3.3] */
    SBI_MINFERENCE_GROUP = 16   /* key blocks whose means lie together */
};

/* plan->method_data. Arrays of the other pattern are empty. */
typedef struct sbi_minference_work {
    int64_t  n_vertical, n_slash; /* k_v, k_s of this length */
    sb_last_queries probe; /* vertical_slash: min(64, keys) rows; else none, the count alone */
    int64_t *row_at;              /* [n_rows] local row of each row block's first query */
    /* vertical_slash */
    float    *q_t;         /* [dim][64] of one head */
    uint64_t *vertical, *slash;          /* [keys] of one head */
    int32_t  *chosen;                    /* [heads][n_vertical + n_slash], each part ascending */
    int64_t  *count_bytes, *displ_bytes; /* [ranks] */
    /* block_sparse */
    float    *k_mean; /* [kv_heads][groups][dim][16]: bf16 values */
    uint64_t *score;  /* [threads][key blocks] */
} sbi_minference_work;

/* Key blocks of a sequence, and groups of 16 of them. */
static inline int64_t sbi_minference_blocks(int64_t n_keys)
{
    return (n_keys + SBI_MINFERENCE_BLOCK - 1) / SBI_MINFERENCE_BLOCK;
}
static inline int64_t sbi_minference_groups(int64_t n_keys)
{
    return (sbi_minference_blocks(n_keys) + SBI_MINFERENCE_GROUP - 1) / SBI_MINFERENCE_GROUP;
}

/* value * ratio, truncated [3.1]; large enough values stay at 2^61. */
int64_t sbi_minference_scaled(int64_t value, double ratio);

/* sb_method.plan. Collective in prefill. */
sb_status sbi_minference_plan_cpu(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                  sb_plan *plan);

/* The two patterns that read q and k: TILES and TOKENS, or TILES of `plan`. row_id and the work's
 * row_at are filled. vertical_slash is collective and finds the probe of all ranks in the work;
 * block_sparse is local. */
sb_status sbi_minference_vertical_slash(sb_ctx *ctx, const sb_shape *shape, const sb_tensor *k,
                                        sb_plan *plan);
sb_status sbi_minference_block_sparse(sb_ctx *ctx, const sb_minference_params *p,
                                      const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                                      sb_plan *plan);

#endif
