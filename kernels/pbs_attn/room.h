/* The index and what plan works in, laid out by shape alone, so that plan allocates nothing.
 *
 *   N tokens   | segment 0 | segment 1 | .. | segment G-1 | tail |     S tokens each, tail < S
 *   blocks     | 0 | 1 .. nb-1 |  ..                                  B tokens, nb = S / B
 *
 * Complete segments are permuted and their blocks can be chosen; each rank sorts and pools a range
 * of them, whichever queries it holds, because plan has all keys. A range is whole groups of
 * SB_PRODUCT_LANES blocks, so that pooled keys lie as the product wants them. */
#ifndef SB_KERNELS_PBS_ATTN_ROOM_H
#define SB_KERNELS_PBS_ATTN_ROOM_H

#include "kernels/exec/antidiagonal.h"
#include "kernels/exec/last_queries.h"
#include "kernels/pbs_attn/pbs_attn.h"

enum { SBI_PBS_EXP = 16 }; /* the vector exp takes multiples of this */

/* One thread's. */
typedef struct sbi_pbs_scratch {
    float    *q;        /* [SB_PRODUCT_ROWS][d] pooled queries */
    float    *k;        /* [segment, padded / LANES][d][LANES] keys of a segment, transposed */
    float    *out;      /* [max(probe rows, SB_PRODUCT_ROWS)][LANES] of one product */
    float    *x;        /* logits: [probe rows][segment lanes], or [SB_PRODUCT_ROWS][block lanes] */
    float    *pooled;   /* [nb][d] */
    int32_t  *key;      /* [S] patterns of scores */
    int32_t  *order;    /* [2 * max(S, blocks)] sorting */
    uint16_t *block_of; /* [S] block in which a token of the segment stands after sorting */
    uint8_t  *keep;     /* [blocks] */
    sb_antidiagonal_scratch grid;
} sbi_pbs_scratch;

typedef struct sbi_pbs_room {
    sb_pbs_attn_counts counts; /* first, so that sb_pbs_attn_counts_of finds it */
    int64_t          block_tokens, segment_tokens, blocks_per_segment;
    int64_t          n_segments;        /* G, complete ones */
    int64_t          n_blocks;          /* of all keys; those of complete segments come first */
    int64_t          heads, group, dim; /* group: query heads of a KV head */
    int64_t          perms, perm_heads; /* permutations; query heads that share one */
    int64_t          probe_rows, probe_lanes;    /* B, padded to whole products; and for the exp */
    int64_t          segment_lanes, block_lanes; /* S and n_blocks, padded for the exp */
    int64_t          first_segment, end_segment; /* this rank's range */
    int32_t          threads;
    sb_row_blocks    blocks;
    sb_antidiagonal  grid;
    sb_last_queries  probe;
    float           *q_last;    /* [perms][probe_rows][d] probe queries as fp32, padding zero */
    float           *part_top;  /* [perms][own segments][probe_lanes] largest logit */
    float           *part_sum;  /* [perms][own segments][probe_lanes] sum of exp(logit - top) */
    int64_t         *top, *sum; /* [perms][B] of the rows over all keys, as integers */
    float           *score;     /* [perms][own segments * S] importance s */
    float           *k_pool; /* [blocks / LANES][perms][d][LANES]; blocks past the last are zero */
    int32_t         *first;  /* [perms] f: the block of key 0; -1: none is forced */
    int64_t         *count_bytes, *displ_bytes; /* [ranks] */
    sbi_pbs_scratch   *scratch;                   /* [threads] */
} sbi_pbs_room;

/* With no more than one segment there is nothing to choose [3, step 0]. Decode is dense [6]. */
static inline int sbi_pbs_is_dense(const sb_pbs_attn_params *p, const sb_shape *shape)
{
    return shape->is_decode || shape->n_keys <= p->segment_tokens;
}

/* Blocks that row block `block` has scores of, all of earlier segments: [0, this). */
static inline int64_t sbi_pbs_candidates(const sbi_pbs_room *r, int64_t block)
{
    return block / r->blocks_per_segment * r->blocks_per_segment;
}

/* First segment of rank `rank` of `ranks`; of rank `ranks`: G. */
int64_t sbi_pbs_first_segment(const sbi_pbs_room *r, int64_t rank, int64_t ranks);

/* plan->method_data is the room; slots have room for every query head. Memory of all ranks beside
 * the index (row_blocks.h): heads * N * (2 R + 4) bytes for slots and scores, 8 * heads * B * G for
 * the probe's parts, 4 * R * heads * d * N / B for pooled keys. */
sb_status sbi_pbs_layout(sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape,
                         sb_plan *plan);

#endif
