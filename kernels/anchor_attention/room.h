/* The index and what plan works in, laid out by shape alone, so that plan allocates nothing.
 *
 *   keys of super-block g, B block, T super-block:
 *     |first| candidates ... |before|own super-block |
 *     0     B              gT-B    gT          (g+1)T
 *
 * first, before and own are TILES of B keys, one list for all heads; the kept candidates are
 * TOKENS, one list a head. No key is in two parts. Windows `released`: the first super-block is a
 * sink and the own one a span of the WINDOW, beside the same TOKENS: those below T are in both. */
#ifndef SB_KERNELS_ANCHOR_ATTENTION_ROOM_H
#define SB_KERNELS_ANCHOR_ATTENTION_ROOM_H

#include "kernels/anchor_attention/anchor_attention.h"
#include "kernels/exec/product.h"

/* A local super-block. */
typedef struct sbi_anchor_row {
    int64_t block;    /* g, also plan->row_id */
    int64_t slot;     /* local slot of its first query that is here */
    int64_t n_tokens; /* queries of it that are here; fewer than T: all its rows are dense [3, 5] */
    int64_t first_id; /* in a head's part of the token ids before they are moved together */
} sbi_anchor_row;

/* One thread's. */
typedef struct sbi_anchor_scratch {
    float *q;   /* [block_rows][d] scaled queries of a block */
    float *k;   /* [d][LANES] keys, transposed */
    float *s;   /* [max(block_rows, mean_rows)][LANES] logits */
    float *top; /* [block_rows][LANES] largest so far */
} sbi_anchor_scratch;

typedef struct sbi_anchor_room {
    int64_t         block_tokens, step_blocks, super_tokens;
    int64_t         n_blocks; /* of block_tokens, of all keys */
    int64_t         heads_per_kv;
    int64_t         block_rows;   /* block_tokens, rounded up to whole passes of the product */
    int64_t         mean_rows;    /* heads_per_kv * step_blocks, rounded likewise */
    int64_t         ids_per_head; /* of the token ids before they are moved together */
    int32_t         threads;
    int32_t             released;        /* windows */
    sbi_anchor_row *row;             /* [n_rows] */
    float          *q_mean;          /* [kv_heads][n_rows][mean_rows][d]; rows [head of the group]
                                        [block], the rest zeros */
    float              *anchor_mean; /* [kv_heads][n_rows][mean_rows] */
    sbi_anchor_scratch *scratch;     /* [threads] */
} sbi_anchor_room;

/* Candidates [block_tokens, end) of a local super-block; 0 or less: none. */
static inline int64_t sbi_anchor_candidates(const sbi_anchor_room *r, const sbi_anchor_row *row)
{
    if (row->n_tokens < r->super_tokens)
        return 0;
    return row->block * r->super_tokens - 2 * r->block_tokens;
}

/* What a shard lists: super-blocks, tiles of all rows, candidates of all rows of a head. */
typedef struct sbi_anchor_counts {
    int64_t rows, tiles, tokens;
} sbi_anchor_counts;

/* Sizes alone; arrays NULL. */
sbi_anchor_room   sbi_anchor_room_of(const sb_anchor_attention_params *p, const sb_shape *shape,
                                     int32_t threads);
sbi_anchor_counts sbi_anchor_count(const sbi_anchor_room *r, const sb_shape *shape);

/* Index and room for the shape; plan->method_data is the room. Token ids: the place for every
 * candidate, what a large theta keeps: about 2 * N^2 / T bytes a head over all ranks. */
sb_status sbi_anchor_layout(sb_ctx *ctx, const sb_anchor_attention_params *p, const sb_shape *shape,
                            sb_plan *plan);

/* Name the local super-blocks (plan->row_id, room->row) and list their tiles. */
void sbi_anchor_rows(const sb_shape *shape, sb_plan *plan);

/* The plan's parts, and with windows `released` its rule for them. Collective then. */
sb_status sbi_anchor_windows(sb_ctx *ctx, const sb_shape *shape, sb_plan *plan);

#endif
