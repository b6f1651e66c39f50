/* bf16 in device code by the rules of kernels/base/bf16.h. */
#ifndef SB_KERNELS_NN_PROBE_BF16_CUDA_CUH
#define SB_KERNELS_NN_PROBE_BF16_CUDA_CUH

#include <cstdint>

#include "kernels/base/bf16.h"

static __device__ __forceinline__ float sbi_f32(sb_bf16 x)
{
    return __uint_as_float(static_cast<uint32_t>(x) << 16);
}

/* A pair as it lies in memory: the first number is the low half. */
static __device__ __forceinline__ float sbi_low(uint32_t pair)
{
    return __uint_as_float(pair << 16);
}
static __device__ __forceinline__ float sbi_high(uint32_t pair)
{
    return __uint_as_float(pair & 0xffff0000u);
}
static __device__ __forceinline__ uint32_t sbi_pair(sb_bf16 low, sb_bf16 high)
{
    return static_cast<uint32_t>(high) << 16 | low;
}

/* sb_bf16_from_f32 */
static __device__ __forceinline__ sb_bf16 sbi_round(float x)
{
    const uint32_t u = __float_as_uint(x);
    return static_cast<sb_bf16>(
        ((u & 0x7fffffffu) > 0x7f800000u ? u | 0x00400000u : u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

#endif
