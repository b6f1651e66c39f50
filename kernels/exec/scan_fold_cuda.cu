/* States before and after a rank's tokens, from the records of ranks that come before [sharding 8]:
 *
 *   DECAY  S = e^(-s n_i) S + M_i    GATE  S = diag(e^G_i) S + M_i, of a channel's sum of gates
 *   DELTA  S = A_i S + B_i           MEAN  (w, m, u) to the larger m
 *
 * rank by rank, ascending; end is the same step with the own record. Here the first two, a thread
 * a number of a state. Bytes: each record once, S in and out. */
#include "kernels/exec/linear_scan_cuda.cuh"

namespace
{
enum { THREADS = 256 };

/* Number x of a state behind a record of so many tokens. */
template <bool GATE>
__device__ float behind(const sbi_scan_fold &f, const float *record, int64_t tokens, double slope,
                        int64_t x, float state)
{
    const double *sums  = reinterpret_cast<const double *>(record + f.state_floats);
    const double  total = GATE ? sums[x / f.d] : -slope * static_cast<double>(tokens);
    return scan_fade(scan_decay(total), state) + record[x];
}

template <bool GATE> __global__ void fold_records(const __grid_constant__ sbi_scan_fold f)
{
    const int64_t x    = blockIdx.x * static_cast<int64_t>(THREADS) + threadIdx.x;
    const int64_t head = blockIdx.y, at = head * f.state_floats + x;
    if (x >= f.state_floats)
        return;
    const double slope = GATE ? 0.0 : f.slope[head];
    float        state = f.state[at];
    for (int i = 0; i < f.n; i++)
        if (f.tokens[i] > 0)
            state = behind<GATE>(f, scan_record_of(f, i, head), f.tokens[i], slope, x, state);
    f.state[at] = state;
    if (f.end != nullptr)
        f.end[at] = behind<GATE>(f, f.own + head * f.record_floats, f.own_tokens, slope, x, state);
}
} // namespace

sb_status sbi_scan_fold_cuda(const sbi_scan_fold *f, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned>((f->state_floats + THREADS - 1) / THREADS),
                    static_cast<unsigned>(f->state_heads));
    if (f->n == 0 && f->end == nullptr)
        return SB_OK;
    if (f->rule == SB_SCAN_DELTA)
        return sbi_scan_delta_fold_cuda(f, stream);
    if (f->rule == SB_SCAN_MEAN)
        return sbi_scan_mean_fold_cuda(f, stream);
    if (f->rule == SB_SCAN_GATE)
        fold_records<true><<<grid, THREADS, 0, stream>>>(*f);
    else
        fold_records<false><<<grid, THREADS, 0, stream>>>(*f);
    return sb_cuda_status(cudaGetLastError(), "launch of a fold of states");
}
