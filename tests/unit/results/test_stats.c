/* Known answers of workloads 5.2. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "results/stats/stats.h"
#include "results/stats/xoshiro.h"
#include "tests/unit/results/main.h"

static const struct {
    int64_t k, n;
    double  lo, hi; /* percent, two decimals */
} wilson_kats[] = {{425, 500, 81.60, 87.86},
                   {85, 100, 76.72, 90.69},
                   {500, 500, 99.24, 100},
                   {25, 25, 86.68, 100}};

START_TEST(wilson_known_answers)
{
    sb_interval i;
    ck_assert_int_eq(sb_stats_wilson(wilson_kats[_i].k, wilson_kats[_i].n, &i), SB_OK);
    ck_assert_double_eq_tol(100 * i.lo, wilson_kats[_i].lo, 0.005);
    ck_assert_double_eq_tol(100 * i.hi, wilson_kats[_i].hi, 0.005);
}
END_TEST

START_TEST(wilson_refuses_nonsense)
{
    static const int64_t bad[][2] = {{0, 0}, {-1, 5}, {6, 5}};
    sb_interval          i        = {2, 3};
    ck_assert_int_eq(sb_stats_wilson(bad[_i][0], bad[_i][1], &i), SB_ERR_USAGE);
    ck_assert_double_eq(i.lo, 2);
}
END_TEST

/* First outputs for state {1, 2, 3, 4}, worked out by hand from the definition: rotl(2 * 5, 7) * 9,
 * then state {7, 0, 262146, 6 << 45}, whose s[1] is 0, and so on. */
START_TEST(xoshiro_first_outputs)
{
    sb_xoshiro x = {{1, 2, 3, 4}};
    ck_assert_uint_eq(sb_xoshiro_next(&x), 11520);
    ck_assert_uint_eq(sb_xoshiro_next(&x), 0);
    ck_assert_uint_eq(sb_xoshiro_next(&x), 1509978240);
    ck_assert_uint_eq(sb_xoshiro_next(&x), 1215971899390074240u);
}
END_TEST

/* The mean of 400 fair coins: quantiles of Binomial(400, 1/2) / 400 at 2.5 % and 97.5 % are 180.4
 * and 219.6. */
START_TEST(bootstrap_of_coins)
{
    double      v[400];
    sb_interval i;
    for (int k = 0; k < 400; k++)
        v[k] = k % 2;
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 400, 42, &i), SB_OK);
    ck_assert_double_eq_tol(i.lo, 0.451, 0.004);
    ck_assert_double_eq_tol(i.hi, 0.549, 0.004);
}
END_TEST

START_TEST(bootstrap_repeats_with_its_seed)
{
    const double v[] = {0.1, 0.2, 0.9, 0.4, 0.35};
    sb_interval  a, b, c;
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 5, 1, &a), SB_OK);
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 5, 1, &b), SB_OK);
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 5, 2, &c), SB_OK);
    ck_assert(a.lo == b.lo && a.hi == b.hi);
    ck_assert(a.lo != c.lo || a.hi != c.hi || a.lo < a.hi);
    ck_assert(a.lo >= 0.1 && a.lo < 0.39 && a.hi > 0.39 && a.hi <= 0.9);
}
END_TEST

START_TEST(bootstrap_of_equal_values_is_a_point)
{
    const double v[] = {0.5, 0.5, 0.5};
    sb_interval  i;
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 3, 9, &i), SB_OK);
    ck_assert(i.lo == 0.5 && i.hi == 0.5);
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 1, 9, &i), SB_ERR_USAGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stats");
    TCase *t     = tcase_create("intervals");
    tcase_add_loop_test(t, wilson_known_answers, 0, 4);
    tcase_add_loop_test(t, wilson_refuses_nonsense, 0, 3);
    tcase_add_test(t, xoshiro_first_outputs);
    tcase_add_test(t, bootstrap_of_coins);
    tcase_add_test(t, bootstrap_repeats_with_its_seed);
    tcase_add_test(t, bootstrap_of_equal_values_is_a_point);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
