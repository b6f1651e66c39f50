/* A model's prefill and decode on several ranks with devices that are none, against one rank's:
 * what is answered, and what a look finds. Under mpirun. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/model/probe/probe.h"
#include "kernels/registry.h"
#include "tests/mpi/device_double.h"
#include "tests/unit/harness/model/forward_double.h"
#include "tests/unit/harness/model/forward_rig.h"
#include "tests/unit/harness/run/fake_device.h"

static sb_comm *world;
static sb_link *linked;

typedef struct ranks_case {
    forward_spec   spec;
    sb_scheme      scheme;
    int32_t        asked;
    sb_layout_kind layout;
} ranks_case;

static const ranks_case cases[] = {
    {{"niah_multiquery", 1000, "dense", "", 0}, SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_ZIGZAG},
    {{"niah_multivalue", 1000, "streaming_llm", "window_tokens=300", 0}, /* rolls back */
     SB_SCHEME_ALLGATHER,
     1,
     SB_LAYOUT_CONTIGUOUS},
    {{"fwe", 1000, "power_attention", "block_tokens=64", 0}, SB_SCHEME_RING, 0, SB_LAYOUT_ZIGZAG},
    {{"niah_multivalue", 1000, "streaming_llm", "window_tokens=100", 0},
     SB_SCHEME_FETCH,
     0,
     SB_LAYOUT_CONTIGUOUS},
    {{"niah_single", 1000, "dense", "", 0}, SB_SCHEME_FETCH, 0, SB_LAYOUT_ZIGZAG},
    {{"niah_multiquery", 1000, "dense", "", 0}, SB_SCHEME_PASS_Q, 0, SB_LAYOUT_ZIGZAG},
    {{"fwe", 1000, "power_attention", "block_tokens=64", 0},
     SB_SCHEME_PASS_Q,
     0,
     SB_LAYOUT_CONTIGUOUS},
    {{"niah_single", 1000, "flexprefill", "gamma=0.9", 1},
     SB_SCHEME_ULYSSES,
     0,
     SB_LAYOUT_CONTIGUOUS},
    {{"niah_single", 1000, "minference", "vertical_tokens=100 slash_tokens=200 starting_layer=1",
      1},
     SB_SCHEME_ALLGATHER,
     0,
     SB_LAYOUT_CONTIGUOUS},
    {{"niah_single", 1000, "flexprefill", "gamma=0.9 tau=0.5 min_budget_tokens=128", 1},
     SB_SCHEME_ALLGATHER,
     0,
     SB_LAYOUT_CONTIGUOUS},
    {{"niah_single", 1000, "streaming_llm", "window_tokens=300", 1},
     SB_SCHEME_USP,
     2,
     SB_LAYOUT_ZIGZAG},
    {{"niah_multivalue", 1000, "random_blocks", "density=.6", 1},
     SB_SCHEME_USP,
     2,
     SB_LAYOUT_CONTIGUOUS},
};

/* All ranks go on, or none. */
#define EVERYWHERE(ok, what)                                                                       \
    do {                                                                                           \
        int64_t bad_ = !(ok);                                                                      \
        if (bad_)                                                                                  \
            fprintf(stderr, "rank %d: %s: %s\n", world->rank, what, sb_error_text());              \
        ck_assert(sb_comm_allreduce_i64(world, &bad_, 1, SB_REDUCE_SUM) == SB_OK);                 \
        ck_assert_msg(bad_ == 0, "%s: on %lld ranks", what, (long long)bad_);                      \
    } while (0)

START_TEST(answers_are_one_ranks)
{
    const ranks_case *c = &cases[_i];
    forward_result    one, all;
    sb_method         m, dense;
    forward_ranks     r = {.comm = world, .link = linked, .layout = c->layout};
    if ((c->scheme == SB_SCHEME_ULYSSES && 8 % world->size != 0) ||
        (c->scheme == SB_SCHEME_USP && world->size % c->asked != 0))
        return; /* of 1 rank and of 3 no such team is made, of 4 there are two */
    sb_model *model = forward_double_probe();
    device_double(sb_method_find("dense"), 0, &dense);
    device_double(sb_method_find(c->spec.method), 0, &m);
    if (world->size > 1)
        r.use = sb_scheme_used(c->scheme, c->asked, world->size, world->size, 8, 4);
    EVERYWHERE(forward_run(&c->spec, model, &m, &dense, &fake_backend, &one) == SB_OK, "one rank");
    sb_status st = forward_run_ranks(&c->spec, model, &m, &dense, &fake_backend, &r, &all);
    EVERYWHERE(st == SB_OK, c->spec.method);
    EVERYWHERE(one.n_emit == all.n_emit &&
                   memcmp(one.emitted, all.emitted, (size_t)one.n_emit * sizeof *one.emitted) == 0,
               "answers");
    EVERYWHERE(one.score == all.score && all.layers == one.layers, "score");
    EVERYWHERE(all.device_bytes <= all.room.device_bytes, "room on the device");
    EVERYWHERE(all.room.host_bytes == all.high_water, "room on the host");
    EVERYWHERE(all.times.ns[SB_PHASE_COMMUNICATE] <= all.times.ns[SB_PHASE_ATTENTION], "times");
    EVERYWHERE(fake_device.used == 0, "rooms went back");
    int64_t rows = all.n_q; /* over all ranks, and layers, those of one rank */
    EVERYWHERE(sb_comm_allreduce_i64(world, &rows, 1, SB_REDUCE_SUM) == SB_OK && rows == one.n_q,
               "rows looked at");
    forward_free(&one);
    forward_free(&all);
    sb_model_probe.destroy(model);
}
END_TEST

/* Before anything runs: a decode that would need what others have. */
START_TEST(decodes_that_several_ranks_cannot_take_are_refused)
{
    const forward_spec s = {"niah_multivalue", 1000, "hip", "", 0};
    forward_result     all;
    sb_method          m;
    forward_ranks      r = {.comm   = world,
                            .link   = linked,
                            .use    = {.team = world->size},
                            .layout = SB_LAYOUT_CONTIGUOUS};
    if (world->size != 2)
        return;
    sb_model *model = forward_double_probe();
    device_double(sb_method_find("hip"), 0, &m);
    EVERYWHERE(forward_run_ranks(&s, model, &m, &m, &fake_backend, &r, &all) == SB_ERR_UNSUPPORTED,
               "hip");
    EVERYWHERE(strstr(sb_error_text(), "decode: found hip on 2 ranks of backend fake") != NULL,
               "reason");
    forward_free(&all);
    sb_model_probe.destroy(model);
}
END_TEST

int main(int argc, char **argv)
{
    const sb_nccl_options o = {.timeout_s = 20};
    char                  why[160];
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK)
        return 2;
    fake_reset();
    if (sb_link_choose(world, &fake_backend, SB_LINK_MPI_HOST, &o, &linked, why, sizeof why) !=
        SB_OK)
        sb_mpi_abort(2);
    Suite *s = suite_create("forward pass of ranks on devices");
    TCase *t = tcase_create("ranks");
    tcase_set_timeout(t, 0); /* mpirun --timeout is the guard */
    tcase_add_loop_test(t, answers_are_one_ranks, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, decodes_that_several_ranks_cannot_take_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, world->rank == 0 ? CK_NORMAL : CK_SILENT);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    sb_link_destroy(linked);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failures != 0;
}
