/* The suite `synthetic`: operands of `experiment: attention` drawn from a seed. Every row is a
 * function of (seed, row of the set, shape, parameters) and its own number alone. bf16; made in
 * fp64 and rounded once.
 *
 *   random      q, k, v ~ N(0, 1). No key stands out: a threshold method that keeps few of them
 *               here is wrong [gpu_targets 4].
 *   structured  sink, columns, slashes and a local window at the logits of real prompts
 *               [gpu_targets 4]; given for head_dim 64 and 128, others by the same recipe.
 *   clustered   runs of keys share one of `clusters` directions; a run of queries looks for two of
 *               them, wherever their keys stand. No position counts: a block is worth keeping or
 *               not by content alone, and a window sees next to nothing.
 *   needle      `needles` single keys at known places (stored as spans) hold nearly all of every
 *               query's mass; whatever misses them has lost the row. */
#ifndef SB_WORKLOADS_SYNTHETIC_SYNTHETIC_H
#define SB_WORKLOADS_SYNTHETIC_SYNTHETIC_H

#include "workloads/base/operands.h"

#define SB_SYNTHETIC_SUITE "synthetic"
#define SB_SYNTHETIC_VERSION "synthetic@1"

extern const sb_distribution sb_synthetic_random, sb_synthetic_structured, sb_synthetic_clustered,
    sb_synthetic_needle;

#endif
