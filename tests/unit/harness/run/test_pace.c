/* What a sample is expected to take (harness/run/pace.h). */
#include <check.h>

#include "harness/run/pace.h"

START_TEST(nothing_seen_is_nothing_known)
{
    sb_pace p = {0};
    ck_assert_double_eq(sb_pace_s(&p, 1e9), 0);
}
END_TEST

/* A sample of 4K tokens takes .2 s, most of it not attention: one of 64K, 160 times the work, is
 * told by those of 64K once one ran. */
START_TEST(the_nearest_work_tells)
{
    sb_pace p = {0};
    sb_pace_add(&p, 1e6, .2);
    ck_assert_double_eq_tol(sb_pace_s(&p, 1.6e8), 32, 1e-9);
    sb_pace_add(&p, 1.6e8, 1.5);
    ck_assert_double_eq_tol(sb_pace_s(&p, 1.6e8), 1.5, 1e-9);
    ck_assert_double_eq_tol(sb_pace_s(&p, 1.6e9), 15, 1e-9);
    ck_assert_double_eq_tol(sb_pace_s(&p, 1e6), .2, 1e-9);
    ck_assert_double_eq_tol(sb_pace_s(&p, 2e6), .4, 1e-9); /* by the least above its own */
}
END_TEST

START_TEST(the_slowest_of_its_kind_counts)
{
    sb_pace p = {0};
    sb_pace_add(&p, 1000, 3);
    sb_pace_add(&p, 1010, 1);
    sb_pace_add(&p, 1020, 2);
    ck_assert_double_eq(sb_pace_s(&p, 1000), 3);
    ck_assert_double_eq_tol(sb_pace_s(&p, 1020), 3.06, 1e-9);
    ck_assert_double_eq(sb_pace_s(&p, 600), 3); /* never less than a sample of its doubling took */
}
END_TEST

/* Fewer tokens than any that ran: no longer than those. */
START_TEST(less_work_takes_no_longer)
{
    sb_pace p = {0};
    sb_pace_add(&p, 1e9, 5);
    sb_pace_add(&p, 1e12, 50);
    ck_assert_double_eq(sb_pace_s(&p, 10), 5);
    ck_assert_double_eq(sb_pace_s(&p, .5), 5);
    sb_pace_add(&p, 1e300, 7); /* beyond the last bin */
    ck_assert_double_ge(sb_pace_s(&p, 1e300), 7);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run pace");
    TCase *t = tcase_create("pace");
    tcase_add_test(t, nothing_seen_is_nothing_known);
    tcase_add_test(t, the_nearest_work_tells);
    tcase_add_test(t, the_slowest_of_its_kind_counts);
    tcase_add_test(t, less_work_takes_no_longer);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
