#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/row_sum_device.h"

#include <cub/device/device_scan.cuh>

#include "kernels/backend/cuda_status.cuh"

/* CUB tells the bytes of its tiles' states only where there is a device. A state is 16 bytes for
 * sums of 8, a tile is no less than 128 lists, and there are 32 states more; a bound of twice that,
 * and its alignments. Where it were too little, the sum itself would say so. */
enum { STATE_BYTES = 16, TILE_LISTS = 128, MORE_STATES = 32, ALIGNMENTS = 1024 };

extern "C" sb_status sb_row_sum_bytes(int64_t lists, int64_t *bytes)
{
    if (lists > INT32_MAX - 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "plan: found %lld lists, allowed below 2^31",
                       static_cast<long long>(lists));
    *bytes = INT64_C(2) * STATE_BYTES * (lists / TILE_LISTS + 1 + MORE_STATES) + ALIGNMENTS;
    return SB_OK;
}

extern "C" sb_status sb_row_sum_cuda(void *room, int64_t bytes_, int64_t *row_ptr, int64_t lists,
                                     void *stream)
{
    size_t bytes = static_cast<size_t>(bytes_);
    return SB_CUDA(cub::DeviceScan::InclusiveSum(room, bytes, row_ptr + 1, row_ptr + 1,
                                                 static_cast<int>(lists), sb_cuda_stream(stream)));
}
