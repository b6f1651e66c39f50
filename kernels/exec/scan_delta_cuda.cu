/* Linear scans by the gated delta rule in chunks, segments side by side [linear 3.4]. With K and Q
 * of unit rows where the call asks for them (the rows stay as they are, their lengths are factors),
 * G_i the sum of the gates of the chunk up to row i:
 *
 *   L_ij = beta_i k_i.k_j e^(G_i - G_j), j < i     (I + L) U = beta (V - e^G K S)
 *   P_ij = q_i.k_j e^(G_i - G_j), j <= i           O = scale (P U + e^G Q S)
 *   S    = e^G_m S + (e^(G_m - G) K)' U
 *
 * The triangular system is solved forwards in fp32, a thread a column of U with its 64 rows in
 * registers; meanwhile four warps make P and Q S. A segment makes of a state S the state A S + B:
 * columns of S never meet, so B is the state of the segment's rows from zero, and A that from the
 * identity with V = 0.
 *
 *   1  A and B of each segment but the last          a CTA each
 *   2  S = A S + B, one after the other, fp32        a CTA 32 columns of a head
 *   3  outputs of each segment from its state on     a CTA a (query head, segment)
 *
 * Over ranks 1 takes the last segment too, and A and B of all make the record of the call; 2 and 3
 * follow when the states of the ranks before are here.
 *
 * Rounded to bf16: U, its weighted copy, P, the copy of S. Gates above 0 are noted in room.bad. */
#include "kernels/exec/scan_share_cuda.cuh"

namespace
{
enum { C = SCAN_ROWS, THREADS = SCAN_THREADS, COLS = 32 };

template <int D> struct delta_room {
    sb_bf16 q[C][D + SCAN_PAD], k[C][D + SCAN_PAD];
    sb_bf16 v[C][D + SCAN_PAD]; /* V, then U */
    sb_bf16 w[C][D + SCAN_PAD]; /* U as it enters S: with the length of its key, e^(G_m - G_j) */
    sb_bf16 s[D][D + SCAN_PAD];
    float   low[C][C + 4];         /* [j][i]: -L_ij */
    float   x[C][D + SCAN_PAD];    /* right side */
    float2  g[C];                  /* G_i in two parts */
    float   since[C], left[C];     /* e^G_i, e^(G_m - G_i) */
    float   beta[C], nq[C], nk[C]; /* one over the lengths of rows of q and k */
    float2  fade;                  /* e^G_m */
};

/* Rows to shared memory; norm: one over their lengths, or 1. */
template <int D>
__device__ void load_unit(sb_bf16 (&to)[C][D + SCAN_PAD], float (&norm)[C], const sb_bf16 *from,
                          int m, int unit)
{
    enum { LANES = D / 8 }; /* of a row, side by side in a warp */
#pragma unroll
    for (int n = 0; n < C * LANES / THREADS; n++) {
        const int i = n * THREADS + threadIdx.x, row = i / LANES, x = i % LANES * 8;
        uint4     raw = make_uint4(0, 0, 0, 0);
        if (row < m)
            raw = __ldg(reinterpret_cast<const uint4 *>(from + row * D + x));
        *reinterpret_cast<uint4 *>(&to[row][x]) = raw;
        const uint32_t part[4]                  = {raw.x, raw.y, raw.z, raw.w};
        float          sum                      = 0.0f;
#pragma unroll
        for (int p = 0; p < 4; p++)
            sum += scan_low(part[p]) * scan_low(part[p]) + scan_high(part[p]) * scan_high(part[p]);
#pragma unroll
        for (int l = 1; l < LANES; l *= 2)
            sum += __shfl_xor_sync(~0u, sum, l);
        if (i % LANES == 0)
            norm[row] = unit ? 1.0f / sqrtf(sum + 1e-6f) : 1.0f;
    }
}

/* Sums of the gates by warp 0, betas by warp 1. Rows past m change nothing. */
template <int D>
__device__ void load_sides(delta_room<D> &r, const sbi_scan_cuda_job &a, int64_t kv, int64_t first,
                           int m)
{
    const int warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    if (warp == 1)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int row = 2 * lane + i;
            r.beta[row]   = row < m ? scan_beta(a, kv, first + row) : 0.0f;
        }
    if (warp != 0)
        return;
    double g[2], sum;
    bool   bad = false;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int   row = 2 * lane + i;
        const float x   = row < m ? scan_gates(a, kv, first + row, 0).x : 0.0f;
        bad             = bad || !(x <= 0.0f);
        g[i]            = static_cast<double>(x);
    }
    if (bad)
        *a.room.bad = 1;
    sum = g[0] + g[1];
#pragma unroll
    for (int l = 1; l < 32; l *= 2) {
        const double x = __shfl_up_sync(~0u, sum, l);
        if (lane >= l)
            sum += x;
    }
    const double all = __shfl_sync(~0u, sum, 31), before = __shfl_up_sync(~0u, sum, 1);
    g[0] += lane > 0 ? before : 0.0;
    g[1] = sum;
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int   row = 2 * lane + i;
        const float hi  = static_cast<float>(g[i]);
        r.g[row]        = make_float2(hi, static_cast<float>(g[i] - static_cast<double>(hi)));
        r.since[row]    = expf(hi);
        r.left[row]     = expf(static_cast<float>(all - g[i]));
    }
    if (lane == 0)
        r.fade = scan_decay(all);
}

/* e^(G_i - G_j), j <= i */
template <int D> __device__ float fall(const delta_room<D> &r, int i, int j)
{
    const float2 x = r.g[i], y = r.g[j];
    return __expf(fminf((x.x - y.x) + (x.y - y.y), 0.0f));
}

/* -L and the right side: sixteen rows and half of the columns a warp. */
template <int D> __device__ void system_of(delta_room<D> &r, int has_values)
{
    enum { TILES = D / 16 };
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, band = 16 * (warp % 4);
    const int half = warp / 4, side = half * (D / 2);
    float     l[4][4], x[TILES][4];
#pragma unroll
    for (int j = 0; j < 4; j++)
        l[j][0] = l[j][1] = l[j][2] = l[j][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < TILES; t++)
        x[t][0] = x[t][1] = x[t][2] = x[t][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        uint32_t a[4], b[4];
        sbi_ldmatrix(a, &r.k[band + (lane & 15)][16 * t + (lane >> 4) * 8]);
#pragma unroll
        for (int j = 0; j < 2; j++) {
            sbi_ldmatrix(b, &r.k[32 * half + 16 * j + (lane >> 4) * 8 + (lane & 7)]
                                [16 * t + (lane >> 3 & 1) * 8]);
            sbi_mma(l[2 * j], a, b[0], b[1]);
            sbi_mma(l[2 * j + 1], a, b[2], b[3]);
        }
#pragma unroll
        for (int y = 0; y < TILES / 2; y++) {
            sbi_ldmatrix_t(b, &r.s[16 * t + (lane & 15)][side + 16 * y + (lane >> 4) * 8]);
            sbi_mma(x[2 * y], a, b[0], b[1]);
            sbi_mma(x[2 * y + 1], a, b[2], b[3]);
        }
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const int   i = band + (lane >> 2) + 8 * (e >> 1);
        const float f = -r.beta[i] * r.nk[i];
#pragma unroll
        for (int n = 0; n < 4; n++) {
            const int j = 32 * half + 8 * n + 2 * (lane & 3) + (e & 1);
            r.low[j][i] = j < i ? f * r.nk[j] * fall(r, i, j) * l[n][e] : 0.0f;
        }
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int   i = band + (lane >> 2) + 8 * h;
        const float f = r.since[i] * r.nk[i];
#pragma unroll
        for (int t = 0; t < TILES; t++) {
            const int      c = side + 8 * t + 2 * (lane & 3);
            const uint32_t v = has_values ? *reinterpret_cast<const uint32_t *>(&r.v[i][c]) : 0u;
            *reinterpret_cast<float2 *>(&r.x[i][c]) =
                make_float2(r.beta[i] * (scan_low(v) - f * x[t][2 * h]),
                            r.beta[i] * (scan_high(v) - f * x[t][2 * h + 1]));
        }
    }
}

__device__ sb_bf16 round_one(float x)
{
    return static_cast<sb_bf16>(sbi_pack_bf16(x, 0.0f) & 0xFFFFu);
}

/* Column c of U, forwards. */
template <int D> __device__ void solve(delta_room<D> &r, int c)
{
    float u[C];
#pragma unroll
    for (int i = 0; i < C; i++)
        u[i] = r.x[i][c];
#pragma unroll
    for (int j = 0; j < C - 1; j++)
#pragma unroll
        for (int i = (j + 1) / 4 * 4; i < C; i += 4) {
            const float4 l    = *reinterpret_cast<const float4 *>(&r.low[j][i]);
            const float  f[4] = {l.x, l.y, l.z, l.w};
#pragma unroll
            for (int e = 0; e < 4; e++)
                if (i + e > j)
                    u[i + e] = fmaf(f[e], u[j], u[i + e]);
        }
#pragma unroll
    for (int i = 0; i < C; i++) {
        r.v[i][c] = round_one(u[i]);
        r.w[i][c] = round_one(u[i] * r.nk[i] * r.left[i]);
    }
}

/* P and scale e^G Q S of sixteen rows. */
template <int D>
__device__ void scores(const delta_room<D> &r, float (&o)[D / 8][4], float (&p)[C / 8][4], int band,
                       float scale)
{
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < C / 8; j++)
        p[j][0] = p[j][1] = p[j][2] = p[j][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 8; t++)
        o[t][0] = o[t][1] = o[t][2] = o[t][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        uint32_t a[4], b[4];
        sbi_ldmatrix(a, &r.q[band + (lane & 15)][16 * t + (lane >> 4) * 8]);
#pragma unroll
        for (int j = 0; j < C / 16; j++) {
            if (16 * j > band)
                continue;
            sbi_ldmatrix(b,
                         &r.k[16 * j + (lane >> 4) * 8 + (lane & 7)][16 * t + (lane >> 3 & 1) * 8]);
            sbi_mma(p[2 * j], a, b[0], b[1]);
            sbi_mma(p[2 * j + 1], a, b[2], b[3]);
        }
#pragma unroll
        for (int y = 0; y < D / 16; y++) {
            sbi_ldmatrix_t(b, &r.s[16 * t + (lane & 15)][16 * y + (lane >> 4) * 8]);
            sbi_mma(o[2 * y], a, b[0], b[1]);
            sbi_mma(o[2 * y + 1], a, b[2], b[3]);
        }
    }
#pragma unroll
    for (int e = 0; e < 4; e++) {
        const int   i = band + (lane >> 2) + 8 * (e >> 1);
        const float f = scale * r.nq[i], w = f * r.since[i];
#pragma unroll
        for (int n = 0; n < C / 8; n++) {
            const int j = 8 * n + 2 * (lane & 3) + (e & 1);
            p[n][e]     = j <= i ? f * r.nk[j] * fall(r, i, j) * p[n][e] : 0.0f;
        }
#pragma unroll
        for (int t = 0; t < D / 8; t++)
            o[t][e] *= w;
    }
}

/* S = e^G_m S + K' W */
template <int D> __device__ void carry(share<D> &s, const delta_room<D> &r)
{
    const int lane = threadIdx.x & 31, band = s.row - (lane >> 2), side = s.col - 2 * (lane & 3);
#pragma unroll
    for (int t = 0; t < share<D>::TILES; t++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            s.s[t][e] = scan_fade(r.fade, s.s[t][e]);
#pragma unroll
    for (int j = 0; j < C / 16; j++) {
        uint32_t a[4], b[4];
        sbi_ldmatrix_t(a, &r.k[16 * j + (lane & 7) + (lane >> 4) * 8][band + (lane >> 3 & 1) * 8]);
#pragma unroll
        for (int t = 0; t < share<D>::TILES / 2; t++) {
            sbi_ldmatrix_t(b, &r.w[16 * j + (lane & 15)][side + 16 * t + (lane >> 4) * 8]);
            sbi_mma(s.s[2 * t], a, b[0], b[1]);
            sbi_mma(s.s[2 * t + 1], a, b[2], b[3]);
        }
    }
}

/* 1: what a segment's rows make of a state of zero, or (the second half of the grid) of the
 * identity without their values. ALL: of the last segment too. */
template <int D, bool ALL>
__global__ void __launch_bounds__(THREADS, D == 64 ? 2 : 1)
    delta_states(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    delta_room<D>                                &r = *reinterpret_cast<delta_room<D> *>(raw);
    const int64_t  items = a.state_heads * (ALL ? a.segments : a.segments - 1);
    const int64_t  item  = blockIdx.x % items;
    const int      is_b = blockIdx.x < items;
    const int64_t  head = item % a.state_heads, segment = item / a.state_heads;
    const int64_t  kv    = head * a.group / a.kv_group;
    const int64_t  first = segment * a.segment_tokens, past = first + a.segment_tokens;
    const int64_t  end  = ALL ? min(past, a.n) : past; /* else whole: another segment follows */
    const int64_t  next = scan_slot(a, head, segment);
    const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
    share<D>       s;
    s.zero();
    if (!is_b)
#pragma unroll
        for (int t = 0; t < share<D>::TILES; t++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                s.s[t][e] = s.row + 8 * (e >> 1) == s.col + 8 * t + (e & 1) ? 1.0f : 0.0f;
    for (int64_t i = first; i < end; i += C) {
        const int m = ALL ? static_cast<int>(min(end - i, static_cast<int64_t>(C))) : C;
        __syncthreads();
        load_unit<D>(r.k, r.nk, k + i * D, m, a.unit_rows);
        if (is_b)
            scan_load<D>(r.v, v + i * D, m);
        load_sides(r, a, kv, i, m);
        s.publish(r.s);
        if (i + C < end) {
            const int64_t more = ALL ? min(end - i - C, static_cast<int64_t>(C)) : C;
            scan_ask<D>(k + (i + C) * D, more);
            if (is_b)
                scan_ask<D>(v + (i + C) * D, more);
        }
        __syncthreads();
        system_of(r, is_b);
        __syncthreads();
        if (threadIdx.x < D)
            solve(r, threadIdx.x);
        __syncthreads();
        carry(s, r);
    }
    s.write(is_b ? a.room.entry + next * a.state_floats : a.room.trans + next * D * D);
}

/* 32 columns of a matrix of D rows: a warp has an eighth of the rows, a lane a column. */
template <int D> struct columns {
    enum { ROWS = D / 8 };
    float x[ROWS];
    int   row, lane;

    __device__ columns() : row((threadIdx.x >> 5) * ROWS), lane(threadIdx.x & 31) {}
    /* at column `col` of `from` */
    __device__ void read(const float *from, int col)
    {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            x[i] = from[(row + i) * D + col];
    }
    __device__ void write(float *to, int col) const
    {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            to[(row + i) * D + col] = x[i];
    }
    /* those of the identity (is_a), or zeros */
    __device__ void begin(bool is_a, int col)
    {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            x[i] = is_a && row + i == col ? 1.0f : 0.0f;
    }
    /* x = M x, and + B where there is one; s: room of the CTA */
    __device__ void through(float (&s)[D][COLS], const float *m, const float *b, int col)
    {
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            s[row + i][lane] = x[i];
        __syncthreads();
        if (b != nullptr)
            read(b, col);
        else
            begin(false, col);
        for (int c = 0; c < D; c += 4)
#pragma unroll
            for (int i = 0; i < ROWS; i++) {
                const float4 t = *reinterpret_cast<const float4 *>(m + (row + i) * D + c);
                x[i]           = fmaf(t.x, s[c][lane], x[i]);
                x[i]           = fmaf(t.y, s[c + 1][lane], x[i]);
                x[i]           = fmaf(t.z, s[c + 2][lane], x[i]);
                x[i]           = fmaf(t.w, s[c + 3][lane], x[i]);
            }
        __syncthreads();
    }
};

/* 2: entries become states before each segment. */
template <int D>
__global__ void __launch_bounds__(THREADS)
    delta_entries(const __grid_constant__ sbi_scan_cuda_job a)
{
    __shared__ float s[D][COLS];
    columns<D>       x;
    const int64_t    head = blockIdx.x;
    const int        col  = static_cast<int>(blockIdx.y) * COLS + x.lane;
    float           *at   = a.room.entry + head * a.segments * a.state_floats;
    const float     *m    = a.room.trans + head * a.segments * D * D;
    x.read(a.start + head * a.state_floats, col);
    x.write(at, col);
    for (int64_t seg = 1; seg < a.segments; seg++) {
        at += a.state_floats;
        m += D * D;
        x.through(s, m, at, col);
        x.write(at, col);
    }
}

/* The record: B of all segments, then A: the second half of the columns starts from the identity
 * and takes in no values. */
template <int D>
__global__ void __launch_bounds__(THREADS) delta_record(const __grid_constant__ sbi_scan_cuda_job a)
{
    __shared__ float s[D][COLS];
    columns<D>       x;
    const int64_t    head = blockIdx.x;
    const bool       is_a = blockIdx.y >= D / COLS;
    const int        col  = static_cast<int>(blockIdx.y % (D / COLS)) * COLS + x.lane;
    x.begin(is_a, col);
    for (int64_t seg = 0; seg < a.segments; seg++) {
        const int64_t slot = scan_slot(a, head, seg);
        x.through(s, a.room.trans + slot * D * D,
                  is_a ? nullptr : a.room.entry + slot * a.state_floats, col);
    }
    x.write(a.end + head * a.record_floats + (is_a ? D * D : 0), col);
}

/* Records of ranks, to the state before and after the own tokens. */
template <int D>
__global__ void __launch_bounds__(THREADS) fold_deltas(const __grid_constant__ sbi_scan_fold f)
{
    __shared__ float s[D][COLS];
    columns<D>       x;
    const int64_t    head = blockIdx.x;
    const int        col  = static_cast<int>(blockIdx.y) * COLS + x.lane;
    const float     *own  = f.own + head * f.record_floats;
    x.read(f.state + head * f.state_floats, col);
    for (int i = 0; i < f.n; i++)
        if (f.tokens[i] > 0) {
            const float *record = scan_record_of(f, i, head);
            x.through(s, record + D * D, record, col);
        }
    x.write(f.state + head * f.state_floats, col);
    if (f.end == nullptr)
        return;
    x.through(s, own + D * D, own, col);
    x.write(f.end + head * f.state_floats, col);
}

/* All warps, from different places. */
__device__ void meet()
{
    asm volatile("barrier.sync 1, %0;" ::"n"(static_cast<int>(THREADS)) : "memory");
}

/* 3: outputs of a segment; behind the last one the call's state. */
template <int D>
__global__ void __launch_bounds__(THREADS, D == 64 ? 2 : 1)
    delta_outputs(const __grid_constant__ sbi_scan_cuda_job a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    delta_room<D>                                &r = *reinterpret_cast<delta_room<D> *>(raw);
    const int64_t  head = blockIdx.x % a.heads, segment = blockIdx.x / a.heads;
    const int64_t  state = head / a.group, kv = head / a.kv_group;
    const int64_t  first = segment * a.segment_tokens;
    const int64_t  end   = min(first + a.segment_tokens, a.n);
    const sb_bf16 *q = a.q + head * a.q_stride, *k = a.k + kv * a.k_stride,
                  *v = a.v + kv * a.v_stride;
    const int   warp = threadIdx.x >> 5, band = 16 * (warp % 4), is_reader = warp >= 4;
    const float norm[2] = {1.0f, 1.0f};
    share<D>    s;
    s.read(a.room.entry + (state * a.segments + segment) * a.state_floats);
    for (int64_t i = first; i < end; i += C) {
        const int m = static_cast<int>(min(end - i, static_cast<int64_t>(C)));
        __syncthreads();
        load_unit<D>(r.q, r.nq, q + i * D, m, a.unit_rows);
        load_unit<D>(r.k, r.nk, k + i * D, m, a.unit_rows);
        scan_load<D>(r.v, v + i * D, m);
        load_sides(r, a, kv, i, m);
        s.publish(r.s);
        if (i + C < end) {
            const int64_t next = min(end - i - C, static_cast<int64_t>(C));
            scan_ask<D>(q + (i + C) * D, next);
            scan_ask<D>(k + (i + C) * D, next);
            scan_ask<D>(v + (i + C) * D, next);
        }
        __syncthreads();
        system_of(r, 1);
        __syncthreads();
        if (is_reader) {
            float o[D / 8][4], p[C / 8][4];
            scores<D>(r, o, p, band, a.scale);
            meet();
            scan_add_values<D, D / 8>(o, p, r.v, 0);
            scan_store<D, D / 8>(a, o, head, i, m, band, 0, norm);
        } else {
            if (threadIdx.x < D)
                solve(r, threadIdx.x);
            meet();
        }
        carry(s, r);
    }
    if (a.end != nullptr && segment + 1 == a.segments && head % a.group == 0)
        s.write(a.end + state * a.state_floats);
}

template <int D> sb_status launch_record(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const int     bytes  = static_cast<int>(sizeof(delta_room<D>));
    const int64_t states = 2 * a.state_heads * a.segments;
    sb_status     st     = sbi_scan_room_of(delta_states<D, true>, bytes);
    if (st != SB_OK)
        return st;
    delta_states<D, true><<<static_cast<unsigned>(states), THREADS, bytes, stream>>>(a);
    delta_record<D>
        <<<dim3(static_cast<unsigned>(a.state_heads), 2 * D / COLS), THREADS, 0, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of a delta rule's record");
}

template <int D> sb_status launch(const sbi_scan_cuda_job &a, cudaStream_t stream)
{
    const int     bytes  = static_cast<int>(sizeof(delta_room<D>));
    const int64_t states = 2 * a.state_heads * (a.segments - 1), outputs = a.heads * a.segments;
    if (a.part == SBI_SCAN_STATES)
        return launch_record<D>(a, stream);
    sb_status st = sbi_scan_room_of(delta_states<D, false>, bytes);
    if (st == SB_OK)
        st = sbi_scan_room_of(delta_outputs<D>, bytes);
    if (st != SB_OK)
        return st;
    if (states > 0 && a.part == SBI_SCAN_WHOLE)
        delta_states<D, false><<<static_cast<unsigned>(states), THREADS, bytes, stream>>>(a);
    delta_entries<D>
        <<<dim3(static_cast<unsigned>(a.state_heads), D / COLS), THREADS, 0, stream>>>(a);
    delta_outputs<D><<<static_cast<unsigned>(outputs), THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of a delta rule");
}
} // namespace

sb_status sbi_scan_delta_fold_cuda(const sbi_scan_fold *f, cudaStream_t stream)
{
    const unsigned heads = static_cast<unsigned>(f->state_heads);
    if (f->d == 64)
        fold_deltas<64><<<dim3(heads, 64 / COLS), THREADS, 0, stream>>>(*f);
    else
        fold_deltas<128><<<dim3(heads, 128 / COLS), THREADS, 0, stream>>>(*f);
    return sb_cuda_status(cudaGetLastError(), "launch of a fold of transitions");
}

sb_status sbi_scan_delta_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream)
{
    return job->d == 64 ? launch<64>(*job, stream) : launch<128>(*job, stream);
}
