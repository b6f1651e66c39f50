/* The thread's error text: set, wrapped, truncated, never shared between threads. */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/status.h"

START_TEST(fail_sets_text_and_place)
{
    ck_assert_int_eq(sb_fail(SB_ERR_IO, "file %s: %d", "a.db", 7), SB_ERR_IO);
    ck_assert_str_eq(sb_error_text(), "file a.db: 7");
    /* a place in the repository, not on the machine that compiled it */
    ck_assert_str_eq(strchr(sb_error_where(), ':') == NULL ? "" : "with a line", "with a line");
    ck_assert_int_eq(strncmp(sb_error_where(), "tests/unit/kernels/base/test_status.c:", 38), 0);
}
END_TEST

START_TEST(clear_forgets)
{
    (void)sb_fail(SB_ERR_IO, "something");
    sb_error_clear();
    ck_assert_str_eq(sb_error_text(), "");
    ck_assert_str_eq(sb_error_where(), "");
}
END_TEST

START_TEST(wrap_puts_the_caller_in_front)
{
    (void)sb_fail(SB_ERR_NOMEM, "inner");
    ck_assert_int_eq(sb_wrap(SB_ERR_NOMEM, "store %s", "x.db"), SB_ERR_NOMEM);
    (void)sb_wrap(SB_ERR_NOMEM, "run %d", 3);
    ck_assert_str_eq(sb_error_text(), "run 3: store x.db: inner");
    ck_assert_ptr_nonnull(strstr(sb_error_where(), "test_status.c"));
}
END_TEST

START_TEST(wrap_of_nothing_is_the_head_alone)
{
    sb_error_clear();
    (void)sb_wrap(SB_ERR_IO, "head");
    ck_assert_str_eq(sb_error_text(), "head");
}
END_TEST

START_TEST(own_text_may_be_an_argument)
{
    (void)sb_fail(SB_ERR_IO, "disk full");
    (void)sb_fail(SB_ERR_INTERNAL, "cannot close: %s, giving up", sb_error_text());
    ck_assert_str_eq(sb_error_text(), "cannot close: disk full, giving up");
    (void)sb_wrap(SB_ERR_INTERNAL, "again %s", sb_error_text());
    ck_assert_str_eq(
        sb_error_text(),
        "again cannot close: disk full, giving up: cannot close: disk full, giving up");
}
END_TEST

START_TEST(long_text_is_cut_and_ended)
{
    char big[5000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    (void)sb_fail(SB_ERR_USAGE, "%s", big);
    size_t n = strlen(sb_error_text());
    ck_assert_uint_gt(n, 1000);
    ck_assert_uint_lt(n, sizeof big - 1);
    (void)sb_wrap(SB_ERR_USAGE, "head");
    ck_assert_int_eq(strncmp(sb_error_text(), "head: xxx", 9),
                     0); /* the newest part is kept whole */
    ck_assert_uint_le(strlen(sb_error_text()), n);
    (void)sb_wrap(SB_ERR_USAGE, "%s", big);
    ck_assert_uint_le(strlen(sb_error_text()), n);
    for (int i = 0; i < 3000; i++)
        (void)sb_wrap(SB_ERR_USAGE, "%d", i);
    ck_assert_int_eq(strncmp(sb_error_text(), "2999: 2998: ", 12), 0);
}
END_TEST

static void *other_thread(void *arg)
{
    const char *at_start = sb_error_text();
    int        *ok       = arg;
    *ok                  = at_start[0] == '\0';
    (void)sb_fail(SB_ERR_COMM, "from the other thread");
    *ok = *ok && strcmp(sb_error_text(), "from the other thread") == 0;
    return NULL;
}

START_TEST(each_thread_has_its_own_text)
{
    pthread_t t;
    int       ok = 0;
    (void)sb_fail(SB_ERR_IO, "from the main thread");
    ck_assert_int_eq(pthread_create(&t, NULL, other_thread, &ok), 0);
    ck_assert_int_eq(pthread_join(t, NULL), 0);
    ck_assert(ok);
    ck_assert_str_eq(sb_error_text(), "from the main thread");
}
END_TEST

START_TEST(names_are_there_and_differ)
{
    for (int a = 0; a < SB_STATUS_COUNT; a++) {
        ck_assert_uint_gt(strlen(sb_status_name((sb_status)a)), 0);
        for (int b = 0; b < a; b++)
            ck_assert_str_ne(sb_status_name((sb_status)a), sb_status_name((sb_status)b));
    }
    ck_assert_str_eq(sb_status_name(SB_STATUS_COUNT), "unknown");
    ck_assert_str_eq(sb_status_name((sb_status)-1), "unknown");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("status");
    TCase *t = tcase_create("status");
    tcase_add_test(t, fail_sets_text_and_place);
    tcase_add_test(t, clear_forgets);
    tcase_add_test(t, wrap_puts_the_caller_in_front);
    tcase_add_test(t, wrap_of_nothing_is_the_head_alone);
    tcase_add_test(t, own_text_may_be_an_argument);
    tcase_add_test(t, long_text_is_cut_and_ended);
    tcase_add_test(t, each_thread_has_its_own_text);
    tcase_add_test(t, names_are_there_and_differ);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
