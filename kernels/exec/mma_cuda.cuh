/* Instructions of compute capability 8.0 that the kernels without wgmma share: copies into shared
 * memory, operands out of it, products of 16 x 8 x 16. Shared
 * memory by address or pointer. */
#ifndef SB_KERNELS_EXEC_MMA_CUDA_CUH
#define SB_KERNELS_EXEC_MMA_CUDA_CUH

#include <cstdint>
#include <cuda_bf16.h>

/* 16 bytes, past L1; zeros where they are not real. Asynchronous. */
static __device__ __forceinline__ void sbi_copy_16(uint32_t to, const void *src, bool real)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(src),
                 "r"(real ? 16 : 0)
                 : "memory");
}

static __device__ __forceinline__ void sbi_ldmatrix(uint32_t (&r)[4], uint32_t at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

static __device__ __forceinline__ void sbi_ldmatrix_t(uint32_t (&r)[4], uint32_t at)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

static __device__ __forceinline__ void sbi_ldmatrix(uint32_t (&r)[4], const void *p)
{
    sbi_ldmatrix(r, static_cast<uint32_t>(__cvta_generic_to_shared(p)));
}

static __device__ __forceinline__ void sbi_ldmatrix_t(uint32_t (&r)[4], const void *p)
{
    sbi_ldmatrix_t(r, static_cast<uint32_t>(__cvta_generic_to_shared(p)));
}

/* c[16x8] += a[16x16] b[16x8]. Lane l holds c of rows l/4 and l/4 + 8, columns 2(l%4) + {0, 1}. */
static __device__ __forceinline__ void sbi_mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                               uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

static __device__ __forceinline__ uint32_t sbi_pack_bf16(float lo, float hi)
{
    __nv_bfloat162 both = __floats2bfloat162_rn(lo, hi);
    return *reinterpret_cast<uint32_t *>(&both);
}

#endif
