/* The collective cases with one thread a rank, up to 8 of them: no MPI, one address space, so that
 * sanitizers and debuggers see all ranks. */
#include <check.h>
#include <stdlib.h>

#include "tests/mpi/ranks.h"

static const int32_t sizes[] = {1, 2, 3, 4, 8};
enum { N_SIZES = sizeof sizes / sizeof sizes[0] };

static void run(const span_case *c, int32_t ranks)
{
    char why[512];
    span_run_threads(c, ranks, why, sizeof why);
    ck_assert_msg(why[0] == '\0', "%s: %s", c->name, why);
}

static int count(const span_case *cases)
{
    int n = 0;
    while (cases[n].name != NULL)
        n++;
    return n;
}

START_TEST(comm) { run(&span_comm_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(shard) { run(&span_shard_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(state) { run(&span_state_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

/* More than two batches of records (SB_SCAN_BATCH); cases that need no tokens on every rank. */
START_TEST(states_of_many) { run(&span_state_cases[_i], 19); }
END_TEST

START_TEST(balance) { run(&span_balance_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(groups) { run(&span_groups_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(pass_q) { run(&span_pass_q_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(fetch) { run(&span_fetch_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(heads) { run(&span_heads_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(quality) { run(&span_quality_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

START_TEST(operator_alone) { run(&span_operator_cases[_i / N_SIZES], sizes[_i % N_SIZES]); }
END_TEST

int main(void)
{
    Suite *s  = suite_create("thread ranks");
    TCase *tc = tcase_create("threads");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, comm, 0, count(span_comm_cases) * N_SIZES);
    tcase_add_loop_test(tc, shard, 0, count(span_shard_cases) * N_SIZES);
    tcase_add_loop_test(tc, state, 0, count(span_state_cases) * N_SIZES);
    tcase_add_loop_test(tc, states_of_many, 0, SPAN_STATE_CASES_OF_MANY);
    tcase_add_loop_test(tc, balance, 0, count(span_balance_cases) * N_SIZES);
    tcase_add_loop_test(tc, groups, 0, count(span_groups_cases) * N_SIZES);
    tcase_add_loop_test(tc, pass_q, 0, count(span_pass_q_cases) * N_SIZES);
    tcase_add_loop_test(tc, fetch, 0, count(span_fetch_cases) * N_SIZES);
    tcase_add_loop_test(tc, heads, 0, count(span_heads_cases) * N_SIZES);
    tcase_add_loop_test(tc, quality, 0, count(span_quality_cases) * N_SIZES);
    tcase_add_loop_test(tc, operator_alone, 0, count(span_operator_cases) * N_SIZES);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
