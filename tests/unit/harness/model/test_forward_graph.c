/* Decode steps by a graph on a device that is none (fake_device.h), whose launches repeat what was
 * noted, with the addresses and numbers of then: when steps are noted, that they say what calls
 * say, and that whatever goes wrong with a graph costs the graph alone. The real device:
 * tests/cuda/test_llama_cuda.c, test_forward_cuda.c. */
#include <check.h>
#include <string.h>

#include "harness/model/forward_parts.h"
#include "harness/model/probe/probe.h"
#include "kernels/registry.h"
#include "tests/unit/harness/model/forward_double.h"
#include "tests/unit/harness/model/forward_rig.h"
#include "tests/unit/harness/model/step_double.h"
#include "tests/unit/harness/run/fake_device.h"

static const forward_spec specs[] = {
    {"niah_multiquery", 1024, "dense", "", 1},
    {"niah_multivalue", 1024, "dense", "", 1}, /* rolls back */
    {"qa_2hop", 1000, "dense", "", 1},
    {"niah_single", 1024, "dense", "", 1},
};
enum { SPECS = sizeof specs / sizeof *specs };

static void setup(void)
{
    fake_reset();
    sbi_steps_least = 2;
    forward_graphs  = SB_GRAPHS_AUTO;
}

static void teardown(void)
{
    sbi_steps_least = 8;
    ck_assert_uint_eq(fake_device.used, 0);
    ck_assert_int_eq(fake_device.graphs, 0);
    ck_assert_int_eq(fake_device.begins, fake_device.ends);
}

/* attend: of dense there; its step_bytes are left away where `told` is 0. */
static sb_status run(const forward_spec *s, const sb_backend *b, sb_attend_fn attend, int told,
                     forward_result *out)
{
    sb_model *model = b->id == SB_CPU ? forward_probe() : forward_double_probe();
    sb_method m = *sb_method_find(s->method), dense = *sb_method_find("dense");
    m.attend[SB_CUDA]     = attend;
    dense.attend[SB_CUDA] = attend;
    if (!told)
        dense.step_bytes = NULL;
    sb_status st = forward_run(s, model, &m, &dense, b, out);
    sb_model_probe.destroy(model);
    return st;
}

static void must(const forward_spec *s, const sb_backend *b, forward_result *out)
{
    ck_assert_msg(run(s, b, step_double_attend, 1, out) == SB_OK, "%s: %s", s->task,
                  sb_error_text());
}

static void same(const forward_result *a, const forward_result *b)
{
    ck_assert_int_eq(a->n_emit, b->n_emit);
    ck_assert_mem_eq(a->emitted, b->emitted, (size_t)a->n_emit * sizeof *a->emitted);
    ck_assert_mem_eq(a->last_row, b->last_row, (size_t)a->n_row * sizeof *a->last_row);
}

/* The first step is no graph's, the second is noted, from then on nothing but launches. */
START_TEST(launches_are_the_calls)
{
    forward_result by_calls, by_graph;
    forward_graphs = SB_GRAPHS_OFF;
    must(&specs[_i], &fake_backend_graphs, &by_calls);
    forward_graphs = SB_GRAPHS_AUTO;
    ck_assert_int_eq(fake_device.begins, 0);
    ck_assert_int_eq(by_calls.graphs.steps, 0);
    ck_assert_str_eq(by_calls.graphs.reason, "graphs: off");
    fake_reset();
    must(&specs[_i], &fake_backend_graphs, &by_graph);
    same(&by_calls, &by_graph);
    ck_assert_int_ge(by_graph.n_feed, 2);
    ck_assert_str_eq(by_graph.graphs.reason, "");
    ck_assert_int_eq(by_graph.graphs.steps, by_graph.n_feed - 1);
    ck_assert_int_eq(fake_device.begins, 1);
    ck_assert_int_eq(fake_device.launches, by_graph.n_feed - 1);
    ck_assert_int_eq(fake_device.noted, 3 * by_graph.layers); /* qkv, attend, absorb */
    /* two prefills, the first step, the noted one */
    ck_assert_int_eq(fake_device.attends, 4 * by_graph.layers);
    ck_assert_uint_ge(by_graph.room.device_bytes, by_graph.device_bytes);
    forward_free(&by_calls);
    forward_free(&by_graph);
}
END_TEST

START_TEST(what_has_no_graphs_says_why)
{
    forward_result r;
    forward_spec   s = specs[0];
    must(&s, &sb_backend_cpu, &r);
    ck_assert_str_eq(r.graphs.reason, "cpu has no graphs");
    forward_free(&r);
    must(&s, &fake_backend, &r);
    ck_assert_str_eq(r.graphs.reason, "fake has no graphs");
    forward_free(&r);
    ck_assert_int_eq(run(&s, &fake_backend_graphs, step_double_attend, 0, &r), SB_OK);
    ck_assert_str_eq(r.graphs.reason, "dense has no steps that are told in device memory");
    forward_free(&r);
    sbi_steps_least = r.n_feed + 1000;
    must(&s, &fake_backend_graphs, &r);
    ck_assert_str_eq(r.graphs.reason, "too few steps to pay for it");
    ck_assert_int_eq(r.graphs.steps, 0);
    forward_free(&r);
    ck_assert_int_eq(fake_device.begins, 0);
}
END_TEST

/* Each of the driver's calls, and a call inside that a capture cannot have. */
static sb_status attend_that_waits(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                   const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    sb_status st = ctx->backend->sync(ctx->stream);
    return st == SB_OK ? step_double_attend(ctx, params, in, plan, cache, out) : st;
}

START_TEST(without_a_graph_calls_go_on)
{
    static const struct {
        const char  *call, *reason;
        sb_attend_fn attend;
    } cases[] = {{"graph_begin", "graph_begin, fails", step_double_attend},
                 {"graph_end", "graph_end, fails", step_double_attend},
                 {"graph_launch", "graph_launch, fails", step_double_attend},
                 {NULL, "fake: sync while a graph is noted", attend_that_waits}};
    forward_result want, got;
    forward_graphs = SB_GRAPHS_OFF;
    must(&specs[1], &fake_backend_graphs, &want);
    forward_graphs = SB_GRAPHS_AUTO;
    fake_reset();
    fake_device.fail_call = cases[_i].call;
    ck_assert_msg(run(&specs[1], &fake_backend_graphs, cases[_i].attend, 1, &got) == SB_OK, "%s",
                  sb_error_text());
    same(&want, &got);
    ck_assert_int_eq(got.graphs.steps, 0);
    ck_assert_msg(strstr(got.graphs.reason, cases[_i].reason) != NULL, "%s", got.graphs.reason);
    ck_assert_int_le(fake_device.begins, 1); /* it is tried once */
    forward_free(&want);
    forward_free(&got);
}
END_TEST

/* The script's calls, one by one: a failure of a graph's is none, one of another call is a status;
 * nothing leaks. */
START_TEST(any_call_may_fail)
{
    forward_result r;
    int            passed = 0, all;
    must(&specs[3], &fake_backend_graphs, &r);
    /* of a step: its place and the graph; before the second: begin and end */
    int64_t of_script = 2 * r.n_feed - 1 + 2;
    all               = fake_device.calls;
    forward_free(&r);
    for (int k = all - (int)of_script + 1; k <= all; k++) {
        fake_reset();
        fake_device.fail_at = k;
        sb_status st        = run(&specs[3], &fake_backend_graphs, step_double_attend, 1, &r);
        passed += st == SB_OK;
        ck_assert(st == SB_OK || st == SB_ERR_DEVICE);
        ck_assert_uint_eq(fake_device.used, 0);
        ck_assert_int_eq(fake_device.graphs, 0);
        forward_free(&r);
    }
    ck_assert_int_ge(passed, 3); /* begin, end, launches */
    ck_assert_int_lt(passed, (int)of_script);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("steps by a graph");
    TCase *t = tcase_create("fake");
    tcase_set_timeout(t, 240);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, launches_are_the_calls, 0, SPECS);
    tcase_add_test(t, what_has_no_graphs_says_why);
    tcase_add_loop_test(t, without_a_graph_calls_go_on, 0, 4);
    tcase_add_test(t, any_call_may_fail);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
