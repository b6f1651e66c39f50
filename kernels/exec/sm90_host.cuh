/* What the Hopper kernels' launches share: tensor maps, work counters. */
#ifndef SB_KERNELS_EXEC_SM90_HOST_CUH
#define SB_KERNELS_EXEC_SM90_HOST_CUH

#include <atomic>

#include "kernels/exec/sm90_map.cuh"

namespace
{
enum { COUNTERS = 64 };

/* One concurrent launch has one of these pairs to itself. */
__device__ int counters[COUNTERS][2];

/* Rows [row, row + n) of every head, in boxes of `rows` x 64 dims. */
sb_status make_map(sbi_encode_fn encode, const sb_tensor *t, int64_t row, int64_t n, int rows,
                   CUtensorMap *out)
{
    return sbi_make_map(encode, static_cast<const sb_bf16 *>(t->data) + row * t->dim, t->heads, n,
                        t->dim, t->head_stride, rows, out);
}

/* A pair of counters that no launch in flight uses, zeroed in stream order. */
sb_status next_counter(cudaStream_t stream, int **out)
{
    static std::atomic<unsigned> turn{0};
    void                        *p  = nullptr;
    sb_status                    st = SB_CUDA(cudaGetSymbolAddress(&p, counters));
    if (st != SB_OK)
        return st;
    *out = static_cast<int *>(p) + turn.fetch_add(1) % COUNTERS * 2;
    return SB_CUDA(cudaMemsetAsync(*out, 0, 2 * sizeof **out, stream));
}

} // namespace

#endif
