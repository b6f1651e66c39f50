/* Every kind of draw, in sizes that cross each branch, from one stream: a wrong number of words
 * used by one shows in the next.
 * Runs outside a test runner too (rng_dump), so no ck_assert. */
#include "tests/unit/workloads/base/rng_streams.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "workloads/base/rng_cpython.h"

static void line_sample(FILE *out, sb_mt *r, int64_t n, int64_t k)
{
    int64_t *v = malloc((size_t)(k + 1) * sizeof *v);
    assert(v != NULL);
    if (sb_mt_sample(r, n, k, v) != SB_OK)
        abort();
    for (int64_t i = 0; i < k; i++)
        (void)fprintf(out, "%" PRId64 " ", v[i]);
    (void)fputc('\n', out);
    free(v);
}

static void line_shuffle(FILE *out, sb_mt *r, int n)
{
    int *v = malloc((size_t)(n + 1) * sizeof *v);
    assert(v != NULL);
    for (int i = 0; i < n; i++)
        v[i] = i;
    sb_mt_shuffle(r, v, n, sizeof *v);
    for (int i = 0; i < n; i++)
        (void)fprintf(out, "%d ", v[i]);
    (void)fputc('\n', out);
    free(v);
}

void rng_stream_python(FILE *out, uint64_t seed)
{
    static const int64_t sizes[][2] = {{21, 5},     {22, 5},     {40, 4},       {85, 6},
                                       {86, 6},     {100, 5},    {277, 21},     {278, 22},
                                       {1000, 340}, {8169, 239}, {20000, 5000}, {1000000, 7}};
    sb_mt                r;
    sb_mt_seed_python(&r, seed);
    for (int round = 0; round < 5; round++) {
        uint32_t w[4];
        for (int i = 0; i < 300; i++)
            (void)fprintf(out, "%" PRIu32 " ", sb_mt_u32(&r));
        for (int bits = 1; bits <= 64; bits++)
            (void)fprintf(out, "%" PRIu64 " ", sb_mt_bits(&r, bits));
        for (int i = 0; i < 100;
             i++) /* 53 bits as an integer: no question of how a double prints */
            (void)fprintf(out, "%" PRIu64 " ", (uint64_t)(sb_mt_random(&r) * 9007199254740992.0));
        for (int64_t n = 1; n < 4000000000000000000; n = n * 3 + 1)
            (void)fprintf(out, "%" PRId64 " ", sb_mt_below(&r, n));
        for (int i = 0; i < 100; i++)
            (void)fprintf(out, "%" PRId64 " ", sb_mt_randint(&r, 1000000, 9999999));
        for (int i = 0; i < 100; i++)
            (void)fprintf(out, "%" PRId64 " ", sb_mt_choices(&r, 26));
        for (int i = 0; i < 10; i++) {
            sb_mt_bits128(&r, w);
            (void)fprintf(out, "%08" PRIx32 "%08" PRIx32 "%08" PRIx32 "%08" PRIx32 " ", w[3], w[2],
                          w[1], w[0]);
        }
        (void)fputc('\n', out);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            line_sample(out, &r, sizes[i][0], sizes[i][1]);
        for (int n = 0; n <= 4000; n = n * 5 + 1)
            line_shuffle(out, &r, n);
    }
}

void rng_stream_numpy(FILE *out, uint32_t seed)
{
    sb_mt r;
    sb_mt_seed_numpy(&r, seed);
    for (int i = 0; i < 2000; i++) {
        int64_t value = sb_mt_numpy_randint(&r, 10000, 99999);
        (void)fprintf(out, "%" PRId64 " %" PRId64 "\n", value, sb_mt_numpy_randint(&r, 0, 1 + i));
    }
}
