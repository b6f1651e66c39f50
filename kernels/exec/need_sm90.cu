#include "kernels/exec/need_sm90.h"

#include "kernels/backend/cuda_status.cuh"

sb_status sbi_need_sm90(const char *what)
{
#if defined(SB_HAVE_SM90A)
    int       device = 0, major = 0, minor = 0;
    sb_status st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device));
    if (st == SB_OK && (major != 9 || minor != 0))
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "%s: found a device of compute capability %d.%d, allowed 9.0", what, major,
                     minor);
    return st;
#else
    return sb_fail(SB_ERR_UNSUPPORTED, "%s: found a build without sm_90a, allowed one with it",
                   what);
#endif
}
