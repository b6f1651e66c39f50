/* Rotary frequencies: known answers, every scaling type against its formula [models 2.2, 2.3]. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nn/rope.h"

static sb_rope_spec spec(sb_rope_type type, int32_t dims, double theta)
{
    return (sb_rope_spec){.type          = type,
                          .dims          = dims,
                          .theta         = theta,
                          .factor        = 1,
                          .low           = 1,
                          .high          = 4,
                          .beta_fast     = 32,
                          .beta_slow     = 1,
                          .max_positions = 131072};
}

static void near(float got, double want)
{
    ck_assert_double_le(fabs((double)got - want), 1.3e-7 * fabs(want));
} /* two roundings */

START_TEST(llama3_known_answers)
{
    sb_rope_spec s = spec(SB_ROPE_LLAMA3, 128, 5e5);
    float        f[64], t;
    s.factor   = 8;
    s.original = 8192;
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    near(f[0], 1);
    near(f[1], 0.8146172);
    ck_assert_double_le(fabs((double)f[28] - 0.0032114461), 4e-10);
    ck_assert_double_le(fabs((double)f[29] - 0.0021665705), 3e-10);
    ck_assert_double_le(fabs((double)f[32] - 5.2484606e-4), 7e-11);
    ck_assert_double_le(fabs((double)f[35] - 9.5562129e-5), 1e-11);
    ck_assert_double_le(fabs((double)f[63] - 3.0689259e-7), 5e-14);
    ck_assert(t == 1.0f);
}
END_TEST

/* Qwen2.5 with factor 4: pairs from 23 to 40 are mixed, before that nothing changes, behind it a
 * quarter is left. */
START_TEST(yarn_known_answers)
{
    sb_rope_spec s = spec(SB_ROPE_YARN, 128, 1e6), plain = spec(SB_ROPE_DEFAULT, 128, 1e6);
    float        f[64], g[64], t;
    s.factor   = 4;
    s.original = 32768;
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    ck_assert_double_le(fabs((double)t - 1.1386294), 1e-7);
    ck_assert_int_eq(sb_rope_frequencies(&plain, 1, g, &t), SB_OK);
    for (int i = 0; i <= 23; i++)
        near(f[i], (double)g[i]);
    for (int i = 24; i < 40; i++)
        near(f[i], (double)g[i] * (1 - (i - 23) / 17.0) + (double)g[i] / 4 * (i - 23) / 17.0);
    for (int i = 40; i < 64; i++)
        near(f[i], (double)g[i] / 4);
    s.attention_factor = 1.5;
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    ck_assert(t == 1.5f);
    s.original = 0; /* not given: the model's own length, (lo, hi) = (30, 47) */
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    near(f[30], (double)g[30]);
    ck_assert((double)f[31] < (double)g[31] * 0.99);
    near(f[47], (double)g[47] / 4);
}
END_TEST

START_TEST(linear_and_dynamic)
{
    sb_rope_spec s = spec(SB_ROPE_LINEAR, 64, 1e4), d = spec(SB_ROPE_DYNAMIC, 64, 1e4);
    float        f[32], t;
    s.factor = 2.5;
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    for (int i = 0; i < 32; i++)
        near(f[i], pow(1e4, -2.0 * i / 64) / 2.5);
    d.factor        = 2;
    d.max_positions = 2048;
    ck_assert_int_eq(sb_rope_frequencies(&d, 2048, f, &t), SB_OK);
    for (int i = 0; i < 32; i++)
        near(f[i], pow(1e4, -2.0 * i / 64));
    ck_assert_int_eq(sb_rope_frequencies(&d, 4096, f, &t), SB_OK);
    double base = 1e4 * pow(2 * 4096.0 / 2048 - 1, 64 / 62.0);
    for (int i = 0; i < 32; i++)
        near(f[i], pow(base, -2.0 * i / 64));
}
END_TEST

START_TEST(longrope_switches_behind_the_original_length)
{
    sb_rope_spec s = spec(SB_ROPE_LONGROPE, 96, 1e4);
    float        f[48], t;
    s.original = 4096;
    for (int i = 0; i < 48; i++) {
        s.short_factor[i] = 1.0f + (float)i / 64;
        s.long_factor[i]  = 2.0f + (float)i;
    }
    ck_assert_int_eq(sb_rope_frequencies(&s, 4096, f, &t), SB_OK);
    ck_assert_double_le(fabs((double)t - 1.1902381), 1e-7); /* Phi-3-mini-128k */
    near(f[5], pow(1e4, -10.0 / 96) / (double)s.short_factor[5]);
    ck_assert_int_eq(sb_rope_frequencies(&s, 4097, f, &t), SB_OK);
    near(f[5], pow(1e4, -10.0 / 96) / 7);
}
END_TEST

/* GGUF has llama3's scaling as a divisor a pair: 1.2074840 and 2.6945300 in the KAT. */
START_TEST(divisors_equal_llama3)
{
    sb_rope_spec s = spec(SB_ROPE_DIVISORS, 128, 5e5), l = spec(SB_ROPE_LLAMA3, 128, 5e5);
    sb_rope_spec p = spec(SB_ROPE_DEFAULT, 128, 5e5);
    float        f[64], g[64], plain[64], t;
    l.factor   = 8;
    l.original = 8192;
    ck_assert_int_eq(sb_rope_frequencies(&l, 1, g, &t), SB_OK);
    ck_assert_int_eq(sb_rope_frequencies(&p, 1, plain, &t), SB_OK);
    for (int i = 0; i < 64; i++)
        s.short_factor[i] = (float)((double)plain[i] / (double)g[i]);
    ck_assert_double_le(fabs((double)s.short_factor[29] - 1.2074840), 2e-7);
    ck_assert_double_le(fabs((double)s.short_factor[32] - 2.6945300), 4e-7);
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    for (int i = 0; i < 64; i++)
        near(f[i], (double)g[i]);
}
END_TEST

START_TEST(angles_at_a_million)
{
    static const int64_t positions[] = {0, 1, 1 << 17, (1 << 20) - 1};
    sb_rope_spec         s           = spec(SB_ROPE_DEFAULT, 128, 5e5);
    float                f[64], c[64], n[64], t;
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    for (int p = 0; p < 4; p++) {
        sb_rope_angles(f, 64, t, positions[p], c, n);
        for (int i = 0; i < 64; i++) {
            float a = (float)positions[p] * f[i];
            ck_assert_double_le(fabs((double)c[i] - cos((double)a)), 6e-8);
            ck_assert_double_le(fabs((double)n[i] - sin((double)a)), 6e-8);
        }
    }
}
END_TEST

START_TEST(rotation_keeps_relative_positions)
{
    float        f[4], c[4], n[4], t, q[8], k[8], dot[2];
    sb_rope_spec s = spec(SB_ROPE_DEFAULT, 8, 1e4);
    ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_OK);
    for (int shift = 0; shift < 2; shift++) { /* the product depends on the distance alone */
        for (int i = 0; i < 8; i++) {
            q[i] = (float)i - 3;
            k[i] = 2 - (float)i / 2;
        }
        sb_rope_angles(f, 4, t, 10 + 100 * shift, c, n);
        sb_rope_rotate(q, 4, c, n);
        sb_rope_angles(f, 4, t, 3 + 100 * shift, c, n);
        sb_rope_rotate(k, 4, c, n);
        dot[shift] = 0;
        for (int i = 0; i < 8; i++)
            dot[shift] += q[i] * k[i];
    }
    ck_assert_double_le(fabs((double)(dot[0] - dot[1])), 1e-4);
    float x[2] = {1, 2}, none = 0, one = 1; /* a quarter turn: (x1, x2) -> (-x2, x1) */
    sb_rope_rotate(x, 1, &none, &one);
    ck_assert(x[0] == -2.0f && x[1] == 1.0f);
}
END_TEST

START_TEST(wrong_values_are_refused)
{
    sb_rope_spec s;
    float        f[SB_ROPE_MAX_PAIRS], t;
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        s = spec(SB_ROPE_YARN, 64, 1e4);                                                           \
        change;                                                                                    \
        ck_assert_int_eq(sb_rope_frequencies(&s, 1, f, &t), SB_ERR_USAGE);                         \
    } while (0)
    REFUSED(s.dims = 63);
    REFUSED(s.dims = 2 * SB_ROPE_MAX_PAIRS + 2);
    REFUSED(s.theta = 0);
    REFUSED(s.theta = (double)NAN);
    REFUSED(s.factor = 0.5);
    REFUSED(s.beta_slow = 64);
    REFUSED(s.attention_factor = -1);
    REFUSED(s.max_positions = 0);
    REFUSED((s.type = SB_ROPE_LLAMA3, s.high = 1));
    REFUSED(s.type = SB_ROPE_LONGROPE); /* factors of 0 */
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("rope");
    TCase   *tc = tcase_create("frequencies");
    SRunner *sr;
    int      failed;
    tcase_add_test(tc, llama3_known_answers);
    tcase_add_test(tc, yarn_known_answers);
    tcase_add_test(tc, linear_and_dynamic);
    tcase_add_test(tc, longrope_switches_behind_the_original_length);
    tcase_add_test(tc, divisors_equal_llama3);
    tcase_add_test(tc, angles_at_a_million);
    tcase_add_test(tc, rotation_keeps_relative_positions);
    tcase_add_test(tc, wrong_values_are_refused);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
