/* States before and after a rank's tokens, from the records of ranks that come before [sharding 8]:
 *
 *   S = e^(-s n_i) S + M_i   rank by rank, ascending      end = e^(-s n) S + M
 *
 * A thread a number of a state. Bytes: each record once, S in and out. */
#include "kernels/exec/linear_scan_cuda.cuh"

namespace
{
enum { THREADS = 256 };

__global__ void fold_records(const __grid_constant__ sbi_scan_fold f)
{
    const int64_t x = blockIdx.x * static_cast<int64_t>(THREADS) + threadIdx.x;
    if (x >= f.state_floats)
        return;
    const int64_t at    = blockIdx.y * f.state_floats + x;
    const double  slope = f.slope[blockIdx.y];
    float         state = f.state[at];
    for (int i = 0; i < f.n; i++)
        if (f.tokens[i] > 0)
            state = scan_fade(scan_decay(-slope * static_cast<double>(f.tokens[i])), state) +
                    f.others[i * f.state_heads * f.state_floats + at];
    f.state[at] = state;
    if (f.end != nullptr)
        f.end[at] =
            scan_fade(scan_decay(-slope * static_cast<double>(f.own_tokens)), state) + f.own[at];
}
} // namespace

sb_status sbi_scan_fold_cuda(const sbi_scan_fold *f, cudaStream_t stream)
{
    const dim3 grid(static_cast<unsigned>((f->state_floats + THREADS - 1) / THREADS),
                    static_cast<unsigned>(f->state_heads));
    if (f->n == 0 && f->end == nullptr)
        return SB_OK;
    fold_records<<<grid, THREADS, 0, stream>>>(*f);
    return sb_cuda_status(cudaGetLastError(), "launch of a fold of states");
}
