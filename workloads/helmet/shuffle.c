#include "workloads/helmet/shuffle.h"

__extension__ typedef unsigned __int128 u128;

/* ---- SeedSequence: eight words from a seed ---- */

static uint32_t hashmix(uint32_t v, uint32_t *h)
{
    v ^= *h;
    *h *= 0x931e8875u;
    v *= *h;
    return v ^ v >> 16;
}

static uint32_t mix(uint32_t x, uint32_t y)
{
    uint32_t r = 0xca01f9ddu * x - 0x4973f715u * y;
    return r ^ r >> 16;
}

static void seed_words(uint32_t seed, uint64_t out[4])
{
    uint32_t pool[4], h = 0x43b0d7e5u, w[8];
    for (int i = 0; i < 4; i++)
        pool[i] = hashmix(i == 0 ? seed : 0, &h);
    for (int s = 0; s < 4; s++)
        for (int d = 0; d < 4; d++)
            if (s != d)
                pool[d] = mix(pool[d], hashmix(pool[s], &h));
    h = 0x8b51f9ddu;
    for (int i = 0; i < 8; i++) {
        uint32_t v = pool[i % 4] ^ h;
        h *= 0x58f38dedu;
        v *= h;
        w[i] = v ^ v >> 16;
    }
    for (int i = 0; i < 4; i++)
        out[i] = w[2 * i] | (uint64_t)w[2 * i + 1] << 32;
}

/* ---- PCG64, read in halves ---- */

typedef struct pcg {
    u128     state, inc;
    uint32_t half;
    int      has_half;
} pcg;

static void step(pcg *p)
{
    const u128 multiplier = (u128)0x2360ed051fc65da4u << 64 | 0x4385df649fccf645u;
    p->state              = p->state * multiplier + p->inc;
}

static uint64_t next64(pcg *p)
{
    unsigned rot;
    uint64_t v;
    step(p);
    rot = (unsigned)(p->state >> 122);
    v   = (uint64_t)(p->state >> 64) ^ (uint64_t)p->state;
    return v >> rot | v << (-rot & 63);
}

static uint32_t next32(pcg *p)
{
    uint64_t v;
    if (p->has_half) {
        p->has_half = 0;
        return p->half;
    }
    v           = next64(p);
    p->half     = (uint32_t)(v >> 32);
    p->has_half = 1;
    return (uint32_t)v;
}

static pcg seeded(uint32_t seed)
{
    uint64_t g[4];
    pcg      p = {0};
    seed_words(seed, g);
    p.inc = ((u128)g[2] << 64 | g[3]) << 1 | 1;
    step(&p);
    p.state += (u128)g[0] << 64 | g[1];
    step(&p);
    return p;
}

void sbi_numpy_permutation(uint32_t seed, int64_t n, int64_t *order)
{
    pcg p = seeded(seed);
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        uint32_t mask = (uint32_t)i, j;
        int64_t  t;
        for (int k = 1; k < 32; k *= 2)
            mask |= mask >> k;
        do
            j = next32(&p) & mask;
        while (j > (uint32_t)i);
        t        = order[i];
        order[i] = order[j];
        order[j] = t;
    }
}
