/* A thread a word of 4 bytes. Bound: each word is read and written once, 8 bytes. */
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/look.h"

namespace
{
constexpr int     THREADS = 256;
constexpr int64_t CTAS    = 2048;

/* to [heads][n][words]; from: heads `apart` rows apart. */
__global__ __launch_bounds__(THREADS) void take(const uint32_t *from, const int64_t *local,
                                                int64_t n, int64_t words, int64_t apart,
                                                int64_t total, uint32_t *to)
{
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x; i < total;
         i += static_cast<int64_t>(gridDim.x) * THREADS) {
        const int64_t row = i / words, head = row / n;
        to[i] = from[(head * apart + local[row % n]) * words + i % words];
    }
}
} // namespace

extern "C" sb_status sb_take_rows_cuda(const sb_ctx *ctx, const sb_look_rows *from,
                                       const int64_t *local, int64_t n, void *to)
{
    cudaStream_t  stream = sb_cuda_stream(ctx->stream);
    const int64_t words = from->row_bytes / 4, total = from->heads * n * words;
    const size_t  bytes = static_cast<size_t>(total) * 4;
    const size_t  ids   = static_cast<size_t>(n) * sizeof *local;
    void         *there = nullptr;
    if (from->row_bytes % 4 != 0)
        return sb_fail(SB_ERR_INTERNAL, "rows of %lld bytes, not of words of 4",
                       static_cast<long long>(from->row_bytes));
    if (total == 0)
        return SB_OK;
    sb_status st = sbi_cuda_scratch(ids + bytes, stream, &there);
    if (st != SB_OK)
        return st;
    auto *at   = static_cast<int64_t *>(there);
    auto *rows = reinterpret_cast<uint32_t *>(at + n);
    st         = SB_CUDA(cudaMemcpyAsync(at, local, ids, cudaMemcpyHostToDevice, stream));
    if (st == SB_OK) {
        const int64_t want = (total + THREADS - 1) / THREADS;
        take<<<static_cast<unsigned>(want < CTAS ? want : CTAS), THREADS, 0, stream>>>(
            static_cast<const uint32_t *>(from->data), at, n, words, from->apart, total, rows);
        st = sb_cuda_status(cudaGetLastError(), "launch of take");
    }
    if (st == SB_OK)
        st = SB_CUDA(cudaMemcpyAsync(to, rows, bytes, cudaMemcpyDeviceToHost, stream));
    const sb_status freed = SB_CUDA(cudaFreeAsync(there, stream));
    const sb_status done  = SB_CUDA(cudaStreamSynchronize(stream));
    return st != SB_OK ? st : freed != SB_OK ? freed : done;
}
