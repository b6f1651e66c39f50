#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/plan_bits_device.h"

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/row_sum_device.h"

namespace
{
enum { THREADS = 256, WARP = 32, WARPS = THREADS / WARP };

/* A warp a list. row_ptr[list + 1] = number of its tiles; row_ptr[0] = 0. */
__global__ void count_bits(const uint32_t *word, int64_t lists, int64_t words, int64_t *row_ptr)
{
    int64_t list = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / WARP;
    int     lane = static_cast<int>(threadIdx.x % WARP), n = 0;
    if (list >= lists)
        return;
    for (int64_t w = lane; w < words; w += WARP)
        n += __popc(word[list * words + w]);
    n = static_cast<int>(__reduce_add_sync(0xffffffffu, static_cast<unsigned>(n)));
    if (lane == 0) {
        row_ptr[list + 1] = n;
        if (list == 0)
            row_ptr[0] = 0;
    }
}

/* A warp a list: each lane a word, its place by a sum over the lanes before. */
__global__ void write_ids(const uint32_t *word, int64_t lists, int64_t words,
                          const int64_t *row_ptr, int32_t *id)
{
    int64_t list = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / WARP;
    int     lane = static_cast<int>(threadIdx.x % WARP);
    if (list >= lists)
        return;
    int32_t *to = id + row_ptr[list];
    for (int64_t first = 0; first < words; first += WARP) {
        int64_t  w    = first + lane;
        uint32_t bits = w < words ? word[list * words + w] : 0u;
        int      n = __popc(bits), before = n;
        for (int step = 1; step < WARP; step *= 2) {
            int up = __shfl_up_sync(0xffffffffu, before, static_cast<unsigned>(step));
            if (lane >= step)
                before += up;
        }
        int all = __shfl_sync(0xffffffffu, before, WARP - 1);
        for (int at = before - n; bits != 0; bits &= bits - 1)
            to[at++] = static_cast<int32_t>(w * 32) + __ffs(static_cast<int>(bits)) - 1;
        to += all;
    }
}

unsigned blocks(int64_t lists) { return static_cast<unsigned>((lists + WARPS - 1) / WARPS); }
} // namespace

extern "C" sb_status sb_plan_bits_layout(sb_plan_bits *b, const sb_ctx *ctx, int64_t lists,
                                         int64_t n_tiles)
{
    sb_plan_bits made = {};
    void        *word = nullptr;
    made.lists        = lists;
    made.n_tiles      = n_tiles;
    made.words        = (n_tiles + 31) / 32;
    sb_status st      = sb_row_sum_bytes(lists, &made.temp_bytes);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->arena, lists * made.words, sizeof *made.word, "tile bits", &word);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->arena, made.temp_bytes, 1, "room of a sum", &made.temp);
    if (st != SB_OK)
        return st;
    made.word = static_cast<uint32_t *>(word);
    *b        = made;
    return SB_OK;
}

extern "C" sb_status sb_plan_bits_clear(const sb_plan_bits *b, void *stream)
{
    return SB_CUDA(cudaMemsetAsync(b->word, 0,
                                   static_cast<size_t>(b->lists * b->words) * sizeof *b->word,
                                   sb_cuda_stream(stream)));
}

extern "C" sb_status sb_plan_bits_list(const sb_plan_bits *b, sb_csr *csr, void *stream_)
{
    cudaStream_t stream = sb_cuda_stream(stream_);
    if (b->lists == 0)
        return SB_CUDA(cudaMemsetAsync(csr->row_ptr, 0, sizeof *csr->row_ptr, stream));
    count_bits<<<blocks(b->lists), THREADS, 0, stream>>>(b->word, b->lists, b->words, csr->row_ptr);
    sb_status st = sb_cuda_status(cudaGetLastError(), "launch of count_bits");
    if (st == SB_OK)
        st = sb_row_sum_cuda(b->temp, b->temp_bytes, csr->row_ptr, b->lists, stream_);
    if (st != SB_OK)
        return st;
    write_ids<<<blocks(b->lists), THREADS, 0, stream>>>(b->word, b->lists, b->words, csr->row_ptr,
                                                        csr->id);
    return sb_cuda_status(cudaGetLastError(), "launch of write_ids");
}
