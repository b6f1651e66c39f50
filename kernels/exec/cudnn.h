/* Dense causal attention by NVIDIA's cuDNN, where libcudnn.so.9 is found at run time: another
 * implementation of dense, to measure our own kernel against. */
#ifndef SB_KERNELS_EXEC_CUDNN_H
#define SB_KERNELS_EXEC_CUDNN_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As sb_attend_dense_cuda (attend.h), SB_OUT_SET, o bf16, keys 0 .. n_k - 1, queries the last ones
 * of them. Rounding: cuDNN's (P to bf16 before its product with V). The plan of a shape is made on
 * its first call and kept; so is the workspace. Errors: SB_ERR_UNSUPPORTED without the library, in
 * a build without cudnn.h, for MERGE, fp32 outputs, other runs of keys or queries, and for shapes
 * that no engine takes; SB_ERR_NOMEM; SB_ERR_DEVICE. Not for two threads at once. */
sb_status sb_attend_dense_cudnn(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

/* "9.19.0 (built against 9.19.0)"; an error says why there is none. For `doctor`. */
sb_status sb_cudnn_describe(char *out, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
