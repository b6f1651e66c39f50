/* What decode keeps between its steps, in the cache of a layer [hip 6]: plain bytes, so that mark
 * and rollback of the cache serve it too. */
#ifndef SB_KERNELS_HIP_STATE_H
#define SB_KERNELS_HIP_STATE_H

#include "kernels/hip/chunks.h"

int64_t sbi_hip_state_bytes(const sb_hip_params *p, int64_t heads);

/* The list of a head: its length, then that many ascending block numbers. */
int32_t *sbi_hip_state_list(sb_hip_state *s, const sb_hip_params *p, int64_t head);

/* Is a search due in this step? */
int sbi_hip_state_due(const sb_hip_state *s, const sb_hip_params *p);

/* The lists were made anew, from these candidates. */
void sbi_hip_state_searched(sb_hip_state *s, const sb_hip_params *p, sbi_hip_span span);

/* All candidates of a short row, for every head, as if searched. */
void sbi_hip_state_all(sb_hip_state *s, const sb_hip_params *p, int64_t heads, sbi_hip_span span);

/* Count a step of a query that sees keys [0, visible), with an index or dense, and its gap. */
void sbi_hip_state_step(sb_hip_state *s, const sb_hip_params *p, int64_t visible, int dense);

#endif
