/* The k largest of a list of integers. */
#ifndef SB_KERNELS_EXEC_TOP_K_H
#define SB_KERNELS_EXEC_TOP_K_H

#include <stdint.h>

/* ids[0..min(k, n)): where the k largest of score[0..n) stand, ascending; of equal scores the
 * smaller index wins. bits: scores are below 2^bits, a multiple of 8. No scratch; bits / 8 + 1
 * passes over score. Returns min(k, n). */
int64_t sbi_top_k(const uint64_t *score, int64_t n, int64_t k, int32_t bits, int32_t *ids);

#endif
