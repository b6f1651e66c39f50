/* Attention for Hopper (sm_90a) over any plan: every key is found by itself.
 *
 * Persistent CTAs as in sm90_cuda.cu, with the same consumers (sm90_body.cuh). The producer
 * warpgroup copies 128 rows of K, then 128 of V, straight into the swizzled layout: 8, 16 or 32
 * rows that lie one behind the other, wherever they start, as one box of a tensor copy, others by
 * cp.async. A barrier hears of the copies as they land; whoever waits there fences the ordinary
 * writes from the matrix unit's reads.
 *
 * The ids of a block (plan_keys_cuda.cuh says which) go to the consumers beside K; a key that is
 * not at hand is a row of zeros, or of whatever lies there in a box. A block that not every row
 * sees in full is masked id by id.
 *
 * Shared memory: Q, 3 stages of K and V (5 at head_dim 64), ids of one stage more: 226 KiB.
 *
 * Bound: of single keys the producer's copies, 4096 of 16 bytes a block of head_dim 128; else
 * tensor cores; K and V out of L2. */
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/exec/sm90_gather_keys.cuh"
#include "kernels/exec/sm90_host.cuh"

namespace
{
enum {
    THREADS  = 384,
    BARRIERS = 512, /* bytes of barriers, the work slot, the item at work */
    SLOT     = 192, /* the work slot among them, */
    ITEM     = 224, /* and the item */
    Q_RUNS   = 32,  /* of queries; each is a launch */
    BOX_ROWS = 8,   /* least of a tensor copy: the swizzle's period; boxes have 1, 2, 4 times it */
    BOXES    = 3,
};

/* K and V in boxes of 8, 16, 32 rows. */
struct row_maps {
    CUtensorMap k[BOXES], v[BOXES];
};

SB_HOST_DEVICE constexpr int stages(int d) { return d == 64 ? 5 : 3; }
SB_HOST_DEVICE constexpr int id_stages(int d) { return stages(d) + 1; }
SB_HOST_DEVICE constexpr int shared_bytes(int d)
{
    return (1 + 2 * stages(d)) * tile_bytes(d) + id_stages(d) * (KEYS * 4 + 16) + BARRIERS;
}

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* The producer warps' item at work, in shared memory: one thread finds it, all read it. */
struct item {
    work      x;
    item_keys keys;
    int32_t   kv, next;
};
static_assert(sizeof(item) <= BARRIERS - ITEM, "the item has its place");

/* Where everything stands in shared memory, as addresses. */
template <int D> struct places {
    enum { NS = stages(D), TILE = tile_bytes(D) };
    uint32_t q, k, v, ids, flags, q_full, q_empty, k_full, k_empty, v_full, v_empty;

    __device__ explicit places(uint32_t base)
    {
        q       = base;
        k       = base + TILE;
        v       = k + NS * TILE;
        ids     = v + NS * TILE;
        flags   = ids + id_stages(D) * KEYS * 4;
        q_full  = flags + id_stages(D) * 16;
        q_empty = q_full + 8;
        k_full  = q_full + 16;
        k_empty = k_full + 8 * NS;
        v_full  = k_empty + 8 * NS;
        v_empty = v_full + 8 * NS;
    }
};

/* What the producing warps say of a block: all of them, or any of them. */
enum { ALL_SEE = 1, LISTED = 2, ROWS_COPIED = 4 };

/* ---- the producer: 128 threads ---- */

/* How the 32 keys of a warp lie in K and V, by groups of 8. The keys at hand of a boxed group are
 * rows at .. at + 7, in their places; what else lies there nobody sees. */
struct groups {
    int32_t at;    /* of this lane's group */
    int32_t boxed; /* bits of the groups, */
    int32_t box;   /* and of each (4 bits) the box that begins there: 0 none, 1, 2, 4 groups */
};

/* Lane i knows the row of key i, -1: not at hand. n_k: rows of a head; a box behind them is zeros,
 * and there is none where there are no rows. */
static __device__ __forceinline__ groups groups_of(int32_t row, int32_t n_k)
{
    const int     lane = threadIdx.x & 31;
    const int32_t mine = row < 0 ? INT_MIN : row - (lane & 7);
    groups        g    = {mine, 0, 0};
#pragma unroll
    for (int x = 1; x < 8; x <<= 1)
        g.at = max(g.at, __shfl_xor_sync(~0u, g.at, x));
    const uint32_t fits = __ballot_sync(~0u, n_k > 0 && (row < 0 || mine == g.at));
    g.at                = g.at == INT_MIN ? n_k : g.at;
    /* lanes of groups that go on where the one before ends */
    const int32_t  before = __shfl_up_sync(~0u, g.at, 8);
    const uint32_t on     = __ballot_sync(~0u, lane >= 8 && g.at == before + 8);
#pragma unroll
    for (int i = 0; i < 4; i++)
        if ((fits >> 8 * i & 0xFF) == 0xFF) {
            g.boxed |= 1 << i;
            g.box |= 1 << 4 * i;
        }
    if ((g.box & 0x11) == 0x11 && on >> 8 & 1)
        g.box = (g.box & 0x1100) | 2;
    if ((g.box & 0x1100) == 0x1100 && on >> 24 & 1)
        g.box = (g.box & 0xFF) | 0x200;
    if (g.box == 0x202 && on >> 16 & 1)
        g.box = 4;
    return g;
}

/* The boxed groups; `full` expects their bytes. */
template <int D>
static __device__ __forceinline__ void
load_boxes(uint32_t to, uint32_t full, const CUtensorMap (&map)[BOXES], const groups &g, int kv)
{
#pragma unroll 1
    for (int i = 0; g.box >> 4 * i != 0; i++) {
        const int32_t row = __shfl_sync(~0u, g.at, 8 * i), box = g.box >> 4 * i & 7;
        if (box == 0 || (threadIdx.x & 31) != 0)
            continue;
#pragma unroll
        for (int x = 0; x < D / 64; x++)
            tma_load(to + x * HALF_BYTES + i * (BOX_ROWS * 128), &map[box >> 1], full, 64 * x, row,
                     kv);
    }
}

/* The other groups, row by row: a warp takes AT_ONCE rows with each copy. */
template <int D>
static __device__ __forceinline__ void copy_rows(uint32_t to, const sb_bf16 *from, int32_t row,
                                                 int32_t boxed)
{
    enum { CHUNKS = D / 8, AT_ONCE = 32 / CHUNKS };
    const int lane = threadIdx.x & 31, c = lane % CHUNKS, r0 = lane / CHUNKS;
    /* tiles start on 1024 bytes: bits 4 to 6 are the chunk, and of r the low bits are r0's */
    to += (c >> 3) * HALF_BYTES + r0 * 128 + (((c & 7) ^ r0) << 4);
    from += 8 * c;
#pragma unroll 1
    for (int g = 0; g < 4; g++, to += BOX_ROWS * 128) {
        if (boxed >> g & 1)
            continue;
#pragma unroll
        for (int i = 0; i < 8; i += AT_ONCE) {
            const int32_t src = __shfl_sync(~0u, row, 8 * g + i + r0);
            sbi_copy_16((to ^ (i << 4)) + i * 128, from + static_cast<int64_t>(max(src, 0)) * D,
                        src >= 0);
        }
    }
}

/* This warp's 32 rows of a tile. `full` hears of 33 arrivals: one that announces the bytes of boxes
 * (and ids that were written before), and one a thread when its own copies are there. */
template <int D>
static __device__ __forceinline__ void
load_rows(uint32_t tile, uint32_t full, const CUtensorMap (&map)[BOXES], const sb_bf16 *from,
          int32_t row, const groups &g, int kv)
{
    const int      lane = threadIdx.x & 31;
    const uint32_t to   = tile + (threadIdx.x & ~31u) * 128;
    __syncwarp();
    if (lane == 0)
        mbar_expect(full, __popc(g.boxed) * BOX_ROWS * D * 2);
    load_boxes<D>(to, full, map, g, kv);
    if (g.boxed == 15) {
        if (lane == 0)
            asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], 32;" ::"r"(full) : "memory");
        return;
    }
    copy_rows<D>(to, from, row, g.boxed);
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(full) : "memory");
}

template <int D>
static __device__ __forceinline__ void produce(const gather_args &a, const places<D> &at,
                                               volatile int32_t *slot, item &now,
                                               const CUtensorMap *mq, const row_maps &maps)
{
    enum { NS = stages(D), TILE = tile_bytes(D), IDS = id_stages(D) };
    const int total = a.n_cells * a.heads, lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    uint32_t  block = 0, it = 0; /* block: of all items */
    for (int w = blockIdx.x; w < total; it++) {
        if (threadIdx.x == 0) {
            work x;
            take_work(a, w, &x, &now.kv, &now.keys);
            now.x = x;
            mbar_wait(at.q_empty, (it & 1) ^ 1);
            slot[0] = x.head;
            slot[1] = x.row;
            slot[2] = x.n_rows;
            slot[3] = x.gid;
            slot[4] = x.n;
            mbar_expect(at.q_full, TILE);
#pragma unroll
            for (int i = 0; i < D / 64; i++)
                tma_load(at.q + i * HALF_BYTES, mq, at.q_full, 64 * i, x.row, x.head);
            now.next = static_cast<int>(gridDim.x) + atomicAdd(a.counter, 1);
        }
        named_sync(1, 128);
        const int n      = now.x.n;
        w                = now.next;
        const sb_bf16 *k = a.k + now.kv * a.k_stride, *v = a.v + now.kv * a.v_stride;
        int32_t        raw = n > 0 ? listed_id<KEYS>(a.keys, now.keys, 0, threadIdx.x) : 0;
        for (int b = 0; b < n; b++, block++) {
            const uint32_t st = block % NS, parity = ((block / NS) & 1) ^ 1, ids = block % IDS;
            int32_t        id, row;
            bool           sees;
            key_of<KEYS>(a.keys, now.keys, now.x.head, b, threadIdx.x, raw, &id, &row, &sees);
            raw                = listed_id<KEYS>(a.keys, now.keys, b + 1, threadIdx.x);
            const groups g     = groups_of(row, a.n_k);
            const int    flags = (__all_sync(~0u, sees) ? ALL_SEE : 0) |
                              (part_of(now.keys, b) > 0 ? LISTED : 0) |
                              (g.boxed != 15 ? ROWS_COPIED : 0);
            mbar_wait(at.k_empty + 8 * st, parity);
            /* the ids' stage is one more: whoever let go of this K has masked the block before */
            asm volatile("st.shared.b32 [%0], %1;" ::"r"(at.ids + (ids * KEYS + threadIdx.x) * 4),
                         "r"(id)
                         : "memory");
            if (lane == 0)
                asm volatile("st.shared.b32 [%0], %1;" ::"r"(at.flags + ids * 16 + warp * 4),
                             "r"(flags)
                             : "memory");
            load_rows<D>(at.k + st * TILE, at.k_full + 8 * st, maps.k, k, row, g, now.kv);
            mbar_wait(at.v_empty + 8 * st, parity);
            load_rows<D>(at.v + st * TILE, at.v_full + 8 * st, maps.v, v, row, g, now.kv);
        }
        named_sync(1, 128); /* all are done with the item */
    }
    if (threadIdx.x == 0) {
        mbar_wait(at.q_empty, (it & 1) ^ 1);
        slot[0] = -1;
        mbar_arrive(at.q_full);
    }
}

/* ---- the consumers ---- */

static __device__ __forceinline__ int flags_of(uint32_t flags)
{
    int32_t f[4];
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
                 : "r"(flags)
                 : "memory");
    return (f[0] & f[1] & f[2] & f[3] & ALL_SEE) | ((f[0] | f[1] | f[2] | f[3]) & ~ALL_SEE);
}

/* The matrix unit may read rows that others copied by ordinary writes; a barrier said so. */
static __device__ __forceinline__ void see_rows(int flags)
{
    if (flags & ROWS_COPIED)
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

/* The rows that a thread has two of, and what they see. */
struct sight {
    int32_t gid[2], first[2], sinks, step;
};

static __device__ __forceinline__ bool in_window(const sight &r, int i, int32_t id)
{
    return id < r.sinks || (id >= r.first[i] && (r.step == 1 || (r.gid[i] - id) % r.step == 0));
}

static __device__ __forceinline__ void mask_ids(float (&s)[64], const sight &r, uint32_t ids,
                                                bool listed, int lane)
{
#pragma unroll
    for (int j = 0; j < 16; j++) {
        int32_t id[2];
        asm volatile("ld.shared.v2.b32 {%0, %1}, [%2];"
                     : "=r"(id[0]), "=r"(id[1])
                     : "r"(ids + (8 * j + 2 * (lane & 3)) * 4)
                     : "memory");
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (id[e & 1] > r.gid[e >> 1] || in_window(r, e >> 1, id[e & 1]) == listed)
                s[4 * j + e] = -INFINITY;
    }
}

template <int D, int F32>
static __device__ __forceinline__ void consume(const gather_args &a, const places<D> &at,
                                               const volatile int32_t *slot, int group)
{
    enum { NS = stages(D), TILE = tile_bytes(D), IDS = id_stages(D) };
    const int      lane = threadIdx.x & 31, warp = (threadIdx.x >> 5) & 3;
    const uint64_t k0 = wgmma_matrix(at.k, 16, 1024), v0 = wgmma_matrix(at.v, HALF_BYTES, 1024);
    const sb_plan *plan = a.keys.has_plan ? &a.keys.plan : nullptr;
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
        const int row0 = __shfl_sync(~0u, word, 1), n_rows = __shfl_sync(~0u, word, 2);
        const int gid0 = __shfl_sync(~0u, word, 3), n = __shfl_sync(~0u, word, 4);
        sight     r;
        load_q<D>(q, at.q, 64 * group + 16 * warp, lane);
        r.sinks = 0;
        r.step  = 1;
#pragma unroll
        for (int i = 0; i < 2; i++) {
            r.gid[i]   = gid0 + min(64 * group + 16 * warp + (lane >> 2) + 8 * i, n_rows - 1);
            r.first[i] = NO_ID;
            if (plan == nullptr || (plan->parts & SB_PART_WINDOW)) {
                const sb_row_window win = sbi_plan_row_window(plan, head, r.gid[i]);
                r.first[i]              = static_cast<int32_t>(min(win.first, int64_t(NO_ID)));
                r.sinks                 = static_cast<int32_t>(min(win.sink_end, int64_t(NO_ID)));
                r.step                  = static_cast<int32_t>(min(win.step, int64_t(NO_ID)));
            }
            m[i] = -INFINITY;
            l[i] = n < 0 ? NAN : 0.0f; /* no list for this row: nobody may miss it */
        }
#pragma unroll
        for (int e = 0; e < D / 2; e++)
            o[e] = 0.0f;
        int flags = 0; /* of the last block whose scores there are */
        if (n > 0) {
            const uint32_t st = kc % NS, ids = kc % IDS;
            mbar_wait(at.k_full + 8 * st, (kc / NS) & 1);
            flags = flags_of(at.flags + ids * 16);
            see_rows(flags);
            wgmma_fence();
            issue_qk<D>(s, q, k0 + static_cast<uint64_t>(st) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_all(s);
            release(at.k_empty + 8 * st, lane);
            release(at.q_empty, lane); /* not before: Q is there when a product has used it */
            kc++;
            if (!(flags & ALL_SEE))
                mask_ids(s, r, at.ids + ids * KEYS * 4, (flags & LISTED) != 0, lane);
            softmax_step<0>(s, m, l, keep, a.scale_log2);
            to_p(p, s);
        } else {
            release(at.q_empty, lane);
        }
        for (int j = 1; j < n; j++) {
            const uint32_t ks = kc % NS, vs = vc % NS, ids = kc % IDS;
            const int      before = flags;
            mbar_wait(at.k_full + 8 * ks, (kc / NS) & 1);
            flags = flags_of(at.flags + ids * 16);
            see_rows(flags);
            wgmma_fence();
            issue_qk<D>(s, q, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
            wgmma_commit();
            mbar_wait(at.v_full + 8 * vs, (vc / NS) & 1);
            see_rows(before);
            wgmma_fence();
            issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_one(s);
            release(at.k_empty + 8 * ks, lane);
            kc++;
            if (!(flags & ALL_SEE))
                mask_ids(s, r, at.ids + ids * KEYS * 4, (flags & LISTED) != 0, lane);
            const int grow = softmax_step<1>(s, m, l, keep, a.scale_log2);
            wgmma_wait_all(o);
            release(at.v_empty + 8 * vs, lane);
            vc++;
            to_p(p, s);
            if (grow)
                rescale(o, keep);
        }
        if (n > 0) {
            const uint32_t vs = vc % NS;
            mbar_wait(at.v_full + 8 * vs, (vc / NS) & 1);
            see_rows(flags);
            wgmma_fence();
            issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_all(o);
            release(at.v_empty + 8 * vs, lane);
            vc++;
        }
        store_rows<D, F32>(a.out, head, row0 + 64 * group, row0 + n_rows, o, m, l);
    }
}
#endif

template <int D, int F32>
__global__ void __launch_bounds__(THREADS, 1)
    attend_gather(const __grid_constant__ gather_args a, const __grid_constant__ CUtensorMap mq,
                  const __grid_constant__ row_maps maps)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ __align__(1024) uint8_t raw[];
    const uint32_t                            base = smem_address(raw);
    const places<D>                           at(base);
    volatile int32_t *slot = reinterpret_cast<volatile int32_t *>(raw + (at.q_full - base) + SLOT);
    item             &now  = *reinterpret_cast<item *>(raw + (at.q_full - base) + ITEM);
    if ((base & 1023) != 0) /* the swizzle counts from there */
        __trap();
    if (threadIdx.x == 0) {
        mbar_init(at.q_full, 1);
        mbar_init(at.q_empty, 8); /* one arrival a consumer warp */
        for (int i = 0; i < stages(D); i++) {
            mbar_init(at.k_full + 8 * i, 128 + 4); /* copies of a thread, of a warp */
            mbar_init(at.k_empty + 8 * i, 8);
            mbar_init(at.v_full + 8 * i, 128 + 4);
            mbar_init(at.v_empty + 8 * i, 8);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 56;");
        produce<D>(a, at, slot, now, &mq, maps);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 224;");
        consume<D, F32>(a, at, slot, static_cast<int>(threadIdx.x >> 7) - 1);
    }
#endif
}

/* ---- host ---- */

template <int D, int F32>
sb_status launch(const sbi_cuda_job *j, gather_args *a, int64_t local, sbi_encode_fn encode,
                 int sms)
{
    const sb_tensor *q = j->in->q, *o = j->out->o;
    auto             kernel = attend_gather<D, F32>;
    CUtensorMap      mq;
    row_maps         maps = {};
    sb_status        st   = make_map(encode, q, local, a->q_run.len, ROWS, &mq);
    for (int i = 0; i < BOXES && a->n_k > 0 && st == SB_OK; i++) {
        st = make_map(encode, j->in->k, 0, a->n_k, BOX_ROWS << i, &maps.k[i]);
        if (st == SB_OK)
            st = make_map(encode, j->in->v, 0, a->n_k, BOX_ROWS << i, &maps.v[i]);
    }
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          shared_bytes(D)));
    if (st == SB_OK)
        st = next_counter(j->stream, &a->counter);
    if (st != SB_OK)
        return st;
    const int64_t bytes = static_cast<int64_t>(sb_dtype_bytes(o->dtype));
    a->out              = {static_cast<char *>(o->data) + local * D * bytes,
                           j->out->lse + local,
                           o->head_stride,
                           q->tokens,
                           j->in->scale,
                           j->out->mode == SB_OUT_MERGE};
    const int64_t last =
        cell_of(a->block_tokens, a->cells_per_block, a->q_run.start + a->q_run.len - 1);
    a->n_cells = static_cast<int32_t>(
        last - cell_of(a->block_tokens, a->cells_per_block, a->q_run.start) + 1);
    const int      items = a->n_cells * a->heads;
    const unsigned ctas  = static_cast<unsigned>(items < sms ? items : sms);
    kernel<<<ctas, THREADS, shared_bytes(D), j->stream>>>(*a, mq, maps);
    return sb_cuda_status(cudaGetLastError(), "launch of attend_gather");
}

sb_status launch_run(const sbi_cuda_job *j, gather_args *a, int64_t local, sbi_encode_fn encode,
                     int sms)
{
    if (j->out->o->dtype == SB_F32)
        return j->in->q->dim == 64 ? launch<64, 1>(j, a, local, encode, sms)
                                   : launch<128, 1>(j, a, local, encode, sms);
    return j->in->q->dim == 64 ? launch<64, 0>(j, a, local, encode, sms)
                               : launch<128, 0>(j, a, local, encode, sms);
}
} // namespace

const char *sbi_attend_gather_refusal(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    if (k->gid.n_runs < 1 || k->gid.n_runs > K_RUNS || q->gid.n_runs > Q_RUNS)
        return "keys in no run or more than 8, or queries in more than 32";
    if (plan_has_lists(j->plan) && (j->plan->n_rows < 1 || j->plan->row_tokens < 1))
        return "no row block";
    const int64_t rows = plan_has_lists(j->plan) && j->plan->row_tokens < ROWS ? 1 : int64_t(ROWS);
    return q->heads * (q->tokens / rows + 2) > INT_MAX / 4 ? "more than 2^29 query tiles" : nullptr;
}

sb_status sbi_attend_gather_cuda(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    gather_args      a      = {};
    int              device = 0, sms = 0;
    sbi_encode_fn    encode = nullptr;
    int64_t          local  = 0;
    sb_status        st     = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    a.k               = static_cast<const sb_bf16 *>(k->data);
    a.v               = static_cast<const sb_bf16 *>(j->in->v->data);
    a.k_stride        = k->head_stride;
    a.v_stride        = j->in->v->head_stride;
    a.heads           = static_cast<int32_t>(q->heads);
    a.group           = static_cast<int32_t>(q->heads / k->heads);
    a.scale_log2      = j->in->scale * 1.4426950408889634f;
    a.block_tokens    = plan_has_lists(j->plan) ? j->plan->row_tokens : int64_t(ROWS);
    a.cells_per_block = (a.block_tokens + ROWS - 1) / ROWS;
    a.keys            = plan_keys_of(j->plan, &k->gid);
    a.n_k             = static_cast<int32_t>(k->tokens);
    for (int32_t r = 0; st == SB_OK && r < q->gid.n_runs; local += q->gid.run[r++].len) {
        a.q_run = q->gid.run[r];
        if (a.q_run.len > 0)
            st = launch_run(j, &a, local, encode, sms);
    }
    return st;
}
