/* Blocks at random: the control that every method of choosing blocks is read against. At the same
 * density, what does choosing bring over not choosing at all? And the executors' own benchmark:
 * lists of any density, a list of its own for every head, no time spent on finding them.
 *
 * A query block sees the first sink_blocks, the last window_blocks (its own included) and, of those
 * between, so many drawn without replacement that ceil(density * visible blocks) are seen. The draw
 * is a function of (seed, layer, head, block), in decode too: of no tensor, rank or layout. The
 * random part of BigBird (arXiv 2007.14062, 2) without its global rows. */
#ifndef SB_KERNELS_RANDOM_BLOCKS_RANDOM_BLOCKS_H
#define SB_KERNELS_RANDOM_BLOCKS_RANDOM_BLOCKS_H

#include "kernels/base/method.h"

typedef struct sb_random_blocks_params {
    int64_t block_tokens, sink_blocks, window_blocks, seed;
    double  density; /* of blocks */
} sb_random_blocks_params;

/* Key blocks of query block `block`, ascending; *n = how many. ids: room for block + 1. O(block).
 */
void sb_random_blocks_row(const sb_random_blocks_params *p, int32_t layer, int64_t head,
                          int64_t block, int32_t *ids, int64_t *n);

extern const sb_method sb_random_blocks;

#endif
