/* What the device kernels of a linear scan share. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_CUDA_CUH
#define SB_KERNELS_EXEC_LINEAR_SCAN_CUDA_CUH

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/linear_scan_device.h"

/* A checked call of rule DECAY; arrays in device memory. Query head h reads state h / group, which
 * key head h / kv_group makes. */
typedef struct sbi_scan_cuda_job {
    const sb_bf16 *q, *k, *v; /* from the call's first row on */
    void          *o;
    int64_t        q_stride, k_stride, v_stride, o_stride; /* elements between heads */
    int64_t        n, state_floats, segments, segment_tokens;
    int32_t        heads, state_heads, group, kv_group, d, o_is_f32, normalize;
    sb_scan_map    map;
    float          scale;
    const float   *start; /* [state_heads][state_floats], never NULL */
    float         *end;   /* the same after the call; NULL: nobody asks */

    sbi_scan_device_room room;
} sbi_scan_cuda_job;

/* All asynchronous on the stream. Segments side by side; token by token; for Hopper. */
sb_status sbi_scan_portable_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
sb_status sbi_scan_token_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
#if defined(SB_HAVE_SM90A)
const char *sbi_scan_sm90_refusal(const sbi_scan_cuda_job *job);
sb_status   sbi_scan_sm90_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
#endif

#if defined(__CUDACC__)
static __device__ __forceinline__ float scan_inverse(float x)
{
    float y; /* within 1 in the last bit; 0 of infinity */
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* What an element of q and k goes through [linear 3.1]. */
static __device__ __forceinline__ float scan_map(sb_scan_map map, float x)
{
    switch (map) {
    case SB_SCAN_SILU:
        return x * scan_inverse(1.0f + __expf(-x));
    case SB_SCAN_RELU:
        return fmaxf(x, 0.0f);
    case SB_SCAN_SQRELU:
        return fmaxf(x, 0.0f) * fmaxf(x, 0.0f);
    case SB_SCAN_ELU:
        return x > 0.0f ? x : expm1f(x);
    case SB_SCAN_ELU1:
        return x > 0.0f ? x + 1.0f : __expf(x);
    default:
        return x;
    }
}

/* e^total as S <- a S + b S; see sbi_scan_decay. */
static __device__ __forceinline__ float2 scan_decay(double total)
{
    return total < -0.7 ? make_float2(0.0f, static_cast<float>(exp(total)))
                        : make_float2(1.0f, static_cast<float>(expm1(total)));
}
static __device__ __forceinline__ float scan_fade(float2 f, float s)
{
    return fmaf(f.y, s, f.x * s);
}
#endif

#endif
