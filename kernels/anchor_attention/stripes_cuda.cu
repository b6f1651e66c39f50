/* Stage 2: mean queries against candidates. A warpgroup takes 64 means (a slice: of 16 blocks, four
 * heads), a CTA two slices that share the copies of the keys, CHUNK blocks of them.
 *
 *   a warp's 16 rows are of one head:  keep[key] = any row with logit + theta >= anchor
 *
 * so a warp's bits are what its lanes find, joined. A mean is the sum of two bf16 numbers, which
 * costs a second product: the high ones stand in registers, the low ones, for which there are none
 * left, in shared memory.
 *
 * Shared memory: low means, 2 stages of 32 KiB; two CTAs on an SM. 8 MFLOP a block of keys of 32
 * KiB. */
#include <cuda_bf16.h>

#include "kernels/anchor_attention/plan_cuda.h"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/sm90_body.cuh"
#include "kernels/exec/sm90_map.cuh"

namespace
{
enum {
    BLOCK   = SBI_ANCHOR_BLOCK,
    SLICE   = SBI_ANCHOR_SLICE,
    THREADS = 256,
    STAGES  = 2,
    CHUNK   = 64, /* blocks of keys of a CTA */
};

enum { SLICE_HALF = SLICE * 128 }; /* bytes of 64 dims */

SB_HOST_DEVICE constexpr int shared_bytes(int d)
{
    return STAGES * tile_bytes(d) + 2 * (d / 64) * SLICE_HALF + 1024;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* This warp's 16 rows from `from` on as operands. */
template <int D>
static __device__ __forceinline__ void load_means(uint32_t (&q)[D / 4], const uint16_t *from,
                                                  int lane)
{
    const uint16_t *at = from + (lane >> 2) * D + 2 * (lane & 3);
#pragma unroll
    for (int t = 0; t < D / 16; t++)
#pragma unroll
        for (int x = 0; x < 4; x++)
            q[4 * t + x] =
                *reinterpret_cast<const uint32_t *>(at + (x & 1) * 8 * D + 16 * t + (x >> 1) * 8);
}

/* This warpgroup's slice into shared memory, swizzled as operands are. */
template <int D>
static __device__ __forceinline__ void store_means(uint8_t *to, const uint16_t *from, int tid)
{
    for (int x = tid; x < SLICE * D / 8; x += 128) {
        const int row = x / (D / 8), c = x % (D / 8);
        *reinterpret_cast<uint4 *>(to + (c >> 3) * SLICE_HALF + row * 128 +
                                   (((c & 7) ^ (row & 7)) << 4)) =
            *reinterpret_cast<const uint4 *>(from + row * D + 8 * c);
    }
}

/* S += Q K^T on what issue_qk left. */
template <int D>
static __device__ __forceinline__ void issue_more(float (&s)[64], uint64_t q, uint64_t k)
{
#pragma unroll
    for (int t = 0; t < D / 16; t++)
        wgmma_qk(s, q + static_cast<uint64_t>((t >> 2) * (SLICE_HALF >> 4) + (t & 3) * (32 >> 4)),
                 k + static_cast<uint64_t>((t >> 2) * (HALF_BYTES >> 4) + (t & 3) * (32 >> 4)), 1);
}

/* Of 32 keys from 32 * w on of the block: which of them some row of this warp keeps. */
static __device__ __forceinline__ uint32_t kept(const float (&s)[64], int w, float factor,
                                                float theta2, int round, const float (&anchor)[2])
{
    uint32_t bits = 0;
#pragma unroll
    for (int x = 0; x < 16; x++) {
        float y = s[16 * w + x] * factor;
        if (round)
            y = __bfloat162float(__float2bfloat16_rn(y));
        if (y + theta2 >= anchor[(x >> 1) & 1]) /* not strict [3] */
            bits |= 1u << (8 * (x >> 2) + (x & 1));
    }
    return __reduce_or_sync(~0u, bits << (2 * (threadIdx.x & 3)));
}
#endif

template <int D>
__global__ void __launch_bounds__(THREADS, 2)
    anchor_stripes(const __grid_constant__ sbi_anchor_device a,
                   const __grid_constant__ CUtensorMap       mk)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t      raw[];
    __shared__ alignas(8) uint64_t bars[STAGES];
    const uint32_t keys = (smem_address(raw) + 1023u) & ~1023u, bar = smem_address(bars);
    const int      tid = static_cast<int>(threadIdx.x), lane = tid & 31, wg = tid >> 7;
    const int kv = static_cast<int>(blockIdx.z), group = static_cast<int>(a.heads / a.kv_heads);
    const int steps  = static_cast<int>(a.step_blocks),
              slices = static_cast<int>(a.mean_rows) / SLICE;
    const int total  = static_cast<int>(a.n_rows) * slices;
    /* the last rows have most candidates: they come first */
    const int pair = (total + 1) / 2 - 1 - static_cast<int>(blockIdx.x);
    const int job = min(2 * pair + wg, total - 1), r = job / slices, slice = job % slices;
    const int last  = min(2 * pair + 1, total - 1) / slices; /* the later row of the two */
    const int begin = 1 + static_cast<int>(blockIdx.y) * CHUNK;
    const int end   = min(begin + CHUNK, a.super_id[last] * steps - 1);
    const int mine  = a.super_id[r] * steps - 1;
    auto      load  = [&](int block) {
        const uint32_t st = static_cast<uint32_t>(block - begin) % STAGES;
        mbar_expect(bar + 8 * st, tile_bytes(D));
#pragma unroll
        for (int i = 0; i < D / 64; i++)
            tma_load(keys + st * tile_bytes(D) + i * HALF_BYTES, &mk, bar + 8 * st, 64 * i,
                     block * BLOCK, kv);
    };
    if (begin >= end)
        return;
    if (tid == 0) {
        for (int i = 0; i < STAGES; i++)
            mbar_init(bar + 8 * i, 1);
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#pragma unroll
        for (int i = 0; i < STAGES; i++)
            if (begin + i < end)
                load(begin + i);
    }
    const int     warp_row = slice * SLICE + 16 * ((tid & 127) >> 5), of_group = warp_row / steps;
    const int64_t at   = (static_cast<int64_t>(kv) * a.n_rows + r) * a.mean_rows + warp_row;
    const bool    real = of_group < group && 2 * pair + wg < total;
    uint32_t      high[D / 4];
    const float   anchor[2] = {a.anchor[at + (lane >> 2)], a.anchor[at + (lane >> 2) + 8]};
    load_means<D>(high, a.q_high + at * D, lane);
    const uint32_t low = keys + STAGES * tile_bytes(D) + wg * (D / 64) * SLICE_HALF;
    store_means<D>(raw + (low - smem_address(raw)), a.q_low + (at - 16 * ((tid & 127) >> 5)) * D,
                   tid & 127);
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    uint32_t *word =
        a.word +
        ((static_cast<int64_t>(kv) * group + of_group) * a.list_rows + a.first_row + r) * a.words;
    __syncthreads();
    for (int b = begin; b < end; b++) {
        const uint32_t st = static_cast<uint32_t>(b - begin) % STAGES;
        const uint64_t k  = wgmma_matrix(keys + st * tile_bytes(D), 16, 1024);
        float          s[64];
        mbar_wait(bar + 8 * st, static_cast<uint32_t>(b - begin) / STAGES & 1);
        wgmma_fence();
        issue_qk<D>(s, high, k);
        issue_more<D>(s, wgmma_matrix(low, 16, 1024), k);
        wgmma_commit();
        wgmma_wait_all(s);
        __syncthreads();
        if (tid == 0 && b + STAGES < end)
            load(b + STAGES);
        uint32_t bits = 0;
#pragma unroll
        for (int w = 0; w < 4; w++) {
            const uint32_t x = kept(s, w, a.factor, a.theta2, a.round, anchor);
            bits             = lane == w ? x : bits;
        }
        if (lane >= 4 || !real || b >= mine)
            continue;
        if (steps == 16)
            word[4 * b + lane] = bits;
        else if (bits != 0) /* other warps have rows of the same head */
            atomicOr(word + 4 * b + lane, bits);
    }
#endif
}

template <int D>
sb_status launch(const sbi_anchor_device *a, const sb_tensor *k, cudaStream_t stream)
{
    auto          kernel = anchor_stripes<D>;
    sbi_encode_fn encode = nullptr;
    CUtensorMap   mk;
    const int64_t jobs   = a->n_rows * (a->mean_rows / SLICE);
    const int64_t blocks = a->last_super * a->step_blocks - 2;
    sb_status     st     = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = sbi_make_map(encode, static_cast<const sb_bf16 *>(k->data), k->heads, k->tokens, D,
                          k->head_stride, BLOCK, &mk);
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          shared_bytes(D)));
    if (st != SB_OK)
        return st;
    kernel<<<dim3(static_cast<unsigned>((jobs + 1) / 2),
                  static_cast<unsigned>((blocks + CHUNK - 1) / CHUNK),
                  static_cast<unsigned>(a->kv_heads)),
             THREADS, shared_bytes(D), stream>>>(*a, mk);
    return sb_cuda_status(cudaGetLastError(), "launch of anchor_stripes");
}
} // namespace

extern "C" sb_status sbi_anchor_stripes_cuda(const struct sbi_anchor_device *a, const sb_tensor *k,
                                             void *stream)
{
    if (a->n_rows == 0)
        return SB_OK;
    return a->dim == 64 ? launch<64>(a, k, sb_cuda_stream(stream))
                        : launch<128>(a, k, sb_cuda_stream(stream));
}
