/* Rank sum test, shift interval, Student's t: known answers and the chance they promise. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "results/stats/rank_sum.h"
#include "results/stats/xoshiro.h"
#include "tests/unit/results/main.h"

static double p_of(const double *x, int64_t nx, const double *y, int64_t ny, double shift)
{
    double p = -1;
    ck_assert_msg(sb_stats_rank_sum(x, nx, y, ny, shift, &p) == SB_OK, "%s", sb_error_text());
    return p;
}

/* By hand: all of 4 above all of 4 is one of C(8, 4) = 70 orders; one inversion makes 2 of them. */
START_TEST(exact_tails)
{
    const double x[] = {1, 2, 3, 4}, y[] = {5, 6, 7, 8}, z[] = {3.5, 6, 7, 8};
    ck_assert_double_eq_tol(p_of(x, 4, y, 4, 0), 1.0 / 70, 1e-15);
    ck_assert_double_eq_tol(p_of(x, 4, z, 4, 0), 2.0 / 70, 1e-15);
    ck_assert_double_eq_tol(p_of(y, 4, x, 4, 0), 1, 1e-15);
    ck_assert_double_gt(p_of(x, 4, y, 4, 3.5), 1.0 / 70);
    /* ties count against: equal samples are no sign of a shift */
    ck_assert_double_gt(p_of(x, 4, x, 4, 0), 0.5);
}
END_TEST

/* Table of U (Mann, Whitney 1947): n = m = 5, P(U <= 4) = 0.0476; n = 8, m = 7, P(U <= 13) = 0.0469 */
START_TEST(published_table)
{
    double x[8], y[8], p;
    for (int i = 0; i < 5; i++)
        x[i] = i;
    /* y above all but four pairs: 21 of 25 */
    y[0] = 0.5, y[1] = 5, y[2] = 6, y[3] = 7, y[4] = 8; /* 1 + 4 * 5 = 21 */
    ck_assert_int_eq(sb_stats_rank_sum(x, 5, y, 5, 0, &p), SB_OK);
    ck_assert_double_eq_tol(p, 0.0476, 5e-5);
    for (int i = 0; i < 8; i++)
        x[i] = i;
    for (int i = 0; i < 7; i++)
        y[i] = 10 + i;
    y[0] = -1, y[1] = 2.5; /* 0 + 3 + 5 * 8 = 43 = 56 - 13 */
    ck_assert_int_eq(sb_stats_rank_sum(x, 8, y, 7, 0, &p), SB_OK);
    ck_assert_double_eq_tol(p, 0.0469, 5e-5);
}
END_TEST

START_TEST(shift_of_small_samples)
{
    const double x[] = {0, 1, 2, 3, 4}, y[] = {10, 11, 12, 13, 14};
    double       estimate;
    sb_interval  i;
    ck_assert_int_eq(sb_stats_shift(x, 5, y, 5, 0.05, &estimate, &i), SB_OK);
    ck_assert_double_eq(estimate, 10);
    /* P(U <= 4) = 0.0476: four differences are cut, so the fifth smallest is the end; differences
     * are 6, 7 twice, 8 three times, ... */
    ck_assert_double_eq(i.lo, 8);
    ck_assert_double_eq(i.hi, 12);
    ck_assert_int_eq(sb_stats_shift(x, 2, y, 2, 0.05, &estimate, &i), SB_OK); /* 1 / 6 > 0.05 */
    ck_assert(isinf(i.lo) && i.lo < 0 && isinf(i.hi) && i.hi > 0);
    ck_assert_int_eq(sb_stats_shift(x, 0, y, 2, 0.05, &estimate, &i), SB_ERR_USAGE);
    ck_assert_int_eq(sb_stats_shift(x, 2, y, 2, 0.5, &estimate, &i), SB_ERR_USAGE);
}
END_TEST

/* The test and the interval are one: a shift is rejected exactly outside. */
START_TEST(interval_inverts_test)
{
    sb_xoshiro r;
    sb_xoshiro_init(&r, 3);
    for (int k = 0; k < 200; k++) {
        double      x[12], y[12], estimate;
        sb_interval i;
        int64_t     nx = 4 + (int64_t)(sb_xoshiro_next(&r) % 9), ny = 4 + (int64_t)(sb_xoshiro_next(&r) % 9);
        for (int j = 0; j < 12; j++) {
            x[j] = (double)(sb_xoshiro_next(&r) >> 11) * 0x1p-53;
            y[j] = 1 / ((double)(sb_xoshiro_next(&r) >> 11) * 0x1p-53 + 0.01);
        }
        ck_assert_int_eq(sb_stats_shift(x, nx, y, ny, 0.05, &estimate, &i), SB_OK);
        ck_assert_double_le(p_of(x, nx, y, ny, i.lo - 1e-9), 0.05);
        ck_assert_double_gt(p_of(x, nx, y, ny, i.lo + 1e-9), 0.05);
    }
}
END_TEST

/* Beyond the exact range the normal takes over without a step. */
START_TEST(normal_joins_exact)
{
    double x[61], y[61];
    for (int i = 0; i < 61; i++) {
        x[i] = i;
        y[i] = i + 4.5;
    }
    double exact = p_of(x, 60, y, 60, 0), normal = p_of(x, 61, y, 61, 0);
    ck_assert_double_eq_tol(log(exact / normal), 0, 0.1);
}
END_TEST

/* sf(1) of one degree of freedom is atan(1) / pi; 3.7469 is the 99 % quantile of 4 in printed tables */
START_TEST(student)
{
    ck_assert_double_eq_tol(sb_stats_t_upper(1, 1), 0.25, 1e-12);
    ck_assert_double_eq_tol(sb_stats_t_upper(-1, 1), 0.75, 1e-12);
    ck_assert_double_eq(sb_stats_t_upper(0, 5), 0.5);
    ck_assert_double_eq_tol(sb_stats_t_upper(SB_STATS_Z95, INFINITY), 0.025, 1e-12);
    ck_assert_double_eq_tol(sb_stats_t_quantile(0.01, 4), 3.7469473879791968, 1e-9);
    ck_assert_double_eq_tol(sb_stats_t_quantile(0.025, 7), sb_stats_t975(7), 1e-9);
    ck_assert(isnan(sb_stats_t_upper(1, 0)) && isnan(sb_stats_t_quantile(0.6, 3)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rank sum");
    TCase *tc    = tcase_create("rank sum");
    tcase_add_test(tc, exact_tails);
    tcase_add_test(tc, published_table);
    tcase_add_test(tc, shift_of_small_samples);
    tcase_add_test(tc, interval_inverts_test);
    tcase_add_test(tc, normal_joins_exact);
    tcase_add_test(tc, student);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
