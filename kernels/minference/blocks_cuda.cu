/* block_sparse: a CTA takes some row blocks of a head, scores them against all key blocks before
 * (a thread a key block, the CPU's products bit for bit), keeps the 16-bit scores in shared memory
 * and selects there, a warp a row. No score is ever written out. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/block_means_device.h"
#include "kernels/exec/exp_cuda.cuh"
#include "kernels/minference/device.h"
#include "kernels/minference/work.h"

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32, MAX_DIM = 128, MOST_SCORES = 96 * 1024 };

/* bf16 values as integers of the same order; -0 equals 0. */
__device__ uint16_t order_of(float x)
{
    uint32_t u = __float_as_uint(x + 0.0f);
    u          = (u & 0x7fffffffu) > 0x7f800000u ? (u >> 16) | 0x0040u
                                                 : (u + 0x7fffu + (u >> 16 & 1u)) >> 16;
    return static_cast<uint16_t>(u & 0x8000u ? ~u : u | 0x8000u);
}

/* Lane's bins from the top: 255 - 8 lane, ... The digit in which the need-th score from the top
 * lies; *need becomes its rank among those of that digit. */
__device__ int digit_of(const uint32_t *count, int *need)
{
    int lane = static_cast<int>(threadIdx.x % 32), own = 0, digit = -1, left = 0;
    for (int j = 0; j < 8; j++)
        own += static_cast<int>(count[255 - 8 * lane - j]);
    int upto = own;
    for (int step = 1; step < 32; step *= 2) {
        int up = __shfl_up_sync(0xffffffffu, upto, static_cast<unsigned>(step));
        upto += lane >= step ? up : 0;
    }
    int before = upto - own;
    if (before < *need && *need <= upto)
        for (int j = 0; j < 8; j++) {
            int n = static_cast<int>(count[255 - 8 * lane - j]);
            if (*need <= before + n) {
                digit = 255 - 8 * lane - j;
                left  = *need - before;
                break;
            }
            before += n;
        }
    int from = __ffs(static_cast<int>(__ballot_sync(0xffffffffu, digit >= 0))) - 1;
    *need    = __shfl_sync(0xffffffffu, left, from);
    return __shfl_sync(0xffffffffu, digit, from);
}

/* A warp: ids of the k best of score[0..n), ascending, of equal ones the first. k < n. */
__device__ void select(const uint16_t *score, int64_t n, int k, uint32_t *count, int64_t step,
                       int32_t *ids)
{
    int lane = static_cast<int>(threadIdx.x % 32), need = k, found = 0;
    for (int turn = 0; turn < 2; turn++) {
        for (int b = lane; b < 256; b += 32)
            count[b] = 0;
        __syncwarp();
        for (int64_t i = lane; i < n; i += 32)
            if (turn == 0)
                atomicAdd(&count[score[i] >> 8], 1u);
            else if (score[i] >> 8 == found)
                atomicAdd(&count[score[i] & 255], 1u);
        __syncwarp();
        found = found << 8 | digit_of(count, &need);
        __syncwarp();
    }
    for (int64_t first = 0; first < n; first += 32) {
        int64_t  i     = first + lane;
        int      x     = i < n ? score[i] : -1;
        uint32_t lower = (1u << lane) - 1, equal = __ballot_sync(0xffffffffu, x == found);
        bool     take = x > found || (x == found && __popc(equal & lower) < need);
        uint32_t set  = __ballot_sync(0xffffffffu, take);
        if (take)
            ids[__popc(set & lower)] = static_cast<int32_t>(i * step);
        ids += __popc(set);
        need -= __popc(equal);
    }
}

/* ROWS row blocks of a head, late ones first. */
template <int ROWS>
__global__ __launch_bounds__(THREADS) void choose_blocks(sbi_minference_device r, sb_csr tiles)
{
    extern __shared__ __align__(16) unsigned char shared[];
    __shared__ float                              q[MAX_DIM * ROWS]; /* [dim][ROWS] */
    __shared__ uint32_t                           count[WARPS][256];
    auto   *score = reinterpret_cast<uint16_t *>(shared); /* [ROWS][n_blocks] */
    int64_t head = blockIdx.y, first = (gridDim.x - 1 - blockIdx.x) * static_cast<int64_t>(ROWS);
    int64_t last = first + ROWS < r.n_rows ? first + ROWS : r.n_rows; /* local rows */
    if (!r.is_blocks[head])
        return;
    int64_t      seen   = r.row_id[last - 1] + INT64_C(1); /* by the latest of them */
    const float *k_mean = r.k_mean + head / (r.heads / r.kv_heads) * r.dim * r.n_blocks;
    for (int i = static_cast<int>(threadIdx.x); i < r.dim * ROWS; i += THREADS) {
        int64_t row = first + i % ROWS;
        q[i]        = row < last ? r.q_mean[(head * r.n_rows + row) * r.dim + i / ROWS] : 0.0f;
    }
    __syncthreads();
    for (int64_t block = threadIdx.x; block < seen; block += THREADS) {
        float sum[ROWS] = {};
#pragma unroll 4
        for (int x = 0; x < r.dim; x++) {
            float k = k_mean[x * r.n_blocks + block];
#pragma unroll
            for (int i = 0; i < ROWS; i++)
                sum[i] = sbi_mul_add(q[x * ROWS + i], k, sum[i]);
        }
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            score[i * r.n_blocks + block] = order_of(sum[i]);
    }
    __syncthreads();
    int warp = static_cast<int>(threadIdx.x / 32), lane = static_cast<int>(threadIdx.x % 32);
    for (int64_t row = first + warp; row < last; row += WARPS) {
        int32_t *ids = tiles.id + tiles.row_ptr[head * r.n_rows + row];
        int64_t  own = r.row_id[row];
        if (own + 1 <= r.top_k_blocks)
            for (int64_t i = lane; i <= own; i += 32)
                ids[i] = static_cast<int32_t>(i * r.tile_step);
        else
            select(score + (row - first) * r.n_blocks, own + 1, static_cast<int>(r.top_k_blocks),
                   count[warp], r.tile_step, ids);
    }
}

template <int ROWS>
sb_status launch(const sbi_minference_device *r, const sb_csr *tiles, cudaStream_t stream)
{
    int       bytes  = static_cast<int>(r->n_blocks * ROWS * 2);
    auto      groups = static_cast<unsigned>((r->n_rows + ROWS - 1) / ROWS);
    sb_status st     = SB_CUDA(cudaFuncSetAttribute(
            choose_blocks<ROWS>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    choose_blocks<ROWS>
        <<<dim3(groups, static_cast<unsigned>(r->heads)), THREADS, bytes, stream>>>(*r, *tiles);
    return sb_cuda_status(cudaGetLastError(), "launch of choose_blocks");
}
} // namespace

extern "C" sb_status sbi_minference_means_cuda(const sbi_minference_device *r, const sb_tensor *q,
                                               const sb_tensor *k, void *stream)
{
    sb_block_means m = {};
    m.out            = r->k_mean;
    m.head_stride    = r->dim * r->n_blocks;
    m.block_stride   = 1;
    m.dim_stride     = r->n_blocks;
    m.block_tokens   = SBI_MINFERENCE_BLOCK;
    m.steps          = SB_MEAN_WHOLE | SB_MEAN_ROUND;
    sb_status st     = sb_block_means_run(&m, k, stream);
    m.out            = r->q_mean;
    m.head_stride    = r->dim * r->n_rows;
    m.block_stride   = r->dim;
    m.dim_stride     = 1;
    m.only           = r->is_blocks;
    return st == SB_OK ? sb_block_means_run(&m, q, stream) : st;
}

extern "C" sb_status sbi_minference_fill_blocks_cuda(const sbi_minference_device *r,
                                                     const sb_csr *tiles, void *stream_)
{
    auto    stream = sb_cuda_stream(stream_);
    int64_t fit    = MOST_SCORES / r->n_blocks;
    if (fit >= 16)
        return launch<16>(r, tiles, stream);
    if (fit >= 4)
        return launch<4>(r, tiles, stream);
    if (fit >= 1)
        return launch<1>(r, tiles, stream);
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "minference: found %lld tokens, allowed up to %lld for block_sparse on the cuda "
                   "backend",
                   static_cast<long long>(r->n_keys),
                   static_cast<long long>(MOST_SCORES) * SBI_MINFERENCE_BLOCK);
}
