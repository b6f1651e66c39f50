/* Linear scans token by token, all of it in fp32: decode, and prefills that ask for it or are short
 * [lightning 6, linear 6].
 *
 * A CTA has 32 value channels of one state, a warp 1/8 of their key channels in registers, a lane
 * one value channel. Grid: (state head, slice of 32). Bytes: the state in and out, 8 d^2 a head;
 * the normaliser z is kept by every slice and written by the first. Bound for many tokens: one
 * barrier a token and query head. */
#include "kernels/exec/linear_scan_cuda.cuh"

namespace
{
enum { THREADS = 256, WARPS = 8, COLS = 32 };

template <int D> struct token_room {
    float k[D], q[D], z[D];
    float part[WARPS][COLS]; /* of o, then of q z */
    float dot[WARPS];
};

__device__ float widen(sb_bf16 x) { return __uint_as_float(static_cast<uint32_t>(x) << 16); }

template <int D>
__global__ void __launch_bounds__(THREADS) scan_tokens(const __grid_constant__ sbi_scan_cuda_job a)
{
    enum { ROWS = D / WARPS };
    __shared__ token_room<D> r;
    const int                tid = threadIdx.x, lane = tid & 31, warp = tid >> 5;
    const int64_t            state = blockIdx.x, kv = state * a.group / a.kv_group;
    const int                col  = static_cast<int>(blockIdx.y) * COLS + lane;
    const float2             fade = scan_decay(-a.room.slope[state]);
    const float             *from = a.start + state * a.state_floats;
    float                    s[ROWS];
#pragma unroll
    for (int c = 0; c < ROWS; c++)
        s[c] = from[(warp * ROWS + c) * D + col];
    if (tid < D)
        r.z[tid] = a.normalize ? from[D * D + tid] : 0.0f;
    for (int64_t i = 0; i < a.n; i++) {
        __syncthreads();
        if (tid < D) { /* decay and update are added before they meet the state, as on the CPU */
            r.k[tid] = scan_map(a.map, widen(a.k[kv * a.k_stride + i * D + tid]));
            r.z[tid] = fmaf(fade.x, r.z[tid], fmaf(fade.y, r.z[tid], r.k[tid]));
        }
        const float v = widen(a.v[kv * a.v_stride + i * D + col]);
        __syncthreads();
#pragma unroll
        for (int c = 0; c < ROWS; c++)
            s[c] = fmaf(fade.x, s[c], fmaf(fade.y, s[c], r.k[warp * ROWS + c] * v));
        for (int64_t h = state * a.group; h < (state + 1) * a.group; h++) {
            __syncthreads();
            if (tid < D)
                r.q[tid] = scan_map(a.map, widen(a.q[h * a.q_stride + i * D + tid]));
            __syncthreads();
            float o = 0.0f, dot = 0.0f;
#pragma unroll
            for (int c = 0; c < ROWS; c++)
                o = fmaf(a.scale * r.q[warp * ROWS + c], s[c], o);
            r.part[warp][lane] = o;
            if (lane < ROWS)
                dot = r.q[warp * ROWS + lane] * r.z[warp * ROWS + lane];
#pragma unroll
            for (int x = 16; x > 0; x >>= 1)
                dot += __shfl_xor_sync(~0u, dot, x);
            if (lane == 0)
                r.dot[warp] = dot;
            __syncthreads();
            if (warp != 0)
                continue;
            float sum = 0.0f, weights = 0.0f;
#pragma unroll
            for (int w = 0; w < WARPS; w++) {
                sum += r.part[w][lane];
                weights += r.dot[w];
            }
            if (a.normalize)
                sum *= 1.0f / (a.scale * weights + 1e-10f);
            const int64_t at = h * a.o_stride + i * D + col;
            if (a.o_is_f32)
                static_cast<float *>(a.o)[at] = sum;
            else
                static_cast<__nv_bfloat16 *>(a.o)[at] = __float2bfloat16_rn(sum);
        }
    }
    if (a.end == nullptr)
        return;
    float *to = a.end + state * a.state_floats;
#pragma unroll
    for (int c = 0; c < ROWS; c++)
        to[(warp * ROWS + c) * D + col] = s[c];
    if (a.normalize && blockIdx.y == 0 && tid < D)
        to[D * D + tid] = r.z[tid];
}
} // namespace

sb_status sbi_scan_token_cuda(const sbi_scan_cuda_job *a, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned>(a->state_heads), static_cast<unsigned>(a->d / COLS));
    if (a->d == 64)
        scan_tokens<64><<<grid, THREADS, 0, stream>>>(*a);
    else
        scan_tokens<128><<<grid, THREADS, 0, stream>>>(*a);
    return sb_cuda_status(cudaGetLastError(), "launch of a scan by tokens");
}
