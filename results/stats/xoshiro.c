/* xoshiro256**, see xoshiro.h. */
#include "results/stats/xoshiro.h"

#include "kernels/base/rng.h"

static uint64_t rotate_left(uint64_t v, int bits) { return (v << bits) | (v >> (64 - bits)); }

void sb_xoshiro_init(sb_xoshiro *x, uint64_t seed)
{
    sb_rng r = {seed};
    for (int i = 0; i < 4; i++)
        x->s[i] = sb_rng_next(&r);
}

uint64_t sb_xoshiro_next(sb_xoshiro *x)
{
    uint64_t *s      = x->s;
    uint64_t  result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t  t      = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}
