/* Columns and diagonals of every head with lines: a CTA a head and side. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/radix_cuda.cuh"
#include "kernels/minference/device.h"
#include "kernels/minference/work.h"

namespace
{
__global__ __launch_bounds__(SBI_RADIX_THREADS) void choose(sbi_minference_device r)
{
    extern __shared__ __align__(16) unsigned char shared[];
    auto                                         *s = reinterpret_cast<sbi_radix_room *>(shared);
    int64_t                                       place = blockIdx.x, side = blockIdx.y;
    uint64_t *mass  = (side == 0 ? r.probe.vertical : r.probe.slash) + place * r.n_keys;
    int       force = side == 0 ? SBI_MINFERENCE_SINK : SBI_MINFERENCE_LOCAL;
    const sbi_minference_device_head *h = r.head + r.probe.head[place];
    if (static_cast<int>(threadIdx.x) < force && threadIdx.x < r.n_keys)
        mass[threadIdx.x] = SBI_RADIX_FORCED; /* +inf of [3.3] */
    __syncthreads();
    sbi_radix_top(mass, r.n_keys, side == 0 ? h->n_vertical : h->n_slash, s,
                  r.set + (place * 2 + side) * r.words,
                  side == 0 ? r.column + place * r.most_columns : nullptr,
                  side == 0 ? r.before + place * r.words : nullptr);
}
} // namespace

extern "C" sb_status sbi_minference_lines_cuda(const sbi_minference_device *r, void *stream)
{
    constexpr int bytes = static_cast<int>(sizeof(sbi_radix_room));
    sb_status     st =
        SB_CUDA(cudaFuncSetAttribute(choose, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    choose<<<dim3(static_cast<unsigned>(r->n_lines), 2), SBI_RADIX_THREADS, bytes,
             sb_cuda_stream(stream)>>>(*r);
    return sb_cuda_status(cudaGetLastError(), "launch of choose");
}
