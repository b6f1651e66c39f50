/* Which blocks of a row are kept [xattention 3, step 4]. */
#ifndef SB_KERNELS_XATTENTION_SELECT_H
#define SB_KERNELS_XATTENTION_SELECT_H

#include <stdint.h>

/* scores [n]: bf16 patterns of A[0..n-1], the last block being the row's own. Block 0 and the own
 * one are kept; then others by falling score, equal ones by rising id, while the mass kept is below
 * tau of the whole. Masses are integers, round(A * 2^40) and at least 1 where A > 0, so sums are
 * exact and tau = 1 keeps every A > 0. Writes the kept ids, ascending, and returns how many; ids
 * may be scores. order: room for 2 * n numbers, keep: for n. Cost O(n). */
int64_t sbi_xattention_select(const int32_t *scores, int64_t n, double tau, int32_t *order,
                              uint8_t *keep, int32_t *ids);

#endif
