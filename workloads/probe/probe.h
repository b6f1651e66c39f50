/* The suite `probe`: eight tasks in the probe model's token grammar (spec probe_model 3, 6), after
 * RULER's task set. The word RULER alone is never used for it: the grammar has no language, only
 * RULER's structure. Needs no tokenizer. */
#ifndef SB_WORKLOADS_PROBE_PROBE_H
#define SB_WORKLOADS_PROBE_PROBE_H

#include "workloads/base/task.h"

#define SB_PROBE_SUITE "probe"
#define SB_PROBE_VERSION "probe@1" /* generator_version of all its tasks */
#define SB_PROBE_MAX_HOPS 8
#define SB_PROBE_MAX_DISTRACTORS 8

/* The suite's parameters; every task takes them all, because one context holds items of every kind.
 */
typedef struct sb_probe_task_params {
    int64_t distractors;
    int64_t hops;
    double  cwe_ratio;
    int64_t burst_tokens;
} sb_probe_task_params;

extern const sb_param sb_probe_task_param_table[]; /* ends with {0} */

extern const sb_task sb_probe_niah_single, sb_probe_niah_multikey, sb_probe_niah_multivalue,
    sb_probe_niah_multiquery, sb_probe_vt, sb_probe_qa_2hop, sb_probe_cwe, sb_probe_fwe;

#endif
