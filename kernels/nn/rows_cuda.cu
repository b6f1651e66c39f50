/* Rows of a decoder between products, on the device: all bound by its memory.
 *
 *   embed  a block a row             bf16 -> fp32, the row's position beside it
 *   norm   a block a row, read twice (the second time out of L1 or L2); sums in fp32, a tree
 *   gate   a thread eight numbers, in place
 *   add    a thread a number */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/device_rows_cuda.h"
#include "kernels/nn/probe_bf16_cuda.cuh"

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32, WIDE = 8 };

__global__ void __launch_bounds__(THREADS)
    embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first, float *x,
          int32_t *position)
{
    const int64_t  row  = blockIdx.x;
    const sb_bf16 *from = table + static_cast<int64_t>(ids[row]) * width;
    float         *to   = x + row * width;
    for (int64_t i = threadIdx.x; i < width; i += THREADS)
        to[i] = sbi_f32(from[i]);
    if (threadIdx.x == 0)
        position[row] = static_cast<int32_t>(first + row);
}

__device__ float block_sum(float v)
{
    __shared__ float part[WARPS];
    for (int d = 16; d > 0; d /= 2)
        v += __shfl_xor_sync(0xffffffffu, v, d);
    if (threadIdx.x % 32 == 0)
        part[threadIdx.x / 32] = v;
    __syncthreads();
    v = 0;
    for (int w = 0; w < WARPS; w++) /* in one order, the same in all threads */
        v += part[w];
    return v;
}

__global__ void __launch_bounds__(THREADS)
    norm_by_four(const float4 *x, int64_t fours, const float4 *weight, double eps, uint2 *y)
{
    const float4 *from = x + blockIdx.x * fours;
    uint2        *to   = y + blockIdx.x * fours;
    float         sum  = 0;
    for (int64_t i = threadIdx.x; i < fours; i += THREADS) {
        const float4 v = from[i];
        sum += v.x * v.x + v.y * v.y + (v.z * v.z + v.w * v.w);
    }
    const double mean  = static_cast<double>(block_sum(sum)) / static_cast<double>(4 * fours);
    const float  scale = static_cast<float>(1.0 / sqrt(mean + eps));
    for (int64_t i = threadIdx.x; i < fours; i += THREADS) {
        const float4 v = from[i], w = weight[i];
        to[i] = make_uint2(sbi_pair(sbi_round(v.x * scale * w.x), sbi_round(v.y * scale * w.y)),
                           sbi_pair(sbi_round(v.z * scale * w.z), sbi_round(v.w * scale * w.w)));
    }
}

__device__ float gated(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }

__device__ uint32_t gated_pair(uint32_t gate, uint32_t up, const float *gate_bias,
                               const float *up_bias)
{
    float g0 = sbi_low(gate), g1 = sbi_high(gate), u0 = sbi_low(up), u1 = sbi_high(up);
    if (gate_bias != nullptr) {
        g0 += gate_bias[0];
        g1 += gate_bias[1];
        u0 += up_bias[0];
        u1 += up_bias[1];
    }
    return sbi_pair(sbi_round(gated(g0, u0)), sbi_round(gated(g1, u1)));
}

__global__ void __launch_bounds__(THREADS)
    gate_rows(sb_bf16 *rows, const float *bias, int64_t n, int64_t width)
{
    const int64_t eights = width / WIDE;
    const int64_t at     = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    const int64_t row = at / eights, i = at % eights * WIDE;
    if (row >= n)
        return;
    sb_bf16     *gate = rows + row * 2 * width + i;
    const float *gb = bias == nullptr ? nullptr : bias + i, *ub = gb == nullptr ? gb : gb + width;
    uint4        g = *reinterpret_cast<const uint4 *>(gate);
    const uint4  u = *reinterpret_cast<const uint4 *>(gate + width);
    g.x            = gated_pair(g.x, u.x, gb, ub);
    g.y            = gated_pair(g.y, u.y, gb == nullptr ? gb : gb + 2, gb == nullptr ? ub : ub + 2);
    g.z            = gated_pair(g.z, u.z, gb == nullptr ? gb : gb + 4, gb == nullptr ? ub : ub + 4);
    g.w            = gated_pair(g.w, u.w, gb == nullptr ? gb : gb + 6, gb == nullptr ? ub : ub + 6);
    *reinterpret_cast<uint4 *>(gate) = g;
}

__global__ void __launch_bounds__(THREADS)
    add(float *x, const float *bias, int64_t n, int64_t width)
{
    const int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (at < n * width)
        x[at] += bias[at % width];
}

int aligned(const void *a, const void *b, const void *c)
{
    return ((reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b) |
             reinterpret_cast<uintptr_t>(c)) &
            15u) == 0;
}

unsigned blocks_of(int64_t threads)
{
    return static_cast<unsigned>((threads + THREADS - 1) / THREADS);
}
} // namespace

extern "C" sb_status sbi_rows_embed(const sb_bf16 *table, int64_t width, const int32_t *ids,
                                    int64_t first, int64_t n, float *x, int32_t *position,
                                    void *stream)
{
    if (n == 0)
        return SB_OK;
    embed<<<static_cast<unsigned>(n), THREADS, 0, sb_cuda_stream(stream)>>>(table, width, ids,
                                                                            first, x, position);
    return sb_cuda_status(cudaGetLastError(), "launch of embed");
}

extern "C" sb_status sbi_rows_norm(const float *x, int64_t n, int64_t width, const float *weight,
                                   double eps, sb_bf16 *y, void *stream)
{
    if (n == 0)
        return SB_OK;
    if (width % WIDE != 0 || !aligned(x, weight, y))
        return sb_fail(SB_ERR_INTERNAL, "norm: rows of %lld numbers, or out of line",
                       (long long)width);
    norm_by_four<<<static_cast<unsigned>(n), THREADS, 0, sb_cuda_stream(stream)>>>(
        reinterpret_cast<const float4 *>(x), width / 4, reinterpret_cast<const float4 *>(weight),
        eps, reinterpret_cast<uint2 *>(y));
    return sb_cuda_status(cudaGetLastError(), "launch of norm");
}

extern "C" sb_status sbi_rows_gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width,
                                   void *stream)
{
    if (n == 0)
        return SB_OK;
    if (width % WIDE != 0 || !aligned(rows, bias, nullptr))
        return sb_fail(SB_ERR_INTERNAL, "gate: rows of %lld numbers, or out of line",
                       (long long)width);
    gate_rows<<<blocks_of(n * (width / WIDE)), THREADS, 0, sb_cuda_stream(stream)>>>(rows, bias, n,
                                                                                     width);
    return sb_cuda_status(cudaGetLastError(), "launch of gate");
}

extern "C" sb_status sbi_rows_add(float *x, const float *bias, int64_t n, int64_t width,
                                  void *stream)
{
    if (n == 0)
        return SB_OK;
    add<<<blocks_of(n * width), THREADS, 0, sb_cuda_stream(stream)>>>(x, bias, n, width);
    return sb_cuda_status(cudaGetLastError(), "launch of add");
}
