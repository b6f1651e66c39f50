/* Scores of key blocks and the choice among them, a CTA a row block of a head.
 *
 *   lse of each of its rows of groups, from the row's sums and maxima
 *   A[J] = sum over the rows of P, from the sums again, out of L2
 *   the score down to which blocks are kept, two bits at a time: each step sums what lies above
 *   bits, of equal scores the first ones
 *
 * Masses are the CPU's integers (select.c), so that equal scores choose equal blocks. Shared
 * memory: a factor for each row and tile, the scores, a count for each word. Bytes: sums once from
 * memory. */
#include <cuda_bf16.h>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/xattention/plan_cuda.h"

namespace
{
enum { THREADS = 256, WARP = 32, WARPS = THREADS / WARP, TILE = 256 };

typedef unsigned long long u64;

/* Of block-wide sums: two buffers by turns, so that one barrier a sum is enough. */
struct shared_room {
    u64 part[2][3][WARPS];
};

/* Sums (or maxima) of each x over all threads, to all. */
template <int N, bool MAX> __device__ void fold_all(u64 (&x)[N], shared_room *s, int &turn)
{
    for (int n = 0; n < N; n++) {
        for (int step = WARP / 2; step > 0; step /= 2) {
            const u64 y = __shfl_xor_sync(~0u, x[n], step);
            x[n]        = MAX ? max(x[n], y) : x[n] + y;
        }
        if (threadIdx.x % WARP == 0)
            s->part[turn][n][threadIdx.x / WARP] = x[n];
    }
    __syncthreads();
    for (int n = 0; n < N; n++) {
        x[n] = s->part[turn][n][0];
        for (int w = 1; w < WARPS; w++)
            x[n] = MAX ? max(x[n], s->part[turn][n][w]) : x[n] + s->part[turn][n][w];
    }
    turn ^= 1;
}

__device__ u64 units(uint16_t score)
{
    const double a = static_cast<double>(__uint_as_float(static_cast<uint32_t>(score) << 16));
    if (!(a > 0.0)) /* also what is no number */
        return 0;
    const u64 u = static_cast<u64>(rint(a * 0x1p40));
    return u > 0 ? u : 1;
}

/* factor[group][tile] = exp2(top - lse); 0 for groups without a query here. A warp a group of the
 * local row block `row`. */
__device__ void normalise(const sbi_xattention_choice &c, int64_t row, const float *sum,
                          const float *top, int tiles, float *factor)
{
    const int lane     = static_cast<int>(threadIdx.x) % WARP,
              per_tile = TILE / static_cast<int>(c.groups);
    for (int i = static_cast<int>(threadIdx.x) / WARP; i < c.groups; i += WARPS) {
        const int64_t group = row * c.groups + i;
        const bool    here =
            (group + 1) * c.stride_tokens > c.first_query && group * c.stride_tokens < c.end_query;
        const float *s = sum + i * c.n_blocks, *t = top + i * c.n_tiles;
        float        m = -INFINITY;
        double       z = 0.0;
        for (int x = lane; x < tiles; x += WARP)
            m = fmaxf(m, t[x]);
        for (int step = WARP / 2; step > 0; step /= 2)
            m = fmaxf(m, __shfl_xor_sync(~0u, m, step));
        for (int j = 4 * lane; j < tiles * per_tile; j += 4 * WARP) {
            const float4 v = *reinterpret_cast<const float4 *>(s + j);
            z += static_cast<double>((v.x + v.y + v.z + v.w) * exp2f(t[j / per_tile] - m));
        }
        for (int step = WARP / 2; step > 0; step /= 2)
            z += __shfl_xor_sync(~0u, z, step);
        const float one = here ? static_cast<float>(1.0 / z) : 0.0f;
        for (int x = lane; x < tiles; x += WARP)
            factor[i * tiles + x] = exp2f(t[x] - m) * one;
    }
}

/* score[J] of blocks [0, n), bf16. */
__device__ void score_blocks(const sbi_xattention_choice &c, const float *sum, int tiles, int n,
                             const float *factor, uint16_t *score)
{
    const int per_tile = TILE / static_cast<int>(c.groups);
    for (int j = 4 * static_cast<int>(threadIdx.x); j < n; j += 4 * THREADS) {
        float        a[4] = {0.0f, 0.0f, 0.0f, 0.0f};
        const float *f    = factor + j / per_tile;
        for (int i = 0; i < c.groups; i++) {
            const float4 v = *reinterpret_cast<const float4 *>(sum + i * c.n_blocks + j);
            const float  w = f[i * tiles];
            a[0]           = fmaf(v.x, w, a[0]);
            a[1]           = fmaf(v.y, w, a[1]);
            a[2]           = fmaf(v.z, w, a[2]);
            a[3]           = fmaf(v.w, w, a[3]);
        }
        for (int x = 0; x < 4 && j + x < n; x++)
            score[j + x] = __bfloat16_as_ushort(__float2bfloat16_rn(a[x]));
    }
}

/* Masses of the blocks [first, own) with score >= least + step, least + 2 step, least + 3 step. */
__device__ void masses_from(const uint16_t *score, int first, int own, uint32_t least,
                            uint32_t step, shared_room *s, int &turn, u64 (&x)[3])
{
    x[0] = x[1] = x[2] = 0;
    for (int j = first + static_cast<int>(threadIdx.x); j < own; j += THREADS) {
        const uint32_t a = score[j];
        if (a < least + step)
            continue;
        const u64 u = units(static_cast<uint16_t>(a));
        x[0] += u;
        x[1] += a >= least + 2 * step ? u : 0;
        x[2] += a >= least + 3 * step ? u : 0;
    }
    fold_all<3, false>(x, s, turn);
}

struct choice {
    uint32_t above;  /* scores above this one are kept, */
    uint32_t equals; /* of those that equal it the first ones, so many */
    int      extra;  /* and this block besides; -1: none */
};

/* Which of the blocks [first, own) are kept besides those that always are [xattention 3, step 4].
 */
__device__ choice choose(const uint16_t *score, int first, int own, double tau, bool one_more,
                         shared_room *s)
{
    u64 total[1] = {0}, x[3];
    u64 kept     = units(score[own]) + (first > 0 && own > 0 ? units(score[0]) : 0);
    int turn     = 0;
    for (int j = static_cast<int>(threadIdx.x); j <= own; j += THREADS)
        total[0] += units(score[j]);
    fold_all<1, false>(total, s, turn);
    const double wanted = tau * static_cast<double>(total[0]);
    choice       c      = {0xFFFFu, 0, -1};
    if (static_cast<double>(kept) < wanted) {
        uint32_t least = 0; /* the greatest score down to which all is enough; 0: nothing is */
        for (uint32_t step = 1u << 14; step > 0; step /= 4) {
            masses_from(score, first, own, least, step, s, turn, x);
            int n = 0;
            while (n < 3 && static_cast<double>(kept + x[n]) >= wanted)
                n++;
            least += static_cast<uint32_t>(n) * step;
        }
        masses_from(score, first, own, least, 1, s, turn, x);
        kept += x[0];
        const u64 u = units(static_cast<uint16_t>(least));
        uint32_t  n = 0xFFFFFFFFu; /* zeros add nothing: all of them */
        if (u > 0) {
            n = static_cast<uint32_t>(
                fmax((wanted - static_cast<double>(kept)) / static_cast<double>(u) - 1.0, 0.0));
            while (static_cast<double>(kept + n * u) < wanted)
                n++;
        }
        c.above  = least;
        c.equals = n;
    }
    if (one_more && wanted > 0.0) {
        /* the greatest of the others, the first among equals; of those that equal `above` some may
         * be kept, and the choice goes on with them */
        u64 best[1] = {0}, equal[1] = {0};
        for (int j = first + static_cast<int>(threadIdx.x); j < own; j += THREADS) {
            const u64 place = 0x7FFFFFFFu - static_cast<uint32_t>(j);
            equal[0] += c.above != 0xFFFFu && score[j] == c.above;
            if (c.above == 0xFFFFu || score[j] < c.above)
                best[0] = max(best[0], (static_cast<u64>(score[j]) << 32 | place) + 1);
        }
        fold_all<1, false>(equal, s, turn);
        fold_all<1, true>(best, s, turn);
        if (equal[0] > c.equals)
            c.equals++;
        else if (best[0] > 0)
            c.extra =
                static_cast<int>(0x7FFFFFFFu - static_cast<uint32_t>((best[0] - 1) & 0xFFFFFFFFu));
    }
    return c;
}

/* The words of a list. count: how many scores equal c.above before each word. */
__device__ void write_bits(const uint16_t *score, int first, int own, const choice &c,
                           int32_t *count, uint32_t *word, int words)
{
    const int lane = static_cast<int>(threadIdx.x) % WARP,
              warp = static_cast<int>(threadIdx.x) / WARP;
    __syncthreads();
    for (int w = warp; w < words; w += WARPS) {
        const int      j     = w * WARP + lane;
        const uint32_t equal = __ballot_sync(~0u, j >= first && j < own && score[j] == c.above);
        if (lane == 0)
            count[w] = __popc(equal);
    }
    __syncthreads();
    if (warp == 0)
        for (int w = lane, before = 0; w - lane < words; w += WARP) {
            int n = w < words ? count[w] : 0, sum = n;
            for (int step = 1; step < WARP; step *= 2) {
                const int up = __shfl_up_sync(~0u, sum, static_cast<unsigned>(step));
                sum += lane >= step ? up : 0;
            }
            if (w < words)
                count[w] = before + sum - n;
            before += __shfl_sync(~0u, sum, WARP - 1);
        }
    __syncthreads();
    for (int w = warp; w < words; w += WARPS) {
        const int      j      = w * WARP + lane;
        const bool     listed = j >= first && j < own, same = listed && score[j] == c.above;
        const uint32_t equal = __ballot_sync(~0u, same);
        const uint32_t rank  = static_cast<uint32_t>(count[w] + __popc(equal & ((1u << lane) - 1)));
        const bool     keep  = j == 0 || j == own || (listed && score[j] > c.above) ||
                          (same && rank < c.equals) || j == c.extra;
        const uint32_t bits = __ballot_sync(~0u, keep);
        if (lane == 0)
            word[w] = bits;
    }
}

/* TABLE: which block a row is stands in c.row_id. Apart, as it costs a sixth of the CTAs of an SM:
 * 48 registers in place of 40. */
template <bool TABLE>
__global__ void __launch_bounds__(THREADS)
    choose_blocks(const __grid_constant__ sbi_xattention_choice c, int64_t first_row)
{
    extern __shared__ float factor[]; /* [groups][tiles]; behind it scores, counts */
    __shared__ shared_room  s;
    const int64_t           row  = first_row + gridDim.x - 1 - blockIdx.x; /* late rows cost most */
    const int64_t           head = blockIdx.y, block = TABLE ? c.row_id[row] : c.first_id + row;
    const int64_t           at  = head * c.n_groups + row * c.groups - c.first_group;
    const int               own = static_cast<int>(block), n = own + 1;
    const int per_tile = TILE / static_cast<int>(c.groups), tiles = (n + per_tile - 1) / per_tile;
    int32_t  *count    = reinterpret_cast<int32_t *>(factor + c.groups * c.n_tiles);
    uint16_t *score    = reinterpret_cast<uint16_t *>(count + c.words);
    const float *sum   = c.sum + at * c.n_blocks;
    const bool   early = block < c.first_chunk_blocks;
    const int    first = early ? 0 : 1;
    normalise(c, row, sum, c.top + at * c.n_tiles, tiles, factor);
    __syncthreads();
    score_blocks(c, sum, tiles, n, factor, score);
    __syncthreads();
    write_bits(score, first, own, choose(score, first, own, c.tau, early, &s), count,
               c.word + (head * c.n_rows + row) * c.words, static_cast<int>(c.words));
}
} // namespace

sb_status sbi_xattention_choose_cuda(const struct sbi_xattention_choice *c, int64_t heads,
                                     void *stream)
{
    /* local rows whose groups lie in the batch */
    int64_t first = c->first_group / c->groups, end = first + c->n_groups / c->groups;
    auto bytes = static_cast<size_t>(sbi_xattention_choice_bytes(c->groups, c->n_tiles, c->words));
    end        = end < c->n_rows ? end : c->n_rows;
    if (first >= end || heads == 0)
        return SB_OK;
    auto      kernel = c->row_id != nullptr ? choose_blocks<true> : choose_blocks<false>;
    sb_status st = SB_CUDA(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                static_cast<int>(bytes)));
    if (st != SB_OK)
        return st;
    kernel<<<dim3(static_cast<unsigned>(end - first), static_cast<unsigned>(heads)), THREADS, bytes,
             sb_cuda_stream(stream)>>>(*c, first);
    return sb_cuda_status(cudaGetLastError(), "launch of choose_blocks");
}
