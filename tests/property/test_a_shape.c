/* a_shape: minference 3.2 and the rows of its section 10 that concern it. */
#include <check.h>
#include <string.h>

#include "kernels/a_shape/a_shape.h"
#include "tests/property/window_methods.h"

START_TEST(defaults_are_the_codes)
{
    sb_a_shape_params p;
    ck_assert_int_eq(sb_params_default(sb_a_shape.params, &p), SB_OK);
    ck_assert_int_eq(p.sink_tokens, 128);
    ck_assert_int_eq(p.window_tokens, 3968);
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_a_shape.params, "window_tokens"), &p, "0"),
                     SB_ERR_USAGE);
    ck_assert(!(sb_a_shape.caps & SB_CAP_DECODE)); /* a prefill mask: decode is dense */
}
END_TEST

START_TEST(local_window_of_n_is_dense)
{
    static const char *const params[] = {
        "window_tokens: 333", "window_tokens: 9000000000000000000, sink_tokens: 0",
        "sink_tokens: 333, window_tokens: 1", "sink_tokens: 300, window_tokens: 33"};
    window_covers_all_equals_dense(&sb_a_shape, params[_i]);
}
END_TEST

START_TEST(density_closed_form)
{
    static const int64_t rule[][2] = {{0, 1},       {5, 3},   {128, 3968},
                                      {1024, 4096}, {64, 64}, {100, 1}};
    window_density_is_the_closed_form(&sb_a_shape, rule[_i][0], rule[_i][1]);
}
END_TEST

START_TEST(sharded_rows_equal_one_rank)
{
    static const char *const params[] = {"sink_tokens: 3, window_tokens: 70",
                                         "sink_tokens: 130, window_tokens: 64"};
    window_shards_keep_every_bit(&sb_a_shape, params[_i]);
}
END_TEST

/* The window holds the query's own token: n_local = 3 is q, q - 1, q - 2. */
START_TEST(window_counts_own_token)
{
    int seen[12], want[12] = {1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 0};
    window_seen_by(&sb_a_shape, "sink_tokens: 2, window_tokens: 3", 12, 9, seen);
    ck_assert_mem_eq(seen, want, sizeof want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("a_shape");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_codes);
    tcase_add_loop_test(t, local_window_of_n_is_dense, 0, 4);
    tcase_add_loop_test(t, density_closed_form, 0, 6);
    tcase_add_loop_test(t, sharded_rows_equal_one_rank, 0, 2);
    tcase_add_test(t, window_counts_own_token);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
