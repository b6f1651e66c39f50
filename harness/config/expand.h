/* Axes -> points. */
#ifndef SB_HARNESS_CONFIG_EXPAND_H
#define SB_HARNESS_CONFIG_EXPAND_H

#include "harness/config/exclude.h"

/* Where a point came from, for errors about pairs of points. */
typedef struct sbi_origin {
    const sbi_node *workload, *method, *sharding;
} sbi_origin;

typedef struct sbi_points {
    sb_point   *v; /* temp pool */
    sbi_origin *origin;
    int64_t     n;
} sbi_points;

/* Every combination in a fixed order: model, workload, task parameters, task, length, seed,
 * sharding, layout, decode (these make a cell), then methods: dense first, the rest as in the file.
 * Methods that carry a state come once a decode, after the last sharding, in a cell of their own.
 * Excluded points are left out; equal points, exclude entries without effect, too many points and
 * none at all are errors. */
void sbi_expand(sbi_ctx *c, const sbi_spec *s, sbi_points *out);

#endif
