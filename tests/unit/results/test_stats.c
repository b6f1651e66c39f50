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
    ck_assert_double_eq_tol(sb_stats_wilson_half((double)wilson_kats[_i].k, wilson_kats[_i].n),
                            (i.hi - i.lo) / 2, 1e-12);
    ck_assert(isnan(sb_stats_wilson_half(1, 0)) && isnan(sb_stats_wilson_half(2.5, 2)) &&
              isnan(sb_stats_wilson_half(-0.1, 2)));
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

/* Tables of Student's t at 97.5 %; nu between whole numbers falls between them. */
START_TEST(t_quantiles)
{
    static const double kats[][2] = {{1, 12.70620474},  {2, 4.30265273},  {3, 3.18244631},
                                     {6, 2.44691185},   {10, 2.22813885}, {30, 2.04227246},
                                     {120, 1.97993041}, {384, 1.96616096}};
    for (size_t i = 0; i < sizeof kats / sizeof *kats; i++)
        ck_assert_double_eq_tol(sb_stats_t975(kats[i][0]), kats[i][1], 6e-9 * kats[i][1]);
    for (double nu = 0.5; nu < 1e9; nu *= 1.37)
        ck_assert(sb_stats_t975(nu) >= sb_stats_t975(nu * 1.1));
    ck_assert_double_eq_tol(sb_stats_t975(1e7), SB_STATS_Z95, 1e-6);
    ck_assert_double_eq(sb_stats_t975(INFINITY), SB_STATS_Z95);
    ck_assert(isnan(sb_stats_t975(0)) && isnan(sb_stats_t975(-1)) && isnan(sb_stats_t975(NAN)));
}
END_TEST

/* quality_metrics C at m = 512, standard deviation 0.05, 95 % two-sided: Bernstein +-0.027,
 * Hoeffding +-0.060. */
START_TEST(bounds_without_a_distribution)
{
    ck_assert_double_eq_tol(sb_stats_bernstein_half(0.0025, 512, 0.025),
                            sqrt(2 * 0.0025 * log(80) / 512) + 7 * log(80) / (3 * 511), 1e-15);
    ck_assert_double_eq_tol(sb_stats_bernstein_half(0.0025, 512, 0.025), 0.027, 0.0006);
    ck_assert_double_eq_tol(sb_stats_hoeffding_half(512, 0.025), 0.060, 0.0001);
    ck_assert(isnan(sb_stats_bernstein_half(0.1, 1, 0.025)));
    ck_assert(isnan(sb_stats_bernstein_half(0.1, 5, 0)) && isnan(sb_stats_hoeffding_half(5, 1)));
}
END_TEST

/* The promise holds where the normal interval breaks: values that are 1 but for a rare 0. */
START_TEST(bernstein_covers_rare_losses)
{
    enum { M = 200, SETS = 400 };
    sb_xoshiro x;
    double     want = 0.995;
    int        in = 0, in_normal = 0;
    sb_xoshiro_init(&x, 3);
    for (int s = 0; s < SETS; s++) {
        double sum = 0, sum2 = 0;
        for (int i = 0; i < M; i++) {
            double y = (double)(sb_xoshiro_next(&x) >> 11) * 0x1p-53 < want;
            sum += y;
            sum2 += y * y;
        }
        double mean = sum / M, var = (sum2 - M * mean * mean) / (M - 1);
        in += fabs(mean - want) <= sb_stats_bernstein_half(fmax(var, 0), M, 0.025);
        in_normal += fabs(mean - want) <= SB_STATS_Z95 * sqrt(fmax(var, 0) / M);
    }
    ck_assert_int_ge(in, (int)(0.95 * SETS));
    ck_assert_int_lt(in_normal, (int)(0.8 * SETS));
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

/* Three equal scores say little: other ones may come up with a share of z^2 / (3 + z^2) = 0.5615.
 */
START_TEST(bootstrap_of_equal_values_is_no_point)
{
    const double v[] = {0.5, 0.5, 0.5};
    sb_interval  i;
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 3, 9, &i), SB_OK);
    ck_assert_double_eq_tol(i.lo, 0.5 - 0.5615 / 2, 1e-4);
    ck_assert_double_eq_tol(i.hi, 0.5 + 0.5615 / 2, 1e-4);
    ck_assert_int_eq(sb_stats_bootstrap_mean(v, 1, 9, &i), SB_ERR_USAGE);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stats");
    TCase *t     = tcase_create("intervals");
    tcase_add_loop_test(t, wilson_known_answers, 0, 4);
    tcase_add_loop_test(t, wilson_refuses_nonsense, 0, 3);
    tcase_add_test(t, t_quantiles);
    tcase_add_test(t, bounds_without_a_distribution);
    tcase_add_test(t, bernstein_covers_rare_losses);
    tcase_add_test(t, xoshiro_first_outputs);
    tcase_add_test(t, bootstrap_of_coins);
    tcase_add_test(t, bootstrap_repeats_with_its_seed);
    tcase_add_test(t, bootstrap_of_equal_values_is_no_point);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
