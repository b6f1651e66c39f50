/* Merging partial attention on the device: the rule of merge_lse.h.
 *
 * One warp a row, or, of many parts, a CTA's four warps with a quarter of the parts each: the lanes
 * share the parts' lse (the weights), then each has four columns of o (one where rows do not lie on
 * 16 bytes, as in the wire form) and goes through the parts in ascending order.
 *
 * Bound: device memory, 4 * (dim + 1) bytes a part and row. */
#include <cstdint>
#include <cuda_bf16.h>

#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/decode_split.h"
#include "kernels/exec/merge_lse_cuda.cuh"

namespace
{
enum {
    WARPS     = 4,
    AHEAD     = 12,     /* parts whose o is under way at once */
    MANY_ROWS = 1 << 14 /* fill the device with a warp each */
};

/* W columns, as one load where W is 4. */
template <int W> __device__ void load(float (&to)[W], const float *from)
{
    if (W == 4) {
        const float4 all = *reinterpret_cast<const float4 *>(from);
        to[0]            = all.x;
        to[W / 4]        = all.y;
        to[W / 2]        = all.z;
        to[W - 1]        = all.w;
    } else {
        to[0] = *from;
    }
}

/* How many parts there are: as the job says, or as its step does. */
template <bool STEP> struct parts_of {
    const sbi_merge_job &j;
    int64_t              told;

    __device__ int64_t n() const { return STEP ? told : j.parts.n_parts; }
};

/* The largest lse, and the sum of exp(lse - largest): over all parts, the running one first. */
template <bool STEP>
__device__ void weigh(const sbi_merge_job &j, const parts_of<STEP> &parts, const float *l,
                      float running, int lane, float *top, float *sum)
{
    const float mine = lane < parts.n() ? l[lane * j.parts.lse_part_stride] : -INFINITY;
    float       m = mine > running ? mine : running, s = 0.0f;
    for (int64_t i = lane + 32; i < parts.n(); i += 32)
        m = l[i * j.parts.lse_part_stride] > m ? l[i * j.parts.lse_part_stride] : m;
    for (int x = 16; x > 0; x >>= 1) {
        const float other = __shfl_xor_sync(~0u, m, x);
        m                 = other > m ? other : m;
    }
    if (m != -INFINITY)
        s = expf(mine - m);
    for (int64_t i = lane + 32; m != -INFINITY && i < parts.n(); i += 32)
        s += expf(l[i * j.parts.lse_part_stride] - m);
    for (int x = 16; x > 0; x >>= 1)
        s += __shfl_xor_sync(~0u, s, x);
    *top = m;
    *sum = m == -INFINITY ? 0.0f : s + expf(running - m);
}

/* SHARE: warps of a row, 1 or all of the CTA. STEP: with j.step; what one warp would have done
 * without it, one does. */
template <int W, int SHARE, bool STEP>
__global__ void __launch_bounds__(32 * WARPS) merge_lse(const __grid_constant__ sbi_merge_job j)
{
    __shared__ float shares[SHARE][32 * W];
    const int        lane = threadIdx.x & 31, warp = threadIdx.x >> 5, share = warp % SHARE;
    const int64_t    row = static_cast<int64_t>(blockIdx.x) * (WARPS / SHARE) + warp / SHARE;
    if (row >= j.parts.rows)
        return;
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    if (j.early)
        cudaGridDependencySynchronize();
#endif
    const parts_of<STEP> parts = {j, STEP ? sb_decode_splits(j.step->n_keys, j.parts.n_parts) : 0};
    const bool           alone = STEP && parts.n() <= AHEAD;
    const int64_t        begin = alone ? (share == 0 ? 0 : parts.n()) : parts.n() * share / SHARE;
    const int64_t        end   = alone ? parts.n() : parts.n() * (share + 1) / SHARE;
    const float  *l       = j.parts.lse + row * j.parts.lse_row_stride;
    const float   running = j.merge ? j.lse[row] : -INFINITY;
    const int64_t at = row / j.rows_per_head * j.head_stride + row % j.rows_per_head * j.parts.dim;
    float         top, sum;
    weigh(j, parts, l, running, lane, &top, &sum);
    const float keep = top == -INFINITY ? 0.0f : expf(running - top);
    for (int64_t x0 = 0; x0 < j.parts.dim; x0 += 32 * W) {
        const int64_t x    = x0 + W * lane;
        const bool    mine = x < j.parts.dim;
        const float  *o    = j.parts.o + row * j.parts.o_row_stride + x;
        float         y[W] = {};
        if (keep != 0.0f && share == 0 && mine) {
            load<W>(y, static_cast<const float *>(j.o) + at + x);
            for (int c = 0; c < W; c++)
                y[c] *= keep;
        }
        for (int64_t i = begin; top != -INFINITY && i < end && mine; i += AHEAD) {
            float part[AHEAD][W], w[AHEAD];
#pragma unroll
            for (int u = 0; u < AHEAD; u++) {
                w[u] = 0.0f;
                if (i + u < end)
                    w[u] = expf(l[(i + u) * j.parts.lse_part_stride] - top);
                for (int c = 0; c < W; c++)
                    part[u][c] = 0.0f;
                if (w[u] != 0.0f) /* an empty part's o is never read as a number */
                    load<W>(part[u], o + (i + u) * j.parts.o_part_stride);
            }
#pragma unroll
            for (int u = 0; u < AHEAD; u++)
                for (int c = 0; c < W; c++)
                    y[c] = fmaf(w[u], part[u][c], y[c]);
        }
        if (SHARE > 1 && !alone) { /* in the order of the warps, which is that of the parts */
            __syncthreads();
            for (int c = 0; c < W; c++)
                shares[share][W * lane + c] = y[c];
            __syncthreads();
            for (int w = 1; w < SHARE; w++)
                for (int c = 0; c < W; c++)
                    y[c] += shares[w][W * lane + c];
        }
        for (int c = 0; c < W && share == 0 && mine; c++) {
            const float done = top == -INFINITY ? 0.0f : y[c] / sum;
            if (j.dtype == SB_F32)
                static_cast<float *>(j.o)[at + x + c] = done;
            else
                static_cast<__nv_bfloat16 *>(j.o)[at + x + c] = __float2bfloat16_rn(done);
        }
    }
    if (share == 0 && lane == 0 && j.lse != nullptr)
        j.lse[row] = top == -INFINITY ? -INFINITY : top + logf(sum);
}

/* Four columns are one load. */
int in_fours(const sb_partials *p, const void *o, int64_t head_stride)
{
    const int64_t strides = p->o_part_stride | p->o_row_stride | p->dim | head_stride;
    return strides % 4 == 0 && reinterpret_cast<uintptr_t>(p->o) % 16 == 0 &&
           reinterpret_cast<uintptr_t>(o) % 16 == 0;
}

template <int W, int SHARE, bool STEP>
sb_status launch(const sbi_merge_job *j, int64_t blocks, cudaStream_t stream)
{
    cudaLaunchConfig_t  how    = {};
    cudaLaunchAttribute early  = {};
    int                 device = 0, major = 0;
    sb_status           st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
    if (st != SB_OK)
        return st;
    early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    early.val.programmaticStreamSerializationAllowed = 1;
    how.gridDim                                      = dim3(static_cast<unsigned>(blocks));
    how.blockDim                                     = dim3(32 * WARPS);
    how.stream                                       = stream;
    how.attrs                                        = &early;
    how.numAttrs                                     = j->early && major >= 9;
    return sb_cuda_status(cudaLaunchKernelEx(&how, merge_lse<W, SHARE, STEP>, *j),
                          "launch of merge_lse");
}

template <int W, int SHARE>
sb_status launch(const sbi_merge_job *j, int64_t blocks, cudaStream_t stream)
{
    return j->step != nullptr ? launch<W, SHARE, true>(j, blocks, stream)
                              : launch<W, SHARE, false>(j, blocks, stream);
}
} // namespace

sb_status sbi_merge_lse_cuda(const sbi_merge_job *j, cudaStream_t stream)
{
    if (j->merge && (j->dtype != SB_F32 || j->lse == nullptr))
        return sb_fail(SB_ERR_INTERNAL, "merge_lse: a running partial is fp32 and has an lse");
    const int     share  = j->parts.n_parts > AHEAD && j->parts.rows < MANY_ROWS ? int(WARPS) : 1;
    const int64_t blocks = (j->parts.rows + WARPS / share - 1) / (WARPS / share);
    if (blocks > INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED, "merge_lse: found %lld rows, allowed %lld",
                       (long long)j->parts.rows, (long long)INT32_MAX * WARPS);
    if (blocks == 0)
        return SB_OK;
    const int fours = in_fours(&j->parts, j->o, j->head_stride);
    if (share == 1)
        return fours ? launch<4, 1>(j, blocks, stream) : launch<1, 1>(j, blocks, stream);
    return fours ? launch<4, WARPS>(j, blocks, stream) : launch<1, WARPS>(j, blocks, stream);
}

extern "C" sb_status sb_merge_lse_cuda(const sb_partials *p, sb_dtype dtype, sb_merge_into into,
                                       void *o, float *lse, void *stream)
{
    sbi_merge_job j = {};
    j.parts         = *p;
    j.dtype         = dtype;
    j.o             = o;
    j.lse           = lse;
    j.rows_per_head = p->rows > 0 ? p->rows : 1;
    j.merge         = into == SB_MERGE_INTO_RUNNING;
    return sbi_merge_lse_cuda(&j, sb_cuda_stream(stream));
}
