/* From what was chosen to the lists of every row block and head. */
#ifndef SB_KERNELS_MINFERENCE_LISTS_H
#define SB_KERNELS_MINFERENCE_LISTS_H

#include "kernels/minference/work.h"

/* TILES of all heads, and TOKENS where a head has lines; empty lists where a head has a window.
 * Lines are chosen and key means known. Local. Timed as select. */
sb_status sbi_minference_lists(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *shape,
                               const sb_tensor *q, sb_plan *plan);

#endif
