/* Digit by digit from the top: whole bins of larger masses are taken while they fit under the
 * limit; the bin that does not is looked into with the next digit. Masses that agree in all digits
 * are equal, so a division tells how many of the last bin still fit. */
#include "kernels/flexprefill/cover.h"

enum { DIGIT_BITS = 12, BITS = 48, BINS = 1 << DIGIT_BITS };

int64_t sbi_flex_cover(const uint64_t *mass, int64_t n, uint64_t limit)
{
    uint64_t found = 0, taken = 0; /* leading digits of the mass that crosses; sum of those above */
    int64_t  above = 0;            /* their number */
    for (int shift = BITS - DIGIT_BITS; shift >= 0; shift -= DIGIT_BITS) {
        int64_t  count[BINS] = {0};
        uint64_t sum[BINS]   = {0};
        int64_t  bin         = BINS - 1;
        for (int64_t i = 0; i < n; i++)
            if (mass[i] >> shift >> DIGIT_BITS == found) {
                count[mass[i] >> shift & (BINS - 1)]++;
                sum[mass[i] >> shift & (BINS - 1)] += mass[i];
            }
        for (; bin >= 0 && taken + sum[bin] <= limit; bin--) {
            taken += sum[bin];
            above += count[bin];
        }
        if (bin < 0) /* only at the first digit: later there is a crossing one among them */
            return above + 1;
        found = found << DIGIT_BITS | (uint64_t)bin;
    }
    return above + (int64_t)((limit - taken) / found) + 1; /* found > 0: zeros cross nothing */
}
