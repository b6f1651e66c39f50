/* streaming_llm: minference 12. */
#include <check.h>
#include <string.h>

#include "kernels/registry.h"
#include "kernels/streaming_llm/streaming_llm.h"
#include "tests/oracle/case.h"
#include "tests/property/window_methods.h"

START_TEST(defaults_are_start_4_recent_2000)
{
    sb_streaming_llm_params p;
    ck_assert_int_eq(sb_params_default(sb_streaming_llm.params, &p), SB_OK);
    ck_assert_int_eq(p.sink_tokens, 4);
    ck_assert_int_eq(p.window_tokens, 2001);
    ck_assert_int_eq(p.pos, SB_STREAMING_POS_ORIG);
    ck_assert(sb_streaming_llm.caps & SB_CAP_DECODE);
}
END_TEST

/* start = 1, recent = 2 (window_tokens 3): q = 5 sees {0, 3, 4, 5}. */
START_TEST(tiny_test)
{
    int seen[8], want[8] = {1, 0, 0, 1, 1, 1, 0, 0};
    window_seen_by(&sb_streaming_llm, "sink_tokens: 1, window_tokens: 3", 8, 5, seen);
    ck_assert_mem_eq(seen, want, sizeof want);
}
END_TEST

/* recent >= N - 1 is dense with original positions. */
START_TEST(recent_of_n_minus_1_is_dense)
{
    window_covers_all_equals_dense(&sb_streaming_llm, "window_tokens: 333");
}
END_TEST

/* C + 1 keys a query: sinks, `recent` previous tokens, itself. */
START_TEST(density_closed_form)
{
    static const int64_t rule[][2] = {{1, 3}, {4, 2001}, {0, 5}, {4, 513}};
    window_density_is_the_closed_form(&sb_streaming_llm, rule[_i][0], rule[_i][1]);
}
END_TEST

START_TEST(sharded_rows_equal_one_rank)
{
    window_shards_keep_every_bit(&sb_streaming_llm, "sink_tokens: 4, window_tokens: 101");
}
END_TEST

/* With original positions it equals a_shape(n_init = start, n_local = recent + 1). */
START_TEST(orig_positions_equal_a_shape)
{
    enum { BYTES = 2 * 400 * 64 * 4 };
    static unsigned char o[BYTES];
    sb_case             *c = sb_case_random((sb_case_shape){400, 400, 2, 1, 64}, 3);
    ck_assert_int_eq(
        sb_case_attend(c, sb_method_find("a_shape"), "sink_tokens: 4, window_tokens: 51", SB_F32),
        SB_OK);
    memcpy(o, c->o.data, BYTES);
    ck_assert_int_eq(sb_case_attend(c, &sb_streaming_llm, "window_tokens: 51, pos: orig", SB_F32),
                     SB_OK);
    ck_assert_mem_eq(c->o.data, o, BYTES);
    sb_case_destroy(c);
}
END_TEST

START_TEST(cache_positions_are_unsupported_with_the_reason)
{
    sb_case *c = sb_case_random((sb_case_shape){8, 8, 2, 1, 64}, 3);
    ck_assert_int_eq(sb_case_attend(c, &sb_streaming_llm, "pos: cache", SB_F32),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "RoPE"));
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("streaming_llm");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_start_4_recent_2000);
    tcase_add_test(t, tiny_test);
    tcase_add_test(t, recent_of_n_minus_1_is_dense);
    tcase_add_loop_test(t, density_closed_form, 0, 4);
    tcase_add_test(t, sharded_rows_equal_one_rank);
    tcase_add_test(t, orig_positions_equal_a_shape);
    tcase_add_test(t, cache_positions_are_unsupported_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
