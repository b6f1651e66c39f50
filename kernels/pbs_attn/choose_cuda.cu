/* Steps 3 and 4 on a device: products of pooled vectors, softmax, tau of the mass [pbs_attn 3].
 *
 *   scores   CTA (64 blocks of keys, 64 row blocks, head): plain fp32, 4 x 4 sums a thread
 *   choose   CTA (row block, head): its logits in shared memory become scores; the least score that
 *            is kept is found bit by bit from sums of integer masses, as exact as a sort and
 * without its order; then one bit a block
 *
 * Shared memory: 66 KiB; 4 bytes a candidate. Bound: scores d * (N / B)^2 FLOP a head of fp32;
 * choose some 31 sums over a row's candidates. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/pbs_attn/plan_cuda.h"

namespace
{
enum { THREADS = 256, WARPS = THREADS / 32, SIDE = 64, SHARED_MAX = 200 * 1024 };

template <int D> constexpr int stride = D + 4;

static __device__ __forceinline__ int64_t candidates(const sbi_pbs_device &r, int64_t row)
{
    return r.rows.row_id[row] / r.blocks_per_segment * r.blocks_per_segment;
}

template <int D>
static __device__ __forceinline__ void load_side(const float *from, int64_t n, float *to)
{
    for (int i = threadIdx.x; i < SIDE * (D / 4); i += THREADS) {
        const int y = i / (D / 4), x = i % (D / 4);
        float4    v = make_float4(0, 0, 0, 0);
        if (y < n)
            v = reinterpret_cast<const float4 *>(from + static_cast<int64_t>(y) * D)[x];
        *reinterpret_cast<float4 *>(to + y * stride<D> + 4 * x) = v;
    }
}

template <int D>
__global__ void __launch_bounds__(THREADS)
    block_scores(sbi_pbs_device r, float factor, float *place)
{
    extern __shared__ float side[];
    const int64_t           h = blockIdx.z, row0 = static_cast<int64_t>(blockIdx.y) * SIDE;
    const int64_t           b0     = static_cast<int64_t>(blockIdx.x) * SIDE;
    const int64_t           blocks = r.n_segments * r.blocks_per_segment;
    const int64_t           end    = min(row0 + SIDE, r.rows.n_rows);
    const int               ty = threadIdx.x / 16, tx = threadIdx.x % 16;
    float                   sum[4][4] = {}, *qs = side, *ks = side + SIDE * stride<D>;
    if (b0 >= candidates(r, end - 1))
        return;
    load_side<D>(r.q_pool + (h * r.rows.n_rows + row0) * D, end - row0, qs);
    load_side<D>(r.k_pool + (h * blocks + b0) * D, blocks - b0, ks);
    __syncthreads();
#pragma unroll 4
    for (int x = 0; x < D; x += 4) {
        float4 a[4], b[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            a[i] = *reinterpret_cast<const float4 *>(qs + (ty + 16 * i) * stride<D> + x);
            b[i] = *reinterpret_cast<const float4 *>(ks + (tx + 16 * i) * stride<D> + x);
        }
#pragma unroll
        for (int i = 0; i < 4; i++)
#pragma unroll
            for (int j = 0; j < 4; j++) {
                sum[i][j] = fmaf(a[i].x, b[j].x, sum[i][j]);
                sum[i][j] = fmaf(a[i].y, b[j].y, sum[i][j]);
                sum[i][j] = fmaf(a[i].z, b[j].z, sum[i][j]);
                sum[i][j] = fmaf(a[i].w, b[j].w, sum[i][j]);
            }
    }
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const int64_t row = row0 + ty + 16 * i;
        if (row >= end)
            continue;
        float        *to = place + h * r.rows.ids_per_head + r.rows.row[row].first_id;
        const int64_t n  = candidates(r, row);
#pragma unroll
        for (int j = 0; j < 4; j++)
            if (b0 + tx + 16 * j < n)
                to[b0 + tx + 16 * j] = sum[i][j] * factor;
    }
}

/* ---- the choice ---- */

/* Over the CTA; all threads get it. `shared` has a place a warp and is free again after the next
 * barrier but one. */
template <class T, class Join>
static __device__ __forceinline__ T join_all(T x, T *shared, Join join)
{
#pragma unroll
    for (int step = 16; step > 0; step /= 2)
        x = join(x, __shfl_xor_sync(~0u, x, step));
    if ((threadIdx.x & 31) == 0)
        shared[threadIdx.x / 32] = x;
    __syncthreads();
    x = shared[0];
#pragma unroll
    for (int w = 1; w < WARPS; w++)
        x = join(x, shared[w]);
    return x;
}

struct plus {
    template <class T> __device__ T operator()(T a, T b) const { return a + b; }
};

static __device__ __forceinline__ int64_t units(float a) { return __float2ll_rn(a * 0x1p40f); }

/* Scores of n candidates from their logits, in shared memory; what is no number is 0 [5]. */
static __device__ void softmax(const float *logit, int n, float *a, float *join)
{
    float top = -INFINITY, sum = 0.0f;
    for (int i = threadIdx.x; i < n; i += THREADS) {
        a[i] = logit[i];
        top  = fmaxf(top, a[i]);
    }
    top = join_all(top, join, [](float x, float y) { return fmaxf(x, y); });
    for (int i = threadIdx.x; i < n; i += THREADS) {
        const float e = fmaxf(expf(a[i] - top), 0.0f);
        a[i]          = e;
        sum += e;
    }
    sum = join_all(sum, join + WARPS, plus());
    for (int i = threadIdx.x; i < n; i += THREADS)
        a[i] = sum > 0.0f ? a[i] / sum : 0.0f;
    __syncthreads();
}

/* What is kept of a row's candidates: all above `least`, and of those equal to it the ones before
 * `end_equal`. */
struct least_kept {
    uint32_t least; /* pattern of a score */
    int      end_equal;
};

/* Patterns of scores >= 0 rise with them. The largest one at or above which lies enough mass. */
static __device__ least_kept find_least(const float *a, int n, int64_t wanted, int64_t *join,
                                        int *shared_end)
{
    uint32_t least = 0;
    int64_t  above = 0;                                         /* mass */
    for (int bit = 29, turn = 0; bit >= -1; bit--, turn ^= 1) { /* scores are at most 1 */
        const uint32_t x    = bit >= 0 ? least | 1u << bit : least + 1;
        int64_t        mass = 0;
        for (int i = threadIdx.x; i < n; i += THREADS)
            mass += __float_as_uint(a[i]) >= x ? units(a[i]) : 0;
        mass = join_all(mass, join + turn * WARPS, plus());
        if (bit < 0)
            above = mass;
        else if (mass >= wanted)
            least = x;
    }
    const int64_t each = units(__uint_as_float(least));
    if (each == 0) /* the mass of all of them is too little: all stay */
        return {0, n};
    if (threadIdx.x < 32) { /* equal ones by rising block */
        int64_t need = (wanted - above + each - 1) / each;
        int     end  = n;
        for (int i = 0; i < n && need > 0; i += 32) {
            const int      at    = i + static_cast<int>(threadIdx.x);
            const unsigned equal = __ballot_sync(~0u, at < n && __float_as_uint(a[at]) == least);
            const int      here  = __popc(equal);
            if (here >= need)
                end = i + static_cast<int>(__fns(equal, 0, static_cast<int>(need))) + 1;
            need -= here;
        }
        if (threadIdx.x == 0)
            *shared_end = end;
    }
    __syncthreads();
    return {least, *shared_end};
}

__global__ void __launch_bounds__(THREADS)
    choose_blocks(sbi_pbs_device r, int64_t wanted, const float *place)
{
    extern __shared__ float a[];
    __shared__ float        join[2 * WARPS];
    __shared__ int64_t      join_mass[2 * WARPS];
    __shared__ int          shared_end;
    const int64_t row = gridDim.x - 1 - blockIdx.x, h = blockIdx.y; /* late rows cost most */
    const int64_t n     = candidates(r, row);
    const int64_t end   = min(n + r.blocks_per_segment, r.rows.n_blocks);
    const int     first = r.first[h];
    uint32_t     *word  = r.bits.word + (h * r.rows.n_rows + row) * r.bits.words;
    least_kept    keep  = {0, static_cast<int>(n)};
    if (wanted >= 0 && n > 0) {
        softmax(place + h * r.rows.ids_per_head + r.rows.row[row].first_id, static_cast<int>(n), a,
                join);
        keep = find_least(a, static_cast<int>(n), wanted, join_mass, &shared_end);
    }
    for (int64_t b = threadIdx.x; b < r.bits.words * 32; b += THREADS) {
        bool kept = b < end;
        if (b < n && wanted >= 0) {
            const uint32_t x = __float_as_uint(a[b]);
            kept             = x > keep.least || (x == keep.least && b < keep.end_equal);
        }
        const unsigned bits = __ballot_sync(~0u, kept || b == first);
        if ((b & 31) == 0)
            word[b / 32] = bits;
    }
}

template <int D>
sb_status launch_scores(const sbi_pbs_device *r, float factor, float *place, cudaStream_t stream)
{
    const int64_t blocks = r->n_segments * r->blocks_per_segment;
    const int     bytes  = 2 * SIDE * stride<D> * 4;
    sb_status     st     = SB_CUDA(
                cudaFuncSetAttribute(block_scores<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    block_scores<D><<<dim3(static_cast<unsigned>((blocks + SIDE - 1) / SIDE),
                           static_cast<unsigned>((r->rows.n_rows + SIDE - 1) / SIDE),
                           static_cast<unsigned>(r->heads)),
                      THREADS, bytes, stream>>>(*r, factor, place);
    return sb_cuda_status(cudaGetLastError(), "launch of block_scores");
}
} // namespace

extern "C" sb_status sbi_pbs_scores_cuda(const sbi_pbs_device *r, float factor, int32_t *ids,
                                         void *stream)
{
    float *place = reinterpret_cast<float *>(ids);
    return r->dim == 64 ? launch_scores<64>(r, factor, place, sb_cuda_stream(stream))
                        : launch_scores<128>(r, factor, place, sb_cuda_stream(stream));
}

extern "C" sb_status sbi_pbs_choose_cuda(const sbi_pbs_device *r, double tau, const int32_t *ids,
                                         void *stream)
{
    const int64_t wanted = tau < 1 ? static_cast<int64_t>(ceil(tau * 0x1p40)) : -1;
    const int64_t bytes  = tau < 1 ? r->rows.n_blocks * 4 : 0;
    if (bytes > SHARED_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "pbs_attn: found %lld blocks of keys, allowed up to %d where a device plans",
                       static_cast<long long>(r->rows.n_blocks), SHARED_MAX / 4);
    sb_status st = SB_CUDA(cudaFuncSetAttribute(
        choose_blocks, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(bytes)));
    if (st != SB_OK)
        return st;
    choose_blocks<<<dim3(static_cast<unsigned>(r->rows.n_rows), static_cast<unsigned>(r->heads)),
                    THREADS, static_cast<size_t>(bytes), sb_cuda_stream(stream)>>>(
        *r, wanted, reinterpret_cast<const float *>(ids));
    return sb_cuda_status(cudaGetLastError(), "launch of choose_blocks");
}
