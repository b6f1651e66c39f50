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

/* What is still to take, and what was taken. */
typedef struct sbi_top_mass_taken {
    int64_t keep;
    double  mass;
} sbi_top_mass_taken;

/* The next bin, of probabilities below all before: so many of them with this sum. */
static inline SB_HOST_DEVICE void sbi_top_mass_take(sbi_top_mass_taken *t, int64_t count,
                                                    double sum)
{
    int64_t take = t->keep < count ? t->keep : count;
    if (take == 0)
        return;
    t->mass += take == count ? sum : sum * (double)take / (double)count;
    t->keep -= take;
}

#endif
