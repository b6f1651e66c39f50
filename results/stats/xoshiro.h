/* xoshiro256** (Blackman, Vigna): the stream of the bootstrap [workloads 5.2]. Seeded through
 * splitmix64, as its authors advise. */
#ifndef SB_RESULTS_STATS_XOSHIRO_H
#define SB_RESULTS_STATS_XOSHIRO_H

#include <stdint.h>

typedef struct sb_xoshiro {
    uint64_t s[4];
} sb_xoshiro;

void     sb_xoshiro_init(sb_xoshiro *x, uint64_t seed);
uint64_t sb_xoshiro_next(sb_xoshiro *x);

#endif
