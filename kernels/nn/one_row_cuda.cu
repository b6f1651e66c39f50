/* A product of one row (decode) on the device: bound by the bytes of w, read once.
 *
 *   a warp a row of w: each lane every 32nd piece of 16 bytes of it and of x (out of L1), fp32,
 *   then a tree over the lanes; one order whatever the shape
 *
 * Up to 64 warps an SM with one to four pieces a lane under way: 32 KiB and more, about twice what
 * the latency of the device's memory asks for. */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/device_rows_cuda.h"
#include "kernels/nn/probe_bf16_cuda.cuh"

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32, WIDE = 8 };

__device__ float pair_product(uint32_t w, uint32_t x, float sum)
{
    return fmaf(sbi_high(w), sbi_high(x), fmaf(sbi_low(w), sbi_low(x), sum));
}

__device__ void put(float *y, float v, bool adds) { *y = adds ? *y + v : v; }
__device__ void put(sb_bf16 *y, float v, bool) { *y = sbi_round(v); }

template <typename Y>
__global__ void __launch_bounds__(THREADS)
    one_row(const uint4 *w, const uint4 *x, Y *y, int64_t rows, int64_t eights, bool adds)
{
    const int64_t row  = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    const int     lane = threadIdx.x % 32;
    float         sum  = 0;
    if (row >= rows)
        return;
    const uint4 *from = w + row * eights;
#pragma unroll 4
    for (int64_t i = lane; i < eights; i += 32) {
        const uint4 a = __ldcs(from + i), b = x[i]; /* of w nothing is read again */
        sum = pair_product(a.x, b.x, sum);
        sum = pair_product(a.y, b.y, sum);
        sum = pair_product(a.z, b.z, sum);
        sum = pair_product(a.w, b.w, sum);
    }
    for (int d = 16; d > 0; d /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, d);
    if (lane == 0)
        put(y + row, sum, adds);
}
} // namespace

extern "C" sb_status sbi_one_row_product(const sb_rows_product *p, void *stream)
{
    const unsigned     ctas = static_cast<unsigned>((p->rows + WARPS - 1) / WARPS);
    const cudaStream_t s    = sb_cuda_stream(stream);
    const uint4       *w    = reinterpret_cast<const uint4 *>(p->w),
                *x          = reinterpret_cast<const uint4 *>(p->x);
    if (p->n != 1 || p->cols % WIDE != 0)
        return sb_fail(SB_ERR_INTERNAL, "one_row: %lld rows of %lld numbers", (long long)p->n,
                       (long long)p->cols);
    if (p->y_type == SB_F32)
        one_row<<<ctas, THREADS, 0, s>>>(w, x, static_cast<float *>(p->y), p->rows, p->cols / WIDE,
                                         p->adds != 0);
    else
        one_row<<<ctas, THREADS, 0, s>>>(w, x, static_cast<sb_bf16 *>(p->y), p->rows,
                                         p->cols / WIDE, false);
    return sb_cuda_status(cudaGetLastError(), "launch of one_row");
}
