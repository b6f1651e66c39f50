/* The index a method writes and an executor reads: which keys each query row may see.
 *
 * Up to three disjoint parts; one softmax runs over their union, always ANDed with causality
 * (gid_k <= gid_q):
 *   WINDOW  keys with gid < sink_tokens or gid_q - gid < window_tokens (own token included);
 *           dense = unbounded window; sb_window_form says more
 *   TILES   per (head, row block): ascending tile ids; tile t covers keys [t*unit, t*unit + width)
 *   TOKENS  per (head, row block): ascending single key ids
 * A row block is `row_tokens` queries that share one list: row block b = global tokens
 * [b*row_tokens, (b+1)*row_tokens). CSR rows follow the LOCAL row blocks of the query shard in
 * order (row_id names them); ids are global, so the index of a row does not depend on the number of
 * ranks. n_heads == 1 means one list serves every query head. */
#ifndef SB_KERNELS_BASE_PLAN_H
#define SB_KERNELS_BASE_PLAN_H

#include <stdint.h>

#include "kernels/base/tensor.h"

typedef enum sb_plan_part { SB_PART_WINDOW = 1, SB_PART_TILES = 2, SB_PART_TOKENS = 4 } sb_plan_part;

typedef struct sb_csr {
    int64_t  n_heads;      /* 1 or the number of query heads */
    int64_t *row_ptr;      /* [n_heads * n_rows + 1] */
    int32_t *id;           /* [capacity] */
    int64_t  capacity;
    int64_t  unit_tokens;  /* first key of tile id = id * unit_tokens */
    int64_t  width_tokens; /* keys in a tile */
} sb_csr;

/* Keys in another order, inside segments: slot s of a head stands for token s - s % segment_tokens
 * + offset[head][s]. Each segment is a permutation of itself, so a segment before another one holds
 * earlier tokens only; the last, short segment is one too. Queries keep their places. With slots
 * the ids of TILES and TOKENS count slots; the causal test reads the token. No WINDOW beside them:
 * its rule counts tokens. */
typedef struct sb_slots {
    int64_t   n_heads;        /* 0: none, ids count tokens; else 1 or the number of query heads */
    int64_t   n_slots;        /* tokens of the whole sequence */
    int64_t   segment_tokens; /* at most 65536 */
    uint16_t *offset;         /* [n_heads][n_slots] */
} sb_slots;

/* The window, where it is more than two numbers. All zero: it is not. Query q sees keys k <= q with
 *   k < sink_tokens,  or  k >= first(q) and (q - k) % dilation_tokens == 0
 * first(q): the token that lies window_tokens - 1 steps of dilation_tokens before the last one of
 * q's unit, or the sequence's start. A unit is unit_tokens tokens of one residue class, from the
 * class's first one on; the sequence's end at n_tokens (0: unknown) cuts the last unit short.
 *
 *   unit 4, window 6:   q = 9 belongs to unit 8..11: sees 6, 7, 8, 9
 *
 * With spans, first(q) is that of the last span whose row <= q instead. */
typedef struct sb_head_window {
    int64_t sink_tokens, window_tokens;
} sb_head_window;

typedef struct sb_window_span {
    int64_t row;   /* queries from this one on, up to the next span's */
    int64_t first; /* see keys from this one on; at most row */
} sb_window_span;

typedef struct sb_window_form {
    int64_t         unit_tokens, dilation_tokens; /* 0: 1 */
    int64_t         n_tokens;
    sb_head_window *head; /* [query heads] instead of the plan's two numbers; NULL: those for all */
    int64_t         n_heads;
    sb_window_span *span; /* ascending, the first at row 0 */
    int64_t         n_spans;
} sb_window_form;

typedef struct sb_plan {
    uint32_t parts;      /* OR of sb_plan_part */
    int64_t  row_tokens; /* queries that share a list (TILES, TOKENS) */
    int64_t  n_rows;     /* local row blocks */
    int32_t *row_id;     /* [n_rows] global row block numbers, ascending */
    int64_t  sink_tokens, window_tokens;
    sb_window_form form;
    sb_csr   tiles, tokens;
    sb_slots slots;
    int32_t  fallback;   /* 1: the method asked for dense here (too short); density cells leave it out */
    /* 1: attend changes the logits of the keys it keeps (rotary positions inside a cache), so its
     * lse is of another softmax than dense attention's: recall does not exist, density does. */
    int32_t own_softmax;
    /* 1: a key that is in the WINDOW and listed besides weighs twice in the softmax, as partial
     * sums over parts that overlap give it (own_softmax then, too). Else a key comes once. Counts
     * of pairs take it once either way. */
    int32_t overlap_twice;
    /* FLOP of the matrix products that planning ran to find the selection [quality_metrics B4]: of
     * all query heads and the local rows, a multiply-add counting 2, whole tiles (masked products
     * count, padding to a vector does not); softmax, sorting, sums of means and gathers are left
     * out. Ranks add up, so that the sum over ranks is what one rank alone spends: work that all of
     * them repeat is counted where sb_ctx_is_first says. Set by plan; 0 (layout): no estimate. */
    int64_t estimate_flops;
    /* In device memory, of plans made there: what depends on the data and is to be added to
     * estimate_flops when the plan is fetched (plan_fetch.h); NULL: nothing. */
    int64_t *estimate_flops_more;
    /* FLOP of attend on all query heads and the local rows where no index tells them
     * (SB_CAP_NO_INDEX): set by plan, ranks add up. Else 0: counted from the index. */
    int64_t attend_flops;
    void   *method_data; /* a method's own, laid out in its layout() */
} sb_plan;

#define SB_WINDOW_ALL INT64_MAX

#endif
