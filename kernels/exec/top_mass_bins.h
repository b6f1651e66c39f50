/* The histogram of top_mass.h, for both sides: probabilities by their logarithm. */
#ifndef SB_KERNELS_EXEC_TOP_MASS_BINS_H
#define SB_KERNELS_EXEC_TOP_MASS_BINS_H

#include <stdint.h>

#include "kernels/base/host_device.h"

enum {
    SBI_TOP_MASS_UNIT = 64,                     /* bins of a unit of log probability */
    SBI_TOP_MASS_BINS = 32 * SBI_TOP_MASS_UNIT, /* what lies below e^-32 is in the last one */
};

/* Of log probability x; no number is in the first one. */
static inline SB_HOST_DEVICE int sbi_top_mass_bin(float x)
{
    float t = -x * SBI_TOP_MASS_UNIT;
    return !(t > 0) ? 0 : t < SBI_TOP_MASS_BINS - 1 ? (int)t : SBI_TOP_MASS_BINS - 1;
}

/* What the `keep` largest hold, of bins with so many probabilities and these sums. */
static inline double sbi_top_mass_largest(const int64_t *count, const double *sum, int64_t keep)
{
    double mass = 0;
    for (int b = 0; b < SBI_TOP_MASS_BINS && keep > 0; b++) {
        if (count[b] == 0)
            continue;
        int64_t take = keep < count[b] ? keep : count[b];
        mass += take == count[b] ? sum[b] : sum[b] * (double)take / (double)count[b];
        keep -= take;
    }
    return mass;
}

#endif
