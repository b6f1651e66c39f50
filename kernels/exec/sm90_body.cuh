/* What the Hopper kernels' consumer warpgroups share: products of a block of 128 keys, the online
 * softmax on its scores, rows of output out of registers. Tiles lie in shared memory in halves of
 * 64 dims, rows of 128 bytes, swizzled (sm90_ptx.cuh). Only for code compiled for sm_90a. */
#ifndef SB_KERNELS_EXEC_SM90_BODY_CUH
#define SB_KERNELS_EXEC_SM90_BODY_CUH

#include "kernels/base/host_device.h"
#include "kernels/exec/sm90_ptx.cuh"

namespace
{
enum {
    KEYS       = 128,       /* a block */
    HALF_BYTES = 128 * 128, /* 128 rows of 64 dims: the swizzle takes rows of 128 bytes */
};

SB_HOST_DEVICE constexpr int tile_bytes(int d) { return d / 64 * HALF_BYTES; }

/* Where rows of output go that leave registers directly. */
struct row_output {
    void   *o; /* bf16 or fp32; o_stride elements between heads */
    float  *lse;
    int64_t o_stride, lse_stride;
    float   scale;
    int32_t merge; /* fp32: o and lse hold a running partial over other keys */
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* S = Q K^T for 64 rows. */
template <int D>
static __device__ __forceinline__ void issue_qk(float (&s)[64], const uint32_t (&q)[D / 4],
                                                uint64_t k)
{
#pragma unroll
    for (int t = 0; t < D / 16; t++)
        wgmma_qk(s, q + 4 * t,
                 k + static_cast<uint64_t>((t >> 2) * (HALF_BYTES >> 4) + (t & 3) * (32 >> 4)),
                 t != 0);
}
/* O += P V: 8 steps of 16 keys, 128 bytes each. */
template <int NO>
static __device__ __forceinline__ void issue_pv(float (&o)[NO], const uint32_t (&p)[32], uint64_t v)
{
#pragma unroll
    for (int t = 0; t < 8; t++)
        wgmma_pv(o, p + 4 * t, v + static_cast<uint64_t>(t) * (16 * 128 >> 4));
}
/* This warp's 16 rows of Q as operands, out of the swizzled tile. */
template <int D>
static __device__ __forceinline__ void load_q(uint32_t (&q)[D / 4], uint32_t tile, int row,
                                              int lane)
{
    row += lane & 15;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        const uint32_t at = tile + (t >> 2) * HALF_BYTES + row * 128 +
                            (((2 * (t & 3) + (lane >> 4)) ^ (row & 7)) << 4);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(q[4 * t]), "=r"(q[4 * t + 1]), "=r"(q[4 * t + 2]), "=r"(q[4 * t + 3])
                     : "r"(at)
                     : "memory");
    }
}

/* s := exp2(s * c - m * c); m (unscaled) and l (this thread's part of the sum) are brought up to
 * date. LAZY: m may stay behind as long as no exponent passes 8; bf16 and fp32 have room for that.
 * keep: the factor of what was summed before; returns whether it is not one. */
template <int LAZY>
static __device__ __forceinline__ int softmax_step(float (&s)[64], float (&m)[2], float (&l)[2],
                                                   float (&keep)[2], float c)
{
    float top[2] = {s[0], s[2]}, base[2], sum[2] = {0.0f, 0.0f};
#pragma unroll
    for (int j = 0; j < 16; j++) {
        top[0] = fmaxf(top[0], fmaxf(s[4 * j], s[4 * j + 1]));
        top[1] = fmaxf(top[1], fmaxf(s[4 * j + 2], s[4 * j + 3]));
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 1));
        top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 2));
    }
    int grow = 1;
    if (LAZY)
        grow = __any_sync(~0u, (top[0] - m[0]) * c > 8.0f || (top[1] - m[1]) * c > 8.0f);
    keep[0] = keep[1] = 1.0f;
    if (grow) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const float now = fmaxf(m[i], top[i]);
            keep[i]         = ex2((m[i] - (now == -INFINITY ? 0.0f : now)) * c);
            m[i]            = now;
            l[i] *= keep[i];
        }
    }
#pragma unroll
    for (int i = 0; i < 2; i++)
        base[i] = m[i] == -INFINITY ? 0.0f : m[i] * c; /* no key so far: all exponents -inf */
#pragma unroll
    for (int j = 0; j < 16; j++) {
        s[4 * j]     = ex2(fmaf(s[4 * j], c, -base[0]));
        s[4 * j + 1] = ex2(fmaf(s[4 * j + 1], c, -base[0]));
        s[4 * j + 2] = ex2(fmaf(s[4 * j + 2], c, -base[1]));
        s[4 * j + 3] = ex2(fmaf(s[4 * j + 3], c, -base[1]));
        sum[0] += s[4 * j] + s[4 * j + 1];
        sum[1] += s[4 * j + 2] + s[4 * j + 3];
    }
    l[0] += sum[0];
    l[1] += sum[1];
    return grow;
}
static __device__ __forceinline__ void to_p(uint32_t (&p)[32], const float (&s)[64])
{
#pragma unroll
    for (int e = 0; e < 32; e++)
        p[e] = pack_bf16(s[2 * e], s[2 * e + 1]);
}
template <int NO>
static __device__ __forceinline__ void rescale(float (&o)[NO], const float (&keep)[2])
{
#pragma unroll
    for (int e = 0; e < NO; e++)
        o[e] *= keep[(e >> 1) & 1];
}

/* Sum over the lanes of a row, lse, and O to rows [row0, end), merged into what stands there in
 * MERGE [sharding 3]. row0: of this warpgroup. Four lanes write 16 or 32 bytes of a row at a time.
 */
template <int D, int F32>
static __device__ __forceinline__ void store_rows(const row_output &out, int head, int row0,
                                                  int end, const float (&o)[D / 2],
                                                  const float (&m)[2], float (&l)[2])
{
    const int tid = threadIdx.x & 127, lane = tid & 31;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        l[i] += __shfl_xor_sync(~0u, l[i], 1);
        l[i] += __shfl_xor_sync(~0u, l[i], 2);
        const int row  = row0 + 16 * (tid >> 5) + (lane >> 2) + 8 * i;
        float    *slot = out.lse + head * out.lse_stride + row;
        float     w = l[i] == 0.0f ? 0.0f : 1.0f / l[i], keep = 0.0f, before = -INFINITY;
        float     lse = l[i] == 0.0f ? -INFINITY : m[i] * out.scale + logf(l[i]); /* NaN stays */
        if (F32 && out.merge && (lane & 3) == 0 && row < end)
            before = *slot;
        if (F32)
            before = __shfl_sync(~0u, before, lane & 28);
        if (row >= end)
            continue;
        if (F32 && out.merge) {
            const float top = fmaxf(before, lse);
            const float x   = top == -INFINITY ? 0.0f : expf(before - top);
            const float y   = top == -INFINITY ? 0.0f : expf(lse - top);
            keep            = x + y > 0.0f ? x / (x + y) : 1.0f; /* neither: o stays */
            w *= x + y > 0.0f ? y / (x + y) : 0.0f;
            lse = top == -INFINITY ? -INFINITY : top + logf(x + y);
        }
        if ((lane & 3) == 0)
            *slot = lse;
        const int64_t at = head * out.o_stride + static_cast<int64_t>(row) * D + 2 * (lane & 3);
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            float2 v = make_float2(o[4 * j + 2 * i] * w, o[4 * j + 2 * i + 1] * w);
            if (!F32) {
                *reinterpret_cast<uint32_t *>(static_cast<uint16_t *>(out.o) + at + 8 * j) =
                    pack_bf16(v.x, v.y);
                continue;
            }
            float2 *to = reinterpret_cast<float2 *>(static_cast<float *>(out.o) + at + 8 * j);
            if (out.merge) {
                const float2 old = *to;
                v.x              = fmaf(old.x, keep, v.x);
                v.y              = fmaf(old.y, keep, v.y);
            }
            *to = v;
        }
    }
}
#endif
} // namespace

#endif
