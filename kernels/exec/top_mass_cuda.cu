/* Histograms of log probabilities on a device. A CTA holds those of four rows of one KV head in
 * shared memory, takes a chunk of the keys 64 at a time, a thread a (row, key), and adds what it
 * counted to the rows' histograms in device memory. Then a thread a row takes its best from them.
 *
 *   shared cell   | count: 16 bits | sum of p: 48 bits, in 2^-42 |     a chunk is below 2^16 keys
 *
 * Integers alone are added, so nothing depends on the order.
 * Bound: 2 loads from shared memory for 2 products, one of the two a clock and SM: about 12 ms for
 * 640 rows of a million keys; the atomics of keys that fall into one bin come on top. */
#include <cmath>

#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/top_mass.h"
#include "kernels/exec/top_mass_bins.h"

namespace
{
constexpr int     ROWS = 4, KEYS = 64, THREADS = ROWS * KEYS, BINS = SBI_TOP_MASS_BINS;
constexpr int     SUM_BITS    = 48;
constexpr int64_t CHUNK_LEAST = 16 * KEYS;
constexpr int64_t CHUNK_MOST  = 32768; /* keys: what a cell can count, with room */
constexpr int64_t BATCH       = 1024;  /* rows x heads whose histograms are there at a time */

using word            = unsigned long long;
constexpr float  ONE  = 1ull << 42;
constexpr double UNIT = 1.0 / (1ull << 42);

/* Histograms of [heads][n] rows: counts and sums apart. */
struct bins {
    uint32_t *count;
    word     *sum;
};

struct args {
    const sb_bf16 *q;   /* [heads][n][d] */
    const int64_t *gid; /* [n] */
    const float   *lse; /* [heads][n] */
    const sb_bf16 *k;
    int64_t        n, group, k_stride, chunk;
    float          scale;
    bins           to;
};

template <int D> struct shared_of {
    word     cell[ROWS][BINS];
    uint32_t k[KEYS][D / 2 + 1]; /* two values a word; an odd step: no bank twice */
    float    q[ROWS][D];
};

__device__ float low(uint32_t two) { return __uint_as_float(two << 16); }
__device__ float high(uint32_t two) { return __uint_as_float(two & 0xffff0000u); }

template <int D>
__device__ void load_keys(shared_of<D> *s, const sb_bf16 *k, int64_t first, int64_t end)
{
    for (int i = threadIdx.x; i < KEYS * D / 8; i += THREADS) {
        const int row = i / (D / 8), at = i % (D / 8);
        uint4     x = make_uint4(0, 0, 0, 0);
        if (first + row < end)
            x = __ldg(reinterpret_cast<const uint4 *>(k + (first + row) * D) + at);
        uint32_t *to = &s->k[row][4 * at];
        to[0]        = x.x;
        to[1]        = x.y;
        to[2]        = x.z;
        to[3]        = x.w;
    }
}

/* Grid: (chunk of keys, four rows of the KV head, KV head). */
template <int D> __global__ __launch_bounds__(THREADS) void count(const args a)
{
    extern __shared__ __align__(16) unsigned char raw[];
    auto                                         *s = reinterpret_cast<shared_of<D> *>(raw);
    const int                                     r = threadIdx.x / KEYS, key = threadIdx.x % KEYS;
    const int64_t  all = a.n * a.group, row0 = static_cast<int64_t>(blockIdx.y) * ROWS;
    const int64_t  last  = row0 + ROWS - 1 < all ? row0 + ROWS - 1 : all - 1;
    const int64_t  begin = static_cast<int64_t>(blockIdx.x) * a.chunk;
    const int64_t  seen  = a.gid[last / a.group] + 1; /* ids ascend: nobody sees more */
    const int64_t  end   = begin + a.chunk < seen ? begin + a.chunk : seen;
    const sb_bf16 *k     = a.k + static_cast<int64_t>(blockIdx.z) * a.k_stride;
    if (begin >= end)
        return;
    /* the place of a row among [heads][n] */
    const auto at = [&](int64_t row) {
        return (blockIdx.z * a.group + row % a.group) * a.n + row / a.group;
    };
    for (int i = threadIdx.x; i < ROWS * BINS; i += THREADS)
        s->cell[i / BINS][i % BINS] = 0;
    for (int i = threadIdx.x; i < ROWS * D; i += THREADS) {
        const int64_t row = row0 + i / D;
        s->q[i / D][i % D] =
            row <= last
                ? __uint_as_float(static_cast<uint32_t>(a.q[at(row) * D + i % D]) << 16) * a.scale
                : 0.0f;
    }
    const bool    mine = row0 + r <= last;
    const float   lse  = mine ? a.lse[at(row0 + r)] : 0.0f;
    const int64_t sees = mine ? a.gid[(row0 + r) / a.group] + 1 : 0;
    for (int64_t first = begin; first < end; first += KEYS) {
        __syncthreads(); /* nobody reads the keys before these any more; q and cells are there */
        load_keys<D>(s, k, first, end);
        __syncthreads();
        float x = 0.0f;
#pragma unroll 16
        for (int d = 0; d < D / 2; d++) {
            const uint32_t two = s->k[key][d];
            const float2   q   = *reinterpret_cast<const float2 *>(&s->q[r][2 * d]);
            x                  = fmaf(low(two), q.x, x);
            x                  = fmaf(high(two), q.y, x);
        }
        x -= lse;
        if (first + key < end && first + key < sees) {
            const word p = static_cast<word>(fminf(expf(x), 8.0f) * ONE);
            atomicAdd(&s->cell[r][sbi_top_mass_bin(x)], p + (word(1) << SUM_BITS));
        }
    }
    __syncthreads();
    for (int i = threadIdx.x; i < ROWS * BINS; i += THREADS) {
        const word    cell = s->cell[i / BINS][i % BINS];
        const int64_t row  = row0 + i / BINS;
        if (cell == 0 || row > last)
            continue;
        atomicAdd(&a.to.count[at(row) * BINS + i % BINS], static_cast<uint32_t>(cell >> SUM_BITS));
        atomicAdd(&a.to.sum[at(row) * BINS + i % BINS], cell & ((word(1) << SUM_BITS) - 1));
    }
}

/* The best keep[row] of a row's bins, row by row: [heads][n]. */
__global__ __launch_bounds__(THREADS) void best(bins from, const int64_t *keep, int64_t rows,
                                                double *mass)
{
    const int64_t row = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (row >= rows)
        return;
    sbi_top_mass_taken t = {keep[row], 0};
    for (int64_t b = row * BINS; b < (row + 1) * BINS && t.keep > 0; b++)
        sbi_top_mass_take(&t, from.count[b], static_cast<double>(from.sum[b]) * UNIT);
    mass[row] = t.mass;
}

template <int D> sb_status launch(const args &a, const dim3 &grid, cudaStream_t stream)
{
    constexpr int bytes = sizeof(shared_of<D>);
    sb_status     st =
        SB_CUDA(cudaFuncSetAttribute(count<D>, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    count<D><<<grid, THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of count");
}

/* Rows [first, first + n) of the call. */
struct batch {
    int64_t first, n;
};

/* One room on the device: histograms, ids, how many to keep and what they hold, lse, queries. */
struct room {
    unsigned char *at;
    int64_t        count_at, gid_at, keep_at, mass_at, lse_at, q_at, bytes;
};

room room_of(int64_t heads, int64_t n, int64_t dim)
{
    room r     = {};
    r.count_at = heads * n * BINS * static_cast<int64_t>(sizeof(word));
    r.gid_at   = r.count_at + heads * n * BINS * static_cast<int64_t>(sizeof(uint32_t));
    r.keep_at  = r.gid_at + n * static_cast<int64_t>(sizeof(int64_t));
    r.mass_at  = r.keep_at + heads * n * static_cast<int64_t>(sizeof(int64_t));
    r.lse_at   = r.mass_at + heads * n * static_cast<int64_t>(sizeof(double));
    r.q_at     = (r.lse_at + heads * n * static_cast<int64_t>(sizeof(float)) + 15) / 16 * 16;
    r.bytes    = r.q_at + heads * n * dim * static_cast<int64_t>(sizeof(sb_bf16));
    return r;
}

sb_status put(void *to, size_t to_step, const void *from, size_t from_step, size_t bytes,
              int64_t rows, cudaStream_t stream)
{
    return SB_CUDA(cudaMemcpy2DAsync(to, to_step, from, from_step, bytes, static_cast<size_t>(rows),
                                     cudaMemcpyHostToDevice, stream));
}

/* What the host knows of the rows of a call. */
struct rows {
    const sb_tensor *q;
    const int64_t   *gid, *keep;
    const float     *lse;
};

/* Fill the room and count. */
sb_status run(const room &r, const batch &b, const rows &of, const sb_tensor *k, float scale,
              cudaStream_t stream)
{
    const sb_tensor *q      = of.q;
    const size_t row    = static_cast<size_t>(q->dim) * sizeof(sb_bf16);
    const auto       n = static_cast<size_t>(b.n), all = static_cast<size_t>(q->tokens);
    args         a      = {};
    int          device = 0, sms = 0;
    sb_status    st = SB_CUDA(cudaGetDevice(&device));
    a.to       = {reinterpret_cast<uint32_t *>(r.at + r.count_at), reinterpret_cast<word *>(r.at)};
    a.gid      = reinterpret_cast<const int64_t *>(r.at + r.gid_at);
    a.lse      = reinterpret_cast<const float *>(r.at + r.lse_at);
    a.q        = reinterpret_cast<const sb_bf16 *>(r.at + r.q_at);
    a.k        = static_cast<const sb_bf16 *>(k->data);
    a.n        = b.n;
    a.group    = q->heads / k->heads;
    a.k_stride = k->head_stride;
    a.scale    = scale;
    if (st != SB_OK ||
        (st = SB_CUDA(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device))) !=
            SB_OK ||
        (st = SB_CUDA(cudaMemsetAsync(r.at, 0, static_cast<size_t>(r.gid_at), stream))) != SB_OK ||
        (st = put(r.at + r.gid_at, n * sizeof *of.gid, of.gid + b.first, n * sizeof *of.gid,
                  n * sizeof *of.gid, 1, stream)) != SB_OK ||
        (st = put(r.at + r.keep_at, n * sizeof *of.keep, of.keep + b.first, all * sizeof *of.keep,
                  n * sizeof *of.keep, q->heads, stream)) != SB_OK ||
        (st = put(r.at + r.lse_at, n * sizeof *of.lse, of.lse + b.first, all * sizeof *of.lse,
                  n * sizeof *of.lse, q->heads, stream)) != SB_OK ||
        (st = put(r.at + r.q_at, n * row, sb_tensor_bf16(q, 0, b.first),
                  static_cast<size_t>(q->head_stride) * sizeof(sb_bf16), n * row, q->heads,
                  stream)) != SB_OK)
        return st;
    const int64_t keys  = of.gid[b.first + b.n - 1] + 1;
    const int64_t tiles = (b.n * a.group + ROWS - 1) / ROWS;
    const int64_t waves = 8 * int64_t(sms) / (tiles * k->heads) + 1; /* chunks wanted */
    a.chunk             = (keys / waves + KEYS) / KEYS * KEYS;
    a.chunk = a.chunk < CHUNK_LEAST ? CHUNK_LEAST : a.chunk > CHUNK_MOST ? CHUNK_MOST : a.chunk;
    const dim3 grid(static_cast<unsigned>((keys + a.chunk - 1) / a.chunk),
                    static_cast<unsigned>(tiles), static_cast<unsigned>(k->heads));
    return q->dim == 64 ? launch<64>(a, grid, stream) : launch<128>(a, grid, stream);
}

/* What the best of the counted rows hold, to mass [heads][all rows]. */
sb_status take_best(const room &r, const batch &b, const sb_tensor *q, double *mass,
                    cudaStream_t stream)
{
    const auto    n = static_cast<size_t>(b.n), all = static_cast<size_t>(q->tokens);
    const int64_t rows = q->heads * b.n;
    const bins    from = {reinterpret_cast<uint32_t *>(r.at + r.count_at),
                          reinterpret_cast<word *>(r.at)};
    best<<<static_cast<unsigned>((rows + THREADS - 1) / THREADS), THREADS, 0, stream>>>(
        from, reinterpret_cast<const int64_t *>(r.at + r.keep_at), rows,
        reinterpret_cast<double *>(r.at + r.mass_at));
    const sb_status st = sb_cuda_status(cudaGetLastError(), "launch of best");
    return st != SB_OK ? st
                       : SB_CUDA(cudaMemcpy2DAsync(mass + b.first, all * sizeof *mass,
                                                   r.at + r.mass_at, n * sizeof *mass,
                                                   n * sizeof *mass, static_cast<size_t>(q->heads),
                                                   cudaMemcpyDeviceToHost, stream));
}

sb_status check(const sb_tensor *q, const int64_t *gid, const sb_tensor *k)
{
    if (k->heads < 1 || q->heads % k->heads != 0 || q->dim != k->dim ||
        (q->dim != 64 && q->dim != 128))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "top mass: found %lld query heads of %lld on %lld of %lld, allowed head_dim "
                       "64 and 128 on the cuda backend",
                       static_cast<long long>(q->heads), static_cast<long long>(q->dim),
                       static_cast<long long>(k->heads), static_cast<long long>(k->dim));
    for (int64_t i = 0; i < q->tokens; i++)
        if (gid[i] < 0 || gid[i] >= k->tokens || (i > 0 && gid[i] < gid[i - 1]))
            return sb_fail(SB_ERR_INTERNAL, "top mass: row %lld, keys up to %lld",
                           static_cast<long long>(gid[i]), static_cast<long long>(k->tokens));
    return SB_OK;
}
} // namespace

extern "C" sb_status sb_top_mass_cuda(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                                      const sb_tensor *k, float scale, const float *lse,
                                      const int64_t *keep, double *mass)
{
    cudaStream_t  stream = sb_cuda_stream(ctx->stream);
    const int64_t most   = BATCH / q->heads > 1 ? BATCH / q->heads : 1;
    sb_status     st     = check(q, row_gid, k);
    if (st != SB_OK || q->tokens == 0)
        return st;
    const rows of    = {q, row_gid, keep, lse};
    room       r     = room_of(q->heads, q->tokens < most ? q->tokens : most, q->dim);
    void      *there = nullptr;
    if ((st = sbi_cuda_scratch(static_cast<size_t>(r.bytes), stream, &there)) != SB_OK)
        return st;
    for (int64_t first = 0; st == SB_OK && first < q->tokens; first += most) {
        const batch b = {first, q->tokens - first < most ? q->tokens - first : most};
        r             = room_of(q->heads, b.n, q->dim);
        r.at          = static_cast<unsigned char *>(there);
        if ((st = run(r, b, of, k, scale, stream)) == SB_OK)
            st = take_best(r, b, q, mass, stream);
    }
    const sb_status freed = SB_CUDA(cudaFreeAsync(there, stream));
    const sb_status done  = SB_CUDA(cudaStreamSynchronize(stream));
    return st != SB_OK ? st : freed != SB_OK ? freed : done;
}
