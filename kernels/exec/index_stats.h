/* What an index costs and selects, counted exactly [quality_metrics B1]: integers, no sampling, no
 * attention run. */
#ifndef SB_KERNELS_EXEC_INDEX_STATS_H
#define SB_KERNELS_EXEC_INDEX_STATS_H

#include "kernels/base/method.h"

/* All figures are of one query head and of the LOCAL rows; over ranks they add up (digest:
 * wrapping). */
typedef struct sb_index_stats {
    int64_t rho_num, rho_den; /* visible (query, key) pairs, and all causal ones */
    int64_t  tile_lanes, tile_lanes_dense; /* query x key lanes that nominal 64 x 64 tiles issue */
    uint64_t digest; /* of the selection: equal for equal selections, whatever the rank count */
} sb_index_stats;

/* Count head `head` of the plan over the rows of shape->q_gid; row blocks must not be split between
 * ranks (quantum_tokens) for the digest to add up. tile_lanes holds masked lanes and padding too:
 * of packed keys to 64, of a row tile that its row block or the sequence cuts short to 64 rows (on
 * the nominal grid; the CPU executors have kernels for fewer rows). Decode has no row padding. It
 * judges whole row tiles and counts the local rows, the padding with the first, so it adds up as
 * well. With slots the order of keys inside segments is part of the selection. *out changes on
 * success only. Errors: SB_ERR_INTERNAL when the plan lacks a local row block, or has slots and a
 * window. Cost: O(listed ids + local rows / 64 * listed ids of the own row block), with slots the
 * listed ids of every 64 rows and segment_tokens more. */
sb_status sb_index_stats_count(const sb_plan *plan, const sb_shape *shape, int64_t head,
                               sb_index_stats *out);

/* One of n_parts shares of it, for threads: part, part + n_parts, ... of the row blocks. The shares
 * of all parts add up to the whole (digest: wrapping). */
sb_status sb_index_stats_count_part(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                    int64_t part, int64_t n_parts, sb_index_stats *out);

#endif
