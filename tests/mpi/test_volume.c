/* What each scheme moves, counted in MPI itself, is what its formula says, byte for byte [sharding
 * 5]; and what a run reports is that. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "kernels/registry.h"
#include "tests/mpi/count_mpi.h"
#include "tests/mpi/shard_case.h"

enum { HEADS = 8, KV_HEADS = 4, DIM = 32, BF16 = 2, AGREEMENT_BYTES = 8, HEADER_BYTES = 64 };

static sb_comm *world;
static sb_link *link_of_all;

#define EVERYWHERE(ok, ...)                                                                        \
    do {                                                                                           \
        int64_t bad_ = !(ok);                                                                      \
        if (bad_) {                                                                                \
            fprintf(stderr, "rank %d: ", world->rank);                                             \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, ": %s\n", sb_error_text());                                            \
        }                                                                                          \
        ck_assert(sb_comm_allreduce_i64(world, &bad_, 1, SB_REDUCE_SUM) == SB_OK);                 \
        ck_assert_msg(bad_ == 0, "on %lld ranks", (long long)bad_);                                \
    } while (0)

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Tokens that every layout shares out evenly, in more runs a rank than travel one by one. */
static int64_t tokens(void) { return 128 * 6 * world->size; }

static span_how how_of(sb_scheme scheme, int32_t team)
{
    return (span_how){.use =
                          sb_scheme_used(scheme, team, world->size, world->size, HEADS, KV_HEADS),
                      .link = link_of_all};
}

/* A prefill, and a step after it: bytes received. */
typedef struct volume {
    span_moved prefill, step;
    int64_t    reported; /* of the prefill */
} volume;

/* Windows, whose attention is over soon. */
static const char windows[] = "a_shape";

static sb_status measure(const char *method, const span_how *how, sb_layout_kind kind, int with_lse,
                         volume *out)
{
    span_seq_spec spec = {method,   method == windows ? "sink_tokens=4 window_tokens=32" : "",
                          kind,     tokens(),
                          1,        HEADS,
                          KV_HEADS, DIM};
    span_seq      s;
    float        *lse = NULL;
    sb_status     st  = sb_comm_agree(world, span_seq_open_as(&spec, how, world, &s));
    *out              = (volume){0};
    if (st == SB_OK) {
        lse           = s.lse;
        s.lse         = with_lse || world->size == 1 ? lse : NULL;
        world->stats  = (sb_comm_stats){0};
        span_mpi      = (span_moved){0};
        st            = span_seq_prefill(&s);
        out->prefill  = span_mpi;
        out->reported = world->stats.received_bytes;
        s.lse         = lse;
    }
    if (st == SB_OK) {
        span_mpi  = (span_moved){0};
        st        = span_seq_step(&s);
        out->step = span_mpi;
    }
    span_seq_close(&s);
    return st;
}

/* Blocks as the formula says, agreements of one number, which are not reported, a reduction of
 * `numbers` numbers, which is; nothing else. */
static void expect_received(const char *what, const volume *v, int64_t want, int64_t numbers)
{
    int64_t agreements = v->prefill.reductions - (numbers > 0);
    EVERYWHERE(v->prefill.received == want, "%s: received %lld bytes, the formula gives %lld", what,
               (long long)v->prefill.received, (long long)want);
    EVERYWHERE(v->reported == want + AGREEMENT_BYTES * numbers,
               "%s: reported %lld bytes, moved %lld", what, (long long)v->reported,
               (long long)want);
    EVERYWHERE(v->prefill.reduced_bytes == AGREEMENT_BYTES * (agreements + numbers) &&
                   agreements <= 3,
               "%s: %lld bytes in %lld reductions", what, (long long)v->prefill.reduced_bytes,
               (long long)v->prefill.reductions);
    EVERYWHERE(v->prefill.other == 0, "%s: %lld other calls", what, (long long)v->prefill.other);
}

/* The same where every rank sends what it receives. */
static void expect(const char *what, const volume *v, int64_t want)
{
    expect_received(what, v, want, 0);
    EVERYWHERE(v->prefill.sent == want, "%s: sent %lld bytes, the formula gives %lld", what,
               (long long)v->prefill.sent, (long long)want);
}

/* 2 n Hkv d b, gathered or in a ring; n tokens a rank. */
static int64_t keys_bytes(void)
{
    int64_t n = tokens() / world->size;
    return 2 * (world->size - 1) * n * KV_HEADS * DIM * BF16;
}

/* n d b (2H + 2 max(Hkv, U)) (U-1)/U of the exchange in teams of U; 2 (R/U - 1) n max(Hkv, U) d b
 * of the ring between teams. */
static int64_t heads_bytes(int64_t u)
{
    int64_t n = tokens() / world->size, kv = max_i64(KV_HEADS, u);
    return n * DIM * BF16 * (2 * HEADS + 2 * kv) / u * (u - 1) +
           2 * (world->size / u - 1) * n * kv * DIM * BF16;
}

START_TEST(gathered_keys)
{
    volume   v;
    span_how how = how_of(SB_SCHEME_ALLGATHER, 0);
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "allgather");
    expect("allgather", &v, keys_bytes());
}
END_TEST

START_TEST(keys_in_a_ring)
{
    volume   v;
    span_how how = how_of(SB_SCHEME_RING, 0);
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "ring");
    expect("ring", &v, keys_bytes());
}
END_TEST

/* Some KV heads at a time are no more bytes; nor are those of a method that looks at all keys first
 * (K-only gather, then V in groups). */
START_TEST(keys_in_groups)
{
    volume   v;
    span_how how = how_of(SB_SCHEME_ALLGATHER, 1);
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "groups");
    expect("groups", &v, keys_bytes());
    EVERYWHERE(measure("hip", &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "K, then V in groups");
    expect("K, then V in groups", &v, keys_bytes());
}
END_TEST

/* n H d b of queries, (R-1) n H (d+1) 4 of partials that come back. */
START_TEST(queries_go_round)
{
    volume   v;
    int64_t  rows = (world->size - 1) * (tokens() / world->size) * HEADS;
    span_how how  = how_of(SB_SCHEME_PASS_Q, 0);
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "pass_q");
    expect("pass_q", &v, rows * DIM * BF16 + rows * (DIM + 1) * (int64_t)sizeof(float));
}
END_TEST

/* A window in one piece: sinks and window - 1 keys of ranks before, K and V; and, of each other
 * rank, a bit for every own token and KV head. All sends of a call together are all it receives.
 * phi is agreed on in a pair of numbers. */
START_TEST(halo_of_a_window)
{
    volume   v;
    int64_t  n = tokens() / world->size, rows = world->rank == 0 ? 0 : 4 + 32 - 1;
    int64_t  mask = (world->size - 1) * KV_HEADS * ((n + 7) / 8), moved;
    span_how how  = how_of(SB_SCHEME_FETCH, 0);
    EVERYWHERE(measure(windows, &how, SB_LAYOUT_CONTIGUOUS, 1, &v) == SB_OK, "fetch");
    expect_received("fetch", &v, 2 * rows * KV_HEADS * DIM * BF16 + mask, world->size > 1 ? 2 : 0);
    moved = v.prefill.sent - v.prefill.received;
    ck_assert(sb_comm_allreduce_i64(world, &moved, 1, SB_REDUCE_SUM) == SB_OK);
    EVERYWHERE(moved == 0, "fetch: %lld bytes sent more than received", (long long)moved);
}
END_TEST

/* With lse (R-1)/R n H 4 bytes more. */
START_TEST(heads_over_ranks)
{
    volume   v;
    int64_t  n   = tokens() / world->size;
    span_how how = how_of(SB_SCHEME_ULYSSES, 0);
    if (HEADS % world->size != 0)
        return;
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 0, &v) == SB_OK, "ulysses");
    expect("ulysses", &v, heads_bytes(world->size));
    EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 1, &v) == SB_OK, "ulysses, lse");
    expect("ulysses, lse", &v,
           heads_bytes(world->size) +
               n * HEADS * (int64_t)sizeof(float) / world->size * (world->size - 1));
}
END_TEST

START_TEST(heads_in_teams)
{
    volume v;
    for (int32_t u = 2; u < world->size; u *= 2) {
        span_how how = how_of(SB_SCHEME_USP, u);
        if (world->size % u != 0)
            continue;
        EVERYWHERE(measure(windows, &how, (sb_layout_kind)_i, 0, &v) == SB_OK, "usp");
        expect("usp", &v, heads_bytes(u));
    }
}
END_TEST

/* H dk dv 4 of every rank before: on the last one, which receives most, (R-1) of them. As many go
 * to the ranks behind. And a header of every rank. */
START_TEST(states)
{
    volume   v;
    span_how how   = how_of(SB_SCHEME_STATE, 0);
    int64_t  state = (int64_t)HEADS * DIM * DIM * (int64_t)sizeof(float), R = world->size;
    int64_t  heads = (R - 1) * HEADER_BYTES;
    EVERYWHERE(measure("lightning", &how, SB_LAYOUT_CONTIGUOUS, 1, &v) == SB_OK, "state");
    expect_received("state", &v, world->rank * state + heads, 0);
    EVERYWHERE(v.prefill.sent == (R - 1 - world->rank) * state + heads, "state: sent %lld bytes",
               (long long)v.prefill.sent);
}
END_TEST

/* The records of the other ranks: H (d + 1) numbers and a status word each, in one gather. */
START_TEST(decode_merge)
{
    volume  v;
    int64_t record = (int64_t)HEADS * (DIM + 1) + 1;
    for (int team = 0; team < 2; team++) {
        span_how how = how_of(team ? SB_SCHEME_ULYSSES : SB_SCHEME_ALLGATHER, 0);
        if (team && HEADS % world->size != 0)
            continue;
        EVERYWHERE(measure(windows, &how, SB_LAYOUT_CONTIGUOUS, 1, &v) == SB_OK, "decode");
        EVERYWHERE(v.step.received == (world->size - 1) * record * (int64_t)sizeof(float) &&
                       v.step.reductions == 0 && v.step.other == 0,
                   "a step received %lld bytes, in %lld reductions", (long long)v.step.received,
                   (long long)v.step.reductions);
    }
}
END_TEST

int main(int argc, char **argv)
{
    char            why[128];
    sb_nccl_options o = {0};
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK)
        return 2;
    if (sb_link_choose(world, &sb_backend_cpu, SB_LINK_AUTO, &o, &link_of_all, why, sizeof why) !=
        SB_OK)
        return 2;
    Suite *suite = suite_create("volume");
    TCase *t     = tcase_create("ranks");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, gathered_keys, 0, SB_LAYOUT_COUNT);
    tcase_add_loop_test(t, keys_in_a_ring, 0, SB_LAYOUT_COUNT);
    tcase_add_loop_test(t, keys_in_groups, 0, SB_LAYOUT_COUNT);
    tcase_add_loop_test(t, queries_go_round, 0, SB_LAYOUT_COUNT);
    tcase_add_test(t, halo_of_a_window);
    tcase_add_loop_test(t, heads_over_ranks, 0, SB_LAYOUT_COUNT);
    tcase_add_loop_test(t, heads_in_teams, 0, SB_LAYOUT_COUNT);
    tcase_add_test(t, states);
    tcase_add_test(t, decode_merge);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, world->rank == 0 ? CK_NORMAL : CK_SILENT);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    sb_link_destroy(link_of_all);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failures != 0;
}
