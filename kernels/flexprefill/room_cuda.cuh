/* What plan works in on a device, and its steps. */
#ifndef SB_KERNELS_FLEXPREFILL_ROOM_CUDA_CUH
#define SB_KERNELS_FLEXPREFILL_ROOM_CUDA_CUH

#include <cuda_runtime.h>

#include "kernels/exec/last_probe_device.h"
#include "kernels/exec/plan_bits_device.h"
#include "kernels/exec/row_blocks_device.h"
#include "kernels/flexprefill/flexprefill.h"

enum { SBI_FLEX_DIGIT = 11, SBI_FLEX_DIGIT_BINS = 1 << SBI_FLEX_DIGIT, SBI_FLEX_ALL_DIGITS = 3 };

/* Where a query-aware head's falling scores are cut. */
struct sbi_flex_device_cut {
    uint32_t score; /* fp32 pattern; while digits are missing, only the known ones */
    int32_t  all;   /* nothing crosses: score 0, all is kept */
    uint64_t mass;  /* of all scores above it, in units of 2^-40 */
};

/* By value to kernels; arrays are device memory. n: key blocks, and row blocks of the sequence,
 * over all of which query-aware heads are cut; the lists are of the rows.n_rows row blocks here. */
struct sbi_flex_device {
    int64_t              heads, heads_per_kv, n, n_keys, dim, block_tokens, set_words;
    sb_row_blocks_device rows;
    sb_plan_bits         bits;
    sb_last_probe        probe;
    float               *k_mean; /* [kv_heads][n][dim] */
    float               *q_mean; /* [heads][n][dim], of query-aware heads */
    uint64_t            *pooled; /* [heads][2][n] masses of columns by block, diagonals by offset */
    double              *p;      /* [heads][n] estimated mass of the columns */
    uint32_t            *set;    /* [heads][2][set_words] chosen columns, chosen offsets */
    int32_t             *aware;  /* [heads] 1: query-aware */
    uint64_t            *bins;   /* [heads][DIGIT_BINS] */
    int64_t             *ties;   /* [heads][n] how many scores of a row that equal the cut stay */
    sbi_flex_device_cut *cut;    /* [heads] */
    int64_t             *flops;  /* of query-aware heads */
    int64_t              scores; /* of a head: n (n + 1) / 2 */
    int32_t             *score;  /* [heads][scores]: the ids of the index where it has all rows */
};

/* What parameters say; by value to kernels. */
struct sbi_flex_asked {
    int32_t  round; /* the roundings of the released code */
    double   tau;
    int64_t  min_blocks, max_blocks, slash_cover;
    uint64_t line_limit, block_limit; /* masses at which budgets and scores cross */
};

/* pooled, p and aware from the probe and the means of key blocks [flexprefill 3.4, 3.5]. */
sb_status sbi_flex_judge_heads(const sbi_flex_device &r, const sbi_flex_asked &a,
                               const sb_tensor *q, cudaStream_t stream);
/* set: budgets, then the largest masses [3.3, 3.6, 3.7]. */
sb_status sbi_flex_choose_lines(const sbi_flex_device &r, const sbi_flex_asked &a,
                                cudaStream_t stream);
/* score and flops: weights of all causal blocks of query-aware heads, from q_mean [3.9]. */
sb_status sbi_flex_score_blocks(const sbi_flex_device &r, const sbi_flex_asked &a,
                                cudaStream_t stream);
/* cut and ties from the scores [3.9]. */
sb_status sbi_flex_cut_scores(const sbi_flex_device &r, const sbi_flex_asked &a,
                              cudaStream_t stream);
/* bits from all of these [3.8, 3.9]. */
sb_status sbi_flex_set_bits(const sbi_flex_device &r, const sbi_flex_asked &a, cudaStream_t stream);

static __device__ __forceinline__ float sbi_flex_round(float x, int32_t round)
{
    if (!round)
        return x;
    uint32_t u = __float_as_uint(x);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return x;
    return __uint_as_float((u + 0x7fffu + (u >> 16 & 1)) & 0xffff0000u);
}

/* First place of a row in its head's scores. */
static __device__ __forceinline__ int64_t sbi_flex_row_at(int64_t row)
{
    return row * (row + 1) / 2;
}

static __device__ __forceinline__ uint64_t sbi_flex_mass_of(int32_t score)
{
    return static_cast<uint64_t>(
        __dadd_rn(__dmul_rn(static_cast<double>(__int_as_float(score)), 0x1p40), 0.5));
}

#endif
