/* The arithmetic of the synthetic distributions: right against libm, and the same bits everywhere.
 */
#include <check.h>
#include <math.h>

#include "workloads/synthetic/draw.h"

START_TEST(elementary_functions_agree_with_libm)
{
    double worst[4] = {0};
    for (int i = 0; i < 300000; i++) {
        double s, c, x = i < 200000 ? i * 0.37 + (i % 7) * 1e-3 : i * 3571.3; /* to 1.07e9 */
        sbi_sin_cos(x, &s, &c);
        worst[0] = fmax(worst[0], fabs(s - sin(x)));
        worst[1] = fmax(worst[1], fabs(c - cos(x)));
        double y = (i + 0.5) / 300000, z = (i - 150000) * 4e-3;
        worst[2] = fmax(worst[2], fabs(sbi_ln(y) - log(y)) / fmax(fabs(log(y)), 1e-3));
        worst[3] = fmax(worst[3], fabs(sbi_exp(z) / exp(z) - 1));
    }
    ck_assert_double_lt(worst[0], 1e-9);
    ck_assert_double_lt(worst[1], 1e-9);
    ck_assert_double_lt(worst[2], 1e-12);
    ck_assert_double_lt(worst[3], 1e-12);
    double s, c;
    sbi_sin_cos(0, &s, &c);
    ck_assert_double_eq(s, 0);
    ck_assert_double_eq(c, 1);
    ck_assert_double_eq(sbi_exp(0), 1);
    ck_assert_double_eq(sbi_ln(1), 0);
}
END_TEST

/* Mean, variance, fourth moment and two tails, each within four standard errors. */
START_TEST(normals_are_normal)
{
    enum { N = 1 << 20 };
    double m[3] = {0}, beyond[2] = {0}, most = 0, x[64];
    for (int i = 0; i < N / 64; i++) {
        sb_rng r = sbi_stream_at(5, SBI_STREAM_K, i % 3, i);
        sbi_normals(&r, 64, x);
        for (int j = 0; j < 64; j++) {
            m[0] += x[j] / N;
            m[1] += x[j] * x[j] / N;
            m[2] += x[j] * x[j] * x[j] * x[j] / N;
            beyond[0] += x[j] > 2;
            beyond[1] += x[j] < -3;
            most = fmax(most, fabs(x[j]));
        }
    }
    ck_assert_double_lt(most, 6.4);
    double root = sqrt(N), p2 = erfc(2 / sqrt(2)) / 2, p3 = erfc(3 / sqrt(2)) / 2;
    ck_assert_double_le(fabs(m[0]), 4 / root);
    ck_assert_double_le(fabs(m[1] - 1), 4 * sqrt(2) / root);
    ck_assert_double_le(fabs(m[2] - 3), 4 * sqrt(96) / root);
    ck_assert_double_le(fabs(beyond[0] / N - p2), 4 * sqrt(p2) / root);
    ck_assert_double_le(fabs(beyond[1] / N - p3), 4 * sqrt(p3) / root);
}
END_TEST

/* Each number against the distribution function of libm: the word it was drawn from comes back. */
START_TEST(normals_invert_the_distribution_function)
{
    sb_rng a = {17}, b = {17};
    double x[2], worst = 0; /* one check: each costs a system call */
    for (int i = 0; i < 200000; i++) {
        uint64_t w = sb_rng_next(&a);
        sbi_normals(&b, 2, x);
        double p = ((double)(w >> 32) + 0.5) * 0x1p-32, got = erfc(-x[0] / sqrt(2)) / 2;
        /* 2e-7 of x moves p by its density */
        worst = fmax(worst, fabs(got - p) / (4e-7 * exp(-x[0] * x[0] / 2) + 1e-16));
    }
    ck_assert_double_le(worst, 1);
}
END_TEST

START_TEST(streams_are_apart)
{
    uint64_t seen[SBI_STREAM_COUNT * 4 * 4];
    int      n = 0;
    for (int s = 0; s < SBI_STREAM_COUNT; s++)
        for (int h = 0; h < 4; h++)
            for (int i = 0; i < 4; i++) {
                sb_rng r = sbi_stream_at(1, (sbi_stream)s, h, i);
                seen[n]  = sb_rng_next(&r);
                for (int k = 0; k < n; k++)
                    ck_assert_uint_ne(seen[k], seen[n]);
                n++;
            }
    sb_rng a = sbi_stream_at(1, SBI_STREAM_Q, 2, 3), b = sbi_stream_at(2, SBI_STREAM_Q, 2, 3);
    ck_assert_uint_ne(sb_rng_next(&a), sb_rng_next(&b));
}
END_TEST

START_TEST(an_odd_number_of_normals_and_signs)
{
    double x[5], y[4], s[130];
    sb_rng a = {3}, b = {3}, c = {9};
    x[4] = 77;
    sbi_normals(&a, 4, x);
    sbi_normals(&b, 3, y);
    for (int i = 0; i < 3; i++)
        ck_assert_double_eq(x[i], y[i]);
    ck_assert_double_eq(x[4], 77);
    sbi_signs(&c, 130, s);
    int up = 0;
    for (int i = 0; i < 130; i++) {
        ck_assert(s[i] == 1.0 || s[i] == -1.0);
        up += s[i] > 0;
    }
    ck_assert(up > 35 && up < 95);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("synthetic draw");
    TCase *t = tcase_create("draw");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, elementary_functions_agree_with_libm);
    tcase_add_test(t, normals_are_normal);
    tcase_add_test(t, normals_invert_the_distribution_function);
    tcase_add_test(t, streams_are_apart);
    tcase_add_test(t, an_odd_number_of_normals_and_signs);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
