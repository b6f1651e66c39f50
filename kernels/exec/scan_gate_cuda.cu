/* Linear scans with a gate a key channel and token (gla) in chunks, segments side by side as in
 * scan_portable_cuda.cu [linear 3.3]. With G_i the sum of the gates of a channel in the chunk, E_b
 * that at the end of block b of 16 rows, row i in block a and row j in block b:
 *
 *   P_ij = sum over channels of q_i k_j e^(G_i - G_j)
 *        = (q_i e^(G_i - E_(a-1)) e^(E_(a-1) - E_b)) . (k_j e^(E_b - G_j))     b < a: products
 *   O = scale (P V + (q_i e^G_i) S)     S = e^G_m S + (k_j e^(G_m - G_j))' V
 *
 * No exponent is above 0. Inside a block (b = a) a lane has two channels of all 16 rows, and its
 * weighted keys fade from row to row, kw_j <- kw_j e^g_i, so that row i finds k_j e^(G_i - G_j) and
 * what is left at the end is k_j e^(E_b - G_j): one exponential a channel and token. The sums over
 * channels are sums over lanes.
 *
 * Over ranks all segments' states from zero make, with the sums of their gates, the record of the
 * call; entries and outputs follow when the states of the ranks before are here.
 *
 * Rounded to bf16: weighted q and k, P, the copy of S. Gates above 0 are noted in room.bad. */
#include "kernels/exec/scan_share_cuda.cuh"

namespace
{
enum { C = SCAN_ROWS, SUB = SBI_SCAN_SUB, BLOCKS = C / SUB, THREADS = SCAN_THREADS };

template <int D> struct gate_room {
    sb_bf16 k[C][D + SCAN_PAD]; /* k_j e^(E_b - G_j) */
    sb_bf16 v[C][D + SCAN_PAD], s[D][D + SCAN_PAD];
    float   q[C][D + SCAN_PAD];          /* q_i e^(G_i - E_(a-1)) */
    float   fall[BLOCKS][D];             /* e^ of the gates of a block */
    float   sum[BLOCKS][D];              /* the gates of a block */
    float   p[D / 64][BLOCKS][SUB][SUB]; /* scores inside blocks, of 64 channels each */
};

/* Lane l: the sum over all lanes of x[l % 16]. */
__device__ __forceinline__ float sum_lanes(float (&x)[SUB])
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int n = SUB / 2; n > 0; n /= 2) {
        const bool up = (lane & n) != 0;
#pragma unroll
        for (int j = 0; j < n; j++) {
            const float send = up ? x[j] : x[j + n];
            x[j]             = (up ? x[j + n] : x[j]) + __shfl_xor_sync(~0u, send, n);
        }
    }
    return x[0] + __shfl_xor_sync(~0u, x[0], SUB);
}

/* Weighted keys, weighted queries where Q, scores inside blocks, and the sums of gates of a chunk
 * of m rows. A lane has channels c and c + 1 of one block. */
template <int D, bool Q>
__device__ void weigh(gate_room<D> &r, const sbi_scan_cuda_job &a, int64_t kv, int64_t first, int m,
                      const sb_bf16 *q, const sb_bf16 *k)
{
    enum { PAIRS = D / 2 };
    const int lane = threadIdx.x & 31, b = threadIdx.x / PAIRS, c = threadIdx.x % PAIRS * 2;
    if (b >= BLOCKS) /* whole warps */
        return;
    float2   g[SUB], w[SUB], since = make_float2(1.0f, 1.0f), sum = make_float2(0.0f, 0.0f);
    uint32_t keys[SUB], queries[SUB];
    bool     bad = false;
#pragma unroll
    for (int i = 0; i < SUB; i++) {
        const int64_t row = b * SUB + i;
        g[i]              = make_float2(0.0f, 0.0f);
        keys[i] = queries[i] = 0;
        if (row >= m)
            continue;
        g[i]    = scan_gates(a, kv, first + row, c);
        keys[i] = __ldg(reinterpret_cast<const uint32_t *>(k + row * D + c));
        if (Q)
            queries[i] = __ldg(reinterpret_cast<const uint32_t *>(q + row * D + c));
        bad = bad || !(g[i].x <= 0.0f && g[i].y <= 0.0f);
    }
    if (bad)
        *a.room.bad = 1;
#pragma unroll
    for (int i = 0; i < SUB; i++) {
        const float2 e = make_float2(__expf(g[i].x), __expf(g[i].y));
#pragma unroll
        for (int j = 0; j < i; j++) {
            w[j].x *= e.x;
            w[j].y *= e.y;
        }
        w[i] = make_float2(scan_low(keys[i]), scan_high(keys[i]));
        sum.x += g[i].x;
        sum.y += g[i].y;
        since.x *= e.x;
        since.y *= e.y;
        if (!Q)
            continue;
        const float2 x = make_float2(scan_low(queries[i]), scan_high(queries[i]));
        float        part[SUB];
#pragma unroll
        for (int j = 0; j < SUB; j++)
            part[j] = j <= i ? fmaf(x.x, w[j].x, x.y * w[j].y) : 0.0f;
        const float dot = sum_lanes(part);
        if (lane < SUB)
            r.p[c / 64][b][i][lane] = dot;
        *reinterpret_cast<float2 *>(&r.q[b * SUB + i][c]) =
            make_float2(x.x * since.x, x.y * since.y);
    }
#pragma unroll
    for (int j = 0; j < SUB; j++)
        *reinterpret_cast<uint32_t *>(&r.k[b * SUB + j][c]) = sbi_pack_bf16(w[j].x, w[j].y);
    *reinterpret_cast<float2 *>(&r.fall[b][c]) = since;
    *reinterpret_cast<float2 *>(&r.sum[b][c])  = sum;
}

template <int D> __device__ float chunk_gates(const gate_room<D> &r, int c)
{
    return (r.sum[0][c] + r.sum[1][c]) + (r.sum[2][c] + r.sum[3][c]);
}

/* S = e^G_m S + (k_j e^(G_m - G_j))' V, channel by channel. */
template <int D> __device__ void carry(share<D> &s, const gate_room<D> &r)
{
    const int lane = threadIdx.x & 31, band = s.row - (lane >> 2), side = s.col - 2 * (lane & 3);
    float     w[BLOCKS][2]; /* from the end of a block to that of the chunk */
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int    c = s.row + 8 * i;
        const float2 f = scan_decay_near(chunk_gates(r, c));
#pragma unroll
        for (int t = 0; t < share<D>::TILES; t++) {
            s.s[t][2 * i]     = scan_fade(f, s.s[t][2 * i]);
            s.s[t][2 * i + 1] = scan_fade(f, s.s[t][2 * i + 1]);
        }
        w[BLOCKS - 1][i] = 1.0f;
#pragma unroll
        for (int b = BLOCKS - 2; b >= 0; b--)
            w[b][i] = w[b + 1][i] * r.fall[b + 1][c];
    }
#pragma unroll
    for (int b = 0; b < BLOCKS; b++) {
        uint32_t a[4], x[4];
        sbi_ldmatrix_t(a, &r.k[16 * b + (lane & 7) + (lane >> 4) * 8][band + (lane >> 3 & 1) * 8]);
#pragma unroll
        for (int e = 0; e < 4; e++) /* a[e]: channel s.row + 8 (e % 2) */
            a[e] = sbi_pack_bf16(scan_low(a[e]) * w[b][e & 1], scan_high(a[e]) * w[b][e & 1]);
#pragma unroll
        for (int t = 0; t < share<D>::TILES / 2; t++) {
            sbi_ldmatrix_t(x, &r.v[16 * b + (lane & 15)][side + 16 * t + (lane >> 4) * 8]);
            sbi_mma(s.s[2 * t], a, x[0], x[1]);
            sbi_mma(s.s[2 * t + 1], a, x[2], x[3]);
        }
    }
}

/* 1: what a segment's rows make of a state of zero, and the sums of its gates. ALL: of the last
 * segment too. */
template <int D, bool ALL>
__global__ void __launch_bounds__(THREADS, D == 64 ? 2 : 1)
    gate_states(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    gate_room<D>                                 &r = *reinterpret_cast<gate_room<D> *>(raw);
    const int64_t  head = blockIdx.x % a.state_heads, segment = blockIdx.x / a.state_heads;
    const int64_t  kv    = head * a.group / a.kv_group;
    const int64_t  first = segment * a.segment_tokens, past = first + a.segment_tokens;
    const int64_t  end  = ALL ? min(past, a.n) : past; /* else whole: another segment follows */
    const int64_t  next = scan_slot(a, head, segment);
    const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
    double         gates = 0;
    share<D>       s;
    s.zero();
    for (int64_t i = first; i < end; i += C) {
        const int m = ALL ? static_cast<int>(min(end - i, static_cast<int64_t>(C))) : C;
        __syncthreads();
        scan_load<D>(r.v, v + i * D, m);
        weigh<D, false>(r, a, kv, i, m, nullptr, k + i * D);
        if (i + C < end) {
            const int64_t more = ALL ? min(end - i - C, static_cast<int64_t>(C)) : C;
            scan_ask<D>(k + (i + C) * D, more);
            scan_ask<D>(v + (i + C) * D, more);
        }
        __syncthreads();
        carry(s, r);
        if (threadIdx.x < D)
            gates += static_cast<double>(chunk_gates(r, threadIdx.x));
    }
    s.write(a.room.entry + next * a.state_floats);
    if (threadIdx.x < D)
        a.room.gates[next * D + threadIdx.x] = gates;
}

/* 2: entries become states before each segment. */
template <int D> __global__ void gate_entries(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t x     = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    const int64_t head  = blockIdx.y;
    float        *at    = a.room.entry + head * a.segments * a.state_floats + x;
    const double *g     = a.room.gates + head * a.segments * D + x / D;
    float         state = a.start[head * a.state_floats + x];
    *at                 = state;
    for (int64_t s = 1; s < a.segments; s++) {
        at += a.state_floats;
        g += D;
        state = scan_fade(scan_decay(*g), state) + *at;
        *at   = state;
    }
}

/* The record of all segments: S from zero, and sums of gates. */
template <int D> __global__ void gate_record(const __grid_constant__ sbi_scan_cuda_job a)
{
    const int64_t x     = blockIdx.x * static_cast<int64_t>(blockDim.x) + threadIdx.x;
    const int64_t head  = blockIdx.y;
    const float  *at    = a.room.entry + head * a.segments * a.state_floats + x;
    const double *g     = a.room.gates + head * a.segments * D + x / D;
    float        *to    = a.end + head * a.record_floats;
    float         state = 0.0f;
    double        sum   = 0;
    for (int64_t s = 0; s < a.segments; s++) {
        const int64_t slot = s + 1 < a.segments ? s + 1 : 0;
        state              = scan_fade(scan_decay(g[slot * D]), state) + at[slot * a.state_floats];
        sum += g[slot * D];
    }
    to[x] = state;
    if (x % D == 0)
        reinterpret_cast<double *>(to + D * D)[x / D] = sum;
}

/* Sixteen rows of weighted queries by sixteen channels, as a product takes them. */
__device__ void round_queries(uint32_t (&to)[4], const float2 (&x)[4])
{
#pragma unroll
    for (int e = 0; e < 4; e++)
        to[e] = sbi_pack_bf16(x[e].x, x[e].y);
}

/* They fall by one block more. */
template <int D> __device__ void fall(float2 (&x)[4], const gate_room<D> &r, int b, int c)
{
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const float2 f = *reinterpret_cast<const float2 *>(&r.fall[b][c + 8 * h]);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            x[2 * h + i].x *= f.x;
            x[2 * h + i].y *= f.y;
        }
    }
}

/* o = Q S and p = scores of block a of 16 rows: half of the value channels a warp. */
template <int D, int TILES>
__device__ void scores(const gate_room<D> &r, float (&o)[TILES][4], float (&p)[C / 8][4], int block,
                       int side, float scale)
{
    const int lane = threadIdx.x & 31, row = SUB * block + (lane >> 2);
#pragma unroll
    for (int t = 0; t < TILES; t++)
        o[t][0] = o[t][1] = o[t][2] = o[t][3] = 0.0f;
#pragma unroll
    for (int j = 0; j < C / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            p[j][e] = 0.0f;
            if (j / 2 != block)
                continue;
            const int i = (lane >> 2) + 8 * (e >> 1), x = 8 * (j % 2) + 2 * (lane & 3) + (e & 1);
#pragma unroll
            for (int h = 0; h < D / 64; h++)
                p[j][e] += r.p[h][block][i][x];
        }
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        const int c = 16 * t + 2 * (lane & 3);
        float2    x[4];
        uint32_t  q[4], b[4];
#pragma unroll
        for (int e = 0; e < 4; e++)
            x[e] = *reinterpret_cast<const float2 *>(&r.q[row + 8 * (e & 1)][c + 8 * (e >> 1)]);
#pragma unroll
        for (int j = BLOCKS - 2; j >= 0; j--) {
            if (j >= block)
                continue;
            if (j + 1 < block)
                fall(x, r, j + 1, c);
            round_queries(q, x);
            sbi_ldmatrix(b,
                         &r.k[16 * j + (lane >> 4) * 8 + (lane & 7)][16 * t + (lane >> 3 & 1) * 8]);
            sbi_mma(p[2 * j], q, b[0], b[1]);
            sbi_mma(p[2 * j + 1], q, b[2], b[3]);
        }
        if (block > 0)
            fall(x, r, 0, c);
        round_queries(q, x);
#pragma unroll
        for (int y = 0; y < TILES / 2; y++) {
            sbi_ldmatrix_t(b, &r.s[16 * t + (lane & 15)][side + 16 * y + (lane >> 4) * 8]);
            sbi_mma(o[2 * y], q, b[0], b[1]);
            sbi_mma(o[2 * y + 1], q, b[2], b[3]);
        }
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
#pragma unroll
        for (int j = 0; j < C / 8; j++)
            p[j][e] *= scale;
#pragma unroll
        for (int t = 0; t < TILES; t++)
            o[t][e] *= scale;
    }
}

/* 3: outputs of a segment; behind the last one the call's state. */
template <int D>
__global__ void __launch_bounds__(THREADS, D == 64 ? 2 : 1)
    gate_outputs(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    gate_room<D>                                 &r = *reinterpret_cast<gate_room<D> *>(raw);
    enum { TILES = D / 16 };
    const int64_t  head = blockIdx.x % a.heads, segment = blockIdx.x / a.heads;
    const int64_t  state = head / a.group, kv = head / a.kv_group;
    const int64_t  first = segment * a.segment_tokens;
    const int64_t  end   = min(first + a.segment_tokens, a.n);
    const sb_bf16 *q = a.q + head * a.q_stride, *k = a.k + kv * a.k_stride,
                  *v = a.v + kv * a.v_stride;
    const int warp = threadIdx.x >> 5, block = warp % 4, side = warp / 4 * (D / 2);
    share<D>  s;
    s.read(a.room.entry + (state * a.segments + segment) * a.state_floats);
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        __syncthreads();
        scan_load<D>(r.v, v + i * D, m);
        s.publish(r.s);
        weigh<D, true>(r, a, kv, i, m, q + i * D, k + i * D);
        if (i + C < end) {
            const int64_t next = min(end - i - C, static_cast<int64_t>(C));
            scan_ask<D>(q + (i + C) * D, next);
            scan_ask<D>(k + (i + C) * D, next);
            scan_ask<D>(v + (i + C) * D, next);
        }
        __syncthreads();
        {
            float       o[TILES][4], p[C / 8][4];
            const float norm[2] = {1.0f, 1.0f};
            scores<D, TILES>(r, o, p, block, side, a.scale);
            scan_add_values<D, TILES>(o, p, r.v, side);
            scan_store<D, TILES>(a, o, head, i, m, SUB * block, side, norm);
        }
        carry(s, r);
    }
    if (a.end != nullptr && segment + 1 == a.segments && head % a.group == 0)
        s.write(a.end + state * a.state_floats);
}

template <int D> dim3 numbers_of(const sbi_scan_cuda_job &a)
{
    return dim3(D * D / THREADS, static_cast<unsigned>(a.state_heads));
}

template <int D> sb_status launch_record(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const int     bytes  = static_cast<int>(sizeof(gate_room<D>));
    const int64_t states = a.state_heads * a.segments;
    sb_status     st     = sbi_scan_room_of(gate_states<D, true>, bytes);
    if (st != SB_OK)
        return st;
    gate_states<D, true><<<static_cast<unsigned>(states), THREADS, bytes, stream>>>(a);
    gate_record<D><<<numbers_of<D>(a), THREADS, 0, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of a gated scan's record");
}

template <int D> sb_status launch(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const int     bytes  = static_cast<int>(sizeof(gate_room<D>));
    const int64_t states = a.state_heads * (a.segments - 1), outputs = a.heads * a.segments;
    if (a.part == SBI_SCAN_STATES)
        return launch_record<D>(a, stream);
    sb_status st = sbi_scan_room_of(gate_states<D, false>, bytes);
    if (st == SB_OK)
        st = sbi_scan_room_of(gate_outputs<D>, bytes);
    if (st != SB_OK)
        return st;
    if (states > 0 && a.part == SBI_SCAN_WHOLE)
        gate_states<D, false><<<static_cast<unsigned>(states), THREADS, bytes, stream>>>(a);
    gate_entries<D><<<numbers_of<D>(a), THREADS, 0, stream>>>(a);
    gate_outputs<D><<<static_cast<unsigned>(outputs), THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of a gated scan");
}
} // namespace

sb_status sbi_scan_gate_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream)
{
    return job->d == 64 ? launch<64>(*job, stream) : launch<128>(*job, stream);
}
