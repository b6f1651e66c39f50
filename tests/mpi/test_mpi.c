/* Runs all collective cases under mpirun (also with one rank, and with a tiny chunk limit). Rank 0
 * prints; a failure anywhere fails the test on all ranks, so that none waits for another. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "tests/mpi/ranks.h"

static sb_comm *world;

static const int64_t chunks[] = {(int64_t)1 << 30, 1000, 8};
enum { N_CHUNKS = sizeof chunks / sizeof chunks[0] };

static void run_on_all(const span_case *c, int64_t chunk_bytes)
{
    int64_t   normal        = sb_comm_mpi_chunk_bytes;
    span_rank r             = {.comm = world};
    sb_comm_mpi_chunk_bytes = chunk_bytes;
    c->run(&r);
    sb_comm_mpi_chunk_bytes = normal;
    int64_t failed          = r.why[0] != '\0';
    if (failed)
        fprintf(stderr, "%s (chunk %lld): %s\n", c->name, (long long)chunk_bytes, r.why);
    ck_assert_msg(sb_comm_allreduce_i64(world, &failed, 1, SB_REDUCE_SUM) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_msg(failed == 0, "%s failed on %lld ranks", c->name, (long long)failed);
}

sb_link *span_link(sb_comm *comm)
{
    sb_link *l = NULL;
    if (sb_link_mpi_create(comm, &l) != SB_OK)
        abort();
    return l;
}

static int count(const span_case *cases)
{
    int n = 0;
    while (cases[n].name != NULL)
        n++;
    return n;
}

START_TEST(comm) { run_on_all(&span_comm_cases[_i / N_CHUNKS], chunks[_i % N_CHUNKS]); }
END_TEST

START_TEST(shard) { run_on_all(&span_shard_cases[_i / 2], chunks[_i % 2]); }
END_TEST

START_TEST(state) { run_on_all(&span_state_cases[_i / 2], chunks[_i % 2]); }
END_TEST

START_TEST(balance) { run_on_all(&span_balance_cases[_i], chunks[0]); }
END_TEST

START_TEST(groups) { run_on_all(&span_groups_cases[_i], chunks[0]); }
END_TEST

START_TEST(pass_q) { run_on_all(&span_pass_q_cases[_i], chunks[0]); }
END_TEST

START_TEST(fetch) { run_on_all(&span_fetch_cases[_i], chunks[0]); }
END_TEST

START_TEST(heads) { run_on_all(&span_heads_cases[_i], chunks[_i % 2]); }
END_TEST

START_TEST(quality) { run_on_all(&span_quality_cases[_i], chunks[0]); }
END_TEST

START_TEST(operator_alone) { run_on_all(&span_operator_cases[_i], (int64_t)1 << 30); }
END_TEST

START_TEST(library_errors_become_status)
{
    unsigned char byte = 0;
    sb_status     st   = sb_comm_bcast(world, &byte, 1, world->size); /* no such root */
    ck_assert_int_eq(st, SB_ERR_COMM);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "MPI_Bcast: MPI_ERR_ROOT"));
}
END_TEST

START_TEST(a_second_init_is_harmless)
{
    ck_assert_int_eq(sb_mpi_init(NULL, NULL), SB_OK);
    ck_assert_int_eq(sb_mpi_launched(), 1);
}
END_TEST

int main(int argc, char **argv)
{
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK) {
        fprintf(stderr, "test_mpi: %s\n", sb_error_text());
        sb_mpi_abort(1);
    }
    Suite *s  = suite_create("mpi");
    TCase *tc = tcase_create("mpi");
    tcase_set_timeout(tc, 0); /* mpirun --timeout is the guard */
    tcase_add_loop_test(tc, comm, 0, count(span_comm_cases) * N_CHUNKS);
    tcase_add_loop_test(tc, shard, 0, count(span_shard_cases) * 2);
    tcase_add_loop_test(tc, state, 0, count(span_state_cases) * 2);
    tcase_add_loop_test(tc, balance, 0, count(span_balance_cases));
    tcase_add_loop_test(tc, groups, 0, count(span_groups_cases));
    tcase_add_loop_test(tc, pass_q, 0, count(span_pass_q_cases));
    tcase_add_loop_test(tc, fetch, 0, count(span_fetch_cases));
    tcase_add_loop_test(tc, heads, 0, count(span_heads_cases));
    tcase_add_loop_test(tc, quality, 0, count(span_quality_cases));
    tcase_add_loop_test(tc, operator_alone, 0, count(span_operator_cases));
    tcase_add_test(tc, library_errors_become_status);
    tcase_add_test(tc, a_second_init_is_harmless);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_set_fork_status(sr, CK_NOFORK);
    srunner_run_all(sr, world->rank == 0 ? CK_NORMAL : CK_SILENT);
    int64_t failed = srunner_ntests_failed(sr);
    sb_comm_allreduce_i64(world, &failed, 1, SB_REDUCE_MAX);
    srunner_free(sr);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failed != 0;
}
