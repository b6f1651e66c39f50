/* What all tiles of a row block share: the keys before its first row, of which each of its rows
 * sees the same. Counted once, they need not be walked again tile by tile: a list of single keys is
 * half the sequence long, and a row block may be dozens of tiles. */
#ifndef SB_KERNELS_EXEC_INDEX_BEFORE_H
#define SB_KERNELS_EXEC_INDEX_BEFORE_H

#include "kernels/exec/segments.h"

/* Blocks of so many keys that ranges touch, each once; ranges ascend. */
typedef struct sbi_touched {
    int64_t size, n, next; /* blocks below `next` are counted */
} sbi_touched;

static inline void sbi_touch(sbi_touched *t, const sb_segment *s)
{
    int64_t a = s->begin / t->size, b = (s->end - 1) / t->size + 1;
    a = a > t->next ? a : t->next;
    t->n += b > a ? b - a : 0;
    t->next = b > t->next ? b : t->next;
}

typedef struct sbi_before {
    int64_t     from;   /* keys [0, from) are counted here; 0: none are */
    int64_t     keys;   /* of them, those that every row sees */
    int64_t     packed; /* those of them that are packed: listed ones of a plan that packs */
    sbi_touched blocks; /* of the others */
} sbi_before;

/* Of plans with lists; of others, and of plans with slots, whose ranges are none of keys, nothing
 * is counted. packs: 1: listed keys are set apart as
 * packed. Cost: one step a listed id before the row block. */
void sbi_before_count(const sb_plan *plan, int64_t head, int64_t row, int64_t block_keys, int packs,
                      sbi_before *out);

/* The ranges of rows [first, last] from key `from` on. */
void sbi_segments_begin_from(sb_segments *s, const sb_plan *plan, int64_t head, int64_t row,
                             int64_t first, int64_t last, int64_t from);

#endif
