/* Weights drawn on the device: a thread a pair of numbers. Some 40 instructions for 4 bytes: bound
 * by arithmetic, 8e9 weights below a second; outside of every timed phase. */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/device_rows_cuda.h"
#include "kernels/nn/draw.h"
#include "kernels/nn/probe_bf16_cuda.cuh"

namespace
{
enum { THREADS = 256 };
constexpr int64_t CTAS_MOST = 132 * 64;

__global__ void __launch_bounds__(THREADS) draw(uint32_t *w, int64_t pairs, uint64_t seed, float sd)
{
    const int64_t step = static_cast<int64_t>(gridDim.x) * THREADS;
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x; i < pairs;
         i += step) {
        float two[2];
        sb_normal_pair(seed, i, two);
        w[i] = sbi_pair(sbi_round(sd * two[0]), sbi_round(sd * two[1]));
    }
}
} // namespace

extern "C" sb_status sbi_rows_draw(sb_bf16 *w, int64_t n, uint64_t seed, float sd, void *stream)
{
    const int64_t pairs = n / 2, ctas = (pairs + THREADS - 1) / THREADS;
    if (n % 2 != 0 || reinterpret_cast<uintptr_t>(w) % 4 != 0)
        return sb_fail(SB_ERR_INTERNAL, "draw: %lld numbers, or out of line", (long long)n);
    if (n == 0)
        return SB_OK;
    draw<<<static_cast<unsigned>(ctas < CTAS_MOST ? ctas : CTAS_MOST), THREADS, 0,
           sb_cuda_stream(stream)>>>(reinterpret_cast<uint32_t *>(w), pairs, seed, sd);
    return sb_cuda_status(cudaGetLastError(), "launch of draw");
}
