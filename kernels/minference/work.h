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

/* One query head of this layer. What belongs to other patterns is 0. */
typedef struct sbi_minference_head {
    int32_t        pattern;             /* sb_minference_pattern */
    int64_t        n_vertical, n_slash; /* k_v, k_s of this length */
    int64_t        chosen_at;           /* place of its ids in work.chosen */
    sb_head_window window;              /* n_init, n_local */
} sbi_minference_head;

/* plan->method_data. Arrays of patterns that no head of the layer has are empty. */
typedef struct sbi_minference_work {
    sbi_minference_head *head; /* [heads + 1]: the last one says where `chosen` ends */
    int64_t              n_heads[SB_MINFERENCE_PATTERN_COUNT]; /* of each pattern */
    sb_last_queries      probe;  /* for lines min(64, keys) rows; else none, the count alone */
    int64_t             *row_at; /* [n_rows] local row of each row block's first query */
    /* vertical_slash */
    float    *q_t;         /* [dim][64] of one head */
    uint64_t *vertical, *slash;          /* [keys] of one head */
    int32_t  *chosen;                    /* head by head: its columns, its diagonals, ascending */
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

/* What a head of the shape does at its length; chosen_at is left 0. Layers and heads that the file
 * does not name follow the parameters. */
sbi_minference_head sbi_minference_head_of(const sb_minference_params *p, int64_t layer,
                                           int64_t head, const sb_shape *shape);

/* sb_method.row_lanes: at most, for columns may lie behind the row and diagonals side by side; all
 * layers of the file together. */
int64_t sbi_minference_row_lanes(const void *params, const sb_shape *shape, int64_t row);

/* sb_method.layout and sb_method.plan. The plan is collective in prefill. */
sb_status sbi_minference_layout(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache);
sb_status sbi_minference_plan_cpu(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                  sb_plan *plan);

/* vertical_slash: the chosen ids of all its heads, from the probe in the work; collective. Adds to
 * plan->estimate_flops. */
sb_status sbi_minference_choose_lines(sb_ctx *ctx, const sb_shape *shape, const sb_tensor *k,
                                      sb_plan *plan);
/* block_sparse: means of the key blocks; SB_ERR_INTERNAL where a row block is not whole. */
sb_status sbi_minference_key_means(sb_ctx *ctx, const sb_shape *shape, const sb_tensor *k,
                                   sb_plan *plan);
/* The n key blocks, ascending, of CSR row at = head * n_rows + row: its best. score: scratch. */
void sbi_minference_choose_blocks(const sb_shape *shape, const sb_tensor *q, const sb_plan *plan,
                                  int64_t at, int64_t n, uint64_t *score, int32_t *ids);

#endif
