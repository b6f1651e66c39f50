/* Pooled blocks of permuted keys and of queries on a device [pbs_attn 3, step 3].
 *
 * A warp a block: 8 rows under way, each lane the same dims of all. Sums in the order of slots (of
 * tokens for queries). Bound: H * N * d bytes of keys out of L2, as many of queries out of memory,
 * twice each. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/pbs_attn/plan_cuda.h"

#include <cuda_bf16.h>

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32, AT_ONCE = 8 };

/* Of one warp: rows `row(i)` of 0 .. n, D / 32 dims a lane. start: 0, or -inf for a maximum. */
template <int D, class Row>
static __device__ __forceinline__ void pool_rows(const sb_bf16 *from, int n, bool max, float start,
                                                 Row row, float (&sum)[D / 32])
{
    enum { W = D / 64 }; /* words of two dims */
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int x = 0; x < D / 32; x++)
        sum[x] = start;
    for (int i = 0; i < n; i += AT_ONCE) {
        uint32_t w[AT_ONCE][W];
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            const auto *at = reinterpret_cast<const uint32_t *>(
                                 from + row(min(i + j, n - 1)) * static_cast<int64_t>(D)) +
                             lane * W;
#pragma unroll
            for (int x = 0; x < W; x++)
                w[j][x] = __ldg(at + x);
        }
#pragma unroll
        for (int j = 0; j < AT_ONCE; j++) {
            if (i + j >= n)
                break;
#pragma unroll
            for (int x = 0; x < W; x++) {
                const float lo = __uint_as_float(w[j][x] << 16);
                const float hi = __uint_as_float(w[j][x] & 0xffff0000u);
                sum[2 * x]     = max ? fmaxf(sum[2 * x], lo) : sum[2 * x] + lo;
                sum[2 * x + 1] = max ? fmaxf(sum[2 * x + 1], hi) : sum[2 * x + 1] + hi;
            }
        }
    }
}

template <int D>
static __device__ __forceinline__ void store(const float (&sum)[D / 32], float size, float *to)
{
#pragma unroll
    for (int x = 0; x < D / 32; x++)
        to[(threadIdx.x & 31) * (D / 32) + x] = sum[x] / size;
}

template <int D>
__global__ void __launch_bounds__(THREADS)
    pool_keys(sbi_pbs_device r, const sb_bf16 *k, int64_t stride, const uint16_t *offset, bool max)
{
    const int64_t b = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32, h = blockIdx.y;
    const int64_t blocks = r.n_segments * r.blocks_per_segment;
    float         sum[D / 32];
    if (b >= blocks)
        return;
    const int64_t   segment = b / r.blocks_per_segment * r.segment_tokens;
    const uint16_t *of      = offset + h * r.n_keys + b * r.block_tokens;
    pool_rows<D>(
        k + h / r.group * stride + segment * D, static_cast<int>(r.block_tokens), max,
        max ? -INFINITY : 0.0f, [&](int i) { return static_cast<int>(of[i]); }, sum);
    store<D>(sum, max ? 1.0f : static_cast<float>(r.block_tokens), r.k_pool + (h * blocks + b) * D);
}

/* Places of missing queries are zeros unless `valid`. */
template <int D>
__global__ void __launch_bounds__(THREADS)
    pool_queries(sbi_pbs_device r, const sb_bf16 *q, int64_t stride, bool max, bool valid)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32, h = blockIdx.y;
    float         sum[D / 32];
    if (row >= r.rows.n_rows)
        return;
    const sb_row_block at   = r.rows.row[row];
    const int          n    = static_cast<int>(at.n_tokens);
    const int          size = valid ? n : static_cast<int>(r.block_tokens);
    pool_rows<D>(
        q + h * stride + at.slot * D, n, max, max && n == size ? -INFINITY : 0.0f,
        [](int i) { return i; }, sum);
    store<D>(sum, max ? 1.0f : static_cast<float>(size), r.q_pool + (h * r.rows.n_rows + row) * D);
}

dim3 grid(int64_t n, int64_t heads)
{
    return dim3(static_cast<unsigned>((n + WARPS - 1) / WARPS), static_cast<unsigned>(heads));
}

template <int D>
sb_status launch(const sbi_pbs_device *r, const sb_pbs_attn_params *p, const sb_tensor *q,
                 const sb_tensor *k, const sb_slots *slots, cudaStream_t stream)
{
    pool_keys<D><<<grid(r->n_segments * r->blocks_per_segment, r->heads), THREADS, 0, stream>>>(
        *r, static_cast<const sb_bf16 *>(k->data), k->head_stride, slots->offset,
        p->key_pool == SB_PBS_ATTN_POOL_MAX);
    sb_status st = sb_cuda_status(cudaGetLastError(), "launch of pool_keys");
    if (st != SB_OK)
        return st;
    pool_queries<D><<<grid(r->rows.n_rows, r->heads), THREADS, 0, stream>>>(
        *r, static_cast<const sb_bf16 *>(q->data), q->head_stride,
        p->query_pool == SB_PBS_ATTN_POOL_MAX, p->pool_div_valid != 0);
    return sb_cuda_status(cudaGetLastError(), "launch of pool_queries");
}
} // namespace

extern "C" sb_status sbi_pbs_pool_cuda(const sbi_pbs_device *r, const sb_pbs_attn_params *p,
                                       const sb_tensor *q, const sb_tensor *k,
                                       const sb_slots *slots, void *stream)
{
    return r->dim == 64 ? launch<64>(r, p, q, k, slots, sb_cuda_stream(stream))
                        : launch<128>(r, p, q, k, slots, sb_cuda_stream(stream));
}
