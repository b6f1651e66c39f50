/* Dense attention of few queries over many keys (decode), on any device from compute capability 8.0
 * on: the keys are split over the device, each split leaves partial (o, lse), a second kernel
 * (merge_lse_cuda.cu) folds them in the order of the keys.
 *
 * All query heads of a KV head are rows of one tile, row = query * group + head in group, so that K
 * and V are read once: 16 or 32 rows a CTA, further ones in CTAs of their own over the same keys at
 * the same time (L2 serves the second). Each of four warps has a ring of three stages in shared
 * memory to itself, of 2048/d keys of K and V (8 KiB), and folds every fourth stage's worth of the
 * CTA's keys by mma.sync m16n8k16: no barrier between warps until all are through, then one merge.
 *
 * Keys at hand ascend in id, so a row sees the first `limit` of them, however many runs they have.
 *
 * Grid: (split, KV head, row block), two CTAs an SM.
 * Shared memory: ring 96 KiB, Q up to 8 KiB.
 * Bound: 4 * d bytes of device memory a key and KV head, once; 16 rows of products are 16 FLOP a
 * byte. CUDA.md has the measurements. */
#include <climits>

#include "kernels/base/host_device.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/merge_lse_cuda.cuh"
#include "kernels/exec/mma_cuda.cuh"

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
    QUERIES     = 16, /* most query tokens */
    ROWS_MAX    = 64, /* most rows of a KV head: past this the prefill kernels win */
    SPLIT_KEYS  = 256 /* fewer keys are no work for a CTA */
};

SB_HOST_DEVICE constexpr int keys_of(int d) { return TILE_BYTES / 2 / d; }
SB_HOST_DEVICE constexpr int shared_bytes(int d, int tiles)
{
    return WARPS * RING_BYTES + tiles * 16 * d * 2;
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

template <int D, int MT> struct rows {
    float   o[MT][D / 8][4];
    float   m[MT][2], l[MT][2]; /* l: this lane's part of the sum */
    int32_t limit[MT][2];
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

/* Rows of this tile into shared memory; absent ones are zeros. */
template <int D, int MT>
__device__ void load_q(const decode_args &a, uint32_t room, int kv, int row0)
{
    for (int i = threadIdx.x; i < MT * 16 * D / 8; i += THREADS) {
        const int     r = i / (D / 8), c = i % (D / 8), row = row0 + r;
        const bool    real = row < a.n_rows;
        const int64_t head = kv * a.group + (real ? row % a.group : 0);
        sbi_copy_16(room + at_chunk<D>(r, c),
                    a.q + head * a.q_stride + (real ? row / a.group : 0) * int64_t(D) + 8 * c,
                    real);
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

/* Fold one stage into the rows. key: its first. */
template <int D, int MT>
__device__ void fold(rows<D, MT> &r, const uint32_t (&q)[MT][D / 16][4], uint32_t stage,
                     int32_t key, int32_t all_see, float c, int lane)
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
    if (key + keys_of(D) > all_see)
#pragma unroll
        for (int i = 0; i < MT; i++)
#pragma unroll
            for (int j = 0; j < N; j++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    if (key + 8 * j + 2 * (lane & 3) + (e & 1) >= r.limit[i][e >> 1])
                        s[i][j][e] = -INFINITY;
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

/* The warps' parts, one after the other, as the CTA's partial (o, lse). room: of the rings. */
template <int D, int MT>
__device__ void merge_warps(rows<D, MT> &r, const decode_args &a, float *room, int kv, int row0)
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
            if (row0 + 16 * i + (lane >> 2) + 8 * h >= a.n_rows)
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
        if (row0 + row >= a.n_rows)
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
        const int64_t head = kv * a.group + (row0 + row) % a.group;
        const int64_t to   = blockIdx.x * a.part_rows + head * a.n_q + (row0 + row) / a.group;
        a.o[to * D + x]    = sum == 0.0f ? 0.0f : y / sum; /* NaN stays NaN */
        if (x == 0)
            a.lse[to] = sum == 0.0f ? -INFINITY : top * a.scale + logf(sum);
    }
}

template <int D, int MT>
__global__ void __launch_bounds__(THREADS, CTAS_PER_SM)
    decode_split(const __grid_constant__ decode_args a)
{
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 800
    extern __shared__ __align__(128) unsigned char raw[];
    constexpr int                                  KEYS = keys_of(D);
    const int                                      lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int                                      kv = blockIdx.y, row0 = blockIdx.z * 16 * MT;
    const uint32_t ring  = static_cast<uint32_t>(__cvta_generic_to_shared(raw)) + warp * RING_BYTES;
    const int64_t  tiles = (a.n_keys + KEYS - 1) / KEYS;
    const int32_t  begin = static_cast<int32_t>(tiles * blockIdx.x / gridDim.x);
    const int32_t  end   = static_cast<int32_t>(tiles * (blockIdx.x + 1) / gridDim.x);
    const sb_bf16 *k = a.k + kv * a.k_stride, *v = a.v + kv * a.v_stride;
    uint32_t       q[MT][D / 16][4];
    rows<D, MT>    r;

    sbi_let_next_start();
    const uint32_t q_room =
        static_cast<uint32_t>(__cvta_generic_to_shared(raw + WARPS * RING_BYTES));
    load_q<D, MT>(a, q_room, kv, row0);
    asm volatile("cp.async.commit_group;" ::: "memory");
#pragma unroll
    for (int i = 0; i < STAGES - 1; i++) {
        const int64_t tile = begin + warp + i * WARPS;
        if (tile < end)
            load_tile<D>(k, v, ring + i * STAGE_BYTES, tile * KEYS, a.n_keys, lane);
        asm volatile("cp.async.commit_group;" ::: "memory");
    }
    asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 1) : "memory"); /* Q is there */
    __syncthreads();
    read_q<D, MT>(q, q_room, lane);
#pragma unroll
    for (int i = 0; i < MT; i++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const int row = min(row0 + 16 * i + (lane >> 2) + 8 * h, a.n_rows - 1);
            r.limit[i][h] = a.limit[row / a.group];
            r.m[i][h]     = -INFINITY;
            r.l[i][h]     = 0.0f;
#pragma unroll
            for (int x = 0; x < D / 8; x++)
                r.o[i][x][2 * h] = r.o[i][x][2 * h + 1] = 0.0f;
        }
    const float   c       = a.scale * 1.4426950408889634f;
    const int32_t all_see = a.limit[0];
    int           slot    = 0;
    for (int32_t tile = begin + warp; tile < end; tile += WARPS) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 2) : "memory");
        __syncwarp(); /* all lanes' copies are there, and nobody reads the stage before any more */
        const int64_t next = static_cast<int64_t>(tile) + (STAGES - 1) * WARPS;
        const int     free = slot == 0 ? STAGES - 1 : slot - 1;
        if (next < end)
            load_tile<D>(k, v, ring + free * STAGE_BYTES, next * KEYS, a.n_keys, lane);
        asm volatile("cp.async.commit_group;" ::: "memory");
        fold<D, MT>(r, q, ring + slot * STAGE_BYTES, tile * KEYS, all_see, c, lane);
        slot = slot + 1 == STAGES ? 0 : slot + 1;
    }
    asm volatile("cp.async.wait_all;" ::: "memory");
    merge_warps<D, MT>(r, a, reinterpret_cast<float *>(raw), kv, row0);
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

template <int D, int MT>
sb_status launch(const decode_args &a, const dim3 &grid, cudaStream_t stream)
{
    sb_status st = SB_CUDA(cudaFuncSetAttribute(
        decode_split<D, MT>, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes(D, MT)));
    if (st != SB_OK)
        return st;
    decode_split<D, MT><<<grid, THREADS, shared_bytes(D, MT), stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of decode_split");
}

/* Both kernels, with room for n_splits partials. */
sb_status run(const sbi_cuda_job *j, decode_args *a, float *room, int32_t n_splits,
              int32_t row_tiles)
{
    const int     D = static_cast<int>(j->in->q->dim), tiles = a->n_rows > 16 ? 2 : 1;
    const dim3    grid(static_cast<unsigned>(n_splits), static_cast<unsigned>(j->in->k->heads),
                       static_cast<unsigned>(row_tiles));
    sbi_merge_job m = {};
    sb_status     st;
    a->o   = room;
    a->lse = room + n_splits * a->part_rows * D;
    if (D == 64)
        st = tiles == 1 ? launch<64, 1>(*a, grid, j->stream) : launch<64, 2>(*a, grid, j->stream);
    else
        st = tiles == 1 ? launch<128, 1>(*a, grid, j->stream) : launch<128, 2>(*a, grid, j->stream);
    if (st != SB_OK)
        return st;
    m.parts.o               = a->o;
    m.parts.lse             = a->lse;
    m.parts.o_part_stride   = a->part_rows * D;
    m.parts.o_row_stride    = D;
    m.parts.lse_part_stride = a->part_rows;
    m.parts.lse_row_stride  = 1;
    m.parts.n_parts         = n_splits;
    m.parts.rows            = a->part_rows;
    m.parts.dim             = D;
    m.dtype                 = j->out->o->dtype;
    m.o                     = j->out->o->data;
    m.lse                   = j->out->lse;
    m.rows_per_head         = a->n_q;
    m.head_stride           = j->out->o->head_stride;
    m.merge                 = j->out->mode == SB_OUT_MERGE;
    m.early                 = 1;
    return sbi_merge_lse_cuda(&m, j->stream);
}
} // namespace

const char *sbi_attend_decode_refusal(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    if (j->plan != nullptr)
        return "a plan";
    if (q->tokens > QUERIES)
        return "more than 16 queries";
    if (q->tokens * (q->heads / k->heads) > ROWS_MAX)
        return "more than 64 rows (queries x query heads of a KV head)";
    return k->heads > USHRT_MAX ? "more than 65535 KV heads" : nullptr;
}

sb_status sbi_attend_decode_cuda(const sbi_cuda_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k;
    decode_args      a      = {};
    int              device = 0, sms = 0;
    void            *room = nullptr;
    sb_status        st   = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device));
    if (st != SB_OK)
        return st;
    a.q         = static_cast<const sb_bf16 *>(q->data);
    a.k         = static_cast<const sb_bf16 *>(k->data);
    a.v         = static_cast<const sb_bf16 *>(j->in->v->data);
    a.q_stride  = q->head_stride;
    a.k_stride  = k->head_stride;
    a.v_stride  = j->in->v->head_stride;
    a.n_q       = static_cast<int32_t>(q->tokens);
    a.group     = static_cast<int32_t>(q->heads / k->heads);
    a.n_rows    = a.n_q * a.group;
    a.scale     = j->in->scale;
    a.part_rows = q->heads * q->tokens;
    for (int32_t r = 0, i = 0; r < q->gid.n_runs; r++)
        for (int64_t x = 0; x < q->gid.run[r].len; x++)
            a.limit[i++] = static_cast<int32_t>(keys_up_to(&k->gid, q->gid.run[r].start + x));
    a.n_keys                = a.limit[a.n_q - 1];
    const int32_t row_tiles = a.n_rows > 16 ? (a.n_rows + 31) / 32 : 1;
    /* as many equal parts as fit the device at once */
    int64_t n_splits = sms * CTAS_PER_SM / (k->heads * row_tiles);
    int64_t most     = (a.n_keys + SPLIT_KEYS - 1) / SPLIT_KEYS;
    n_splits         = n_splits < most ? n_splits : most;
    n_splits         = n_splits > 1 ? n_splits : 1;
    size_t bytes     = static_cast<size_t>(n_splits * a.part_rows * (q->dim + 1)) * sizeof(float);
    if ((st = sbi_cuda_scratch(bytes, j->stream, &room)) != SB_OK)
        return st;
    st = run(j, &a, static_cast<float *>(room), static_cast<int32_t>(n_splits), row_tiles);
    sb_status freed = SB_CUDA(cudaFreeAsync(room, j->stream));
    return st != SB_OK ? st : freed;
}
