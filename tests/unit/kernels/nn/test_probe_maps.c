/* Each kind of term of a structured map against its formula, with the same order of operations:
 * equal bits. */
#include <check.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/nn/probe_maps.h"

#define D SB_PROBE_DIM
#define ROWS 150 /* two full blocks and a ragged one */

static sb_bf16 a[ROWS][D], b[ROWS][D], out[ROWS][D];
static int32_t index_of[ROWS];
static float   table[D * SB_PROBE_TOPIC_PAD];

static float small(uint64_t key) { return (float)(sb_mix(key) % 513) / 256.0f - 1.0f; }

static void setup(void)
{
    for (int r = 0; r < ROWS; r++) {
        index_of[r] = (int32_t)(sb_mix((uint64_t)r + 900) % ROWS);
        for (int j = 0; j < D; j++) {
            a[r][j] = sb_bf16_from_f32(small((uint64_t)(r * D + j)));
            b[r][j] = sb_bf16_from_f32(small((uint64_t)(r * D + j) + (1u << 20)));
        }
    }
    for (int i = 0; i < D * SB_PROBE_TOPIC_PAD; i++)
        table[i] = small((uint64_t)i + (1u << 21));
    memset(out, 0xFF, sizeof out);
}

static float f(sb_bf16 x) { return sb_bf16_to_f32(x); }

static void run(const sb_probe_map *m, int64_t row0, int64_t n)
{
    sb_bf16 *dst = out[0];
    sb_probe_maps_run(m, &dst, 1, row0, n, 1);
}

START_TEST(scale_copies_and_scales_runs_and_zeroes_the_rest)
{
    sb_probe_map m = {.n_terms = 2,
                      .term    = {{.op   = SB_PROBE_SCALE,
                                   .at   = 3,
                                   .n    = 20,
                                   .from = 40,
                                   .gain = 1.0f,
                                   .a    = {a[0], D, NULL}},
                                  {.op   = SB_PROBE_SCALE,
                                   .at   = 60,
                                   .n    = 7,
                                   .from = 0,
                                   .gain = 1.37f,
                                   .a    = {b[0], D, index_of}}}};
    run(&m, 0, ROWS);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < D; j++) {
            sb_bf16 want = j >= 3 && j < 23    ? a[r][j + 37]
                           : j >= 60 && j < 67 ? sb_bf16_from_f32(1.37f * f(b[index_of[r]][j - 60]))
                                               : 0;
            if (out[r][j] != want)
                ck_abort_msg("row %d dim %d: %04x, want %04x", r, j, out[r][j], want);
        }
}
END_TEST

START_TEST(a_stride_of_zero_is_one_row_for_all)
{
    sb_probe_map m = {
        .n_terms = 1,
        .term    = {{.op = SB_PROBE_SCALE, .at = 112, .n = 1, .gain = 5.0f, .a = {a[9], 0, NULL}}}};
    run(&m, 0, ROWS);
    for (int r = 0; r < ROWS; r++)
        ck_assert_uint_eq(out[r][112], sb_bf16_from_f32(5.0f * f(a[9][0])));
}
END_TEST

START_TEST(sum_rotate_dot_and_project_follow_their_formulas)
{
    sb_probe_rotation turn;
    sb_probe_map      sum = {
             .n_terms = 1,
             .term = {{.op = SB_PROBE_SUM, .n = 78, .a = {a[0], D, index_of}, .b = {b[0], D, NULL}}}};
    sb_probe_map rot = {
        .n_terms = 1,
        .term    = {{.op = SB_PROBE_ROTATE, .n = D, .a = {a[0], D, NULL}, .rotation = &turn}}};
    sb_probe_map dot = {.n_terms = 2,
                        .term    = {{.op    = SB_PROBE_DOT,
                                     .at    = 78,
                                     .n     = 1,
                                     .gain  = 0.25f,
                                     .a     = {b[0], D, NULL},
                                     .table = table},
                                    {.op    = SB_PROBE_PROJECT,
                                     .at    = 114,
                                     .n     = 14,
                                     .gain  = 3.0f,
                                     .a     = {a[0], D, NULL},
                                     .table = table}}};
    for (int j = 0; j < SB_PROBE_PAIRS; j++) {
        turn.c[j]    = small((uint64_t)j + 71);
        turn.s[j]    = small((uint64_t)j + 710);
        turn.gain[j] = small((uint64_t)j + 7100);
    }
    run(&sum, 0, ROWS);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < 78; j++)
            ck_assert_uint_eq(out[r][j], sb_bf16_from_f32(f(a[index_of[r]][j]) + f(b[r][j])));
    run(&rot, 0, ROWS);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < SB_PROBE_PAIRS; j++) {
            float re = turn.c[j] * f(a[r][2 * j]) + turn.s[j] * f(a[r][2 * j + 1]);
            float im = turn.c[j] * f(a[r][2 * j + 1]) - turn.s[j] * f(a[r][2 * j]);
            ck_assert_uint_eq(out[r][2 * j], sb_bf16_from_f32(turn.gain[j] * re));
            ck_assert_uint_eq(out[r][2 * j + 1], sb_bf16_from_f32(turn.gain[j] * im));
        }
    run(&dot, 0, ROWS);
    for (int r = 0; r < ROWS; r++) {
        float flag = 0.0f;
        for (int j = 0; j < D; j++)
            flag += table[j] * f(b[r][j]);
        ck_assert_uint_eq(out[r][78], sb_bf16_from_f32(0.25f * flag));
        for (int i = 0; i < 14; i++) {
            float s = 0.0f;
            for (int j = 0; j < D; j++)
                s += table[j * SB_PROBE_TOPIC_PAD + i] * f(a[r][j]);
            ck_assert_uint_eq(out[r][114 + i], sb_bf16_from_f32(3.0f * s));
        }
    }
}
END_TEST

START_TEST(permute_moves_dims_of_the_finished_row)
{
    uint8_t      back[D];
    sb_probe_map m = {.n_terms = 1,
                      .term = {{.op = SB_PROBE_SCALE, .n = D, .gain = 1.0f, .a = {a[0], D, NULL}}}};
    for (int j = 0; j < D; j++)
        back[j] = (uint8_t)(D - 1 - j);
    m.permute = back;
    run(&m, 0, ROWS);
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < D; j++)
            ck_assert_uint_eq(out[r][j], a[r][D - 1 - j]);
}
END_TEST

START_TEST(rows_and_threads_do_not_change_results)
{
    enum { MANY = 20 }; /* enough work to start threads */
    static sb_bf16 got[MANY][ROWS][D], one_row[D];
    sb_probe_map   m[MANY];
    sb_bf16       *dst[MANY], *single = one_row;
    for (int i = 0; i < MANY; i++) {
        m[i] = (sb_probe_map){
            .n_terms = 1,
            .term    = {
                   {.op = SB_PROBE_SCALE, .n = D, .gain = (float)i + 0.3f, .a = {a[0], D, index_of}}}};
        dst[i] = got[i][0];
    }
    sb_probe_maps_run(m, dst, MANY, 0, ROWS, 4);
    for (int i = 0; i < MANY; i++) {
        run(&m[i], 0, ROWS);
        ck_assert_int_eq(memcmp(out, got[i], sizeof out), 0);
        for (int r = 0; r < ROWS; r += 49) {
            sb_probe_maps_run(&m[i], &single, 1, r, 1, 1);
            ck_assert_mem_eq(one_row, got[i][r], sizeof one_row);
        }
    }
}
END_TEST

START_TEST(take_keeps_the_first_dims)
{
    static sb_bf16 kept[ROWS + 1][64];
    memset(kept, 0xAA, sizeof kept);
    sb_probe_take(a[0], ROWS, 64, kept[0], 1);
    for (int r = 0; r < ROWS; r++)
        ck_assert_mem_eq(kept[r], a[r], sizeof kept[r]);
    ck_assert_uint_eq(kept[ROWS][0], 0xAAAA);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("probe maps");
    TCase   *tc = tcase_create("terms");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_add_test(tc, scale_copies_and_scales_runs_and_zeroes_the_rest);
    tcase_add_test(tc, a_stride_of_zero_is_one_row_for_all);
    tcase_add_test(tc, sum_rotate_dot_and_project_follow_their_formulas);
    tcase_add_test(tc, permute_moves_dims_of_the_finished_row);
    tcase_add_test(tc, rows_and_threads_do_not_change_results);
    tcase_add_test(tc, take_keeps_the_first_dims);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
