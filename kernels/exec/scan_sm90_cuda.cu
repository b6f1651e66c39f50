/* Linear scans with a decay for Hopper (sm_90a): one pass over q, k, v and o.
 *
 * The sequence is cut into segments of 256 tokens. A CTA keeps K and V of its segment in shared
 * memory, so that they are read once, and needs from the segment before no more than its state:
 *
 *   E = sum over the segment of e^(-s (m - 1 - j)) k_j' v_j       while K and V arrive
 *   wait for S of the segment before; hand on e^(-s m) S + E      through L2, eight warps each on
 *                                                                 their own
 *   O = e^(-s (i + 1)) Q S + mask(Q K') e^(-s (i - j)) V          blocks of 64 x 64
 *
 * 512 threads, one CTA an SM, persistent. Work items (segment, head) go segment by segment, so the
 * segment before an item's has been taken by a CTA that runs. First warpgroup: one thread copies
 * tiles (TMA) and asks the next item's into L2. Second: maps K and Q in place. The other two: 64
 * rows of E each (head_dim 64: the first alone), then row blocks 3 and 0, and 2 and 1, of the
 * segment.
 *
 * Rounded to bf16: mapped q and k, weighted k, weighted scores, the S that meets q. E and the S
 * that is handed on stay fp32. Sums in one order: same bits from every run.
 *
 * Shared memory: K, V, S, and Q and O of each warpgroup: 226 KiB at head_dim 128, 98 KiB at 64.
 * Bound: memory, 8 d bytes a token and head. Products: 163840 d + 1024 d^2 FLOP an item;
 * the chain of states, one hop a segment and head: two crossings of L2 and 4 d^2 bytes. */
#include <climits>

#include "kernels/base/host_device.h"
#include "kernels/exec/linear_scan_cuda.cuh"
#include "kernels/exec/sm90_map.cuh"
#include "kernels/exec/sm90_ptx.cuh"

namespace
{
enum {
    ROWS     = 64, /* of a tile */
    TILES    = 4,  /* of a segment */
    SEGMENT  = SBI_SCAN_HAND_TOKENS,
    SLOTS    = SBI_SCAN_HAND_SLOTS,
    BOX      = ROWS * 128, /* bytes of 64 rows of 64 dims */
    THREADS  = 512,
    MAPPERS  = 128,
    TABLE    = SEGMENT + 1,
    BARRIERS = 192,
};
static_assert(SEGMENT == TILES * ROWS, "a segment is four tiles");

SB_HOST_DEVICE constexpr int tile_bytes(int d) { return d / 64 * BOX; }
SB_HOST_DEVICE constexpr int state_bytes(int d) { return d * d * 2; }
SB_HOST_DEVICE constexpr int shared_bytes(int d)
{
    return (2 * TILES + 4) * tile_bytes(d) + state_bytes(d) + BARRIERS + TABLE * 4 +
           1024; /* 1024: to align the base */
}
static_assert(shared_bytes(128) <= 227 * 1024, "shared memory of an SM");

struct scan_args {
    const double *slope;
    const float  *start;
    float        *end, *hand;
    int          *flag;
    int64_t       state_floats;
    int32_t       n, heads, group, kv_group, segments;
    sb_scan_map   map;
    float         scale;
};

/* Where everything stands in shared memory, as addresses. */
template <int D> struct places {
    enum { TILE = tile_bytes(D) };
    uint32_t k, v, s, q, o, kv_full, kv_empty, mapped, q_full, q_empty, q_mapped, table;

    __device__ explicit places(uint32_t base)
    {
        k        = base;
        v        = k + TILES * TILE;
        s        = v + TILES * TILE;
        q        = s + state_bytes(D);
        o        = q + 2 * TILE;
        kv_full  = o + 2 * TILE;
        kv_empty = kv_full + 8 * TILES;
        mapped   = kv_empty + 8 * TILES;
        q_full   = mapped + 8 * TILES;
        q_empty  = q_full + 16;
        q_mapped = q_empty + 16;
        table    = kv_full + BARRIERS;
    }
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
static __device__ __forceinline__ void proxy_fence(void)
{
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
/* The row block that a warpgroup takes in its round 0 or 1. */
static __device__ __forceinline__ int block_of(int group, int round)
{
    return round == 0 ? 3 - group : group;
}

/* ---- copies and maps ---- */

template <int D>
static __device__ __forceinline__ void ask_item(const scan_args &a, int item, const CUtensorMap *mq,
                                                const CUtensorMap *mk, const CUtensorMap *mv)
{
    if (item >= a.segments * a.heads)
        return;
    const int head = item % a.heads, first = item / a.heads * SEGMENT, kv = head / a.kv_group;
    for (int c = TILES - 1; c >= 0; c--)
#pragma unroll
        for (int x = 0; x < D / 64; x++)
            if (first + ROWS * c < a.n) {
                tma_prefetch(mk, 64 * x, first + ROWS * c, kv);
                tma_prefetch(mv, 64 * x, first + ROWS * c, kv);
                tma_prefetch(mq, 64 * x, first + ROWS * c, head);
            }
}

/* One thread. Tiles past the end are copied too, as zeros, so that all items are alike. */
template <int D>
static __device__ __forceinline__ void produce(const scan_args &a, const places<D> &at,
                                               const CUtensorMap *mq, const CUtensorMap *mk,
                                               const CUtensorMap *mv)
{
    const int total = a.segments * a.heads;
    uint32_t  it    = 0;
    for (int w = blockIdx.x; w < total; w += gridDim.x, it++) {
        const int head = w % a.heads, first = w / a.heads * SEGMENT, kv = head / a.kv_group;
        for (int c = TILES - 1; c >= 0; c--) {
            const uint32_t full = at.kv_full + 8 * c;
            mbar_wait(at.kv_empty + 8 * c, (it & 1) ^ 1);
            mbar_expect(full, 2 * tile_bytes(D));
#pragma unroll
            for (int x = 0; x < D / 64; x++) {
                tma_load(at.k + c * tile_bytes(D) + x * BOX, mk, full, 64 * x, first + ROWS * c,
                         kv);
                tma_load(at.v + c * tile_bytes(D) + x * BOX, mv, full, 64 * x, first + ROWS * c,
                         kv);
            }
        }
        for (int round = 0; round < 2; round++)
            for (int g = 0; g < 2; g++) {
                mbar_wait(at.q_empty + 8 * g, (round & 1) ^ 1); /* two uses an item */
                mbar_expect(at.q_full + 8 * g, tile_bytes(D));
#pragma unroll
                for (int x = 0; x < D / 64; x++)
                    tma_load(at.q + g * tile_bytes(D) + x * BOX, mq, at.q_full + 8 * g, 64 * x,
                             first + ROWS * block_of(g, round), head);
            }
        ask_item<D>(a, w + gridDim.x, mq, mk, mv);
    }
}

/* x / (1 + e^-x) = h + h tanh h, h = x / 2: one special function instead of two. tanh is within
 * 2^-11 of itself, the result within 2^-12 |x|; it is rounded to bf16 next. */
static __device__ __forceinline__ float silu(float x)
{
    float t;
    asm("tanh.approx.f32 %0, %1;" : "=f"(t) : "f"(0.5f * x));
    return fmaf(0.5f * x, t, 0.5f * x);
}
static __device__ __forceinline__ uint32_t map_pair(sb_scan_map m, uint32_t x)
{
    const float lo = __uint_as_float(x << 16), hi = __uint_as_float(x & 0xFFFF0000u);
    return m == SB_SCAN_SILU ? pack_bf16(silu(lo), silu(hi))
                             : pack_bf16(scan_map(m, lo), scan_map(m, hi));
}

/* K of one tile in place; rows from `rows` on become zeros. */
template <sb_scan_map M, int D>
static __device__ __forceinline__ void map_tile(uint32_t tile, int rows, int thread)
{
#pragma unroll 4
    for (int i = thread; i < ROWS * D / 8; i += MAPPERS) {
        const uint32_t to = tile + 16 * i; /* a row is 8 pieces of 16 bytes, in any order */
        uint32_t       x[4];
        asm volatile("ld.shared.v4.b32 {%0,%1,%2,%3}, [%4];"
                     : "=r"(x[0]), "=r"(x[1]), "=r"(x[2]), "=r"(x[3])
                     : "r"(to)
                     : "memory");
        const bool real = i / 8 % ROWS < rows;
#pragma unroll
        for (int e = 0; e < 4; e++)
            x[e] = real ? map_pair(M, x[e]) : 0;
        asm volatile("st.shared.v4.b32 [%0], {%1,%2,%3,%4};" ::"r"(to), "r"(x[0]), "r"(x[1]),
                     "r"(x[2]), "r"(x[3])
                     : "memory");
    }
}

template <sb_scan_map M, int D>
static __device__ __forceinline__ void map_rows(const scan_args &a, const places<D> &at)
{
    const int total = a.segments * a.heads, thread = threadIdx.x & 127;
    uint32_t  it = 0;
    for (int w = blockIdx.x; w < total; w += gridDim.x, it++) {
        const int rows = a.n - w / a.heads * SEGMENT;
        for (int c = TILES - 1; c >= 0; c--) {
            mbar_wait(at.kv_full + 8 * c, it & 1);
            if (M != SB_SCAN_IDENTITY) { /* what lies past the end is zeros already */
                map_tile<M, D>(at.k + c * tile_bytes(D), rows - ROWS * c, thread);
                proxy_fence();
            }
            release(at.mapped + 8 * c, threadIdx.x & 31);
        }
        for (int round = 0; round < 2; round++)
            for (int g = 0; g < 2; g++) {
                mbar_wait(at.q_full + 8 * g, round);
                if (M != SB_SCAN_IDENTITY) {
                    map_tile<M, D>(at.q + g * tile_bytes(D), ROWS, thread);
                    proxy_fence();
                }
                release(at.q_mapped + 8 * g, threadIdx.x & 31);
            }
    }
}

/* ---- states and outputs ---- */

static __device__ __forceinline__ float table_at(uint32_t table, int i)
{
    float x;
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(table + 4 * i) : "memory");
    return x;
}

/* e^-st for t = 0 .. 256, by all 256 threads; a barrier on both sides. */
static __device__ __noinline__ void fill_table(uint32_t table, double slope, int thread)
{
    asm volatile("st.shared.f32 [%0], %1;" ::"r"(table + 4 * thread),
                 "f"(static_cast<float>(exp(-slope * thread)))
                 : "memory");
    if (thread == 0)
        asm volatile("st.shared.f32 [%0], %1;" ::"r"(table + 4 * SEGMENT),
                     "f"(static_cast<float>(exp(-slope * SEGMENT)))
                     : "memory");
}

template <int D>
static __device__ __forceinline__ void issue_pv(float (&o)[D / 2], const uint32_t *p, uint32_t v)
{
    const uint64_t b = wgmma_matrix(v, BOX, 1024);
#pragma unroll
    for (int j = 0; j < ROWS / 16; j++)
        wgmma_pv(o, p + 4 * j, b + static_cast<uint64_t>(j) * (16 * 128 >> 4));
}

/* (w K)' of one tile as operands; band: the first of this warp's 16 key channels. */
template <int D>
static __device__ __forceinline__ void weigh_keys(uint32_t (&k)[ROWS / 4], const places<D> &at,
                                                  int c, int band, int rows, int lane)
{
    const uint32_t tile = at.k + c * tile_bytes(D);
#pragma unroll
    for (int j = 0; j < ROWS / 16; j++) {
        const int      row = 16 * j + (lane & 7) + (lane >> 4) * 8, dim = band + (lane & 8);
        const uint32_t from =
            tile + (dim >> 6) * BOX + row * 128 + ((((dim & 63) >> 3) ^ (row & 7)) << 4);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(k[4 * j]), "=r"(k[4 * j + 1]), "=r"(k[4 * j + 2]), "=r"(k[4 * j + 3])
                     : "r"(from)
                     : "memory");
        const int t = rows - 1 - (ROWS * c + 16 * j + 2 * (lane & 3));
#pragma unroll
        for (int h = 0; h < 2; h++) { /* tokens t - 8 h and the one after it */
            const float w0 = table_at(at.table, max(t - 8 * h, 0));
            const float w1 = table_at(at.table, max(t - 8 * h - 1, 0));
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const uint32_t x = k[4 * j + 2 * h + i];
                k[4 * j + 2 * h + i] =
                    pack_bf16(__uint_as_float(x << 16) * w0, __uint_as_float(x & 0xFFFF0000u) * w1);
            }
        }
    }
}

/* The state before the segment to shared memory, and the one after it to whoever waits for it.
 * flag, hand: this warp's, this thread's. */
template <int D>
static __device__ __forceinline__ void hand_on(const scan_args &a, const places<D> &at,
                                               float (&e)[D / 2], int head, int segment, int rows,
                                               int group)
{
    const int     tid = threadIdx.x & 127, lane = tid & 31, warp = tid >> 5;
    const int     row = 64 * group + 16 * warp + (lane >> 2), col = 2 * (lane & 3);
    const int64_t state = static_cast<int64_t>(head / a.group) * a.state_floats;
    int          *flag  = a.flag + head * 8 + 4 * group + warp;
    float4       *hand =
        reinterpret_cast<float4 *>(a.hand + static_cast<int64_t>(head) * SLOTS * a.state_floats +
                                   group * (D * D / 2)) +
        tid;
    const int64_t slot = a.state_floats / 4;
    const float2  fade = scan_decay(-a.slope[head / a.group] * rows);
    float         s[D / 2];
    if (segment == 0) {
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const float2 x       = *reinterpret_cast<const float2 *>(a.start + state +
                                                                   (row + 8 * i) * D + col + 8 * j);
                s[4 * j + 2 * i]     = x.x;
                s[4 * j + 2 * i + 1] = x.y;
            }
    } else {
        int seen; /* every lane acquires what it reads */
        do
            asm volatile("ld.acquire.gpu.global.s32 %0, [%1];" : "=r"(seen) : "l"(flag) : "memory");
        while (seen < segment);
        __syncwarp();
        const float4 *from = hand + (segment - 1) % SLOTS * slot;
#pragma unroll
        for (int j = 0; j < D / 8; j++) {
            asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];" /* not before the flag */
                         : "=f"(s[4 * j]), "=f"(s[4 * j + 1]), "=f"(s[4 * j + 2]),
                           "=f"(s[4 * j + 3])
                         : "l"(from + 128 * j)
                         : "memory");
        }
    }
#pragma unroll
    for (int i = 0; i < D / 2; i++)
        e[i] += scan_fade(fade, s[i]);
    if (segment + 1 < a.segments) {
        float4 *to = hand + segment % SLOTS * slot;
#pragma unroll
        for (int j = 0; j < D / 8; j++)
            asm volatile("st.global.cg.v4.f32 [%0], {%1,%2,%3,%4};" ::"l"(to + 128 * j),
                         "f"(e[4 * j]), "f"(e[4 * j + 1]), "f"(e[4 * j + 2]), "f"(e[4 * j + 3])
                         : "memory");
        __threadfence();
        __syncwarp();
        if (lane == 0)
            asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(flag), "r"(segment + 1)
                         : "memory");
    } else if (a.end != nullptr && head % a.group == 0) {
#pragma unroll
        for (int j = 0; j < D / 8; j++)
#pragma unroll
            for (int i = 0; i < 2; i++)
                *reinterpret_cast<float2 *>(a.end + state + (row + 8 * i) * D + col + 8 * j) =
                    make_float2(e[4 * j + 2 * i], e[4 * j + 2 * i + 1]);
    }
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t to = at.s + (j >> 3) * (D * 128) + (row + 8 * i) * 128 +
                                (((j & 7) ^ (row & 7)) << 4) + (lane & 3) * 4;
            asm volatile("st.shared.b32 [%0], %1;" ::"r"(to),
                         "r"(pack_bf16(s[4 * j + 2 * i], s[4 * j + 2 * i + 1]))
                         : "memory");
        }
}

/* This warp's 16 rows of Q as operands, out of the swizzled tile. */
template <int D>
static __device__ __forceinline__ void load_q(uint32_t (&q)[D / 4], uint32_t tile, int row,
                                              int lane)
{
    row += lane & 15;
#pragma unroll
    for (int t = 0; t < D / 16; t++) {
        const uint32_t from =
            tile + (t >> 2) * BOX + row * 128 + (((2 * (t & 3) + (lane >> 4)) ^ (row & 7)) << 4);
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(q[4 * t]), "=r"(q[4 * t + 1]), "=r"(q[4 * t + 2]), "=r"(q[4 * t + 3])
                     : "r"(from)
                     : "memory");
    }
}
template <int D>
static __device__ __forceinline__ void issue_qk(float (&p)[32], const uint32_t (&q)[D / 4],
                                                uint32_t k)
{
    const uint64_t b = wgmma_matrix(k, 16, 1024);
#pragma unroll
    for (int t = 0; t < D / 16; t++)
        wgmma_qk(p, q + 4 * t,
                 b + static_cast<uint64_t>((t >> 2) * (BOX >> 4) + (t & 3) * (32 >> 4)), t != 0);
}

/* p := bf16(s e^(-slope (i - j)) scale), 0 where j > i. row: of this thread's first row in its
 * block; apart: blocks between keys and queries. With keys before the block the weight is that of
 * the row times that of the key, both at most 1. */
static __device__ __forceinline__ void weigh(uint32_t (&p)[16], const float (&s)[32],
                                             const float (&w)[2], uint32_t table, int row,
                                             int apart, float scale, int lane)
{
#pragma unroll
    for (int j = 0; j < 8; j++) {
        const int col = 8 * j + 2 * (lane & 3);
        if (apart > 0) {
            const float k0 = table_at(table, ROWS * apart - col);
            const float k1 = table_at(table, ROWS * apart - col - 1);
            p[2 * j]       = pack_bf16(s[4 * j] * (w[0] * k0), s[4 * j + 1] * (w[0] * k1));
            p[2 * j + 1]   = pack_bf16(s[4 * j + 2] * (w[1] * k0), s[4 * j + 3] * (w[1] * k1));
        } else {
            float x[4];
#pragma unroll
            for (int e = 0; e < 4; e++) {
                const int t = row + 8 * (e >> 1) - col - (e & 1);
                x[e]        = t < 0 ? 0.0f : s[4 * j + e] * (table_at(table, max(t, 0)) * scale);
            }
            p[2 * j]     = pack_bf16(x[0], x[1]);
            p[2 * j + 1] = pack_bf16(x[2], x[3]);
        }
    }
}

/* O through shared memory to its rows; rows past the end go nowhere. */
template <int D>
static __device__ __forceinline__ void store(const places<D> &at, const CUtensorMap *mo, int head,
                                             int first, int group, const float (&o)[D / 2])
{
    const int      tid = threadIdx.x & 127, lane = tid & 31, bar = 2 + group;
    const int      row = 16 * (tid >> 5) + (lane >> 2);
    const uint32_t to  = at.o + group * tile_bytes(D);
    if (tid == 0) /* the store before has left shared memory */
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    named_sync(bar, 128);
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 2; i++)
            asm volatile("st.shared.b32 [%0], %1;" ::"r"(to + (j >> 3) * BOX + (row + 8 * i) * 128 +
                                                         (((j & 7) ^ (row & 7)) << 4) +
                                                         (lane & 3) * 4),
                         "r"(pack_bf16(o[4 * j + 2 * i], o[4 * j + 2 * i + 1]))
                         : "memory");
    proxy_fence();
    named_sync(bar, 128);
    if (tid == 0) {
#pragma unroll
        for (int x = 0; x < D / 64; x++)
            tma_store(mo, to + x * BOX, 64 * x, first, head);
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
    }
}

/* Row block b of the segment. */
template <int D>
static __device__ __forceinline__ void output(const scan_args &a, const places<D> &at,
                                              const CUtensorMap *mo, int head, int first, int block,
                                              int group, int round, uint32_t parity)
{
    const int      lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const int      row   = 16 * warp + (lane >> 2);
    const uint64_t state = wgmma_matrix(at.s, D * 128, 1024);
    uint32_t       q[D / 4], p[16];
    float          o[D / 2], s[32], w[2];
    mbar_wait(at.q_full + 8 * group, round);
    mbar_wait(at.q_mapped + 8 * group, round);
    load_q<D>(q, at.q + group * tile_bytes(D), 16 * warp, lane);
#pragma unroll
    for (int i = 0; i < D / 2; i++)
        o[i] = 0.0f;
#pragma unroll
    for (int i = 0; i < 32; i++)
        s[i] = 0.0f;
    for (int c = 0; c <= block; c++) { /* head_dim 64: one warpgroup has not seen them yet */
        mbar_wait(at.kv_full + 8 * c, parity);
        mbar_wait(at.mapped + 8 * c, parity);
    }
    wgmma_fence();
#pragma unroll
    for (int t = 0; t < D / 16; t++)
        wgmma_pv(o, q + 4 * t, state + static_cast<uint64_t>(t) * (16 * 128 >> 4));
    issue_qk<D>(s, q, at.k);
    wgmma_commit();
    wgmma_wait_all(o);
    wgmma_wait_all(s);
    /* Not before: Q is there when a product has used it. The next one overwrites it at once. */
    release(at.q_empty + 8 * group, lane);
#pragma unroll
    for (int i = 0; i < 2; i++)
        w[i] = table_at(at.table, ROWS * block + row + 8 * i + 1) * a.scale;
#pragma unroll
    for (int i = 0; i < D / 2; i++)
        o[i] *= w[(i >> 1) & 1];
#pragma unroll
    for (int i = 0; i < 2; i++)
        w[i] = table_at(at.table, row + 8 * i) * a.scale;
    for (int b = 0; b < block; b++) {
        weigh(p, s, w, at.table, row, block - b, a.scale, lane);
        wgmma_fence();
        issue_pv<D>(o, p, at.v + b * tile_bytes(D));
        issue_qk<D>(s, q, at.k + (b + 1) * tile_bytes(D));
        wgmma_commit();
        wgmma_wait_all(o);
        wgmma_wait_all(s);
    }
    weigh(p, s, w, at.table, row, 0, a.scale, lane);
    wgmma_fence();
    issue_pv<D>(o, p, at.v + block * tile_bytes(D));
    wgmma_commit();
    wgmma_wait_all(o);
    store<D>(at, mo, head, first + ROWS * block, group, o);
}

template <int D>
static __device__ __forceinline__ void consume(const scan_args &a, const places<D> &at,
                                               const CUtensorMap *mo, int group)
{
    const int total = a.segments * a.heads, tid = threadIdx.x & 255, lane = tid & 31;
    const int band   = 64 * group + 16 * ((tid >> 5) & 3);
    int       before = -1;
    uint32_t  it     = 0;
    for (int w = blockIdx.x; w < total; w += gridDim.x, it++) {
        const int head = w % a.heads, segment = w / a.heads, first = segment * SEGMENT;
        const int rows = min(a.n - first, static_cast<int>(SEGMENT));
        named_sync(1, 256); /* S, table and releases of the item before are done with */
        if (head != before) {
            fill_table(at.table, a.slope[head / a.group], tid);
            named_sync(1, 256);
        }
        before = head;
        if (D == 128 || group == 0) {
            float e[D / 2];
#pragma unroll
            for (int i = 0; i < D / 2; i++)
                e[i] = 0.0f;
            for (int c = TILES - 1; c >= 0; c--) {
                uint32_t k[ROWS / 4];
                mbar_wait(at.kv_full + 8 * c, it & 1);
                mbar_wait(at.mapped + 8 * c, it & 1);
                weigh_keys<D>(k, at, c, band, rows, lane);
                wgmma_fence();
                issue_pv<D>(e, k, at.v + c * tile_bytes(D));
                wgmma_commit();
                wgmma_wait_all(e);
            }
            hand_on<D>(a, at, e, head, segment, rows, group);
            proxy_fence();
        }
        named_sync(1, 256);
        if (group == 1) /* rows 128 to 191, then 64 to 127 */
            release(at.kv_empty + 8 * 3, lane);
        for (int round = 0; round < 2; round++) {
            const int block = block_of(group, round);
            output<D>(a, at, mo, head, first, block, group, round, it & 1);
            for (int c = block; c > (round == 0 ? block_of(group, 1) : -1); c--)
                release(at.kv_empty + 8 * c, lane);
        }
    }
    if ((threadIdx.x & 127) == 0)
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}
#endif

template <sb_scan_map M, int D>
__global__ void __launch_bounds__(THREADS, 1)
    scan_sm90(const __grid_constant__ scan_args a, const __grid_constant__ CUtensorMap mq,
              const __grid_constant__ CUtensorMap mk, const __grid_constant__ CUtensorMap mv,
              const __grid_constant__ CUtensorMap mo)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t raw[];
    const places<D>           at((smem_address(raw) + 1023u) & ~1023u);
    if (threadIdx.x == 0) {
        for (int c = 0; c < TILES; c++) {
            mbar_init(at.kv_full + 8 * c, 1);
            mbar_init(at.kv_empty + 8 * c, 8); /* one arrival a warp that reads it */
            mbar_init(at.mapped + 8 * c, MAPPERS / 32);
        }
        for (int g = 0; g < 2; g++) {
            mbar_init(at.q_full + 8 * g, 1);
            mbar_init(at.q_empty + 8 * g, 4);
            mbar_init(at.q_mapped + 8 * g, MAPPERS / 32);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    const int role = static_cast<int>(threadIdx.x >> 7);
    if (role == 0) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 0)
            produce<D>(a, at, &mq, &mk, &mv);
    } else if (role == 1) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 72;");
        map_rows<M, D>(a, at);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 200;");
        consume<D>(a, at, &mo, role - 2);
    }
#endif
}

/* ---- host ---- */

template <sb_scan_map M, int D>
sb_status launch(const scan_args &a, int sms, const CUtensorMap (&map)[4], cudaStream_t stream)
{
    auto      kernel = scan_sm90<M, D>;
    int       each   = 0;
    sb_status st     = SB_CUDA(
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes(D)));
    if (st == SB_OK)
        st = SB_CUDA(
            cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, THREADS, shared_bytes(D)));
    if (st == SB_OK && each < 1)
        st = sb_fail(SB_ERR_DEVICE, "linear scan: no block of %d bytes fits a multiprocessor",
                     shared_bytes(D));
    if (st != SB_OK)
        return st;
    /* No more than run at once: a block waits for others. A multiple of the heads where that costs
     * little: then a block keeps its head and table. */
    const int64_t  items = static_cast<int64_t>(a.segments) * a.heads, most = int64_t(sms) * each;
    const int64_t  even = most / a.heads * a.heads, some = even * 10 >= most * 9 ? even : most;
    const unsigned ctas = static_cast<unsigned>(items < some ? items : some);
    kernel<<<ctas, THREADS, shared_bytes(D), stream>>>(a, map[0], map[1], map[2], map[3]);
    return sb_cuda_status(cudaGetLastError(), "launch of scan_sm90");
}

template <int D>
sb_status launch_map(const scan_args &a, int sms, const CUtensorMap (&map)[4], cudaStream_t stream)
{
    switch (a.map) {
    case SB_SCAN_SILU:
        return launch<SB_SCAN_SILU, D>(a, sms, map, stream);
    case SB_SCAN_RELU:
        return launch<SB_SCAN_RELU, D>(a, sms, map, stream);
    case SB_SCAN_SQRELU:
        return launch<SB_SCAN_SQRELU, D>(a, sms, map, stream);
    case SB_SCAN_ELU:
        return launch<SB_SCAN_ELU, D>(a, sms, map, stream);
    case SB_SCAN_ELU1:
        return launch<SB_SCAN_ELU1, D>(a, sms, map, stream);
    default:
        return launch<SB_SCAN_IDENTITY, D>(a, sms, map, stream);
    }
}
} // namespace

const char *sbi_scan_sm90_refusal(const sbi_scan_cuda_job *j)
{
    if (j->normalize)
        return "sums that are divided by their weights";
    if (j->o_is_f32)
        return "fp32 outputs";
    if ((j->n + SEGMENT - 1) / SEGMENT * j->heads > INT_MAX - 1024 || j->n > INT_MAX - SEGMENT)
        return "more than 2^31 segments";
    return nullptr;
}

sb_status sbi_scan_sm90_cuda(const sbi_scan_cuda_job *j, cudaStream_t stream)
{
    const int64_t kv_heads = j->heads / j->kv_group;
    int           device = 0, sms = 0;
    sbi_encode_fn encode = nullptr;
    CUtensorMap   map[4];
    scan_args     a  = {};
    sb_status     st = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    if (st == SB_OK)
        st = sbi_make_map(encode, j->q, j->heads, j->n, j->d, j->q_stride, ROWS, &map[0]);
    if (st == SB_OK)
        st = sbi_make_map(encode, j->k, kv_heads, j->n, j->d, j->k_stride, ROWS, &map[1]);
    if (st == SB_OK)
        st = sbi_make_map(encode, j->v, kv_heads, j->n, j->d, j->v_stride, ROWS, &map[2]);
    if (st == SB_OK)
        st = sbi_make_map(encode, static_cast<const sb_bf16 *>(j->o), j->heads, j->n, j->d,
                          j->o_stride, ROWS, &map[3]);
    if (st == SB_OK)
        st = SB_CUDA(cudaMemsetAsync(
            j->room.flag, 0, static_cast<size_t>(j->room.flag_count) * sizeof(int), stream));
    if (st != SB_OK)
        return st;
    a.slope        = j->room.slope;
    a.start        = j->start;
    a.end          = j->end;
    a.hand         = j->room.hand;
    a.flag         = j->room.flag;
    a.state_floats = j->state_floats;
    a.n            = static_cast<int32_t>(j->n);
    a.heads        = j->heads;
    a.group        = j->group;
    a.kv_group     = j->kv_group;
    a.segments     = static_cast<int32_t>((j->n + SEGMENT - 1) / SEGMENT);
    a.map          = j->map;
    a.scale        = j->scale;
    return j->d == 64 ? launch_map<64>(a, sms, map, stream) : launch_map<128>(a, sms, map, stream);
}
