/* Scans with gates a channel (gla) and by the delta rule token by token, all of it in fp32: decode,
 * and prefills that ask for it or are short [linear 3.3, 3.4, 6].
 *
 *   GATE   S = diag(e^g) S + k'v     DELTA  S = e^g S;  S += k' beta (v - k S)
 *
 * Laid out as scan_token_cuda.cu: a CTA has 32 value channels of one state, a warp 1/8 of their key
 * channels in registers, a lane one value channel.
 *
 * Over ranks the first of two passes makes the record alone: from zero, no outputs, with GATE the
 * sums of the gates, and of DELTA in a second half of the grid A, from the identity and values of
 * zero. */
#include "kernels/exec/linear_scan_cuda.cuh"

namespace
{
enum { THREADS = 256, WARPS = 8, COLS = 32 };

template <int D> struct token_room {
    float  k[D], q[D];
    float2 fade[D];
    float  part[WARPS][COLS]; /* of k S, then of o */
};

__device__ float widen(sb_bf16 x) { return __uint_as_float(static_cast<uint32_t>(x) << 16); }

/* A row by one warp, to length 1 where unit. */
template <int D> __device__ void load_row(float (&to)[D], const sb_bf16 *from, int unit)
{
    const int lane = threadIdx.x & 31;
    float     x[D / 32], sum = 0.0f;
#pragma unroll
    for (int i = 0; i < D / 32; i++) {
        x[i] = widen(from[32 * i + lane]);
        sum += x[i] * x[i];
    }
#pragma unroll
    for (int l = 16; l > 0; l >>= 1)
        sum += __shfl_xor_sync(~0u, sum, l);
    const float f = unit ? 1.0f / sqrtf(sum + 1e-6f) : 1.0f;
#pragma unroll
    for (int i = 0; i < D / 32; i++)
        to[32 * i + lane] = x[i] * f;
}

/* This lane's column of x S, the sum over the warps; of fp32 parts in one order. */
template <int D>
__device__ float through(token_room<D> &r, const float (&x)[D], const float (&s)[D / WARPS])
{
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    float     sum = 0.0f;
#pragma unroll
    for (int c = 0; c < D / WARPS; c++)
        sum = fmaf(x[warp * (D / WARPS) + c], s[c], sum);
    __syncthreads();
    r.part[warp][lane] = sum;
    __syncthreads();
    sum = 0.0f;
#pragma unroll
    for (int w = 0; w < WARPS; w++)
        sum += r.part[w][lane];
    return sum;
}

template <int D, bool DELTA, bool RECORD>
__global__ void __launch_bounds__(THREADS)
    scan_gated_tokens(const __grid_constant__ sbi_scan_cuda_job a)
{
    enum { ROWS = D / WARPS };
    __shared__ token_room<D> r;
    const int                tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
    const int64_t            state = blockIdx.x, kv = state * a.group / a.kv_group;
    const bool               is_a   = RECORD && blockIdx.y >= D / COLS;
    const int                col    = static_cast<int>(blockIdx.y % (D / COLS)) * COLS + lane;
    const float             *from = a.start + state * a.state_floats;
    double                   sum[2] = {0, 0}; /* of this thread's two channels of gates */
    float                    s[ROWS];
#pragma unroll
    for (int c = 0; c < ROWS; c++)
        if (RECORD)
            s[c] = is_a && warp * ROWS + c == col ? 1.0f : 0.0f;
        else
            s[c] = from[(warp * ROWS + c) * D + col];
    for (int64_t i = 0; i < a.n; i++) {
        __syncthreads();
        if (warp == 0)
            load_row<D>(r.k, a.k + kv * a.k_stride + i * D, a.unit_rows);
        if (tid >= THREADS / 2 && tid < THREADS / 2 + D / 2) {
            const int    c = 2 * (tid - THREADS / 2);
            const float2 g = scan_gates(a, kv, i, c);
            if (!(g.x <= 0.0f && g.y <= 0.0f))
                *a.room.bad = 1;
            r.fade[c]     = scan_decay_near(g.x);
            r.fade[c + 1] = scan_decay_near(g.y);
            sum[0] += static_cast<double>(g.x);
            sum[1] += static_cast<double>(g.y);
        }
        const float v = is_a ? 0.0f : widen(a.v[kv * a.v_stride + i * D + col]);
        __syncthreads();
        if (DELTA) {
#pragma unroll
            for (int c = 0; c < ROWS; c++)
                s[c] = scan_fade(r.fade[0], s[c]);
            const float u = scan_beta(a, kv, i) * (v - through<D>(r, r.k, s));
#pragma unroll
            for (int c = 0; c < ROWS; c++)
                s[c] = fmaf(r.k[warp * ROWS + c], u, s[c]);
        } else {
#pragma unroll
            for (int c = 0; c < ROWS; c++) { /* added before they meet the state, as on the CPU */
                const float2 f = r.fade[warp * ROWS + c];
                s[c]           = fmaf(f.x, s[c], fmaf(f.y, s[c], r.k[warp * ROWS + c] * v));
            }
        }
        for (int64_t h = state * a.group; !RECORD && h < (state + 1) * a.group; h++) {
            __syncthreads();
            if (warp == 0)
                load_row<D>(r.q, a.q + h * a.q_stride + i * D, a.unit_rows);
            __syncthreads();
            const float   o  = a.scale * through<D>(r, r.q, s);
            const int64_t at = h * a.o_stride + i * D + col;
            if (warp != 0)
                continue;
            if (a.o_is_f32)
                static_cast<float *>(a.o)[at] = o;
            else
                static_cast<__nv_bfloat16 *>(a.o)[at] = __float2bfloat16_rn(o);
        }
    }
    if (a.end == nullptr)
        return;
    float *to = a.end + state * (RECORD ? a.record_floats : a.state_floats) + (is_a ? D * D : 0);
#pragma unroll
    for (int c = 0; c < ROWS; c++)
        to[(warp * ROWS + c) * D + col] = s[c];
    if (RECORD && !DELTA && blockIdx.y == 0 && tid >= THREADS / 2 && tid < THREADS / 2 + D / 2) {
        double *sums = reinterpret_cast<double *>(to + D * D) + 2 * (tid - THREADS / 2);
        sums[0]      = sum[0];
        sums[1]      = sum[1];
    }
}

template <int D, bool DELTA> void launch(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const unsigned heads = static_cast<unsigned>(a.state_heads), parts = D / COLS;
    if (a.part == SBI_SCAN_STATES)
        scan_gated_tokens<D, DELTA, true>
            <<<dim3(heads, DELTA ? 2 * parts : parts), THREADS, 0, stream>>>(a);
    else
        scan_gated_tokens<D, DELTA, false><<<dim3(heads, parts), THREADS, 0, stream>>>(a);
}

template <int D> void launch_rule(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    if (a.rule == SB_SCAN_DELTA)
        launch<D, true>(a, stream);
    else
        launch<D, false>(a, stream);
}
} // namespace

sb_status sbi_scan_gated_token_cuda(const sbi_scan_cuda_job *a, cudaStream_t stream)
{
    if (a->d == 64)
        launch_rule<64>(*a, stream);
    else
        launch_rule<128>(*a, stream);
    return sb_cuda_status(cudaGetLastError(), "launch of a gated scan by tokens");
}
