/* From chosen columns, diagonals and scores to the list of one row block [flexprefill 3.8, 3.9]. */
#ifndef SB_KERNELS_FLEXPREFILL_LISTS_H
#define SB_KERNELS_FLEXPREFILL_LISTS_H

#include <stdint.h>

typedef struct sbi_flex_row {
    const uint64_t *columns; /* set of key blocks, 64 a word */
    const uint64_t *offsets; /* set of row block - key block */
    int64_t         cover;   /* 2: an offset brings the next one along [5] */
    const int32_t  *score;   /* [row + 1] patterns, or NULL: a vertical-slash head */
    uint32_t        cut;     /* scores above it are kept, */
    int64_t         ties;    /* and the first so many that equal it */
} sbi_flex_row;

/* Key blocks of row block `row`, ascending, into ids [row + 1], which may be the scores; returns
 * how many. Block 0 is always among them. keep: room for row + 1 flags. Cost O(row). */
int64_t sbi_flex_list(const sbi_flex_row *r, int64_t row, uint8_t *keep, int32_t *ids);

#endif
