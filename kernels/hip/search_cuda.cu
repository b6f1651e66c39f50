/* The tree search on a device [hip 3.1]: a warp searches for one head and query block, from the
 * first chunks to its list, and waits for nobody.
 *
 *   registers  the sampled queries, as columns of products 16 x 8 x 16
 *   shared     chunks, scores of their halves, a bit a half: 16.25 bytes a kept block
 *   score      16 keys at a time as rows, straight from memory by 16-byte loads; both operands have
 *              the same dims of a 64-byte run at the same place of a product
 *   keep       the M-th largest score bit by bit from counts, until a count is M; what is at or
 *              above it moves up, in order
 *
 * Warps of a CTA have the query heads of one KV head and query block, as far as there are: they
 * start from the same keys. Order: KV head outermost, then query blocks, last first.
 * Bound: keys out of L2, 2 * d bytes each. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/mma_cuda.cuh"
#include "kernels/hip/plan_cuda.h"

namespace
{
enum { WARPS = 4, THREADS = 32 * WARPS, CTAS = 3, COLUMNS = SBI_HIP_ASKED_MAX / 8 };

struct search {
    sb_hip_params             p;
    const sb_bf16            *q, *k;
    int64_t                   q_stride, k_stride, n_keys;
    const sbi_hip_device_row *row;
    const int64_t            *row_ptr;
    int32_t                  *id;
    int64_t                  *flops;
    int32_t                   n_rows, group, heads, kept, window, per_block; /* keys of a block */
};

/* One warp's places in shared memory. */
struct room {
    sbi_hip_chunk *now;   /* [M] */
    uint32_t      *key;   /* [2 M] */
    uint32_t      *stays; /* [2 M / 32] a bit a half */
};

/* Its 32-bit words. */
static SB_HOST_DEVICE int room_words(int kept) { return 4 * kept + (2 * kept + 31) / 32 + 3 & ~3; }

/* The sampled queries in registers: b[c] belongs to query 8 c + lane / 4. at: positions of those
 * whose products this lane gets, 8 c + 2 (lane % 4) + {0, 1}. */
template <int D> struct asked {
    uint4   b[COLUMNS][D / 32];
    int32_t before[COLUMNS][2]; /* keys before this one count */
    int32_t all_before;         /* and before this one for every query */
    int32_t n;
};

/* Token of sampled query i, of n; past the last one: the last. */
static __device__ __forceinline__ int32_t token_of(int32_t first_end, int32_t stride, int32_t n,
                                                   int32_t last, int32_t i)
{
    return n == 0 ? last : first_end + min(i, n - 1) * stride;
}

template <int D>
static __device__ __forceinline__ void load_asked(const search &a, const sbi_hip_device_row &row,
                                                  int64_t head, asked<D> *out)
{
    const int      lane   = threadIdx.x & 31;
    const int32_t  stride = static_cast<int32_t>(a.p.stride_q_tokens);
    const int32_t  first = static_cast<int32_t>(row.first), last = static_cast<int32_t>(row.last);
    const int32_t  end = (first / stride + 1) * stride - 1; /* of the first stride */
    const int32_t  n   = end > last ? 0 : (last - end) / stride + 1;
    const sb_bf16 *q   = a.q + head * a.q_stride + (row.slot - row.first) * D + 8 * (lane & 3);
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        const auto *from = reinterpret_cast<const uint4 *>(
            q + static_cast<int64_t>(token_of(end, stride, n, last, 8 * c + (lane >> 2))) * D);
#pragma unroll
        for (int j = 0; j < D / 32; j++)
            out->b[c][j] = __ldg(from + 4 * j);
#pragma unroll
        for (int i = 0; i < 2; i++)
            out->before[c][i] =
                token_of(end, stride, n, last, 8 * c + 2 * (lane & 3) + i) - a.window + 1;
    }
    out->all_before = token_of(end, stride, n, last, 0) - a.window + 1;
    out->n          = max(n, 1);
}

/* A score as a number whose order is that of the scores; 0 stands for no chunk. Not for NaN. */
static __device__ __forceinline__ uint32_t key_of(float score)
{
    const uint32_t bits = __float_as_uint(score + 0.0f); /* -0 becomes 0 */
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

/* Half c of the chunks: left (even) or right. */
static __device__ __forceinline__ sbi_hip_chunk half_of(const sbi_hip_chunk *chunk, int c)
{
    sbi_hip_chunk x    = chunk[c >> 1];
    const int32_t left = x.size / 2;
    if (c & 1) {
        x.start += left;
        x.size -= left;
    } else {
        x.size = left;
    }
    return x;
}

/* This lane's pieces of 16 keys of halves, and whose they are. */
template <int D> struct sample {
    uint4   x[2][D / 32];
    int32_t token[2]; /* past every token: none */
    int     half[2];
};

/* Keys [first, first + 16) of those that stand for n chunks' halves. */
template <int D>
static __device__ __forceinline__ void load_sample(const search &a, const sb_bf16 *k, const room &s,
                                                   int n, int first, sample<D> *out)
{
    const int     lane = threadIdx.x & 31;
    const int32_t bk = static_cast<int32_t>(a.p.block_k_tokens), per = a.per_block;
    const int32_t step = static_cast<int32_t>(a.p.stride_k_tokens);
#pragma unroll
    for (int h = 0; h < 2; h++) {
        const int i   = first + 8 * h + (lane >> 2);
        out->half[h]  = per == 1 ? i : per == 2 ? i >> 1 : i / per;
        out->token[h] = INT32_MAX / 2;
        if (out->half[h] < 2 * n) {
            const sbi_hip_chunk z = half_of(s.now, out->half[h]);
            if (z.size > 0)
                out->token[h] =
                    (z.start + z.size / 2) * bk + (i - out->half[h] * per) * step + step - 1;
        }
        const int64_t at   = min(static_cast<int64_t>(out->token[h]), a.n_keys - 1);
        const auto   *from = reinterpret_cast<const uint4 *>(k + at * D + 8 * (lane & 3));
#pragma unroll
        for (int j = 0; j < D / 32; j++)
            out->x[h][j] = __ldg(from + 4 * j);
    }
}

/* Their largest products into the keys of their halves. */
template <int D>
static __device__ __forceinline__ void score_sample(const search &a, const asked<D> &q,
                                                    const sample<D> &k, const room &s)
{
    float      top[2] = {-INFINITY, -INFINITY};
    const bool mask =
        __any_sync(~0u, k.token[0] >= q.all_before || k.token[1] >= q.all_before) != 0;
#pragma unroll
    for (int c = 0; c < COLUMNS; c++) {
        float y[4] = {0.0f, 0.0f, 0.0f, 0.0f};
#pragma unroll
        for (int j = 0; j < D / 32; j++) {
            const uint32_t lo[4] = {k.x[0][j].x, k.x[1][j].x, k.x[0][j].y, k.x[1][j].y};
            const uint32_t hi[4] = {k.x[0][j].z, k.x[1][j].z, k.x[0][j].w, k.x[1][j].w};
            sbi_mma(y, lo, q.b[c][j].x, q.b[c][j].y);
            sbi_mma(y, hi, q.b[c][j].z, q.b[c][j].w);
        }
        if (mask) {
#pragma unroll
            for (int i = 0; i < 4; i++)
                if (k.token[i >> 1] >= q.before[c][i & 1])
                    y[i] = -INFINITY;
        }
        top[0] = fmaxf(top[0], fmaxf(y[0], y[1])); /* what is no number never wins */
        top[1] = fmaxf(top[1], fmaxf(y[2], y[3]));
    }
#pragma unroll
    for (int h = 0; h < 2; h++) {
        top[h] = fmaxf(top[h], __shfl_xor_sync(~0u, top[h], 1));
        top[h] = fmaxf(top[h], __shfl_xor_sync(~0u, top[h], 2));
        if ((threadIdx.x & 3) == 0 && k.token[h] < a.n_keys)
            atomicMax(&s.key[k.half[h]], key_of(top[h]));
    }
}

/* Keys of the scores of both halves of n chunks; returns how many halves are not empty. */
template <int D>
static __device__ __forceinline__ int score_halves(const search &a, const sb_bf16 *k,
                                                   const asked<D> &q, const room &s, int n)
{
    const uint32_t none = key_of(-INFINITY);
    int            some = 0;
    for (int c = threadIdx.x & 31; c < 2 * n; c += 32) {
        const int is = half_of(s.now, c).size > 0;
        s.key[c]     = is ? none : 0u;
        some += is;
    }
    some = __reduce_add_sync(~0u, some);
    __syncwarp();
    for (int first = 0; first < 2 * n * a.per_block; first += 16) {
        sample<D> x;
        load_sample<D>(a, k, s, n, first, &x);
        score_sample<D>(a, q, x, s);
    }
    __syncwarp();
    return some;
}

/* The most-th largest of n keys, and how many equal to it are among the `most` largest. Not all of
 * them: n > most. */
static __device__ __forceinline__ uint32_t nth_largest(const uint32_t *key, int n, int most,
                                                       int *equal)
{
    const int lane = threadIdx.x & 31;
    uint32_t  any = 0, all = ~0u, value = 0;
    for (int i = lane; i < n; i += 32) {
        any |= key[i];
        all &= key[i];
    }
    any   = __reduce_or_sync(~0u, any);
    all   = __reduce_and_sync(~0u, all);
    value = all; /* bits that all have, and below the first other one nothing yet */
    if (any == all) {
        *equal = most;
        return all;
    }
    int bit = 31 - __clz(static_cast<int>(any ^ all));
    value   = bit == 31 ? 0u : all >> (bit + 1) << (bit + 1);
    for (; bit >= 0; bit--) {
        const uint32_t x     = value | 1u << bit;
        int            count = 0;
        for (int i = lane; i < n; i += 32)
            count += key[i] >= x;
        count = __reduce_add_sync(~0u, count);
        if (count >= most)
            value = x;
        if (count == most) { /* these are the ones, whatever the least of them is */
            *equal = most;
            return value;
        }
    }
    int above = 0;
    for (int i = lane; i < n; i += 32)
        above += key[i] > value;
    *equal = most - __reduce_add_sync(~0u, above);
    return value;
}

/* The best halves, in order, become the chunks; returns how many. They are written over the keys,
 * which become the place of the next ones. */
static __device__ __forceinline__ int keep_halves(const search &a, room &s, int n, int some)
{
    const int      lane  = threadIdx.x & 31;
    const unsigned below = (1u << lane) - 1;
    uint32_t       least = 1; /* all that are not empty */
    int            equal = 2 * n, count = 0;
    if (some > a.kept)
        least = nth_largest(s.key, 2 * n, a.kept, &equal);
    for (int first = 0; first < 2 * n; first += 32) {
        const int      c     = first + lane;
        const uint32_t key   = c < 2 * n ? s.key[c] : 0u;
        const unsigned same  = __ballot_sync(~0u, key == least);
        const bool     stays = key > least || (key == least && __popc(same & below) < equal);
        const unsigned kept  = __ballot_sync(~0u, stays);
        if (lane == 0)
            s.stays[first / 32] = kept;
        equal -= __popc(same);
    }
    __syncwarp();
    auto *next = reinterpret_cast<sbi_hip_chunk *>(s.key);
    for (int first = 0; first < 2 * n; first += 32) {
        const unsigned kept = s.stays[first / 32];
        if (kept >> lane & 1)
            next[count + __popc(kept & below)] = half_of(s.now, first + lane);
        count += __popc(kept);
    }
    s.key = reinterpret_cast<uint32_t *>(s.now);
    s.now = next;
    __syncwarp();
    return count;
}

/* The first chunks, in order; *largest: size of the largest one. */
static __device__ __forceinline__ int first_chunks(const search &a, const sbi_hip_device_row &row,
                                                   sbi_hip_chunk *out, int *largest)
{
    const int lane  = threadIdx.x & 31;
    int       count = 0, most = 0;
    for (int first = 0; first < a.kept; first += 32) {
        const int64_t  i    = first + lane;
        const int64_t  from = sbi_hip_bound(row.span.n, i, a.kept, row.align);
        const int64_t  to   = sbi_hip_bound(row.span.n, i + 1, a.kept, row.align);
        const int      size = i < a.kept ? static_cast<int>(to - from) : 0;
        const unsigned some = __ballot_sync(~0u, size > 0);
        if (size > 0) {
            sbi_hip_chunk &x = out[count + __popc(some & ((1u << lane) - 1))];
            x.start          = static_cast<int32_t>(row.span.first + from);
            x.size           = size;
        }
        count += __popc(some);
        most = max(most, size);
    }
    *largest = __reduce_max_sync(~0u, most);
    __syncwarp();
    return count;
}

template <int D> __global__ void __launch_bounds__(THREADS, CTAS) find_blocks(search a)
{
    extern __shared__ uint4 raw[];
    const int               lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int64_t           job = static_cast<int64_t>(blockIdx.x) * WARPS + warp;
    if (job >= static_cast<int64_t>(a.n_rows) * a.heads)
        return;
    const int64_t            per_kv = static_cast<int64_t>(a.n_rows) * a.group, kv = job / per_kv;
    const int64_t            in_kv = job - kv * per_kv, head = kv * a.group + in_kv % a.group;
    const int64_t            r   = a.n_rows - 1 - in_kv / a.group;
    const sbi_hip_device_row row = a.row[r];
    int32_t                 *id  = a.id + a.row_ptr[head * a.n_rows + r];
    if (row.span.all) {
        for (int i = lane; i < row.n_ids; i += 32)
            id[i] = static_cast<int32_t>(row.span.first) + i;
        return;
    }
    room s;
    s.key   = reinterpret_cast<uint32_t *>(raw) + warp * room_words(a.kept);
    s.now   = reinterpret_cast<sbi_hip_chunk *>(s.key + 2 * a.kept);
    s.stays = s.key + 4 * a.kept;
    asked<D> q;
    int      largest, halvings = 0;
    int64_t  keys = 0;
    load_asked<D>(a, row, head, &q);
    int n = first_chunks(a, row, s.now, &largest);
    while ((1 << halvings) < largest)
        halvings++;
    for (; halvings > 0; halvings--) {
        const int some = score_halves<D>(a, a.k + kv * a.k_stride, q, s, n);
        n              = keep_halves(a, s, n, some);
        keys += some * a.per_block;
    }
    for (int i = lane; i < min(n, row.n_ids); i += 32)
        id[i] = s.now[i].start;
    if (lane == 0)
        atomicAdd(reinterpret_cast<unsigned long long *>(a.flops),
                  static_cast<unsigned long long>(keys * q.n * 2 * D));
}

template <int D> sb_status launch(const search &a, cudaStream_t stream)
{
    const int64_t jobs  = static_cast<int64_t>(a.n_rows) * a.heads;
    const int     bytes = WARPS * room_words(a.kept) * 4;
    sb_status     st    = SB_CUDA(
               cudaFuncSetAttribute(find_blocks<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK || jobs == 0)
        return st;
    find_blocks<D><<<static_cast<unsigned>((jobs + WARPS - 1) / WARPS), THREADS,
                     static_cast<size_t>(bytes), stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of find_blocks");
}
} // namespace

extern "C" sb_status sbi_hip_search_cuda(const sb_hip_params *p, const sbi_hip_device *r,
                                         const sb_tensor *q, const sb_tensor *k,
                                         const sb_csr *tiles, void *stream)
{
    search a    = {};
    a.p         = *p;
    a.q         = static_cast<const sb_bf16 *>(q->data);
    a.k         = static_cast<const sb_bf16 *>(k->data);
    a.q_stride  = q->head_stride;
    a.k_stride  = k->head_stride;
    a.n_keys    = r->n_keys;
    a.row       = r->row;
    a.row_ptr   = tiles->row_ptr;
    a.id        = tiles->id;
    a.flops     = r->flops;
    a.n_rows    = static_cast<int32_t>(r->n_rows);
    a.group     = static_cast<int32_t>(r->group);
    a.heads     = static_cast<int32_t>(r->heads);
    a.kept      = static_cast<int32_t>(sbi_hip_blocks(p));
    a.window    = static_cast<int32_t>(p->window_tokens < r->n_keys ? p->window_tokens : r->n_keys);
    a.per_block = static_cast<int32_t>(p->block_k_tokens / p->stride_k_tokens);
    return r->dim == 64 ? launch<64>(a, sb_cuda_stream(stream))
                        : launch<128>(a, sb_cuda_stream(stream));
}
