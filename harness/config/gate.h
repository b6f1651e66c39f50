/* A gate file (configs/gates) as rules.
 *
 * Keys (* must be there):
 *   gate*         a name
 *   inconclusive  fail | warn (warn): does an inconclusive verdict break the gate?
 *   missing       fail | warn (fail)
 *   alpha         0.05: chance that equal programs break the gate by any of its tests
 *   accuracy      {margin 0.03, margin_mean 0.01, identical: pass | test}, or off
 *   latency       {phases [attention, prefill], max_ratio 1.02, min_repetitions 8,
 *                 run_noise 0, run_noise_absolute 0}, or off
 *   memory        {kinds [arena_high_water, device_high_water], max_ratio 1.05}, or off
 *   density       {max_ratio 1.02}, or off
 *   coverage      on | off
 *   cells         list of {method, suite, task, model, sharding, backend, length: one or a list;
 *                 margin, latency_ratio, memory_ratio, density_ratio; skip: list of checks}:
 *                 other bounds where all of its lists match; the last that gives a bound wins */
#ifndef SB_HARNESS_CONFIG_GATE_H
#define SB_HARNESS_CONFIG_GATE_H

#include <stdio.h>

#include "kernels/base/status.h"
#include "results/gate/rules.h"

typedef struct sb_gate_file { /* owns what rules points to */
    sb_gate_rules rules;
} sb_gate_file;

/* path NULL: the keys' defaults. Errors: SB_ERR_USAGE, each printed as FILE:LINE:COL: KEY: found X,
 * allowed Y; SB_ERR_NOMEM. */
sb_status sb_gate_load(const char *path, FILE *errors, sb_gate_file **out);
void      sb_gate_free(sb_gate_file *f); /* NULL is fine */

#endif
