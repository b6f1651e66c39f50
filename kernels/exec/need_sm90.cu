#include "kernels/exec/need_sm90.h"

#include <cuda_runtime.h>

const char *sbi_no_sm90(void)
{
#if defined(SB_HAVE_SM90A)
    int device = 0, major = 0, minor = 0;
    if (cudaGetDevice(&device) != cudaSuccess ||
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) != cudaSuccess ||
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) != cudaSuccess) {
        (void)cudaGetLastError();
        return "a device that does not tell its compute capability";
    }
    return major == 9 && minor == 0 ? nullptr : "a device but of compute capability 9.0";
#else
    return "a build without sm_90a";
#endif
}

#if defined(SB_HAVE_SM90A)
static int has_device(void)
{
    int        n  = 0;
    const bool ok = cudaGetDeviceCount(&n) == cudaSuccess;
    (void)cudaGetLastError();
    return ok && n > 0;
}
#endif

sb_status sbi_need_sm90(const char *what)
{
#if defined(SB_HAVE_SM90A)
    if (!has_device())
        return SB_OK;
#endif
    const char *why = sbi_no_sm90();
    return why == nullptr ? SB_OK
                          : sb_fail(SB_ERR_UNSUPPORTED,
                                    "%s: found %s, allowed compute capability 9.0 and a build "
                                    "with sm_90a",
                                    what, why);
}
