/* One cut a query-aware head: the score at which the falling sequence of all its scores crosses
 * gamma * n, digit by digit from the top. Masses are integers of 2^-40, so their sums do not know
 * the order in which CTAs add. Heads that are not query-aware cost an empty CTA. */
#include "kernels/backend/cuda_status.cuh"
#include "kernels/flexprefill/room_cuda.cuh"

namespace
{
enum { THREADS = 1024, BINS = SBI_FLEX_DIGIT_BINS, SLICES = 16, WARPS = THREADS / 32 };

/* Lowest bit of a digit, from the top: 21, 10, 0. */
__device__ int shift_of(int digit)
{
    int shift = 32 - (digit + 1) * SBI_FLEX_DIGIT;
    return shift > 0 ? shift : 0;
}

/* Mass of the scores that agree with the digits found so far, by their next one. */
__global__ __launch_bounds__(THREADS) void count_digit(sbi_flex_device r, int digit)
{
    __shared__ uint32_t low[BINS], high[BINS];
    int64_t             head = blockIdx.y, total = sbi_flex_row_at(r.n);
    if (!r.aware[head])
        return;
    int            shift = shift_of(digit);
    int            width = digit > 0 ? shift_of(digit - 1) - shift : 32 - shift;
    uint32_t       above = digit > 0 ? ~((1u << shift_of(digit - 1)) - 1) : 0;
    uint32_t       known = r.cut[head].score;
    const int32_t *score = r.score + head * r.scores;
    for (int b = static_cast<int>(threadIdx.x); b < BINS; b += THREADS)
        low[b] = high[b] = 0;
    __syncthreads();
    for (int64_t i = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x; i < total;
         i += SLICES * THREADS) {
        int32_t  x = score[i];
        uint64_t m = sbi_flex_mass_of(x);
        if ((static_cast<uint32_t>(x) & above) != known || m == 0)
            continue;
        uint32_t b   = static_cast<uint32_t>(x) >> shift & ((1u << width) - 1);
        uint32_t add = static_cast<uint32_t>(m), old = atomicAdd(&low[b], add);
        uint32_t up = static_cast<uint32_t>(m >> 32) + (old + add < old ? 1u : 0u);
        if (up > 0)
            atomicAdd(&high[b], up);
    }
    __syncthreads();
    for (int b = static_cast<int>(threadIdx.x); b < BINS; b += THREADS)
        if ((low[b] | high[b]) != 0)
            atomicAdd(reinterpret_cast<unsigned long long *>(r.bins + head * BINS + b),
                      static_cast<unsigned long long>(high[b]) << 32 | low[b]);
}

/* A CTA a head: the digit in which the limit is crossed; bins are left empty. */
__global__ __launch_bounds__(THREADS) void take_digit(sbi_flex_device r, uint64_t limit, int digit)
{
    __shared__ uint64_t of_warp[WARPS];
    __shared__ uint32_t found;
    __shared__ uint64_t taken;
    int64_t             head = blockIdx.x;
    if (!r.aware[head])
        return;
    /* two bins a thread, from the top */
    int       b   = BINS - 1 - 2 * static_cast<int>(threadIdx.x);
    uint64_t *bin = r.bins + head * BINS, m0 = bin[b], m1 = bin[b - 1], own = m0 + m1, x = own;
    uint64_t  start = r.cut[head].mass, sum = 0;
    int       lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    bin[b] = bin[b - 1] = 0;
    for (int step = 1; step < 32; step *= 2) {
        uint64_t up = __shfl_up_sync(0xffffffffu, x, static_cast<unsigned>(step));
        x += lane >= step ? up : 0;
    }
    if (lane == 31)
        of_warp[warp] = x;
    if (threadIdx.x == 0)
        found = UINT32_MAX;
    __syncthreads();
    x += start - own;
    for (int w = 0; w < WARPS; w++) {
        x += w < warp ? of_warp[w] : 0;
        sum += of_warp[w];
    }
    if (x <= limit && x + own > limit) {
        int second = x + m0 <= limit;
        found      = static_cast<uint32_t>(b - second);
        taken      = x + (second ? m0 : 0);
    }
    __syncthreads();
    if (threadIdx.x > 0 || r.cut[head].all)
        return;
    if (found == UINT32_MAX) { /* only at the first digit */
        r.cut[head].all  = 1;
        r.cut[head].mass = start + sum;
    } else {
        r.cut[head].score |= found << shift_of(digit);
        r.cut[head].mass = taken;
    }
}

/* A warp a row. */
__global__ void count_ties(sbi_flex_device r)
{
    int64_t row  = static_cast<int64_t>(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
    int64_t head = blockIdx.y;
    int     n    = 0;
    if (row >= r.n || !r.aware[head])
        return;
    const int32_t *score = r.score + head * r.scores + sbi_flex_row_at(row);
    for (int64_t i = threadIdx.x % 32; i <= row; i += 32)
        n += static_cast<uint32_t>(score[i]) == r.cut[head].score;
    n = static_cast<int>(__reduce_add_sync(0xffffffffu, static_cast<unsigned>(n)));
    if (threadIdx.x % 32 == 0)
        r.ties[head * r.n + row] = n;
}

/* A warp a head: as many scores equal to the cut as still fit, dealt out to the rows in order. */
__global__ void deal_ties(sbi_flex_device r, uint64_t limit)
{
    int64_t head = blockIdx.x, left = INT64_MAX;
    int     lane = static_cast<int>(threadIdx.x);
    if (!r.aware[head])
        return;
    uint64_t mass = sbi_flex_mass_of(static_cast<int32_t>(r.cut[head].score));
    if (mass > 0) /* what has no mass crosses nothing: all of it is kept */
        left = static_cast<int64_t>((limit - r.cut[head].mass) / mass);
    for (int64_t first = 0; first < r.n; first += 32) {
        int64_t row = first + lane, own = row < r.n ? r.ties[head * r.n + row] : 0, upto = own;
        for (int step = 1; step < 32; step *= 2) {
            int64_t up = __shfl_up_sync(0xffffffffu, upto, static_cast<unsigned>(step));
            upto += lane >= step ? up : 0;
        }
        int64_t mine = left - (upto - own);
        mine         = mine < 0 ? 0 : mine < own ? mine : own;
        if (row < r.n)
            r.ties[head * r.n + row] = mine;
        left -= __shfl_sync(0xffffffffu, upto, 31);
        left = left < 0 ? 0 : left;
    }
}
} // namespace

sb_status sbi_flex_cut_scores(const sbi_flex_device &r, const sbi_flex_asked &a,
                              cudaStream_t stream)
{
    auto      heads = static_cast<unsigned>(r.heads);
    size_t    n     = static_cast<size_t>(r.heads);
    sb_status st    = SB_CUDA(cudaMemsetAsync(r.cut, 0, n * sizeof *r.cut, stream));
    if (st == SB_OK)
        st = SB_CUDA(cudaMemsetAsync(r.bins, 0, n * BINS * sizeof *r.bins, stream));
    if (st != SB_OK)
        return st;
    for (int digit = 0; digit < SBI_FLEX_ALL_DIGITS; digit++) {
        count_digit<<<dim3(SLICES, heads), THREADS, 0, stream>>>(r, digit);
        take_digit<<<heads, THREADS, 0, stream>>>(r, a.block_limit, digit);
    }
    count_ties<<<dim3(static_cast<unsigned>((r.n + 7) / 8), heads), 256, 0, stream>>>(r);
    deal_ties<<<heads, 32, 0, stream>>>(r, a.block_limit);
    return sb_cuda_status(cudaGetLastError(), "launch of the cut of scores");
}
