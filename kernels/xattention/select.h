/* Which blocks of a row are kept [xattention 3, step 4]. */
#ifndef SB_KERNELS_XATTENTION_SELECT_H
#define SB_KERNELS_XATTENTION_SELECT_H

#include <stdint.h>

/* What is kept whatever its score, and when a row has enough. */
typedef enum sbi_xattention_rule {
    SBI_XATTENTION_RULE_PUBLISHED,  /* first and own block, both counted towards tau */
    SBI_XATTENTION_RULE_FIRST_CHUNK /* the released code's, where a row's chunk of queries begins at
                                       token 0: its diagonal overwrites the mark of block 0, so
                                       that block is kept but counts only if its score brings it
                                       in, and the sum tested lacks the latest block */
} sbi_xattention_rule;

/* scores [n]: bf16 patterns of A[0..n-1], the last block being the row's own. Block 0 and the own
 * one are kept; then others by falling score, equal ones by rising id, while the mass kept is below
 * tau of the whole. Masses are integers, round(A * 2^40) and at least 1 where A > 0, so sums are
 * exact and tau = 1 keeps every A > 0. Writes the kept ids, ascending, and returns how many; ids
 * may be scores. order: room for 2 * n numbers, keep: for n. Cost O(n). */
int64_t sbi_xattention_select(const int32_t *scores, int64_t n, double tau,
                              sbi_xattention_rule rule, int32_t *order, uint8_t *keep,
                              int32_t *ids);

#endif
