/* The machines that a sweep's points are predicted with. */
#ifndef SB_HARNESS_CLI_MACHINES_H
#define SB_HARNESS_CLI_MACHINES_H

#include "harness/plan/plan.h"

/* machines[b]: the one that was named (or NULL) for its own backend alone, else the program's own
 * for this host's processor, kept in opened[b]: to be freed, also after an error. Both arrays are
 * NULLs before. Errors: SB_ERR_USAGE where `named` is of another backend than a point. */
sb_status sb_machines_open(const sb_machine *named, const sb_sweep *s,
                           const sb_machine *machines[SB_BACKEND_COUNT],
                           sb_machine       *opened[SB_BACKEND_COUNT]);

#endif
