/* Attention for Hopper (sm_90a) over any plan: every key is found by itself.
 *
 * Persistent CTAs as in sm90_cuda.cu, with the same consumers (sm90_body.cuh). The producer
 * warpgroup copies 128 rows of K, then 128 of V, straight into the swizzled layout, 32 a warp: by
 * tensor copies where they lie one behind the other, wherever they start, row by row by cp.async
 * where not. A barrier hears of the copies as they land; whoever waits there fences the ordinary
 * writes from the matrix unit's reads.
 *
 * The ids of a block (plan_keys_cuda.cuh says which) go to the consumers beside K; a key that is
 * not at hand is a row of zeros. A block that not every row sees in full is masked id by id.
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
    BOX_ROWS = 32,  /* of a tensor copy: a warp's keys */
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

/* ---- the producer: 128 threads ---- */

/* Do a warp's 32 keys lie one behind the other? Lane i knows the row of key i, -1: not at hand. */
static __device__ __forceinline__ bool side_by_side(int32_t row)
{
    const int32_t first = __shfl_sync(~0u, row, 0);
    return __all_sync(~0u, row >= 0 && row - first == static_cast<int32_t>(threadIdx.x & 31));
}

/* This warp's 32 rows of a tile as boxes; lane 0 knows the first. `full` hears of 32 arrivals and
 * of the bytes. */
template <int D>
static __device__ __forceinline__ void copy_box(uint32_t tile, uint32_t full,
                                                const CUtensorMap *map, int32_t row, int kv)
{
    if ((threadIdx.x & 31) != 0)
        return;
    mbar_expect(full, BOX_ROWS * D * 2);
#pragma unroll
    for (int x = 0; x < D / 64; x++)
        tma_load(tile + x * HALF_BYTES + threadIdx.x * 128, map, full, 64 * x, row, kv);
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], 31;" ::"r"(full) : "memory");
}

/* This warp's 32 rows one by one; lane i knows row i. `full` hears of each thread when its copies
 * are there. */
template <int D>
static __device__ __forceinline__ void copy_rows(uint32_t tile, uint32_t full, const sb_bf16 *from,
                                                 int32_t row)
{
    enum { CHUNKS = D / 8, AT_ONCE = 32 / CHUNKS, BATCH = 8 };
    const int lane = threadIdx.x & 31, c = lane % CHUNKS, r0 = lane / CHUNKS;
    /* tiles start on 1024 bytes: bits 4 to 6 are the chunk, and of r the low bits are r0's */
    const uint32_t to =
        tile + (c >> 3) * HALF_BYTES + ((threadIdx.x & ~31u) + r0) * 128 + (((c & 7) ^ r0) << 4);
    from += 8 * c;
#pragma unroll
    for (int first = 0; first < 32; first += BATCH * AT_ONCE) {
        int32_t
            src[BATCH]; /* all on their way before the first copy: they wait once, not 8 times */
#pragma unroll
        for (int i = 0; i < BATCH; i++)
            src[i] = __shfl_sync(~0u, row, first + i * AT_ONCE + r0);
#pragma unroll
        for (int i = 0; i < BATCH; i++) {
            const int r = first + i * AT_ONCE;
            sbi_copy_16((to ^ ((r & 7) << 4)) + r * 128,
                        from + static_cast<int64_t>(max(src[i], 0)) * D, src[i] >= 0);
        }
    }
    asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(full) : "memory");
}

template <int D>
static __device__ __forceinline__ void
produce(const gather_args &a, const places<D> &at, volatile int32_t *slot, item &now,
        const CUtensorMap *mq, const CUtensorMap *mk, const CUtensorMap *mv)
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
            raw              = listed_id<KEYS>(a.keys, now.keys, b + 1, threadIdx.x);
            const bool box   = side_by_side(row);
            const int  flags = (__all_sync(~0u, sees) ? 1 : 0) | (part_of(now.keys, b) > 0 ? 2 : 0);
            mbar_wait(at.k_empty + 8 * st, parity);
            /* the ids' stage is one more: whoever let go of this K has masked the block before */
            asm volatile("st.shared.b32 [%0], %1;" ::"r"(at.ids + (ids * KEYS + threadIdx.x) * 4),
                         "r"(id)
                         : "memory");
            if (lane == 0)
                asm volatile("st.shared.b32 [%0], %1;" ::"r"(at.flags + ids * 16 + warp * 4),
                             "r"(flags)
                             : "memory");
            release(at.k_full + 8 * st, lane); /* the ids */
            if (box)
                copy_box<D>(at.k + st * TILE, at.k_full + 8 * st, mk, row, now.kv);
            else
                copy_rows<D>(at.k + st * TILE, at.k_full + 8 * st, k, row);
            mbar_wait(at.v_empty + 8 * st, parity);
            if (box)
                copy_box<D>(at.v + st * TILE, at.v_full + 8 * st, mv, row, now.kv);
            else
                copy_rows<D>(at.v + st * TILE, at.v_full + 8 * st, v, row);
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

/* Rows that others copied by ordinary writes are there, and the matrix unit may read them. */
static __device__ __forceinline__ void wait_rows(uint32_t full, uint32_t parity)
{
    mbar_wait(full, parity);
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

/* The block's scores, masked where its flags do not say that all rows see all of it. */
static __device__ __forceinline__ void see(float (&s)[64], const sight &r, uint32_t ids,
                                           uint32_t flags, int lane)
{
    int32_t f[4];
    asm volatile("ld.shared.v4.b32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
                 : "r"(flags)
                 : "memory");
    if (!(f[0] & f[1] & f[2] & f[3] & 1))
        mask_ids(s, r, ids, (f[0] & 2) != 0, lane);
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
        if (n > 0) {
            const uint32_t st = kc % NS, ids = kc % IDS;
            wait_rows(at.k_full + 8 * st, (kc / NS) & 1);
            wgmma_fence();
            issue_qk<D>(s, q, k0 + static_cast<uint64_t>(st) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_all(s);
            release(at.k_empty + 8 * st, lane);
            release(at.q_empty, lane); /* not before: Q is there when a product has used it */
            kc++;
            see(s, r, at.ids + ids * KEYS * 4, at.flags + ids * 16, lane);
            softmax_step<0>(s, m, l, keep, a.scale_log2);
            to_p(p, s);
        } else {
            release(at.q_empty, lane);
        }
        for (int j = 1; j < n; j++) {
            const uint32_t ks = kc % NS, vs = vc % NS, ids = kc % IDS;
            wait_rows(at.k_full + 8 * ks, (kc / NS) & 1);
            wgmma_fence();
            issue_qk<D>(s, q, k0 + static_cast<uint64_t>(ks) * (TILE >> 4));
            wgmma_commit();
            wait_rows(at.v_full + 8 * vs, (vc / NS) & 1);
            wgmma_fence();
            issue_pv(o, p, v0 + static_cast<uint64_t>(vs) * (TILE >> 4));
            wgmma_commit();
            wgmma_wait_one(s);
            release(at.k_empty + 8 * ks, lane);
            kc++;
            see(s, r, at.ids + ids * KEYS * 4, at.flags + ids * 16, lane);
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
            wait_rows(at.v_full + 8 * vs, (vc / NS) & 1);
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
                  const __grid_constant__ CUtensorMap mk, const __grid_constant__ CUtensorMap mv)
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
            mbar_init(at.k_full + 8 * i, 128 + 4); /* copies of a thread, ids of a warp */
            mbar_init(at.k_empty + 8 * i, 8);
            mbar_init(at.v_full + 8 * i, 128);
            mbar_init(at.v_empty + 8 * i, 8);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 56;");
        produce<D>(a, at, slot, now, &mq, &mk, &mv);
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
    CUtensorMap      mq, mk = {}, mv = {};
    sb_status        st = make_map(encode, q, local, a->q_run.len, ROWS, &mq);
    if (st == SB_OK && j->in->k->tokens > 0)
        st = make_map(encode, j->in->k, 0, j->in->k->tokens, BOX_ROWS, &mk);
    if (st == SB_OK && j->in->k->tokens > 0)
        st = make_map(encode, j->in->v, 0, j->in->k->tokens, BOX_ROWS, &mv);
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
    kernel<<<ctas, THREADS, shared_bytes(D), j->stream>>>(*a, mq, mk, mv);
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
    for (int32_t r = 0; st == SB_OK && r < q->gid.n_runs; local += q->gid.run[r++].len) {
        a.q_run = q->gid.run[r];
        if (a.q_run.len > 0)
            st = launch_run(j, &a, local, encode, sms);
    }
    return st;
}
