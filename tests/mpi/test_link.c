/* Links between ranks, under mpirun: what every link must do, over MPI in host memory, through
 * pinned memory (a backend whose device memory is the host's), and over a double of NCCL. A failure
 * anywhere fails the test on all ranks. */
#include <check.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/watch/watch.h"

static sb_comm *world;

/* ---- a device whose memory is the host's ---- */

static int64_t copies;
static int32_t idle_after; /* asked so often before a stream is idle; < 0: never */

static sb_status stream_open(void **out)
{
    *out = malloc(1);
    return SB_OK;
}
static sb_status stream_after(void *stream, void *other)
{
    return (void)stream, (void)other, SB_OK;
}
static sb_status stream_idle(void *stream, int *idle)
{
    (void)stream;
    *idle = idle_after == 0;
    if (idle_after > 0)
        idle_after--;
    return SB_OK;
}
static sb_status pinned_alloc(size_t bytes, void **out)
{
    *out = malloc(bytes);
    return *out != NULL ? SB_OK : SB_ERR_NOMEM;
}
static sb_status count_copy(void *to, const void *from, size_t bytes, sb_copy_kind kind, void *s)
{
    copies++;
    return sb_backend_cpu.copy(to, from, bytes, kind, s);
}

static const char *uuid_of_rank = ""; /* "": every rank its own */

static sb_status facts(sb_device_facts *out)
{
    *out = (sb_device_facts){.count = 1};
    (void)snprintf(out->uuid, sizeof out->uuid, "%s%d", uuid_of_rank,
                   uuid_of_rank[0] != '\0' ? 0 : world->rank);
    return SB_OK;
}

static sb_backend device;

/* ---- all ranks pass or fail together ---- */

#define EVERYWHERE(ok, what)                                                                       \
    do {                                                                                           \
        int64_t bad_ = !(ok);                                                                      \
        if (bad_)                                                                                  \
            fprintf(stderr, "rank %d: %s: %s\n", world->rank, what, sb_error_text());              \
        ck_assert(sb_comm_allreduce_i64(world, &bad_, 1, SB_REDUCE_SUM) == SB_OK);                 \
        ck_assert_msg(bad_ == 0, "%s: on %lld ranks", what, (long long)bad_);                      \
    } while (0)

static const sb_nccl_options patient = {.max_ctas = 4, .timeout_s = 20};

typedef struct link_case {
    const char *name, *fake;
    int64_t     chunk, stage;
} link_case;

static const link_case cases[] = {
    {"mpi", "", (int64_t)1 << 30, 0}, {"mpi", "", 1000, 0}, {"mpi_host", "", 0, (int64_t)4 << 20},
    {"mpi_host", "", 0, 700},         {"nccl", "", 0, 0},   {"nccl", "progress=3", 0, 0},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static sb_status make(const char *name, sb_link **out)
{
    if (strcmp(name, "mpi") == 0)
        return sb_link_mpi_create(world, out);
    if (strcmp(name, "mpi_host") == 0)
        return sb_link_mpi_host_create(world, &device, out);
    return sb_link_nccl_create(world, &device, &patient, out);
}

static int has_nccl(void)
{
    char text[96];
    return sb_nccl_describe(text, sizeof text) == SB_OK;
}

static unsigned char byte_of(int from, int to, int64_t i, int block)
{
    return (unsigned char)(from * 37 + to * 101 + block * 13 + i * 11 + i / 251);
}

static int64_t size_of(int from, int to, int block)
{
    return block == 0 ? (from * 911 + to * 577) % 4000 : block == 1 ? 0 : 701;
}

/* Three blocks from everyone to everyone, twice over. */
static int all_to_all(sb_link *l)
{
    enum { BLOCKS = 3, ROOM = 4000 };
    int            R = world->size, ok = 1;
    sb_transfer   *t   = calloc((size_t)(2 * BLOCKS * R), sizeof *t);
    unsigned char *in  = calloc((size_t)(BLOCKS * R), ROOM),
                  *out = calloc((size_t)(BLOCKS * R), ROOM);
    ck_assert(t != NULL && in != NULL && out != NULL);
    for (int round = 0; ok && round < 2; round++) {
        int64_t n = 0, sent = 0, got = 0;
        memset(in, 0xEE, (size_t)(BLOCKS * R) * ROOM);
        for (int b = 0; b < BLOCKS; b++)
            for (int p = 0; p < R; p++) {
                unsigned char *to = out + (b * R + p) * ROOM, *from = in + (b * R + p) * ROOM;
                int64_t n_out = size_of(world->rank, p, b), n_in = size_of(p, world->rank, b);
                if (p == world->rank)
                    continue;
                for (int64_t i = 0; i < n_out; i++)
                    to[i] = byte_of(world->rank, p, i, b + round);
                t[n++] = (sb_transfer){to, n_out, p, 0};
                t[n++] = (sb_transfer){from, n_in, p, 1};
                sent += n_out;
                got += n_in;
            }
        l->sent_bytes = l->received_bytes = 0;
        ok = sb_link_post(l, t, n, NULL) == SB_OK && sb_link_wait(l, NULL) == SB_OK &&
             sb_link_drain(l, NULL) == SB_OK && l->sent_bytes == sent && l->received_bytes == got;
        for (int b = 0; ok && b < BLOCKS; b++)
            for (int p = 0; p < R; p++) {
                int64_t len = p == world->rank ? 0 : size_of(p, world->rank, b);
                for (int64_t i = 0; i < ROOM; i++)
                    ok = ok && in[(b * R + p) * ROOM + i] ==
                                   (i < len ? byte_of(p, world->rank, i, b + round) : 0xEE);
            }
    }
    free(t);
    free(in);
    free(out);
    return ok;
}

START_TEST(blocks_arrive_whole_and_in_their_places)
{
    const link_case *c = &cases[_i];
    sb_link         *l = NULL;
    if (strcmp(c->name, "nccl") == 0 && !has_nccl())
        return; /* told once, in main */
    setenv("FAKE_NCCL", c->fake, 1);
    int64_t chunk = sb_comm_mpi_chunk_bytes, stage = sb_link_stage_bytes;
    if (c->chunk > 0)
        sb_comm_mpi_chunk_bytes = c->chunk;
    if (c->stage > 0)
        sb_link_stage_bytes = c->stage;
    idle_after = 2;
    EVERYWHERE(make(c->name, &l) == SB_OK, c->name);
    ck_assert_str_eq(l->ops->name, c->name);
    EVERYWHERE(all_to_all(l), c->name);
    sb_link_destroy(l);
    sb_comm_mpi_chunk_bytes = chunk;
    sb_link_stage_bytes     = stage;
}
END_TEST

START_TEST(misuse_is_told)
{
    sb_link      *l = NULL;
    unsigned char b = 1;
    EVERYWHERE(sb_link_mpi_create(world, &l) == SB_OK, "create");
    sb_transfer self = {&b, 1, world->rank, 0}, none = {&b, 1, world->size, 0};
    ck_assert_int_eq(sb_link_post(l, &self, 1, NULL), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_link_post(l, &none, 1, NULL), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_link_wait(l, NULL), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_link_post(l, NULL, 0, NULL), SB_OK);
    ck_assert_int_eq(sb_link_post(l, NULL, 0, NULL), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "under way"));
    ck_assert_int_eq(sb_link_wait(l, NULL), SB_OK);
    sb_link_destroy(l);
}
END_TEST

/* ---- NCCL that makes it difficult ---- */

static int count_of(const char *symbol)
{
    void *lib  = dlopen("libnccl.so.2", RTLD_NOW | RTLD_NOLOAD);
    int  *from = lib != NULL ? dlsym(lib, symbol) : NULL;
    return from != NULL ? *from : -1;
}

START_TEST(nccl_errors_reach_the_caller_and_abort)
{
    static const struct {
        const char *fake, *text;
        int         in_create, uneven;
    } bad[] = {
        {"no_init=1", "ncclCommInitRankConfig: invalid usage", 1, 0},
        {"fail_group=2", "ncclGroupEnd: remote error", 0, 0},
        {"progress=2 fail_group=2", "ncclGroupEnd: remote error: the double's last words", 0, 0},
    };
    sb_nccl_options o = {.timeout_s = 20};
    sb_link        *l = NULL;
    if (!has_nccl())
        return;
    setenv("FAKE_NCCL", bad[_i].fake, 1);
    int       aborts = count_of("fake_nccl_aborts");
    sb_status st     = sb_link_nccl_create(world, &device, &o, &l);
    idle_after       = 0;
    if (st == SB_OK) { /* the second round fails */
        int ok = all_to_all(l);
        EVERYWHERE(!ok && strstr(sb_error_text(), bad[_i].text) != NULL, bad[_i].fake);
        EVERYWHERE(sb_link_post(l, NULL, 0, NULL) == SB_ERR_COMM, "a broken link stays broken");
        EVERYWHERE(count_of("fake_nccl_aborts") == aborts + 1, "aborted");
        sb_link_destroy(l);
    } else {
        EVERYWHERE(strstr(sb_error_text(), bad[_i].text) != NULL, bad[_i].fake);
    }
    EVERYWHERE((st == SB_OK) == !bad[_i].in_create, "where it fails");
}
END_TEST

START_TEST(nccl_that_hangs_is_given_up)
{
    sb_nccl_options o  = {.timeout_s = .2};
    sb_link        *l  = NULL;
    int64_t         t0 = sb_now_ns();
    if (!has_nccl())
        return;
    setenv("FAKE_NCCL", "hang=1", 1);
    EVERYWHERE(sb_link_nccl_create(world, &device, &o, &l) != SB_OK, "made");
    EVERYWHERE(strstr(sb_error_text(), "not through after") != NULL ||
                   strstr(sb_error_text(), "rank ") != NULL,
               "text");
    setenv("FAKE_NCCL", "", 1);
    EVERYWHERE(sb_link_nccl_create(world, &device, &o, &l) == SB_OK, "made again");
    idle_after = -1; /* a kernel waits for a rank that is gone */
    EVERYWHERE(sb_link_drain(l, NULL) == SB_ERR_COMM, "drained");
    EVERYWHERE(strstr(sb_error_text(), "a transfer: not through") != NULL, "text");
    sb_link_destroy(l);
    idle_after = 0;
    EVERYWHERE(sb_now_ns() - t0 < 10000000000, "deadline");
}
END_TEST

static void leave_it(void *arg, const sb_watch_report *r)
{
    (void)r;
    ++*(int *)arg;
}

/* The link itself would wait for a minute; it is aborted by the thread that uses it. */
START_TEST(nccl_that_hangs_is_given_up_when_the_watchdog_says_so)
{
    int                    over = 0;
    sb_nccl_options        o    = {.timeout_s = 60};
    const sb_watch_options wo   = {.fixed_s = .5, .expired = leave_it, .arg = &over};
    sb_link               *l    = NULL;
    sb_watch              *w    = NULL;
    if (!has_nccl())
        return;
    setenv("FAKE_NCCL", "", 1);
    EVERYWHERE(sb_link_nccl_create(world, &device, &o, &l) == SB_OK, "made");
    EVERYWHERE(sb_watch_start(&wo, &w) == SB_OK && sb_watch_link(w, l, &l) == SB_OK, "watched");
    int64_t t0 = sb_now_ns();
    sb_watch_enter(w, "ring", 0);
    idle_after   = -1; /* a kernel waits for a rank that is gone */
    sb_status st = sb_link_drain(l, NULL);
    EVERYWHERE(st == SB_ERR_COMM, "drained");
    EVERYWHERE(strstr(sb_error_text(), "given up after") != NULL, "text");
    EVERYWHERE(sb_now_ns() - t0 < 20000000000, "deadline");
    sb_link_destroy(l);
    sb_watch_stop(w);
    idle_after = 0;
    EVERYWHERE(over == 1, "reported");
}
END_TEST

/* ---- which link ---- */

START_TEST(the_link_follows_the_gpus)
{
    sb_link *l = NULL;
    char     why[128];
    setenv("FAKE_NCCL", "", 1);
    EVERYWHERE(sb_link_choose(world, &sb_backend_cpu, SB_LINK_AUTO, &patient, &l, why,
                              sizeof why) == SB_OK,
               "cpu");
    if (world->size == 1) {
        ck_assert_ptr_null(l);
        return;
    }
    ck_assert_str_eq(l->ops->name, "mpi");
    sb_link_destroy(l);
    uuid_of_rank = "shared";
    EVERYWHERE(sb_link_choose(world, &device, SB_LINK_AUTO, &patient, &l, why, sizeof why) == SB_OK,
               "shared");
    ck_assert_str_eq(l->ops->name, "mpi_host");
    if (has_nccl())
        ck_assert_str_eq(why, "mpi_host: ranks 0 and 1 share a GPU");
    sb_link_destroy(l);
    EVERYWHERE(sb_link_choose(world, &device, SB_LINK_NCCL, &patient, &l, why, sizeof why) ==
                   SB_ERR_UNSUPPORTED,
               "nccl on one GPU");
    uuid_of_rank = "";
    EVERYWHERE(sb_link_choose(world, &device, SB_LINK_AUTO, &patient, &l, why, sizeof why) == SB_OK,
               "own");
    ck_assert_str_eq(l->ops->name, has_nccl() ? "nccl" : "mpi_host");
    sb_link_destroy(l);
    EVERYWHERE(sb_link_choose(world, &device, SB_LINK_MPI_HOST, &patient, &l, why, sizeof why) ==
                   SB_OK,
               "asked");
    ck_assert_str_eq(l->ops->name, "mpi_host");
    ck_assert_str_eq(why, "mpi_host: asked for");
    sb_link_destroy(l);
}
END_TEST

int main(int argc, char **argv)
{
    char text[96];
    if (argc > 1 && strcmp(argv[1], "describe") == 0) { /* in a process of its own */
        int st = sb_nccl_describe(text, sizeof text);
        (void)puts(st == SB_OK ? text : sb_error_text());
        return 0;
    }
    device              = sb_backend_cpu;
    device.id           = SB_CUDA;
    device.facts        = facts;
    device.copy         = count_copy;
    device.stream_open  = stream_open;
    device.stream_close = free;
    device.stream_after = stream_after;
    device.stream_idle  = stream_idle;
    device.pinned_alloc = pinned_alloc;
    device.pinned_free  = free;
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK)
        return 2;
    if (world->rank == 0 && !has_nccl())
        (void)printf("without nccl: %s\n", sb_error_text());
    Suite *suite = suite_create("link");
    TCase *t     = tcase_create("ranks");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, blocks_arrive_whole_and_in_their_places, 0, N_CASES);
    tcase_add_test(t, misuse_is_told);
    if (world->size > 1)
        tcase_add_loop_test(t, nccl_errors_reach_the_caller_and_abort, 0, 3);
    if (world->size > 1)
        tcase_add_test(t, nccl_that_hangs_is_given_up);
    tcase_add_test(t, nccl_that_hangs_is_given_up_when_the_watchdog_says_so);
    tcase_add_test(t, the_link_follows_the_gpus);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, world->rank == 0 ? CK_NORMAL : CK_SILENT);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failures != 0;
}
