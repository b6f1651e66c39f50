/* Block graphs of an index: who reaches whom after k layers. */
#ifndef SB_TESTS_PROPERTY_GRAPH_H
#define SB_TESTS_PROPERTY_GRAPH_H

#include <stdint.h>

/* blocks[k] = number of blocks that block `from` of n reaches within k + 1 layers, for k in [0,
 * layers); depth[j] (may be NULL) = layers until block j is reached, 0 for `from` itself, -1 if
 * never. row(state, b, ids) lists b's blocks, returns how many. */
void graph_reach(int64_t n, int64_t                                                      from,
                 int64_t (*row)(const void *state, int64_t b, int32_t *ids), const void *state,
                 int64_t layers, int64_t *blocks, int64_t *depth);

#endif
