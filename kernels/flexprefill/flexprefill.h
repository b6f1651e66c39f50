/* FlexPrefill: per query head, a pattern by a Jensen-Shannon test and a budget by a threshold
 * [flexprefill 3]. The last block of queries shows how attention falls on columns and on diagonals;
 * each of the two keeps enough blocks to hold gamma of it, but at least min_budget_tokens. Where
 * block means predict the columns well (distance below tau), the head is query-aware: it keeps the
 * least budget of both and, on top, the blocks whose estimated mass sums to gamma over all rows.
 * Prefill only; decode is dense [6]. */
#ifndef SB_KERNELS_FLEXPREFILL_FLEXPREFILL_H
#define SB_KERNELS_FLEXPREFILL_FLEXPREFILL_H

#include "kernels/base/method.h"

typedef enum sb_flexprefill_compat {
    SB_FLEXPREFILL_CLEAN,    /* fp32 everywhere; 0 ln 0 = 0 [3.5] */
    SB_FLEXPREFILL_OFFICIAL, /* scaled queries, means and logits of the estimates are rounded to
                                bf16; a mass of zero makes a head vertical-slash [3.1, 3.5, 3.9] */
    SB_FLEXPREFILL_COMPAT_COUNT
} sb_flexprefill_compat;

typedef struct sb_flexprefill_params {
    int64_t block_tokens;      /* B: 32, 64 or 128 */
    double  gamma;             /* share of the estimated attention to cover */
    double  tau;               /* distance below which a head is query-aware; 0: never */
    int64_t min_budget_tokens; /* floor of the budgets of columns and of diagonals */
    int64_t max_budget_tokens; /* their ceiling, which wins over the floor; 0: none */
    int64_t slash_cover;       /* 2: a diagonal of blocks brings the next one along [5] */
    int32_t compat;            /* sb_flexprefill_compat */
} sb_flexprefill_params;

extern const sb_method sb_flexprefill;

#endif
