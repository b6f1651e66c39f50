/* Block formats against known answers, bit by bit [models 4, 11]. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/nn/blocks.h"

/* The KAT of models 4: d = 0.5, m = dmin = 0.25, every other byte, in order, (37 k + 11) mod 256.
 */
typedef struct kat {
    sb_block_type type;
    int           scale_at, n_scales; /* where d stands, and m behind it */
    float         first[4], mid[2], last;
    double        sum, weighted;
} kat;
static const kat kats[] = {
    {SB_BLOCK_Q8_0, 0, 1, {5.5f, 24, 42.5f, 61}, {27, 45.5f}, -61, 8, -1944},
    {SB_BLOCK_Q4_0, 0, 1, {1.5f, -4, -1.5f, 1}, {-1, -4}, -2.5f, -15.5, -303.5},
    {SB_BLOCK_Q4_1, 0, 2, {5.75f, .25f, 2.75f, 5.25f}, {3.25f, .25f}, 1.75f, 120.5, 1940.5},
    {SB_BLOCK_Q5_0, 0, 1, {7.5f, 2, -3.5f, 7}, {-3, 4.5f}, -2, -21.5, -168.5},
    {SB_BLOCK_Q5_1, 0, 2, {15.75f, 10.25f, 4.75f, 15.25f}, {5.25f, 12.75f}, 6.25f, 242.5, 4187.5},
    {SB_BLOCK_Q4_K, 0, 2, {30.75f, 58.25f, -2.25f, 25.25f}, {402.5f, 1.75f}, 15.5f, 22252, 2566624},
    {SB_BLOCK_Q5_K,
     0,
     2,
     {118.75f, 58.25f, 85.75f, 25.25f},
     {228.5f, 1.75f},
     105.5f,
     46164,
     5348296},
    {SB_BLOCK_Q6_K, 208, 1, {-715.5f, 848, 291.5f, -265}, {750, -175.5f}, -30, 2306, 392210}};
enum { N_KATS = sizeof kats / sizeof *kats };

static void fill(const kat *k, unsigned char *block)
{
    static const unsigned char scales[] = {0x00, 0x38, 0x00, 0x34};
    int                        n        = 0;
    for (int i = 0; i < sb_block_formats[k->type].bytes; i++) {
        int in   = i - k->scale_at;
        block[i] = in >= 0 && in < 2 * k->n_scales ? scales[in] : (unsigned char)(37 * n++ + 11);
    }
}

START_TEST(known_answers)
{
    const kat    *k = &kats[_i];
    unsigned char block[256];
    float         y[SB_BLOCK_MAX_VALUES];
    int           n   = sb_block_formats[k->type].values;
    double        sum = 0, weighted = 0;
    fill(k, block);
    ck_assert_int_eq(sb_block_expand(k->type, block, n, y), 1);
    for (int i = 0; i < 4; i++)
        ck_assert(y[i] == k->first[i]);
    ck_assert(y[n / 2 - 1] == k->mid[0] && y[n / 2] == k->mid[1] && y[n - 1] == k->last);
    for (int i = 0; i < n; i++) {
        sum += (double)y[i];
        weighted += (i + 1) * (double)y[i];
    }
    ck_assert(sum == k->sum && weighted == k->weighted);
}
END_TEST

START_TEST(q4_k_scales_unpack)
{
    static const int pairs[8][2] = {{11, 31}, {48, 4}, {21, 41}, {58, 14},
                                    {3, 35},  {8, 53}, {29, 55}, {18, 10}};
    unsigned char    block[144];
    float            y[256];
    fill(&kats[5], block);
    memset(block + 16, 0x11, 128); /* all values 1: y = d S - dmin M */
    ck_assert_int_eq(sb_block_expand(SB_BLOCK_Q4_K, block, 256, y), 1);
    for (int b = 0; b < 8; b++)
        ck_assert(y[32 * b] == 0.5f * (float)pairs[b][0] - 0.25f * (float)pairs[b][1]);
}
END_TEST

/* Every value of every byte of the scales, against the formula spelt out by bits. */
START_TEST(six_bit_scales_of_all_bytes)
{
    unsigned char block[144] = {0x00, 0x3c, 0x00, 0x3c}; /* d = dmin = 1 */
    float         y[256];
    for (int at = 0; at < 12; at++)
        for (int v = 0; v < 256; v++) {
            int s[8] = {0}, m[8] = {0};
            memset(block + 4, 0, 12);
            memset(block + 16, 0x11, 128);
            block[4 + at] = (unsigned char)v;
            for (int bit = 0; bit < 8; bit++) {
                if ((v >> bit & 1) == 0)
                    continue;
                if (at < 4) /* low six: S of 0..3; two: high bits of S of 4..7 */
                    s[bit < 6 ? at : at + 4] += bit < 6 ? 1 << bit : 16 << (bit - 6);
                else if (at < 8)
                    m[bit < 6 ? at - 4 : at] += bit < 6 ? 1 << bit : 16 << (bit - 6);
                else if (bit < 4)
                    s[at - 4] += 1 << bit;
                else
                    m[at - 4] += 1 << (bit - 4);
            }
            ck_assert_int_eq(sb_block_expand(SB_BLOCK_Q4_K, block, 256, y), 1);
            for (int b = 0; b < 8; b++)
                ck_assert(y[32 * b] == (float)(s[b] - m[b]));
        }
}
END_TEST

START_TEST(scales_that_are_no_finite_numbers_are_told)
{
    static const unsigned char bad[][2] = {{0x00, 0x7c}, {0x00, 0xfc}, {0x01, 0x7e}};
    const kat                 *k        = &kats[_i];
    unsigned char              block[256];
    float                      y[SB_BLOCK_MAX_VALUES];
    for (int which = 0; which < k->n_scales; which++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            fill(k, block);
            memcpy(block + k->scale_at + 2 * which, bad[b], 2);
            ck_assert_int_eq(sb_block_expand(k->type, block, sb_block_formats[k->type].values, y),
                             0);
        }
}
END_TEST

START_TEST(halves_of_all_bits)
{
    for (unsigned h = 0; h < 65536; h++) {
        unsigned e = h >> 10 & 31, f = h & 1023;
        float    v    = sb_f16_to_f32((uint16_t)h);
        double   want = e == 31  ? INFINITY
                        : e == 0 ? ldexp(f, -24)
                                 : ldexp(1024 + (int)f, (int)e - 25);
        if (e == 31 && f != 0)
            ck_assert(isnan(v));
        else
            ck_assert((double)v == (h >> 15 ? -want : want));
        ck_assert_int_eq(signbit(v) != 0, h >> 15);
    }
}
END_TEST

START_TEST(plain_numbers_from_any_address)
{
    static const float  f = 1.5f;
    static const double d = -2.25;
    unsigned char       at[16];
    float               y;
    at[1] = 0x80; /* bf16 1.0 at an odd address */
    at[2] = 0x3f;
    ck_assert(sb_block_expand(SB_BLOCK_BF16, at + 1, 1, &y) == 1 && y == 1.0f);
    at[1] = 0x00; /* fp16 1.0 */
    at[2] = 0x3c;
    ck_assert(sb_block_expand(SB_BLOCK_F16, at + 1, 1, &y) == 1 && y == 1.0f);
    memcpy(at + 3, &f, sizeof f);
    ck_assert(sb_block_expand(SB_BLOCK_F32, at + 3, 1, &y) == 1 && y == f);
    memcpy(at + 3, &d, sizeof d);
    ck_assert(sb_block_expand(SB_BLOCK_F64, at + 3, 1, &y) == 1 && (double)y == d);
}
END_TEST

START_TEST(types_of_gguf)
{
    sb_block_type t;
    ck_assert(sb_block_find_gguf(3, &t) == 1 && t == SB_BLOCK_Q4_1);
    ck_assert(sb_block_find_gguf(30, &t) == 1 && t == SB_BLOCK_BF16);
    ck_assert(sb_block_find_gguf(4, &t) == 0);
    ck_assert(sb_block_find_gguf(UINT32_MAX, &t) == 0);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("blocks");
    TCase   *tc = tcase_create("formats");
    SRunner *sr;
    int      failed;
    tcase_add_loop_test(tc, known_answers, 0, N_KATS);
    tcase_add_test(tc, q4_k_scales_unpack);
    tcase_add_test(tc, six_bit_scales_of_all_bytes);
    tcase_add_loop_test(tc, scales_that_are_no_finite_numbers_are_told, 0, N_KATS);
    tcase_add_test(tc, halves_of_all_bits);
    tcase_add_test(tc, plain_numbers_from_any_address);
    tcase_add_test(tc, types_of_gguf);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
