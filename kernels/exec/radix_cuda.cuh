/* Selection from a long list of integer scores by one CTA: radix search for the score at which the
 * falling sequence crosses a limit, 12 bits at a time, then one pass that takes what lies above it.
 * The device's side of top_k.h and of budgets by mass.
 *
 * A digit is a pass over the scores (they stay in L2) and a histogram in shared memory. Digit 0 is
 * not counted: it holds most scores, and is where the search ends up when no other digit crosses.
 */
#ifndef SB_KERNELS_EXEC_RADIX_CUDA_CUH
#define SB_KERNELS_EXEC_RADIX_CUDA_CUH

#include <cstdint>

enum {
    SBI_RADIX_THREADS = 1024,
    SBI_RADIX_DIGIT   = 12,
    SBI_RADIX_BITS    = 48, /* scores are below 2^48 */
    SBI_RADIX_BINS    = 1 << SBI_RADIX_DIGIT,
    SBI_RADIX_WARPS   = SBI_RADIX_THREADS / 32
};

/* The largest score there may be: for those that are taken by force. */
#define SBI_RADIX_FORCED ((UINT64_C(1) << SBI_RADIX_BITS) - 1)

/* Shared memory of a CTA. */
struct sbi_radix_room {
    uint32_t count[SBI_RADIX_BINS], low[SBI_RADIX_BINS], high[SBI_RADIX_BINS];
    uint64_t of_warp[2][SBI_RADIX_WARPS];
    uint32_t over[2][SBI_RADIX_WARPS], equal[2][SBI_RADIX_WARPS];
    uint64_t digit, taken, above;
};

struct sbi_radix_cut {
    uint64_t score; /* where it crosses */
    uint64_t taken; /* sum of all larger scores, or their number */
    int64_t  above; /* their number */
    bool     all;   /* nothing crosses */
};

/* Sums over the threads before this one and over all; two values at a time. Meets twice. */
static __device__ __forceinline__ void sbi_radix_scan(sbi_radix_room *s, uint64_t (&v)[2],
                                                      uint64_t (&all)[2])
{
    int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    for (int i = 0; i < 2; i++) {
        uint64_t own = v[i], x = own;
        for (int step = 1; step < 32; step *= 2) {
            uint64_t up = __shfl_up_sync(0xffffffffu, x, static_cast<unsigned>(step));
            x += lane >= step ? up : 0;
        }
        if (lane == 31)
            s->of_warp[i][warp] = x;
        v[i] = x - own;
    }
    __syncthreads();
    for (int i = 0; i < 2; i++) {
        uint64_t before = 0, sum = 0;
        for (int w = 0; w < SBI_RADIX_WARPS; w++) {
            uint64_t x = s->of_warp[i][w];
            before += w < warp ? x : 0;
            sum += x;
        }
        v[i] += before;
        all[i] = sum;
    }
    __syncthreads();
}

/* Where sums of the falling sequence of score[0..n) first exceed `limit`: of the scores themselves
 * (MASS), or of ones, one each. All SBI_RADIX_THREADS threads of the CTA call it and get the same
 * answer. n below 2^32; sums of scores below 2^63. */
template <bool MASS>
static __device__ sbi_radix_cut sbi_radix_cross(const uint64_t *score, int64_t n, uint64_t limit,
                                                sbi_radix_room *s)
{
    sbi_radix_cut cut   = {0, 0, 0, false};
    int           tid   = static_cast<int>(threadIdx.x);
    uint64_t      total = 0;
    for (int shift = SBI_RADIX_BITS - SBI_RADIX_DIGIT; shift >= 0; shift -= SBI_RADIX_DIGIT) {
        for (int b = tid; b < SBI_RADIX_BINS; b += SBI_RADIX_THREADS) {
            s->count[b] = 0;
            if (MASS)
                s->low[b] = s->high[b] = 0;
        }
        __syncthreads();
        for (int64_t i = tid; i < n; i += SBI_RADIX_THREADS) {
            uint64_t x     = score[i];
            uint32_t digit = static_cast<uint32_t>(x >> shift) & (SBI_RADIX_BINS - 1);
            if (shift == SBI_RADIX_BITS - SBI_RADIX_DIGIT)
                total += MASS ? x : 1;
            if (x >> shift >> SBI_RADIX_DIGIT != cut.score || digit == 0)
                continue;
            atomicAdd(&s->count[digit], 1u);
            if (MASS) { /* 64-bit sums of two 32-bit ones: each addition sees its own carry */
                uint32_t add = static_cast<uint32_t>(x);
                uint32_t old = atomicAdd(&s->low[digit], add);
                atomicAdd(&s->high[digit],
                          static_cast<uint32_t>(x >> 32) + (old + add < old ? 1u : 0u));
            }
        }
        __syncthreads();
        if (shift == SBI_RADIX_BITS - SBI_RADIX_DIGIT) {
            uint64_t v[2] = {total, 0}, all[2];
            sbi_radix_scan(s, v, all);
            if (all[0] <= limit) {
                cut.all = true;
                return cut;
            }
        }
        /* four bins a thread, from the top */
        constexpr int EACH   = SBI_RADIX_BINS / SBI_RADIX_THREADS;
        uint64_t      sum[2] = {0, 0}, all[2];
        uint64_t      mass[EACH];
        uint32_t      count[EACH];
        for (int j = 0; j < EACH; j++) {
            int b    = SBI_RADIX_BINS - 1 - tid * EACH - j;
            count[j] = s->count[b];
            mass[j]  = MASS ? static_cast<uint64_t>(s->high[b]) << 32 | s->low[b] : count[j];
            sum[0] += mass[j];
            sum[1] += count[j];
        }
        uint64_t own = sum[0];
        if (tid == 0) {
            s->digit = 0;
            s->taken = UINT64_MAX;
        }
        sbi_radix_scan(s, sum, all);
        uint64_t taken = cut.taken + sum[0], above = static_cast<uint64_t>(cut.above) + sum[1];
        if (taken <= limit && taken + own > limit)
            for (int j = 0; j < EACH; j++) {
                if (taken + mass[j] > limit) {
                    s->digit = static_cast<uint64_t>(SBI_RADIX_BINS - 1 - tid * EACH - j);
                    s->taken = taken;
                    s->above = above;
                    break;
                }
                taken += mass[j];
                above += count[j];
            }
        __syncthreads();
        if (s->taken == UINT64_MAX) { /* among those of digit 0 */
            cut.taken += all[0];
            cut.above += static_cast<int64_t>(all[1]);
        } else {
            cut.taken = s->taken;
            cut.above = static_cast<int64_t>(s->above);
        }
        cut.score = cut.score << SBI_RADIX_DIGIT | s->digit;
        __syncthreads();
    }
    return cut;
}

/* The set of the k largest of score[0..n), of equal ones the first, as bits [(n + 31) / 32]; where
 * they are wanted also as ascending ids [min(k, n)], and before[w]: how many lie in words before w,
 * [(n + 31) / 32]. All threads of the CTA call it. */
static __device__ void sbi_radix_top(const uint64_t *score, int64_t n, int64_t k, sbi_radix_room *s,
                                     uint32_t *bits, int32_t *ids, int32_t *before)
{
    sbi_radix_cut cut = {0, 0, 0, true};
    int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
    if (k < n)
        cut = sbi_radix_cross<false>(score, n, static_cast<uint64_t>(k - 1), s);
    int64_t ties = cut.all ? n : k - cut.above, at = 0;
    for (int64_t first = 0, turn = 0; first < n; first += SBI_RADIX_THREADS, turn ^= 1) {
        int64_t  i     = first + threadIdx.x;
        uint64_t x     = i < n ? score[i] : 0;
        bool     is    = i < n && (cut.all || x == cut.score);
        uint32_t over  = __ballot_sync(0xffffffffu, i < n && !cut.all && x > cut.score);
        uint32_t equal = __ballot_sync(0xffffffffu, is);
        if (lane == 0) {
            s->over[turn][warp]  = static_cast<uint32_t>(__popc(over));
            s->equal[turn][warp] = static_cast<uint32_t>(__popc(equal));
        }
        __syncthreads();
        /* lane l stands for warp l: ties before it, then what it takes */
        int n_equal = static_cast<int>(s->equal[turn][lane]), upto = n_equal;
        for (int step = 1; step < 32; step *= 2) {
            int up = __shfl_up_sync(0xffffffffu, upto, static_cast<unsigned>(step));
            upto += lane >= step ? up : 0;
        }
        int64_t left  = ties - (upto - n_equal);
        int     keep  = left < 0 ? 0 : left < n_equal ? static_cast<int>(left) : n_equal;
        int     takes = static_cast<int>(s->over[turn][lane]) + keep, sum = takes;
        for (int step = 1; step < 32; step *= 2) {
            int up = __shfl_up_sync(0xffffffffu, sum, static_cast<unsigned>(step));
            sum += lane >= step ? up : 0;
        }
        int64_t place = at + __shfl_sync(0xffffffffu, sum - takes, warp);
        int     mine  = __shfl_sync(0xffffffffu, keep, warp);
        at += __shfl_sync(0xffffffffu, sum, 31);
        ties -= __shfl_sync(0xffffffffu, upto, 31);
        ties               = ties < 0 ? 0 : ties;
        uint32_t before_me = (1u << lane) - 1;
        bool     take      = (over >> lane & 1) != 0 || (is && __popc(equal & before_me) < mine);
        uint32_t set       = __ballot_sync(0xffffffffu, take);
        if (lane == 0 && i < n) {
            bits[i / 32] = set;
            if (before != nullptr)
                before[i / 32] = static_cast<int32_t>(place);
        }
        if (take && ids != nullptr)
            ids[place + __popc(set & before_me)] = static_cast<int32_t>(i);
    }
    __syncthreads();
}

#endif
