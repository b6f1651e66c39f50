/* A plan that was made in host memory, in the memory of a device: same numbers, own arrays. */
#ifndef SB_KERNELS_EXEC_PLAN_PLACE_H
#define SB_KERNELS_EXEC_PLAN_PLACE_H

#include "kernels/base/arena.h"
#include "kernels/base/backend.h"
#include "kernels/base/plan.h"

/* Copy `plan` into room from `a`, an arena over memory of the device (plain: the host cannot write
 * guards there); over a counting arena nothing moves. Only what the row pointers use travels, so
 * the room follows the index and not what was laid out for it. The copies are queued on `stream`:
 * plan must stay as it is until they are done.
 *   placed  the plan's numbers, pointers into the room; method_data NULL
 * Errors: those of sb_plan_check (q, n_heads, n_keys as there), so that kernels follow checked
 * lists only; SB_ERR_NOMEM; those of the backend. */
sb_status sb_plan_place(const sb_backend *to, void *stream, sb_arena *a, const sb_plan *plan,
                        const sb_gid *q, int64_t n_heads, int64_t n_keys, sb_plan *placed);

#endif
