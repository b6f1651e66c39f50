/* What plan works in: laid out beside the index, so that plan allocates nothing. */
#ifndef SB_KERNELS_FLEXPREFILL_ROOM_H
#define SB_KERNELS_FLEXPREFILL_ROOM_H

#include "kernels/exec/last_queries.h"
#include "kernels/exec/product.h"
#include "kernels/exec/row_blocks.h"
#include "kernels/flexprefill/flexprefill.h"

enum {
    /* Masses of up to 2^40 a row and block are summed over blocks in 63 bits. */
    SBI_FLEX_MAX_BLOCKS = 1 << 22,
    /* Keys whose logits stand at one time: never across a block. 64 keys of 128 numbers, widened,
     * just fit a 32 KiB L1. */
    SBI_FLEX_TILE_KEYS = 64,
    /* Keys of one partial of the normalisers: fixed, so that threads do not change a bit; small, so
     * that 8192 keys feed 16 threads. */
    SBI_FLEX_CHUNK_KEYS = 512,
    /* Digits of a score: 11, 11 and 10 bits [sharding 7.2]. */
    SBI_FLEX_DIGIT_BITS = 11,
    SBI_FLEX_DIGITS     = 3,
    SBI_FLEX_BINS       = 1 << SBI_FLEX_DIGIT_BITS
};

/* One thread's. */
typedef struct sbi_flex_scratch {
    float    *k;      /* [tile_keys][d] keys, widened */
    float    *x;      /* [B / LANES][tile_keys][LANES] logits of the last queries, then weights */
    uint64_t *near;   /* [tile_keys + B - 1] a tile's part of the diagonals */
    float    *q_mean; /* [d][LANES] means of row blocks, scaled */
    float    *score;  /* [padded_blocks][LANES] their logits and weights */
    uint8_t  *keep;   /* [n_blocks] */
} sbi_flex_scratch;

/* Where the falling sequence of a query-aware head's scores is cut: what is above `score` is kept,
 * and of those that equal it the first few. Scores are fp32 patterns, which rise with the numbers.
 */
typedef struct sbi_flex_cut {
    uint32_t score; /* while digits are missing, only the known ones */
    uint64_t mass;  /* of all scores above it, in units of 2^-40 */
    int32_t  all;   /* 1: nothing crosses the limit, every score is kept: score = 0 */
} sbi_flex_cut;

typedef struct sbi_flex_room {
    int64_t         block_tokens, n_blocks, heads, heads_per_kv, n_chunks, tile_keys;
    int64_t         padded_blocks;        /* n_blocks up to a whole pass of the product */
    int64_t         set_words;            /* 64-bit words of a set of blocks */
    int64_t         first_head, end_head; /* whose patterns this rank finds */
    int32_t         threads;
    sb_row_blocks   rows;
    sb_last_queries last; /* block_tokens rows */
    /* one head at a time */
    float    *q;         /* [B / LANES][d][LANES] last queries, scaled */
    float    *chunk_top; /* [n_chunks][B] largest logit of a row in a chunk */
    double   *chunk_sum; /* [n_chunks][B] sum of exp(logit - top) */
    float    *row_top;   /* [B] of all chunks */
    double   *row_unit;  /* [B] 2^40 / normaliser */
    uint64_t *vertical;  /* [keys] sum over the rows of weights, in units of 2^-40: B a_v */
    uint64_t *slash;     /* [keys] the same by diagonal: B a_s, entry j at distance N - 1 - j */
    uint64_t *columns;   /* [n_blocks] V, in the same units */
    uint64_t *diagonals; /* [n_blocks] S by offset, likewise */
    uint8_t  *seen;      /* [n_blocks] 1: some weight of the block of columns is above 0 */
    double   *p, *t;     /* [n_blocks] estimated and true mass of the blocks of columns */
    int32_t  *ids;       /* [n_blocks] chosen ones */
    /* all heads */
    float    *k_mean; /* [kv_heads][padded_blocks][d]; rows past n_blocks are 0 */
    uint64_t *choice; /* [heads][1 + 2 * set_words]: 1 where query-aware, chosen columns, chosen
                         offsets */
    int64_t *count_bytes, *displ_bytes; /* [ranks] of the choice */
    int32_t  n_aware;
    int32_t *aware;            /* [n_aware] query-aware heads, ascending; below, arrays by place */
    int64_t *bins;             /* [n_aware][SBI_FLEX_BINS] mass of a digit */
    int64_t *ties;             /* [n_aware][n_blocks] how many scores of a row block that equal the
                                  cut are kept */
    sbi_flex_cut     *cut;     /* [n_aware] */
    sbi_flex_scratch *scratch; /* [threads] */
} sbi_flex_room;

static inline uint64_t *sbi_flex_choice(const sbi_flex_room *r, int64_t head)
{
    return r->choice + head * (1 + 2 * r->set_words);
}
static inline uint64_t *sbi_flex_columns(const sbi_flex_room *r, int64_t head)
{
    return sbi_flex_choice(r, head) + 1;
}
static inline uint64_t *sbi_flex_offsets(const sbi_flex_room *r, int64_t head)
{
    return sbi_flex_choice(r, head) + 1 + r->set_words;
}

/* Index and room for a shape that is not dense; plan->method_data is the room. The index has the
 * place for every causal block of every local row, where the scores of query-aware heads stand
 * first. What grows with the keys besides: 16 bytes a key for one head at a time. */
sb_status sbi_flex_layout(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                          sb_plan *plan);

#endif
