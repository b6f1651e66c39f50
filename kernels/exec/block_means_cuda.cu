/* A block is dim / 2 threads, two dims a thread; a CTA takes several blocks. Grid: blocks x heads.
 * Bytes: t once. Bound at 128K, 8 heads, d 128: .09 ms. */
#include <cmath>
#include <cuda_bf16.h>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/block_means_device.h"

namespace
{
enum { THREADS = 256 };

__device__ float finish(const sb_block_means &m, float sum, int64_t rows, float root)
{
    auto round = [&](float x) {
        return m.steps & SB_MEAN_ROUND ? __bfloat162float(__float2bfloat16_rn(x)) : x;
    };
    float b = static_cast<float>(m.block_tokens), n = static_cast<float>(rows);
    float mean = round(__fdiv_rn(sum, m.steps & SB_MEAN_WHOLE ? b : n));
    if (m.steps & SB_MEAN_GROW && rows < m.block_tokens)
        mean = round(__fdiv_rn(__fmul_rn(mean, b), n));
    return m.steps & SB_MEAN_SCALE ? round(__fdiv_rn(mean, root)) : mean;
}

template <int D>
__global__ void means(sb_block_means m, const uint32_t *t, int64_t stride, int64_t tokens,
                      int64_t n_blocks, float root)
{
    constexpr int PAIRS = D / 2;
    int64_t       head  = blockIdx.y;
    int64_t block = static_cast<int64_t>(blockIdx.x) * (THREADS / PAIRS) + threadIdx.x / PAIRS;
    int     pair  = static_cast<int>(threadIdx.x) % PAIRS;
    if (block >= n_blocks || (m.only != nullptr && m.only[head] == 0))
        return;
    int64_t         first = block * m.block_tokens, rows = tokens - first;
    float           lo = 0.0f, hi = 0.0f;
    const uint32_t *from = t + head * stride + first * PAIRS + pair;
    rows                 = rows < m.block_tokens ? rows : m.block_tokens;
#pragma unroll 16
    for (int64_t i = 0; i < rows; i++) {
        uint32_t two = from[i * PAIRS];
        lo           = __fadd_rn(lo, __uint_as_float(two << 16));
        hi           = __fadd_rn(hi, __uint_as_float(two & 0xffff0000u));
    }
    float *to = m.out + head * m.head_stride + block * m.block_stride + 2 * pair * m.dim_stride;
    to[0]     = finish(m, lo, rows, root);
    to[m.dim_stride] = finish(m, hi, rows, root);
}
} // namespace

extern "C" sb_status sb_block_means_run(const sb_block_means *m, const sb_tensor *t, void *stream_)
{
    auto        stream = sb_cuda_stream(stream_);
    int64_t     n      = (t->tokens + m->block_tokens - 1) / m->block_tokens;
    const auto *data   = static_cast<const uint32_t *>(t->data);
    float       root   = sqrtf(static_cast<float>(t->dim));
    if (n == 0 || t->heads == 0)
        return SB_OK;
    if (t->dim != 64 && t->dim != 128)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "means: found head_dim %lld, allowed 64 and 128 on the cuda backend",
                       static_cast<long long>(t->dim));
    int64_t each = THREADS / (t->dim / 2);
    dim3    grid(static_cast<unsigned>((n + each - 1) / each), static_cast<unsigned>(t->heads));
    if (t->dim == 64)
        means<64><<<grid, THREADS, 0, stream>>>(*m, data, t->head_stride / 2, t->tokens, n, root);
    else
        means<128><<<grid, THREADS, 0, stream>>>(*m, data, t->head_stride / 2, t->tokens, n, root);
    return sb_cuda_status(cudaGetLastError(), "launch of means");
}
