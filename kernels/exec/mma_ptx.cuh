/* Matrix products of a warp (mma.sync) and the copies into their operands, for devices from compute
 * capability 8.0 on. */
#ifndef SB_KERNELS_EXEC_MMA_PTX_CUH
#define SB_KERNELS_EXEC_MMA_PTX_CUH

#include <cstdint>
#include <cuda_bf16.h>

/* Four 8 x 8 matrices of bf16: lane l names the row l % 8 of matrix l / 8. */
static __device__ __forceinline__ void ldmatrix(uint32_t (&r)[4], const void *p)
{
    uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(p));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* ... each transposed on the way */
static __device__ __forceinline__ void ldmatrix_t(uint32_t (&r)[4], const void *p)
{
    uint32_t at = static_cast<uint32_t>(__cvta_generic_to_shared(p));
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(at)
                 : "memory");
}

/* c[16x8] += a[16x16] b[16x8]. Lane l holds c of rows l/4 and l/4 + 8, columns 2(l%4) + {0, 1}. */
static __device__ __forceinline__ void mma(float (&c)[4], const uint32_t (&a)[4], uint32_t b0,
                                           uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, "
                 "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

static __device__ __forceinline__ uint32_t pack(float lo, float hi)
{
    __nv_bfloat162 both = __floats2bfloat162_rn(lo, hi);
    return *reinterpret_cast<uint32_t *>(&both);
}

#endif
