#include "kernels/backend/cuda_status.cuh"

sb_status sb_cuda_status(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return SB_OK;
    (void)cudaGetLastError();
    return sb_fail(e == cudaErrorMemoryAllocation ? SB_ERR_NOMEM : SB_ERR_DEVICE,
                   "cuda: %s: %s (%d)", what, cudaGetErrorString(e), static_cast<int>(e));
}
