/* CUDA's errors as ours. */
#ifndef SB_KERNELS_BACKEND_CUDA_STATUS_CUH
#define SB_KERNELS_BACKEND_CUDA_STATUS_CUH

#include <cuda_runtime.h>

#include "kernels/base/status.h"

/* The call's error becomes the thread's error text, with `what` in front; it is taken off cudart's
 * error slot, so that it is not blamed on a later launch. SB_ERR_NOMEM or SB_ERR_DEVICE. */
sb_status sb_cuda_status(cudaError_t e, const char *what);
#define SB_CUDA(call) sb_cuda_status((call), #call)

#endif
