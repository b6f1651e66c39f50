/* Attention over any plan on any device from compute capability 8.0 on.
 *
 * One CTA has up to 64 query rows of one head, all in one row block, and walks their key ranges by
 * the rules of segments_impl.h, the same code as on the CPU. Warp 4 walks: it packs the next 64
 * keys of the ranges and copies their rows of K and V into one of two buffers (cp.async). Warps 0
 * to 3 have 16 rows each: S = Q K^T, softmax, O += P V by mma.sync m16n8k16, on the buffer before.
 * One __syncthreads a block of keys. Every key is a gathered row, so lists of any kind cost the
 * same, and no id leads out of K and V: a key's row comes from the runs at hand.
 *
 * Grid: one CTA a (query tile, head), heads fastest (they share K and V in L2), last tiles first.
 *
 * Shared memory: Q and two buffers of 64 rows of K and V, rows padded by 16 bytes against bank
 * conflicts; 88 KiB at head_dim 128, 47 KiB at 64.
 *
 * Bound: K and V out of L2, 64 rows of Q to each of their rows: 2 * 64 * d FLOP for 2 * d bytes.
 * Correct before fast. */
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/exec/segments_impl.h"

namespace
{
enum {
    ROWS    = 64,
    KEYS    = 64,
    WARPS   = ROWS / 16,
    THREADS = 32 * (WARPS + 1),
    RUNS    = 32, /* query runs of one launch; key runs at hand */
    PAD     = 8,
};

/* Ids fit 31 bits (attend_cuda.cu checks), offsets are 64-bit. */
struct portable_args {
    const sb_bf16 *q, *k, *v;
    int64_t        q_stride, k_stride, v_stride, o_stride; /* elements between heads */
    void          *o;
    float         *lse;
    int64_t        n_q;
    int32_t        heads, group, o_is_f32, merge, has_plan;
    float          scale;
    sb_plan        plan;
    /* query tiles: cells of a grid in global ids, as in flash_cpu.c */
    int64_t block_tokens, cells_per_block;
    int64_t q_local; /* local row of the first run's first token */
    sb_run  q_run[RUNS];
    int64_t q_first[RUNS + 1]; /* cells before run r */
    sb_run  k_run[RUNS];
    int32_t n_q_runs, n_k_runs;
};

struct cell {
    int64_t local, gid, n;
};

__host__ __device__ int64_t cell_of(int64_t block_tokens, int64_t cells_per_block, int64_t gid)
{
    return gid / block_tokens * cells_per_block + gid % block_tokens / ROWS;
}

__device__ cell cell_at(const portable_args &a, int64_t at)
{
    int     r     = 0;
    int64_t local = a.q_local;
    while (at >= a.q_first[r + 1])
        local += a.q_run[r++].len;
    sb_run  run   = a.q_run[r];
    int64_t c     = cell_of(a.block_tokens, a.cells_per_block, run.start) + at - a.q_first[r];
    int64_t block = c / a.cells_per_block * a.block_tokens;
    int64_t begin = block + c % a.cells_per_block * ROWS;
    int64_t end   = sbi_min_i64(begin + ROWS, block + a.block_tokens);
    begin         = sbi_max_i64(begin, run.start);
    end           = sbi_min_i64(end, run.start + run.len);
    cell out;
    out.local = local + begin - run.start;
    out.gid   = begin;
    out.n     = end - begin;
    return out;
}

/* ---- the walk ---- */

/* Keys (or slots) [begin, begin + n) stand in lanes [lane, lane + n); row: that of begin. */
struct piece {
    int32_t lane, begin, row, listed;
};

template <int D> struct shared_room {
    sb_bf16  q[ROWS][D + PAD], k[2][KEYS][D + PAD], v[2][KEYS][D + PAD];
    int32_t  id[2][KEYS]; /* INT32_MAX: no key, so nobody sees it */
    int32_t  row[KEYS];   /* of K and V; -1: none */
    piece    pieces[KEYS];
    uint64_t listed[2];
    int32_t  n[2]; /* lanes in use; 0: the end */
    int32_t  n_pieces;
    int32_t  all_see[2]; /* 1: every row sees every lane */
    int32_t  most_first; /* largest first key of the rows' windows */
};

struct walk {
    sb_segments ranges;
    sb_segment  now;
    int32_t     run;
    int64_t     run_offset;
};

__device__ void begin_walk(walk &w, const portable_args &a, int64_t head, int64_t row,
                           const cell &c)
{
    w.now        = sbi_segment(0, 0, 0);
    w.run        = 0;
    w.run_offset = 0;
    sbi_segments_begin(&w.ranges, a.has_plan ? &a.plan : nullptr, head, row, c.gid,
                       c.gid + c.n - 1);
}

/* Makes w.now start at an id that has a key at hand; 0 when none is left. Slots find their run one
 * by one, later. */
__device__ bool at_key(walk &w, const portable_args &a, bool slots)
{
    for (;;) {
        while (w.now.begin >= w.now.end)
            if (!sbi_segments_next(&w.ranges, &w.now))
                return false;
        if (slots) { /* the map has nothing below slot 0, whatever a list says */
            w.now.begin = sbi_max_i64(w.now.begin, 0);
            if (w.now.begin < w.now.end)
                return true;
            continue;
        }
        while (w.run < a.n_k_runs && a.k_run[w.run].start + a.k_run[w.run].len <= w.now.begin)
            w.run_offset += a.k_run[w.run++].len;
        if (w.run == a.n_k_runs)
            return false;
        w.now.begin = sbi_max_i64(w.now.begin, a.k_run[w.run].start);
        if (w.now.begin < w.now.end)
            return true;
    }
}

/* The next KEYS keys as pieces; by one lane. */
template <int D>
__device__ int32_t next_pieces(walk &w, const portable_args &a, bool slots, shared_room<D> &s)
{
    int32_t n = 0, n_pieces = 0;
    while (n < KEYS && at_key(w, a, slots)) {
        int64_t end = w.now.end, row = 0;
        if (!slots) {
            sb_run r = a.k_run[w.run];
            end      = sbi_min_i64(end, r.start + r.len);
            row      = w.run_offset + w.now.begin - r.start;
        }
        int64_t take = sbi_min_i64(end - w.now.begin, KEYS - n);
        piece  &p    = s.pieces[n_pieces++];
        p.lane       = n;
        p.begin      = static_cast<int32_t>(w.now.begin);
        p.row        = static_cast<int32_t>(row);
        p.listed     = w.now.listed;
        w.now.begin += take;
        n += static_cast<int32_t>(take);
    }
    s.n_pieces = n_pieces;
    return n;
}

/* Row of a token in K and V, -1 when it is not at hand. */
__device__ int32_t row_of(const portable_args &a, int64_t token)
{
    int64_t offset = 0;
    for (int32_t r = 0; r < a.n_k_runs; offset += a.k_run[r++].len)
        if (token >= a.k_run[r].start && token < a.k_run[r].start + a.k_run[r].len)
            return static_cast<int32_t>(offset + token - a.k_run[r].start);
    return -1;
}

/* Lane `lane` of the block: its id, its row, and whether a list named it. */
template <int D>
__device__ void expand(const portable_args &a, shared_room<D> &s, int buf, int32_t n, int lane,
                       bool slots, int64_t head, bool *listed)
{
    int32_t id = INT32_MAX, row = -1;
    *listed = false;
    if (lane < n) {
        int lo = 0, hi = s.n_pieces - 1;
        while (lo < hi) { /* the last piece that starts at or before the lane */
            int mid = (lo + hi + 1) / 2;
            if (s.pieces[mid].lane <= lane)
                lo = mid;
            else
                hi = mid - 1;
        }
        piece p = s.pieces[lo];
        id      = p.begin + lane - p.lane;
        row     = p.row + lane - p.lane;
        *listed = p.listed != 0;
        if (slots) {
            int64_t token = sb_slot_token(&a.plan.slots, sb_slots_of(&a.plan.slots, head), id);
            row           = row_of(a, token);
            id            = row < 0 ? INT32_MAX : static_cast<int32_t>(token);
        }
    }
    s.id[buf][lane] = id;
    s.row[lane]     = row;
}

__device__ uint32_t shared_at(const void *p)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/* One block into buffer `buf`, by the whole walking warp; waits for the copies. */
template <int D>
__device__ void fill(walk &w, const portable_args &a, int64_t head, const cell &c,
                     const sb_row_window &win, shared_room<D> &s, int buf)
{
    const int  lane  = threadIdx.x & 31;
    const bool slots = a.has_plan && a.plan.slots.n_heads > 0;
    int32_t    n     = lane == 0 ? next_pieces(w, a, slots, s) : 0;
    n                = __shfl_sync(~0u, n, 0);
    if (n > 0) {
        bool     listed[2];
        uint64_t bits = 0;
        int      all  = n == KEYS;
        __syncwarp();
        for (int i = 0; i < 2; i++) {
            expand(a, s, buf, n, lane + 32 * i, slots, head, &listed[i]);
            bits |= static_cast<uint64_t>(__ballot_sync(~0u, listed[i])) << (32 * i);
            int64_t id = s.id[buf][lane + 32 * i];
            all &= __all_sync(~0u, id <= c.gid && (listed[i] || id < win.sink_end ||
                                                   (win.step == 1 && id >= s.most_first)));
        }
        if (lane == 0) {
            s.listed[buf]  = bits;
            s.all_see[buf] = all;
        }
        __syncwarp();
        constexpr int  CHUNKS = D / 8, AT_ONCE = 32 / CHUNKS;
        const int64_t  kv = head / a.group;
        const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
        const int      x = lane % CHUNKS * 8;
        for (int i = lane / CHUNKS; i < KEYS; i += AT_ONCE) {
            int32_t row = s.row[i];
            int64_t at  = static_cast<int64_t>(row < 0 ? 0 : row) * D + x;
            sbi_copy_16(shared_at(&s.k[buf][i][x]), k + at, row >= 0);
            sbi_copy_16(shared_at(&s.v[buf][i][x]), v + at, row >= 0);
        }
        asm volatile("cp.async.wait_all;" ::: "memory");
    }
    if (lane == 0)
        s.n[buf] = n;
}

/* ---- the arithmetic ---- */

template <int D> struct rows {
    float   o[D / 8][4];
    float   m[2], l[2];       /* l: this lane's part of the sum */
    int32_t gid[2], first[2]; /* first key of the window */
    int32_t sink_end, step;
};

/* This warp's sixteen rows of Q into shared memory; rows past the tile's end are zeros. */
template <int D>
__device__ void load_q(shared_room<D> &s, const portable_args &a, int64_t head, const cell &c,
                       int warp)
{
    const int      lane = threadIdx.x & 31;
    const sb_bf16 *q    = a.q + head * a.q_stride + c.local * D;
    for (int i = lane; i < 16 * D / 8; i += 32) {
        int row = 16 * warp + i / (D / 8), x = i % (D / 8) * 8;
        sbi_copy_16(shared_at(&s.q[row][x]), q + (row < c.n ? row : 0) * D + x, row < c.n);
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
}

template <int D>
__device__ void mask(const rows<D> &r, const shared_room<D> &s, int buf, float (&p)[KEYS / 8][4])
{
    const uint64_t listed = s.listed[buf];
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int     lane = 8 * j + 2 * (threadIdx.x & 3) + (e & 1), i = e >> 1;
            int32_t id   = s.id[buf][lane];
            bool    sees = (listed >> lane & 1) != 0 || id < r.sink_end ||
                        (id >= r.first[i] && (r.step == 1 || (r.gid[i] - id) % r.step == 0));
            if (id > r.gid[i] || !sees)
                p[j][e] = -INFINITY;
        }
}

/* Fold buffer `buf` into the rows. */
template <int D>
__device__ void fold(rows<D> &r, const portable_args &a, const shared_room<D> &s, int buf, int warp)
{
    const int   lane = threadIdx.x & 31;
    const float c    = a.scale * 1.4426950408889634f;
    float       p[KEYS / 8][4];
    uint32_t    q[4], b[4];
#pragma unroll
    for (int j = 0; j < KEYS / 8; j++)
        p[j][0] = p[j][1] = p[j][2] = p[j][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        sbi_ldmatrix(q, shared_at(&s.q[16 * warp + (lane & 15)][16 * t + (lane >> 4) * 8]));
#pragma unroll
        for (int j = 0; j < KEYS / 16; j++) {
            sbi_ldmatrix(b, shared_at(&s.k[buf][16 * j + (lane >> 4) * 8 + (lane & 7)]
                                          [16 * t + (lane >> 3 & 1) * 8]));
            sbi_mma(p[2 * j], q, b[0], b[1]);
            sbi_mma(p[2 * j + 1], q, b[2], b[3]);
        }
    }
    if (!s.all_see[buf])
        mask(r, s, buf, p);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float top = r.m[i], sum = 0.0f;
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            top = fmaxf(top, fmaxf(p[j][2 * i], p[j][2 * i + 1]));
        top        = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
        top        = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
        float base = top == -INFINITY ? 0.0f : top * c; /* no key so far: all exponents -inf */
        float old  = exp2f(r.m[i] * c - base);
#pragma unroll
        for (int j = 0; j < KEYS / 8; j++)
            for (int e = 2 * i; e < 2 * i + 2; e++) {
                p[j][e] = exp2f(fmaf(p[j][e], c, -base));
                sum += p[j][e];
            }
        r.m[i] = top;
        r.l[i] = r.l[i] * old + sum;
#pragma unroll
        for (int x = 0; x < D / 8; x++) {
            r.o[x][2 * i] *= old;
            r.o[x][2 * i + 1] *= old;
        }
    }
#pragma unroll
    for (int t = 0; t < KEYS / 16; t++) { /* the accumulator's layout is that of the operand */
        uint32_t w[4] = {sbi_pack_bf16(p[2 * t][0], p[2 * t][1]),
                         sbi_pack_bf16(p[2 * t][2], p[2 * t][3]),
                         sbi_pack_bf16(p[2 * t + 1][0], p[2 * t + 1][1]),
                         sbi_pack_bf16(p[2 * t + 1][2], p[2 * t + 1][3])};
#pragma unroll
        for (int x = 0; x < D / 16; x++) {
            sbi_ldmatrix_t(b, shared_at(&s.v[buf][16 * t + (lane >> 3 & 1) * 8 + (lane & 7)]
                                            [16 * x + (lane >> 4) * 8]));
            sbi_mma(r.o[2 * x], w, b[0], b[1]);
            sbi_mma(r.o[2 * x + 1], w, b[2], b[3]);
        }
    }
}

/* o and lse of row `row` (0: l/4, 1: l/4 + 8 of the warp's sixteen); merged into what stands there
 * in MERGE [sharding 3]. */
template <int D>
__device__ void store(const rows<D> &r, const portable_args &a, int64_t head, int64_t local, int i)
{
    const int x0   = 2 * (threadIdx.x & 3);
    float    *slot = a.lse + head * a.n_q + (local < 0 ? 0 : local);
    float     l = r.l[i], before = 0.0f, keep = 0.0f;
    l += __shfl_xor_sync(~0u, l, 1);
    l += __shfl_xor_sync(~0u, l, 2);
    if (a.merge && x0 == 0)
        before = *slot;
    before = __shfl_sync(~0u, before, threadIdx.x & 28);
    if (local < 0)
        return;
    float lse = l == 0.0f ? -INFINITY : r.m[i] * a.scale + logf(l); /* NaN stays NaN */
    float w   = l == 0.0f ? 0.0f : 1.0f / l;
    if (a.merge) {
        float top = fmaxf(before, lse);
        float x   = top == -INFINITY ? 0.0f : expf(before - top);
        float y   = top == -INFINITY ? 0.0f : expf(lse - top);
        keep      = x + y > 0.0f ? x / (x + y) : 1.0f;
        w *= x + y > 0.0f ? y / (x + y) : 0.0f;
        lse = top == -INFINITY ? -INFINITY : top + logf(x + y);
    }
    if (x0 == 0)
        *slot = lse;
    const int64_t at = head * a.o_stride + local * D + x0;
#pragma unroll
    for (int x = 0; x < D / 8; x++) {
        float p = r.o[x][2 * i] * w, q = r.o[x][2 * i + 1] * w;
        if (a.o_is_f32) {
            float2 *to = reinterpret_cast<float2 *>(static_cast<float *>(a.o) + at + 8 * x);
            if (a.merge) {
                p += to->x * keep;
                q += to->y * keep;
            }
            *to = make_float2(p, q);
        } else {
            *reinterpret_cast<uint32_t *>(static_cast<sb_bf16 *>(a.o) + at + 8 * x) =
                sbi_pack_bf16(p, q);
        }
    }
}

template <int D>
__global__ void __launch_bounds__(THREADS, 2)
    attend_portable(const __grid_constant__ portable_args a)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    extern __shared__ __align__(16) unsigned char raw[];
    shared_room<D>                               &s    = *reinterpret_cast<shared_room<D> *>(raw);
    const int                                     warp = threadIdx.x >> 5, lane = threadIdx.x & 31;
    const int64_t                                 head = blockIdx.x % a.heads;
    const cell     c    = cell_at(a, a.q_first[a.n_q_runs] - 1 - blockIdx.x / a.heads);
    const sb_plan *plan = a.has_plan ? &a.plan : nullptr;
    const int64_t  row  = sbi_plan_row(plan, c.gid);
    const int      row0 = 16 * warp + (lane >> 2);
    rows<D>        r;
    walk           w;

    if (threadIdx.x == 0)
        s.most_first = 0;
    __syncthreads();
    if (warp < WARPS) {
        load_q(s, a, head, c, warp);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            int64_t       gid = c.gid + sbi_min_i64(row0 + 8 * i, c.n - 1);
            sb_row_window win = sbi_plan_row_window(plan, head, gid);
            r.gid[i]          = static_cast<int32_t>(gid);
            r.first[i]        = static_cast<int32_t>(sbi_min_i64(win.first, INT32_MAX));
            r.sink_end        = static_cast<int32_t>(sbi_min_i64(win.sink_end, INT32_MAX));
            r.step            = static_cast<int32_t>(sbi_min_i64(win.step, INT32_MAX));
            r.m[i]            = -INFINITY;
            r.l[i]            = row < 0 ? NAN : 0.0f; /* no list for this row: nobody may miss it */
            atomicMax(&s.most_first, r.first[i]);
        }
#pragma unroll
        for (int x = 0; x < D / 8; x++)
            r.o[x][0] = r.o[x][1] = r.o[x][2] = r.o[x][3] = 0.0f;
    }
    __syncthreads();
    const sb_row_window win = sbi_plan_row_window(plan, head, c.gid);
    if (warp == WARPS) {
        if (row >= 0)
            begin_walk(w, a, head, row, c);
        if (row < 0 && lane == 0)
            s.n[0] = 0;
        if (row >= 0)
            fill(w, a, head, c, win, s, 0);
    }
    __syncthreads();
    for (int buf = 0; s.n[buf] > 0; buf ^= 1) {
        if (warp == WARPS)
            fill(w, a, head, c, win, s, buf ^ 1);
        else
            fold(r, a, s, buf, warp);
        __syncthreads();
    }
    if (warp < WARPS)
#pragma unroll
        for (int i = 0; i < 2; i++)
            store(r, a, head, row0 + 8 * i < c.n ? c.local + row0 + 8 * i : -1, i);
#endif
}

template <int D> sb_status launch(const portable_args &a, cudaStream_t stream)
{
    const int     bytes  = static_cast<int>(sizeof(shared_room<D>));
    const int64_t blocks = a.q_first[a.n_q_runs] * a.heads;
    sb_status     st     = SB_OK;
    if (blocks > INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED, "attend: found %lld query tiles, allowed %d",
                       (long long)blocks, INT32_MAX);
    if (bytes > 48 * 1024)
        st = SB_CUDA(cudaFuncSetAttribute(attend_portable<D>,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK || blocks == 0)
        return st;
    attend_portable<D><<<static_cast<unsigned>(blocks), THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of attend_portable");
}
} // namespace

sb_status sbi_attend_portable_cuda(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k, *v = j->in->v, *o = j->out->o;
    portable_args    a     = {};
    sb_status        st    = SB_OK;
    int              lists = 0;
    if (k->gid.n_runs > RUNS)
        return sb_fail(SB_ERR_UNSUPPORTED, "attend: found keys in %d runs, allowed %d",
                       k->gid.n_runs, (int)RUNS);
    a.q        = static_cast<const sb_bf16 *>(q->data);
    a.k        = static_cast<const sb_bf16 *>(k->data);
    a.v        = static_cast<const sb_bf16 *>(v->data);
    a.o        = o->data;
    a.q_stride = q->head_stride;
    a.k_stride = k->head_stride;
    a.v_stride = v->head_stride;
    a.o_stride = o->head_stride;
    a.lse      = j->out->lse;
    a.n_q      = q->tokens;
    a.heads    = static_cast<int32_t>(q->heads);
    a.group    = static_cast<int32_t>(q->heads / k->heads);
    a.o_is_f32 = o->dtype == SB_F32;
    a.merge    = j->out->mode == SB_OUT_MERGE;
    a.scale    = j->in->scale;
    a.has_plan = j->plan != nullptr;
    if (j->plan != nullptr) {
        a.plan = *j->plan;
        lists  = (j->plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    }
    a.block_tokens    = lists ? j->plan->row_tokens : int64_t(ROWS);
    a.cells_per_block = (a.block_tokens + ROWS - 1) / ROWS;
    a.n_k_runs        = k->gid.n_runs;
    for (int32_t r = 0; r < k->gid.n_runs; r++)
        a.k_run[r] = k->gid.run[r];
    for (int32_t r = 0; st == SB_OK && r < q->gid.n_runs;) {
        a.n_q_runs     = 0;
        int64_t tokens = 0;
        for (; r < q->gid.n_runs && a.n_q_runs < RUNS; r++) {
            sb_run run = q->gid.run[r];
            if (run.len == 0)
                continue;
            a.q_run[a.n_q_runs] = run;
            a.q_first[a.n_q_runs + 1] =
                a.q_first[a.n_q_runs] + 1 +
                cell_of(a.block_tokens, a.cells_per_block, run.start + run.len - 1) -
                cell_of(a.block_tokens, a.cells_per_block, run.start);
            a.n_q_runs++;
            tokens += run.len;
        }
        st = q->dim == 64 ? launch<64>(a, j->stream) : launch<128>(a, j->stream);
        a.q_local += tokens;
    }
    return st;
}
