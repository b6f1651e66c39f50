/* NVIDIA's cuBLASLt, where it is found at run time: products of models on the cuda backend, and one
 * of its ceilings. */
#ifndef SB_KERNELS_BACKEND_CUBLASLT_H
#define SB_KERNELS_BACKEND_CUBLASLT_H

#include <stddef.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* "13.0.2"; SB_ERR_UNSUPPORTED says why there is none. For `doctor` and the ceilings. */
sb_status sb_cublaslt_describe(char *out, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
