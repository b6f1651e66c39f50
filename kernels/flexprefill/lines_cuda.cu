/* Budgets, and the columns and offsets that fill them. A CTA a head and side: four passes over the
 * masses for the budget (they come out of L2), then a choice among the blocks. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/radix_cuda.cuh"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
__global__ __launch_bounds__(SBI_RADIX_THREADS) void choose(sbi_flex_device r, sbi_flex_asked a)
{
    extern __shared__ __align__(16) unsigned char shared[];
    auto                                         *s = reinterpret_cast<sbi_radix_room *>(shared);
    int64_t         head = blockIdx.x, side = blockIdx.y, budget = a.min_blocks;
    const uint64_t *mass = (side == 0 ? r.probe.vertical : r.probe.slash) + head * r.n_keys;
    uint64_t       *own  = r.pooled + (head * 2 + side) * r.n;
    if (!r.aware[head]) { /* a query-aware head has the least budget and knows no ceiling [3.5] */
        sbi_radix_cut cut   = sbi_radix_cross<true>(mass, r.n_keys, a.line_limit, s);
        int64_t       lines = r.n_keys + 1;
        if (!cut.all)
            lines = cut.above + static_cast<int64_t>((a.line_limit - cut.taken) / cut.score) + 1;
        budget = lines / 128 + 1; /* 128: the released code's, whatever B [3.3] */
        budget = budget > a.min_blocks ? budget : a.min_blocks;
        budget = budget < a.max_blocks ? budget : a.max_blocks;
    }
    __syncthreads();
    if (threadIdx.x == 0)
        own[0] = SBI_RADIX_FORCED; /* [3.6] */
    __syncthreads();
    sbi_radix_top(own, r.n, budget, s, r.set + (head * 2 + side) * r.set_words, nullptr, nullptr);
}
} // namespace

sb_status sbi_flex_choose_lines(const sbi_flex_device &r, const sbi_flex_asked &a,
                                cudaStream_t stream)
{
    constexpr int bytes = static_cast<int>(sizeof(sbi_radix_room));
    sb_status     st =
        SB_CUDA(cudaFuncSetAttribute(choose, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    choose<<<dim3(static_cast<unsigned>(r.heads), 2), SBI_RADIX_THREADS, bytes, stream>>>(r, a);
    return sb_cuda_status(cudaGetLastError(), "launch of choose");
}
