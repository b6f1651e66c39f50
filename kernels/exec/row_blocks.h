/* The row blocks of a query shard and the places of their tile lists, for methods that choose key
 * blocks for row blocks of the same size.
 *
 * A row block may list every block it can see, so that is the room it gets: its scores can stand
 * there before its ids do, rows are chosen in any order, and at last the lists are moved together.
 *
 *   ids of one head   | row 0 | row 1     | row 2         |  ..     places by sum of what rows may
 *   after closing     |row 0|row 1|row 2 |  ..                      list; then without gaps */
#ifndef SB_KERNELS_EXEC_ROW_BLOCKS_H
#define SB_KERNELS_EXEC_ROW_BLOCKS_H

#include "kernels/base/method.h"

typedef struct sb_row_block {
    int64_t first_id; /* in a head's part of the ids, until they are moved together */
    int64_t slot;     /* local row of its first query that is here */
    int64_t n_tokens; /* queries of it that are here */
    int32_t run;      /* the first lies in this run of q_gid */
} sb_row_block;

typedef struct sb_row_blocks {
    int64_t block_tokens;
    int64_t segment_blocks; /* a row block sees blocks up to the end of its segment of that
                               many; 1: up to its own */
    int64_t       n_blocks; /* of all keys */
    int64_t       n_rows;
    int64_t       ids_per_head; /* places */
    sb_row_block *row;          /* [n_rows] */
} sb_row_blocks;

/* Blocks that row block `block` may list: ids [0, this). */
static inline int64_t sb_row_blocks_end(const sb_row_blocks *r, int64_t block)
{
    int64_t end = (block / r->segment_blocks + 1) * r->segment_blocks;
    return end < r->n_blocks ? end : r->n_blocks;
}

/* *r and the index of TILES for it: plan becomes row_tokens, n_rows, row_id and tiles, one list a
 * query head; the rest of *plan is cleared. 4 * heads * ids_per_head bytes, about 2 * heads *
 * n_blocks^2 over all ranks. */
sb_status sb_row_blocks_layout(sb_row_blocks *r, sb_arena *a, const sb_shape *shape,
                               int64_t block_tokens, int64_t segment_blocks, sb_plan *plan);

/* Fill r->row and plan->row_id. A block that several runs share comes once: its queries follow each
 * other in the shard. */
void sb_row_blocks_name(const sb_row_blocks *r, const sb_shape *shape, sb_plan *plan);

/* The place of (head, local row) in the ids. */
static inline int32_t *sb_row_blocks_place(const sb_row_blocks *r, const sb_plan *plan,
                                           int64_t head, int64_t row)
{
    return plan->tiles.id + head * r->ids_per_head + r->row[row].first_id;
}

/* row_ptr[head * n_rows + row + 1] holds the length of each list, which stands in its place; move
 * them together and make the row pointers. */
void sb_row_blocks_close(const sb_row_blocks *r, sb_plan *plan);

#endif
