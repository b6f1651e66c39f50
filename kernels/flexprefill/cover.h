/* From a threshold to a budget [flexprefill 3.3]. */
#ifndef SB_KERNELS_FLEXPREFILL_COVER_H
#define SB_KERNELS_FLEXPREFILL_COVER_H

#include <stdint.h>

/* K = 1 + how many prefixes of the falling sequence of mass[0..n) have a sum of at most `limit`:
 * the lines that reach it, the crossing one included (n + 1 where nothing crosses). Masses are
 * below 2^48. The K of a sort, without one: four passes over mass, 64 KiB of stack. */
int64_t sbi_flex_cover(const uint64_t *mass, int64_t n, uint64_t limit);

#endif
