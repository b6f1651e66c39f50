/* Does an output hold numbers? A method that diverges leaves infinities or NaN somewhere. */
#ifndef SB_KERNELS_EXEC_NOT_FINITE_H
#define SB_KERNELS_EXEC_NOT_FINITE_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values that are no finite number, and where the first one stands, by head and then by row; n 0:
 * none, and head and row are 0. */
typedef struct sb_not_finite {
    int64_t n, head, row;
} sb_not_finite;

/* t: bf16 [heads][tokens][dim]. Reads it once. */
void sb_not_finite_cpu(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out);

/* The same of rows in device memory; waits for the answer. Errors: SB_ERR_DEVICE, SB_ERR_NOMEM. */
sb_status sb_not_finite_cuda(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out);

#ifdef __cplusplus
}
#endif
#endif
