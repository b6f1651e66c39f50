/* What every communicator must do, whatever the message size: the same cases run with the chunk
 * limit turned down, so that the path of very long messages runs on short ones. */
#include <stdlib.h>
#include <string.h>

#include "tests/mpi/ranks.h"

enum { MOST_RANKS = 64, GAP = 5 };

static unsigned char byte_of(int64_t rank, int64_t i)
{
    return (unsigned char)(rank * 37 + i * 11 + i / 251 + 1);
}

/* Gather count(r) bytes of every rank, ranks in descending order in recv with GAP bytes between. */
static void gather(span_rank *r, int64_t (*count)(int32_t), int in_place)
{
    sb_comm       *c = r->comm;
    int64_t        counts[MOST_RANKS], displs[MOST_RANKS], total = GAP;
    unsigned char *recv, *send;
    for (int32_t i = c->size - 1; i >= 0; i--) {
        counts[i] = count(i);
        displs[i] = total;
        total += counts[i] + GAP;
    }
    recv = malloc((size_t)total);
    send = malloc((size_t)counts[c->rank] + 1);
    if (recv == NULL || send == NULL)
        abort();
    memset(recv, 0xEE, (size_t)total);
    for (int64_t i = 0; i < counts[c->rank]; i++)
        send[i] = byte_of(c->rank, i);
    if (in_place)
        memcpy(recv + displs[c->rank], send, (size_t)counts[c->rank]);
    c->stats = (sb_comm_stats){0};
    sb_status st =
        sb_comm_allgatherv(c, in_place ? recv + displs[c->rank] : send, recv, counts, displs);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, c->stats.received_bytes == total - GAP * (c->size + 1) - counts[c->rank],
                "counted %lld", (long long)c->stats.received_bytes);
    for (int32_t k = 0; k < c->size; k++) {
        for (int64_t i = 0; i < counts[k]; i++)
            SPAN_EXPECT(r, recv[displs[k] + i] == byte_of(k, i), "byte %lld of rank %d",
                        (long long)i, k);
        for (int64_t i = 1; i <= GAP; i++)
            SPAN_EXPECT(r, recv[displs[k] - i] == 0xEE, "written before the block of rank %d", k);
    }
    free(recv);
    free(send);
}

static int64_t equal(int32_t r) { return (void)r, 4096; }
static int64_t unequal(int32_t r) { return 1 + (r * 7919) % 3001; }
static int64_t around_chunk(int32_t r) { return 999 + r % 3; } /* 1000 is the chunk of the tests */
static int64_t some_zero(int32_t r) { return r % 2 == 0 ? 0 : 2500; }
static int64_t only_last(int32_t r) { return r == 0 ? 3333 : 0; }
static int64_t none(int32_t r) { return (void)r, 0; }

static void gather_any_counts(span_rank *r)
{
    int64_t (*const counts[])(int32_t) = {equal, unequal, around_chunk, some_zero, only_last, none};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        for (int in_place = 0; in_place < 2; in_place++)
            gather(r, counts[i], in_place);
}

static void bcast_from_every_root(span_rank *r)
{
    enum { BYTES = 2501 };
    unsigned char *data = malloc(BYTES);
    if (data == NULL)
        abort();
    for (int32_t root = 0; root < r->comm->size; root++)
        for (int64_t bytes = 0; bytes <= BYTES; bytes += BYTES) {
            for (int64_t i = 0; i < BYTES; i++)
                data[i] = byte_of(r->comm->rank, i);
            sb_status st = sb_comm_bcast(r->comm, data, bytes, root);
            SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
            for (int64_t i = 0; i < BYTES; i++)
                SPAN_EXPECT(r, data[i] == byte_of(i < bytes ? root : r->comm->rank, i),
                            "byte %lld from root %d", (long long)i, root);
        }
    free(data);
}

static void reduce_integers_exactly(span_rank *r)
{
    enum { COUNT = 700 };                 /* 5600 bytes: several chunks */
    const int64_t big = (int64_t)1 << 60; /* doubles would round the sums */
    int64_t       data[COUNT], size = r->comm->size;
    for (sb_reduce_op op = SB_REDUCE_SUM; op < SB_REDUCE_COUNT; op++) {
        for (int64_t i = 0; i < COUNT; i++)
            data[i] = (i % 2 == 0 ? big / size : -i) + r->comm->rank;
        sb_status st = sb_comm_allreduce_i64(r->comm, data, COUNT, op);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        for (int64_t i = 0; i < COUNT; i++) {
            int64_t base = i % 2 == 0 ? big / size : -i;
            int64_t want = op == SB_REDUCE_SUM   ? base * size + size * (size - 1) / 2
                           : op == SB_REDUCE_MAX ? base + size - 1
                                                 : base;
            SPAN_EXPECT(r, data[i] == want, "element %lld of operation %d", (long long)i, (int)op);
        }
    }
    SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
}

static void one_failure_is_everyones(span_rank *r)
{
    sb_comm *c = r->comm;
    SPAN_EXPECT(r, sb_comm_agree(c, SB_OK) == SB_OK, "%s", sb_error_text());
    for (int32_t bad = 0; bad < c->size; bad++) {
        sb_error_clear();
        sb_status mine = c->rank == bad ? sb_fail(SB_ERR_IO, "disk of rank %d", bad) : SB_OK;
        sb_status st   = sb_comm_agree(c, mine);
        char      want[64];
        snprintf(want, sizeof want, c->rank == bad ? "disk of rank %d" : "rank %d: %s", bad,
                 sb_status_name(SB_ERR_IO));
        SPAN_EXPECT(r, st == (c->rank == bad ? SB_ERR_IO : SB_ERR_PEER), "status %s",
                    sb_status_name(st));
        SPAN_EXPECT(r, strcmp(sb_error_text(), want) == 0, "text %s", sb_error_text());
    }
}

static void all_fail_each_keeps_its_cause(span_rank *r)
{
    sb_status mine = r->comm->rank == 0 ? SB_ERR_NOMEM : SB_ERR_DEVICE;
    SPAN_EXPECT(r, sb_comm_agree(r->comm, mine) == mine, "%s", sb_error_text());
}

static void places_are_consistent(span_rank *r)
{
    sb_comm *c   = r->comm;
    int64_t  sum = c->rank;
    SPAN_EXPECT(r, c->rank >= 0 && c->rank < c->size, "rank %d", c->rank);
    SPAN_EXPECT(r, c->local_rank >= 0 && c->local_rank < c->local_size, "local %d", c->local_rank);
    SPAN_EXPECT(r, c->local_size <= c->size, "local size %d", c->local_size);
    SPAN_EXPECT(r, sb_comm_allreduce_i64(c, &sum, 1, SB_REDUCE_SUM) == SB_OK, "%s",
                sb_error_text());
    SPAN_EXPECT(r, sum == (int64_t)c->size * (c->size - 1) / 2, "sum of ranks %lld",
                (long long)sum);
}

const span_case span_comm_cases[] = {
    {"gather_any_counts", gather_any_counts},
    {"bcast_from_every_root", bcast_from_every_root},
    {"reduce_integers_exactly", reduce_integers_exactly},
    {"one_failure_is_everyones", one_failure_is_everyones},
    {"all_fail_each_keeps_its_cause", all_fail_each_keeps_its_cause},
    {"places_are_consistent", places_are_consistent},
    {0},
};
