/* Sorting of scores: by falling score, equal ones in the order in which they came. */
#ifndef SB_KERNELS_EXEC_FALLING_ORDER_H
#define SB_KERNELS_EXEC_FALLING_ORDER_H

#include <stdint.h>

/* Bit patterns of floating-point numbers >= 0 rise with the numbers: bf16 takes two bytes, fp32
 * four. */
typedef enum sb_score_bytes { SB_SCORE_BF16 = 2, SB_SCORE_F32 = 4 } sb_score_bytes;

/* order[0..n) are places in score; they are put in order. score: patterns of numbers >= 0. order
 * has room for 2 * n. Stable, O(n). */
void sb_falling_order(const int32_t *score, sb_score_bytes bytes, int64_t n, int32_t *order);

#endif
