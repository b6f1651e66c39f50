/* Codes and waves of the probe against what [probe_model 3, 4] promises of them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/probe/codes.h"
#include "harness/model/probe/waves.h"
#include "workloads/probe/vocab.h"

#define D SB_PROBE_DIM
#define SLOT 26

static sb_probe_codes codes;

static void setup(void) { ck_assert_int_eq(sb_probe_codes_init(&codes, 7), SB_OK); }
static void teardown(void) { sb_probe_codes_fini(&codes); }

static float at(int32_t id, int j)
{
    return sb_bf16_to_f32(codes.content[(size_t)id * D + (size_t)j]);
}

static double dot(int32_t x, int32_t y, int from, int n)
{
    double s = 0.0;
    for (int j = from; j < from + n; j++)
        s += (double)(at(x, j) * at(y, j));
    return s;
}

static const sb_bf16 *salience(int32_t id, int question)
{
    return codes.salience + ((size_t)question * SB_TOK_VOCAB + (size_t)id) * SB_PROBE_SALIENCE;
}

static int is_zero(const sb_bf16 *x, int n)
{
    for (int j = 0; j < n; j++)
        if (x[j] != 0)
            return 0;
    return 1;
}

START_TEST(codes_are_signs_and_bos_is_zero)
{
    int64_t others = 0;
    ck_assert(is_zero(codes.content, D));
    for (int32_t x = 1; x < SB_TOK_VOCAB; x++)
        for (int j = 0; j < D; j++)
            others += fabsf(at(x, j)) != 1.0f;
    ck_assert_int_eq(others, 0);
}
END_TEST

START_TEST(
    codes_of_filler_come_from_the_mix_stream) /* c(x) bit j of mix(seed*1000003 + 4x + (j>>6)) */
{
    /* mix(7*1000003 + 4*64) and mix(... + 1), from the definition by hand */
    uint64_t lo = 7u * 1000003u + 4u * 64u, word[2];
    for (uint64_t i = 0; i < 2; i++) {
        uint64_t z = lo + i + 0x9E3779B97F4A7C15ull;
        z          = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z          = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        word[i]    = z ^ (z >> 31);
    }
    for (int j = 0; j < D; j++)
        ck_assert(at(SB_TOK_FILL, j) == ((word[j >> 6] >> (j & 63) & 1u) ? 1.0f : -1.0f));
}
END_TEST

static const struct {
    int32_t base, n;
} orthogonal[] = {
    {SB_TOK_LEAD, SB_TOK_LEAD_N}, {SB_TOK_NAME, SB_TOK_NAME_N}, {SB_TOK_AGG, SB_TOK_AGG_N}};

START_TEST(answer_classes_are_orthogonal_and_differ_on_slots)
{
    int32_t base = orthogonal[_i].base, n = orthogonal[_i].n;
    int64_t oblique = 0, alike = 0;
    for (int32_t x = base; x < base + n; x++)
        for (int32_t y = base; y < x; y++) {
            oblique += dot(x, y, 0, D) != 0.0;
            for (int slot = 0; slot < 3; slot++)
                alike += fabs(dot(x, y, slot * SLOT, SLOT)) >= SLOT;
        }
    ck_assert_int_eq(oblique, 0);
    ck_assert_int_eq(alike, 0);
}
END_TEST

START_TEST(classes_do_not_share_codes)
{
    for (int32_t i = 0; i < 128; i++)
        ck_assert(fabs(dot(SB_TOK_LEAD + i, SB_TOK_NAME + i, 0, D)) < D);
}
END_TEST

START_TEST(alias_listens_with_the_salience_of_its_base_and_does_not_speak)
{
    static const struct {
        int32_t alias, base;
    } pair[] = {{SB_TOK_KAL + 5, SB_TOK_KEY + 5},
                {SB_TOK_EAL + 4095, SB_TOK_ENT + 4095},
                {SB_TOK_RAL + 63, SB_TOK_REL + 63},
                {SB_TOK_VAL2 + 9, SB_TOK_VAL + 9}};
    for (size_t i = 0; i < sizeof pair / sizeof pair[0]; i++) {
        const sb_bf16 *alias = salience(pair[i].alias, 0), *base = salience(pair[i].base, 0);
        ck_assert(!is_zero(base, 32));
        ck_assert_mem_eq(base, base + 32, 32 * sizeof *base);
        ck_assert_mem_eq(alias + 32, base + 32, 32 * sizeof *base);
        ck_assert(is_zero(alias, 32));
        ck_assert_mem_ne(codes.content + (size_t)pair[i].alias * D,
                         codes.content + (size_t)pair[i].base * D, D * sizeof(sb_bf16));
    }
}
END_TEST

START_TEST(filler_counted_words_and_specials_are_not_salient)
{
    static const int32_t quiet[] = {SB_TOK_BOS,
                                    SB_TOK_ASK,
                                    SB_TOK_EQ,
                                    SB_TOK_VAR,
                                    SB_TOK_FACT,
                                    SB_TOK_SEP,
                                    SB_TOK_FILL,
                                    SB_TOK_AGG,
                                    SB_TOK_AGG + 127,
                                    SB_TOK_DOC,
                                    SB_TOK_FILL + SB_TOK_FILL_N - 1};
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
        for (int question = 0; question < 2; question++)
            ck_assert(is_zero(salience(quiet[i], question), SB_PROBE_SALIENCE));
}
END_TEST

START_TEST(
    segment_bit_mutes_keys_and_answers) /* question segment: no sK; no sQ for VAL, LEAD, NAME */
{
    static const int32_t answer[] = {SB_TOK_VAL, SB_TOK_VAL + 4095, SB_TOK_LEAD, SB_TOK_NAME,
                                     SB_TOK_NAME + 127};
    static const int32_t asking[] = {SB_TOK_KEY + 7, SB_TOK_KAL + 7, SB_TOK_ENT, SB_TOK_REL,
                                     SB_TOK_VAL2};
    for (size_t i = 0; i < 5; i++) {
        ck_assert(!is_zero(salience(answer[i], 0), 32));
        ck_assert(is_zero(salience(answer[i], 1), SB_PROBE_SALIENCE));
        ck_assert(is_zero(salience(asking[i], 1), 32));
        ck_assert_mem_eq(salience(asking[i], 1) + 32, salience(asking[i], 0) + 32,
                         32 * sizeof(sb_bf16));
        ck_assert(!is_zero(salience(asking[i], 1) + 32, 32));
    }
}
END_TEST

START_TEST(seeds_give_other_codes)
{
    sb_probe_codes other;
    int            same = 0;
    ck_assert_int_eq(sb_probe_codes_init(&other, 8), SB_OK);
    for (int32_t x = SB_TOK_AGG; x < SB_TOK_AGG + 128; x++)
        same += memcmp(codes.content + (size_t)x * D, other.content + (size_t)x * D,
                       D * sizeof(sb_bf16)) == 0;
    ck_assert_int_eq(same, 0);
    sb_probe_codes_fini(&other);
}
END_TEST

START_TEST(waves_lie_in_their_bands)
{
    sb_probe_waves w;
    sb_probe_waves_init(&w, 2, 64.0);
    for (int j = 0; j < SB_PROBE_HIGH; j++)
        ck_assert(w.w[j] >= 0.3 && w.w[j] <= 3.1415927);
    for (int j = SB_PROBE_HIGH; j < SB_PROBE_PAIRS; j++) {
        double wavelength = 6.283185307179586 / w.w[j];
        ck_assert(wavelength > 63.9 && wavelength < 64.0 * 256.0 * 1.2);
        ck_assert(j == SB_PROBE_HIGH || w.w[j] < w.w[j - 1]);
    }
}
END_TEST

START_TEST(features_are_on_the_unit_circle_at_any_position)
{
    static const int64_t pos[] = {0, 1, 63, 64, 131071, 8388607, 16777216};
    sb_probe_waves       w;
    sb_bf16              phi[D], topic[SB_PROBE_TOPIC];
    sb_probe_waves_init(&w, 2, 64.0);
    sb_probe_phi(&w, pos[_i], phi);
    sb_probe_topic(&w, pos[_i], topic);
    for (int j = 0; j < SB_PROBE_PAIRS; j++) {
        long double a =
            fmodl((long double)w.w[j] * (long double)pos[_i], 6.283185307179586476925286766559L);
        ck_assert_float_eq_tol(sb_bf16_to_f32(phi[2 * j]), (float)cosl(a), 0x1p-9f);
        ck_assert_float_eq_tol(sb_bf16_to_f32(phi[2 * j + 1]), (float)sinl(a), 0x1p-9f);
    }
    for (int j = 0; j < SB_PROBE_TOPIC; j += 2) {
        float x = sb_bf16_to_f32(topic[j]), y = sb_bf16_to_f32(topic[j + 1]);
        ck_assert_float_eq_tol(x * x + y * y, pos[_i] == 0 ? 0.0f : 1.0f, 0x1p-6f);
    }
}
END_TEST

START_TEST(context_kernel_peaks_where_the_spec_says) /* p* = 0.099 */
{
    sb_probe_waves w;
    sb_probe_waves_init(&w, 2, 64.0);
    ck_assert_double_eq_tol(sb_probe_context_peak(&w, 6.0, 60.0), 0.099, 0.0005);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("probe codes");
    TCase   *tc = tcase_create("codes");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, codes_are_signs_and_bos_is_zero);
    tcase_add_test(tc, codes_of_filler_come_from_the_mix_stream);
    tcase_add_loop_test(tc, answer_classes_are_orthogonal_and_differ_on_slots, 0, 3);
    tcase_add_test(tc, classes_do_not_share_codes);
    tcase_add_test(tc, alias_listens_with_the_salience_of_its_base_and_does_not_speak);
    tcase_add_test(tc, filler_counted_words_and_specials_are_not_salient);
    tcase_add_test(tc, segment_bit_mutes_keys_and_answers);
    tcase_add_test(tc, seeds_give_other_codes);
    suite_add_tcase(s, tc);
    tc = tcase_create("waves");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, waves_lie_in_their_bands);
    tcase_add_loop_test(tc, features_are_on_the_unit_circle_at_any_position, 0, 7);
    tcase_add_test(tc, context_kernel_peaks_where_the_spec_says);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
