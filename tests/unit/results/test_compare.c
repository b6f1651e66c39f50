/* Tests and intervals of two points on the same inputs: known answers of workloads 5.2, values of
 * other implementations (tests/golden/stats_golden.py), and brute force where n is small. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/stats/compare.h"
#include "results/stats/xoshiro.h"
#include "tests/golden/stats_golden.h"
#include "tests/unit/results/main.h"

#define COUNT(a) (sizeof(a) / sizeof(a)[0])

/* ---- McNemar ---- */
START_TEST(mcnemar_known_answers) /* [workloads 5.2], four digits as printed there */
{
    static const struct {
        int64_t b, c;
        double  p, tol;
    } kats[] = {{10, 2, 0.03857, 5e-6},
                {30, 12, 0.007916, 5e-7},
                {0, 6, 0.03125, 1e-15},
                {8, 1, 0.03906, 5e-6},
                {5, 5, 1, 1e-15}};
    for (size_t i = 0; i < COUNT(kats); i++)
        ck_assert_double_eq_tol(sb_stats_mcnemar(kats[i].b, kats[i].c), kats[i].p, kats[i].tol);
}
END_TEST

START_TEST(mcnemar_equals_other_implementations)
{
    for (size_t i = 0; i < COUNT(golden_mcnemar); i++) {
        double want = golden_mcnemar[i].ln_p;
        double got  = sb_stats_mcnemar_ln(golden_mcnemar[i].b, golden_mcnemar[i].c);
        ck_assert_msg(fabs(got - want) <= 1e-11 * fmax(1, fabs(want)), "%lld %lld: %.17g, %.17g",
                      (long long)golden_mcnemar[i].b, (long long)golden_mcnemar[i].c, got, want);
        ck_assert(got == sb_stats_mcnemar_ln(golden_mcnemar[i].c, golden_mcnemar[i].b));
    }
}
END_TEST

/* Sums of binomial coefficients below 2^60 are whole numbers of a long double. */
START_TEST(mcnemar_equals_the_sum)
{
    for (int64_t n = 0; n <= 60; n++)
        for (int64_t b = 0; b <= n; b++) {
            int64_t     k    = b < n - b ? b : n - b;
            long double term = 1, sum = 0;
            for (int64_t i = 0; i <= k; i++) {
                sum += term;
                term = term * (long double)(n - i) / (long double)(i + 1);
            }
            double want = (double)fminl(1, ldexpl(sum, 1 - (int)n));
            ck_assert_double_eq_tol(sb_stats_mcnemar(b, n - b), want, 1e-12 * want);
        }
}
END_TEST

START_TEST(mcnemar_refuses_nonsense_and_underflows_to_zero)
{
    ck_assert(isnan(sb_stats_mcnemar(-1, 3)) && isnan(sb_stats_mcnemar(3, -1)));
    ck_assert(isnan(sb_stats_mcnemar(INT64_MAX, INT64_MAX)));
    ck_assert_double_eq(sb_stats_mcnemar(0, 1000000000), 0);
    ck_assert(sb_stats_mcnemar(0, 1074) > 0); /* 2^-1073 */
    ck_assert_double_eq(sb_stats_mcnemar(0, 0), 1);
}
END_TEST

/* ---- sign flips ---- */
START_TEST(sign_flips_equal_other_implementations)
{
    double p = 0;
    for (size_t i = 0; i < COUNT(golden_flips); i++) {
        ck_assert_int_eq(sb_stats_sign_flip(golden_flips[i].d, GOLDEN_FLIPS, 5, &p), SB_OK);
        ck_assert_double_eq_tol(p, golden_flips[i].p, 1e-15);
    }
    p = 7;
    ck_assert_int_eq(sb_stats_sign_flip(NULL, 0, 5, &p), SB_ERR_USAGE);
    ck_assert_double_eq(p, 7);
}
END_TEST

/* Of differences -1, 0, 1 the test is McNemar's: exactly where all patterns are looked at, within
 * four standard errors of the draws where not. */
START_TEST(sign_flips_of_right_and_wrong_are_mcnemar)
{
    enum { N = 80 };
    double d[N], p = 0;
    for (int b = 0; b <= 30; b += b < 8 ? 1 : 7)
        for (int c = 0; c <= 30; c += c < 6 ? 1 : 8) {
            memset(d, 0, sizeof d);
            for (int i = 0; i < b + c; i++)
                d[(i * 37) % N] = i < b ? -1 : 1;
            ck_assert_int_eq(sb_stats_sign_flip(d, N, 11, &p), SB_OK);
            double want = sb_stats_mcnemar(b, c);
            double tol  = b + c <= 13 ? 1e-12 : 4 * sqrt(want * (1 - want) / 10000) + 2e-4;
            ck_assert_double_eq_tol(p, want, tol);
        }
}
END_TEST

START_TEST(sign_flips_never_promise_more_than_the_pairs)
{
    double d[200], p = 0;
    for (int i = 0; i < 200; i++)
        d[i] = -0.5 - i * 1e-3;
    for (int n = 1; n <= 13; n++) {
        ck_assert_int_eq(sb_stats_sign_flip(d, n, 1, &p), SB_OK);
        ck_assert_double_eq_tol(p, ldexp(1, 1 - n), 1e-15);
    }
    ck_assert_int_eq(sb_stats_sign_flip(d, 200, 1, &p), SB_OK);
    ck_assert_double_eq_tol(p, 1.0 / 10001, 1e-12);
}
END_TEST

/* ---- the interval of a paired difference ---- */
START_TEST(paired_score_equals_other_implementations)
{
    sb_interval i;
    for (size_t k = 0; k < COUNT(golden_paired_score); k++) {
        ck_assert_int_eq(sb_stats_paired_score(golden_paired_score[k].b, golden_paired_score[k].c,
                                               golden_paired_score[k].n, &i),
                         SB_OK);
        ck_assert_double_eq_tol(i.lo, golden_paired_score[k].lo, 1e-7);
        ck_assert_double_eq_tol(i.hi, golden_paired_score[k].hi, 1e-7);
    }
}
END_TEST

START_TEST(paired_score_holds_the_difference_and_turns_with_it)
{
    sb_interval a, t, more;
    for (int64_t n = 1; n <= 24; n++)
        for (int64_t b = 0; b <= n; b++)
            for (int64_t c = 0; c <= n - b; c++) {
                double d = (double)(c - b) / (double)n;
                ck_assert_int_eq(sb_stats_paired_score(b, c, n, &a), SB_OK);
                ck_assert_int_eq(sb_stats_paired_score(c, b, n, &t), SB_OK);
                ck_assert_int_eq(sb_stats_paired_score(4 * b, 4 * c, 4 * n, &more), SB_OK);
                ck_assert_msg(a.lo >= -1 && a.lo <= d && d <= a.hi && a.hi <= 1, "%d %d %d", (int)b,
                              (int)c, (int)n);
                ck_assert(a.lo == -t.hi && a.hi == -t.lo);
                ck_assert(more.hi - more.lo < a.hi - a.lo + 1e-12);
            }
    for (int64_t n = 1; n < 10000; n *= 7) { /* no pair differs: -+ z^2 / (n + z^2) */
        double z2 = SB_STATS_Z95 * SB_STATS_Z95;
        ck_assert_int_eq(sb_stats_paired_score(0, 0, n, &a), SB_OK);
        ck_assert_double_eq_tol(a.hi, z2 / ((double)n + z2), 1e-12);
    }
    static const int64_t bad[][3] = {{0, 0, 0}, {-1, 0, 5}, {0, -1, 5}, {3, 3, 5}, {6, 0, 5}};
    a.lo                          = 9;
    for (size_t i = 0; i < COUNT(bad); i++)
        ck_assert_int_eq(sb_stats_paired_score(bad[i][0], bad[i][1], bad[i][2], &a), SB_ERR_USAGE);
    ck_assert_double_eq(a.lo, 9);
}
END_TEST

/* Share of samples whose interval holds the truth: near 0.95 where n is small and differences rare,
 * where the normal interval fails. */
START_TEST(paired_score_covers)
{
    enum { N = 40, SETS = 2000 };
    sb_xoshiro x;
    int        in = 0, in_normal = 0;
    sb_xoshiro_init(&x, 17);
    for (int s = 0; s < SETS; s++) {
        int64_t     b = 0, c = 0;
        sb_interval i;
        for (int k = 0; k < N; k++) {
            double u = (double)(sb_xoshiro_next(&x) >> 11) * 0x1p-53;
            b += u < 0.05;
            c += u > 0.98;
        }
        double d = (double)(c - b) / N, half = 1.96 * sqrt(((double)(b + c) / N - d * d) / N);
        ck_assert_int_eq(sb_stats_paired_score(b, c, N, &i), SB_OK);
        in += i.lo <= -0.03 && -0.03 <= i.hi;
        in_normal += fabs(d + 0.03) <= half;
    }
    ck_assert_int_ge(in, (int)(0.94 * SETS));
    ck_assert_int_lt(in_normal, (int)(0.90 * SETS));
}
END_TEST

/* ---- bootstrap ---- */
static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every resample of two strata of three, all equally likely: what the draws estimate. */
START_TEST(bootstrap_equals_all_resamples)
{
    enum { ALL = 729 };
    static const double v[] = {-0.9, 0.1, 0.4, 0.05, 0.3, 0.75};
    double              all[ALL];
    const int64_t       n[] = {3, 3};
    sb_interval         i, again, other;
    for (int r = 0; r < ALL; r++) {
        double sum = 0;
        for (int k = 0, code = r; k < 6; k++, code /= 3)
            sum += v[3 * (k / 3) + code % 3];
        all[r] = sum / 6;
    }
    qsort(all, ALL, sizeof *all, compare_doubles);
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){-1, 1}, 3, &i), SB_OK);
    /* four standard errors of a share of 2.5 % in 10,000 draws are 0.62 % */
    ck_assert(i.lo >= all[(int)(0.0188 * ALL)] - 1e-12 &&
              i.lo <= all[(int)(0.0312 * ALL) + 1] + 1e-12);
    ck_assert(i.hi >= all[(int)(0.9688 * ALL) - 1] - 1e-12 &&
              i.hi <= all[(int)(0.9812 * ALL) + 1] + 1e-12);
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){-1, 1}, 3, &again), SB_OK);
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){-1, 1}, 4, &other), SB_OK);
    ck_assert(i.lo == again.lo && i.hi == again.hi);
    ck_assert_double_eq_tol(i.lo, other.lo, 0.1);
}
END_TEST

/* Strata keep their shares: what differs between them adds no width. */
START_TEST(strata_are_resampled_apart)
{
    enum { N = 200 };
    static double v[2 * N], shifted[2 * N];
    const int64_t n[] = {N, N};
    int64_t       all = 2 * N;
    sb_interval   apart, one, same;
    for (int i = 0; i < 2 * N; i++) {
        v[i]       = (i < N ? 0.1 : 0.8) + 0.1 * (i % 2);
        shifted[i] = v[i] - (i < N ? 0.0 : 0.7);
    }
    sb_interval range = {0, 1};
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, range, 1, &apart), SB_OK);
    ck_assert_int_eq(sb_stats_bootstrap_strata(shifted, n, 2, range, 1, &same), SB_OK);
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, &all, 1, range, 1, &one), SB_OK);
    ck_assert_double_eq_tol(apart.hi - apart.lo, same.hi - same.lo, 1e-12);
    ck_assert_double_eq_tol(apart.hi - apart.lo, 2 * 1.96 * 0.05 / sqrt(2.0 * N), 0.001);
    ck_assert(one.hi - one.lo > 5 * (apart.hi - apart.lo));
}
END_TEST

/* Every stratum weighs the same, however many values it has: means 0.15 and 0.85, not 0.21. */
START_TEST(strata_weigh_the_same)
{
    static double v[220];
    const int64_t n[] = {200, 20};
    sb_interval   i;
    for (int k = 0; k < 220; k++)
        v[k] = (k < 200 ? 0.1 : 0.8) + 0.1 * (k % 2);
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){0, 1}, 1, &i), SB_OK);
    ck_assert_double_eq_tol((i.lo + i.hi) / 2, 0.5, 0.003);
    ck_assert(i.hi - i.lo > 0.015 && i.hi - i.lo < 0.03);
}
END_TEST

/* A loss of 0.02 on every second of 100 pairs: mean -0.01, standard error 0.001. */
START_TEST(paired_bootstrap_of_a_small_loss)
{
    double      d[100];
    sb_interval i;
    for (int k = 0; k < 100; k++)
        d[k] = k % 2 ? -0.02 : 0;
    ck_assert_int_eq(sb_stats_paired_bootstrap(d, 100, 8, &i), SB_OK);
    ck_assert_double_eq_tol(i.lo, -0.01196, 0.0003);
    ck_assert_double_eq_tol(i.hi, -0.00804, 0.0003);
    ck_assert_int_eq(sb_stats_paired_bootstrap(d, 1, 8, &i), SB_ERR_USAGE);
}
END_TEST

/* Values that never differ: of 0 or 1 the bound is Wilson's, of differences 0 it is McNemar's
 * interval, and it is never a point. */
START_TEST(no_width_becomes_a_bound)
{
    double      v[25];
    int64_t     n[] = {5, 20};
    sb_interval i, want;
    for (int k = 0; k < 25; k++)
        v[k] = 1;
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){0, 1}, 8, &i), SB_OK);
    ck_assert_int_eq(sb_stats_wilson(25, 25, &want), SB_OK);
    ck_assert_double_eq_tol(i.lo, want.lo, 1e-12);
    ck_assert_double_eq(i.hi, 1);
    for (int k = 0; k < 25; k++)
        v[k] = 0;
    ck_assert_int_eq(sb_stats_paired_bootstrap(v, 25, 8, &i), SB_OK);
    ck_assert_int_eq(sb_stats_paired_score(0, 0, 25, &want), SB_OK);
    ck_assert_double_eq_tol(i.lo, want.lo, 1e-12);
    ck_assert_double_eq_tol(i.hi, want.hi, 1e-12);
    for (int k = 0; k < 25; k++)
        v[k] = k < 5 ? 0.5 : 0.25; /* alike within its stratum */
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){0, 1}, 8, &i), SB_OK);
    ck_assert(i.lo < 0.33 && i.lo > 0.32 && i.hi > 0.45 && i.hi < 0.46);
    n[0] = 0;
    i.lo = 9;
    ck_assert_int_eq(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){0, 1}, 8, &i), SB_ERR_USAGE);
    ck_assert_double_eq(i.lo, 9);
}
END_TEST

/* ---- Holm ---- */
START_TEST(holm_equals_other_implementations)
{
    double got[GOLDEN_HOLM];
    for (size_t i = 0; i < COUNT(golden_holm); i++) {
        ck_assert_int_eq(sb_stats_holm(golden_holm[i].p, GOLDEN_HOLM, got), SB_OK);
        for (int k = 0; k < GOLDEN_HOLM; k++)
            ck_assert_double_eq_tol(got[k], golden_holm[i].adjusted[k], 1e-15);
    }
}
END_TEST

/* adjusted < alpha exactly where the step-down procedure rejects; in any order, in place, with
 * ties. */
START_TEST(holm_rejects_as_the_procedure_does)
{
    enum { N = 9 };
    sb_xoshiro x;
    sb_xoshiro_init(&x, 5);
    for (int round = 0; round < 300; round++) {
        double p[N], sorted[N], adjusted[N];
        for (int i = 0; i < N; i++)
            p[i] = (double)(sb_xoshiro_next(&x) % 40) / (round % 2 ? 400 : 40);
        memcpy(sorted, p, sizeof p);
        qsort(sorted, N, sizeof *sorted, compare_doubles);
        memcpy(adjusted, p, sizeof p);
        ck_assert_int_eq(sb_stats_holm(adjusted, N, adjusted), SB_OK);
        int    k     = 0;
        double alpha = 0.0499;
        while (k < N && (N - k) * sorted[k] < alpha)
            k++; /* hypotheses 0..k-1 of the sorted ones are rejected */
        for (int i = 0; i < N; i++)
            ck_assert_int_eq(adjusted[i]<alpha, k> 0 && p[i] <= sorted[k - 1]);
    }
    double bad[] = {0.1, NAN}, out[2] = {5, 5};
    ck_assert_int_eq(sb_stats_holm(bad, 2, out), SB_ERR_USAGE);
    bad[1] = 1.5;
    ck_assert_int_eq(sb_stats_holm(bad, 2, out), SB_ERR_USAGE);
    ck_assert_double_eq(out[0], 5);
    ck_assert_int_eq(sb_stats_holm(NULL, 0, NULL), SB_OK);
}
END_TEST

/* ---- the gate ---- */
START_TEST(non_inferiority_and_its_resolution) /* [workloads 5.2], last paragraph */
{
    ck_assert_int_eq(sb_stats_non_inferior(-0.009, SB_STATS_MARGIN_MEAN), 1);
    ck_assert_int_eq(sb_stats_non_inferior(-0.01, SB_STATS_MARGIN_MEAN), 0);
    ck_assert_int_eq(sb_stats_non_inferior(NAN, 0.03), 0);
    ck_assert_double_eq(SB_STATS_MARGIN_TASK, 0.03);
    ck_assert_double_eq_tol(100 * sb_stats_paired_resolution(5, 100), 4.4, 0.05);
    ck_assert_double_eq_tol(100 * sb_stats_paired_resolution(25, 500), 2.0, 0.05);
    ck_assert_double_eq_tol(100 * sb_stats_paired_resolution(325, 6500), 0.5, 0.05);
    ck_assert(isnan(sb_stats_paired_resolution(1, 0)) && isnan(sb_stats_paired_resolution(3, 2)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compare");
    TCase *t     = tcase_create("compare");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, mcnemar_known_answers);
    tcase_add_test(t, mcnemar_equals_other_implementations);
    tcase_add_test(t, mcnemar_equals_the_sum);
    tcase_add_test(t, mcnemar_refuses_nonsense_and_underflows_to_zero);
    tcase_add_test(t, sign_flips_equal_other_implementations);
    tcase_add_test(t, sign_flips_of_right_and_wrong_are_mcnemar);
    tcase_add_test(t, sign_flips_never_promise_more_than_the_pairs);
    tcase_add_test(t, paired_score_equals_other_implementations);
    tcase_add_test(t, paired_score_holds_the_difference_and_turns_with_it);
    tcase_add_test(t, paired_score_covers);
    tcase_add_test(t, bootstrap_equals_all_resamples);
    tcase_add_test(t, strata_are_resampled_apart);
    tcase_add_test(t, strata_weigh_the_same);
    tcase_add_test(t, paired_bootstrap_of_a_small_loss);
    tcase_add_test(t, no_width_becomes_a_bound);
    tcase_add_test(t, holm_equals_other_implementations);
    tcase_add_test(t, holm_rejects_as_the_procedure_does);
    tcase_add_test(t, non_inferiority_and_its_resolution);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
