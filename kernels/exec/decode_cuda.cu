/* Attention of few queries over many keys (decode), on any device from compute capability 8.0 on:
 * the keys are split over the device, each split leaves partial (o, lse), a second kernel
 * (merge_lse_cuda.cu) folds them in the order of the splits.
 *
 * All query heads of a KV head are rows of one tile, row = query * group + head in group, so that K
 * and V are read once: 16 or 32 rows a CTA, further ones in CTAs of their own over the same keys at
 * the same time (L2 serves the second). Each of four warps has a ring of three stages in shared
 * memory to itself, of 2048/d keys of K and V (8 KiB), and folds every fourth stage's worth of the
 * CTA's keys by mma.sync m16n8k16: no barrier between warps until all are through, then one merge.
 *
 * Dense: keys at hand ascend in id, so a row sees the first `limit` of them, however many runs they
 * have.
 * By a step: the same, one query, whose keys are counted in device memory; the parts are those that
 * the call itself would have, and CTAs past them leave.
 * With a plan: the keys that it selects are counted through (plan_keys_cuda.cuh) and split; the
 * lanes find the stage's keys by their numbers, an id of a list a stage ahead. A stage that not
 * every row sees in full is masked id by id. Heads with lists or windows of their own are tiles of
 * their own (`fold` heads a tile), and so are queries of other row blocks (`unit`).
 *
 * Grid: (split, KV head, row block), two CTAs an SM.
 * Shared memory: ring 96 KiB, Q up to 8 KiB, ids up to 1.5 KiB.
 * Bound: 4 * d bytes of device memory a key and KV head, once; 16 rows of products are 16 FLOP a
 * byte. CUDA.md has the measurements. */
#include "kernels/exec/decode_cuda.cuh"
#include "kernels/exec/merge_lse_cuda.cuh"

namespace
{
/* No key so far. */
template <int D, int MT> __device__ void start(rows<D, MT> &r)
{
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            r.m[i][h] = -INFINITY;
            r.l[i][h] = 0.0f;
#pragma unroll
            for (int x = 0; x < D / 8; x++)
                r.o[i][x][2 * h] = r.o[i][x][2 * h + 1] = 0.0f;
        }
}

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}

/* All keys that the last query sees. */
template <int D, int MT, typename KEYS_OF>
__device__ void split_dense(const decode_args &a, const KEYS_OF &are, rows<D, MT> &r,
                            const tile_rows &t, unsigned char *raw)
{
    constexpr int  KEYS = keys_of(D);
    const int      lane = threadIdx.x & 31, warp = threadIdx.x >> 5, kv = blockIdx.y;
    const uint32_t ring  = shared_address(raw) + warp * RING_BYTES;
    const uint32_t room  = shared_address(raw + WARPS * RING_BYTES);
    const int64_t  tiles = (are.n_keys() + KEYS - 1) / KEYS;
    const int32_t  begin = static_cast<int32_t>(tiles * blockIdx.x / are.splits());
    const int32_t  end   = static_cast<int32_t>(tiles * (blockIdx.x + 1) / are.splits());
    const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
    uint32_t       q[MT][D / 16][4];
    load_q<D, MT>(a, room, t);
    asm volatile("cp.async.commit_group;" ::: "memory");
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        const int64_t tile = begin + warp + i * WARPS;
        if (tile < end)
            load_tile<D>(k, v, ring + i * STAGE_BYTES, tile * KEYS, are.n_keys(), lane);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory"); /* Q is there */
    __syncthreads();
    read_q<D, MT>(q, room, lane);
    start(r);
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++)
            r.limit[i][h] = are.limit(t.query(min(t.row0 + 16 * i + (lane >> 2) + 8 * h, t.n - 1)));
    const float c    = a.scale * 1.4426950408889634f;
    int         slot = 0;
    for (int32_t tile = begin + warp; tile < end; tile += WARPS) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
        __syncwarp(); /* all lanes' copies are there, and nobody reads the stage before any more */
        const int64_t next = static_cast<int64_t>(tile) + (STAGES - 1) * WARPS;
        const int     free = slot == 0 ? STAGES - 1 : slot - 1;
        if (next < end)
            load_tile<D>(k, v, ring + free * STAGE_BYTES, next * KEYS, are.n_keys(), lane);
        asm volatile("cp.async.commit_group;" ::: "memory");
        fold<D, MT>(r, q, ring + slot * STAGE_BYTES, mask_limit<D>{tile * KEYS, are.limit(0)}, c,
                    lane);
        slot = slot + 1 == STAGES ? 0 : slot + 1;
    }
}

template <int MT>
__device__ void see_row(const plan_keys &a, const tile_rows &t, int32_t gid, int row,
                        sight<MT> *sees)
{
    sees->gid[row]   = gid;
    sees->first[row] = NO_ID;
    if (row == 0) {
        sees->sinks = 0;
        sees->step  = 1;
    }
    if (a.has_plan && !(a.plan.parts & SB_PART_WINDOW))
        return;
    const sb_row_window win = sbi_plan_row_window(a.has_plan ? &a.plan : nullptr, t.h0, gid);
    sees->first[row]        = static_cast<int32_t>(min(win.first, int64_t(NO_ID)));
    if (row == 0) {
        sees->sinks = static_cast<int32_t>(min(win.sink_end, int64_t(NO_ID)));
        sees->step  = static_cast<int32_t>(min(win.step, int64_t(NO_ID)));
    }
}

/* This warp's stages of keys that are found one by one. */
template <int D> struct found_stages {
    enum { KEYS = keys_of(D) };
    const plan_keys &plan;
    const item_keys &keys;
    const sb_bf16   *k, *v;
    uint32_t         ring;
    int32_t         *ids; /* [STAGES][KEYS] */
    int              head, lane;
    uint32_t         flags; /* bits 2 i, 2 i + 1: all rows see stage i; it is of a list */

    __device__ int32_t id_of(int64_t tile) const
    {
        return listed_id<KEYS>(plan, keys, static_cast<int>(tile), lane % KEYS);
    }
    __device__ void load(int slot, int32_t tile, int32_t listed)
    {
        int32_t id, row;
        bool    sees;
        key_of<KEYS>(plan, keys, head, tile, lane % KEYS, listed, &id, &row, &sees);
        if (lane < KEYS)
            ids[slot * KEYS + lane] = id;
        const uint32_t now = (__all_sync(~0u, sees) ? 1 : 0) | (part_of(keys, tile) > 0 ? 2 : 0);
        flags              = (flags & ~(3u << 2 * slot)) | now << 2 * slot;
        load_found<D>(k, v, ring + slot * STAGE_BYTES, row, lane);
    }
};

/* The keys that the plan selects for the tile's rows; false: it has no list for them. */
template <int D, int MT>
__device__ bool split_plan(const decode_args &a, const plan_args &p, rows<D, MT> &r,
                           const tile_rows &t, unsigned char *raw)
{
    constexpr int        KEYS = keys_of(D);
    __shared__ item_keys keys;
    __shared__ sight<MT> sees;
    __shared__ int       has_list;
    const int            lane = threadIdx.x & 31, warp = threadIdx.x >> 5, kv = blockIdx.y;
    const uint32_t       room = shared_address(raw + WARPS * RING_BYTES);
    uint32_t             q[MT][D / 16][4];
    found_stages<D>      stages{p.keys,
                           keys,
                           a.k + kv * a.k_stride,
                           a.v + kv * a.v_stride,
                           shared_address(raw) + warp * RING_BYTES,
                           reinterpret_cast<int32_t *>(raw + ids_at(D, MT)) + warp * STAGES * KEYS,
                           t.h0,
                           lane,
                           0};
    load_q<D, MT>(a, room, t);
    asm volatile("cp.async.commit_group;" ::: "memory");
    if (threadIdx.x == 0)
        has_list = find_keys<KEYS>(p.keys, t.h0, p.gid[t.query(0)],
                                   p.gid[t.query(t.n - 1)] + int64_t(1), &keys);
    const int row = static_cast<int>(threadIdx.x) - 32; /* another warp */
    if (row >= 0 && row < 16 * MT)
        see_row(p.keys, t, p.gid[t.query(min(t.row0 + row, t.n - 1))], row, &sees);
    __syncthreads();
    if (!has_list)
        return false;
    const int64_t tiles = keys.blocks[2];
    const int32_t begin = static_cast<int32_t>(tiles * blockIdx.x / gridDim.x);
    const int32_t end   = static_cast<int32_t>(tiles * (blockIdx.x + 1) / gridDim.x);
    int32_t       ahead[STAGES];
#pragma unroll
    for (int i = 0; i < STAGES; i++)
        ahead[i] = stages.id_of(begin + warp + static_cast<int64_t>(i) * WARPS);
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        const int32_t tile = begin + warp + i * WARPS;
        if (tile < end)
            stages.load(i, tile, ahead[i]);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    int32_t listed = ahead[STAGES - 1];
    asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory"); /* Q is there */
    __syncthreads();
    read_q<D, MT>(q, room, lane);
    start(r);
    const float c    = a.scale * 1.4426950408889634f;
    int         slot = 0;
    for (int32_t tile = begin + warp; tile < end; tile += WARPS) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
        __syncwarp(); /* all lanes' copies are there, and nobody reads the stage before any more */
        const int64_t next = static_cast<int64_t>(tile) + (STAGES - 1) * WARPS;
        const int     free = slot == 0 ? STAGES - 1 : slot - 1;
        if (next < end) {
            stages.load(free, static_cast<int32_t>(next), listed);
            listed = stages.id_of(next + WARPS);
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
        const uint32_t flags = stages.flags >> 2 * slot;
        fold<D, MT>(
            r, q, stages.ring + slot * STAGE_BYTES,
            mask_ids<D, MT>{stages.ids + slot * KEYS, sees, (flags & 1) != 0, (flags & 2) != 0}, c,
            lane);
        slot = slot + 1 == STAGES ? 0 : slot + 1;
    }
    return true;
}

template <int D, int MT>
__device__ bool split(const call<DENSE> &c, rows<D, MT> &r, const tile_rows &t, unsigned char *raw)
{
    split_dense<D, MT>(c.a, keys_said{c.a}, r, t, raw);
    return true;
}
template <int D, int MT>
__device__ bool split(const call<STEPPED> &c, rows<D, MT> &r, const tile_rows &t,
                      unsigned char *raw)
{
    split_dense<D, MT>(c.a, keys_told{c.step->n_keys}, r, t, raw);
    return true;
}
template <int D, int MT>
__device__ bool split(const call<PLANNED> &c, rows<D, MT> &r, const tile_rows &t,
                      unsigned char *raw)
{
    return split_plan<D, MT>(c.a, c.p, r, t, raw);
}

template <int KIND>
static __device__ __forceinline__ tile_rows rows_of(const call<KIND> &c, int rows)
{
    return tile_rows{c.a.n_rows, c.a.group, 0, static_cast<int32_t>(blockIdx.y) * c.a.group,
                     static_cast<int32_t>(blockIdx.z) * rows};
}
/* blockIdx.z: unit, then heads of the group, then tiles. */
static __device__ __forceinline__ tile_rows rows_of(const call<PLANNED> &c, int rows)
{
    const plan_args &p    = c.p;
    const int32_t    subs = c.a.group / p.fold, at = blockIdx.z / p.unit_tiles;
    const unit       u  = p.units[at / subs];
    const int32_t    kv = blockIdx.y;
    return tile_rows{u.n * p.fold, p.fold, u.first, kv * c.a.group + at % subs * p.fold,
                     static_cast<int32_t>(blockIdx.z) % p.unit_tiles * rows};
}

/* The grid of a step has parts for keys that are still to come. */
template <int KIND> static __device__ __forceinline__ bool has_part(const call<KIND> &)
{
    return true;
}
static __device__ __forceinline__ bool has_part(const call<STEPPED> &c)
{
    return blockIdx.x < keys_told{c.step->n_keys}.splits();
}

template <int D, int MT, int KIND>
__global__ void __launch_bounds__(THREADS, CTAS_PER_SM)
    decode_split(const __grid_constant__ call<KIND> c)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    extern __shared__ __align__(128) unsigned char raw[];
    const tile_rows                                t = rows_of(c, 16 * MT);
    rows<D, MT>                                    r;
    sbi_let_next_start();
    if (KIND == PLANNED && t.row0 >= t.n) /* units differ in size */
        return;
    if (!has_part(c))
        return;
    const bool found = split<D, MT>(c, r, t, raw);
    asm volatile("cp.async.wait_all;" ::: "memory");
    if (found)
        merge_warps<D, MT>(r, c.a, reinterpret_cast<float *>(raw), t);
    else
        write_nan(c.a, t, 16 * MT, D);
#endif
}

/* ---- host ---- */

/* Keys at hand with ids up to `gid`: keys ascend. */
int64_t keys_up_to(const sb_gid *keys, int64_t gid)
{
    int64_t n = 0;
    for (int32_t r = 0; r < keys->n_runs && keys->run[r].start <= gid; r++)
        n += keys->run[r].len < gid - keys->run[r].start + 1 ? keys->run[r].len
                                                             : gid - keys->run[r].start + 1;
    return n;
}

template <int D, int MT, int KIND>
sb_status launch(const call<KIND> &c, const dim3 &grid, cudaStream_t stream)
{
    auto      kernel = decode_split<D, MT, KIND>;
    const int bytes  = shared_bytes(D, MT, KIND == PLANNED);
    sb_status st =
        SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    kernel<<<grid, THREADS, bytes, stream>>>(c);
    return sb_cuda_status(cudaGetLastError(), "launch of decode_split");
}

/* The grid: tiles of `tile_rows` rows in z. */
struct shape {
    int64_t n_splits, z;
    int32_t tile_rows;
};

template <int KIND> const sb_step *step_of(const call<KIND> &) { return nullptr; }
const sb_step                     *step_of(const call<STEPPED> &c) { return c.step; }

/* Both kernels, with room for n_splits partials. */
template <int KIND> sb_status run(const sbi_cuda_job *j, call<KIND> *c, float *room, const shape &s)
{
    const int     D = static_cast<int>(j->in->q->dim);
    const dim3    grid(static_cast<unsigned>(s.n_splits), static_cast<unsigned>(j->in->k->heads),
                       static_cast<unsigned>(s.z));
    decode_args  *a = &c->a;
    sbi_merge_job m = {};
    sb_status     st;
    a->o   = room;
    a->lse = room + s.n_splits * a->part_rows * D;
    if (D == 64)
        st = s.tile_rows == 16 ? launch<64, 1>(*c, grid, j->stream)
                               : launch<64, 2>(*c, grid, j->stream);
    else
        st = s.tile_rows == 16 ? launch<128, 1>(*c, grid, j->stream)
                               : launch<128, 2>(*c, grid, j->stream);
    if (st != SB_OK)
        return st;
    m.parts.o               = a->o;
    m.parts.lse             = a->lse;
    m.parts.o_part_stride   = a->part_rows * D;
    m.parts.o_row_stride    = D;
    m.parts.lse_part_stride = a->part_rows;
    m.parts.lse_row_stride  = 1;
    m.parts.n_parts         = s.n_splits;
    m.parts.rows            = a->part_rows;
    m.parts.dim             = D;
    m.dtype                 = j->out->o->dtype;
    m.o                     = j->out->o->data;
    m.lse                   = j->out->lse;
    m.rows_per_head         = a->n_q;
    m.head_stride           = j->out->o->head_stride;
    m.merge                 = j->out->mode == SB_OUT_MERGE;
    m.early                 = 1;
    m.step                  = step_of(*c);
    return sbi_merge_lse_cuda(&m, j->stream);
}

sb_status count_sms(int *sms)
{
    int       device = 0;
    sb_status st     = SB_CUDA(cudaGetDevice(&device));
    return st == SB_OK
               ? SB_CUDA(cudaDeviceGetAttribute(sms, cudaDevAttrMultiProcessorCount, device))
               : st;
}

/* As many equal parts as fit the device at once, none of less than `least` of about n_keys keys;
 * then the room for them and the kernels. */
template <int KIND>
sb_status split_and_run(const sbi_cuda_job *j, call<KIND> *c, shape s, int64_t n_keys,
                        int64_t least)
{
    int       sms  = 0;
    void     *room = nullptr;
    sb_status st   = count_sms(&sms);
    if (st != SB_OK)
        return st;
    s.n_splits   = sms * CTAS_PER_SM / (j->in->k->heads * s.z);
    int64_t most = (n_keys + least - 1) / least;
    s.n_splits   = s.n_splits < most ? s.n_splits : most;
    s.n_splits   = s.n_splits > 1 ? s.n_splits : 1;
    size_t bytes =
        static_cast<size_t>(s.n_splits * c->a.part_rows * (j->in->q->dim + 1)) * sizeof(float);
    if ((st = sbi_cuda_scratch(bytes, j->stream, &room)) != SB_OK)
        return st;
    st              = run(j, c, static_cast<float *>(room), s);
    sb_status freed = SB_CUDA(cudaFreeAsync(room, j->stream));
    return st != SB_OK ? st : freed;
}

decode_args args_of(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    decode_args      a = {};
    a.q                = static_cast<const sb_bf16 *>(q->data);
    a.k                = static_cast<const sb_bf16 *>(k->data);
    a.v                = static_cast<const sb_bf16 *>(j->in->v->data);
    a.q_stride         = q->head_stride;
    a.k_stride         = k->head_stride;
    a.v_stride         = j->in->v->head_stride;
    a.n_q              = static_cast<int32_t>(q->tokens);
    a.group            = static_cast<int32_t>(q->heads / k->heads);
    a.n_rows           = a.n_q * a.group;
    a.scale            = j->in->scale;
    a.part_rows        = q->heads * q->tokens;
    return a;
}

shape shape_of(const decode_args &a)
{
    return {0, sb_decode_row_tiles(a.n_rows), a.n_rows > 16 ? 32 : 16};
}

/* A part for each 256 keys that the cache has room for, as many as fit the device. */
sb_status run_step(const sbi_cuda_job *j)
{
    const sb_tensor *k      = j->in->k;
    call<STEPPED>    c      = {args_of(j), j->ctx->step};
    shape            s      = shape_of(c.a);
    int              sms    = 0;
    void            *room   = nullptr;
    sb_status        st     = count_sms(&sms);
    if (st != SB_OK)
        return st;
    const int64_t ctas =
        sms * CTAS_PER_SM < SB_DECODE_STEP_CTAS ? sms * CTAS_PER_SM : int64_t(SB_DECODE_STEP_CTAS);
    s.n_splits = sb_decode_splits(k->head_stride / k->dim, ctas / (k->heads * s.z));
    st         = sb_arena_alloc(j->ctx->arena, s.n_splits * c.a.part_rows * (j->in->q->dim + 1),
                                sizeof(float), "partials of a decode step", &room);
    return st == SB_OK ? run(j, &c, static_cast<float *>(room), s) : st;
}

sb_status run_dense(const sbi_cuda_job *j)
{
    const sb_gid *g = &j->in->q->gid;
    call<DENSE>   c = {args_of(j)};
    for (int32_t r = 0, i = 0; r < g->n_runs; r++)
        for (int64_t x = 0; x < g->run[r].len; x++)
            c.a.limit[i++] = static_cast<int32_t>(keys_up_to(&j->in->k->gid, g->run[r].start + x));
    c.a.n_keys = c.a.limit[c.a.n_q - 1];
    return split_and_run(j, &c, shape_of(c.a), c.a.n_keys, SB_DECODE_SPLIT_KEYS);
}

/* About how many keys a plan selects for a row block: its numbers, and its lists' room. */
int64_t keys_selected(const sb_plan *p, int64_t n_keys)
{
    const sb_csr *list[2] = {&p->tiles, &p->tokens};
    int64_t       n       = 0;
    if (p->parts & SB_PART_WINDOW)
        n = sb_plan_window_is_plain(p) && p->form.head == nullptr && p->window_tokens < n_keys &&
                    p->sink_tokens < n_keys
                ? p->sink_tokens + p->window_tokens + QUERIES
                : n_keys;
    for (int i = 0; i < 2; i++)
        if (p->parts & (i == 0 ? SB_PART_TILES : SB_PART_TOKENS))
            n += list[i]->capacity / (list[i]->n_heads * p->n_rows) * list[i]->width_tokens +
                 list[i]->width_tokens;
    return n < n_keys ? n : n_keys;
}

/* 1: all heads of a KV head see the same keys. */
bool heads_agree(const sb_plan *p)
{
    return !((p->parts & SB_PART_TILES) && p->tiles.n_heads > 1) &&
           !((p->parts & SB_PART_TOKENS) && p->tokens.n_heads > 1) && p->slots.n_heads <= 1 &&
           !((p->parts & SB_PART_WINDOW) && p->form.head != nullptr);
}

sb_status run_plan(const sbi_cuda_job *j)
{
    const sb_gid  *g       = &j->in->q->gid;
    const sb_plan *p       = j->plan;
    call<PLANNED>  c       = {args_of(j), {}};
    int32_t        n_units = 0, rows = 0;
    int64_t        last_block = -1;
    c.p.keys                  = plan_keys_of(p, &j->in->k->gid);
    c.p.fold                  = heads_agree(p) ? c.a.group : 1;
    for (int32_t r = 0, i = 0; r < g->n_runs; r++)
        for (int64_t x = 0; x < g->run[r].len; x++, i++) {
            const int64_t gid   = g->run[r].start + x;
            const int64_t block = plan_has_lists(p) ? gid / p->row_tokens : 0;
            if (x == 0 || block != last_block)
                c.p.units[n_units++] = {i, 0};
            unit *u    = &c.p.units[n_units - 1];
            last_block = block;
            c.p.gid[i] = static_cast<int32_t>(gid);
            rows       = ++u->n * c.p.fold > rows ? u->n * c.p.fold : rows;
        }
    c.p.unit_tiles = rows > 16 ? (rows + 31) / 32 : 1;
    shape s = {0, int64_t(n_units) * (c.a.group / c.p.fold) * c.p.unit_tiles, rows > 16 ? 32 : 16};
    return split_and_run(j, &c, s, keys_selected(p, j->in->k->tokens), FOUND_KEYS);
}
} // namespace

const char *sbi_attend_decode_refusal(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    if (j->ctx->step != nullptr && (q->tokens != 1 || j->plan != nullptr))
        return "a plan or several queries";
    if (q->tokens > QUERIES)
        return "more than 16 queries";
    if (q->tokens * (q->heads / k->heads) > ROWS_MAX)
        return "more than 64 rows (queries x query heads of a KV head)";
    if (j->plan != nullptr && (k->gid.n_runs < 1 || k->gid.n_runs > K_RUNS))
        return "a plan, and keys in no run or more than 8";
    if (plan_has_lists(j->plan) && (j->plan->n_rows < 1 || j->plan->row_tokens < 1))
        return "no row block";
    return k->heads > USHRT_MAX ? "more than 65535 KV heads" : nullptr;
}

sb_status sbi_attend_decode_cuda(const sbi_cuda_job *j)
{
    if (j->ctx->step != nullptr)
        return run_step(j);
    return j->plan != nullptr ? run_plan(j) : run_dense(j);
}
