/* The communicator wrappers over a scripted table: what is counted, what is passed on, and how
 * ranks agree. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/comm.h"

/* The script: what the other ranks would bring to a MIN reduction, what each call returns, and what
 * was asked. */
static struct {
    int64_t      peers_min;
    sb_status    answer;
    int          allgathers, bcasts, reduces, barriers;
    int32_t      root;
    int64_t      bytes, n, sent;
    sb_reduce_op op;
} script;

static sb_status fake_allgatherv(sb_comm *c, const void *send, void *recv,
                                 const int64_t *count_bytes, const int64_t *displ_bytes)
{
    memcpy((char *)recv + displ_bytes[c->rank], send, (size_t)count_bytes[c->rank]);
    script.allgathers++;
    return script.answer;
}

static sb_status fake_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    (void)c;
    (void)data;
    script.bcasts++;
    script.bytes = bytes;
    script.root  = root;
    return script.answer;
}

static sb_status fake_allreduce(sb_comm *c, int64_t *data, int64_t n, sb_reduce_op op)
{
    (void)c;
    script.reduces++;
    script.n    = n;
    script.op   = op;
    script.sent = *data;
    if (op == SB_REDUCE_MIN && script.peers_min < *data)
        *data = script.peers_min;
    return script.answer;
}

static sb_status fake_barrier(sb_comm *c)
{
    (void)c;
    script.barriers++;
    return script.answer;
}

static const sb_comm_ops ops = {"fake",         fake_allgatherv, fake_bcast,
                                fake_allreduce, fake_barrier,    NULL};

static sb_comm comm_of(int32_t rank, int32_t size)
{
    memset(&script, 0, sizeof script);
    script.peers_min = INT64_MAX;
    return (sb_comm){.ops = &ops, .rank = rank, .size = size};
}

/* What rank `rank` of 4 puts into the agreement when it failed with `st`: run it as that rank and
 * keep what it sent. */
static int64_t word_of(int32_t rank, sb_status st)
{
    sb_comm c = comm_of(rank, 4);
    (void)sb_comm_agree(&c, st);
    return script.sent;
}

START_TEST(allgatherv_counts_what_crosses)
{
    sb_comm       c       = comm_of(1, 3);
    const int64_t count[] = {5, 7, 0}, displ[] = {0, 5, 12};
    char          send[7] = "abcdef", recv[12] = {0};
    ck_assert_int_eq(sb_comm_allgatherv(&c, send, recv, count, displ), SB_OK);
    ck_assert_mem_eq(recv + 5, send, 7);
    ck_assert_int_eq(c.stats.received_bytes, 5); /* own 7 bytes stay at home */
    ck_assert_int_eq(c.stats.sent_bytes, 14);    /* to two others */
    ck_assert_int_eq(c.stats.calls, 1);
    ck_assert_int_ge(c.stats.ns, 0);
    ck_assert_int_eq(sb_comm_allgatherv(&c, send, recv, count, displ), SB_OK);
    ck_assert_int_eq(c.stats.received_bytes, 10);
    ck_assert_int_eq(c.stats.calls, 2);
    ck_assert_int_eq(script.allgathers, 2);
}
END_TEST

START_TEST(bcast_counts_by_role)
{
    sb_comm root = comm_of(0, 4), leaf = comm_of(2, 4);
    ck_assert_int_eq(sb_comm_bcast(&root, &root, 100, 0), SB_OK);
    ck_assert_int_eq(sb_comm_bcast(&leaf, &leaf, 100, 0), SB_OK);
    ck_assert_int_eq(root.stats.sent_bytes, 300);
    ck_assert_int_eq(root.stats.received_bytes, 0);
    ck_assert_int_eq(leaf.stats.sent_bytes, 0);
    ck_assert_int_eq(leaf.stats.received_bytes, 100);
    ck_assert_int_eq(script.bytes, 100);
    ck_assert_int_eq(script.root, 0);
}
END_TEST

START_TEST(reductions_and_barriers_are_counted)
{
    sb_comm c    = comm_of(0, 2);
    int64_t x[3] = {1, 2, 3};
    ck_assert_int_eq(sb_comm_allreduce_i64(&c, x, 3, SB_REDUCE_SUM), SB_OK);
    ck_assert_int_eq(script.n, 3);
    ck_assert_int_eq(script.op, SB_REDUCE_SUM);
    ck_assert_int_eq(c.stats.sent_bytes, 24);
    ck_assert_int_eq(c.stats.received_bytes, 24);
    ck_assert_int_eq(sb_comm_barrier(&c), SB_OK);
    ck_assert_int_eq(c.stats.calls, 2);
    ck_assert_int_eq(c.stats.sent_bytes, 24);
}
END_TEST

START_TEST(one_rank_moves_nothing)
{
    sb_comm       c       = comm_of(0, 1);
    const int64_t count[] = {8}, displ[] = {0};
    int64_t       x = 1, y = 0;
    ck_assert_int_eq(sb_comm_allgatherv(&c, &x, &y, count, displ), SB_OK);
    ck_assert_int_eq(sb_comm_bcast(&c, &x, 8, 0), SB_OK);
    ck_assert_int_eq(sb_comm_allreduce_i64(&c, &x, 1, SB_REDUCE_MAX), SB_OK);
    ck_assert_int_eq(c.stats.sent_bytes, 0);
    ck_assert_int_eq(c.stats.received_bytes, 0);
    ck_assert_int_eq(c.stats.calls, 3);
}
END_TEST

START_TEST(a_failing_call_is_passed_on)
{
    sb_comm       c       = comm_of(0, 2);
    const int64_t count[] = {1, 1}, displ[] = {0, 1};
    char          b[2] = {0};
    int64_t       x    = 0;
    script.answer      = SB_ERR_COMM;
    ck_assert_int_eq(sb_comm_allgatherv(&c, b, b, count, displ), SB_ERR_COMM);
    ck_assert_int_eq(sb_comm_bcast(&c, b, 1, 0), SB_ERR_COMM);
    ck_assert_int_eq(sb_comm_allreduce_i64(&c, &x, 1, SB_REDUCE_SUM), SB_ERR_COMM);
    ck_assert_int_eq(sb_comm_barrier(&c), SB_ERR_COMM);
    ck_assert_int_eq(sb_comm_agree(&c, SB_OK), SB_ERR_COMM);
    ck_assert_int_eq(sb_comm_agree(&c, sb_fail(SB_ERR_IO, "a.db: gone")), SB_ERR_COMM);
    ck_assert_msg(strncmp(sb_error_text(), "a.db: gone; then: ", 18) == 0, "%s", sb_error_text());
}
END_TEST

START_TEST(agree_when_all_are_well)
{
    sb_comm c = comm_of(2, 4);
    ck_assert_int_eq(sb_comm_agree(&c, SB_OK), SB_OK);
    ck_assert_int_eq(script.reduces, 1);
    ck_assert_int_eq(c.stats.calls, 0); /* bookkeeping is no traffic of the method */
}
END_TEST

START_TEST(agree_when_a_peer_failed)
{
    for (int32_t rank = 0; rank < 4; rank++)
        for (int st = SB_OK + 1; st < SB_STATUS_COUNT; st++) {
            char    want[64];
            int64_t word     = word_of(rank, (sb_status)st);
            sb_comm c        = comm_of(2, 4);
            script.peers_min = word;
            if (rank == c.rank)
                continue;
            ck_assert_int_eq(sb_comm_agree(&c, SB_OK), SB_ERR_PEER);
            (void)snprintf(want, sizeof want, "rank %d: %s", rank, sb_status_name((sb_status)st));
            ck_assert_str_eq(sb_error_text(), want);
        }
}
END_TEST

START_TEST(agree_when_this_rank_failed)
{
    int64_t word     = word_of(0, SB_ERR_IO);
    sb_comm c        = comm_of(2, 4);
    script.peers_min = word; /* another failed as well: each keeps its own cause */
    (void)sb_fail(SB_ERR_NOMEM, "my own words");
    ck_assert_int_eq(sb_comm_agree(&c, SB_ERR_NOMEM), SB_ERR_NOMEM);
    ck_assert_str_eq(sb_error_text(), "my own words");
    ck_assert_int_eq(script.reduces, 1); /* it still took part: the others wait in the same call */
}
END_TEST

START_TEST(agree_alone_needs_nobody)
{
    sb_comm c = comm_of(0, 1);
    ck_assert_int_eq(sb_comm_agree(&c, SB_OK), SB_OK);
    ck_assert_int_eq(sb_comm_agree(&c, SB_ERR_IO), SB_ERR_IO);
    ck_assert_int_eq(script.reduces, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("comm");
    TCase *t = tcase_create("comm");
    tcase_add_test(t, allgatherv_counts_what_crosses);
    tcase_add_test(t, bcast_counts_by_role);
    tcase_add_test(t, reductions_and_barriers_are_counted);
    tcase_add_test(t, one_rank_moves_nothing);
    tcase_add_test(t, a_failing_call_is_passed_on);
    tcase_add_test(t, agree_when_all_are_well);
    tcase_add_test(t, agree_when_a_peer_failed);
    tcase_add_test(t, agree_when_this_rank_failed);
    tcase_add_test(t, agree_alone_needs_nobody);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
