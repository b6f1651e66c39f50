/* Radix selection: the k-th largest score is found digit by digit from the top, then one scan takes
 * what lies above it and as many equals as are still wanted. */
#include "kernels/exec/top_k.h"

int64_t sbi_top_k(const uint64_t *score, int64_t n, int64_t k, int32_t bits, int32_t *ids)
{
    uint64_t found = 0, mask = 0; /* digits of the k-th largest so far */
    int64_t  need = k, m = 0;     /* its rank among the scores that share these digits */
    if (k >= n) {
        for (int64_t i = 0; i < n; i++)
            ids[i] = (int32_t)i;
        return n;
    }
    for (int32_t shift = bits - 8; shift >= 0; shift -= 8) {
        int64_t  count[256] = {0};
        uint64_t digit      = 255;
        for (int64_t i = 0; i < n; i++)
            if ((score[i] & mask) == found)
                count[score[i] >> shift & 255]++;
        while (count[digit] < need)
            need -= count[digit--];
        found |= digit << shift;
        mask |= UINT64_C(255) << shift;
    }
    for (int64_t i = 0; i < n && m < k; i++)
        if (score[i] > found || (score[i] == found && need-- > 0))
            ids[m++] = (int32_t)i;
    return m;
}
