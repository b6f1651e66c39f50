/* A warp a row. Bound: the rows are read once, 2 bytes a value. */
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/not_finite.h"

namespace
{
constexpr int     WARPS = 8;
constexpr int64_t CTAS  = 2048;

/* [0] how many; [1] the first row, heads one after the other, ~0 without one */
using found = unsigned long long;

__global__ __launch_bounds__(32 * WARPS) void look(const sb_bf16 *x, int64_t rows, int64_t tokens,
                                                   int64_t dim, int64_t head_stride, found *out)
{
    const int lane = threadIdx.x & 31;
    for (int64_t r = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32; r < rows;
         r += static_cast<int64_t>(gridDim.x) * WARPS) {
        const sb_bf16 *row = x + r / tokens * head_stride + r % tokens * dim;
        unsigned       n   = 0;
        for (int64_t d = lane; d < dim; d += 32)
            n += (row[d] & 0x7f80) == 0x7f80; /* all ones in the exponent */
        for (int step = 16; step > 0; step /= 2)
            n += __shfl_xor_sync(0xffffffffu, n, step);
        if (lane == 0 && n > 0) {
            atomicAdd(&out[0], static_cast<found>(n));
            atomicMin(&out[1], static_cast<found>(r));
        }
    }
}
} // namespace

extern "C" sb_status sb_not_finite_cuda(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out)
{
    cudaStream_t  stream = sb_cuda_stream(ctx->stream);
    const int64_t rows = t->heads * t->tokens, want = (rows + WARPS - 1) / WARPS;
    found         host[2] = {0, 0};
    void         *there   = nullptr;
    *out                  = {0, 0, 0};
    if (rows == 0)
        return SB_OK;
    sb_status st = sbi_cuda_scratch(sizeof host, stream, &there);
    if (st != SB_OK)
        return st;
    auto *to = static_cast<found *>(there);
    if ((st = SB_CUDA(cudaMemsetAsync(to, 0, sizeof *to, stream))) == SB_OK &&
        (st = SB_CUDA(cudaMemsetAsync(to + 1, 0xff, sizeof *to, stream))) == SB_OK) {
        look<<<static_cast<unsigned>(want < CTAS ? want : CTAS), 32 * WARPS, 0, stream>>>(
            static_cast<const sb_bf16 *>(t->data), rows, t->tokens, t->dim, t->head_stride, to);
        st = sb_cuda_status(cudaGetLastError(), "launch of look");
    }
    if (st == SB_OK)
        st = SB_CUDA(cudaMemcpyAsync(host, to, sizeof host, cudaMemcpyDeviceToHost, stream));
    sb_status freed = SB_CUDA(cudaFreeAsync(there, stream));
    sb_status done  = SB_CUDA(cudaStreamSynchronize(stream));
    st              = st != SB_OK ? st : freed != SB_OK ? freed : done;
    if (st == SB_OK && host[0] > 0)
        *out = {static_cast<int64_t>(host[0]), static_cast<int64_t>(host[1]) / t->tokens,
                static_cast<int64_t>(host[1]) % t->tokens};
    return st;
}
