/* Random weights, the same rule on hosts and devices (their cosines differ in last bits). */
#ifndef SB_KERNELS_NN_DRAW_H
#define SB_KERNELS_NN_DRAW_H

#include <math.h>

#include "kernels/base/rng.h"

/* Numbers 2 pair and 2 pair + 1 of a seed's normal numbers, mean 0, standard deviation 1. */
SB_HOST_DEVICE static inline void sb_normal_pair(uint64_t seed, int64_t pair, float out[2])
{
    const uint64_t z      = sb_mix(sb_mix(seed) + (uint64_t)pair);
    const float    u      = ((float)(z >> 40) + 0.5f) * 0x1p-24f; /* in (0, 1) */
    const float    turn   = (float)(z & 0xffffffu) * 0x1p-24f * 6.28318530718f;
    const float    radius = sqrtf(-2.0f * logf(u));
    out[0]                = radius * cosf(turn);
    out[1]                = radius * sinf(turn);
}

#endif
