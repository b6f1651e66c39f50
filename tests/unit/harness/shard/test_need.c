/* Bits of needed keys: runs and counts, over the edges of words. */
#include <check.h>

#include "harness/shard/need.h"
#include "kernels/base/rng.h"

enum { KEYS = 300, WORDS = (KEYS + 63) / 64 };

/* Stretches of either kind, on average of 2^shift keys. */
static void draw(uint64_t *bits, uint64_t seed, int shift)
{
    sb_rng r   = {seed};
    int    set = 0;
    for (int64_t i = 0; i < KEYS; i++) {
        if (sb_rng_below(&r, UINT64_C(1) << shift) == 0)
            set = !set;
        bits[i / 64] |= (uint64_t)set << i % 64;
    }
}

static void runs_cover(const uint64_t *bits, int64_t begin, int64_t end)
{
    int64_t at = begin, n = 0;
    sb_run  run, whole    = {begin, end - begin};
    sb_gid  gid = {.run = &whole, .n_runs = 1, .n_tokens = whole.len};
    while (sbi_need_run(bits, at, end, &run)) {
        ck_assert(run.start >= at && run.len > 0 && run.start + run.len <= end);
        for (; at < run.start; at++)
            ck_assert_int_eq(sbi_need_bit(bits, at), 0);
        for (; at < run.start + run.len; at++, n++)
            ck_assert_int_eq(sbi_need_bit(bits, at), 1);
        ck_assert(at == end || !sbi_need_bit(bits, at));
    }
    for (; at < end; at++)
        ck_assert_int_eq(sbi_need_bit(bits, at), 0);
    ck_assert_int_eq(sbi_need_count(bits, &gid), n);
}

START_TEST(runs_are_the_set_bits)
{
    static const int64_t cuts[][2] = {{0, KEYS}, {0, 0},    {1, 64},   {63, 65},
                                      {64, 128}, {65, 299}, {128, 129}};
    for (uint64_t seed = 0; seed < 20; seed++) {
        uint64_t bits[WORDS] = {0};
        draw(bits, seed, _i);
        for (size_t c = 0; c < sizeof cuts / sizeof *cuts; c++)
            runs_cover(bits, cuts[c][0], cuts[c][1]);
    }
}
END_TEST

START_TEST(all_and_none)
{
    uint64_t none[WORDS] = {0}, all[WORDS];
    sb_run   run;
    for (int i = 0; i < WORDS; i++)
        all[i] = ~UINT64_C(0);
    ck_assert_int_eq(sbi_need_run(none, 0, KEYS, &run), 0);
    ck_assert_int_eq(sbi_need_run(all, 7, KEYS, &run), 1);
    ck_assert_int_eq(run.start, 7);
    ck_assert_int_eq(run.len, KEYS - 7);
    ck_assert_int_eq(sbi_need_run(all, KEYS, KEYS, &run), 0);
}
END_TEST

int main(void)
{
    Suite *s  = suite_create("shard need");
    TCase *tc = tcase_create("bits");
    tcase_add_loop_test(tc, runs_are_the_set_bits, 0, 7);
    tcase_add_test(tc, all_and_none);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
