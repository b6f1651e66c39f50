/* Two passes over the keys, each a CTA for a head and a chunk of keys: row maxima and sums, then
 * weights and their sums by column and by diagonal. Logits live in registers; the weights of a tile
 * pass through shared memory once.
 *
 *   tile of width x T logits, T * width = 8192:  a warp a square of 32 x 32
 *     columns    lane t adds (j, t), j = 0 .. 31
 *     diagonals  lane t adds (j, (t + j) % 32): first the diagonal t of the square, then t - 32
 *
 * Diagonals of neighbouring tiles are the same: a ring of T + width sums moves along with the
 * tiles, what leaves it is added to the result. Sums are integers of 2^-40.
 * Grid: heads x chunks, so that the heads of a group meet the same keys in L2. Shared memory: a
 * tile of K and one of weights as integers, 95 to 106 KiB at width 128 and 64, head_dim 128: two
 * CTAs an SM. Bytes: K once a pass out of device memory. Bound at 128K, 32 heads on 8, width 128: 2
 * x .09 ms by bytes, 2 x .18 ms by products at dense rate; expected 1.2 ms. */
#include <cfloat>
#include <cmath>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/exec/last_probe_device.h"
#include "kernels/exec/mma_cuda.cuh"

namespace
{
enum { THREADS = 256, SQUARE = 32, CHUNK_KEYS = 1024, ELEMENTS = 8192, PAD = 8 };

constexpr float LOG2_E = 1.44269504088896341f;

struct pass_args {
    sb_last_probe  p;
    const sb_bf16 *q, *k;
    int64_t        q_stride, k_stride, n_queries; /* of heads; rows of q */
    int            heads_per_kv, rounding;
    float          root, inverse; /* sqrt(dim), 1 over it */
};

template <int D, int R> struct tile {
    static constexpr int KEYS = ELEMENTS / R, STRIDE = KEYS + PAD, RING = KEYS + R;
    static constexpr int ROW_BYTES = D * 2, K_BYTES = KEYS * ROW_BYTES;
    static constexpr int ROW_GROUPS = R / 32, KEY_GROUPS = KEYS / 32;
    static constexpr int W_BYTES = R * STRIDE * 8;
    /* columns, diagonals from above and below */
    static constexpr int SUM_BYTES = 3 * 8 * SQUARE * 8;
    static constexpr int SHARED    = K_BYTES + W_BYTES + SUM_BYTES + R * 12;
};

__device__ __forceinline__ float round_bf16(float x)
{
    return __bfloat162float(__float2bfloat16_rn(x));
}

/* Keys [begin, begin + KEYS) into `to`, 16-byte pieces swizzled by the key; zeros past the end. */
template <int D, int R>
__device__ __forceinline__ void load_keys(const sb_bf16 *k, int64_t begin, int64_t n, uint32_t to)
{
    constexpr int PIECES = D / 8;
    for (int i = static_cast<int>(threadIdx.x); i < tile<D, R>::KEYS * PIECES; i += THREADS) {
        int     key = i / PIECES, piece = i % PIECES;
        int64_t row  = begin + key;
        bool    real = row < n;
        sbi_copy_16(to + static_cast<uint32_t>(key * D * 2 + ((piece ^ (key & 7)) * 16)),
                    k + (real ? row : 0) * D + piece * 8, real);
    }
    asm volatile("cp.async.commit_group;");
}

/* x / by, rounded to nearest, of numbers whose quotient is normal: no slow path, unlike /. */
__device__ __forceinline__ float quotient(float x, float by, float inverse)
{
    float q = x * inverse;
    return fmaf(fmaf(-q, by, x), inverse, q);
}

/* 32 queries of this warp as operands; rounded to bf16 after the division where asked. */
template <int D>
__device__ __forceinline__ void load_queries(const pass_args &a, const sb_bf16 *q, int first_row,
                                             uint32_t (&qf)[2][D / 16][4])
{
    int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int s = 0; s < D / 16; s++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int      row = first_row + m * 16 + (i % 2) * 8 + lane / 4;
                int      dim = s * 16 + (i / 2) * 8 + 2 * (lane % 4);
                uint32_t two = 0;
                if (row < a.p.n_rows)
                    two = *reinterpret_cast<const uint32_t *>(q + static_cast<int64_t>(row) * D +
                                                              dim);
                if (a.rounding == SB_PROBE_QUERIES) {
                    float lo = __uint_as_float(two << 16);
                    float hi = __uint_as_float(two & 0xffff0000u);
                    two      = sbi_pack_bf16(quotient(lo, a.root, a.inverse),
                                             quotient(hi, a.root, a.inverse));
                }
                qf[m][s][i] = two;
            }
}

/* op of each; what is no number becomes -inf, which weighs nothing. */
template <class OP> __device__ __forceinline__ void each(float (&x)[2][2][4], OP op)
{
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                x[m][n][i] = fminf(fmaxf(op(x[m][n][i]), -INFINITY), FLT_MAX);
}

/* Weights are powers of 2: logits are, too. */
__device__ __forceinline__ float power(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* x[m][n][2 h + e]: logit, times log2(e), of row 16 m + 8 h + lane / 4 and key 8 n + 2 (lane % 4) +
 * e of 32 rows and 16 keys; -inf where the row does not look. */
template <int D>
__device__ __forceinline__ void logits(const pass_args &a, const uint32_t (&qf)[2][D / 16][4],
                                       uint32_t keys, int first_row, int64_t first_key,
                                       float (&x)[2][2][4])
{
    int lane = static_cast<int>(threadIdx.x % 32);
#pragma unroll
    for (int n = 0; n < 2; n++) {
#pragma unroll
        for (int m = 0; m < 2; m++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                x[m][n][i] = 0.0f;
        int key = n * 8 + lane % 8;
#pragma unroll
        for (int s = 0; s < D / 32; s++) {
            uint32_t b[4];
            int      piece = s * 4 + lane / 8;
            sbi_ldmatrix(b, keys + static_cast<uint32_t>(key * D * 2 + ((piece ^ (key & 7)) * 16)));
#pragma unroll
            for (int m = 0; m < 2; m++) {
                sbi_mma(x[m][n], qf[m][2 * s], b[0], b[1]);
                sbi_mma(x[m][n], qf[m][2 * s + 1], b[2], b[3]);
            }
        }
    }
    if (a.rounding == SB_PROBE_EXACT)
        each(x, [&](float s) { return s * (a.inverse * LOG2_E); });
    else if (a.rounding == SB_PROBE_QUERIES)
        each(x, [&](float s) { return round_bf16(s) * LOG2_E; });
    else
        each(x, [&](float s) {
            return round_bf16(quotient(round_bf16(s), a.root, a.inverse)) * LOG2_E;
        });
    int64_t ahead = a.p.n_keys - a.p.n_rows + first_row - first_key; /* of row 0 and key 0 */
    if (ahead >= 15 && first_row + 32 <= a.p.n_rows)
        return;
#pragma unroll
    for (int m = 0; m < 2; m++)
#pragma unroll
        for (int n = 0; n < 2; n++)
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int row = m * 16 + (i / 2) * 8 + lane / 4, key = n * 8 + 2 * (lane % 4) + i % 2;
                if (key > ahead + row || first_row + row >= a.p.n_rows)
                    x[m][n][i] = -INFINITY;
            }
}

struct part {
    float  top;
    double sum;
};

__device__ __forceinline__ part merged(part a, part b)
{
    part out;
    out.top = fmaxf(a.top, b.top);
    if (out.top == -INFINITY)
        return part{-INFINITY, 0.0};
    out.sum = a.sum * static_cast<double>(power(a.top - out.top)) +
              b.sum * static_cast<double>(power(b.top - out.top));
    return out;
}

/* Four more logits of a row into its part. */
__device__ __forceinline__ void fold(part &to, float x0, float x1, float x2, float x3)
{
    float most = fmaxf(fmaxf(x0, x1), fmaxf(x2, x3));
    if (most > to.top) {
        to.sum *= static_cast<double>(power(to.top - most));
        to.top = most;
    }
    if (to.top > -INFINITY)
        to.sum += static_cast<double>((power(x0 - to.top) + power(x1 - to.top)) +
                                      (power(x2 - to.top) + power(x3 - to.top)));
}

/* What both passes begin with. */
template <int D, int R> struct place_of {
    const sb_bf16 *q, *k;
    int64_t        begin, end; /* keys of the chunk */
    int            first_row, first_key;
    __device__ explicit place_of(const pass_args &a)
    {
        int64_t head = a.p.head[blockIdx.x], warp = threadIdx.x / 32;
        q         = a.q + head * a.q_stride + (a.n_queries - a.p.n_rows) * D;
        k         = a.k + head / a.heads_per_kv * a.k_stride;
        begin     = static_cast<int64_t>(blockIdx.y) * CHUNK_KEYS;
        end       = begin + CHUNK_KEYS < a.p.n_keys ? begin + CHUNK_KEYS : a.p.n_keys;
        first_row = static_cast<int>(warp % tile<D, R>::ROW_GROUPS) * 32;
        first_key = static_cast<int>(warp / tile<D, R>::ROW_GROUPS) * 32;
    }
};

template <int D, int R> __global__ __launch_bounds__(THREADS, 2) void sum_rows(pass_args a)
{
    using t = tile<D, R>;
    extern __shared__ __align__(128) unsigned char shared[];
    uint32_t       keys = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    place_of<D, R> at(a);
    uint32_t       qf[2][D / 16][4];
    part           row[4]; /* rows 16 m + 8 h + lane / 4, at 2 m + h */
    for (auto &r : row)
        r = part{-INFINITY, 0.0};
    load_keys<D, R>(at.k, at.begin, a.p.n_keys, keys);
    load_queries<D>(a, at.q, at.first_row, qf);
    int stage = 0;
    for (int64_t begin = at.begin; begin < at.end; begin += t::KEYS, stage ^= 1) {
        asm volatile("cp.async.wait_all;");
        __syncthreads();
        if (begin + t::KEYS < at.end)
            load_keys<D, R>(at.k, begin + t::KEYS, a.p.n_keys,
                            keys + static_cast<uint32_t>((stage ^ 1) * t::K_BYTES));
#pragma unroll 1
        for (int key = at.first_key; key < at.first_key + 32; key += 16) {
            float x[2][2][4];
            logits<D>(a, qf, keys + static_cast<uint32_t>(stage * t::K_BYTES + key * t::ROW_BYTES),
                      at.first_row, begin + key, x);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const float *lo = x[i / 2][0] + 2 * (i % 2), *hi = x[i / 2][1] + 2 * (i % 2);
                fold(row[i], lo[0], lo[1], hi[0], hi[1]);
            }
        }
    }
    /* lanes of a row, then the warps that share it, in order */
    auto *of_warp = reinterpret_cast<part *>(shared); /* [KEY_GROUPS][R] */
    __syncthreads();
    for (int i = 0; i < 4; i++) {
        for (int step = 1; step < 4; step *= 2) {
            part other;
            other.top = __shfl_xor_sync(0xffffffffu, row[i].top, step);
            other.sum = __shfl_xor_sync(0xffffffffu, row[i].sum, step);
            row[i]    = merged(row[i], other);
        }
        if (threadIdx.x % 4 == 0)
            of_warp[at.first_key / 32 * R + at.first_row + i * 8 +
                    static_cast<int>(threadIdx.x % 32) / 4] = row[i];
    }
    __syncthreads();
    if (threadIdx.x < R) {
        part all = of_warp[threadIdx.x];
        for (int g = 1; g < t::KEY_GROUPS; g++)
            all = merged(all, of_warp[g * R + static_cast<int>(threadIdx.x)]);
        int64_t to =
            (static_cast<int64_t>(blockIdx.x) * a.p.n_chunks + blockIdx.y) * R + threadIdx.x;
        a.p.chunk_top[to] = all.top;
        a.p.chunk_sum[to] = all.sum;
    }
}

/* A warp a row of a head. A row without a single number gets unit 0: it weighs nothing. */
__global__ void normalise(sb_last_probe p, int rounding)
{
    int64_t row  = static_cast<int64_t>(blockIdx.x) * (THREADS / 32) + threadIdx.x / 32;
    int     lane = static_cast<int>(threadIdx.x % 32);
    if (row >= p.n_heads * p.width)
        return;
    int64_t from = row / p.width * p.n_chunks * p.width + row % p.width;
    part    all{-INFINITY, 0.0};
    for (int64_t c = lane; c < p.n_chunks; c += 32)
        all = merged(all, part{p.chunk_top[from + c * p.width], p.chunk_sum[from + c * p.width]});
    for (int step = 1; step < 32; step *= 2) {
        part other;
        other.top = __shfl_xor_sync(0xffffffffu, all.top, step);
        other.sum = __shfl_xor_sync(0xffffffffu, all.sum, step);
        all       = merged(all, other);
    }
    if (lane > 0)
        return;
    if (rounding == SB_PROBE_LOGITS)
        all.sum = static_cast<double>(static_cast<float>(all.sum));
    p.row_top[row]  = all.top > -INFINITY ? all.top : 0.0f;
    p.row_unit[row] = all.sum > 0.0 ? 0x1p40 / all.sum : 0.0;
}

/* The bits of e * unit + 2^52: round(e * unit) above those of 2^52. Widened by hand, as conversions
 * run at a quarter of the rate; numbers below 2^-126 become 2^-127, which rounds to 0 all the same.
 */
__device__ __forceinline__ uint64_t fixed(float e, double unit)
{
    uint32_t b = __float_as_uint(e);
    double   x =
        __hiloint2double(static_cast<int>((b >> 3) + 0x38000000u), static_cast<int>(b << 29));
    return static_cast<uint64_t>(__double_as_longlong(__dadd_rn(__dmul_rn(x, unit), 0x1p52)));
}

template <int D, int R> __global__ __launch_bounds__(THREADS, 2) void sum_weights(pass_args a)
{
    using t                    = tile<D, R>;
    constexpr uint64_t RAISED  = UINT64_C(0x4330000000000000); /* bits of 2^52 */
    constexpr int      COLUMNS = t::KEYS / SQUARE;             /* squares of a row of them */
    constexpr int      OWN     = (t::RING + THREADS - 1) / THREADS;
    extern __shared__ __align__(128) unsigned char shared[];
    uint32_t       keys   = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
    auto          *weight = reinterpret_cast<uint64_t *>(shared + t::K_BYTES);
    auto          *column = reinterpret_cast<uint64_t *>(shared + t::K_BYTES + t::W_BYTES);
    uint64_t      *above = column + 8 * SQUARE, *below = above + 8 * SQUARE;
    auto          *unit = reinterpret_cast<double *>(below + 8 * SQUARE);
    auto          *top  = reinterpret_cast<float *>(unit + R);
    place_of<D, R> at(a);
    uint32_t       qf[2][D / 16][4];
    uint64_t       ring[OWN] = {};
    int            shift = 0, tid = static_cast<int>(threadIdx.x), lane = tid % 32;
    int            square = tid / 32, square_row = square / COLUMNS, square_col = square % COLUMNS;
    uint64_t      *vertical = a.p.vertical + blockIdx.x * a.p.n_keys;
    uint64_t      *slash    = a.p.slash + blockIdx.x * a.p.n_keys;
    load_keys<D, R>(at.k, at.begin, a.p.n_keys, keys);
    load_queries<D>(a, at.q, at.first_row, qf);
    for (int i = tid; i < R; i += THREADS) {
        unit[i] = a.p.row_unit[blockIdx.x * R + i];
        top[i]  = a.p.row_top[blockIdx.x * R + i];
    }
    for (int64_t begin = at.begin; begin < at.end; begin += t::KEYS) {
        asm volatile("cp.async.wait_all;");
        __syncthreads();
        uint32_t any = 0;
#pragma unroll 1
        for (int key = at.first_key; key < at.first_key + 32; key += 16) {
            float x[2][2][4];
            logits<D>(a, qf, keys + static_cast<uint32_t>(key * t::ROW_BYTES), at.first_row,
                      begin + key, x);
#pragma unroll
            for (int i = 0; i < 4; i++) {
                int       row = at.first_row + i * 8 + lane / 4;
                float     off = top[row];
                double    u   = unit[row];
                uint64_t *to  = weight + row * t::STRIDE + key + 2 * (lane % 4);
#pragma unroll
                for (int n = 0; n < 2; n++) {
                    float e0 = power(x[i / 2][n][2 * (i % 2)] - off);
                    float e1 = power(x[i / 2][n][2 * (i % 2) + 1] - off);
                    any |= __float_as_uint(e0) | __float_as_uint(e1);
                    *reinterpret_cast<ulonglong2 *>(to + n * 8) =
                        make_ulonglong2(fixed(e0, u), fixed(e1, u));
                }
            }
        }
        if (__any_sync(0xffffffffu, any != 0) && lane == 0)
            a.p.seen[blockIdx.x * a.p.n_seen + (begin + at.first_key) / a.p.seen_tokens] = 1;
        __syncthreads();
        if (begin + t::KEYS < at.end)
            load_keys<D, R>(at.k, begin + t::KEYS, a.p.n_keys, keys);
        {
            const uint64_t *w    = weight + square_row * SQUARE * t::STRIDE + square_col * SQUARE;
            uint64_t        down = 0, across = 0, first = 0;
#pragma unroll 8
            for (int j = 0; j < SQUARE; j++) {
                down += w[j * t::STRIDE + lane];
                if (j == SQUARE - lane) /* round the corner: the diagonal of the square before */
                    first = across;
                across += w[j * t::STRIDE + ((lane + j) & 31)];
            }
            if (lane == 0)
                first = across;
            column[square * SQUARE + lane] = down - SQUARE * RAISED;
            above[square * SQUARE + lane]  = first - static_cast<uint64_t>(SQUARE - lane) * RAISED;
            below[square * SQUARE + lane]  = across - first - static_cast<uint64_t>(lane) * RAISED;
        }
        __syncthreads();
        if (tid < t::KEYS && begin + tid < a.p.n_keys) {
            uint64_t sum = 0;
            for (int r = 0; r < R / SQUARE; r++)
                sum += column[(r * COLUMNS + tid / SQUARE) * SQUARE + lane];
            vertical[begin + tid] = sum;
        }
        bool last = begin + t::KEYS >= at.end;
#pragma unroll
        for (int o = 0; o < OWN; o++) {
            int slot = tid + o * THREADS;
            if (slot >= t::RING)
                break;
            /* key - row of this slot, counted from the tile's first key: -R .. KEYS - 1 */
            int apart = slot - shift;
            apart     = (apart < 0 ? apart + t::RING : apart) - R;
            int m = apart >> 5, d = apart & 31;
            for (int r = 0; r < R / SQUARE; r++) {
                if (m + r >= 0 && m + r < COLUMNS)
                    ring[o] += above[(r * COLUMNS + m + r) * SQUARE + d];
                if (m + r + 1 >= 0 && m + r + 1 < COLUMNS)
                    ring[o] += below[(r * COLUMNS + m + r + 1) * SQUARE + d];
            }
            if (last || apart < t::KEYS - R) {
                int64_t distance = a.p.n_keys - a.p.n_rows - begin - apart;
                if (ring[o] > 0 && distance >= 0 && distance < a.p.n_keys)
                    atomicAdd(reinterpret_cast<unsigned long long *>(slash + distance),
                              static_cast<unsigned long long>(ring[o]));
                ring[o] = 0;
            }
        }
        shift = (shift + t::KEYS) % t::RING;
    }
}

template <int D, int R> sb_status launch(const pass_args &a, cudaStream_t stream)
{
    constexpr int bytes = tile<D, R>::SHARED;
    dim3          grid(static_cast<unsigned>(a.p.n_heads), static_cast<unsigned>(a.p.n_chunks));
    unsigned  rows = static_cast<unsigned>((a.p.n_heads * R + THREADS / 32 - 1) / (THREADS / 32));
    sb_status st   = SB_CUDA(cudaFuncSetAttribute(
          sum_rows<D, R>, cudaFuncAttributeMaxDynamicSharedMemorySize, 2 * tile<D, R>::K_BYTES));
    if (st == SB_OK)
        st = SB_CUDA(cudaFuncSetAttribute(sum_weights<D, R>,
                                          cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
    if (st != SB_OK)
        return st;
    sum_rows<D, R><<<grid, THREADS, 2 * tile<D, R>::K_BYTES, stream>>>(a);
    normalise<<<rows, THREADS, 0, stream>>>(a.p, a.rounding);
    sum_weights<D, R><<<grid, THREADS, bytes, stream>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of the probe of the last queries");
}

#define TAKE(field, count)                                                                         \
    sb_arena_alloc(ctx->arena, count, sizeof *made.field, "probe " #field,                         \
                   reinterpret_cast<void **>(&made.field))
} // namespace

extern "C" sb_status sb_last_probe_layout(sb_last_probe *p, const sb_ctx *ctx,
                                          const sb_shape *shape, int64_t rows, int64_t seen_tokens,
                                          const int32_t *heads, int64_t n_heads)
{
    sb_last_probe made = {};
    int32_t      *all  = nullptr;
    sb_status     st   = SB_OK;
    made.n_heads       = heads != nullptr ? n_heads : shape->heads;
    made.n_keys        = shape->n_keys;
    made.n_rows        = rows < shape->n_keys ? rows : shape->n_keys;
    made.width         = made.n_rows <= 32 ? 32 : made.n_rows <= 64 ? 64 : 128;
    made.n_chunks      = (made.n_keys + CHUNK_KEYS - 1) / CHUNK_KEYS;
    made.seen_tokens   = seen_tokens;
    made.n_seen        = (made.n_keys + seen_tokens - 1) / seen_tokens;
    int64_t n          = made.n_heads;
    if ((st = TAKE(head, n)) != SB_OK ||
        (st = TAKE(chunk_top, n * made.n_chunks * made.width)) != SB_OK ||
        (st = TAKE(chunk_sum, n * made.n_chunks * made.width)) != SB_OK ||
        (st = TAKE(row_top, n * made.width)) != SB_OK ||
        (st = TAKE(row_unit, n * made.width)) != SB_OK ||
        (st = TAKE(vertical, n * made.n_keys)) != SB_OK ||
        (st = TAKE(slash, n * made.n_keys)) != SB_OK || (st = TAKE(seen, n * made.n_seen)) != SB_OK)
        return st;
    *p = made;
    if (ctx->arena->counting || n == 0)
        return SB_OK;
    all = static_cast<int32_t *>(calloc(static_cast<size_t>(n), sizeof *all));
    if (all == nullptr)
        return sb_fail(SB_ERR_NOMEM, "probe: no host memory for %lld heads",
                       static_cast<long long>(n));
    for (int64_t i = 0; i < n; i++)
        all[i] = heads != nullptr ? heads[i] : static_cast<int32_t>(i);
    st = ctx->backend->copy(made.head, all, static_cast<size_t>(n) * sizeof *all, SB_COPY_TO_DEVICE,
                            ctx->stream);
    if (st == SB_OK)
        st = ctx->backend->sync(ctx->stream);
    free(all);
    return st;
}

extern "C" sb_status sb_last_probe_run(const sb_last_probe *p, const sb_ctx *ctx,
                                       const sb_tensor *q, const sb_tensor *k,
                                       sb_probe_rounding rounding)
{
    auto      stream = sb_cuda_stream(ctx->stream);
    pass_args a      = {};
    a.p              = *p;
    a.q              = static_cast<const sb_bf16 *>(q->data);
    a.k              = static_cast<const sb_bf16 *>(k->data);
    a.q_stride       = q->head_stride;
    a.k_stride       = k->head_stride;
    a.n_queries      = q->tokens;
    a.heads_per_kv   = static_cast<int>(q->heads / k->heads);
    a.rounding       = rounding;
    a.root           = sqrtf(static_cast<float>(q->dim));
    a.inverse        = 1.0f / a.root;
    size_t    keys   = static_cast<size_t>(p->n_heads * p->n_keys);
    sb_status st     = SB_OK;
    if (p->n_heads == 0 || p->n_keys == 0)
        return SB_OK;
    st = SB_CUDA(cudaMemsetAsync(p->slash, 0, keys * sizeof *p->slash, stream));
    if (st == SB_OK)
        st = SB_CUDA(
            cudaMemsetAsync(p->seen, 0, static_cast<size_t>(p->n_heads * p->n_seen), stream));
    if (st != SB_OK)
        return st;
#define LAUNCH(D, R)                                                                               \
    do {                                                                                           \
        if (q->dim == D && p->width == R)                                                          \
            return launch<D, R>(a, stream);                                                        \
    } while (0)
    LAUNCH(64, 32);
    LAUNCH(64, 64);
    LAUNCH(64, 128);
    LAUNCH(128, 32);
    LAUNCH(128, 64);
    LAUNCH(128, 128);
#undef LAUNCH
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "probe: found head_dim %lld, allowed 64 and 128 on the cuda backend",
                   static_cast<long long>(q->dim));
}
