/* What decode's kernels (decode_cuda.cu) do with a stage of keys and a tile of rows: copies, one
 * fold of the online softmax by mma.sync, the merge of a CTA's warps. */
#ifndef SB_KERNELS_EXEC_DECODE_CUDA_CUH
#define SB_KERNELS_EXEC_DECODE_CUDA_CUH

#include <climits>

#include "kernels/base/host_device.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/decode_split.h"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/exec/plan_keys_cuda.cuh"

namespace
{
enum {
    WARPS       = 4,
    THREADS     = 32 * WARPS,
    STAGES      = 3,
    TILE_BYTES  = 4096, /* of K, of V: a warp's part of a stage */
    STAGE_BYTES = 2 * TILE_BYTES,
    RING_BYTES  = STAGES * STAGE_BYTES, /* of one warp */
    CTAS_PER_SM = 2,
    QUERIES     = 16,  /* most query tokens */
    ROWS_MAX    = 64,  /* most rows of a KV head: past this the prefill kernels win */
    FOUND_KEYS  = 128  /* of a plan, fewer are no work for a CTA: two stages a warp */
};

/* Calls: dense, dense by a step in device memory, by a plan. */
enum { DENSE, STEPPED, PLANNED };

SB_HOST_DEVICE constexpr int keys_of(int d) { return TILE_BYTES / 2 / d; }
SB_HOST_DEVICE constexpr int ids_at(int d, int tiles)
{
    return WARPS * RING_BYTES + tiles * 16 * d * 2;
}
SB_HOST_DEVICE constexpr int shared_bytes(int d, int tiles, bool plan)
{
    return ids_at(d, tiles) + (plan ? WARPS * STAGES * keys_of(d) * 4 : 0);
}

struct decode_args {
    const sb_bf16 *q, *k, *v;
    int64_t        q_stride, k_stride, v_stride; /* elements between heads */
    int32_t        n_q, group, n_keys;           /* keys that the last query sees */
    int32_t        n_rows;                       /* of a KV head: n_q * group */
    int32_t        limit[QUERIES];               /* keys at hand that query i sees */
    float          scale;
    float         *o, *lse;   /* [split][heads * n_q][d], [split][heads * n_q] */
    int64_t        part_rows; /* heads * n_q */
};

/* Queries that are tiles of their own: of one row block, and of one run. */
struct unit {
    int32_t first, n;
};

/* With a plan. */
struct plan_args {
    plan_keys keys;
    int32_t   fold;       /* heads of a tile: all of a KV head, or one */
    int32_t   unit_tiles; /* tiles of a unit and `fold` heads */
    int32_t   gid[QUERIES];
    unit      units[QUERIES];
};

template <int KIND> struct call {
    decode_args a;
};
template <> struct call<STEPPED> {
    decode_args    a; /* limit and n_keys say nothing */
    const sb_step *step;
};
template <> struct call<PLANNED> {
    decode_args a;
    plan_args   p;
};

/* Dense: how many keys there are, and parts of them: as the call says, ... */
struct keys_said {
    const decode_args &a;

    __device__ int32_t  n_keys() const { return a.n_keys; }
    __device__ int32_t  limit(int32_t query) const { return a.limit[query]; }
    __device__ unsigned splits() const { return gridDim.x; }
};
/* ... or as the step does, of which this is a copy. */
struct keys_told {
    int32_t n;

    __device__ int32_t  n_keys() const { return n; }
    __device__ int32_t  limit(int32_t) const { return n; }
    __device__ unsigned splits() const
    {
        return static_cast<unsigned>(sb_decode_splits(n, gridDim.x));
    }
};

/* Rows of a tile: row r is query q0 + r / fold, head h0 + r % fold. */
struct tile_rows {
    int32_t n, fold, q0, h0, row0; /* n: before which row they end; row0: first */

    __device__ int32_t query(int row) const { return q0 + row / fold; }
    __device__ int32_t head(int row) const { return h0 + row % fold; }
};

template <int D, int MT> struct rows {
    float   o[MT][D / 8][4];
    float   m[MT][2], l[MT][2]; /* l: this lane's part of the sum */
    int32_t limit[MT][2];       /* dense: keys that a row sees */
};

/* With a plan, in shared memory: what the rows see of a window, and their own ids. */
template <int MT> struct sight {
    int32_t gid[16 * MT], first[16 * MT], sinks, step;
};

/* Byte of 16-byte chunk c of row r: eight rows of one chunk lie in eight different bank groups. */
template <int D> __device__ uint32_t at_chunk(int r, int c)
{
    return static_cast<uint32_t>(r * D * 2 + ((c ^ (r & 7)) << 4));
}

/* Keys [key, key + keys_of(D)) of K and V into a stage; those past the end become zeros. */
template <int D>
__device__ void load_tile(const sb_bf16 *k, const sb_bf16 *v, uint32_t stage, int64_t key,
                          int32_t n_keys, int lane)
{
    constexpr int CHUNKS = D / 8, AT_ONCE = 32 / CHUNKS;
    const int     c = lane % CHUNKS, r0 = lane / CHUNKS;
#pragma unroll
    for (int i = 0; i < keys_of(D) / AT_ONCE; i++) {
        const int      r    = r0 + i * AT_ONCE;
        const bool     real = key + r < n_keys;
        const int64_t  from = (real ? key + r : 0) * D + 8 * c;
        const uint32_t to   = stage + at_chunk<D>(r, c);
        sbi_copy_16(to, k + from, real);
        sbi_copy_16(to + TILE_BYTES, v + from, real);
    }
}

/* The same of keys in rows anywhere: lane i knows the row of key i, -1: not at hand. */
template <int D>
__device__ void load_found(const sb_bf16 *k, const sb_bf16 *v, uint32_t stage, int32_t row,
                           int lane)
{
    constexpr int CHUNKS = D / 8, AT_ONCE = 32 / CHUNKS;
    const int     c = lane % CHUNKS, r0 = lane / CHUNKS;
#pragma unroll
    for (int i = 0; i < keys_of(D) / AT_ONCE; i++) {
        const int      r    = r0 + i * AT_ONCE;
        const int32_t  src  = __shfl_sync(~0u, row, r);
        const int64_t  from = static_cast<int64_t>(max(src, 0)) * D + 8 * c;
        const uint32_t to   = stage + at_chunk<D>(r, c);
        sbi_copy_16(to, k + from, src >= 0);
        sbi_copy_16(to + TILE_BYTES, v + from, src >= 0);
    }
}

/* Rows of this tile into shared memory; absent ones are zeros. */
template <int D, int MT>
__device__ void load_q(const decode_args &a, uint32_t room, const tile_rows &t)
{
    for (int i = threadIdx.x; i < MT * 16 * D / 8; i += THREADS) {
        const int     r = i / (D / 8), c = i % (D / 8), row = t.row0 + r;
        const bool    real = row < t.n;
        const int64_t head = t.head(real ? row : 0), query = t.query(real ? row : 0);
        sbi_copy_16(room + at_chunk<D>(r, c), a.q + head * a.q_stride + query * D + 8 * c, real);
    }
}

/* ... and from there as operands. */
template <int D, int MT>
__device__ void read_q(uint32_t (&q)[MT][D / 16][4], uint32_t room, int lane)
{
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int t = 0; t < D / 16; t++)
            sbi_ldmatrix(q[i][t], room + at_chunk<D>(16 * i + (lane & 15), 2 * t + (lane >> 4)));
}

/* Dense: keys from `key` on; all rows see those before all_see. */
template <int D> struct mask_limit {
    int32_t key, all_see;

    template <int MT>
    __device__ void operator()(float (&s)[MT][keys_of(D) / 8][4], const rows<D, MT> &r,
                               int lane) const
    {
        if (key + keys_of(D) <= all_see)
            return;
#pragma unroll
        for (int i = 0; i < MT; i++)
#pragma unroll
            for (int j = 0; j < keys_of(D) / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    if (key + 8 * j + 2 * (lane & 3) + (e & 1) >= r.limit[i][e >> 1])
                        s[i][j][e] = -INFINITY;
    }
};

/* With a plan: keys of these ids, of a list or not. */
template <int D, int N> struct mask_ids {
    const int32_t  *ids;
    const sight<N> &sees;
    bool            all_see, listed;

    template <int MT>
    __device__ void operator()(float (&s)[MT][keys_of(D) / 8][4], const rows<D, MT> &r,
                               int lane) const
    {
        if (all_see)
            return;
#pragma unroll
        for (int j = 0; j < keys_of(D) / 8; j++)
#pragma unroll
            for (int x = 0; x < 2; x++) {
                const int32_t id = ids[8 * j + 2 * (lane & 3) + x];
#pragma unroll
                for (int i = 0; i < MT; i++)
#pragma unroll
                    for (int h = 0; h < 2; h++) {
                        const int32_t gid   = sees.gid[16 * i + (lane >> 2) + 8 * h];
                        const int32_t first = sees.first[16 * i + (lane >> 2) + 8 * h];
                        const bool    in_window =
                            id < sees.sinks ||
                            (id >= first && (sees.step == 1 || (gid - id) % sees.step == 0));
                        if (id > gid || in_window == listed)
                            s[i][j][2 * h + x] = -INFINITY;
                    }
            }
    }
};

/* Fold one stage into the rows. */
template <int D, int MT, typename MASK>
__device__ void fold(rows<D, MT> &r, const uint32_t (&q)[MT][D / 16][4], uint32_t stage,
                     const MASK &mask, float c, int lane)
{
    constexpr int N = keys_of(D) / 8;
    float         s[MT][N][4];
    uint32_t      b[4];
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int j = 0; j < N; j++)
            s[i][j][0] = s[i][j][1] = s[i][j][2] = s[i][j][3] = 0.0f;
#pragma unroll
    for (int t = 0; t < D / 16; t++)
#pragma unroll
        for (int j = 0; j < N / 2; j++) {
            sbi_ldmatrix(b, stage + at_chunk<D>(16 * j + (lane >> 4) * 8 + (lane & 7),
                                                2 * t + (lane >> 3 & 1)));
#pragma unroll
            for (int i = 0; i < MT; i++) {
                sbi_mma(s[i][2 * j], q[i][t], b[0], b[1]);
                sbi_mma(s[i][2 * j + 1], q[i][t], b[2], b[3]);
            }
        }
    mask(s, r, lane);
#pragma unroll
    for (int i = 0; i < MT; i++) {
        float top[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            top[h] = s[i][0][2 * h];
#pragma unroll
            for (int j = 0; j < N; j++)
                top[h] = fmaxf(top[h], fmaxf(s[i][j][2 * h], s[i][j][2 * h + 1]));
            top[h] = fmaxf(top[h], __shfl_xor_sync(~0u, top[h], 1));
            top[h] = fmaxf(top[h], __shfl_xor_sync(~0u, top[h], 2));
        }
        if (__any_sync(~0u, top[0] > r.m[i][0] || top[1] > r.m[i][1])) {
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const float now  = fmaxf(r.m[i][h], top[h]);
                const float base = now == -INFINITY ? 0.0f : now;
                const float keep = exp2f((r.m[i][h] - base) * c);
                r.m[i][h]        = now;
                r.l[i][h] *= keep;
#pragma unroll
                for (int x = 0; x < D / 8; x++) {
                    r.o[i][x][2 * h] *= keep;
                    r.o[i][x][2 * h + 1] *= keep;
                }
            }
        }
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const float base = r.m[i][h] == -INFINITY ? 0.0f : r.m[i][h] * c; /* no key so far */
            float       sum  = 0.0f;
#pragma unroll
            for (int j = 0; j < N; j++)
#pragma unroll
                for (int e = 2 * h; e < 2 * h + 2; e++) {
                    s[i][j][e] = exp2f(fmaf(s[i][j][e], c, -base));
                    sum += s[i][j][e];
                }
            r.l[i][h] += sum;
        }
    }
#pragma unroll
    for (int t = 0; t < N / 2; t++) {
        uint32_t p[MT][4];
#pragma unroll
        for (int i = 0; i < MT; i++)
#pragma unroll
            for (int e = 0; e < 4; e++)
                p[i][e] = sbi_pack_bf16(s[i][2 * t + (e >> 1)][2 * (e & 1)],
                                        s[i][2 * t + (e >> 1)][2 * (e & 1) + 1]);
#pragma unroll
        for (int x = 0; x < D / 16; x++) {
            sbi_ldmatrix_t(
                b, stage + TILE_BYTES +
                       at_chunk<D>(16 * t + (lane >> 3 & 1) * 8 + (lane & 7), 2 * x + (lane >> 4)));
#pragma unroll
            for (int i = 0; i < MT; i++) {
                sbi_mma(r.o[i][2 * x], p[i], b[0], b[1]);
                sbi_mma(r.o[i][2 * x + 1], p[i], b[2], b[3]);
            }
        }
    }
}

/* No list for these rows: NaN, since nobody may miss it, with a weight that survives the merge. */
static __device__ __forceinline__ void write_nan(const decode_args &a, const tile_rows &t, int rows,
                                                 int dim)
{
    for (int at = threadIdx.x; at < rows * dim && t.row0 + at / dim < t.n; at += THREADS) {
        const int     row = t.row0 + at / dim;
        const int64_t to  = blockIdx.x * a.part_rows + t.head(row) * int64_t(a.n_q) + t.query(row);
        a.o[to * dim + at % dim] = NAN;
        if (at % dim == 0)
            a.lse[to] = 0.0f;
    }
}

/* The warps' parts, one after the other, as the CTA's partial (o, lse). room: of the rings. */
template <int D, int MT>
__device__ void merge_warps(rows<D, MT> &r, const decode_args &a, float *room, const tile_rows &t)
{
    enum { ROWS = 16 * MT, STRIDE = D + 8 }; /* numbers of a row: rows of a store in other banks */
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    float    *m = room, *l = room + WARPS * ROWS, *o = room + 2 * WARPS * ROWS;
    __syncthreads(); /* nobody reads the rings any more */
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int row = warp * ROWS + 16 * i + (lane >> 2) + 8 * h;
            float     sum = r.l[i][h];
            sum += __shfl_xor_sync(~0u, sum, 1);
            sum += __shfl_xor_sync(~0u, sum, 2);
            if (t.row0 + 16 * i + (lane >> 2) + 8 * h >= t.n)
                continue;
            if ((lane & 3) == 0) {
                m[row] = r.m[i][h];
                l[row] = sum;
            }
#pragma unroll
            for (int x = 0; x < D / 8; x++)
                *reinterpret_cast<float2 *>(o + row * STRIDE + 8 * x + 2 * (lane & 3)) =
                    make_float2(r.o[i][x][2 * h], r.o[i][x][2 * h + 1]);
        }
    __syncthreads();
    const float c = a.scale * 1.4426950408889634f;
    for (int at = threadIdx.x; at < ROWS * D; at += THREADS) {
        const int row = at / D, x = at % D;
        if (t.row0 + row >= t.n)
            break;
        float top = -INFINITY, sum = 0.0f, y = 0.0f;
#pragma unroll
        for (int w = 0; w < WARPS; w++)
            top = fmaxf(top, m[w * ROWS + row]);
        const float base = top == -INFINITY ? 0.0f : top;
#pragma unroll
        for (int w = 0; w < WARPS; w++) {
            const float f = exp2f((m[w * ROWS + row] - base) * c);
            sum += f * l[w * ROWS + row];
            y += f * o[(w * ROWS + row) * STRIDE + x];
        }
        const int64_t head = t.head(t.row0 + row);
        const int64_t to   = blockIdx.x * a.part_rows + head * a.n_q + t.query(t.row0 + row);
        a.o[to * D + x]    = sum == 0.0f ? 0.0f : y / sum; /* NaN stays NaN */
        if (x == 0)
            a.lse[to] = sum == 0.0f ? -INFINITY : top * a.scale + logf(sum);
    }
}
} // namespace

#endif
