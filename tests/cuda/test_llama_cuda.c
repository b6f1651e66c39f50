/* Checkpoints on the device beside the CPU: the same logits but for bf16, the same continuations.
 * SPAN_SMOLLM2=FILE.gguf adds a real one. Without a device or cuBLASLt: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/model/checkpoint/llama_state.h"
#include "kernels/backend/cublaslt.h"
#include "kernels/exec/attend.h"
#include "tests/cuda/device_main.h"
#include "tests/unit/harness/model/checkpoint/llama_rig.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

/* What goes into products, and P of attention, is rounded to bf16: 1e-5 of two layers. Weights are
 * bf16 already. */
#define NMSE_ROWS 5e-5
/* Of thirty layers, and of weights that bf16 rounds: torch's own bf16 run is at 9.3e-5 from fp32
 * (harness/model/checkpoint/README.md). */
#define NMSE_SMOLLM2 2e-4

static sb_comm *self;

static void setup(void) { ck_assert_int_eq(sb_comm_self_create(&self), SB_OK); }

static void teardown(void)
{
    sbi_llama_device_chunk_rows = 8192;
    sb_comm_destroy(self);
    tiny_clean();
}

static llama_out run(const llama_run *r) { return llama_must(r, self); }

static llama_run there(const llama_run *r)
{
    llama_run d = *r;
    d.steps     = &sb_device_rows_cuda;
    return d;
}

/* Plain, with biases, with another head and biases of o, yarn, heads of 128. */
static tiny variant(int i)
{
    tiny t = tiny_variant(i);
    if (i == 4) {
        t.width    = 576;
        t.mlp      = 1000; /* a multiple of 8 alone */
        t.head_dim = 128;
        t.heads    = 8;
    }
    return t;
}
enum { VARIANTS = TINY_VARIANTS + 1 };

static double compare(const llama_run *r, const char *what)
{
    llama_run d    = there(r);
    llama_out host = run(r), dev = run(&d);
    double    all = llama_nmse_f(dev.logits, host.logits, r->n_tokens * host.vocab), worst = 0;
    int64_t   same = 0;
    for (int64_t i = 0; i < r->n_tokens; i++) {
        const float *a = dev.logits + i * host.vocab, *b = host.logits + i * host.vocab;
        int64_t      x = 0, y = 0;
        double       e = llama_nmse_f(a, b, host.vocab);
        for (int64_t k = 0; k < host.vocab; k++) {
            x = a[k] > a[x] ? k : x;
            y = b[k] > b[y] ? k : y;
        }
        same += x == y;
        worst = e > worst ? e : worst;
    }
    (void)printf("%s: nmse %.2e, of the worst row %.2e; same best token in %.1f %% of %lld rows\n",
                 what, all, worst, 100.0 * (double)same / (double)r->n_tokens,
                 (long long)r->n_tokens);
    ck_assert_mem_eq(host.emitted, dev.emitted, (size_t)r->max_new * sizeof *host.emitted);
    ck_assert_uint_ge(dev.room.device_bytes, dev.device_bytes);
    llama_free(&host);
    llama_free(&dev);
    return all;
}

START_TEST(logits_are_the_hosts_but_for_bf16)
{
    tiny t = variant(_i);
    char what[32];
    tiny_folder(&t, tiny_path("hf"));
    (void)snprintf(what, sizeof what, "tiny %d", _i);
    llama_run r = {.path = tiny_path("hf"), .n_tokens = 333, .max_new = 4, .seed = 5};
    ck_assert_double_le(compare(&r, what), NMSE_ROWS);
}
END_TEST

START_TEST(gguf_rows_are_put_in_order)
{
    tiny t = tiny_llama;
    tiny_gguf(&t, tiny_path("m.gguf"));
    llama_run r = {.path = tiny_path("m.gguf"), .n_tokens = 100, .max_new = 4, .seed = 1};
    ck_assert_double_le(compare(&r, "tiny gguf"), NMSE_ROWS);
}
END_TEST

/* Sums of a product may run in another order for another number of rows. */
START_TEST(chunks_change_roundings_alone)
{
    tiny t = tiny_llama;
    tiny_folder(&t, tiny_path("hf"));
    llama_run r = {.path = tiny_path("hf"), .n_tokens = 300, .seed = 2}, d = there(&r);
    llama_out x                 = run(&d);
    sbi_llama_device_chunk_rows = 64;
    llama_out y                 = run(&d);
    ck_assert_double_le(llama_nmse_f(y.logits, x.logits, r.n_tokens * t.vocab), NMSE_ROWS);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

/* Methods with a plan of their own there, over windows of all or of some tokens. */
START_TEST(other_methods_run_there)
{
    static const struct {
        const char *name;
        double      nmse; /* what is chosen may differ by roundings */
    } methods[] = {{"streaming_llm", NMSE_ROWS}, {"a_shape", NMSE_ROWS}, {"flexprefill", 1e-2},
                   {"xattention", 1e-2},         {"hip", 1e-2},          {"minference", 1e-2}};
    tiny t      = variant(4);
    tiny_folder(&t, tiny_path("hf"));
    llama_run r    = {.path     = tiny_path("hf"),
                      .method   = methods[_i].name,
                      .n_tokens = 1200,
                      .seed     = 3},
              d    = there(&r);
    llama_out host = run(&r), dev = run(&d);
    double    e = llama_nmse_f(dev.logits, host.logits, r.n_tokens * host.vocab);
    (void)printf("%s: nmse %.2e\n", methods[_i].name, e);
    ck_assert_double_le(e, methods[_i].nmse);
    llama_free(&host);
    llama_free(&dev);
}
END_TEST

/* The same tokens and, after the last step, the same logits to the bit, while keys grow past the
 * places where decode splits once more and where its merge takes other warps. */
static void graph_equals_calls(llama_run d, const char *what)
{
    d.graphs        = SB_GRAPHS_AUTO;
    llama_out graph = run(&d);
    d.graphs        = SB_GRAPHS_OFF;
    llama_out calls = run(&d);
    (void)printf("%s: %lld of %lld steps by a graph%s%s\n", what, (long long)graph.graphs.steps,
                 (long long)d.max_new - 1, graph.graphs.reason[0] != '\0' ? ": " : "",
                 graph.graphs.reason);
    ck_assert_int_eq(graph.graphs.steps, d.max_new - 2);
    ck_assert_int_eq(calls.graphs.steps, 0);
    ck_assert_str_eq(calls.graphs.reason, "graphs: off");
    ck_assert_mem_eq(graph.emitted, calls.emitted, (size_t)d.max_new * sizeof *calls.emitted);
    ck_assert_mem_eq(graph.last, calls.last, (size_t)calls.vocab * sizeof *calls.last);
    ck_assert_uint_ge(graph.room.device_bytes, graph.device_bytes);
    llama_free(&graph);
    llama_free(&calls);
}

START_TEST(steps_by_a_graph_are_the_calls)
{
    static const int64_t lengths[] = {3, 245, 3060};
    tiny                 t         = variant(_i / 3);
    char                 what[48];
    tiny_folder(&t, tiny_path("hf"));
    llama_run r = {.path = tiny_path("hf"), .n_tokens = lengths[_i % 3], .max_new = 24, .seed = 5};
    (void)snprintf(what, sizeof what, "tiny %d, %lld tokens", _i / 3, (long long)r.n_tokens);
    graph_equals_calls(there(&r), what);
}
END_TEST

/* A call that a capture cannot have: no graph, the same answer, and the device goes on. */
static sb_status attend_that_waits(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                   const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    sb_status st = ctx->backend->sync(ctx->stream);
    return st == SB_OK ? sb_attend_dense_cuda(ctx, params, in, plan, cache, out) : st;
}

START_TEST(a_capture_that_fails_costs_the_graph_alone)
{
    tiny t = tiny_llama;
    tiny_folder(&t, tiny_path("hf"));
    llama_run r = {.path = tiny_path("hf"), .n_tokens = 100, .max_new = 12, .seed = 5};
    llama_run d = there(&r), off = d, broken = d;
    off.graphs      = SB_GRAPHS_OFF;
    broken.attend   = attend_that_waits;
    llama_out calls = run(&off), tried = run(&broken), graph = run(&d);
    (void)printf("refused: %s\n", tried.graphs.reason);
    ck_assert_int_eq(tried.graphs.steps, 0);
    ck_assert_ptr_nonnull(strstr(tried.graphs.reason, "stream is capturing"));
    ck_assert_int_eq(graph.graphs.steps, r.max_new - 2);
    ck_assert_mem_eq(tried.last, calls.last, (size_t)calls.vocab * sizeof *calls.last);
    ck_assert_mem_eq(graph.last, calls.last, (size_t)calls.vocab * sizeof *calls.last);
    llama_free(&calls);
    llama_free(&tried);
    llama_free(&graph);
}
END_TEST

START_TEST(smollm2)
{
    const char *path = getenv("SPAN_SMOLLM2");
    if (path == NULL) {
        (void)printf("smollm2: skipped: SPAN_SMOLLM2 names no file\n");
        return;
    }
    llama_run r = {.path = path, .n_tokens = 400, .max_new = 8, .seed = 1, .threads = 8};
    ck_assert_double_le(compare(&r, "smollm2"), NMSE_SMOLLM2);
    r.max_new = 128; /* keys pass 512 */
    graph_equals_calls(there(&r), "smollm2");
}
END_TEST

int main(void)
{
    char text[96];
    int  missing = device_missing(0);
    if (missing != 0)
        return missing;
    if (sb_cublaslt_describe(text, sizeof text) != SB_OK) {
        (void)printf("skipped: %s\n", sb_error_text());
        return 77;
    }
    Suite *s = suite_create("llama cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 300);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, logits_are_the_hosts_but_for_bf16, 0, VARIANTS);
    tcase_add_test(t, gguf_rows_are_put_in_order);
    tcase_add_test(t, chunks_change_roundings_alone);
    tcase_add_loop_test(t, other_methods_run_there, 0, 6);
    tcase_add_loop_test(t, steps_by_a_graph_are_the_calls, 0, 3 * VARIANTS);
    tcase_add_test(t, a_capture_that_fails_costs_the_graph_alone);
    tcase_add_test(t, smollm2);
    suite_add_tcase(s, t);
    return device_run(s);
}
