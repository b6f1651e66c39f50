/* Whole questions on the device beside the CPU: the same answers, and in the first layer the same
 * q, k, v. Without a device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/model/forward_parts.h"
#include "harness/model/probe/probe.h"
#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/tolerance.h"
#include "tests/unit/harness/model/forward_rig.h"

#define DENSE "dense", ""
#define SINKS "streaming_llm", "sink_tokens=16 window_tokens=600"
#define POWER "power_attention", "block_tokens=128"

static const forward_spec specs[] = {
    {"niah_single", 1024, DENSE, 0},
    {"niah_multikey", 1024, DENSE, 0},
    {"niah_multivalue", 1024, DENSE, 0},
    {"niah_multiquery", 1024, DENSE, 0},
    {"vt", 1024, DENSE, 0},
    {"qa_2hop", 1024, DENSE, 0},
    {"cwe", 1024, DENSE, 0},
    {"fwe", 1024, DENSE, 0},
    {"niah_multikey", 4096, DENSE, 0},
    {"qa_2hop", 1999, DENSE, 0},
    {"niah_single", 1024, SINKS, 0},
    {"niah_multikey", 1024, SINKS, 1},
    {"niah_multivalue", 1024, SINKS, 0},
    {"niah_multiquery", 1024, SINKS, 0},
    {"vt", 1024, SINKS, 0},
    {"qa_2hop", 1024, SINKS, 0},
    {"cwe", 1024, SINKS, 0},
    {"fwe", 4096, SINKS, 0},
    {"niah_single", 1024, POWER, 0},
    {"niah_multikey", 1024, POWER, 0},
    {"niah_multivalue", 1024, POWER, 1},
    {"niah_multiquery", 1024, POWER, 0},
    {"vt", 1024, POWER, 0},
    {"qa_2hop", 2048, POWER, 0},
    {"cwe", 1024, POWER, 0},
    {"fwe", 1024, POWER, 0},
    {"niah_multivalue", 1024, "power_attention", "pattern=moa alpha_tokens=100", 0},
    {"fwe", 1024, "random_blocks", "", 0}, /* plans there, in decode too */
    {"niah_single", 2048, "random_blocks", "", 0},
};

/* Of all layers; rows of q and k that follow from rounded outputs of the layer before differ by
 * roundings too. */
static double nmse(const sb_bf16 *a, const sb_bf16 *b, int64_t n)
{
    double num = 0, den = 0;
    for (int64_t i = 0; i < n; i++) {
        double want = (double)sb_bf16_to_f32(a[i]), got = (double)sb_bf16_to_f32(b[i]);
        num += (got - want) * (got - want);
        den += want * want;
    }
    return num / den;
}

START_TEST(answers_are_the_hosts)
{
    const forward_spec *s     = &specs[_i];
    const sb_method    *m     = sb_method_find(s->method);
    sb_model           *model = forward_probe();
    forward_result      host, dev;
    ck_assert_msg(forward_run(s, model, m, sb_method_find("dense"), &sb_backend_cpu, &host) ==
                      SB_OK,
                  "%s", sb_error_text());
    ck_assert_msg(forward_run(s, model, m, sb_method_find("dense"), &sb_backend_cuda, &dev) ==
                      SB_OK,
                  "%s %s: %s", s->task, s->method, sb_error_text());
    int64_t q = host.n_q / host.layers, kv = host.n_kv / host.layers; /* the first layer's */
    ck_assert_int_eq(host.n_q, dev.n_q);
    ck_assert_int_eq(memcmp(host.q, dev.q, (size_t)q * sizeof *host.q), 0);
    ck_assert_int_eq(memcmp(host.k, dev.k, (size_t)kv * sizeof *host.k), 0);
    ck_assert_int_eq(memcmp(host.v, dev.v, (size_t)kv * sizeof *host.v), 0);
    double first = nmse(host.o, dev.o, q);
    ck_assert_msg(first <= SB_NMSE_PO_BF16 + SB_NMSE_BF16, "%s %s: o %g", s->task, s->method,
                  first);
    ck_assert_msg(host.score == dev.score, "%s %s: score %g, the host's %g", s->task, s->method,
                  dev.score, host.score);
    if (strcmp(s->method, "dense") == 0)
        ck_assert(dev.score == 1.0);
    ck_assert_uint_ge(dev.room.device_bytes, dev.device_bytes);
    ck_assert_int_gt(dev.times.ns[SB_PHASE_COMPUTE], 0);
    ck_assert_int_le(dev.times.ns[SB_PHASE_ATTENTION], dev.times.ns[SB_PHASE_PREFILL]);
    forward_free(&host);
    forward_free(&dev);
    sb_model_probe.destroy(model);
}
END_TEST

/* The script's steps as launches of one graph, through marks and rollbacks: the bits of calls. */
START_TEST(steps_by_a_graph_are_the_calls)
{
    static const char *const tasks[] = {"niah_multiquery", "niah_multivalue", "qa_2hop",
                                        "niah_single"};
    const forward_spec       s       = {tasks[_i], 1024, DENSE, 1};
    const sb_method         *dense   = sb_method_find("dense");
    sb_model                *model   = forward_probe();
    forward_result           graph, calls;
    sbi_steps_least = 2;
    ck_assert_msg(forward_run(&s, model, dense, dense, &sb_backend_cuda, &graph) == SB_OK, "%s",
                  sb_error_text());
    forward_graphs = SB_GRAPHS_OFF;
    ck_assert_msg(forward_run(&s, model, dense, dense, &sb_backend_cuda, &calls) == SB_OK, "%s",
                  sb_error_text());
    forward_graphs  = SB_GRAPHS_AUTO;
    sbi_steps_least = 8;
    (void)printf("%s: %lld of %lld steps by a graph%s%s\n", s.task, (long long)graph.graphs.steps,
                 (long long)graph.n_feed, graph.graphs.reason[0] != '\0' ? ": " : "",
                 graph.graphs.reason);
    ck_assert_int_eq(graph.graphs.steps, graph.n_feed - 1);
    ck_assert_int_eq(calls.graphs.steps, 0);
    ck_assert_mem_eq(graph.emitted, calls.emitted, (size_t)calls.n_emit * sizeof *calls.emitted);
    ck_assert_mem_eq(graph.last_row, calls.last_row, (size_t)calls.n_row * sizeof *calls.last_row);
    forward_free(&graph);
    forward_free(&calls);
    sb_model_probe.destroy(model);
}
END_TEST

/* States are carried from the prefill through decode, and rolled back. */
START_TEST(states_are_carried_there)
{
    static const forward_spec states[] = {{"niah_multivalue", 1024, "linear", "kind=elu1", 0},
                                          {"fwe", 1024, "linear", "kind=elu1", 0},
                                          {"niah_single", 1024, "lightning", "slope_heads=kv", 0}};
    const forward_spec       *s        = &states[_i];
    const sb_method          *m        = sb_method_find(s->method);
    sb_model                 *model    = forward_probe();
    forward_result            host, dev;
    ck_assert_msg(forward_run(s, model, m, sb_method_find("dense"), &sb_backend_cpu, &host) ==
                      SB_OK,
                  "%s", sb_error_text());
    ck_assert_msg(forward_run(s, model, m, sb_method_find("dense"), &sb_backend_cuda, &dev) ==
                      SB_OK,
                  "%s", sb_error_text());
    double first = nmse(host.o, dev.o, host.n_q / host.layers);
    ck_assert_msg(first <= SB_SCAN_REL_BF16 * SB_SCAN_REL_BF16, "%s: %g", s->method, first);
    ck_assert_msg(fabs(host.score - dev.score) < 1e-9, "%s %s: score %g, the host's %g", s->task,
                  s->method, dev.score, host.score);
    forward_free(&host);
    forward_free(&dev);
    sb_model_probe.destroy(model);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("forward cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, answers_are_the_hosts, 0, sizeof specs / sizeof *specs);
    tcase_add_loop_test(t, steps_by_a_graph_are_the_calls, 0, 4);
    tcase_add_loop_test(t, states_are_carried_there, 0, 3);
    suite_add_tcase(s, t);
    return device_run(s);
}
