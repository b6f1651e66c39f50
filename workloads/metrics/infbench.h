/* InfiniteBench: which metric scores which task. */
#ifndef SB_WORKLOADS_METRICS_INFBENCH_H
#define SB_WORKLOADS_METRICS_INFBENCH_H

#include "workloads/metrics/scorer.h"

typedef struct sb_infbench {
    const char *name;
    const char *metric;
    int32_t     max_gen_tokens;
} sb_infbench;

extern const sb_infbench sb_infbench_tasks[]; /* 12, closed by a NULL name */
const sb_infbench       *sb_infbench_find(const char *task);

#endif
