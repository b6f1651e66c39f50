/* Random streams of Python and numpy: the known answers of workloads 1.2, and long streams by their
 * hash. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/golden/cpython_random.h"
#include "tests/unit/workloads/base/rng_streams.h"
#include "workloads/base/rng_cpython.h"
#include "workloads/base/sha256.h"

START_TEST(words_and_numbers_of_seed_42)
{
    static const uint32_t words[]   = {2746317213u, 478163327u, 107420369u, 3184935163u};
    static const int64_t  numbers[] = {2867825, 1419610, 5614226, 5108603};
    static const char    *hex[]     = {"bdd640fb06671ad11c80317fa3b1799d",
                                       "23b8c1e9392446debeb13b9046685257"};
    sb_mt                 r;
    sb_mt_seed_python(&r, 42);
    for (int i = 0; i < 4; i++)
        ck_assert_uint_eq(sb_mt_bits(&r, 32), words[i]);
    sb_mt_seed_python(&r, 42);
    ck_assert_double_eq(sb_mt_random(&r), 0.6394267984578837);
    ck_assert_double_eq(sb_mt_random(&r), 0.025010755222666936);
    sb_mt_seed_python(&r, 42);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sb_mt_randint(&r, 1000000, 9999999), numbers[i]);
    sb_mt_seed_python(&r, 42);
    for (int i = 0; i < 2; i++) {
        uint32_t w[4];
        char     text[33];
        sb_mt_bits128(&r, w);
        (void)snprintf(text, sizeof text, "%08x%08x%08x%08x", w[3], w[2], w[1], w[0]);
        if (i == 1) { /* the known answer is an UUID: its version and variant bits are forced */
            text[12] = '4';
            text[16] = "89ab"[(w[1] >> 28) & 3];
        }
        ck_assert_str_eq(text, hex[i]);
    }
}
END_TEST

START_TEST(samples_and_orders_of_seed_42)
{
    static const int64_t of_100[] = {81, 14, 3, 94, 35}, of_40[] = {7, 1, 17, 15},
                         of_20[] = {3, 0, 8, 7};
    static const int order[]     = {7, 3, 2, 8, 5, 6, 9, 4, 0, 1};
    int64_t          v[5];
    int              items[10];
    char             letters[11] = {0};
    sb_mt            r;
    sb_mt_seed_python(&r, 42);
    ck_assert_int_eq(sb_mt_sample(&r, 100, 5, v), SB_OK);
    ck_assert_mem_eq(v, of_100, sizeof of_100);
    sb_mt_seed_python(&r, 42);
    ck_assert_int_eq(sb_mt_sample(&r, 40, 4, v), SB_OK);
    ck_assert_mem_eq(v, of_40, sizeof of_40);
    sb_mt_seed_python(&r, 42);
    ck_assert_int_eq(sb_mt_sample(&r, 20, 4, v), SB_OK);
    ck_assert_mem_eq(v, of_20, sizeof of_20);
    for (int i = 0; i < 10; i++)
        items[i] = i;
    sb_mt_seed_python(&r, 42);
    sb_mt_shuffle(&r, items, 10, sizeof *items);
    ck_assert_mem_eq(items, order, sizeof order);
    sb_mt_seed_python(&r, 42);
    for (int i = 0; i < 10; i++)
        letters[i] = (char)('A' + sb_mt_choices(&r, 26));
    ck_assert_str_eq(letters, "QAHFTRXCKA");
}
END_TEST

START_TEST(numpy_of_seed_42)
{
    static const int64_t small[]  = {51, 92, 14, 71, 60, 20, 82, 86, 74, 74},
                         values[] = {25795, 10860, 86820, 64886};
    sb_mt r;
    sb_mt_seed_numpy(&r, 42);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(sb_mt_numpy_randint(&r, 0, 100), small[i]);
    sb_mt_seed_numpy(&r, 42);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(sb_mt_numpy_randint(&r, 10000, 99999), values[i]);
}
END_TEST

static void check_hash(void (*print)(FILE *, uint64_t), const struct rng_golden *want)
{
    char      *text  = NULL, hex[65];
    size_t     bytes = 0;
    FILE      *f     = open_memstream(&text, &bytes);
    sbi_sha256 h;
    ck_assert_ptr_nonnull(f);
    print(f, want->seed);
    ck_assert_int_eq(fclose(f), 0);
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, text, bytes);
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    free(text);
    ck_assert_str_eq(hex, want->sha256);
}

static void print_numpy(FILE *f, uint64_t seed) { rng_stream_numpy(f, (uint32_t)seed); }

START_TEST(long_python_streams) { check_hash(rng_stream_python, &python_golden[_i]); }
END_TEST

START_TEST(long_numpy_streams) { check_hash(print_numpy, &numpy_golden[_i]); }
END_TEST

int main(void)
{
    Suite   *s = suite_create("rng_cpython");
    TCase   *t = tcase_create("streams");
    SRunner *runner;
    int      failed;
    tcase_set_timeout(t, 120);
    tcase_add_test(t, words_and_numbers_of_seed_42);
    tcase_add_test(t, samples_and_orders_of_seed_42);
    tcase_add_test(t, numpy_of_seed_42);
    tcase_add_loop_test(t, long_python_streams, 0,
                        (int)(sizeof python_golden / sizeof *python_golden));
    tcase_add_loop_test(t, long_numpy_streams, 0,
                        (int)(sizeof numpy_golden / sizeof *numpy_golden));
    suite_add_tcase(s, t);
    runner = srunner_create(s);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
