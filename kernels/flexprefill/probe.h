/* How the last block of queries spreads its attention over columns and over diagonals
 * [flexprefill 3.1, 3.2].
 *
 *   row i of B, at N - B + i:   |  A[i][0] .. A[i][N - B + i]  |  0 (future)
 *   column c                    sum over i of A[i][c]
 *   diagonal j, distance N-1-j  sum over i of A[i][j - (B - 1 - i)] */
#ifndef SB_KERNELS_FLEXPREFILL_PROBE_H
#define SB_KERNELS_FLEXPREFILL_PROBE_H

#include "kernels/flexprefill/room.h"

typedef struct sbi_flex_in {
    const sb_tensor *q, *k; /* k: all keys, in id order */
    int32_t          round; /* 1: the roundings of the released code */
    double           gamma, tau;
    int64_t          min_blocks, max_blocks; /* m_b, M_b [2] */
    int64_t          slash_cover;
    int32_t          threads; /* at most the room's */
    sb_product_fn    product;
} sbi_flex_in;

/* What a value becomes on its way into an estimate. */
static inline float sbi_flex_rounded(const sbi_flex_in *in, float x)
{
    return in->round ? sb_bf16_round(x) : x;
}

/* From room->q to room->vertical, room->slash and room->seen: A summed over the B rows, each weight
 * an integer round(A * 2^40), so both sums are exact and know neither threads nor tiles
 * [sharding 7.4]. A: softmax in fp32 over the keys that row i sees; a normaliser is the fp64 sum,
 * in key order, of the partials of fixed chunks of keys. Two passes over the keys, 4 * B * N * d
 * FLOP; a tile of logits a thread is all that is kept of them. A logit that is no number weighs
 * nothing. */
void sbi_flex_marginals(const sbi_flex_room *room, const sbi_flex_in *in, int64_t kv_head);

#endif
