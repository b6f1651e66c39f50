/* PowerAttention and the static-pattern family: what a query sees is a function of places alone,
 * in prefill and decode. Block patterns: of the two block numbers [power_attention 3, 4], one list
 * for all heads and layers. Windows [other_seed_methods]: MoA's per layer and head, the 1-D
 * neighborhood of NATTEN, BlockRank's documents. */
#ifndef SB_KERNELS_POWER_ATTENTION_POWER_ATTENTION_H
#define SB_KERNELS_POWER_ATTENTION_POWER_ATTENTION_H

#include "kernels/base/method.h"

typedef enum sb_power_pattern {
    SB_POWER_POWER,          /* D < W, or D a power of two */
    SB_POWER_SLIDING_WINDOW, /* D < W */
    SB_POWER_STRIDE_SLASH,   /* D < W, or D a multiple of the stride */
    SB_POWER_DILATED,        /* D < W and D a multiple of the dilation */
    SB_POWER_LONGNET,      /* same segment of W * 2^m blocks, both blocks multiples of 2^m, for some
                              level m */
    SB_POWER_MOA,          /* sinks and a window of its own for each head */
    SB_POWER_NEIGHBORHOOD, /* a window that moves on in strides, inside one residue class */
    SB_POWER_BLOCKRANK,    /* documents see the instruction and themselves, the query everything */
    SB_POWER_PATTERN_COUNT,
    SB_POWER_BLOCK_PATTERNS = SB_POWER_MOA /* those before it are lists of blocks */
} sb_power_pattern;

typedef struct sb_power_attention_params {
    int32_t pattern; /* sb_power_pattern */
    int64_t block_tokens;
    int64_t window_blocks;   /* W, diagonal included; 0: the pattern's own (5, 9, 6, 20, 8) [4] */
    int64_t sink_blocks;     /* -1: the pattern's own (1, 1, 1, 0, 0) [4] */
    int64_t stride_blocks;   /* stride_slash */
    int64_t dilation_blocks; /* dilated */
    int64_t levels;          /* longnet */
    sb_param_file plan_file; /* moa */
    double        alpha_tokens, beta;                            /* moa without a file */
    int64_t       max_new_tokens, granularity_tokens;            /* moa */
    int64_t       window_tokens, stride_tokens, dilation_tokens; /* neighborhood: w, s, e */
    int64_t       instruction_tokens, document_tokens, documents, query_tokens; /* blockrank */
} sb_power_attention_params;

/* Key blocks of query block `block`, ascending, no duplicates, none past `block`; *n = how many.
 * ids NULL: count only, else room for as many as a counting call gives. Parameters as the table
 * allows. Cost O(*n) (longnet: O(W * 2^levels)). */
void sb_power_attention_row(const sb_power_attention_params *p, int64_t block, int32_t *ids,
                            int64_t *n);

/* Sinks and window of a head of MoA when prompt and new tokens together are n_tokens:
 *   span = min(alpha + beta * n_tokens, n_tokens), cache = max(span, 128) up to a multiple of 64,
 *   64 sinks, the rest is the window. */
void sb_moa_window(double alpha, double beta, int64_t n_tokens, sb_head_window *out);

extern const sb_method sb_power_attention;

#endif
