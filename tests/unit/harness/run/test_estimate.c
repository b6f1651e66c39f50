/* The row sample of the quality pass and what it says of all rows [quality_metrics C, D]. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "harness/run/estimate.h"
#include "kernels/base/rng.h"

enum { N = 16384 };

/* Recall-like values: high, with a slope over positions and noise, a few bad rows. */
static double value(int64_t row)
{
    double u = (double)(sb_mix((uint64_t)row) >> 11) / 9007199254740992.0;
    return 0.9 - 0.2 * (double)row / N + 0.1 * (u - 0.5) -
           (sb_mix((uint64_t)row + 77) % 50 == 0 ? 0.3 : 0);
}

static double truth(void)
{
    double sum = 0;
    for (int64_t i = 0; i < N; i++)
        sum += value(i);
    return sum / N;
}

static sb_estimate sampled(uint64_t seed)
{
    sb_rows rows;
    double  y[SB_STRATA * SB_STRATUM_ROWS + SB_CENSUS_ROWS];
    ck_assert_int_eq(sb_rows_draw(N, seed, 0, &rows), SB_OK);
    for (int64_t i = 0; i < rows.n; i++)
        y[i] = value(rows.row[i]);
    sb_estimate e = sb_estimate_mean(&rows, y, 1);
    sb_rows_fini(&rows);
    return e;
}

START_TEST(rows_are_distinct_ascending_and_stratified)
{
    sb_rows rows;
    ck_assert_int_eq(sb_rows_draw(N + 37, 5, 0, &rows), SB_OK);
    ck_assert_int_eq(rows.n, 576);
    for (int64_t i = 1; i < rows.n; i++)
        ck_assert_int_lt(rows.row[i - 1], rows.row[i]);
    for (int64_t s = 0; s < SB_STRATA; s++)
        for (int64_t i = 0; i < SB_STRATUM_ROWS; i++) {
            int64_t x = rows.row[s * SB_STRATUM_ROWS + i], m = N + 37 - SB_CENSUS_ROWS;
            ck_assert(x >= s * m / SB_STRATA && x < (s + 1) * m / SB_STRATA);
        }
    ck_assert_int_eq(rows.row[rows.n - 1], N + 36);
    ck_assert_int_eq(rows.row[rows.n - SB_CENSUS_ROWS], N + 37 - SB_CENSUS_ROWS);
    sb_rows_fini(&rows);
}
END_TEST

START_TEST(short_sequences_and_exact_take_all_rows)
{
    sb_rows rows;
    ck_assert_int_eq(sb_rows_draw(SB_EXACT_MAX_TOKENS, 5, 0, &rows), SB_OK);
    ck_assert(rows.exact && rows.n == SB_EXACT_MAX_TOKENS && rows.row[17] == 17);
    sb_rows_fini(&rows);
    ck_assert_int_eq(sb_rows_draw(N, 5, 1, &rows), SB_OK);
    ck_assert(rows.exact && rows.n == N);
    sb_rows_fini(&rows);
}
END_TEST

START_TEST(exact_mean_has_no_error)
{
    sb_rows rows;
    double *y = malloc(N * sizeof *y);
    ck_assert_int_eq(sb_rows_draw(N, 5, 1, &rows), SB_OK);
    for (int64_t i = 0; i < N; i++)
        y[i] = value(i);
    sb_estimate e = sb_estimate_mean(&rows, y, 1);
    ck_assert_double_eq_tol(e.mean, truth(), 1e-12);
    ck_assert_double_eq(e.se, 0);
    sb_rows_fini(&rows);
    free(y);
}
END_TEST

START_TEST(
    sampled_mean_is_unbiased_and_its_interval_covers) /* 1000 seeds; nu is large: z serves for t */
{
    double want = truth(), sum = 0;
    int    in = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        sb_estimate e = sampled(seed);
        sum += e.mean;
        in += fabs(e.mean - want) <= 1.96 * e.se;
    }
    ck_assert_double_le(fabs(sum / 1000 - want),
                        3e-4); /* standard error of the mean of means: about 6e-5 */
    ck_assert_int_ge(in, 920);
    ck_assert_int_le(in, 980);
}
END_TEST

START_TEST(the_same_seed_draws_the_same_rows)
{
    ck_assert_double_eq(sampled(9).mean, sampled(9).mean);
    ck_assert_double_ne(sampled(9).mean, sampled(10).mean);
}
END_TEST

START_TEST(percentile_is_nearest_rank)
{
    double y[] = {5, 1, 4, 2, 3};
    ck_assert_double_eq(sb_percentile(y, 5, 1, 0.05), 1);
    ck_assert_double_eq(sb_percentile(y, 5, 1, 0.5), 3);
    ck_assert_double_eq(sb_percentile(y, 5, 1, 1), 5);
    ck_assert(isnan(sb_percentile(y, 0, 1, 0.5)));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run estimate");
    TCase *t = tcase_create("rows");
    tcase_add_test(t, rows_are_distinct_ascending_and_stratified);
    tcase_add_test(t, short_sequences_and_exact_take_all_rows);
    tcase_add_test(t, exact_mean_has_no_error);
    tcase_add_test(t, sampled_mean_is_unbiased_and_its_interval_covers);
    tcase_add_test(t, the_same_seed_draws_the_same_rows);
    tcase_add_test(t, percentile_is_nearest_rank);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
