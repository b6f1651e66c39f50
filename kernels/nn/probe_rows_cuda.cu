/* The ends of the probe's layers on the device: what the embedding writes, and what heads leave.
 *
 * embed: a thread a (row, pair); 64 pairs of position features, 7 of topic features, and one thread
 * more for the ids. Angles exceed 10^5 at long contexts, so most sines take the long reduction: the
 * launch is bound by arithmetic in double.
 * take: a thread 16 bytes. */
#include <cstdint>

#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/nn/probe_bf16_cuda.cuh"
#include "kernels/nn/probe_cuda.h"

namespace
{
enum {
    PAIRS   = SB_PROBE_PAIRS,
    TOPICS  = SB_PROBE_TOPIC / 2,
    LANES   = PAIRS + TOPICS + 1, /* of a row */
    THREADS = 256
};

struct embed_args {
    sb_probe_embed_rule rule;
    sb_probe_embed_rows to;
    int64_t             row0, pos0, n_rows;
};

__device__ uint32_t wave(double angle)
{
    double s, c;
    sincos(angle, &s, &c);
    return sbi_pair(sbi_round(static_cast<float>(c)), sbi_round(static_cast<float>(s)));
}

__device__ int32_t only(int32_t id, int32_t first, int32_t n, int32_t none)
{
    return id >= first && id < first + n ? id : none;
}

__device__ void write_ids(const embed_args &a, int64_t row, int64_t pos)
{
    const sb_probe_embed_rule &r  = a.rule;
    const int32_t              id = a.to.id[row];
    a.to.value_id[row]            = only(id, r.value_first, r.value_n, r.none);
    a.to.agg_id[row]              = only(id, r.agg_first, r.agg_n, r.none);
    a.to.salient[row]             = pos >= r.n_context ? r.vocabulary + id : id;
    a.to.bos[row]                 = sbi_round(pos == 0 ? 1.0f : 0.0f);
}

__global__ void __launch_bounds__(THREADS) embed(const __grid_constant__ embed_args a)
{
    const int64_t at = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    const int64_t i = at / LANES, row = a.row0 + i, pos = a.pos0 + i;
    const int     p = static_cast<int>(at % LANES);
    if (i >= a.n_rows)
        return;
    if (p < PAIRS) {
        const double angle = __dmul_rn(a.rule.w[p], static_cast<double>(pos));
        reinterpret_cast<uint32_t *>(a.to.phi)[row * PAIRS + p] = wave(angle);
    } else if (p < PAIRS + TOPICS) {
        const int    t     = p - PAIRS;
        const double angle = __dadd_rn(__dmul_rn(a.rule.topic_w[t], static_cast<double>(pos)),
                                       a.rule.topic_phase[t]);
        reinterpret_cast<uint32_t *>(a.to.topic)[row * TOPICS + t] = pos == 0 ? 0u : wave(angle);
    } else {
        write_ids(a, row, pos);
    }
}

struct take_args {
    sb_probe_take_item item[SB_PROBE_CUDA_TAKES];
    int64_t            n_rows;
};

__global__ void __launch_bounds__(THREADS) take(const __grid_constant__ take_args a)
{
    const sb_probe_take_item &t      = a.item[blockIdx.y];
    const int                 pieces = t.dims / 8; /* 16 bytes each */
    const int64_t             at     = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    const int64_t             row    = at / pieces;
    if (row < a.n_rows)
        reinterpret_cast<uint4 *>(t.dst)[at] =
            reinterpret_cast<const uint4 *>(t.o)[row * (SB_PROBE_DIM / 8) + at % pieces];
}
} // namespace

extern "C" sb_status sb_probe_take_cuda(const sb_probe_take_item *item, int32_t n, int64_t n_rows,
                                        void *stream)
{
    take_args a = {};
    if (n > SB_PROBE_CUDA_TAKES)
        return sb_fail(SB_ERR_INTERNAL, "probe: found %d heads to take from, allowed %d", n,
                       (int)SB_PROBE_CUDA_TAKES);
    for (int32_t i = 0; i < n; i++) {
        if (item[i].dims < 8 || item[i].dims > SB_PROBE_DIM || item[i].dims % 8 != 0)
            return sb_fail(SB_ERR_INTERNAL, "probe: found %d dims to take, allowed 8, 16, .. %d",
                           item[i].dims, SB_PROBE_DIM);
        a.item[i] = item[i];
    }
    if (n == 0 || n_rows == 0)
        return SB_OK;
    a.n_rows           = n_rows;
    const int64_t ctas = (n_rows * (SB_PROBE_DIM / 8) + THREADS - 1) / THREADS;
    const dim3    grid(static_cast<unsigned>(ctas), static_cast<unsigned>(n));
    take<<<grid, THREADS, 0, sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of take");
}

extern "C" sb_status sb_probe_embed_cuda(const sb_probe_embed_rule *rule,
                                         const sb_probe_embed_rows *rows, int64_t row0,
                                         int64_t pos0, int64_t n_rows, void *stream)
{
    embed_args a = {*rule, *rows, row0, pos0, n_rows};
    if (n_rows == 0)
        return SB_OK;
    const int64_t ctas = (n_rows * LANES + THREADS - 1) / THREADS;
    embed<<<static_cast<unsigned>(ctas), THREADS, 0, sb_cuda_stream(stream)>>>(a);
    return sb_cuda_status(cudaGetLastError(), "launch of embed");
}
