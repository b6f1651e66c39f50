/* Running softmax means (aaren), in segments side by side [linear 3.5]. One query a head, that of
 * token 0; a state is (w, m, u, q): weighted sum, largest score, sum of weights, query.
 *
 *   1  (w, m, u) of each segment but the last, from nothing     a CTA a (head, segment)
 *   2  the same before each segment: one after the other        a CTA a head
 *   3  outputs of each segment from there on                    a CTA a (head, segment)
 *
 * A CTA has a thread a value channel and takes 64 tokens at a time: scores, a scan of (m, u) over
 * them by one warp, then w token by token, w_i = e^(m_(i-1) - m_i) w_(i-1) + e^(s_i - m_i) v_i, all
 * in fp32. Bytes: k, v and o once, k and v once more. Decode is step 3 with one token.
 *
 * Over ranks 1 takes the last segment too, and (w, m, u) of all make the record of the call; 2 and
 * 3 follow when the states of the ranks before are here. */
#include "kernels/exec/scan_share_cuda.cuh"

namespace
{
enum { C = SCAN_ROWS };

template <int D> struct mean_room {
    float q[D];
    float score[C];
    float keep[C], weight[C], inverse[C]; /* of w before, of v; 1 / u */
    float m, u;                           /* after the tokens so far */
};

/* e^(x - top); nothing yet: 0 */
__device__ float weight_of(float x, float top) { return x == -INFINITY ? 0.0f : expf(x - top); }

/* (m, u) of two stretches. */
__device__ float2 join(float2 x, float2 y)
{
    const float top = fmaxf(x.x, y.x);
    return make_float2(top, x.y * weight_of(x.x, top) + y.y * weight_of(y.x, top));
}

/* Scores of m tokens; a warp takes every WARPS-th. */
template <int D> __device__ void score_rows(mean_room<D> &r, const sb_bf16 *k, int m, float scale)
{
    enum { WARPS = D / 32, LANES = D / 8, ROWS = 32 / LANES };
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, x = lane % LANES * 8;
#pragma unroll 4
    for (int i = warp * ROWS + lane / LANES; i < C; i += WARPS * ROWS) {
        uint4 raw = make_uint4(0, 0, 0, 0);
        if (i < m)
            raw = __ldg(reinterpret_cast<const uint4 *>(k + i * D + x));
        const uint32_t part[4] = {raw.x, raw.y, raw.z, raw.w};
        float          sum     = 0.0f;
#pragma unroll
        for (int p = 0; p < 4; p++)
            sum += r.q[x + 2 * p] * scan_low(part[p]) + r.q[x + 2 * p + 1] * scan_high(part[p]);
#pragma unroll
        for (int l = 1; l < LANES; l *= 2)
            sum += __shfl_xor_sync(~0u, sum, l);
        if (x == 0)
            r.score[i] = i < m ? scale * sum : -INFINITY;
    }
}

/* Weights of the tokens, by one warp; tokens past m change nothing. */
template <int D> __device__ void weigh(mean_room<D> &r)
{
    const int    lane   = threadIdx.x & 31;
    const float2 before = make_float2(r.m, r.u);
    const float  s[2]   = {r.score[2 * lane], r.score[2 * lane + 1]};
    float2       own    = make_float2(s[0], s[0] == -INFINITY ? 0.0f : 1.0f), at[2], sum;
    sum                 = join(own, make_float2(s[1], s[1] == -INFINITY ? 0.0f : 1.0f));
#pragma unroll
    for (int l = 1; l < 32; l *= 2) {
        const float2 x = make_float2(__shfl_up_sync(~0u, sum.x, l), __shfl_up_sync(~0u, sum.y, l));
        if (lane >= l)
            sum = join(x, sum);
    }
    float2 last = make_float2(__shfl_up_sync(~0u, sum.x, 1), __shfl_up_sync(~0u, sum.y, 1));
    last        = lane == 0 ? before : join(before, last);
    at[0]       = join(last, own);
    at[1]       = join(before, sum);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        r.keep[2 * lane + i]    = weight_of(last.x, at[i].x);
        r.weight[2 * lane + i]  = weight_of(s[i], at[i].x);
        r.inverse[2 * lane + i] = 1.0f / at[i].y;
        last                    = at[i];
    }
    if (lane == 31) {
        r.m = last.x;
        r.u = last.y;
    }
}

/* Where a head stands: from a state, or nowhere. */
template <int D> __device__ float open(mean_room<D> &r, const float *from)
{
    if (threadIdx.x == 0) {
        r.m = from == nullptr ? -INFINITY : from[D];
        r.u = from == nullptr ? 0.0f : from[D + 1];
    }
    return from == nullptr ? 0.0f : from[threadIdx.x];
}

/* The query: token 0 of the call that starts at 0, else of the state. */
__device__ float query_of(const sbi_scan_cuda_job &a, int64_t head, int d)
{
    if (a.is_first)
        return __uint_as_float(static_cast<uint32_t>(a.q[head * a.q_stride + threadIdx.x]) << 16);
    return a.start[head * a.state_floats + d + 2 + threadIdx.x];
}

template <int D> __device__ void close(const mean_room<D> &r, float w, float *to)
{
    to[threadIdx.x] = w;
    if (threadIdx.x == 0) {
        to[D]     = r.m;
        to[D + 1] = r.u;
    }
}

/* 1 and 3 */
template <int D, bool OUT>
__global__ void __launch_bounds__(D) mean_rows(const __grid_constant__ sbi_scan_cuda_job a)
{
    __shared__ mean_room<D> r;
    const int64_t           head = blockIdx.x % a.heads, segment = blockIdx.x / a.heads;
    const int64_t           kv = head / a.kv_group, first = segment * a.segment_tokens;
    const int64_t           end = min(first + a.segment_tokens, a.n);
    const sb_bf16          *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride + threadIdx.x;
    float                  *at = a.room.entry + (head * a.segments + segment) * a.state_floats;
    const int64_t           to = head * a.o_stride + threadIdx.x;
    r.q[threadIdx.x]           = query_of(a, head, D);
    float w                    = open(r, OUT ? at : nullptr);
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        __syncthreads();
        score_rows(r, k + i * D, m, a.scale);
        __syncthreads();
        if (threadIdx.x < 32)
            weigh(r);
        __syncthreads();
#pragma unroll 16
        for (int j = 0; j < m; j++) {
            const float x = __uint_as_float(static_cast<uint32_t>(__ldg(v + (i + j) * D)) << 16);
            w             = fmaf(r.keep[j], w, r.weight[j] * x);
            if (!OUT)
                continue;
            const int64_t row = to + (i + j) * D;
            if (a.o_is_f32)
                static_cast<float *>(a.o)[row] = w * r.inverse[j];
            else
                static_cast<__nv_bfloat16 *>(a.o)[row] = __float2bfloat16_rn(w * r.inverse[j]);
        }
    }
    __syncthreads();
    if (!OUT) {
        close(r, w, a.room.entry + scan_slot(a, head, segment) * a.state_floats);
    } else if (a.end != nullptr && segment + 1 == a.segments) {
        close(r, w, a.end + head * a.state_floats);
        a.end[head * a.state_floats + D + 2 + threadIdx.x] = r.q[threadIdx.x];
    }
}

/* This thread's w, and (m, u), behind another stretch of tokens. */
__device__ float append(float w, float2 &mu, const float *stretch, int d)
{
    const float2 own = make_float2(stretch[d], stretch[d + 1]), sum = join(mu, own);
    w  = w * weight_of(mu.x, sum.x) + stretch[threadIdx.x] * weight_of(own.x, sum.x);
    mu = sum;
    return w;
}

template <int D> __device__ void put(float *to, float w, float2 mu)
{
    to[threadIdx.x] = w;
    if (threadIdx.x == 0) {
        to[D]     = mu.x;
        to[D + 1] = mu.y;
    }
}

/* 2 */
template <int D>
__global__ void __launch_bounds__(D) mean_entries(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t head = blockIdx.x;
    const float  *from = a.start + head * a.state_floats;
    float        *at   = a.room.entry + head * a.segments * a.state_floats;
    float2 mu = a.is_first ? make_float2(-INFINITY, 0.0f) : make_float2(from[D], from[D + 1]);
    float  w  = a.is_first ? 0.0f : from[threadIdx.x];
    for (int64_t s = 0;; s++) {
        put<D>(at, w, mu);
        if (s + 1 == a.segments)
            return;
        at += a.state_floats;
        w = append(w, mu, at, D);
        __syncthreads(); /* before thread 0 writes over what all have read */
    }
}

/* The queries, to where states keep them. */
__global__ void mean_queries(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t head                                          = blockIdx.x;
    const float   x                                             = query_of(a, head, a.d);
    a.room.start[head * a.state_floats + a.d + 2 + threadIdx.x] = x;
}

/* The record: (w, m, u) of all segments. */
template <int D>
__global__ void __launch_bounds__(D) mean_record(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t head = blockIdx.x;
    const float  *at   = a.room.entry + head * a.segments * a.state_floats;
    float2        mu   = make_float2(-INFINITY, 0.0f);
    float         w    = 0.0f;
    for (int64_t s = 0; s < a.segments; s++)
        w = append(w, mu, at + (s + 1 < a.segments ? s + 1 : 0) * a.state_floats, D);
    put<D>(a.end + head * a.record_floats, w, mu);
}

/* Records of ranks, to the state before and after the own tokens. A sum of weights of 0 is of no
 * tokens: whatever has seen one counts at least its largest. */
template <int D>
__global__ void __launch_bounds__(D) fold_means(const __grid_constant__ sbi_scan_fold f)
{
    const int64_t head  = blockIdx.x;
    float        *state = f.state + head * f.state_floats;
    float2        mu    = make_float2(state[D + 1] > 0.0f ? state[D] : -INFINITY, state[D + 1]);
    float         w     = state[threadIdx.x];
    __syncthreads(); /* before thread 0 writes over what all have read */
    for (int i = 0; i < f.n; i++)
        if (f.tokens[i] > 0)
            w = append(w, mu, scan_record_of(f, i, head), D);
    put<D>(state, w, mu);
    if (f.end == nullptr)
        return;
    float *end = f.end + head * f.state_floats;
    w          = append(w, mu, f.own + head * f.record_floats, D);
    put<D>(end, w, mu);
    end[D + 2 + threadIdx.x] = state[D + 2 + threadIdx.x]; /* the query */
}

template <int D> sb_status launch(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const unsigned heads = static_cast<unsigned>(a.heads);
    const unsigned all   = static_cast<unsigned>(a.heads * a.segments);
    if (a.part == SBI_SCAN_STATES) {
        mean_rows<D, false><<<all, D, 0, stream>>>(a);
        mean_record<D><<<heads, D, 0, stream>>>(a);
    } else {
        if (a.segments > 1 && a.part == SBI_SCAN_WHOLE)
            mean_rows<D, false><<<all - heads, D, 0, stream>>>(a);
        mean_entries<D><<<heads, D, 0, stream>>>(a);
        mean_rows<D, true><<<all, D, 0, stream>>>(a);
    }
    return sb_cuda_status(cudaGetLastError(), "launch of a running mean");
}
} // namespace

sb_status sbi_scan_mean_fold_cuda(const sbi_scan_fold *f, cudaStream_t stream)
{
    const unsigned heads = static_cast<unsigned>(f->state_heads);
    if (f->d == 64)
        fold_means<64><<<heads, 64, 0, stream>>>(*f);
    else
        fold_means<128><<<heads, 128, 0, stream>>>(*f);
    return sb_cuda_status(cudaGetLastError(), "launch of a fold of means");
}

sb_status sbi_scan_mean_query_cuda(const sbi_scan_cuda_job *a, cudaStream_t stream)
{
    mean_queries<<<static_cast<unsigned>(a->heads), static_cast<unsigned>(a->d), 0, stream>>>(*a);
    return sb_cuda_status(cudaGetLastError(), "launch of a copy of queries");
}

sb_status sbi_scan_mean_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream)
{
    return job->d == 64 ? launch<64>(*job, stream) : launch<128>(*job, stream);
}
