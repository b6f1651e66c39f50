/* Between rows of projections and heads of attention, on the device: bound by its memory.
 *
 *   spread  a block a token: angles of its pairs once (double, long reduction beyond 10^5: about a
 *           nanosecond a token), then two pairs a thread, for all heads
 *   gather  a thread 16 bytes */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/device_rows_cuda.h"
#include "kernels/nn/probe_bf16_cuda.cuh"
#include "kernels/nn/rope.h"

namespace
{
enum { THREADS = 256, WIDE = 8 };

struct part {
    sb_bf16 *to;
    int64_t  head_stride;
};

struct spread_args {
    const float   *rows, *bias;
    const int32_t *position;
    const float   *inv_freq;
    float          multiplier;
    int64_t        first, heads, kv_heads;
    int            dim;
    part           q, k, v;
    const sb_step *step;
};

/* The head's row in its tensor; turns: 1 of q and k. STEP: of k and v as a.step says. */
template <bool STEP>
__device__ sb_bf16 *head_of(const spread_args &a, int64_t head, int64_t token, bool *turns)
{
    const bool    is_q = head < a.heads, is_k = !is_q && head < a.heads + a.kv_heads;
    const part   &p = is_q ? a.q : is_k ? a.k : a.v;
    const int64_t h = is_q ? head : is_k ? head - a.heads : head - a.heads - a.kv_heads;
    *turns          = is_q || is_k;
    const int64_t row = STEP && !is_q ? a.step->slot : token;
    return p.to + h * p.head_stride + row * a.dim;
}

__device__ float2 two(const float *row, const float *bias, int64_t at)
{
    float2 v = *reinterpret_cast<const float2 *>(row + at);
    if (bias != nullptr) {
        v.x += bias[at];
        v.y += bias[at + 1];
    }
    return v;
}

template <bool STEP>
__global__ void __launch_bounds__(THREADS) spread(const __grid_constant__ spread_args a)
{
    __shared__ float cosine[SB_ROPE_MAX_PAIRS], sine[SB_ROPE_MAX_PAIRS];
    const int        pairs = a.dim / 2, twos = pairs / 2;
    const int64_t    heads = a.heads + 2 * a.kv_heads, token = blockIdx.x;
    const float     *row = a.rows + token * heads * a.dim;
    for (int i = threadIdx.x; i < pairs; i += THREADS)
        sb_rope_angle(a.inv_freq[i], a.multiplier, a.position[token], &cosine[i], &sine[i]);
    __syncthreads();
    for (int64_t t = threadIdx.x; t < heads * twos; t += THREADS) {
        const int64_t head = t / twos;
        const int     i    = static_cast<int>(t % twos) * 2;
        bool          turns;
        sb_bf16      *to  = head_of<STEP>(a, head, a.first + token, &turns);
        float2        low = two(row, a.bias, head * a.dim + i);
        float2        up  = two(row, a.bias, head * a.dim + pairs + i);
        if (turns) {
            sb_rope_turn(&low.x, &up.x, cosine[i], sine[i]);
            sb_rope_turn(&low.y, &up.y, cosine[i + 1], sine[i + 1]);
        }
        *reinterpret_cast<uint32_t *>(to + i) = sbi_pair(sbi_round(low.x), sbi_round(low.y));
        *reinterpret_cast<uint32_t *>(to + pairs + i) = sbi_pair(sbi_round(up.x), sbi_round(up.y));
    }
}

__global__ void __launch_bounds__(THREADS)
    gather(const uint4 *o, int64_t head_stride, int64_t heads, int pieces, int64_t n, uint4 *rows)
{
    const int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    const int64_t p = at % pieces, head = at / pieces % heads, row = at / pieces / heads;
    if (row < n)
        rows[at] = o[head * head_stride + row * pieces + p];
}

int wrong(const sb_tensor *t, int64_t dim, int64_t tokens)
{
    return t->dtype != SB_BF16 || t->dim != dim || t->tokens < tokens ||
           t->head_stride % WIDE != 0 || reinterpret_cast<uintptr_t>(t->data) % 16 != 0;
}

part part_of(const sb_tensor *t)
{
    part p = {static_cast<sb_bf16 *>(t->data), t->head_stride};
    return p;
}
} // namespace

extern "C" sb_status sbi_rows_spread(const sb_rows_spread *s, void *stream)
{
    const int64_t dim = s->q->dim, tokens = s->first + s->n;
    if (s->n == 0)
        return SB_OK;
    if (dim % WIDE != 0 || dim > 2 * SB_ROPE_MAX_PAIRS || wrong(s->q, dim, tokens) ||
        wrong(s->k, dim, tokens) || wrong(s->v, dim, tokens) || s->k->heads != s->v->heads ||
        reinterpret_cast<uintptr_t>(s->rows) % 16 != 0 ||
        (s->step != nullptr && (s->n != 1 || s->first != 0)))
        return sb_fail(SB_ERR_INTERNAL, "spread: heads of %lld numbers, or tensors out of line",
                       (long long)dim);
    spread_args a = {};
    a.rows        = s->rows;
    a.bias        = s->bias;
    a.position    = s->position;
    a.inv_freq    = s->inv_freq;
    a.multiplier  = s->multiplier;
    a.first       = s->first;
    a.heads       = s->q->heads;
    a.kv_heads    = s->k->heads;
    a.dim         = static_cast<int>(dim);
    a.q           = part_of(s->q);
    a.k           = part_of(s->k);
    a.v           = part_of(s->v);
    a.step        = s->step;
    if (s->step != nullptr)
        spread<true><<<1, THREADS, 0, sb_cuda_stream(stream)>>>(a);
    else
        spread<false><<<static_cast<unsigned>(s->n), THREADS, 0, sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of spread");
}

extern "C" sb_status sbi_rows_gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows,
                                     void *stream)
{
    if (n == 0)
        return SB_OK;
    if (o->dim % WIDE != 0 || wrong(o, o->dim, first + n) ||
        reinterpret_cast<uintptr_t>(rows) % 16 != 0)
        return sb_fail(SB_ERR_INTERNAL, "gather: heads of %lld numbers, or tensors out of line",
                       (long long)o->dim);
    const int     pieces = static_cast<int>(o->dim / WIDE);
    const int64_t ctas   = (n * o->heads * pieces + THREADS - 1) / THREADS;
    gather<<<static_cast<unsigned>(ctas), THREADS, 0, sb_cuda_stream(stream)>>>(
        reinterpret_cast<const uint4 *>(sb_tensor_bf16(o, 0, first)), o->head_stride / WIDE,
        o->heads, pieces, n, reinterpret_cast<uint4 *>(rows));
    return sb_cuda_status(cudaGetLastError(), "launch of gather");
}
