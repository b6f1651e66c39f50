/* MInference 1.0: one sparse pattern in prefill, its indices estimated from the last 64 queries
 * (vertical_slash) or from block means (block_sparse), or fixed (a_shape); dense decode
 * [minference 3]. Every head takes the same pattern and budgets, or a configuration file says which
 * [3.8]. */
#ifndef SB_KERNELS_MINFERENCE_MINFERENCE_H
#define SB_KERNELS_MINFERENCE_MINFERENCE_H

#include "kernels/base/method.h"

typedef enum sb_minference_pattern {
    SB_MINFERENCE_VERTICAL_SLASH, /* single columns and 64-wide diagonals [3.3] */
    SB_MINFERENCE_BLOCK_SPARSE,   /* blocks of 64 x 64 by their means [3.6] */
    SB_MINFERENCE_A_SHAPE,        /* sink and window [3.2] */
    SB_MINFERENCE_PATTERN_COUNT
} sb_minference_pattern;

typedef struct sb_minference_params {
    int32_t pattern;         /* sb_minference_pattern */
    int64_t vertical_tokens; /* k_v; clamped to [30, N] */
    int64_t slash_tokens;    /* k_s; clamped to [50, N] */
    int64_t top_k_blocks;    /* k_b */
    int64_t sink_tokens;     /* n_init of a_shape */
    int64_t window_tokens;   /* n_local of a_shape, the query's own token included */
    double  ratio;           /* times k_v and k_s, or n_init and n_local, truncated [3.1] */
    int64_t starting_layer;  /* layers below it are dense [3.1] */
    sb_param_file config_file;     /* heads that it names do not follow pattern and budgets above */
} sb_minference_params;

extern const sb_method sb_minference;

#endif
