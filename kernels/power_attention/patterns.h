/* The two kinds of static patterns behind one method: lists of blocks, and windows with more to
 * them than two numbers. Each lays out and writes its own plan. */
#ifndef SB_KERNELS_POWER_ATTENTION_PATTERNS_H
#define SB_KERNELS_POWER_ATTENTION_PATTERNS_H

#include "kernels/power_attention/power_attention.h"

/* W of the block patterns: as asked for, or the pattern's own. */
int64_t sbi_power_window_blocks(const sb_power_attention_params *p);

sb_status sbi_power_blocks_layout(sb_ctx *ctx, const sb_power_attention_params *p,
                                  const sb_shape *shape, sb_plan *plan);
sb_status sbi_power_blocks_plan(sb_ctx *ctx, const sb_power_attention_params *p,
                                const sb_shape *shape, sb_plan *plan);

/* moa, neighborhood, blockrank. The cache keeps the prompt's length for moa. */
int       sbi_power_is_window(const sb_power_attention_params *p);
sb_status sbi_power_windows_check(const sb_power_attention_params *p, const sb_shape *shape);
/* sb_method.row_lanes: of moa's file all layers together. */
int64_t   sbi_power_windows_row_lanes(const sb_power_attention_params *p, const sb_shape *shape,
                                      int64_t row);
sb_status sbi_power_windows_layout(sb_ctx *ctx, const sb_power_attention_params *p,
                                   const sb_shape *shape, sb_plan *plan);
sb_status sbi_power_windows_plan(sb_ctx *ctx, const sb_power_attention_params *p,
                                 const sb_shape *shape, sb_cache *cache, sb_plan *plan);

/* Content of moa's plan_file: spans by a rule, or windows as they are. */
typedef struct sbi_moa_file {
    int64_t n_layers, n_heads;
    int32_t has_windows; /* 1: a, b are sink and window tokens; 0: alpha and beta */
    double *a, *b;       /* [n_layers][n_heads] */
} sbi_moa_file;

/* sb_method.read_file. {"alphas": [L][H], "betas": [L][H]} as the authors publish them, or
 * {"sinks": [L][H], "windows": [L][H]} in tokens. */
sb_status sbi_moa_read_file(const sb_param *p, const char *text, int64_t n_bytes, sb_arena *a,
                            const void **out);

#endif
