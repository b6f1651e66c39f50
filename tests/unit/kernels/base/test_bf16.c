/* bfloat16 conversion, all 65536 patterns: exact both ways, ties to even, NaN stays NaN. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/base/bf16.h"
#include "kernels/base/rng.h"

static float bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static int is_nan(sb_bf16 x) { return (x & 0x7fffu) > 0x7f80u; }

START_TEST(every_pattern_round_trips)
{
    for (uint32_t x = 0; x < 65536; x++) {
        float   f = sb_bf16_to_f32((sb_bf16)x);
        sb_bf16 y = sb_bf16_from_f32(f);
        if (is_nan((sb_bf16)x)) {
            ck_assert(isnan(f));
            ck_assert_uint_eq(y, x | 0x40u); /* quiet, payload and sign kept */
        } else {
            ck_assert_uint_eq(y, x);
            ck_assert(sb_bf16_round(f) == f);
        }
    }
}
END_TEST

START_TEST(halves_go_to_even)
{
    for (uint32_t x = 0; x < 65536; x++) {
        if ((x & 0x7f80u) == 0x7f80u)
            continue; /* infinity and NaN have no half above them */
        uint32_t even = (x & 1u) ? x + 1 : x;
        ck_assert_uint_eq(sb_bf16_from_f32(bits(x << 16 | 0x8000u)), even);
        ck_assert_uint_eq(sb_bf16_from_f32(bits(x << 16 | 0x7fffu)), x);
        ck_assert_uint_eq(sb_bf16_from_f32(bits(x << 16 | 0x8001u)), x + 1);
    }
}
END_TEST

START_TEST(rounding_picks_the_nearest)
{
    sb_rng r = {1};
    for (int i = 0; i < 200000; i++) {
        float x = bits((uint32_t)sb_rng_next(&r));
        if (!isfinite(x) || fabsf(x) > 3.38e38f)
            continue;
        float  y    = sb_bf16_round(x);
        double err  = fabs((double)y - (double)x);
        double down = fabs((double)sb_bf16_to_f32((sb_bf16)(sb_bf16_from_f32(y) - 1)) - (double)x);
        double up   = fabs((double)sb_bf16_to_f32((sb_bf16)(sb_bf16_from_f32(y) + 1)) - (double)x);
        if ((sb_bf16_from_f32(y) & 0x7fffu) == 0)
            continue; /* zero: its neighbour below is on the other side of the sign */
        ck_assert(err <= down && err <= up);
    }
}
END_TEST

START_TEST(extremes)
{
    ck_assert_uint_eq(sb_bf16_from_f32(bits(0x7f7fffffu)),
                      0x7f80u); /* largest float: nearest is infinity */
    ck_assert_uint_eq(sb_bf16_from_f32(bits(0xff7fffffu)), 0xff80u);
    ck_assert_uint_eq(sb_bf16_from_f32(-0.0f), 0x8000u);
    ck_assert_uint_eq(sb_bf16_from_f32(bits(0x00000001u)), 0); /* smallest subnormal */
    ck_assert_uint_eq(sb_bf16_from_f32(bits(0x7f800001u)),
                      0x7fc0u); /* NaN whose payload lies in the lost half */
    ck_assert_uint_eq(sb_bf16_from_f32(bits(0xffffffffu)),
                      0xffffu); /* adding half would wrap to zero */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("bf16");
    TCase *t = tcase_create("bf16");
    tcase_add_test(t, every_pattern_round_trips);
    tcase_add_test(t, halves_go_to_even);
    tcase_add_test(t, rounding_picks_the_nearest);
    tcase_add_test(t, extremes);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
