/* Dense causal attention: every key up to the query's own. The baseline and the reference of all
 * others. */
#ifndef SB_KERNELS_DENSE_DENSE_H
#define SB_KERNELS_DENSE_DENSE_H

#include "kernels/base/method.h"

typedef enum sb_dense_impl {
    SB_DENSE_AUTO, /* cuda: the faster of the two at this shape, tried on its first call */
    SB_DENSE_NATIVE,
    SB_DENSE_CUDNN,
    SB_DENSE_IMPLS
} sb_dense_impl;

typedef struct sb_dense_params {
    int32_t impl; /* sb_dense_impl; params NULL: auto */
} sb_dense_params;

extern const sb_method sb_dense;

#ifdef __cplusplus
extern "C" {
#endif

/* As attend.h says of the cuda executors. auto leaves to the native kernel whatever cuDNN does not
 * take, and all calls where there is no cuDNN; cudnn refuses them (SB_ERR_UNSUPPORTED). */
sb_status sb_dense_attend_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                               const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

#ifdef __cplusplus
}
#endif
#endif
