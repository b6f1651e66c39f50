/* The order in which numpy and `datasets` shuffle: np.random.default_rng(seed).permutation(n), bit
 * for bit (SeedSequence, PCG64, masked rejection). */
#ifndef SB_WORKLOADS_HELMET_SHUFFLE_H
#define SB_WORKLOADS_HELMET_SHUFFLE_H

#include <stdint.h>

/* order: the numbers 0 to n - 1 in that order; n below 2^32. */
void sbi_numpy_permutation(uint32_t seed, int64_t n, int64_t *order);

#endif
