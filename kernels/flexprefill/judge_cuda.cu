/* Columns and diagonals by blocks, and the pattern test of every head. */
#include <cmath>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/exp_cuda.cuh"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
enum { THREADS = 256, JUDGES = 1024, WARPS = THREADS / 32, MAX_DIM = 128 };

/* A warp a block: of columns (side 0), or of diagonals (side 1), where entry j of distance N - 1 -
 * j belongs to offset n - 1 - j / B [3.4]. */
__global__ void pool(sbi_flex_device r)
{
    int64_t block = static_cast<int64_t>(blockIdx.x) * WARPS + threadIdx.x / 32;
    int64_t head = blockIdx.y, side = blockIdx.z, b = r.block_tokens;
    if (block >= r.n)
        return;
    const uint64_t *mass = (side == 0 ? r.probe.vertical : r.probe.slash) + head * r.n_keys;
    int64_t         end  = (block + 1) * b < r.n_keys ? (block + 1) * b : r.n_keys;
    uint64_t        sum  = 0;
    for (int64_t j = block * b + threadIdx.x % 32; j < end; j += 32)
        sum += mass[side == 0 ? j : r.n_keys - 1 - j];
    for (int step = 16; step > 0; step /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, step);
    if (threadIdx.x % 32 == 0)
        r.pooled[(head * 2 + side) * r.n + (side == 0 ? block : r.n - 1 - block)] = sum;
}

/* One value of all threads; OP folds two. */
template <class T, class OP> __device__ T over_all(T x, T *room, OP op)
{
    for (int step = 16; step > 0; step /= 2)
        x = op(x, __shfl_xor_sync(0xffffffffu, x, step));
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        room[threadIdx.x / 32] = x;
    __syncthreads();
    x = room[threadIdx.x % 32];
    for (int step = 16; step > 0; step /= 2)
        x = op(x, __shfl_xor_sync(0xffffffffu, x, step));
    return x;
}

/* Mean of the scaled last queries, one thread a dim, rows in order. */
__device__ void mean_query(const sbi_flex_device &r, int32_t round, const sb_bf16 *q, float *mean)
{
    int   x    = static_cast<int>(threadIdx.x);
    float root = sqrtf(static_cast<float>(r.dim)), sum = 0.0f;
    if (x >= r.dim)
        return;
    for (int64_t i = 0; i < r.block_tokens; i++) {
        float at = __uint_as_float(static_cast<uint32_t>(q[i * r.dim + x]) << 16);
        sum      = __fadd_rn(sum, sbi_flex_round(__fdiv_rn(at, root), round));
    }
    mean[x] = sbi_flex_round(__fdiv_rn(sum, static_cast<float>(r.block_tokens)), round);
}

/* A CTA a head [3.5]. Sums run in another order than the CPU's, in fp64. */
__global__ __launch_bounds__(JUDGES) void judge(sbi_flex_device r, sbi_flex_asked a,
                                                const sb_bf16 *q, int64_t stride, int64_t n_queries)
{
    __shared__ float  mean[MAX_DIM], tops[32];
    __shared__ double sums[32];
    __shared__ int    nos[32];
    int64_t           head = blockIdx.x;
    double           *p    = r.p + head * r.n;
    float             top  = -INFINITY;
    mean_query(r, a.round, q + head * stride + (n_queries - r.block_tokens) * r.dim, mean);
    __syncthreads();
    for (int64_t block = threadIdx.x; block < r.n; block += JUDGES) {
        const float4 *k = reinterpret_cast<const float4 *>(
            r.k_mean + (head / r.heads_per_kv * r.n + block) * r.dim);
        float dot = 0.0f;
        for (int x = 0; x < r.dim / 4; x++) {
            float4 four = k[x];
            dot         = sbi_mul_add(mean[4 * x], four.x, dot);
            dot         = sbi_mul_add(mean[4 * x + 1], four.y, dot);
            dot         = sbi_mul_add(mean[4 * x + 2], four.z, dot);
            dot         = sbi_mul_add(mean[4 * x + 3], four.w, dot);
        }
        dot      = sbi_flex_round(dot, a.round);
        p[block] = static_cast<double>(dot);
        top      = dot > top ? dot : top;
    }
    top        = over_all(top, tops, [](float x, float y) { return x > y ? x : y; });
    double sum = 0.0;
    for (int64_t block = threadIdx.x; block < r.n; block += JUDGES) {
        p[block] =
            static_cast<double>(sbi_exp_device(__fsub_rn(static_cast<float>(p[block]), top)));
        sum += p[block];
    }
    auto add   = [](double x, double y) { return x + y; };
    sum        = over_all(sum, sums, add);
    double all = static_cast<double>(r.block_tokens) * 0x1p40, of_p = 0.0, of_t = 0.0;
    int    no = 0;
    for (int64_t block = threadIdx.x; block < r.n; block += JUDGES) {
        double weight = static_cast<double>(static_cast<float>(p[block] / sum));
        double t      = static_cast<double>(r.pooled[head * 2 * r.n + block]) / all;
        double m      = (weight + t) / 2.0;
        p[block]      = weight;
        if (weight > 0.0)
            of_p += weight * log(weight / m);
        if (t > 0.0)
            of_t += t * log(t / m);
        no |= a.round && (!(weight > 0.0) || !r.probe.seen[head * r.n + block]);
    }
    of_p       = over_all(of_p, sums, add);
    of_t       = over_all(of_t, sums, add);
    no         = over_all(no, nos, [](int x, int y) { return x | y; });
    double two = 0.5 * of_p + 0.5 * of_t;
    if (threadIdx.x == 0) /* strict: no number falls to vertical-slash */
        r.aware[head] = !no && sqrt(two < 0.0 ? 0.0 : two) < a.tau;
}
} // namespace

sb_status sbi_flex_judge_heads(const sbi_flex_device &r, const sbi_flex_asked &a,
                               const sb_tensor *q, cudaStream_t stream)
{
    dim3 grid(static_cast<unsigned>((r.n + WARPS - 1) / WARPS), static_cast<unsigned>(r.heads), 2);
    pool<<<grid, THREADS, 0, stream>>>(r);
    judge<<<static_cast<unsigned>(r.heads), JUDGES, 0, stream>>>(
        r, a, static_cast<const sb_bf16 *>(q->data), q->head_stride, q->tokens);
    return sb_cuda_status(cudaGetLastError(), "launch of pool and judge");
}
