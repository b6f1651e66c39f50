/* The plan of the record, apart from its dense cases; and its stages, in order:
 *
 *   importance   maxima | all ranks | sums | all ranks | scores     [3, step 1]
 *   permute      sort each segment                                  [3, step 2]
 *   pool         pooled keys of permuted blocks | all ranks         [3, step 3]
 *   mean_scores or sb_antidiagonal_scores, then select              [3, steps 3 to 5]
 *
 * Every number comes from one rank alone or is a maximum or an integer sum, so neither the ranks
 * nor the threads change a bit [sharding 7.4]. */
#ifndef SB_KERNELS_PBS_ATTN_PLAN_CPU_H
#define SB_KERNELS_PBS_ATTN_PLAN_CPU_H

#include "kernels/pbs_attn/room.h"

typedef struct sbi_pbs_in {
    const sb_tensor *q, *k;  /* k: all keys, in id order */
    float            factor; /* 1 / sqrt(d) */
    int32_t          round;  /* 1: the roundings of the released code */
    int32_t          query_pool, key_pool, pool_div_valid;
    sb_product_fn    product;
    int32_t          threads;
} sbi_pbs_in;

static inline float sbi_pbs_rounded(const sbi_pbs_in *in, float x)
{
    return in->round ? sb_bf16_round(x) : x;
}

/* A logit from a product: the code stores both in bf16 [3, steps 1 and 3]. */
static inline float sbi_pbs_logit(const sbi_pbs_in *in, float product)
{
    return sbi_pbs_rounded(in, sbi_pbs_rounded(in, product) * in->factor);
}

/* x[0..n) exponentials, n a multiple of 16; what is no number becomes 0 and is counted. Sum in a
 * fixed order. */
float sbi_pbs_sum(float *x, int64_t n, int64_t *nan_scores);

/* Importance of this rank's segments. Probe rows see all keys of complete segments, later ones as
 * well [3, step 1].
 *   maxima   q_last, part_top, part_sum; top: the rows' largest logits as sortable integers, to be
 *            maximised over the ranks. Returns logits that were no number
 *   sums     from the top of all ranks; sum: round(exp(x - top) * 2^39) of this rank, to be added
 *            (half of sharding 7.4's 2^40, because sums travel as signed integers; N < 2^24)
 *   scores   from both of all ranks: score
 * 2 * 2 * B * N * d * perms FLOP over all ranks: logits are computed twice, not kept. */
int64_t sbi_pbs_maxima(const sbi_pbs_room *room, const sbi_pbs_in *in);
void    sbi_pbs_sums(const sbi_pbs_room *room, const sbi_pbs_in *in);
void    sbi_pbs_importance(const sbi_pbs_room *room, const sbi_pbs_in *in);

/* Offsets of this rank's segments from their scores, for the first head of each permutation; equal
 * scores keep the order of the tokens. */
void sbi_pbs_sort(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_slots *slots);

/* Pooled keys of this rank's segments. Sums run over the tokens of a block in token order, so that
 * they depend on which keys it holds alone. */
void sbi_pbs_pool_keys(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_slots *slots);

/* Scores A of local rows [first, first + n), n at most SB_PRODUCT_ROWS, of a query head: fp32
 * patterns in their places. Returns logits that were no number. */
int64_t sbi_pbs_mean_scores(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_plan *plan,
                            int64_t head, int64_t first, int64_t n, const sbi_pbs_scratch *s);

/* Lists of all local rows, from pooled keys and slots of all ranks; counts and estimate_flops too.
 * Scores are timed as estimate, the choice as select. */
void sbi_pbs_choose(sb_ctx *ctx, const sb_pbs_attn_params *p, sbi_pbs_room *room,
                    const sbi_pbs_in *in, sb_plan *plan);

/* The record's plan where the mask is not dense. Collective. Importance, pooled keys and scores are
 * timed as estimate, sorting as permute, the choice as select, exchanges as communicate. */
sb_status sbi_pbs_plan_cpu(sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_plan *plan);

#endif
