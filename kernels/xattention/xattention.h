/* XAttention: blocks chosen by antidiagonal scores [xattention 3]. Queries and keys are cut into
 * groups of stride_tokens; one logit per pair of groups stands for stride_tokens token pairs (an
 * antidiagonal of their square). Softmax over the groups, sums over blocks, then each query block
 * of each head keeps the fewest blocks that hold tau of its mass, the first and its own always.
 * Prefill only; decode is dense [6]. */
#ifndef SB_KERNELS_XATTENTION_XATTENTION_H
#define SB_KERNELS_XATTENTION_XATTENTION_H

#include "kernels/base/method.h"

typedef enum sb_xattention_compat {
    SB_XATTENTION_CLEAN,    /* logits stay fp32; block sums are rounded to bf16 [3 steps 1, 3] */
    SB_XATTENTION_OFFICIAL, /* the sums of products are rounded to bf16 as well [3 step 1], and rows
                               of the first chunk follow SBI_XATTENTION_RULE_FIRST_CHUNK */
    SB_XATTENTION_COMPAT_COUNT
} sb_xattention_compat;

typedef struct sb_xattention_params {
    int64_t block_tokens;
    int64_t stride_tokens; /* s, divides block_tokens */
    double  tau;           /* share of the estimated mass to keep */
    double  norm;          /* logits are divided by it; the paper's text has 1/sqrt(s) [11] */
    int32_t compat;        /* sb_xattention_compat */
} sb_xattention_params;

extern const sb_method sb_xattention;

#endif
