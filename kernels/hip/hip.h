/* HiP attention, version 1.1 [hip 1]: keys chosen by a tree search. Per query head and block of
 * queries, the keys between sinks and window are cut into M chunks; again and again each chunk is
 * halved, every half is scored by the block of keys at its centre, and the best M of the 2 M halves
 * stay, until they are single blocks. A query sees its window, the sinks and these M blocks.
 *
 *   |sinks|....|##|.......|##|##|....|##|........|   hole   |=== window ===>
 *               kept blocks                       align only [11.1]
 *
 * Prefill and decode; decode searches every refresh_steps steps and keeps the blocks in between
 * while the window moves on [6]. Query blocks are counted from token 0, not from the first query of
 * a call, so a result does not depend on how a prefill is cut at their bounds. */
#ifndef SB_KERNELS_HIP_HIP_H
#define SB_KERNELS_HIP_HIP_H

#include "kernels/base/method.h"

typedef enum sb_hip_compat {
    SB_HIP_CLEAN,    /* fp32 scores decide, ties go to the earlier chunk [3.1] */
    SB_HIP_OFFICIAL, /* a score is rounded to bf16 before and after a sigmoid first [11.3] */
    SB_HIP_COMPAT_COUNT
} sb_hip_compat;

typedef struct sb_hip_params {
    int64_t top_k_tokens;      /* K, multiple of block_k_tokens */
    int64_t block_q_tokens;    /* bq, multiple of stride_q_tokens */
    int64_t stride_q_tokens;   /* sq: the last query of each stride is asked */
    int64_t block_k_tokens;    /* bk, multiple of stride_k_tokens */
    int64_t stride_k_tokens;   /* sk: the last key of each stride is scored */
    int64_t window_tokens;     /* SW, the query's own included; multiple of block_k_tokens */
    int64_t sink_tokens;       /* NS, multiple of block_k_tokens */
    int64_t align;             /* 1: chunks start at multiples of A, as released */
    int64_t refresh_steps;     /* r_m */
    int64_t window_pad_tokens; /* sw_pad: decode only, refresh_steps - 1 closes the gap [6] */
    int32_t compat;            /* sb_hip_compat */
} sb_hip_params;

/* What the cache of a layer keeps between decode steps (sb_cache.state), the same on all ranks:
 * this head, then int32 lists [heads][1 + M], each its length and its ascending block numbers. */
typedef struct sb_hip_state {
    int64_t steps;      /* c: decode steps since the prefill */
    int64_t searches;   /* of them with a search (or, short, all blocks) */
    int64_t end_tokens; /* the last search looked at keys before this one */
    /* Keys of the last step that were neither sinks nor in the window nor before end_tokens: nobody
     * looked at them [6]; and their sum over all steps. The same for all heads. */
    int64_t gap_tokens, gap_sum_tokens;
} sb_hip_state;

extern const sb_method sb_hip;

#endif
