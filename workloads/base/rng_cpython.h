/* The random streams of CPython's `random` and of numpy's legacy `np.random`, bit for bit
 * [workloads 1.2].
 *
 * Data sets of the field were made by Python programs; who wants the same rows needs the same
 * draws. Both are MT19937, they differ in seeding and in how a draw becomes a number. Nothing here
 * is for our own generators: those use kernels/base/rng.h. */
#ifndef SB_WORKLOADS_BASE_RNG_CPYTHON_H
#define SB_WORKLOADS_BASE_RNG_CPYTHON_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#define SB_MT_WORDS 624

/* A value: copy it to remember a place in the stream. */
typedef struct sb_mt {
    uint32_t word[SB_MT_WORDS];
    int32_t  next; /* SB_MT_WORDS: all used up */
} sb_mt;

void sb_mt_seed_python(sb_mt *r, uint64_t seed); /* random.Random(seed) */
void sb_mt_seed_numpy(sb_mt *r, uint32_t seed);  /* np.random.RandomState(seed) */

uint32_t sb_mt_u32(sb_mt *r);
double   sb_mt_random(sb_mt *r);           /* random.random(): [0, 1), 53 bits */
uint64_t sb_mt_bits(sb_mt *r, int n_bits); /* random.getrandbits(n), 1 <= n <= 64 */
void     sb_mt_bits128(sb_mt   *r,
                       uint32_t word[4]); /* random.getrandbits(128), least significant word first */

int64_t sb_mt_below(sb_mt  *r,
                    int64_t n); /* random.randrange(n), n >= 1; also the index of random.choice */
int64_t sb_mt_randint(sb_mt *r, int64_t low, int64_t high); /* random.randint: both ends included */
int64_t sb_mt_choices(sb_mt *r, int64_t n); /* one index of random.choices over n equal weights */

/* random.shuffle, in place; item_bytes <= 64. */
void sb_mt_shuffle(sb_mt *r, void *items, int64_t n, size_t item_bytes);

/* random.sample(range(n), k) into out[k]; 0 <= k <= n. SB_ERR_NOMEM: up to 8 n bytes of scratch. */
sb_status sb_mt_sample(sb_mt *r, int64_t n, int64_t k, int64_t *out);

/* np.random.randint(low, high) of a stream seeded by sb_mt_seed_numpy: high excluded, high - low <=
 * 2^32 - 1. */
int64_t sb_mt_numpy_randint(sb_mt *r, int64_t low, int64_t high);

#endif
