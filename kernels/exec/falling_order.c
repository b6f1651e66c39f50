#include "kernels/exec/falling_order.h"

/* One stable counting pass over a byte of the scores, falling. */
static void pass(const int32_t *score, int shift, const int32_t *from, int64_t n, int32_t *to)
{
    int64_t place[257] = {0};
    for (int64_t i = 0; i < n; i++)
        place[256 - ((score[from[i]] >> shift) & 255)]++;
    for (int b = 1; b <= 256; b++)
        place[b] += place[b - 1];
    for (int64_t i = 0; i < n; i++)
        to[place[255 - ((score[from[i]] >> shift) & 255)]++] = from[i];
}

void sb_falling_order(const int32_t *score, sb_score_bytes bytes, int64_t n, int32_t *order)
{
    for (int shift = 0; shift < 8 * (int)bytes; shift += 16) {
        pass(score, shift, order, n, order + n);
        pass(score, shift + 8, order + n, n, order);
    }
}
