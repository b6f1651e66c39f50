/* MT19937 (Matsumoto and Nishimura 1998) with the two seedings, and what Python makes of its words
 * [workloads 1.2]. */
#include "workloads/base/rng_cpython.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = SB_MT_WORDS, M = 397 };

static void seed_word(sb_mt *r, uint32_t s)
{
    r->word[0] = s;
    for (uint32_t i = 1; i < N; i++)
        r->word[i] = 1812433253u * (r->word[i - 1] ^ (r->word[i - 1] >> 30)) + i;
    r->next = N;
}

static void seed_words(sb_mt *r, const uint32_t *key, uint32_t n_key)
{
    uint32_t i = 1, j = 0;
    seed_word(r, 19650218u);
    for (uint32_t k = N > n_key ? N : n_key; k > 0; k--) {
        r->word[i] =
            (r->word[i] ^ ((r->word[i - 1] ^ (r->word[i - 1] >> 30)) * 1664525u)) + key[j] + j;
        j = j + 1 == n_key ? 0 : j + 1;
        if (++i == N) {
            r->word[0] = r->word[N - 1];
            i          = 1;
        }
    }
    for (uint32_t k = N - 1; k > 0; k--) {
        r->word[i] = (r->word[i] ^ ((r->word[i - 1] ^ (r->word[i - 1] >> 30)) * 1566083941u)) - i;
        if (++i == N) {
            r->word[0] = r->word[N - 1];
            i          = 1;
        }
    }
    r->word[0] = 0x80000000u; /* the state is never all zero */
}

void sb_mt_seed_python(sb_mt *r, uint64_t seed)
{
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    seed_words(r, key, key[1] != 0 ? 2 : 1);
}

void sb_mt_seed_numpy(sb_mt *r, uint32_t seed) { seed_word(r, seed); }

static uint32_t twist(uint32_t high, uint32_t low, uint32_t far)
{
    uint32_t y = (high & 0x80000000u) | (low & 0x7fffffffu);
    return far ^ (y >> 1) ^ ((y & 1u) != 0 ? 0x9908b0dfu : 0u);
}

uint32_t sb_mt_u32(sb_mt *r)
{
    uint32_t *w = r->word, y;
    if (r->next == N) {
        int i = 0;
        for (; i < N - M; i++)
            w[i] = twist(w[i], w[i + 1], w[i + M]);
        for (; i < N - 1; i++)
            w[i] = twist(w[i], w[i + 1], w[i + M - N]);
        w[N - 1] = twist(w[N - 1], w[0], w[M - 1]);
        r->next  = 0;
    }
    y = w[r->next++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

double sb_mt_random(sb_mt *r)
{
    uint32_t a = sb_mt_u32(r) >> 5, b = sb_mt_u32(r) >> 6;
    return ((double)a * 67108864.0 + (double)b) * (1.0 / 9007199254740992.0);
}

uint64_t sb_mt_bits(sb_mt *r, int n_bits)
{
    uint64_t low;
    assert(n_bits >= 1 && n_bits <= 64);
    if (n_bits <= 32)
        return sb_mt_u32(r) >> (32 - n_bits);
    low = sb_mt_u32(r);
    return low | (uint64_t)(sb_mt_u32(r) >> (64 - n_bits)) << 32;
}

void sb_mt_bits128(sb_mt *r, uint32_t word[4])
{
    for (int i = 0; i < 4; i++)
        word[i] = sb_mt_u32(r);
}

int64_t sb_mt_below(sb_mt *r, int64_t n)
{
    int      n_bits;
    uint64_t v;
    assert(n >= 1);
    n_bits = 64 - __builtin_clzll((unsigned long long)n);
    do
        v = sb_mt_bits(r, n_bits);
    while (v >= (uint64_t)n);
    return (int64_t)v;
}

int64_t sb_mt_randint(sb_mt *r, int64_t low, int64_t high)
{
    return low + sb_mt_below(r, high - low + 1);
}

int64_t sb_mt_choices(sb_mt *r, int64_t n) { return (int64_t)floor(sb_mt_random(r) * (double)n); }

void sb_mt_shuffle(sb_mt *r, void *items, int64_t n, size_t item_bytes)
{
    char *a = items, spare[64];
    assert(item_bytes <= sizeof spare);
    for (int64_t i = n - 1; i > 0; i--) {
        size_t j = (size_t)sb_mt_below(r, i + 1);
        memcpy(spare, a + (size_t)i * item_bytes, item_bytes);
        memmove(a + (size_t)i * item_bytes, a + j * item_bytes, item_bytes);
        memcpy(a + j * item_bytes, spare, item_bytes);
    }
}

/* Up to which n CPython copies the population instead of remembering what it chose. */
static double pool_limit(int64_t k)
{
    return k <= 5 ? 21.0 : 21.0 + pow(4.0, ceil(log((double)(k * 3)) / log(4.0)));
}

static sb_status sample_pool(sb_mt *r, int64_t n, int64_t k, int64_t *out)
{
    int64_t *pool = malloc((size_t)n * sizeof *pool);
    if (pool == NULL)
        return sb_fail(SB_ERR_NOMEM, "random sample of %lld: no memory", (long long)n);
    for (int64_t i = 0; i < n; i++)
        pool[i] = i;
    for (int64_t i = 0; i < k; i++) {
        int64_t j = sb_mt_below(r, n - i);
        out[i]    = pool[j];
        pool[j]   = pool[n - i - 1];
    }
    free(pool);
    return SB_OK;
}

sb_status sb_mt_sample(sb_mt *r, int64_t n, int64_t k, int64_t *out)
{
    uint8_t *taken;
    assert(k >= 0 && k <= n);
    if (k == 0)
        return SB_OK;
    if ((double)n <= pool_limit(k))
        return sample_pool(r, n, k, out);
    taken = calloc((size_t)(n / 8 + 1), 1);
    if (taken == NULL)
        return sb_fail(SB_ERR_NOMEM, "random sample of %lld: no memory", (long long)n);
    for (int64_t i = 0; i < k; i++) {
        int64_t j;
        do
            j = sb_mt_below(r, n);
        while ((taken[j / 8] >> (j % 8) & 1) != 0);
        taken[j / 8] = (uint8_t)(taken[j / 8] | 1u << (j % 8));
        out[i]       = j;
    }
    free(taken);
    return SB_OK;
}

int64_t sb_mt_numpy_randint(sb_mt *r, int64_t low, int64_t high)
{
    uint32_t range = (uint32_t)(high - 1 - low), mask = range, v;
    assert(high > low && high - low <= (int64_t)UINT32_MAX);
    if (range == 0)
        return low; /* numpy draws nothing then */
    mask |= mask >> 1;
    mask |= mask >> 2;
    mask |= mask >> 4;
    mask |= mask >> 8;
    mask |= mask >> 16;
    do
        v = sb_mt_u32(r) & mask;
    while (v > range);
    return low + (int64_t)v;
}
