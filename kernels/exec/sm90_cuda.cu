/* Attention for Hopper (sm_90a): dense causal, windows of two numbers, and lists of 128-key or
 * 64-key tiles, of slots too where K and V are copies in their order (slots_cuda.cu).
 *
 * 384 threads, one CTA an SM, persistent. The first warpgroup (32 registers) takes work items
 * (query tile of 128 rows, head) off a counter and loads Q, K and V by tensor copies; the other two
 * (232 registers) have 64 rows each. Dense at head_dim 64 has a third one: 512 threads, 160
 * registers each, tiles of 192 rows, Q in shared memory. A block is 128 keys: one tile, or two
 * 64-key tiles from anywhere, side by side in the same shared memory, so that both forms run the
 * same products.
 *
 *   per block   issue S = Q K^T | issue O += P V of the block before | wait for S | softmax, under
 *               the second product | wait for O | P = bf16(S), which never leaves registers
 *
 * Blocks go from the last to the first, so that only the first two visited can hold keys that some
 * row does not see: behind the diagonal, past the end of K, or none (an odd number of 64-key
 * tiles). All others need no mask. A window has edges of its own: there each block is asked; slots
 * are masked in blocks of the rows' own segment, by their tokens.
 *
 * Work order: KV head outermost (its K and V stay in L2), then query tiles, longest first, then the
 * heads of the group. Where K and V of a head are more than L2 holds, items begin in waves of one a
 * CTA, so that all CTAs go down the keys together and a block that many list is fetched once.
 *
 * Shared memory: Q, O, and rings of K and V blocks behind pairs of barriers: 193 KiB at head_dim
 * 128 (2 stages), 161 to 177 KiB at 64 (4 stages).
 *
 * Bound: tensor cores, 4 * 128 * 128 * d FLOP a block; K and V come out of L2 at 4 * 128 * d bytes
 * a block and CTA. CUDA.md has the measurements. */
#include <climits>

#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/segments_impl.h"
#include "kernels/exec/slots.h"
#include "kernels/exec/sm90_body.cuh"
#include "kernels/exec/sm90_host.cuh"

namespace
{
enum {
    LIST_ROWS = 128,         /* queries of a list's row blocks: a multiple of these */
    BARRIERS  = 256,         /* bytes of barriers and the work slot */
    SLOT      = 192,         /* the work slot among them */
    PATIENCE  = 4,           /* a producer waits for others up to the 4th part of an item's time, */
    LATE      = 8,           /* lists differ in length: so many items may be behind */
    ALONE     = 8,           /* and where that was not enough, not for 8 items */
    Q_RUNS    = 8,           /* of queries, */
    K_RUNS    = 4,           /* of keys: each pair is a launch */
    NO_KEY    = INT_MAX / 2, /* first key of no tile: past every tensor */
    KEYS_AT   = 8,           /* words from the work slot to first keys of the stages of K */
};
enum form { DENSE, TILES_128, TILES_64, WINDOW, SLOTS_128 };

SB_HOST_DEVICE constexpr int stages(int d) { return d == 64 ? 4 : 2; }
/* Consumer warpgroups, 64 queries each. At head_dim 64 a third one fits beside them as long as Q
 * stays in shared memory; lists have row blocks of 128. */
SB_HOST_DEVICE constexpr int groups(form f, int d) { return d == 64 && f == DENSE ? 3 : 2; }
SB_HOST_DEVICE constexpr int rows(form f, int d) { return 64 * groups(f, d); } /* a query tile */
SB_HOST_DEVICE constexpr int threads(form f, int d) { return 128 * (1 + groups(f, d)); }
SB_HOST_DEVICE constexpr int q_bytes(form f, int d) { return rows(f, d) * d * 2; }
SB_HOST_DEVICE constexpr int shared_bytes(form f, int d)
{
    return 2 * q_bytes(f, d) + 2 * stages(d) * tile_bytes(d) + BARRIERS +
           1024; /* 1024: to align the base */
}

struct sm90_args {
    int32_t    n_q, n_k, offset; /* key j is visible to row i iff j <= i + offset */
    int32_t    first_key;        /* id of key 0 */
    int32_t    heads, group, n_tiles, waves;
    float      scale, scale_log2;
    row_output out;
    int       *counter; /* items taken; in waves, those all of whose loads are under way */
    /* lists: one after the other from that of token `first` on, row_tiles query tiles to each */
    sb_plan plan;
    int64_t first;
    int32_t row_tiles, skip_tiles; /* skipped: query tiles of its row block before it */
};

/* What the producer tells the consumers, beside Q, in 32-bit words. key: first keys of the halves
 * of the first two blocks visited; of a WINDOW its sink blocks, the blocks between those and the
 * recent ones, sink_tokens and window_tokens. */
struct work {
    int32_t head, tile, n, key[4];
};
enum { WORK_WORDS = sizeof(work) / sizeof(int32_t) };

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* S = Q K^T with Q in shared memory, head_dim 64. */
static __device__ __forceinline__ void issue_qk_shared(float (&s)[64], uint64_t q, uint64_t k)
{
#pragma unroll
    for (int t = 0; t < 4; t++)
        wgmma_qk(s, q + static_cast<uint64_t>(t) * (32 >> 4),
                 k + static_cast<uint64_t>(t) * (32 >> 4), t != 0);
}

/* The list of one work item: ids[0 .. count), ascending; of a WINDOW, blocks 0 .. count, then a gap
 * of so many. first_key: id of key 0. */
struct item_list {
    const int32_t *id;
    int32_t        count, gap, first_key;
};

/* First key of half h of block j. */
template <form F> static __device__ __forceinline__ int32_t key_of(const item_list &x, int j, int h)
{
    if (F == DENSE)
        return j * KEYS + 64 * h;
    if (F == WINDOW)
        return (j < x.count ? j : j + x.gap) * KEYS + 64 * h;
    if (F == TILES_128 || F == SLOTS_128)
        return x.id[j] * KEYS + 64 * h - x.first_key;
    return 2 * j + h < x.count ? x.id[2 * j + h] * 64 - x.first_key : NO_KEY;
}

template <form F, int D>
static __device__ __forceinline__ void take_work(const sm90_args &a, int64_t csr_row, int w,
                                                 work *out, int *kv, item_list *x)
{
    enum { ROWS = rows(F, D) };
    const int per_kv = a.n_tiles * a.group;
    *kv              = w / per_kv;
    w -= *kv * per_kv;
    out->tile      = a.n_tiles - 1 - w / a.group;
    out->head      = *kv * a.group + w % a.group;
    int last       = min(out->tile * ROWS + ROWS - 1 + a.offset, a.n_k - 1); /* key seen */
    if (F == SLOTS_128) /* any slot of its segment */
        last = static_cast<int>(sb_slots_end(&a.plan.slots, last)) - 1;
    if (F == DENSE) {
        out->n = last < 0 ? 0 : last / KEYS + 1;
    } else if (F == WINDOW) {
        const sb_head_window win    = sb_plan_window(&a.plan, out->head);
        const int32_t        window = static_cast<int32_t>(min(win.window_tokens, int64_t(NO_KEY)));
        const int32_t        sink   = static_cast<int32_t>(
            max(min(win.sink_tokens - a.first_key, int64_t(NO_KEY)), int64_t(0)));
        const int32_t recent = min(max(out->tile * ROWS + a.offset - window + 1, 0) / KEYS,
                                   last / KEYS + 1); /* keys at hand may end before it */
        x->count             = min((min(sink, last + 1) + KEYS - 1) / KEYS, recent);
        x->gap               = recent - x->count;
        out->n               = last < 0 ? 0 : last / KEYS + 1 - x->gap;
        out->key[0]          = x->count;
        out->key[1]          = x->gap;
        out->key[2]          = sink;
        out->key[3]          = window;
        return;
    } else {
        const sb_csr &c    = a.plan.tiles;
        const int     keys = F == TILES_64 ? 64 : KEYS;
        const int64_t row = min(max(csr_row, int64_t(0)) + (a.skip_tiles + out->tile) / a.row_tiles,
                                a.plan.n_rows - 1); /* sb_plan_place has seen that it is there */
        const int64_t at  = (c.n_heads == 1 ? 0 : out->head) * a.plan.n_rows + row;
        const int64_t end = min(max(c.row_ptr[at + 1], int64_t(0)), c.capacity);
        const int64_t begin = min(max(c.row_ptr[at], int64_t(0)), end);
        const int32_t n     = static_cast<int32_t>(min(end - begin, int64_t(INT_MAX / 2)));
        const int32_t skip =
            a.first_key == 0 ? 0 : sbi_ids_below(c.id + begin, n, a.first_key / keys);
        const int64_t ids   = (int64_t(last) + a.first_key) / keys + 1; /* that somebody sees */
        x->id               = c.id + begin + skip; /* the others are of other shards */
        x->first_key        = a.first_key;
        x->count            = last < 0 ? 0 : n - skip;
        if (x->count > 0 && x->id[x->count - 1] >= ids) /* most lists end before */
            x->count = sbi_ids_below(x->id, x->count, ids);
        out->n = F == TILES_64 ? (x->count + 1) / 2 : x->count;
    }
#pragma unroll
    for (int i = 0; i < 4; i++)
        out->key[i] = out->n > i / 2 ? key_of<F>(*x, out->n - 1 - i / 2, i % 2) : 0;
}

/* Block j of K or V into one stage. */
template <form F, int D>
static __device__ __forceinline__ void load_block(uint32_t dst, const CUtensorMap *map,
                                                  uint32_t bar, const int (&key)[2], int kv)
{
    mbar_expect(bar, tile_bytes(D));
#pragma unroll
    for (int x = 0; x < D / 64; x++) {
        tma_load(dst + x * HALF_BYTES, map, bar, 64 * x, key[0], kv);
        if (F == TILES_64)
            tma_load(dst + x * HALF_BYTES + HALF_BYTES / 2, map, bar, 64 * x, key[1], kv);
    }
}

/* ---- the consumers ---- */

/* last: the last keys that this thread's two rows see; key: the first keys of the halves. */
static __device__ __forceinline__ void mask_block(float (&s)[64], const int (&last)[2], int key0,
                                                  int key1, int lane)
{
#pragma unroll
    for (int e = 0; e < 64; e++) {
        const int column = 8 * (e >> 2) + 2 * (lane & 3) + (e & 1);
        const int limit  = last[(e >> 1) & 1] - (e < 32 ? key0 : key1 - 64);
        if (column > limit)
            s[e] = -INFINITY;
    }
}

/* A block of a window from key0 on: keys behind the row, and those between sink and window. */
static __device__ __forceinline__ void mask_window(float (&s)[64], const int (&last)[2],
                                                   const int (&first)[2], int sink, int key0,
                                                   int lane)
{
#pragma unroll
    for (int e = 0; e < 64; e++) {
        const int key = key0 + 8 * (e >> 2) + 2 * (lane & 3) + (e & 1), i = (e >> 1) & 1;
        if (key > last[i] || (key >= sink && key < first[i]))
            s[e] = -INFINITY;
    }
}

/* A block of slots from key0 on, in the segment of the rows: `of` tells their places in it. */
static __device__ __forceinline__ void mask_slots(float (&s)[64], const int (&last)[2],
                                                  const uint16_t *of, int segment, int key0,
                                                  int n_k, int lane)
{
    const int first = key0 - key0 % segment;
#pragma unroll
    for (int e = 0; e < 64; e += 4)
#pragma unroll
        for (int x = 0; x < 2; x++) {
            const int slot  = key0 + 8 * (e >> 2) + 2 * (lane & 3) + x;
            const int token = slot < n_k ? first + __ldg(of + slot) : INT_MAX;
            if (token > last[0])
                s[e + x] = -INFINITY;
            if (token > last[1])
                s[e + 2 + x] = -INFINITY;
        }
}

/* Where everything stands in shared memory, as addresses. */
template <form F, int D> struct places {
    enum { NS = stages(D), TILE = tile_bytes(D), Q = q_bytes(F, D) };
    uint32_t q, o, k, v, q_full, q_empty, k_full, k_empty, v_full, v_empty;

    __device__ explicit places(uint32_t base)
    {
        q       = base;
        o       = base + Q;
        k       = base + 2 * Q;
        v       = k + NS * TILE;
        q_full  = v + NS * TILE;
        q_empty = q_full + 8;
        k_full  = q_full + 16;
        k_empty = k_full + 8 * NS;
        v_full  = k_empty + 8 * NS;
        v_empty = v_full + 8 * NS;
    }
};

/* A producer's clock, in cycles: when its item began, and items to come that wait for nobody. */
struct pace {
    uint32_t begin;
    int32_t  alone;
};

/* Until the waves before have all but `late` items' loads under way. Not for long: lists may be
 * uneven, and no result depends on it. */
static __device__ __forceinline__ void wait_for_wave(const int *under_way, int w, int late, pace *p)
{
    const int      ctas = static_cast<int>(gridDim.x), wanted = w / ctas * ctas - late;
    const uint32_t from = static_cast<uint32_t>(clock()), most = (from - p->begin) / PATIENCE;
    if (w >= ctas && --p->alone < 0) {
        int seen;
        p->alone = 0;
        for (;;) {
            asm volatile("ld.relaxed.gpu.global.s32 %0, [%1];"
                         : "=r"(seen)
                         : "l"(under_way)
                         : "memory");
            if (seen >= wanted)
                break;
            if (static_cast<uint32_t>(clock()) - from > most) {
                p->alone = ALONE;
                break;
            }
            __nanosleep(500);
        }
    }
    p->begin = static_cast<uint32_t>(clock());
}

/* One thread: work items, and their blocks in the order of consumption: K n-1, K n-2, V n-1,
 * K n-3, V n-2, ..., V 0. Any other order can leave both sides waiting. */
template <form F, int D>
static __device__ __forceinline__ void produce(const sm90_args &a, const places<F, D> &at,
                                               volatile int32_t *slot, const CUtensorMap *mq,
                                               const CUtensorMap *mk, const CUtensorMap *mv)
{
    enum { NS = stages(D), TILE = tile_bytes(D), ROWS = rows(F, D) };
    const int64_t csr_row = F == DENSE || F == WINDOW ? 0 : sbi_plan_row(&a.plan, a.first);
    const int     total   = a.n_tiles * a.heads;
    uint32_t      kc = 0, vc = 0, it = 0;
    pace          own = {0, 0};
    for (int w = blockIdx.x; w < total; it++) {
        work      x;
        item_list list = {nullptr, 0, 0, 0};
        int       kv;
        take_work<F, D>(a, csr_row, w, &x, &kv, &list);
        if (F != WINDOW && a.waves)
            wait_for_wave(a.counter + 1, w, F == DENSE ? 0 : LATE, &own);
        mbar_wait(at.q_empty, (it & 1) ^ 1);
        slot[0] = x.head;
        slot[1] = x.tile;
        slot[2] = x.n;
#pragma unroll
        for (int i = 0; i < 4; i++)
            slot[3 + i] = x.key[i];
        mbar_expect(at.q_full, q_bytes(F, D));
#pragma unroll
        for (int i = 0; i < D / 64; i++)
            tma_load(at.q + i * ROWS * 128, mq, at.q_full, 64 * i, x.tile * ROWS, x.head);
        int now[2] = {0, 0}, before[2] = {0, 0}, next[2] = {x.key[0], x.key[1]};
        if (F == WINDOW)
            next[0] = key_of<F>(list, x.n - 1, 0);
        for (int j = x.n - 1; j >= -1; j--) {
#pragma unroll
            for (int h = 0; h < 2; h++) {
                now[h] = next[h];
                if (j > 0) /* early: the id may come from far away */
                    next[h] = key_of<F>(list, j - 1, h);
            }
            if (j >= 0) {
                const uint32_t st = kc % NS;
                mbar_wait(at.k_empty + 8 * st, ((kc / NS) & 1) ^ 1);
                if (F == SLOTS_128)
                    slot[KEYS_AT + st] = now[0];
                load_block<F, D>(at.k + st * TILE, mk, at.k_full + 8 * st, now, kv);
                kc++;
            }
            if (j < x.n - 1) {
                const uint32_t st = vc % NS;
                mbar_wait(at.v_empty + 8 * st, ((vc / NS) & 1) ^ 1);
                load_block<F, D>(at.v + st * TILE, mv, at.v_full + 8 * st, before, kv);
                vc++;
            }
            before[0] = now[0];
            before[1] = now[1];
        }
        if (F != WINDOW && a.waves)
            atomicAdd(a.counter + 1, 1);
        w = static_cast<int>(gridDim.x) + atomicAdd(a.counter, 1);
    }
    mbar_wait(at.q_empty, (it & 1) ^ 1);
    slot[0] = -1;
    mbar_arrive(at.q_full);
}

/* Sum over the lanes of a row, lse, and O through shared memory to its rows (past n_q none). */
template <form F, int D>
static __device__ __forceinline__ void store(const sm90_args &a, const places<F, D> &at,
                                             const CUtensorMap *mo, int head, int row0, int group,
                                             float (&o)[D / 2], const float (&m)[2], float (&l)[2])
{
    const int      tid = threadIdx.x & 127, lane = tid & 31, bar = 1 + group;
    const int      in_group = 16 * (tid >> 5) + (lane >> 2);
    const uint32_t to       = at.o + group * (tile_bytes(D) / 2);
    float          w[2];
#pragma unroll
    for (int i = 0; i < 2; i++) {
        l[i] += __shfl_xor_sync(~0u, l[i], 1);
        l[i] += __shfl_xor_sync(~0u, l[i], 2);
        w[i]          = l[i] > 0.0f ? 1.0f / l[i] : 0.0f;
        const int row = row0 + in_group + 8 * i;
        if ((lane & 3) == 0 && row < a.n_q)
            a.out.lse[head * a.out.lse_stride + row] =
                l[i] > 0.0f ? m[i] * a.scale + logf(l[i]) : -INFINITY;
    }
    if (tid == 0) /* the store before has left shared memory */
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
    named_sync(bar, 128);
#pragma unroll
    for (int j = 0; j < D / 8; j++)
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const uint32_t off = (j >> 3) * 64 * 128 + (in_group + 8 * i) * 128 +
                                 (((j & 7) ^ (in_group & 7)) << 4) + (lane & 3) * 4;
            const uint32_t v = pack_bf16(o[4 * j + 2 * i] * w[i], o[4 * j + 2 * i + 1] * w[i]);
            asm volatile("st.shared.b32 [%0], %1;" ::"r"(to + off), "r"(v) : "memory");
        }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    named_sync(bar, 128);
    if (tid == 0) {
#pragma unroll
        for (int x = 0; x < D / 64; x++)
            tma_store(mo, to + x * 64 * 128, 64 * x, row0, head);
        asm volatile("cp.async.bulk.commit_group;" ::: "memory");
    }
}

template <form F, int D, int F32>
static __device__ __forceinline__ void consume(const sm90_args &a, const places<F, D> &at,
                                               const volatile int32_t *slot, const CUtensorMap *mo,
                                               int group)
{
    enum { NS = stages(D), TILE = tile_bytes(D), ROWS = rows(F, D), SHARED_Q = groups(F, D) == 3 };
    const int      lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const uint64_t k0 = wgmma_matrix(at.k, 16, 1024), v0 = wgmma_matrix(at.v, HALF_BYTES, 1024);
    const uint64_t q0 = wgmma_matrix(at.q + group * 64 * 128, 16, 1024);
    uint32_t       kc = 0, vc = 0, p[32], q[D / 4];
    float          s[64], o[D / 2], m[2], l[2], keep[2];
#pragma unroll
    for (int e = 0; e < 64; e++)
        s[e] = 0.0f;
    for (uint32_t it = 0;; it++) {
        mbar_wait(at.q_full, it & 1);
        const int word = lane < WORK_WORDS ? slot[lane] : 0;
        const int head = __shfl_sync(~0u, word, 0);
        if (head < 0)
            break;
        const int row0 = __shfl_sync(~0u, word, 1) * ROWS + 64 * group;
        const int n    = __shfl_sync(~0u, word, 2);
        int       key[4], last[2], first[2];
#pragma unroll
        for (int i = 0; i < 4; i++)
            key[i] = __shfl_sync(~0u, word, 3 + i);
        if (!SHARED_Q)
            load_q<D>(q, at.q, 64 * group + 16 * warp, lane);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int gid = row0 + 16 * warp + (lane >> 2) + 8 * i + a.offset;
            last[i]       = min(gid, a.n_k - 1);
            first[i]      = gid - key[3] + 1;
            m[i]          = -INFINITY;
            l[i]          = 0.0f;
        }
#pragma unroll
        for (int e = 0; e < D / 2; e++)
            o[e] = 0.0f;
        /* does a row of this warpgroup miss a key of the first, of the second block? */
        const int least        = min(row0 + a.offset, a.n_k - 1);
        const int latest_first = row0 + 63 + a.offset - key[3] + 1;
        const int masks =
            (max(key[0], key[1]) + 63 > least ? 1 : 0) | (max(key[2], key[3]) + 63 > least ? 2 : 0);
        /* of SLOTS_128: blocks before it need no mask */
        const int segment    = F == SLOTS_128 ? static_cast<int>(a.plan.slots.segment_tokens) : 1;
        const int own        = F == SLOTS_128 ? (row0 + a.offset) / segment * segment : 0;
        const uint16_t *of   = F == SLOTS_128 ? sb_slots_of(&a.plan.slots, head) : nullptr;
        int             key0 = 0;
        if (n > 0) {
            const uint32_t st = kc % NS;
            mbar_wait(at.k_full + 8 * st, (kc / NS) & 1);
            if (F == SLOTS_128)
                key0 = slot[KEYS_AT + st];
            wgmma_fence();
            if (SHARED_Q)
                issue_qk_shared(s, q0, k0 + static_cast<uint64_t>(st) * (TILE >> 4));
            else
                issue_qk<D>(s, q, k0 + static_cast<uint64_t>(st) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_all(s);
            release(at.k_empty + 8 * st, lane);
            if (!SHARED_Q) /* not before: Q is there when a product has used it */
                release(at.q_empty, lane);
            kc++;
            if (F == WINDOW)
                mask_window(s, last, first, key[2], (n - 1 + (n > key[0] ? key[1] : 0)) * KEYS,
                            lane);
            else if (F == SLOTS_128)
                mask_slots(s, last, of, segment, key0, a.n_k, lane);
            else if (masks & 1)
                mask_block(s, last, key[0], key[1], lane);
            softmax_step<0>(s, m, l, keep, a.scale_log2);
            to_p(p, s);
        }
        for (int j = n - 2; j >= 0; j--) {
            const uint32_t ks = kc % NS, vs = vc % NS;
            mbar_wait(at.k_full + 8 * ks, (kc / NS) & 1);
            if (F == SLOTS_128)
                key0 = slot[KEYS_AT + ks];
            wgmma_fence();
            if (SHARED_Q)
                issue_qk_shared(s, q0, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
            else
                issue_qk<D>(s, q, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
            wgmma_commit();
            mbar_wait(at.v_full + 8 * vs, (vc / NS) & 1);
            wgmma_fence();
            issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_one(s);
            release(at.k_empty + 8 * ks, lane);
            kc++;
            if (F == WINDOW) {
                const int key0 = (j < key[0] ? j : j + key[1]) * KEYS;
                if (key0 + KEYS - 1 > least || (key0 + KEYS > key[2] && key0 < latest_first))
                    mask_window(s, last, first, key[2], key0, lane);
            } else if (F == SLOTS_128) {
                if (key0 >= own)
                    mask_slots(s, last, of, segment, key0, a.n_k, lane);
            } else if (SHARED_Q) { /* 192 rows against blocks of 128 keys: up to three of them */
                if (j * KEYS + KEYS - 1 > least)
                    mask_block(s, last, j * KEYS, j * KEYS + 64, lane);
            } else if ((masks & 2) && j == n - 2) {
                mask_block(s, last, key[2], key[3], lane);
            }
            const int grow = softmax_step<1>(s, m, l, keep, a.scale_log2);
            wgmma_wait_all(o);
            release(at.v_empty + 8 * vs, lane);
            vc++;
            to_p(p, s);
            if (grow)
                rescale(o, keep);
        }
        if (SHARED_Q || n == 0)
            release(at.q_empty, lane);
        if (n > 0) {
            const uint32_t vs = vc % NS;
            mbar_wait(at.v_full + 8 * vs, (vc / NS) & 1);
            wgmma_fence();
            issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_all(o);
            release(at.v_empty + 8 * vs, lane);
            vc++;
        }
        if (F32)
            store_rows<D, F32>(a.out, head, row0, a.n_q, o, m, l);
        else
            store<F, D>(a, at, mo, head, row0, group, o, m, l);
    }
    if (!F32 && (threadIdx.x & 127) == 0)
        asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
}
#endif

template <form F, int D, int F32>
__global__ void __launch_bounds__(threads(F, D), 1)
    attend_sm90(const __grid_constant__ sm90_args a, const __grid_constant__ CUtensorMap mq,
                const __grid_constant__ CUtensorMap mk, const __grid_constant__ CUtensorMap mv,
                const __grid_constant__ CUtensorMap mo)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t raw[];
    const uint32_t            base = (smem_address(raw) + 1023u) & ~1023u;
    const places<F, D>        at(base);
    volatile int32_t         *slot =
        reinterpret_cast<volatile int32_t *>(raw + (at.q_full - smem_address(raw)) + SLOT);
    if (threadIdx.x == 0) {
        mbar_init(at.q_full, 1);
        mbar_init(at.q_empty, 4 * groups(F, D)); /* one arrival a consumer warp */
        for (int i = 0; i < stages(D); i++) {
            mbar_init(at.k_full + 8 * i, 1);
            mbar_init(at.k_empty + 8 * i, 4 * groups(F, D));
            mbar_init(at.v_full + 8 * i, 1);
            mbar_init(at.v_empty + 8 * i, 4 * groups(F, D));
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
        if (threadIdx.x == 0)
            produce<F, D>(a, at, slot, &mq, &mk, &mv);
    } else {
        if (groups(F, D) == 3)
            asm volatile("setmaxnreg.inc.sync.aligned.u32 160;");
        else
            asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        consume<F, D, F32>(a, at, slot, &mo, static_cast<int>(threadIdx.x >> 7) - 1);
    }
#endif
}

/* ---- host ---- */

form form_of(const sb_plan *p)
{
    if (p != nullptr && p->parts == SB_PART_WINDOW)
        return WINDOW;
    if (p != nullptr && p->slots.n_heads > 0)
        return SLOTS_128;
    return p == nullptr ? DENSE : p->tiles.width_tokens == 64 ? TILES_64 : TILES_128;
}

struct card {
    int sms, l2_bytes;
};

/* One launch: a run of queries over a run of keys. */
struct part {
    sb_run  q, k;
    int64_t q_at, k_at; /* local rows of their first tokens */
    int32_t merge;
};

template <form F, int D, int F32>
sb_status launch(const sbi_cuda_job *j, sbi_encode_fn encode, const card &on, const part &p)
{
    const sb_tensor *q = j->in->q, *k = j->in->k, *v = j->in->v, *o = j->out->o;
    const int        box    = F == TILES_64 ? 64 : KEYS;
    auto             kernel = attend_sm90<F, D, F32>;
    CUtensorMap      mq, mk, mv, mo;
    sm90_args        a  = {};
    sb_status        st = make_map(encode, q, p.q_at, p.q.len, rows(F, D), &mq);
    if (st == SB_OK)
        st = make_map(encode, k, p.k_at, p.k.len, box, &mk);
    if (st == SB_OK)
        st = make_map(encode, v, p.k_at, p.k.len, box, &mv);
    mo = mq; /* nobody stores by it where o is fp32 */
    if (st == SB_OK && !F32)
        st = make_map(encode, o, p.q_at, p.q.len, 64, &mo);
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          shared_bytes(F, D)));
    if (st == SB_OK)
        st = next_counter(j->stream, &a.counter);
    if (st != SB_OK)
        return st;
    a.n_q        = static_cast<int32_t>(p.q.len);
    a.n_k        = static_cast<int32_t>(p.k.len);
    a.offset     = static_cast<int32_t>(p.q.start - p.k.start);
    a.first_key  = static_cast<int32_t>(p.k.start);
    a.heads      = static_cast<int32_t>(q->heads);
    a.group      = static_cast<int32_t>(q->heads / k->heads);
    a.n_tiles    = (a.n_q + rows(F, D) - 1) / rows(F, D);
    a.scale      = j->in->scale;
    a.scale_log2 = j->in->scale * 1.4426950408889634f;
    a.first      = p.q.start;
    a.out        = {F32 ? static_cast<float *>(o->data) + p.q_at * D : nullptr,
             j->out->lse + p.q_at,
             o->head_stride,
             q->tokens,
             j->in->scale,
             p.merge};
    if (F != DENSE)
        a.plan = *j->plan;
    if (F != DENSE && F != WINDOW) {
        a.row_tiles  = static_cast<int32_t>(j->plan->row_tokens / rows(F, D));
        a.skip_tiles = static_cast<int32_t>(p.q.start / rows(F, D) % a.row_tiles);
    }
    const int      items = a.n_tiles * a.heads;
    const unsigned ctas     = static_cast<unsigned>(items < on.sms ? items : on.sms);
    const int64_t  kv_bytes = p.k.len * D * 2 * int64_t(sizeof(sb_bf16));
    a.waves = F != WINDOW && kv_bytes > 2 * int64_t(on.l2_bytes); /* at less they cost 3 % */
    kernel<<<ctas, threads(F, D), shared_bytes(F, D), j->stream>>>(a, mq, mk, mv, mo);
    return sb_cuda_status(cudaGetLastError(), "launch of attend_sm90");
}

template <form F>
sb_status launch_form(const sbi_cuda_job *j, sbi_encode_fn encode, const card &on, const part &p)
{
    if (j->out->o->dtype == SB_F32)
        return j->in->q->dim == 64 ? launch<F, 64, 1>(j, encode, on, p)
                                   : launch<F, 128, 1>(j, encode, on, p);
    return j->in->q->dim == 64 ? launch<F, 64, 0>(j, encode, on, p)
                               : launch<F, 128, 0>(j, encode, on, p);
}

sb_status launch_part(const sbi_cuda_job *j, sbi_encode_fn encode, const card &on, const part &p)
{
    switch (form_of(j->plan)) {
    case DENSE:
        return launch_form<DENSE>(j, encode, on, p);
    case WINDOW:
        return launch_form<WINDOW>(j, encode, on, p);
    case TILES_128:
        return launch_form<TILES_128>(j, encode, on, p);
    case SLOTS_128:
        return launch_form<SLOTS_128>(j, encode, on, p);
    default:
        return launch_form<TILES_64>(j, encode, on, p);
    }
}

/* A run of queries over all runs of keys: one launch each, the later ones merged in. */
sb_status launch_run(const sbi_cuda_job *j, sbi_encode_fn encode, const card &on, part p)
{
    const sb_gid *keys = &j->in->k->gid;
    sb_status     st   = SB_OK;
    p.merge            = j->out->mode == SB_OUT_MERGE;
    p.k_at             = 0;
    for (int32_t r = 0; st == SB_OK && r < keys->n_runs; p.k_at += keys->run[r++].len) {
        p.k = keys->run[r];
        if (p.k.len == 0)
            continue;
        st      = launch_part(j, encode, on, p);
        p.merge = 1;
    }
    return st;
}

/* K and V in the order of slots: of one sequence, all of it. */
const char *slots_refusal(const sbi_cuda_job *j)
{
    const sb_gid *q = &j->in->q->gid, *k = &j->in->k->gid;
    if (!j->in_slots)
        return "slots";
    if (q->n_runs != 1 || k->n_runs != 1 || q->run[0].start % LIST_ROWS != 0 ||
        k->run[0].start != 0 || k->n_tokens != j->plan->slots.n_slots)
        return "slots of a part of the keys, or queries that start inside a tile of 128";
    return j->plan->tiles.width_tokens != KEYS || j->plan->slots.segment_tokens % KEYS != 0
               ? "slots but in tiles and segments of whole 128 keys"
               : nullptr;
}

const char *plan_refusal(const sb_plan *p)
{
    if (p->parts == SB_PART_WINDOW)
        return sb_plan_window_is_plain(p) ? nullptr : "a window of more than two numbers";
    if (p->parts != SB_PART_TILES)
        return "parts beside tiles";
    if (p->n_rows < 1)
        return "no row block";
    if (p->tiles.unit_tokens != p->tiles.width_tokens ||
        (p->tiles.width_tokens != 64 && p->tiles.width_tokens != 128))
        return "tiles but 64 or 128 keys side by side";
    return p->row_tokens % LIST_ROWS != 0 ? "row blocks that are no multiple of 128 queries"
                                          : nullptr;
}
} // namespace

const char *sbi_attend_sm90_refusal(const sbi_cuda_job *j)
{
    const sb_gid *q = &j->in->q->gid, *k = &j->in->k->gid;
    const char   *why = j->plan != nullptr ? plan_refusal(j->plan) : nullptr;
    if (why == nullptr && sb_plan_has_slots(j->plan))
        why = slots_refusal(j);
    if (why != nullptr)
        return why;
    if (j->in->k->tokens == 0 || q->n_runs > Q_RUNS || k->n_runs > K_RUNS)
        return "no keys, keys in more runs than 4, or queries in more than 8";
    if (k->n_runs > 1 && j->out->o->dtype != SB_F32)
        return "keys in several runs and outputs of bf16";
    if (j->in->q->heads * ((j->in->q->tokens + LIST_ROWS - 1) / LIST_ROWS) > INT_MAX - 1024)
        return "more than 2^31 query tiles";
    if (j->plan == nullptr || j->plan->parts == SB_PART_WINDOW)
        return nullptr;
    for (int32_t r = 0; r < q->n_runs; r++)
        if (q->run[r].start % LIST_ROWS != 0)
            return "lists for queries that start inside a tile of 128";
    for (int32_t r = 0; r < k->n_runs; r++)
        if (k->run[r].start % j->plan->tiles.width_tokens != 0)
            return "lists for keys that start inside a tile";
    return nullptr;
}

sb_status sbi_attend_sm90_cuda(const sbi_cuda_job *j)
{
    int           device = 0;
    card          on     = {};
    sbi_encode_fn encode = nullptr;
    part          p      = {};
    sb_status     st     = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&on.sms, cudaDevAttrMultiProcessorCount, device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&on.l2_bytes, cudaDevAttrL2CacheSize, device));
    const sb_gid *g = &j->in->q->gid;
    for (int32_t r = 0; st == SB_OK && r < g->n_runs; p.q_at += g->run[r++].len) {
        p.q = g->run[r];
        if (p.q.len > 0)
            st = launch_run(j, encode, on, p);
    }
    return st;
}
