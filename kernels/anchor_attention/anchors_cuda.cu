/* Stage 1: a CTA a block of queries of a head, of which two run on an SM.
 *
 *   keys it sees:  |block 0|  ...  |before| own super-block up to the own block|
 *
 * Two warpgroups of 64 queries each meet these blocks of 128 keys one by one and keep the largest
 * logit of each row. A thread copies ahead (TMA); nothing but two means leaves the CTA.
 *
 * Shared memory: queries, 2 stages of keys, 97 KiB. 4 MFLOP a block of 32 KiB. */
#include <cuda_bf16.h>

#include "kernels/anchor_attention/plan_cuda.h"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/sm90_body.cuh"
#include "kernels/exec/sm90_map.cuh"

namespace
{
enum {
    BLOCK   = SBI_ANCHOR_BLOCK,
    THREADS = 256,
    STAGES  = 2,
};

SB_HOST_DEVICE constexpr int shared_bytes(int d) { return (1 + STAGES) * tile_bytes(d) + 1024; }

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* A pair of bf16 numbers times f, rounded. */
static __device__ __forceinline__ uint32_t scaled(uint32_t pair, float f)
{
    return pack_bf16(__uint_as_float(pair << 16) * f, __uint_as_float(pair & 0xFFFF0000u) * f);
}

/* Dim x of the mean over the tile's rows, added up in their order. */
static __device__ float mean_of(const uint8_t *tile, int x)
{
    const uint8_t *half = tile + (x >> 6) * HALF_BYTES;
    float          sum  = 0.0f;
#pragma unroll 8
    for (int row = 0; row < BLOCK; row++) {
        const int at = row * 128 + ((((x & 63) >> 3) ^ (row & 7)) << 4) + (x & 7) * 2;
        sum += __uint_as_float(static_cast<uint32_t>(*reinterpret_cast<const uint16_t *>(half + at))
                               << 16);
    }
    return sum / static_cast<float>(BLOCK);
}

/* Largest visible logits of this thread's two rows; own: the block of keys is the queries' own. */
static __device__ __forceinline__ void fold(const float (&s)[64], bool own, int row,
                                            float (&top)[2])
{
    const int first = 2 * (threadIdx.x & 3);
#pragma unroll
    for (int e = 0; e < 64; e++) {
        const int i = (e >> 1) & 1;
        if (!own || 8 * (e >> 2) + first + (e & 1) <= row + 8 * i)
            top[i] = fmaxf(top[i], s[e]);
    }
}
#endif

template <int D>
__global__ void __launch_bounds__(THREADS, 2)
    anchor_means(const __grid_constant__ sbi_anchor_device a,
                 const __grid_constant__ CUtensorMap mq, const __grid_constant__ CUtensorMap mk)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t      raw[];
    __shared__ alignas(8) uint64_t bars[1 + STAGES];
    __shared__ float               sums[THREADS / 32];
    const uint32_t tile = (smem_address(raw) + 1023u) & ~1023u, keys = tile + tile_bytes(D);
    const uint32_t bar = smem_address(bars);
    const int head = static_cast<int>(blockIdx.y), group = static_cast<int>(a.heads / a.kv_heads);
    const int steps  = static_cast<int>(a.step_blocks);
    const int r      = static_cast<int>(blockIdx.x) / steps,
              step   = steps - 1 - static_cast<int>(blockIdx.x) % steps;
    const int own    = a.super_id[r] * steps + step; /* block */
    const int before = own - step - 1, n = 3 + step; /* blocks of keys: 0, before, .., own */
    const int tid = static_cast<int>(threadIdx.x), lane = tid & 31, wg = tid >> 7;
    const int row  = 64 * wg + 16 * ((tid & 127) >> 5) + (lane >> 2);
    auto      load = [&](int t) {
        const uint32_t full  = bar + 8 * (1 + t % STAGES);
        const int      block = t == 0 ? 0 : before + t - 1;
        mbar_expect(full, tile_bytes(D));
#pragma unroll
        for (int i = 0; i < D / 64; i++)
            tma_load(keys + t % STAGES * tile_bytes(D) + i * HALF_BYTES, &mk, full, 64 * i,
                     block * BLOCK, head / group);
    };
    if (tid == 0) {
        for (int i = 0; i < 1 + STAGES; i++)
            mbar_init(bar + 8 * i, 1);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
        mbar_expect(bar, tile_bytes(D));
#pragma unroll
        for (int i = 0; i < D / 64; i++)
            tma_load(tile + i * HALF_BYTES, &mq, bar, 64 * i,
                     static_cast<int>(a.slot) + (r * steps + step) * BLOCK, head);
        for (int t = 0; t < STAGES; t++)
            load(t);
    }
    __syncthreads();
    uint32_t q[D / 4];
    float    top[2] = {-INFINITY, -INFINITY};
    mbar_wait(bar, 0);
    load_q<D>(q, tile, 64 * wg + 16 * ((tid & 127) >> 5), lane);
    if (a.round)
#pragma unroll
        for (int x = 0; x < D / 4; x++)
            q[x] = scaled(q[x], a.factor);
    for (int t = 0; t < n; t++) {
        float s[64];
        mbar_wait(bar + 8 * (1 + t % STAGES), (t / STAGES) & 1);
        wgmma_fence();
        issue_qk<D>(s, q, wgmma_matrix(keys + t % STAGES * tile_bytes(D), 16, 1024));
        wgmma_commit();
        wgmma_wait_all(s);
        __syncthreads();
        if (tid == 0 && t + STAGES < n)
            load(t + STAGES);
        fold(s, t == n - 1, row, top);
    }
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 1));
        top[i] = fmaxf(top[i], __shfl_xor_sync(~0u, top[i], 2));
        sum += a.round ? top[i] : top[i] * a.factor;
    }
    for (int x = 4; x < 32; x *= 2)
        sum += __shfl_xor_sync(~0u, sum, x);
    if (lane == 0)
        sums[tid >> 5] = sum;
    __syncthreads();
    const int64_t at = (static_cast<int64_t>(head / group) * a.n_rows + r) * a.mean_rows +
                       head % group * steps + step;
    if (tid < D) {
        const float x    = mean_of(raw + (tile - smem_address(raw)), tid);
        const auto  high = __float2bfloat16_rn(x);
        const auto  low =
            a.round ? __float2bfloat16_rn(0.0f) : __float2bfloat16_rn(x - __bfloat162float(high));
        a.q_high[at * D + tid] = __bfloat16_as_ushort(high);
        a.q_low[at * D + tid]  = __bfloat16_as_ushort(low);
    }
    if (tid == 0) {
        sum = 0.0f;
        for (int w = 0; w < THREADS / 32; w++)
            sum += sums[w];
        sum /= static_cast<float>(BLOCK);
        a.anchor[at] = a.round ? __bfloat162float(__float2bfloat16_rn(sum)) : sum;
    }
#endif
}

template <int D>
sb_status launch(const sbi_anchor_device *a, const sb_tensor *q, const sb_tensor *k,
                 cudaStream_t stream)
{
    auto          kernel = anchor_means<D>;
    sbi_encode_fn encode = nullptr;
    CUtensorMap   mq, mk;
    sb_status     st = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = sbi_make_map(encode, static_cast<const sb_bf16 *>(q->data), q->heads, q->tokens, D,
                          q->head_stride, BLOCK, &mq);
    if (st == SB_OK)
        st = sbi_make_map(encode, static_cast<const sb_bf16 *>(k->data), k->heads, k->tokens, D,
                          k->head_stride, BLOCK, &mk);
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          shared_bytes(D)));
    if (st != SB_OK)
        return st;
    kernel<<<dim3(static_cast<unsigned>(a->n_rows * a->step_blocks),
                  static_cast<unsigned>(a->heads)),
             THREADS, shared_bytes(D), stream>>>(*a, mq, mk);
    return sb_cuda_status(cudaGetLastError(), "launch of anchor_means");
}
} // namespace

extern "C" sb_status sbi_anchor_means_cuda(const struct sbi_anchor_device *a, const sb_tensor *q,
                                           const sb_tensor *k, void *stream_)
{
    auto      stream = sb_cuda_stream(stream_);
    sb_status st     = SB_CUDA(cudaMemsetAsync(a->q_high, 0, a->mean_bytes, stream));
    if (st == SB_OK)
        st = SB_CUDA(cudaMemsetAsync(a->q_low, 0, a->mean_bytes, stream));
    if (st == SB_OK) /* 3.4e38: what no logit reaches */
        st = SB_CUDA(cudaMemsetAsync(a->anchor, 0x7F, a->anchor_bytes, stream));
    if (st != SB_OK || a->n_rows == 0)
        return st;
    return a->dim == 64 ? launch<64>(a, q, k, stream) : launch<128>(a, q, k, stream);
}
