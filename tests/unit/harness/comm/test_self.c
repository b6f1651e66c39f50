/* The communicator of one rank, and the launch helpers that need no MPI_Init. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"

static sb_comm *self(void)
{
    sb_comm *c = NULL;
    ck_assert_int_eq(sb_comm_self_create(&c), SB_OK);
    return c;
}

START_TEST(one_rank_alone)
{
    sb_comm *c = self();
    ck_assert_int_eq(c->rank, 0);
    ck_assert_int_eq(c->size, 1);
    ck_assert_int_eq(c->local_rank, 0);
    ck_assert_int_eq(c->local_size, 1);
    ck_assert_str_eq(c->ops->name, "self");
    sb_comm_destroy(c);
    sb_comm_destroy(NULL);
}
END_TEST

START_TEST(gather_moves_own_data_and_counts_none)
{
    sb_comm            *c     = self();
    int64_t             count = 3, displ = 2;
    unsigned char       send[3] = {1, 2, 3}, recv[6] = {9, 9, 9, 9, 9, 9};
    const unsigned char want[6] = {9, 9, 1, 2, 3, 9};
    ck_assert_int_eq(sb_comm_allgatherv(c, send, recv, &count, &displ), SB_OK);
    ck_assert_mem_eq(recv, want, sizeof want);
    ck_assert_int_eq(sb_comm_allgatherv(c, recv + 2, recv, &count, &displ), SB_OK); /* in place */
    ck_assert_mem_eq(recv, want, sizeof want);
    ck_assert_int_eq(c->stats.received_bytes + c->stats.sent_bytes, 0);
    ck_assert_int_eq(c->stats.calls, 2);
    sb_comm_destroy(c);
}
END_TEST

START_TEST(nothing_to_gather_may_be_null)
{
    sb_comm *c     = self();
    int64_t  count = 0, displ = 0;
    ck_assert_int_eq(sb_comm_allgatherv(c, NULL, NULL, &count, &displ), SB_OK);
    sb_comm_destroy(c);
}
END_TEST

START_TEST(reductions_and_bcast_keep_the_data)
{
    sb_comm *c       = self();
    int64_t  data[2] = {-5, INT64_MAX};
    ck_assert_int_eq(sb_comm_allreduce_i64(c, data, 2, SB_REDUCE_SUM), SB_OK);
    ck_assert_int_eq(sb_comm_bcast(c, data, sizeof data, 0), SB_OK);
    ck_assert_int_eq(sb_comm_barrier(c), SB_OK);
    ck_assert_int_eq(data[0], -5);
    ck_assert(data[1] == INT64_MAX);
    ck_assert_int_eq(sb_comm_agree(c, SB_OK), SB_OK);
    ck_assert_int_eq(sb_comm_agree(c, SB_ERR_IO), SB_ERR_IO);
    sb_comm_destroy(c);
}
END_TEST

START_TEST(launched_follows_the_launchers_environment)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK",
                                        "PMI_SIZE"};
    for (int i = 0; i < 4; i++)
        unsetenv(names[i]);
    setenv("SLURM_PROCID", "0", 1); /* a batch script is no launcher */
    ck_assert_int_eq(sb_mpi_launched(), 0);
    for (int i = 0; i < 4; i++) {
        setenv(names[i], "1", 1);
        ck_assert_int_eq(sb_mpi_launched(), 1);
        unsetenv(names[i]);
    }
}
END_TEST

START_TEST(version_is_name_and_number)
{
    char whole[256], cut[5], one[1] = {'x'};
    sb_mpi_version(whole, (int)sizeof whole);
    ck_assert_uint_gt(strlen(whole), 4);
    ck_assert_ptr_null(strpbrk(whole, ",\n\t"));
    ck_assert_ptr_nonnull(strpbrk(whole, "0123456789"));
    sb_mpi_version(cut, (int)sizeof cut);
    ck_assert_uint_eq(strlen(cut), 4);
    ck_assert_mem_eq(cut, whole, 4);
    sb_mpi_version(one, 1);
    ck_assert_str_eq(one, "");
}
END_TEST

START_TEST(mpi_communicator_needs_init)
{
    sb_comm *c = NULL;
    ck_assert_int_eq(sb_comm_mpi_create(&c), SB_ERR_INTERNAL);
    ck_assert_str_eq(sb_error_text(), "communicator mpi: MPI is not initialised");
    ck_assert_ptr_null(c);
    sb_mpi_fini(); /* a no-op */
}
END_TEST

START_TEST(abort_ends_with_the_code) { sb_mpi_abort(7); }
END_TEST

int main(void)
{
    Suite *s  = suite_create("comm self");
    TCase *tc = tcase_create("self");
    tcase_add_test(tc, one_rank_alone);
    tcase_add_test(tc, gather_moves_own_data_and_counts_none);
    tcase_add_test(tc, nothing_to_gather_may_be_null);
    tcase_add_test(tc, reductions_and_bcast_keep_the_data);
    tcase_add_test(tc, launched_follows_the_launchers_environment);
    tcase_add_test(tc, version_is_name_and_number);
    tcase_add_test(tc, mpi_communicator_needs_init);
    tcase_add_exit_test(tc, abort_ends_with_the_code, 7);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
