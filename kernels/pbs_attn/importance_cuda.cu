/* Step 1 on a device: how important each key is to the last block of queries [pbs_attn 3].
 *
 * Products by mma.sync with keys as rows: a warp has 32 keys in registers, straight from memory,
 * and meets all queries of the probe, which wait in shared memory. Both operands have the same
 * dims of a 64-byte run at the same place of a product, so 16-byte loads make them.
 *
 *   maxima      CTA (chunk of 1024 keys, head, 128 queries): top and sum of each query's softmax
 *   tops        thread (head, query): those of all chunks
 *   importance  CTA (chunk, head): mean over the queries of exp(x - top) / sum
 *
 * Shared memory 40 KiB at 128 queries and head_dim 128. Bound: tensor cores, 2 * 2 * B * N * d FLOP
 * a head, and 2.3 * B * N exp2; keys come out of L2 once a pass and query head. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/pbs_attn/plan_cuda.h"

namespace
{
enum {
    THREADS = 128,
    WARPS   = THREADS / 32,
    ROWS    = 128, /* queries of a CTA of the first pass */
    TILES   = ROWS / 8,
    KEYS    = 32, /* of a warp */
    PAD     = 64, /* bytes behind a query: its neighbours' pieces lie in other banks */
};

struct probe {
    const sb_bf16 *q, *k; /* q: from the first probe query on */
    int64_t        q_stride, k_stride;
    int32_t        group, b, n_keys, n_chunks; /* n_keys: of complete segments */
    float          scale;                      /* log2(e) / sqrt(d) */
    float         *part, *top, *score;
};

static __device__ __forceinline__ float ex2(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

template <int D> constexpr int row_bytes = D * 2 + PAD;

/* n queries from `first` on; places behind the last are zero. */
template <int D>
static __device__ __forceinline__ void load_queries(const probe &a, int64_t head, int first, int n,
                                                    uint8_t *shared)
{
    enum { PIECES = D / 8 };
    const sb_bf16 *q = a.q + head * a.q_stride;
    for (int i = threadIdx.x; i < n * PIECES; i += THREADS) {
        const int r = i / PIECES, c = i % PIECES;
        uint4     x = make_uint4(0, 0, 0, 0);
        if (first + r < a.b)
            x = __ldg(reinterpret_cast<const uint4 *>(q + int64_t(first + r) * D) + c);
        *reinterpret_cast<uint4 *>(shared + r * row_bytes<D> + c * 16) = x;
    }
    __syncthreads();
}

/* This lane's pieces of 32 keys from `key` on: [16 keys][half of 8][run of 32 dims]. */
template <int D>
static __device__ __forceinline__ void load_keys(const probe &a, int64_t head, int key,
                                                 uint4 (&x)[2][2][D / 32])
{
    const int      lane = threadIdx.x & 31;
    const sb_bf16 *k    = a.k + head / a.group * a.k_stride + 8 * (lane & 3);
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int row = min(key + 16 * m + 8 * h + (lane >> 2), a.n_keys - 1);
#pragma unroll
            for (int j = 0; j < D / 32; j++)
                x[m][h][j] = __ldg(
                    reinterpret_cast<const uint4 *>(k + static_cast<int64_t>(row) * D) + 4 * j);
        }
}

/* Products of 32 keys and 8 queries. c[m]: keys 16 m + lane / 4 (+ 8), queries 2 (lane % 4) (+ 1).
 */
template <int D>
static __device__ __forceinline__ void products(const uint4 (&x)[2][2][D / 32],
                                                const uint8_t *queries, float (&c)[2][4])
{
    const int      lane = threadIdx.x & 31;
    const uint8_t *at   = queries + (lane >> 2) * row_bytes<D> + (lane & 3) * 16;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            c[m][i] = 0.0f;
#pragma unroll
    for (int j = 0; j < D / 32; j++) {
        const uint4 b = *reinterpret_cast<const uint4 *>(at + 64 * j);
#pragma unroll
        for (int m = 0; m < 2; m++) {
            const uint32_t lo[4] = {x[m][0][j].x, x[m][1][j].x, x[m][0][j].y, x[m][1][j].y};
            const uint32_t hi[4] = {x[m][0][j].z, x[m][1][j].z, x[m][0][j].w, x[m][1][j].w};
            sbi_mma(c[m], lo, b.x, b.y);
            sbi_mma(c[m], hi, b.z, b.w);
        }
    }
}

/* Two partial softmaxes into one. */
static __device__ __forceinline__ void merge(float &m, float &l, float m2, float l2)
{
    const float top = fmaxf(m, m2);
    l               = l * ex2(m - top) + l2 * ex2(m2 - top);
    m               = top;
}

const float LEAST = -1e30f; /* below every logit, but a number */

template <int D> __global__ void __launch_bounds__(THREADS) probe_maxima(probe a)
{
    extern __shared__ __align__(16) uint8_t queries[];
    __shared__ float                        warp_part[WARPS][2][ROWS];
    const int                               lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int                               first = blockIdx.z * ROWS;
    const int64_t                           head  = blockIdx.y;
    const int end = min((int(blockIdx.x) + 1) * SBI_PBS_CHUNK, a.n_keys);
    float     m[TILES][2], l[TILES][2];
    load_queries<D>(a, head, first, ROWS, queries);
#pragma unroll
    for (int t = 0; t < TILES; t++)
        m[t][0] = m[t][1] = LEAST, l[t][0] = l[t][1] = 0.0f;
    for (int key = blockIdx.x * SBI_PBS_CHUNK + warp * KEYS; key < end; key += WARPS * KEYS) {
        uint4 x[2][2][D / 32];
        bool  here[4];
        load_keys<D>(a, head, key, x);
#pragma unroll
        for (int i = 0; i < 4; i++)
            here[i] = key + 8 * i + (lane >> 2) < end;
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            float c[2][4];
            products<D>(x, queries + t * 8 * row_bytes<D>, c);
#pragma unroll
            for (int q = 0; q < 2; q++) { /* fmax: what is no number counts as -inf [5] */
                float y[4], top = m[t][q], sum = 0.0f;
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    y[i] = here[i] ? fmaxf(c[i >> 1][2 * (i & 1) + q] * a.scale, -INFINITY)
                                   : -INFINITY;
                    top  = fmaxf(top, y[i]);
                }
#pragma unroll
                for (int i = 0; i < 4; i++)
                    sum += ex2(y[i] - top);
                l[t][q] = l[t][q] * ex2(m[t][q] - top) + sum;
                m[t][q] = top;
            }
        }
    }
#pragma unroll
    for (int t = 0; t < TILES; t++)
#pragma unroll
        for (int q = 0; q < 2; q++) {
#pragma unroll
            for (int step = 4; step < 32; step *= 2)
                merge(m[t][q], l[t][q], __shfl_xor_sync(~0u, m[t][q], step),
                      __shfl_xor_sync(~0u, l[t][q], step));
            if (lane < 4) {
                warp_part[warp][0][8 * t + 2 * lane + q] = m[t][q];
                warp_part[warp][1][8 * t + 2 * lane + q] = l[t][q];
            }
        }
    __syncthreads();
    const int r = threadIdx.x;
    if (first + r >= a.b)
        return;
    float top = warp_part[0][0][r], sum = warp_part[0][1][r];
    for (int w = 1; w < WARPS; w++)
        merge(top, sum, warp_part[w][0][r], warp_part[w][1][r]);
    float *part = a.part + (head * a.n_chunks + blockIdx.x) * 2 * a.b + first + r;
    part[0]     = top;
    part[a.b]   = sum;
}

/* CTA (head): a thread a query. Sums of parts in fp64. */
__global__ void probe_tops(probe a)
{
    const float *part = a.part + int64_t(blockIdx.x) * a.n_chunks * 2 * a.b;
    float       *to   = a.top + int64_t(blockIdx.x) * 2 * a.b;
    for (int r = threadIdx.x; r < a.b; r += blockDim.x) {
        float  top = LEAST;
        double sum = 0;
        for (int64_t c = 0; c < a.n_chunks; c++)
            top = fmaxf(top, part[c * 2 * a.b + r]);
        for (int64_t c = 0; c < a.n_chunks; c++)
            sum += static_cast<double>(part[(c * 2 + 1) * a.b + r]) *
                   static_cast<double>(ex2(part[c * 2 * a.b + r] - top));
        to[r]       = top;
        to[a.b + r] = sum > 0 ? static_cast<float>(1.0 / sum) : 0.0f;
    }
}

template <int D> __global__ void __launch_bounds__(THREADS) probe_importance(probe a)
{
    extern __shared__ __align__(16) uint8_t queries[];
    const int                               lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int64_t                           head = blockIdx.y;
    const int    end   = min((int(blockIdx.x) + 1) * SBI_PBS_CHUNK, a.n_keys);
    float       *tops  = reinterpret_cast<float *>(queries + a.b * row_bytes<D>);
    const float *given = a.top + head * 2 * a.b;
    for (int i = threadIdx.x; i < 2 * a.b; i += THREADS)
        tops[i] = given[i];
    load_queries<D>(a, head, 0, a.b, queries);
    for (int key = blockIdx.x * SBI_PBS_CHUNK + warp * KEYS; key < end; key += WARPS * KEYS) {
        uint4 x[2][2][D / 32];
        float s[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        load_keys<D>(a, head, key, x);
#pragma unroll 2
        for (int t = 0; t < a.b / 8; t++) {
            float        c[2][4];
            const float2 top = *reinterpret_cast<const float2 *>(tops + 8 * t + 2 * (lane & 3));
            const float2 w = *reinterpret_cast<const float2 *>(tops + a.b + 8 * t + 2 * (lane & 3));
            products<D>(x, queries + t * 8 * row_bytes<D>, c);
#pragma unroll
            for (int i = 0; i < 4; i++) { /* fmax: what is no number counts as 0 [5] */
                const float e0 = fmaxf(ex2(fmaf(c[i >> 1][2 * (i & 1)], a.scale, -top.x)), 0.0f);
                const float e1 =
                    fmaxf(ex2(fmaf(c[i >> 1][2 * (i & 1) + 1], a.scale, -top.y)), 0.0f);
                s[i] = fmaf(e0, w.x, fmaf(e1, w.y, s[i]));
            }
        }
#pragma unroll
        for (int i = 0; i < 4; i++) {
            s[i] += __shfl_xor_sync(~0u, s[i], 1);
            s[i] += __shfl_xor_sync(~0u, s[i], 2);
            const int at = key + 8 * i + (lane >> 2);
            if ((lane & 3) == 0 && at < end)
                a.score[head * a.n_keys + at] = s[i] / static_cast<float>(a.b);
        }
    }
}

template <int D> sb_status launch(const probe &a, int64_t heads, cudaStream_t stream)
{
    const dim3 chunks(static_cast<unsigned>(a.n_chunks), static_cast<unsigned>(heads),
                      static_cast<unsigned>((a.b + ROWS - 1) / ROWS));
    const int  all = a.b * (row_bytes<D> + 8);
    sb_status  st  = SB_CUDA(cudaFuncSetAttribute(probe_importance<D>,
                                                  cudaFuncAttributeMaxDynamicSharedMemorySize, all));
    if (st != SB_OK)
        return st;
    probe_maxima<D><<<chunks, THREADS, ROWS * row_bytes<D>, stream>>>(a);
    if ((st = sb_cuda_status(cudaGetLastError(), "launch of probe_maxima")) != SB_OK)
        return st;
    probe_tops<<<chunks.y, THREADS, 0, stream>>>(a);
    if ((st = sb_cuda_status(cudaGetLastError(), "launch of probe_tops")) != SB_OK)
        return st;
    probe_importance<D><<<dim3(chunks.x, chunks.y), THREADS, static_cast<size_t>(all), stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of probe_importance");
}
} // namespace

extern "C" sb_status sbi_pbs_importance_cuda(const sbi_pbs_device *r, const sb_tensor *last,
                                             const sb_tensor *k, float factor, void *stream)
{
    probe a    = {};
    a.q = static_cast<const sb_bf16 *>(last->data) + (last->tokens - r->block_tokens) * r->dim;
    a.k        = static_cast<const sb_bf16 *>(k->data);
    a.q_stride = last->head_stride;
    a.k_stride = k->head_stride;
    a.group    = static_cast<int32_t>(r->group);
    a.b        = static_cast<int32_t>(r->block_tokens);
    a.n_keys   = static_cast<int32_t>(r->n_segments * r->segment_tokens);
    a.n_chunks = static_cast<int32_t>(r->n_chunks);
    a.scale    = factor * 1.4426950408889634f;
    a.part     = r->part;
    a.top      = r->top;
    a.score    = r->score;
    return r->dim == 64 ? launch<64>(a, r->heads, sb_cuda_stream(stream))
                        : launch<128>(a, r->heads, sb_cuda_stream(stream));
}
