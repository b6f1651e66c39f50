/* splitmix64: the one random stream of generators and of the probe's codes (spec probe_model 3, `mix`).
 * Counter form `sb_mix(key)` is stateless, so any row or bit can be drawn alone. */
#ifndef SB_KERNELS_BASE_RNG_H
#define SB_KERNELS_BASE_RNG_H

#include <stdint.h>

#include "kernels/base/host_device.h"

SB_HOST_DEVICE static inline uint64_t sb_mix(uint64_t z)
{
    z += 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
}

typedef struct sb_rng {
    uint64_t state;
} sb_rng;

SB_HOST_DEVICE static inline uint64_t sb_rng_next(sb_rng *r)
{
    uint64_t z = sb_mix(r->state);
    r->state += 0x9E3779B97F4A7C15ull;
    return z;
}

SB_HOST_DEVICE static inline double sb_rng_uniform(sb_rng *r) /* [0, 1), 53 bits */
{
    return (double)(sb_rng_next(r) >> 11) * (1.0 / 9007199254740992.0);
}

/* [0, n), unbiased (rejection); n >= 1. */
SB_HOST_DEVICE static inline uint64_t sb_rng_below(sb_rng *r, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t z;
    do
        z = sb_rng_next(r);
    while (z >= limit);
    return z % n;
}

#endif
