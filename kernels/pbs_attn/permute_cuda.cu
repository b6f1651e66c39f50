/* Step 2 on a device: the order of keys inside segments [pbs_attn 3].
 *
 * A CTA (segment, head) sorts numbers of 64 bits in shared memory, bitonically: the importance
 * turned over, above the place, so that equal keys keep their order. 8 bytes a key, padded to a
 * power of two. Bound: none near; 2 log2(S)^2 / 4 passes over shared memory. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/pbs_attn/plan_cuda.h"

namespace
{
enum { THREADS_MAX = 512 };

struct sorting {
    const float *score;  /* [heads][n_segments * segment] */
    uint16_t    *offset; /* [heads][n_keys] */
    int32_t     *first;  /* [heads] */
    int64_t      n_keys, n_segments;
    int32_t      segment, padded, block, force;
};

__global__ void sort_segments(sorting a)
{
    extern __shared__ uint64_t number[];
    const int64_t              g = blockIdx.x, head = blockIdx.y, at = g * a.segment;
    uint16_t                  *to = a.offset + head * a.n_keys + at;
    if (g == a.n_segments) { /* the tail stays as it is */
        for (int64_t i = threadIdx.x; at + i < a.n_keys; i += blockDim.x)
            to[i] = static_cast<uint16_t>(i);
        return;
    }
    const float *score = a.score + head * a.n_segments * a.segment + at;
    for (int i = threadIdx.x; i < a.padded; i += blockDim.x)
        number[i] = i < a.segment ? static_cast<uint64_t>(~__float_as_uint(score[i])) << 32 |
                                        static_cast<uint32_t>(i)
                                  : ~static_cast<uint64_t>(0);
    for (int size = 2; size <= a.padded; size *= 2)
        for (int step = size / 2; step > 0; step /= 2) {
            __syncthreads();
            for (int t = threadIdx.x; t < a.padded / 2; t += blockDim.x) {
                const int      i = 2 * t - (t & (step - 1)), j = i + step;
                const uint64_t x = number[i], y = number[j];
                if ((x > y) == ((i & size) == 0)) {
                    number[i] = y;
                    number[j] = x;
                }
            }
        }
    __syncthreads();
    for (int i = threadIdx.x; i < a.segment; i += blockDim.x) {
        const uint32_t token = static_cast<uint32_t>(number[i]);
        to[i]                = static_cast<uint16_t>(token);
        if (g == 0 && token == 0)
            a.first[head] = a.force ? i / a.block : -1;
    }
}
} // namespace

extern "C" sb_status sbi_pbs_sort_cuda(const sbi_pbs_device *r, int force, const sb_slots *slots,
                                       void *stream)
{
    sorting a    = {};
    a.score      = r->score;
    a.offset     = slots->offset;
    a.first      = r->first;
    a.n_keys     = r->n_keys;
    a.n_segments = r->n_segments;
    a.segment    = static_cast<int32_t>(r->segment_tokens);
    a.block      = static_cast<int32_t>(r->block_tokens);
    a.force      = force;
    a.padded     = 2;
    while (a.padded < a.segment)
        a.padded *= 2;
    const int threads = a.padded / 2 < THREADS_MAX ? max(a.padded / 2, 32) : int(THREADS_MAX);
    sort_segments<<<dim3(static_cast<unsigned>(r->n_segments) + 1, static_cast<unsigned>(r->heads)),
                    threads, static_cast<size_t>(a.padded) * sizeof(uint64_t),
                    sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of sort_segments");
}
