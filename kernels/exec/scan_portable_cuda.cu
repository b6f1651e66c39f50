/* Linear scans in chunks on any device from compute capability 8.0 on, at two levels [lightning
 * 3.3, 3.4]: the sequence is cut into segments, enough of them to fill the device.
 *
 *   1  state of each segment but the last, from zero       a CTA a (state head, segment)
 *   2  states before each segment: one after the other     a thread a number of a state
 *   3  outputs of each segment from its state on           a CTA a (query head, segment)
 *
 * Over ranks 1 takes the last segment too, and its states make that of all rows, which others wait
 * for; 2 and 3 follow when the states of the ranks before are here.
 *
 * A CTA of 1 and 3 has eight warps and walks its segment by chunks of 64 rows. S stays in registers
 * in fp32, 16 key channels a warp; as bf16 it goes through shared memory once a chunk, for Q S.
 *
 *   P = mask(Q K') e^(-s (i - j))     O = e^(-s (i + 1)) Q S + P V     S = e^(-s m) S + (w K)' V
 *
 * Products by mma.sync in bf16 with fp32 sums; rounded to bf16 are mapped q and k, P, w K and the
 * copy of S. All exponents are <= 0; m is the rows of the chunk, so a short one at the end counts.
 *
 * Bytes: q, k, v, o once and k, v once more: 12 d bytes a token and head. One CTA a multiprocessor
 * waits for its rows, which the walk before has asked into L2. */
#include "kernels/exec/scan_share_cuda.cuh"

namespace
{
enum { C = SCAN_ROWS, THREADS = SCAN_THREADS, PAD = SCAN_PAD };

template <int D> struct chunk_room {
    sb_bf16 q[C][D + PAD], k[C][D + PAD], v[C][D + PAD], s[D][D + PAD];
    float   w[C + 1]; /* e^-st */
    float   z[2][D];
};

/* S = fade S + (w K)' V over the m rows of the chunk in shared memory. */
template <int D> __device__ void carry(share<D> &s, const chunk_room<D> &r, int m, float2 f)
{
    const int lane = threadIdx.x & 31, band = s.row - (lane >> 2), side = s.col - 2 * (lane & 3);
#pragma unroll
    for (int t = 0; t < share<D>::TILES; t++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            s.s[t][e] = scan_fade(f, s.s[t][e]);
#pragma unroll
    for (int j = 0; j < C / 16; j++) {
        uint32_t a[4], b[4];
        sbi_ldmatrix_t(a, &r.k[16 * j + (lane & 7) + (lane >> 4) * 8][band + (lane >> 3 & 1) * 8]);
#pragma unroll
        for (int e = 0; e < 4; e++) { /* a[e]: tokens t and t + 1; rows past m are zeros */
            const int t = m - 1 - (16 * j + 2 * (lane & 3) + (e >> 1) * 8);
            a[e]        = sbi_pack_bf16(__uint_as_float(a[e] << 16) * r.w[max(t, 0)],
                                        __uint_as_float(a[e] & 0xFFFF0000u) * r.w[max(t - 1, 0)]);
        }
#pragma unroll
        for (int t = 0; t < share<D>::TILES / 2; t++) {
            sbi_ldmatrix_t(b, &r.v[16 * j + (lane & 15)][side + 16 * t + (lane >> 4) * 8]);
            sbi_mma(s.s[2 * t], a, b[0], b[1]);
            sbi_mma(s.s[2 * t + 1], a, b[2], b[3]);
        }
    }
}

/* z of the chunk after: z[now ^ 1] = fade z[now] + sum of w k. */
template <int D> __device__ void carry_z(chunk_room<D> &r, int m, float2 f, int now)
{
    const int c = threadIdx.x;
    if (c >= D)
        return;
    float z = scan_fade(f, r.z[now][c]);
    for (int j = 0; j < m; j++)
        z += __uint_as_float(static_cast<uint32_t>(r.k[j][c]) << 16) * r.w[m - 1 - j];
    r.z[now ^ 1][c] = z;
}

template <int D> __device__ void decay_table(chunk_room<D> &r, double slope)
{
    if (threadIdx.x <= C)
        r.w[threadIdx.x] = static_cast<float>(exp(-slope * threadIdx.x));
}

/* 1: what a segment's rows make of a state of zero, to the entry of the segment after; of the last
 * one to `end`. */
template <int D>
__global__ void __launch_bounds__(THREADS, 1)
    scan_states(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    chunk_room<D>                                &r = *reinterpret_cast<chunk_room<D> *>(raw);
    const int64_t  head = blockIdx.x % a.state_heads, segment = blockIdx.x / a.state_heads;
    const int64_t  kv    = head * a.group / a.kv_group;
    const int64_t  first = segment * a.segment_tokens;
    const int64_t  end   = min(first + a.segment_tokens, a.n);
    const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
    const double   slope = a.room.slope[head];
    const float2   fade  = scan_decay(-slope * C);
    share<D>       s;
    int            now = 0;
    s.zero();
    decay_table(r, slope);
    if (threadIdx.x < D)
        r.z[0][threadIdx.x] = 0.0f;
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        __syncthreads();
        scan_load_mapped<D>(r.k, k + i * D, m, a.map);
        scan_load<D>(r.v, v + i * D, m);
        if (i + C < end) {
            const int64_t next = min(end - i - C, static_cast<int64_t>(C));
            scan_ask<D>(k + (i + C) * D, next);
            scan_ask<D>(v + (i + C) * D, next);
        }
        __syncthreads();
        const float2 f = m == C ? fade : scan_decay(-slope * m);
        carry(s, r, m, f);
        if (a.normalize)
            carry_z(r, m, f, now);
        now ^= 1;
    }
    float *to = segment + 1 < a.segments
                    ? a.room.entry + (head * a.segments + segment + 1) * a.state_floats
                    : a.end + head * a.state_floats;
    s.write(to);
    if (a.normalize && threadIdx.x < D) /* its own number */
        to[D * D + threadIdx.x] = r.z[now][threadIdx.x];
}

/* 2: entries become states before each segment. */
__global__ void scan_entries(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t x    = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    const int64_t head = blockIdx.y;
    if (x >= a.state_floats)
        return;
    const float2 fade  = scan_decay(-a.room.slope[head] * static_cast<double>(a.segment_tokens));
    float       *at    = a.room.entry + head * a.segments * a.state_floats + x;
    float        state = a.start[head * a.state_floats + x];
    *at                = state;
    for (int64_t s = 1; s < a.segments; s++) {
        at += a.state_floats;
        state = scan_fade(fade, state) + *at;
        *at   = state;
    }
}

/* Over ranks: the state of the last segment becomes that of all of them; entries stay. */
__global__ void scan_record(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t x    = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    const int64_t head = blockIdx.y, last = a.n - (a.segments - 1) * a.segment_tokens;
    if (x >= a.state_floats)
        return;
    const double slope = a.room.slope[head];
    const float2 fade  = scan_decay(-slope * static_cast<double>(a.segment_tokens));
    const float *at    = a.room.entry + head * a.segments * a.state_floats + x;
    float       *to    = a.end + head * a.state_floats + x;
    float        state = 0.0f;
    for (int64_t s = 1; s < a.segments; s++)
        state = scan_fade(fade, state) + at[s * a.state_floats];
    *to = scan_fade(scan_decay(-slope * static_cast<double>(last)), state) + *to;
}

/* Sixteen rows of one query head times half of the value channels, a warp. */
template <int D> struct output {
    enum { TILES = D / 16, STEPS = D / 16 };
    float    o[TILES][4], p[C / 8][4];
    uint32_t q[STEPS][4];
    int      band, side;

    __device__ output()
    {
        const int warp = threadIdx.x >> 5;
        band           = 16 * (warp % 4);
        side           = warp / 4 * (D / 2);
    }
    /* p = weighted scores, o = Q S with its decay */
    __device__ void scores(const chunk_room<D> &r, float scale)
    {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int t = 0; t < STEPS; t++)
            sbi_ldmatrix(q[t], &r.q[band + (lane & 15)][16 * t + (lane >> 4) * 8]);
#pragma unroll
        for (int j = 0; j < C / 8; j++)
            p[j][0] = p[j][1] = p[j][2] = p[j][3] = 0.0f;
#pragma unroll
        for (int t = 0; t < TILES; t++)
            o[t][0] = o[t][1] = o[t][2] = o[t][3] = 0.0f;
#pragma unroll
        for (int t = 0; t < STEPS; t++) {
            uint32_t b[4];
#pragma unroll
            for (int j = 0; j < C / 16; j++) {
                sbi_ldmatrix(
                    b, &r.k[16 * j + (lane >> 4) * 8 + (lane & 7)][16 * t + (lane >> 3 & 1) * 8]);
                sbi_mma(p[2 * j], q[t], b[0], b[1]);
                sbi_mma(p[2 * j + 1], q[t], b[2], b[3]);
            }
#pragma unroll
            for (int x = 0; x < TILES / 2; x++) {
                sbi_ldmatrix_t(b, &r.s[16 * t + (lane & 15)][side + 16 * x + (lane >> 4) * 8]);
                sbi_mma(o[2 * x], q[t], b[0], b[1]);
                sbi_mma(o[2 * x + 1], q[t], b[2], b[3]);
            }
        }
#pragma unroll
        for (int e = 0; e < 4; e++) {
            const int   i = band + (lane >> 2) + 8 * (e >> 1);
            const float w = r.w[i + 1] * scale;
#pragma unroll
            for (int j = 0; j < C / 8; j++) {
                const int t = i - (8 * j + 2 * (lane & 3) + (e & 1));
                p[j][e]     = t < 0 ? 0.0f : p[j][e] * (r.w[max(t, 0)] * scale);
            }
#pragma unroll
            for (int t = 0; t < TILES; t++)
                o[t][e] *= w;
        }
    }
    /* One over the sums of the weights of this lane's rows [linear 3.1]. */
    __device__ void norms(const chunk_room<D> &r, float scale, const float *z,
                          float (&norm)[2]) const
    {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            float sum = 0.0f, dot = 0.0f;
#pragma unroll
            for (int j = 0; j < C / 8; j++)
                sum += p[j][2 * i] + p[j][2 * i + 1];
#pragma unroll
            for (int t = 0; t < STEPS; t++)
#pragma unroll
                for (int h = 0; h < 2; h++) { /* channels 16 t + 8 h + 2 (lane % 4) + {0, 1} */
                    const float *at = z + 16 * t + 8 * h + 2 * (lane & 3);
                    dot += __uint_as_float(q[t][2 * h + i] << 16) * at[0] +
                           __uint_as_float(q[t][2 * h + i] & 0xFFFF0000u) * at[1];
                }
            sum += dot * (r.w[band + (lane >> 2) + 8 * i + 1] * scale);
            sum += __shfl_xor_sync(~0u, sum, 1);
            sum += __shfl_xor_sync(~0u, sum, 2);
            norm[i] = 1.0f / (sum + 1e-10f);
        }
    }
};

/* 3: outputs of a segment; behind the last one the call's state. */
template <int D>
__global__ void __launch_bounds__(THREADS, 1)
    scan_outputs(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    chunk_room<D>                                &r = *reinterpret_cast<chunk_room<D> *>(raw);
    const int64_t  head = blockIdx.x % a.heads, segment = blockIdx.x / a.heads;
    const int64_t  state = head / a.group, kv = head / a.kv_group;
    const int64_t  first = segment * a.segment_tokens;
    const int64_t  end   = min(first + a.segment_tokens, a.n);
    const sb_bf16 *q = a.q + head * a.q_stride, *k = a.k + kv * a.k_stride,
                  *v   = a.v + kv * a.v_stride;
    const double slope = a.room.slope[state];
    const float2 fade  = scan_decay(-slope * C);
    const float *from  = a.room.entry + (state * a.segments + segment) * a.state_floats;
    share<D>     s;
    int          now = 0;
    s.read(from);
    decay_table(r, slope);
    if (a.normalize && threadIdx.x < D)
        r.z[0][threadIdx.x] = from[D * D + threadIdx.x];
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        __syncthreads();
        scan_load_mapped<D>(r.q, q + i * D, m, a.map);
        scan_load_mapped<D>(r.k, k + i * D, m, a.map);
        scan_load<D>(r.v, v + i * D, m);
        s.publish(r.s);
        if (i + C < end) {
            const int64_t next = min(end - i - C, static_cast<int64_t>(C));
            scan_ask<D>(q + (i + C) * D, next);
            scan_ask<D>(k + (i + C) * D, next);
            scan_ask<D>(v + (i + C) * D, next);
        }
        __syncthreads();
        {
            output<D> out;
            float     norm[2] = {1.0f, 1.0f};
            out.scores(r, a.scale);
            if (a.normalize)
                out.norms(r, a.scale, r.z[now], norm);
            scan_add_values<D, output<D>::TILES>(out.o, out.p, r.v, out.side);
            scan_store<D, output<D>::TILES>(a, out.o, head, i, m, out.band, out.side, norm);
        }
        const float2 f = m == C ? fade : scan_decay(-slope * m);
        carry(s, r, m, f);
        if (a.normalize)
            carry_z(r, m, f, now);
        now ^= 1;
    }
    if (a.end == nullptr || segment + 1 < a.segments || head % a.group != 0)
        return;
    float *to = a.end + state * a.state_floats;
    s.write(to);
    if (a.normalize && threadIdx.x < D)
        to[D * D + threadIdx.x] = r.z[now][threadIdx.x];
}

template <int D> sb_status launch(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const int      bytes  = static_cast<int>(sizeof(chunk_room<D>));
    const int64_t  some    = a.part == SBI_SCAN_STATES ? a.segments : a.segments - 1;
    const int64_t  states  = a.part == SBI_SCAN_OUTPUTS ? 0 : a.state_heads * some;
    const int64_t  outputs = a.heads * a.segments;
    const dim3     numbers(static_cast<unsigned>((a.state_floats + THREADS - 1) / THREADS),
                           static_cast<unsigned>(a.state_heads)); /* a thread each */
    if (outputs > INT32_MAX || a.state_heads > 65535)
        return sb_fail(SB_ERR_UNSUPPORTED, "linear scan: found %d heads, allowed 65535", a.heads);
    sb_status st = SB_CUDA(
        cudaFuncSetAttribute(scan_states<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(scan_outputs<D>,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    if (states > 0)
        scan_states<D><<<static_cast<unsigned>(states), THREADS, bytes, stream>>>(a);
    if (a.part == SBI_SCAN_STATES) {
        scan_record<<<numbers, THREADS, 0, stream>>>(a);
    } else {
        scan_entries<<<numbers, THREADS, 0, stream>>>(a);
        scan_outputs<D><<<static_cast<unsigned>(outputs), THREADS, bytes, stream>>>(a);
    }
    return sb_cuda_status(cudaGetLastError(), "launch of a linear scan");
}
} // namespace

sb_status sbi_scan_portable_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream)
{
    return job->d == 64 ? launch<64>(*job, stream) : launch<128>(*job, stream);
}
