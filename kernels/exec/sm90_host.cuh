/* What the Hopper kernels' launches share: tensor maps, work counters. */
#ifndef SB_KERNELS_EXEC_SM90_HOST_CUH
#define SB_KERNELS_EXEC_SM90_HOST_CUH

#include <atomic>
#include <cuda.h>

#include "kernels/exec/attend_cuda.cuh"

namespace
{
enum { COUNTERS = 64 };

/* One concurrent launch has one of these to itself. */
__device__ int counters[COUNTERS];

typedef CUresult (*encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                              const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                              const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                              CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/* From the driver, so that nothing is linked to it. */
sb_status find_encoder(encode_fn *out)
{
    cudaDriverEntryPointQueryResult found;
    void                           *p = nullptr;
    sb_status st = SB_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &p, 12000,
                                                            cudaEnableDefault, &found));
    if (st == SB_OK && p == nullptr)
        st = sb_fail(SB_ERR_DEVICE, "cuda: this driver has no cuTensorMapEncodeTiled");
    if (st == SB_OK)
        *out = reinterpret_cast<encode_fn>(p);
    return st;
}

/* Rows [row, row + n) of every head, in boxes of `rows` x 64 dims. Rank 3, so that a ragged end of
 * one head does not reach into the next. */
sb_status make_map(encode_fn encode, const sb_tensor *t, int64_t row, int64_t n, int rows,
                   CUtensorMap *out)
{
    cuuint64_t dim[3]    = {(cuuint64_t)t->dim, (cuuint64_t)n, (cuuint64_t)t->heads};
    cuuint64_t stride[2] = {(cuuint64_t)t->dim * sizeof(sb_bf16),
                            (cuuint64_t)t->head_stride * sizeof(sb_bf16)};
    cuuint32_t box[3] = {64, (cuuint32_t)rows, 1}, step[3] = {1, 1, 1};
    CUresult   r = encode(out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3,
                          static_cast<sb_bf16 *>(t->data) + row * t->dim, dim, stride, box, step,
                          CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                          CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS
               ? SB_OK
               : sb_fail(SB_ERR_DEVICE, "cuda: tensor map of [%lld][%lld][%lld]: %d",
                         (long long)t->heads, (long long)n, (long long)t->dim, static_cast<int>(r));
}

/* A counter that no launch in flight uses, zeroed in stream order. */
sb_status next_counter(cudaStream_t stream, int **out)
{
    static std::atomic<unsigned> turn{0};
    void                        *p  = nullptr;
    sb_status                    st = SB_CUDA(cudaGetSymbolAddress(&p, counters));
    if (st != SB_OK)
        return st;
    *out = static_cast<int *>(p) + turn.fetch_add(1) % COUNTERS;
    return SB_CUDA(cudaMemsetAsync(*out, 0, sizeof **out, stream));
}

} // namespace

#endif
