/* AnchorAttention: stripes found by their distance from an anchor [anchor_attention 3]. Queries are
 * cut into super-blocks of block_tokens * step_blocks. A query's anchor is its largest logit over
 * what it always sees: the first block, its own super-block and the block before that (windows
 * `released`: the first super-block and its own). A key in
 * between is kept for the whole super-block, as a stripe, where for one of its blocks the mean
 * query's logit plus theta reaches the mean anchor. No sort, no budget, no softmax. Prefill only;
 * decode is dense [6]. */
#ifndef SB_KERNELS_ANCHOR_ATTENTION_ANCHOR_ATTENTION_H
#define SB_KERNELS_ANCHOR_ATTENTION_ANCHOR_ATTENTION_H

#include "kernels/base/method.h"

/* What is always seen [2]. The candidates are the same, so only `partition` gives each key once. */
typedef enum sb_anchor_windows {
    SB_ANCHOR_WINDOWS_PARTITION, /* first block, own super-block, the block before it */
    /* First and own super-block, as the released kernel has it: stripes in the first one weigh
     * twice, keys of the block before the own one are never seen from the third super-block on. */
    SB_ANCHOR_WINDOWS_RELEASED,
    SB_ANCHOR_WINDOWS_COUNT
} sb_anchor_windows;

typedef enum sb_anchor_compat {
    SB_ANCHOR_COMPAT_CLEAN,    /* fp32 everywhere */
    SB_ANCHOR_COMPAT_OFFICIAL, /* scaled queries, means and compared logits rounded to bf16 [3] */
    SB_ANCHOR_COMPAT_COUNT
} sb_anchor_compat;

typedef struct sb_anchor_attention_params {
    int32_t windows;      /* sb_anchor_windows */
    double  theta;        /* in natural-log units, whatever the base of the comparison [3] */
    int64_t block_tokens; /* B */
    int64_t step_blocks;  /* step: blocks of a super-block */
    int32_t compat;       /* sb_anchor_compat */
} sb_anchor_attention_params;

extern const sb_method sb_anchor_attention;

#endif
