/* The plan of the record, apart from its dense cases; and its two stages. */
#ifndef SB_KERNELS_ANCHOR_ATTENTION_PLAN_CPU_H
#define SB_KERNELS_ANCHOR_ATTENTION_PLAN_CPU_H

#include "kernels/anchor_attention/room.h"

typedef struct sbi_anchor_in {
    const sb_tensor *q, *k;  /* k: all keys, in id order */
    float            factor; /* sc * log2(e): logits are in base-2 units [2] */
    float            theta2; /* theta * log2(e) */
    int32_t          round;  /* 1: the roundings of the released code */
    sb_product_fn    product;
} sbi_anchor_in;

/* What a value becomes on its way into a comparison. */
static inline float sbi_anchor_rounded(const sbi_anchor_in *in, float x)
{
    return in->round ? sb_bf16_round(x) : x;
}

/* Keys [first, first + n), n <= LANES, of one KV head as columns [d][LANES]; the rest zeros. */
static inline void sbi_anchor_pack(const sb_tensor *k, int64_t kv_head, int64_t first, int64_t n,
                                   float *to)
{
    for (int64_t l = 0; l < SB_PRODUCT_LANES; l++) {
        const sb_bf16 *key = sb_tensor_bf16(k, kv_head, first + (l < n ? l : 0));
        for (int64_t x = 0; x < k->dim; x++)
            to[x * SB_PRODUCT_LANES + l] = l < n ? sb_bf16_to_f32(key[x]) : 0.0f;
    }
}

/* Stage 1 for block `step` of a super-block with candidates: mean query and mean anchor of query
 * head `head` into the room. Anchor of a query: its largest logit over first, before and own, up to
 * itself. 2 * d * B * (visible keys) FLOP. */
void sbi_anchor_means(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t head,
                      const sbi_anchor_row *row, int64_t step, const sbi_anchor_scratch *scratch,
                      float *q_mean, float *anchor_mean);

/* Stage 2 for one super-block and the query heads of one KV head, from the means of both:
 * ascending kept keys of head i of the group to ids[i], how many to n[i * n_stride]. */
void sbi_anchor_stripes(const sbi_anchor_room *room, const sbi_anchor_in *in, int64_t kv_head,
                        const sbi_anchor_row *row, const float *q_mean, const float *anchor_mean,
                        const sbi_anchor_scratch *scratch, int32_t *ids, int64_t ids_stride,
                        int64_t *n, int64_t n_stride);

/* Stage 1: block a of a super-block meets the first block and a + 2 more (released: the blocks of
 * the first super-block and a + 1 more); the anchors' products run again in attend
 * [anchor_attention 3]. Stage 2: mean queries against all candidates [7]. */
int64_t sbi_anchor_flops(const sbi_anchor_room *room, const sb_shape *shape, int64_t n_rows);

/* The record's plan where the mask is not dense. Local: a rank holds whole super-blocks and all
 * keys, and nothing is normalised over ranks [8]. Stage 1 is timed as estimate, stage 2 as select.
 */
sb_status sbi_anchor_plan_cpu(sb_ctx *ctx, const sb_anchor_attention_params *p,
                              const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                              sb_plan *plan);

#endif
