/* Weights of all causal pairs of block means, for query-aware heads: the CPU's products bit for bit
 * (fp32, rounded apart, sums in the order of dims), so that the cut falls where it does there. */
#include <cmath>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/exp_cuda.cuh"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
enum { THREADS = 256, TILE = 64, STEP = 32, EACH = 4 };

/* A CTA 64 x 64 pairs of a head, a thread 4 x 4 of them. */
__global__ __launch_bounds__(THREADS) void products(sbi_flex_device r, int32_t round)
{
    __shared__ float q[STEP][TILE + 1], k[STEP][TILE + 1];
    int64_t          head = blockIdx.z, row = static_cast<int64_t>(blockIdx.y) * TILE,
            col = static_cast<int64_t>(blockIdx.x) * TILE;
    if (col > row + TILE - 1 || !r.aware[head])
        return;
    const float *q_mean = r.q_mean + head * r.n * r.dim;
    const float *k_mean = r.k_mean + head / r.heads_per_kv * r.n * r.dim;
    int          tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
    float        sum[EACH][EACH] = {};
    for (int first = 0; first < r.dim; first += STEP) {
        __syncthreads();
        for (int i = static_cast<int>(threadIdx.x); i < STEP * TILE; i += THREADS) {
            int at = i / STEP, x = i % STEP;
            q[x][at] = row + at < r.n ? q_mean[(row + at) * r.dim + first + x] : 0.0f;
            k[x][at] = col + at < r.n ? k_mean[(col + at) * r.dim + first + x] : 0.0f;
        }
        __syncthreads();
        for (int x = 0; x < STEP; x++)
            for (int i = 0; i < EACH; i++)
                for (int j = 0; j < EACH; j++)
                    sum[i][j] = sbi_mul_add(q[x][ty + 16 * i], k[x][tx + 16 * j], sum[i][j]);
    }
    for (int i = 0; i < EACH; i++)
        for (int j = 0; j < EACH; j++) {
            int64_t at = row + ty + 16 * i, block = col + tx + 16 * j;
            if (at < r.n && block <= at)
                r.score[head * r.scores + sbi_flex_row_at(at) + block] =
                    __float_as_int(sbi_flex_round(sum[i][j], round));
        }
}

template <class T, class OP> __device__ T over_all(T x, T *room, OP op)
{
    for (int step = 16; step > 0; step /= 2)
        x = op(x, __shfl_xor_sync(0xffffffffu, x, step));
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        room[threadIdx.x / 32] = x;
    __syncthreads();
    x = room[threadIdx.x % (THREADS / 32)];
    for (int step = THREADS / 64; step > 0; step /= 2)
        x = op(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

/* A CTA a row of a head: softmax over the blocks up to its own. */
__global__ __launch_bounds__(THREADS) void weights(sbi_flex_device r)
{
    __shared__ float  tops[THREADS / 32];
    __shared__ double sums[THREADS / 32];
    int64_t           head = blockIdx.y, row = blockIdx.x;
    if (!r.aware[head])
        return;
    int32_t *score = r.score + head * r.scores + sbi_flex_row_at(row);
    float    top   = -INFINITY;
    for (int64_t i = threadIdx.x; i <= row; i += THREADS) {
        float x = __int_as_float(score[i]);
        top     = x > top ? x : top;
    }
    top        = over_all(top, tops, [](float x, float y) { return x > y ? x : y; });
    double sum = 0.0;
    for (int64_t i = threadIdx.x; i <= row; i += THREADS) {
        float e  = sbi_exp_device(__fsub_rn(__int_as_float(score[i]), top));
        e        = e > 0.0f ? e : 0.0f; /* also what is no number */
        score[i] = __float_as_int(e);
        sum += static_cast<double>(e);
    }
    sum = over_all(sum, sums, [](double x, double y) { return x + y; });
    for (int64_t i = threadIdx.x; i <= row; i += THREADS) {
        double e = static_cast<double>(__int_as_float(score[i]));
        score[i] = __float_as_int(sum > 0.0 ? static_cast<float>(e / sum) : 0.0f);
    }
}

/* Products of means of all pairs, of query-aware heads. */
__global__ void count_flops(sbi_flex_device r)
{
    int64_t heads = 0;
    for (int64_t h = 0; h < r.heads; h++)
        heads += r.aware[h];
    *r.flops = 2 * r.dim * heads * sbi_flex_row_at(r.n);
}
} // namespace

sb_status sbi_flex_score_blocks(const sbi_flex_device &r, const sbi_flex_asked &a,
                                cudaStream_t stream)
{
    auto tiles = static_cast<unsigned>((r.n + TILE - 1) / TILE);
    auto heads = static_cast<unsigned>(r.heads);
    count_flops<<<1, 1, 0, stream>>>(r);
    products<<<dim3(tiles, tiles, heads), THREADS, 0, stream>>>(r, a.round);
    weights<<<dim3(static_cast<unsigned>(r.n), heads), THREADS, 0, stream>>>(r);
    return sb_cuda_status(cudaGetLastError(), "launch of the scores of blocks");
}
