/* The small ones of kernels/base: random stream, phases, tensor offsets, log lines. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/base/log.h"
#include "kernels/base/phase.h"
#include "kernels/base/rng.h"
#include "kernels/base/tensor.h"

START_TEST(splitmix64_known_answers) /* the published reference sequence for state 0 */
{
    sb_rng r = {0};
    ck_assert_uint_eq(sb_rng_next(&r), 0xE220A8397B1DCDAFull);
    ck_assert_uint_eq(sb_rng_next(&r), 0x6E789E6AA1B965F4ull);
    ck_assert_uint_eq(sb_rng_next(&r), 0x06C45D188009454Full);
    ck_assert_uint_eq(sb_mix(0), 0xE220A8397B1DCDAFull); /* the counter form is the same function */
}
END_TEST

START_TEST(draws_stay_inside_and_reach_everything)
{
    sb_rng  r       = {42};
    int64_t seen[7] = {0};
    for (int i = 0; i < 70000; i++) {
        double u = sb_rng_uniform(&r);
        ck_assert(u >= 0 && u < 1);
        seen[sb_rng_below(&r, 7)]++;
    }
    for (int i = 0; i < 7; i++)
        ck_assert_msg(seen[i] > 9500 && seen[i] < 10500, "%d drawn %lld times", i,
                      (long long)seen[i]); /* 10000, sd 93 */
    for (int i = 0; i < 1000; i++) {
        ck_assert_uint_eq(sb_rng_below(&r, 1), 0);
        ck_assert_uint_lt(sb_rng_below(&r, UINT64_MAX), UINT64_MAX);
        ck_assert_uint_lt(sb_rng_below(&r, ((uint64_t)1 << 63) + 1), ((uint64_t)1 << 63) + 1);
    }
}
END_TEST

START_TEST(phase_names_are_the_database_keys)
{
    static const char *const want[] = {"load",      "estimate", "select",
                                       "permute",   "compute",  "communicate",
                                       "attention", "prefill",  "decode_token"};
    ck_assert_int_eq(SB_PHASE_COUNT, sizeof want / sizeof *want);
    for (int i = 0; i < SB_PHASE_COUNT; i++)
        ck_assert_str_eq(sb_phase_name((sb_phase)i), want[i]);
    ck_assert_str_eq(sb_phase_name(SB_PHASE_COUNT), "unknown");
}
END_TEST

START_TEST(phases_add_up)
{
    sb_phase_times t  = {.kernel = NULL};
    int64_t        t0 = sb_now_ns() - 1000;
    sb_phase_add(&t, SB_PHASE_SELECT, t0);
    ck_assert_int_ge(t.ns[SB_PHASE_SELECT], 1000);
    int64_t once = t.ns[SB_PHASE_SELECT];
    sb_phase_add(&t, SB_PHASE_SELECT, t0);
    ck_assert_int_ge(t.ns[SB_PHASE_SELECT], 2 * once);
    ck_assert_int_eq(t.ns[SB_PHASE_COMPUTE], 0);
    sb_phase_add(NULL, SB_PHASE_SELECT, t0); /* nobody is timing */
}
END_TEST

START_TEST(offsets_of_a_million_tokens)
{
    sb_tensor t = {.data        = NULL,
                   .dtype       = SB_BF16,
                   .heads       = 32,
                   .tokens      = 1 << 20,
                   .dim         = 128,
                   .head_stride = (int64_t)128 << 20};
    /* compared as integers: nothing lives there */
    ck_assert_uint_eq((uintptr_t)sb_tensor_bf16(&t, 31, (1 << 20) - 1),
                      ((uint64_t)32 * 128 * (1 << 20) - 128) * 2);
    ck_assert_uint_eq((uintptr_t)sb_tensor_f32(&t, 31, (1 << 20) - 1),
                      ((uint64_t)32 * 128 * (1 << 20) - 128) * 4);
    ck_assert_int_eq(sb_dtype_bytes(SB_BF16), 2);
    ck_assert_int_eq(sb_dtype_bytes(SB_F32), 4);
}
END_TEST

/* What `write` puts on stderr. */
static const char *captured(void (*write_lines)(void))
{
    static char text[16384];
    FILE       *f    = tmpfile();
    int         kept = dup(STDERR_FILENO);
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(dup2(fileno(f), STDERR_FILENO), 0);
    write_lines();
    (void)fflush(stderr);
    ck_assert_int_ge(dup2(kept, STDERR_FILENO), 0);
    (void)close(kept);
    rewind(f);
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    return text;
}

static void some_lines(void)
{
    sb_log_init(-1, SB_LOG_INFO);
    sb_log(SB_LOG_ERROR, "no %s", "space");
    sb_log(SB_LOG_INFO, "plain");
    sb_log(SB_LOG_DEBUG, "not shown");
    sb_log_init(3, SB_LOG_ERROR);
    sb_log(SB_LOG_WARN, "not shown");
    sb_log(SB_LOG_ERROR, "rank's");
    sb_log_init(-1, SB_LOG_DEBUG);
    sb_log(SB_LOG_DEBUG, "shown");
}

static void a_long_line(void)
{
    char big[6000];
    memset(big, 'z', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    sb_log_init(12, SB_LOG_INFO);
    sb_log(SB_LOG_WARN, "%s", big);
    sb_log(SB_LOG_INFO, "next");
}

START_TEST(log_lines)
{
    ck_assert_str_eq(captured(some_lines),
                     "error: no space\nplain\n[3] error: rank's\ndebug: shown\n");
    const char *text = captured(a_long_line);
    ck_assert_int_eq(strncmp(text, "[12] warning: zzz", 17), 0);
    ck_assert_str_eq(strchr(text, '\n'), "\n[12] next\n"); /* cut, but still a line */
}
END_TEST

int main(void)
{
    Suite *s = suite_create("base, the small ones");
    TCase *t = tcase_create("small");
    tcase_add_test(t, splitmix64_known_answers);
    tcase_add_test(t, draws_stay_inside_and_reach_everything);
    tcase_add_test(t, phase_names_are_the_database_keys);
    tcase_add_test(t, phases_add_up);
    tcase_add_test(t, offsets_of_a_million_tokens);
    tcase_add_test(t, log_lines);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
