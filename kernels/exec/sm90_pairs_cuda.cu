/* Attention for Hopper (sm_90a): lists of row blocks of 64 queries, tiles of 64 keys that start
 * anywhere, and single keys beside them.
 *
 * A CTA takes two neighbouring row blocks of a head, one a consumer warpgroup, and walks the union
 * of their tile lists from the last key to the first: a tile that both want is copied once, and
 * most are (lists of neighbours are alike, or the same but for a shift by whole tiles).
 *
 *   list of block 2 i        | a b   d e   |
 *   list of block 2 i + 1    |   b c d e f |      blocks of two tiles:  f e | d c | b a
 *
 * The first warpgroup (32 registers): its first thread merges the lists and starts tensor copies of
 * tiles; then all its threads fetch single keys of either row block, 128 at a time, a thread a row.
 * The other two (232 registers) are those of sm90_cuda.cu; they are told with each block which of
 * its halves are theirs, pass over what is not, and run apart by as many blocks as there are
 * stages.
 *
 * Shared memory: Q and three stages of blocks of 128 keys (head_dim 64: six), behind pairs of
 * barriers: 227 KiB at head_dim 128. Bound: tensor cores, 4 * 64 * 128 * d FLOP a block and
 * warpgroup, whether one or both of its halves are wanted; else L2, 4 * 128 * d bytes a block. */
#include <climits>

#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/exec/segments_impl.h"
#include "kernels/exec/sm90_body.cuh"
#include "kernels/exec/sm90_host.cuh"

namespace
{
enum {
    PAIR             = 128, /* queries of two row blocks */
    THREADS          = 384, /* producers, two warpgroups of consumers */
    BARRIERS         = 256, /* bytes of barriers and slots */
    SLOT             = 224, /* the work slot among them; what the producers tell each other */
    POST             = 240,
    NO_KEY           = INT_MAX / 2, /* first key of no tile: past every tensor */
    NO_TOKEN         = INT_MAX,
    TOKENS           = 16, /* a block of single keys */
    LAST             = 32, /* the item's last block */
    PRODUCER_BARRIER = 3,
};

SB_HOST_DEVICE constexpr int stages(int d) { return d == 64 ? 6 : 3; }
/* Of a block: first keys of its halves, flags (bits 0, 1: half 0 is for warpgroup 0, 1; 2, 3: half
 * 1), cuts; then ids of single keys. */
SB_HOST_DEVICE constexpr int note_bytes() { return 16 + KEYS * 4; }
SB_HOST_DEVICE constexpr int shared_bytes(int d)
{
    return PAIR * d * 2 + stages(d) * (2 * tile_bytes(d) + note_bytes()) + BARRIERS + 1024;
}

struct pairs_args {
    int32_t        n_q, n_k, offset; /* key j is visible to row i iff j <= i + offset */
    int32_t        heads, group, n_tiles;
    float          scale_log2;
    row_output     out;
    int           *counter; /* zero at launch */
    sb_plan        plan;
    int64_t        first; /* token of the first query */
    const sb_bf16 *k, *v;
    int64_t        k_stride, v_stride; /* of heads */
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
template <int D> struct places {
    enum { NS = stages(D), TILE = tile_bytes(D) };
    uint32_t q, k, v, note, q_full, q_empty, k_full, k_empty, v_full, v_empty;

    __device__ explicit places(uint32_t base)
    {
        q       = base;
        k       = base + PAIR * D * 2;
        v       = k + NS * TILE;
        q_full  = v + NS * TILE;
        q_empty = q_full + 8;
        k_full  = q_full + 16;
        k_empty = k_full + 8 * NS;
        v_full  = k_empty + 8 * NS;
        v_empty = v_full + 8 * NS;
        note    = q_full + BARRIERS;
    }
};

/* One row block's part of a CSR. */
struct ids {
    const int32_t *id;
    int32_t        n;
};

static __device__ __forceinline__ ids ids_of(const sb_csr &c, int64_t n_rows, int head, int64_t row)
{
    ids x = {nullptr, 0};
    if (row < 0 || row >= n_rows)
        return x;
    const int64_t at    = (c.n_heads == 1 ? 0 : head) * n_rows + row;
    const int64_t end   = min(max(c.row_ptr[at + 1], int64_t(0)), c.capacity);
    const int64_t begin = min(max(c.row_ptr[at], int64_t(0)), end);
    x.id                = c.id + begin;
    x.n                 = static_cast<int32_t>(min(end - begin, int64_t(INT_MAX / 2)));
    return x;
}

/* A tile: its first key, who wants it (bits of the row blocks), and how many of its keys each still
 * lacks (a byte a row block): tiles of a list may overlap. */
struct wanted {
    int32_t key, who, cut;
};

/* The union of two ascending lists of tiles, from the end. */
struct merge {
    ids     list[2];
    int32_t key[2], taken[2], unit; /* first keys of the last ones left, -1: none; and of those
                                       taken before */

    __device__ __forceinline__ void look(int i)
    {
        key[i] = list[i].n > 0 ? list[i].id[list[i].n - 1] * unit : -1;
    }
    __device__ __forceinline__ void take(int i, wanted *x)
    {
        x->who |= 1 << i;
        x->cut |= min(max(taken[i] - key[i], 0), 64) << 8 * i;
        taken[i] = key[i];
        list[i].n--;
        look(i);
    }
    __device__ __forceinline__ bool   more() const { return key[0] >= 0 || key[1] >= 0; }
    __device__ __forceinline__ wanted next()
    {
        const int32_t a = key[0], b = key[1];
        wanted        x = {max(a, b), 0, 0};
        if (a >= b)
            take(0, &x);
        if (b >= a)
            take(1, &x);
        return x;
    }
};

static __device__ __forceinline__ volatile int32_t *generic(uint8_t *raw, uint32_t address)
{
    return reinterpret_cast<volatile int32_t *>(raw + (address - smem_address(raw)));
}

template <int D>
static __device__ __forceinline__ void load_halves(uint32_t dst, const CUtensorMap *map,
                                                   uint32_t bar, int key0, int key1, int kv)
{
    mbar_expect(bar, tile_bytes(D));
#pragma unroll
    for (int x = 0; x < D / 64; x++) {
        tma_load(dst + x * HALF_BYTES, map, bar, 64 * x, key0, kv);
        tma_load(dst + x * HALF_BYTES + HALF_BYTES / 2, map, bar, 64 * x, key1, kv);
    }
}

/* Two tiles, side by side; cuts: the second's above the first's. */
struct block {
    int32_t key0, key1, flags, cuts;
};

static __device__ __forceinline__ block side_by_side(const wanted &x, const wanted &y)
{
    return block{x.key, y.key, x.who | y.who << 2, x.cut | y.cut << 16};
}

template <int D>
static __device__ __forceinline__ void load_block(const places<D> &at, uint8_t *raw, const block &b,
                                                  const CUtensorMap *mk, const CUtensorMap *mv,
                                                  int kv, uint32_t kc)
{
    enum { NS = stages(D), TILE = tile_bytes(D) };
    const uint32_t    st = kc % NS, parity = ((kc / NS) & 1) ^ 1;
    volatile int32_t *note = generic(raw, at.note + st * note_bytes());
    mbar_wait(at.k_empty + 8 * st, parity);
    note[0] = b.key0;
    note[1] = b.key1;
    note[2] = b.flags;
    note[3] = b.cuts;
    load_halves<D>(at.k + st * TILE, mk, at.k_full + 8 * st, b.key0, b.key1, kv);
    mbar_wait(at.v_empty + 8 * st, parity);
    load_halves<D>(at.v + st * TILE, mv, at.v_full + 8 * st, b.key0, b.key1, kv);
}

/* Blocks of tiles; returns how many blocks there have been. One thread. Tiles wait for one that the
 * same row blocks want, so that only the last ones of an item have halves that are computed for
 * nothing; a block waits for the next one, which tells whether it is the last. */
template <int D>
static __device__ uint32_t load_tiles(const places<D> &at, uint8_t *raw, merge m, int tokens,
                                      const CUtensorMap *mk, const CUtensorMap *mv, int kv,
                                      uint32_t kc)
{
    const wanted none     = {NO_KEY, 0, 0};
    wanted       waits[3] = {none, none, none}; /* of row block 0, of 1, of both */
    block        ready    = side_by_side(none, none);
    int          left     = 3;
    while (left >= 0) {
        block now = side_by_side(none, none);
        if (m.more()) {
            const wanted x = m.next();
#pragma unroll
            for (int i = 0; i < 3; i++)
                if (x.who == i + 1) {
                    const bool two = waits[i].who != 0;
                    if (two)
                        now = side_by_side(waits[i], x);
                    waits[i] = two ? none : x;
                }
        } else { /* what still waits: both's, then the others' together */
            left--;
            if (left == 2)
                now = side_by_side(waits[2], none);
            if (left == 1)
                now = side_by_side(waits[0], waits[1]);
        }
        const bool end = left == 0;
        if ((now.flags || end) && ready.flags) {
            ready.flags |= end && !tokens ? LAST : 0;
            load_block<D>(at, raw, ready, mk, mv, kv, kc++);
            ready.flags = 0;
        }
        if (now.flags)
            ready = now;
        if (end)
            break;
    }
    return kc;
}

/* This thread's row of K or V into a stage; its arrival follows the copies. */
template <int D>
static __device__ __forceinline__ void load_row(uint32_t dst, const sb_bf16 *row, bool real,
                                                uint32_t full)
{
    const int tid = threadIdx.x;
#pragma unroll
    for (int c = 0; c < D / 8; c++)
        sbi_copy_16(dst + (c >> 3) * HALF_BYTES + tid * 128 + (((c & 7) ^ (tid & 7)) << 4),
                    row + c * 8, real);
    asm volatile("cp.async.mbarrier.arrive.shared::cta.b64 [%0];" ::"r"(full) : "memory");
}

/* Blocks of single keys of one row block. All producers. */
template <int D>
static __device__ uint32_t load_tokens(const pairs_args &a, const places<D> &at, uint8_t *raw,
                                       const ids &x, int group, bool last, int kv, uint32_t kc)
{
    enum { NS = stages(D), TILE = tile_bytes(D) };
    const int tid = threadIdx.x;
    for (int32_t first = 0; first < x.n; first += KEYS, kc++) {
        const uint32_t    st = kc % NS, parity = ((kc / NS) & 1) ^ 1;
        const int32_t     id   = first + tid < x.n ? x.id[first + tid] : -1;
        const bool        real = id >= 0 && id < a.n_k;
        const int64_t     row  = real ? id : 0;
        volatile int32_t *note = generic(raw, at.note + st * note_bytes());
        mbar_wait(at.k_empty + 8 * st, parity);
        note[4 + tid] = real ? id : static_cast<int32_t>(NO_TOKEN);
        load_row<D>(at.k + st * TILE, a.k + kv * a.k_stride + row * D, real, at.k_full + 8 * st);
        mbar_wait(at.v_empty + 8 * st, parity);
        load_row<D>(at.v + st * TILE, a.v + kv * a.v_stride + row * D, real, at.v_full + 8 * st);
        named_sync(PRODUCER_BARRIER, 128); /* all their arrivals are announced */
        if (tid == 0) {
            note[2] = 5 << group | TOKENS | (last && first + KEYS >= x.n ? LAST : 0);
            mbar_arrive(at.k_full + 8 * st);
            mbar_arrive(at.v_full + 8 * st);
        }
    }
    return kc;
}

template <int D>
static __device__ __forceinline__ void produce(const pairs_args &a, const places<D> &at,
                                               uint8_t *raw, const CUtensorMap *mq,
                                               const CUtensorMap *mk, const CUtensorMap *mv)
{
    const int64_t     csr_row = sbi_plan_row(&a.plan, a.first);
    const int         total = a.n_tiles * a.heads, per_kv = a.n_tiles * a.group;
    volatile int32_t *slot = generic(raw, at.q_full + SLOT), *post = generic(raw, at.q_full + POST);
    const bool        has_tokens = (a.plan.parts & SB_PART_TOKENS) != 0;
    uint32_t          kc = 0, it = 0;
    int               w = blockIdx.x;
    for (; w < total; it++) {
        const int     kv = w / per_kv, in_kv = w % per_kv;
        const int     tile     = a.n_tiles - 1 - in_kv / a.group;
        const int     head     = kv * a.group + in_kv % a.group;
        const int64_t row      = max(csr_row, int64_t(0)) + 2 * tile;
        ids           token[2] = {{nullptr, 0}, {nullptr, 0}};
        if (has_tokens)
            for (int g = 0; g < 2; g++)
                token[g] = ids_of(a.plan.tokens, a.plan.n_rows, head, row + g);
        const int tokens = token[0].n + token[1].n;
        if (threadIdx.x == 0) {
            merge m;
            m.unit = static_cast<int32_t>(a.plan.tiles.unit_tokens);
            for (int g = 0; g < 2; g++) {
                m.list[g]  = ids_of(a.plan.tiles, a.plan.n_rows, head, row + g);
                m.taken[g] = INT_MAX;
                m.look(g);
            }
            mbar_wait(at.q_empty, (it & 1) ^ 1);
            slot[0] = head;
            slot[1] = tile;
            slot[2] = m.more() || tokens;
            mbar_expect(at.q_full, PAIR * D * 2);
#pragma unroll
            for (int i = 0; i < D / 64; i++)
                tma_load(at.q + i * HALF_BYTES, mq, at.q_full, 64 * i, tile * PAIR, head);
            kc      = load_tiles<D>(at, raw, m, tokens, mk, mv, kv, kc);
            post[0] = static_cast<int32_t>(kc);
            post[1] = static_cast<int>(gridDim.x) + atomicAdd(a.counter, 1);
        }
        named_sync(PRODUCER_BARRIER, 128);
        kc = static_cast<uint32_t>(post[0]);
        w  = post[1];
        kc = load_tokens<D>(a, at, raw, token[0], 0, token[1].n == 0, kv, kc);
        kc = load_tokens<D>(a, at, raw, token[1], 1, true, kv, kc);
        named_sync(PRODUCER_BARRIER, 128); /* post is read */
    }
    if (threadIdx.x == 0) {
        mbar_wait(at.q_empty, (it & 1) ^ 1);
        slot[0] = -1;
        mbar_arrive(at.q_full);
    }
}

/* ---- the consumers ---- */

/* last: the last keys that this thread's two rows see; of each half: its first key, and how many of
 * its keys are new. */
static __device__ __forceinline__ void mask_halves(float (&s)[64], const int (&last)[2], int key0,
                                                   int cut0, int key1, int cut1, int lane)
{
#pragma unroll
    for (int e = 0; e < 64; e++) {
        const int column = 8 * ((e & 31) >> 2) + 2 * (lane & 3) + (e & 1);
        const int behind = last[(e >> 1) & 1] - (e < 32 ? key0 : key1);
        if (column > behind || column >= (e < 32 ? cut0 : cut1))
            s[e] = -INFINITY;
    }
}

static __device__ __forceinline__ void mask_tokens(float (&s)[64], const int (&last)[2],
                                                   const volatile int32_t *id, int lane)
{
#pragma unroll
    for (int e = 0; e < 64; e++)
        if (id[8 * (e >> 2) + 2 * (lane & 3) + (e & 1)] > last[(e >> 1) & 1])
            s[e] = -INFINITY;
}

/* What cp.async wrote becomes visible to products. */
static __device__ __forceinline__ void see_copies(int flags)
{
    if (flags & TOKENS)
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

template <int D, int F32>
static __device__ __forceinline__ void consume(const pairs_args &a, const places<D> &at,
                                               uint8_t *raw, int group)
{
    enum { NS = stages(D), TILE = tile_bytes(D) };
    const int               lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const uint64_t          k0   = wgmma_matrix(at.k, 16, 1024);
    const uint64_t          v0   = wgmma_matrix(at.v, HALF_BYTES, 1024);
    const volatile int32_t *slot = generic(raw, at.q_full + SLOT);
    uint32_t                kc   = 0, p[32], q[D / 4];
    float                   s[64], o[D / 2], m[2], l[2], keep[2];
#pragma unroll
    for (int e = 0; e < 64; e++)
        s[e] = 0.0f;
    for (uint32_t it = 0;; it++) {
        mbar_wait(at.q_full, it & 1);
        const int head = slot[0], tile = slot[1], any = slot[2];
        if (head < 0)
            break;
        load_q<D>(q, at.q, 64 * group + 16 * warp, lane);
        release(at.q_empty, lane);
        const int row0  = tile * PAIR + 64 * group;
        const int least = min(row0 + a.offset, a.n_k - 1);
        int       last[2], pending = 0, before = LAST;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            last[i] = min(row0 + 16 * warp + (lane >> 2) + 8 * i + a.offset, a.n_k - 1);
            m[i]    = -INFINITY;
            l[i]    = 0.0f;
        }
#pragma unroll
        for (int e = 0; e < D / 2; e++)
            o[e] = 0.0f;
        /* pending: P waits for V of the block before, whose flags are `before` (LAST: none) */
        for (int flags = any ? 0 : LAST; !(flags & LAST); kc++) {
            const uint32_t          ks = kc % NS, vs = (kc + NS - 1) % NS;
            const uint32_t          v_parity = ((kc - 1) / NS) & 1;
            const volatile int32_t *note     = generic(raw, at.note + ks * note_bytes());
            mbar_wait(at.k_full + 8 * ks, (kc / NS) & 1);
            flags           = __shfl_sync(~0u, note[2], 0);
            const int  mine = (flags >> group) & 5;
            const int  key0 = note[0], key1 = note[1], cuts = note[3] >> 8 * group;
            const int  cut0 = mine & 1 ? cuts & 255 : 0, cut1 = mine & 4 ? cuts >> 16 & 255 : 0;
            const bool masked =
                !(flags & TOKENS) && (cut0 < 64 || cut1 < 64 || max(key0, key1) + 63 > least);
            see_copies(flags);
            if (mine && pending) {
                wgmma_fence();
                issue_qk<D>(s, q, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
                wgmma_commit();
                mbar_wait(at.v_full + 8 * vs, v_parity);
                see_copies(before);
                wgmma_fence();
                issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
                wgmma_commit();
                wgmma_wait_one(s);
                if (flags & TOKENS)
                    mask_tokens(s, last, note + 4, lane);
                else if (masked)
                    mask_halves(s, last, key0, cut0, key1, cut1, lane);
                release(at.k_empty + 8 * ks, lane);
                const int grow = softmax_step<1>(s, m, l, keep, a.scale_log2);
                wgmma_wait_all(o);
                release(at.v_empty + 8 * vs, lane);
                to_p(p, s);
                if (grow)
                    rescale(o, keep);
            } else {
                if (before != LAST) {
                    mbar_wait(at.v_full + 8 * vs, v_parity);
                    if (pending) {
                        see_copies(before);
                        wgmma_fence();
                        issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
                        wgmma_commit();
                        wgmma_wait_all(o);
                    }
                    release(at.v_empty + 8 * vs, lane);
                }
                if (mine) {
                    wgmma_fence();
                    issue_qk<D>(s, q, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
                    wgmma_commit();
                    wgmma_wait_all(s);
                    if (flags & TOKENS)
                        mask_tokens(s, last, note + 4, lane);
                    else if (masked)
                        mask_halves(s, last, key0, cut0, key1, cut1, lane);
                }
                release(at.k_empty + 8 * ks, lane);
                if (mine) {
                    softmax_step<0>(s, m, l, keep, a.scale_log2);
                    to_p(p, s);
                    rescale(o, keep);
                }
            }
            pending = mine;
            before  = flags & TOKENS;
        }
        if (before != LAST) {
            const uint32_t vs = (kc + NS - 1) % NS;
            mbar_wait(at.v_full + 8 * vs, ((kc - 1) / NS) & 1);
            if (pending) {
                see_copies(before);
                wgmma_fence();
                issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
                wgmma_commit();
                wgmma_wait_all(o);
            }
            release(at.v_empty + 8 * vs, lane);
        }
        store_rows<D, F32>(a.out, head, row0, a.n_q, o, m, l);
    }
}
#endif

template <int D, int F32>
__global__ void __launch_bounds__(THREADS, 1)
    attend_pairs(const __grid_constant__ pairs_args a, const __grid_constant__ CUtensorMap mq,
                 const __grid_constant__ CUtensorMap mk, const __grid_constant__ CUtensorMap mv)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t raw[];
    const uint32_t            base = (smem_address(raw) + 1023u) & ~1023u;
    const places<D>           at(base);
    if (threadIdx.x == 0) {
        mbar_init(at.q_full, 1);
        mbar_init(at.q_empty, 8); /* one arrival a consumer warp */
        for (int i = 0; i < stages(D); i++) {
            mbar_init(at.k_full + 8 * i, 1);
            mbar_init(at.k_empty + 8 * i, 8);
            mbar_init(at.v_full + 8 * i, 1);
            mbar_init(at.v_empty + 8 * i, 8);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        produce<D>(a, at, raw, &mq, &mk, &mv);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        consume<D, F32>(a, at, raw, static_cast<int>(threadIdx.x >> 7) - 1);
    }
#endif
}

/* ---- host ---- */

template <int D, int F32>
sb_status launch(const sbi_cuda_job *j, sbi_encode_fn encode, int sms, sb_run run, int64_t q_at)
{
    const sb_tensor *q = j->in->q, *k = j->in->k, *v = j->in->v, *o = j->out->o;
    auto             kernel = attend_pairs<D, F32>;
    CUtensorMap      mq, mk, mv;
    pairs_args       a  = {};
    sb_status        st = make_map(encode, q, q_at, run.len, PAIR, &mq);
    if (st == SB_OK)
        st = make_map(encode, k, 0, k->tokens, 64, &mk);
    if (st == SB_OK)
        st = make_map(encode, v, 0, k->tokens, 64, &mv);
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          shared_bytes(D)));
    if (st == SB_OK)
        st = next_counter(j->stream, &a.counter);
    if (st != SB_OK)
        return st;
    a.n_q                = static_cast<int32_t>(run.len);
    a.n_k                = static_cast<int32_t>(k->tokens);
    a.offset             = static_cast<int32_t>(run.start);
    a.heads              = static_cast<int32_t>(q->heads);
    a.group              = static_cast<int32_t>(q->heads / k->heads);
    a.n_tiles            = (a.n_q + PAIR - 1) / PAIR;
    a.scale_log2         = j->in->scale * 1.4426950408889634f;
    a.first              = run.start;
    a.plan               = *j->plan;
    a.k                  = static_cast<const sb_bf16 *>(k->data);
    a.v                  = static_cast<const sb_bf16 *>(v->data);
    a.k_stride           = k->head_stride;
    a.v_stride           = v->head_stride;
    a.out                = {static_cast<char *>(o->data) + q_at * D * (F32 ? 4 : 2),
                            j->out->lse + q_at,
                            o->head_stride,
                            q->tokens,
                            j->in->scale,
                            F32 && j->out->mode == SB_OUT_MERGE};
    const int      items = a.n_tiles * a.heads;
    const unsigned ctas  = static_cast<unsigned>(items < sms ? items : sms);
    kernel<<<ctas, THREADS, shared_bytes(D), j->stream>>>(a, mq, mk, mv);
    return sb_cuda_status(cudaGetLastError(), "launch of attend_pairs");
}
} // namespace

const char *sbi_attend_pairs_refusal(const sbi_cuda_job *j)
{
    const sb_gid  *q = &j->in->q->gid, *k = &j->in->k->gid;
    const sb_plan *p = j->plan;
    if (p == nullptr || (p->parts != SB_PART_TILES && p->parts != (SB_PART_TILES | SB_PART_TOKENS)))
        return "parts but tiles, or tiles and tokens";
    if (p->slots.n_heads > 0 || p->n_rows < 1)
        return "slots, or no row block";
    if (p->row_tokens != 64 || p->tiles.width_tokens != 64)
        return "row blocks but of 64 queries, or tiles but of 64 keys";
    if (p->tiles.unit_tokens > 64)
        return "tiles with gaps between them";
    if (k->n_runs != 1 || k->run[0].start != 0 || j->in->k->tokens == 0)
        return "keys but those of one run from the first token on";
    for (int32_t r = 0; r < q->n_runs; r++)
        if (q->run[r].start % PAIR != 0)
            return "queries that start inside a pair of row blocks";
    if (j->in->q->heads * ((j->in->q->tokens + PAIR - 1) / PAIR) > INT_MAX - 1024)
        return "more than 2^31 pairs of row blocks";
    return nullptr;
}

sb_status sbi_attend_pairs_cuda(const sbi_cuda_job *j)
{
    int           device = 0, sms = 0;
    int64_t       at     = 0;
    sbi_encode_fn encode = nullptr;
    const sb_gid *g      = &j->in->q->gid;
    sb_status     st     = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    for (int32_t r = 0; st == SB_OK && r < g->n_runs; at += g->run[r++].len) {
        const sb_run run = g->run[r];
        const bool   f32 = j->out->o->dtype == SB_F32;
        if (run.len == 0)
            continue;
        if (j->in->q->dim == 64)
            st = f32 ? launch<64, 1>(j, encode, sms, run, at)
                     : launch<64, 0>(j, encode, sms, run, at);
        else
            st = f32 ? launch<128, 1>(j, encode, sms, run, at)
                     : launch<128, 0>(j, encode, sms, run, at);
    }
    return st;
}
