/* The keys of a row tile, 64 lanes at a time: what stands between an index and the flash step.
 *
 *   aligned  the keys of one 64-key block in ids, each in its own lane: dense, windows, and tiles
 *            that are made of whole such blocks
 *   packed   the listed keys of the row block, in list order, 64 after 64, wherever they lie:
 *            single tokens, small or unaligned tiles, slots. Their blocks come before the window's
 *
 *   list  3 9 10 40 41 77 ..   lanes |3|9|10|40|41|77| ..  63|   next block: entries 64 ..
 *
 * A row sees a prefix of its row block's list, and the list is packed from its start: so a row
 * meets the same keys in the same lanes of the same blocks in any tile that holds it, and work is
 * proportional to the length of the list. The lanes of keys that are not at hand stay empty
 * (aligned) or go to the next key (packed). */
#ifndef SB_KERNELS_EXEC_KEY_BLOCKS_H
#define SB_KERNELS_EXEC_KEY_BLOCKS_H

#include "kernels/base/tensor.h"
#include "kernels/exec/segments.h"
#include "kernels/exec/tiles.h"

typedef struct sb_key_block {
    int64_t  base;                /* aligned: id of lane 0; packed: -1 */
    int64_t  last;                /* packed: the largest id */
    uint64_t listed, window;      /* lanes in use, by the rule of segments.h they fall under */
    int64_t  id[SB_TILE_KEYS];    /* of the lanes in use: the token that the causal test reads */
    int64_t  local[SB_TILE_KEYS]; /* and its row of K and V */
} sb_key_block;

typedef struct sb_key_blocks { /* an iterator: no storage, no allocation */
    const sb_plan *plan;
    const sb_gid  *at_hand;
    int64_t        head, row, first, last;
    sb_segments    ranges;
    sb_segment     now;        /* the range in progress; empty when begin == end */
    int32_t        packing;    /* 1: listed ranges are being packed, windows come afterwards */
    int32_t        run;        /* of the keys at hand */
    int64_t        run_offset; /* local row of its first key */
} sb_key_blocks;

/* Start for rows [first, last] of query head `head`, as sb_segments_begin does (plan NULL: dense).
 * at_hand: ids of the rows of K and V, borrowed. */
void sb_key_blocks_begin(sb_key_blocks *it, const sb_plan *plan, int64_t head, int64_t row,
                         int64_t first, int64_t last, const sb_gid *at_hand);

/* 1 and the next block, with at least one key; 0 at the end. Fields of lanes out of use are left as
 * they were. */
int sb_key_blocks_next(sb_key_blocks *it, sb_key_block *b);

/* Lanes that query token `q` sees; w from sb_plan_row_window. Packed lanes may hold ids in any
 * order. */
uint64_t sb_key_block_visible(const sb_key_block *b, sb_row_window w, int64_t q);

#endif
