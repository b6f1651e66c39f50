/* An index in the papers' unit, blocks of 128 x 128 [quality_metrics B1.3]: to compare with their
 * densities, never as the primary figure (index_stats.h has that: pairs). */
#ifndef SB_KERNELS_EXEC_INDEX_BLOCKS_H
#define SB_KERNELS_EXEC_INDEX_BLOCKS_H

#include "kernels/base/method.h"

enum { SB_INDEX_BLOCK = 128 };

/* In 128ths of a block, a block counting once for each of its query rows; of one query head and the
 * LOCAL rows, so ranks add up. */
typedef struct sb_index_blocks {
    int64_t executed; /* blocks in which some query sees some key */
    int64_t dense;    /* all that hold a visible pair: T (T + 1) / 2 */
} sb_index_blocks;

/* Where row blocks of the index are shorter than 128, each judges its own part of a block and that
 * part counts by its rows, as an executor would run it. The sequence's end fills its last block up:
 * the papers' T counts a ragged block whole. The queries of a decode step are a block row of their
 * own. *out changes on success only. Errors: SB_ERR_INTERNAL when the plan lacks a local row block.
 * Cost: O(listed ids + local rows / 128). */
sb_status sb_index_blocks_count(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                sb_index_blocks *out);

/* One of n_parts shares of it, as sb_index_stats_count_part() shares. */
sb_status sb_index_blocks_count_part(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                     int64_t part, int64_t n_parts, sb_index_blocks *out);

#endif
