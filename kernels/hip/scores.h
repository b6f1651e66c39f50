/* Scores of candidates [hip 3.1]: the largest product of a sampled query of the block and a sampled
 * key of the chunk's centre block, among the pairs where the key lies before the query's window.
 * Not scaled: that changes no order. */
#ifndef SB_KERNELS_HIP_SCORES_H
#define SB_KERNELS_HIP_SCORES_H

#include <math.h>
#include <string.h>

#include "kernels/exec/product.h"
#include "kernels/exec/row_walk.h"
#include "kernels/hip/chunks.h"

/* The sampled queries of one head and query block as columns of the product. Columns of padding
 * repeat a query, which changes no maximum. */
typedef struct sbi_hip_queries {
    float   *column;    /* [groups][dim][SB_PRODUCT_LANES], 32-byte aligned */
    int64_t *at;        /* [groups * SB_PRODUCT_LANES] their positions */
    int64_t  n, groups; /* without and with padding */
} sbi_hip_queries;

/* Columns of a query block, padding included: room for any of its queries. */
static inline int64_t sbi_hip_groups(int64_t rows)
{
    return (rows + SB_PRODUCT_LANES - 1) / SB_PRODUCT_LANES;
}

/* The last query of each stride that is here; none: the last query [5]. */
void sbi_hip_pack_queries(const sb_hip_params *p, const sb_tensor *q, int64_t head,
                          const sb_row_part *row, sbi_hip_queries *out);

/* What logits are scaled by; only `official` needs it. */
static inline float sbi_hip_scale(const sb_shape *shape)
{
    return 1.0f / sqrtf((float)shape->head_dim);
}

/* A score as a number whose order is that of the scores: [0, 2^32); equal scores (0 and -0 too)
 * give equal numbers. Not for NaN. */
static inline int64_t sbi_hip_key(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return (int64_t)(bits >> 31 ? ~bits : bits | 0x80000000u);
}

/* Keys of the candidates' scores over the keys at hand; where none counts (not here, in the window
 * of every sampled query, no number): that of -inf, so the maximum over shards is the score over
 * all keys. fp32 products with sums in order of d: the same bits on every CPU. chunk ascending.
 * Returns how many pairs were multiplied, at 2 * d FLOP each. */
int64_t sbi_hip_scores(const sb_hip_params *p, sb_product_fn product, const sbi_hip_queries *q,
                       const sb_tensor *k, int64_t kv_head, const sbi_hip_chunk *chunk, int64_t n,
                       int64_t *key);

/* What the released code compares instead [11.3]: sigmoid(score * scale), bf16 before and after. */
void sbi_hip_official(int64_t *key, int64_t n, float scale);

#endif
