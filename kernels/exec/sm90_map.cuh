/* Tensor maps for the copies of sm90_ptx.cuh, from the host. */
#ifndef SB_KERNELS_EXEC_SM90_MAP_CUH
#define SB_KERNELS_EXEC_SM90_MAP_CUH

#include <cuda.h>

#include "kernels/exec/attend_cuda.cuh"

typedef CUresult (*sbi_encode_fn)(CUtensorMap *, CUtensorMapDataType, cuuint32_t, void *,
                                  const cuuint64_t *, const cuuint64_t *, const cuuint32_t *,
                                  const cuuint32_t *, CUtensorMapInterleave, CUtensorMapSwizzle,
                                  CUtensorMapL2promotion, CUtensorMapFloatOOBfill);

/* From the driver, so that nothing is linked to it. */
static inline sb_status sbi_find_encoder(sbi_encode_fn *out)
{
    cudaDriverEntryPointQueryResult found;
    void                           *p = nullptr;
    sb_status st = SB_CUDA(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &p, 12000,
                                                            cudaEnableDefault, &found));
    if (st == SB_OK && p == nullptr)
        st = sb_fail(SB_ERR_DEVICE, "cuda: this driver has no cuTensorMapEncodeTiled");
    if (st == SB_OK)
        *out = reinterpret_cast<sbi_encode_fn>(p);
    return st;
}

/* n rows of every head from data on, in boxes of `rows` x 64 dims, 128-byte swizzle. Rank 3, so
 * that a ragged end of one head does not reach into the next. */
static inline sb_status sbi_make_map(sbi_encode_fn encode, const sb_bf16 *data, int64_t heads,
                                     int64_t n, int64_t dim, int64_t head_stride, int rows,
                                     CUtensorMap *out)
{
    cuuint64_t size[3]   = {(cuuint64_t)dim, (cuuint64_t)n, (cuuint64_t)heads};
    cuuint64_t stride[2] = {(cuuint64_t)dim * sizeof(sb_bf16),
                            (cuuint64_t)head_stride * sizeof(sb_bf16)};
    cuuint32_t box[3] = {64, (cuuint32_t)rows, 1}, step[3] = {1, 1, 1};
    CUresult   r =
        encode(out, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 3, const_cast<sb_bf16 *>(data), size, stride,
               box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
    return r == CUDA_SUCCESS
               ? SB_OK
               : sb_fail(SB_ERR_DEVICE, "cuda: tensor map of [%lld][%lld][%lld]: %d",
                         (long long)heads, (long long)n, (long long)dim, static_cast<int>(r));
}

#endif
