/* Products of groups by antidiagonals, and what their softmax needs (antidiagonal_device.h).
 *
 * Persistent CTAs of a producer warp and two consumer warpgroups; a warpgroup takes 64 of a tile's
 * 128 rows, all of its 256 columns. The inner dimension goes by in steps of 64 dims: token t of the
 * keys' groups against token s - 1 - t of the queries', so that reversing costs nothing.
 *
 * Items: heads, then sets of 8 x 128 rows, then column tiles, then the rows of the set: CTAs that
 * run together share what they read, by L2. Rows are local; which group of the sequence one is, and
 * so what it sees, follows from the table of row blocks: of several runs two or three reads an
 * item, those for the mask before its products.
 *
 * Shared memory: 4 stages of 128 + 256 rows of 128 bytes, 192 KiB. A step reads 48 KiB for 4 MFLOP:
 * bound by the matrix unit, with the epilogue (32768 exponentials a tile) beside it. */
#include <cuda_bf16.h>

#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/antidiagonal_device.h"
#include "kernels/exec/sm90_map.cuh"
#include "kernels/exec/sm90_ptx.cuh"

namespace
{
enum {
    ROWS    = SB_ANTIDIAGONAL_ROWS,
    COLS    = SB_ANTIDIAGONAL_TILE,
    THREADS = 384,
    STAGES  = 4,
    SETS    = 8, /* of rows that take turns; 4 and 16 are no faster */
    A_BYTES = ROWS * 128,
    B_BYTES = COLS * 128,
    STAGE   = A_BYTES + B_BYTES,
    SHARED  = STAGES * STAGE + 1024 + 128, /* alignment, barriers */
};

struct score_args {
    float         *sum, *top;
    const int32_t *row_id;                      /* NULL: first_id and those after it */
    int64_t        n_blocks, n_tiles, n_groups; /* strides of the batch */
    int32_t        first_set, end_set;
    int32_t        first_id, n_rows; /* row blocks */
    int32_t        groups, set_rows; /* of a row block, row blocks of a set */
    int32_t        heads, group;     /* group: query heads of a KV head */
    int32_t        per_head;         /* items */
    int32_t        steps;            /* of 64 dims */
    int32_t        dim_steps, stride;
    int32_t        q_first; /* local group that row 0 of the queries' map is */
    float          factor2;
    int32_t        round_raw;
};

struct tile {
    int32_t head, set, col; /* row group set * ROWS, key group col * COLS */
};

/* Sets that take turns, [set, set + n), and a head's items of theirs, [begin, begin + items). */
struct turn {
    int32_t head, set, n, begin, items;
};

#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
/* Those past the end count as the last one: nobody reads what comes of them. */
static __device__ __forceinline__ int32_t row_block(const score_args &a, int32_t row)
{
    row = min(row, a.n_rows - 1);
    return a.row_id != nullptr ? __ldg(a.row_id + row) : a.first_id + row;
}

/* Column tiles that the rows of sets up to this one look at: rows ascend. */
static __device__ __forceinline__ int32_t columns(const score_args &a, int32_t set)
{
    return sb_antidiagonal_tiles(row_block(a, (set + 1) * a.set_rows - 1), a.groups);
}

static __device__ void enter(const score_args &a, int32_t set, int32_t begin, turn *at)
{
    at->set   = set;
    at->n     = min(SETS, a.end_set - set);
    at->begin = begin;
    at->items = at->n * columns(a, set + at->n - 1);
}

/* false: all of it lies in the future. at: of the item before, which is an earlier one; its head
 * is -1 at first. */
static __device__ bool take(const score_args &a, int32_t item, turn *at, tile *out)
{
    const int32_t left = item % a.per_head;
    out->head          = item / a.per_head;
    if (out->head != at->head) {
        at->head = out->head;
        enter(a, a.first_set, 0, at);
    }
    while (left - at->begin >= at->items)
        enter(a, at->set + at->n, at->begin + at->items, at);
    out->set = at->set + (left - at->begin) % at->n;
    out->col = (left - at->begin) / at->n;
    return out->col < columns(a, out->set);
}

static __device__ void produce(const score_args &a, uint32_t base, uint32_t full, uint32_t empty,
                               const CUtensorMap *mq, const CUtensorMap *mk)
{
    const int32_t items = a.per_head * a.heads;
    uint32_t      it    = 0;
    turn          now   = {};
    tile          t;
    now.head = -1;
    for (int32_t item = static_cast<int32_t>(blockIdx.x); item < items; item += gridDim.x) {
        if (!take(a, item, &now, &t))
            continue;
        for (int32_t step = 0; step < a.steps; step++, it++) {
            const uint32_t st = it % STAGES, at = base + st * STAGE;
            const int32_t  token = step / a.dim_steps, part = step % a.dim_steps;
            mbar_wait(empty + 8 * st, ((it / STAGES) & 1) ^ 1);
            mbar_expect(full + 8 * st, STAGE);
            tma_load(at, mq, full + 8 * st, 64 * ((a.stride - 1 - token) * a.dim_steps + part),
                     t.set * ROWS - a.q_first, t.head);
            tma_load(at + A_BYTES, mk, full + 8 * st, 64 * step, t.col * COLS, t.head / a.group);
        }
    }
}

/* v[g] is to be summed over the four lanes of a row; lane q gets the sum of v[q]. */
static __device__ __forceinline__ float sum_to_lane(float v0, float v1, float v2, float v3, int q)
{
    const bool odd = q & 1, high = q & 2;
    float      a = odd ? v1 : v0, b = odd ? v3 : v2;
    a += __shfl_xor_sync(~0u, odd ? v0 : v1, 1);
    b += __shfl_xor_sync(~0u, odd ? v2 : v3, 1);
    return (high ? b : a) + __shfl_xor_sync(~0u, high ? a : b, 2);
}

/* This thread's part of the sum of key block b of the tile, in its row 8i. */
template <int G> static __device__ __forceinline__ float part(const float (&s)[128], int b, int i)
{
    float x = 0.0f;
#pragma unroll
    for (int j = b * (G / 8); j < (b + 1) * (G / 8); j++)
        x += s[4 * j + 2 * i] + s[4 * j + 2 * i + 1];
    return x;
}

/* This thread's first row of a set; the other one lies 8 further. */
static __device__ __forceinline__ int row_of(int group)
{
    const int tid = threadIdx.x & 127;
    return group * 64 + 16 * (tid >> 5) + ((tid & 31) >> 2);
}

/* Which groups of the sequence the two rows are. */
template <int G>
static __device__ __forceinline__ void find_own(const score_args &a, const tile &t, int group,
                                                int32_t (&own)[2])
{
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const uint32_t local = static_cast<uint32_t>(t.set * ROWS + row_of(group) + 8 * i);
        own[i] =
            row_block(a, static_cast<int32_t>(local / G)) * G + static_cast<int32_t>(local % G);
    }
}

template <int G>
static __device__ __forceinline__ void finish(const score_args &a, const tile &t, int group,
                                              const int32_t (&own)[2], float (&s)[128])
{
    enum { BLOCKS = COLS / G };
    const int lane = threadIdx.x & 31, q = lane & 3, row = row_of(group);
    if (a.round_raw) {
#pragma unroll
        for (int e = 0; e < 128; e++)
            s[e] = __bfloat162float(__float2bfloat16_rn(s[e]));
    }
    if (t.col * COLS + COLS > own[0] - (lane >> 2)) { /* the same for the warp: its first row */
        /* columns of a row up to its own; none: nobody reads what comes of it */
        const int see[2] = {own[0] - t.col * COLS + 1, own[1] - t.col * COLS + 1};
#pragma unroll
        for (int e = 0; e < 128; e++)
            if (8 * (e >> 2) + 2 * q + (e & 1) >= see[(e >> 1) & 1])
                s[e] = -INFINITY;
    }
#pragma unroll
    for (int i = 0; i < 2; i++) {
        float m = s[2 * i];
#pragma unroll
        for (int j = 0; j < 32; j++)
            m = fmaxf(m, fmaxf(s[4 * j + 2 * i], s[4 * j + 2 * i + 1]));
        m = fmaxf(m, __shfl_xor_sync(~0u, m, 1));
        m = fmaxf(m, __shfl_xor_sync(~0u, m, 2)) * a.factor2;
#pragma unroll
        for (int j = 0; j < 32; j++) {
            s[4 * j + 2 * i]     = ex2(fmaf(s[4 * j + 2 * i], a.factor2, -m));
            s[4 * j + 2 * i + 1] = ex2(fmaf(s[4 * j + 2 * i + 1], a.factor2, -m));
        }
        const int64_t at =
            static_cast<int64_t>(t.head) * a.n_groups + (t.set - a.first_set) * ROWS + row + 8 * i;
        float *to = a.sum + at * a.n_blocks + t.col * BLOCKS;
        if (q == 0)
            a.top[at * a.n_tiles + t.col] = m;
        if (BLOCKS == 8) {
            float2 x;
            x.x = sum_to_lane(part<G>(s, 0, i), part<G>(s, 2, i), part<G>(s, 4, i),
                              part<G>(s, 6 % BLOCKS, i), q);
            x.y = sum_to_lane(part<G>(s, 1, i), part<G>(s, 3, i), part<G>(s, 5, i),
                              part<G>(s, 7 % BLOCKS, i), q);
            *reinterpret_cast<float2 *>(to + 2 * q) = x;
        } else {
#pragma unroll
            for (int b = 0; b < BLOCKS; b += 16) {
                float x[4];
#pragma unroll
                for (int g = 0; g < 4; g++)
                    x[g] = sum_to_lane(part<G>(s, (b + g) % BLOCKS, i),
                                       part<G>(s, (b + g + 4) % BLOCKS, i),
                                       part<G>(s, (b + g + 8) % BLOCKS, i),
                                       part<G>(s, (b + g + 12) % BLOCKS, i), q);
                *reinterpret_cast<float4 *>(to + b + 4 * q) = make_float4(x[0], x[1], x[2], x[3]);
            }
        }
    }
}

template <int G>
static __device__ void consume(const score_args &a, uint32_t base, uint32_t full, uint32_t empty,
                               int group)
{
    const int32_t  items = a.per_head * a.heads;
    const int      lane  = threadIdx.x & 31;
    const uint64_t a0    = wgmma_matrix(base + group * 64 * 128, 16, 1024);
    const uint64_t b0    = wgmma_matrix(base + A_BYTES, 16, 1024);
    uint32_t       it    = 0;
    turn           now   = {};
    tile           t;
    now.head = -1;
    for (int32_t item = static_cast<int32_t>(blockIdx.x); item < items; item += gridDim.x) {
        if (!take(a, item, &now, &t))
            continue;
        float   s[128];
        int32_t own[2];
        find_own<G>(a, t, group, own);
        for (int32_t step = 0; step < a.steps; step++, it++) {
            const uint32_t st = it % STAGES;
            const uint64_t to = static_cast<uint64_t>(st) * (STAGE >> 4);
            mbar_wait(full + 8 * st, (it / STAGES) & 1);
            wgmma_fence();
#pragma unroll
            for (int k = 0; k < 4; k++)
                wgmma_qk(s, a0 + to + 2 * k, b0 + to + 2 * k, step + k != 0);
            wgmma_commit();
            wgmma_wait_one(s);
            if (step > 0)
                release(empty + 8 * ((it - 1) % STAGES), lane);
        }
        wgmma_wait_all(s);
        release(empty + 8 * ((it - 1) % STAGES), lane);
        finish<G>(a, t, group, own, s);
    }
}
#endif

template <int G>
__global__ void __launch_bounds__(THREADS, 1)
    antidiagonal_scores(const __grid_constant__ score_args  a,
                        const __grid_constant__ CUtensorMap mq,
                        const __grid_constant__ CUtensorMap mk)
{
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    extern __shared__ uint8_t raw[];
    const uint32_t            base = (smem_address(raw) + 1023u) & ~1023u;
    const uint32_t            full = base + STAGES * STAGE, empty = full + 8 * STAGES;
    if (threadIdx.x == 0) {
        for (int i = 0; i < STAGES; i++) {
            mbar_init(full + 8 * i, 1);
            mbar_init(empty + 8 * i, 8); /* one arrival a consumer warp */
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    __syncthreads();
    if (threadIdx.x < 128) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 0)
            produce(a, base, full, empty, &mq, &mk);
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        consume<G>(a, base, full, empty, static_cast<int>(threadIdx.x >> 7) - 1);
    }
#endif
}

/* ---- host ---- */

template <int G>
sb_status launch(const score_args &a, const CUtensorMap &mq, const CUtensorMap &mk,
                 cudaStream_t stream)
{
    auto      kernel = antidiagonal_scores<G>;
    int       device = 0, sms = 0;
    sb_status st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                          static_cast<int>(SHARED)));
    if (st != SB_OK)
        return st;
    const int items = a.per_head * a.heads;
    kernel<<<static_cast<unsigned>(items < sms ? items : sms), THREADS, SHARED, stream>>>(a, mq,
                                                                                          mk);
    return sb_cuda_status(cudaGetLastError(), "launch of antidiagonal_scores");
}

/* Tokens as whole groups: as they stand, or as begin() has copied them. */
sb_status map_groups(sbi_encode_fn encode, const sb_tensor *t, const sb_bf16 *whole, sb_run run,
                     int64_t stride, int rows, CUtensorMap *out)
{
    const int64_t n = (run.start + run.len + stride - 1) / stride - run.start / stride;
    if (whole != nullptr)
        return sbi_make_map(encode, whole, t->heads, n, stride * t->dim, n * stride * t->dim, rows,
                            out);
    return sbi_make_map(encode, static_cast<const sb_bf16 *>(t->data), t->heads, n, stride * t->dim,
                        t->head_stride, rows, out);
}

/* Zeros, and the run's tokens in their places. */
sb_status copy_groups(const sb_tensor *t, sb_bf16 *whole, sb_run run, int64_t stride,
                      cudaStream_t stream)
{
    if (whole == nullptr)
        return SB_OK;
    const int64_t first = run.start / stride * stride;
    const int64_t end   = (run.start + run.len + stride - 1) / stride * stride;
    const size_t  token = static_cast<size_t>(t->dim) * sizeof(sb_bf16);
    const size_t  pitch = static_cast<size_t>(end - first) * token;
    const auto    heads = static_cast<size_t>(t->heads);
    sb_status     st    = SB_CUDA(cudaMemsetAsync(whole, 0, pitch * heads, stream));
    if (st == SB_OK)
        st = SB_CUDA(cudaMemcpy2DAsync(whole + (run.start - first) * t->dim, pitch, t->data,
                                       static_cast<size_t>(t->head_stride) * sizeof(sb_bf16),
                                       static_cast<size_t>(run.len) * token, heads,
                                       cudaMemcpyDeviceToDevice, stream));
    return st;
}
} // namespace

extern "C" sb_status sb_antidiagonal_device_begin(const sb_antidiagonal_device *a,
                                                  const sb_tensor *q, const sb_tensor *k,
                                                  void *stream)
{
    sb_status st = copy_groups(q, a->q_whole, a->q, a->stride_tokens, sb_cuda_stream(stream));
    if (st == SB_OK)
        st = copy_groups(k, a->k_whole, {0, a->n_keys}, a->stride_tokens, sb_cuda_stream(stream));
    return st;
}

extern "C" sb_status sb_antidiagonal_device_scores(const sb_antidiagonal_device *a,
                                                   const sb_antidiagonal_batch  *b,
                                                   const sb_tensor *q, const sb_tensor *k,
                                                   float factor, int32_t round_raw, void *stream_)
{
    auto          stream = sb_cuda_stream(stream_);
    sbi_encode_fn encode = nullptr;
    CUtensorMap   mq, mk;
    score_args    args = {};
    sb_status     st   = sbi_find_encoder(&encode);
    if (st == SB_OK)
        st = map_groups(encode, q, a->q_whole, a->q, a->stride_tokens, ROWS, &mq);
    if (st == SB_OK)
        st = map_groups(encode, k, a->k_whole, {0, a->n_keys}, a->stride_tokens, COLS, &mk);
    if (st != SB_OK)
        return st;
    args.sum       = a->sum;
    args.top       = a->top;
    args.row_id    = a->row_id;
    args.n_blocks  = b->n_blocks;
    args.n_tiles   = b->n_tiles;
    args.n_groups  = b->n_groups;
    args.first_set = static_cast<int32_t>(b->first_group / ROWS);
    args.end_set   = static_cast<int32_t>((b->first_group + b->n_groups) / ROWS);
    args.first_id  = static_cast<int32_t>(a->first_id);
    args.n_rows    = static_cast<int32_t>(a->n_rows);
    args.groups    = static_cast<int32_t>(a->groups);
    args.set_rows  = ROWS / args.groups;
    args.heads     = static_cast<int32_t>(a->heads);
    args.group     = static_cast<int32_t>(a->heads / a->kv_heads);
    args.stride    = static_cast<int32_t>(a->stride_tokens);
    args.dim_steps = static_cast<int32_t>(a->dim / 64);
    args.steps     = args.stride * args.dim_steps;
    args.q_first   = static_cast<int32_t>(a->q.start / a->stride_tokens);
    args.factor2   = static_cast<float>(static_cast<double>(factor) * 1.4426950408889634);
    args.round_raw = round_raw;
    for (int32_t set = args.first_set; set < args.end_set; set += SETS) {
        const int32_t n = args.end_set - set < SETS ? args.end_set - set : SETS;
        args.per_head += n * sb_antidiagonal_tiles(a->set_id[set + n - 1], args.groups);
    }
    switch (a->groups) {
    case 8:
        return launch<8>(args, mq, mk, stream);
    case 16:
        return launch<16>(args, mq, mk, stream);
    default:
        return launch<32>(args, mq, mk, stream);
    }
}
