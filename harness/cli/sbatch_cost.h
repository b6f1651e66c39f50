/* What the points of a sweep cost a batch job. */
#ifndef SB_HARNESS_CLI_SBATCH_COST_H
#define SB_HARNESS_CLI_SBATCH_COST_H

#include "harness/batch/batch.h"

/* cost [s->n_points], by spanbench plan's forecast for `threads` of a rank, or site->sample_s a
 * sample where `machine` is "none"; basis says which. machine NULL: the program's own for this
 * host. Points of s may move. Errors: those of the forecast; SB_ERR_NO_FIT where the site does not
 * tell its memory and the machine's does not suffice. */
sb_status sb_sbatch_costs(sb_sweep *s, const sb_site *site, const char *machine, int32_t threads,
                          sb_batch_cost *cost, char *basis, size_t basis_bytes);

#endif
