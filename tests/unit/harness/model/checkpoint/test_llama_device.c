/* The forward pass of checkpoints on a device that is none (fake_device.h, rows_double.h): what
 * goes where, in which order, what is refused before anything is read; the real device:
 * tests/cuda/test_llama_cuda.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/model/checkpoint/llama_state.h"
#include "kernels/exec/attend.h"
#include "tests/unit/harness/model/checkpoint/llama_rig.h"
#include "tests/unit/harness/model/checkpoint/rows_double.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"
#include "tests/unit/harness/model/step_double.h"
#include "tests/unit/harness/run/fake_device.h"

/* What goes into products is rounded to bf16, some ten times on the way to a logit: 1e-5. Weights
 * are bf16 already. */
#define NMSE_BF16_ROWS 5e-5

static sb_comm *self;

static void setup(void)
{
    fake_reset();
    rows_double_missing         = 0;
    sbi_llama_device_chunk_rows = 8192;
    ck_assert_int_eq(sb_comm_self_create(&self), SB_OK);
}

static void teardown(void)
{
    ck_assert_uint_eq(fake_device.used, 0); /* all rooms went back */
    sb_comm_destroy(self);
    tiny_clean();
}

static sb_status attend(sb_ctx *ctx, const void *params, const sb_attn_in *in, const sb_plan *plan,
                        sb_cache *cache, sb_attn_out *out)
{
    (void)cache;
    fake_enter(ctx->stream);
    sb_status st = sb_attend_block_csr_cpu(ctx, params, in, plan, NULL, out);
    fake_leave();
    return st;
}

static llama_out run(const llama_run *r) { return llama_must(r, self); }

static llama_run there(const llama_run *r)
{
    llama_run d = *r;
    d.steps     = &rows_double;
    d.attend    = attend;
    return d;
}

START_TEST(logits_are_the_hosts_but_for_roundings)
{
    tiny      t = tiny_variant(_i);
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 130, .max_new = 4, .seed = 5}, d = there(&r);
    llama_out host = run(&r), dev = run(&d);
    double    all = llama_nmse_f(dev.logits, host.logits, r.n_tokens * t.vocab);
    ck_assert_msg(all <= NMSE_BF16_ROWS && all > 0, "nmse %g", all);
    ck_assert_mem_eq(host.emitted, dev.emitted, 4 * sizeof *host.emitted);
    ck_assert_uint_eq(dev.device_bytes, fake_device.most);
    ck_assert_uint_ge(dev.room.device_bytes, dev.device_bytes);
    llama_free(&host);
    llama_free(&dev);
}
END_TEST

static void same_logits(const llama_run *a, const llama_run *b, int64_t vocab)
{
    llama_out x = run(a), y = run(b);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(a->n_tokens * vocab) * sizeof *x.logits);
    llama_free(&x);
    llama_free(&y);
}

START_TEST(chunks_do_not_change_a_bit)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 200, .seed = 2}, d = there(&r);
    llama_out x                 = run(&d), y;
    sbi_llama_device_chunk_rows = 64;
    y                           = run(&d);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(d.n_tokens * t.vocab) * sizeof *x.logits);
    ck_assert_uint_lt(y.room.device_bytes, x.room.device_bytes);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

START_TEST(both_formats_give_the_same_bits)
{
    tiny      t = tiny_variant(_i);
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 40, .seed = 1}, a = there(&r), b = a;
    tiny_gguf(&t, tiny_path("m.gguf"));
    b.path = tiny_path("m.gguf");
    same_logits(&a, &b, t.vocab);
}
END_TEST

/* Without steps to come layers share their K and V. */
START_TEST(one_layers_keys_do_for_a_prefill)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 100, .seed = 1}, a = there(&r), b = a;
    int64_t   layer = 2 * t.kv_heads * t.head_dim * r.n_tokens * (int64_t)sizeof(sb_bf16);
    b.max_new       = 2;
    llama_out x = run(&a), y = run(&b);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(a.n_tokens * t.vocab) * sizeof *x.logits);
    ck_assert_uint_ge(y.room.device_bytes, x.room.device_bytes + (size_t)layer);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

static void refused(const llama_run *r, sb_status want, const char *text)
{
    llama_out o;
    ck_assert_int_eq(llama_forward(r, self, &o), want);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "`%s` not in `%s`", text, sb_error_text());
}

START_TEST(what_does_not_fit_is_refused_before_it_is_read)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 64, .seed = 1}, d = there(&r);
    llama_out o       = run(&d);
    size_t    all     = o.room.device_bytes;
    fake_device.limit = all - 1;
    fake_device.calls = 0;
    refused(&d, SB_ERR_NO_FIT, "GiB for weights and ");
    ck_assert_int_eq(fake_device.calls, 0); /* nothing was taken, nothing moved */
    fake_device.limit = all;
    llama_free(&o);
    o = run(&d);
    llama_free(&o);
}
END_TEST

START_TEST(a_missing_library_is_a_reason)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 64, .seed = 1}, d = there(&r);
    rows_double_missing = 1;
    refused(&d, SB_ERR_UNSUPPORTED, "products: the library is not there");
}
END_TEST

START_TEST(other_families_are_a_reason)
{
    const tiny *families[] = {&tiny_gemma3, &tiny_transnormer};
    for (int i = 0; i < 2; i++) {
        llama_run plain = {.path = tiny_hf(families[i]), .method = "lightning", .n_tokens = 8};
        llama_run r     = there(&plain);
        llama_out o;
        ck_assert_int_eq(llama_forward(&r, self, &o), SB_ERR_UNSUPPORTED);
        ck_assert_msg(
            strstr(sb_error_text(), "allowed llama and qwen2: others run on backend cpu") != NULL,
            "%s", sb_error_text());
    }
}
END_TEST

START_TEST(rows_out_of_line_are_a_reason)
{
    tiny t      = tiny_llama;
    t.mlp       = 100;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 8, .seed = 1}, d = there(&r);
    refused(&d, SB_ERR_UNSUPPORTED, "found 100 intermediate size, allowed multiples of 8");
}
END_TEST

START_TEST(ids_outside_the_vocabulary_are_refused)
{
    tiny t      = tiny_llama;
    t.vocab     = 64; /* ids go up to 252 */
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 8, .seed = 1}, d = there(&r);
    refused(&d, SB_ERR_USAGE, "allowed 0 to 63");
}
END_TEST

/* A configuration alone: weights are drawn there, the same each time. */
START_TEST(random_weights_are_drawn_there)
{
    tiny t = tiny_variant(_i);
    char path[512];
    (void)snprintf(path, sizeof path, "random:%s", tiny_hf(&t));
    ck_assert_int_eq(remove(tiny_path("hf/model.safetensors")), 0);
    llama_run r = {.path = path, .n_tokens = 60, .max_new = 3, .seed = 5}, d = there(&r);
    refused(&r, SB_ERR_UNSUPPORTED, "random weights are drawn on devices");
    llama_out a = run(&d), b = run(&d);
    int64_t   n   = r.n_tokens * t.vocab;
    double    sum = 0;
    ck_assert_mem_eq(a.logits, b.logits, (size_t)n * sizeof *a.logits);
    for (int64_t i = 0; i < n; i++)
        sum += (double)a.logits[i] * (double)a.logits[i];
    /* normed rows times normal weights: sd .02 sqrt(width) */
    ck_assert_double_eq_tol(sqrt(sum / (double)n), 0.02 * sqrt((double)t.width), 0.05);
    llama_free(&a);
    llama_free(&b);
}
END_TEST

/* A step's layers, noted once, are those of all steps that follow. */
START_TEST(steps_by_a_graph_are_the_calls)
{
    tiny      t = tiny_variant(_i);
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 40, .max_new = 24, .seed = 5}, d = there(&r);
    d.attend        = step_double_attend;
    llama_out graph = run(&d);
    ck_assert_int_eq(graph.graphs.steps, r.max_new - 2); /* the last is not fed, the first warms */
    ck_assert_str_eq(graph.graphs.reason, "");
    ck_assert_int_eq(fake_device.begins, 1);
    ck_assert_int_eq(fake_device.graphs, 0);
    d.graphs        = SB_GRAPHS_OFF;
    llama_out calls = run(&d);
    ck_assert_int_eq(calls.graphs.steps, 0);
    ck_assert_mem_eq(graph.emitted, calls.emitted, (size_t)r.max_new * sizeof *calls.emitted);
    ck_assert_mem_eq(graph.last, calls.last, (size_t)t.vocab * sizeof *calls.last);
    llama_free(&graph);
    llama_free(&calls);
}
END_TEST

/* Each call of the device fails in its turn: a status, and nothing is left there. */
START_TEST(any_call_may_fail)
{
    tiny t      = tiny_llama;
    t.layers    = 1;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 8, .max_new = 2, .seed = 1}, d = there(&r);
    llama_out o;
    sb_status st = SB_ERR_DEVICE;
    for (int k = 1; st != SB_OK; k++) {
        size_t limit        = fake_device.limit;
        fake_device.calls   = 0;
        fake_device.fail_at = k;
        st                  = llama_forward(&d, self, &o);
        ck_assert_uint_eq(fake_device.used, 0);
        ck_assert_uint_eq(fake_device.limit, limit);
        ck_assert(st == SB_OK || st == SB_ERR_DEVICE);
        ck_assert_int_lt(k, 10000);
    }
    llama_free(&o);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("llama on a device");
    TCase   *tc = tcase_create("forward");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, logits_are_the_hosts_but_for_roundings, 0, TINY_VARIANTS);
    tcase_add_test(tc, chunks_do_not_change_a_bit);
    tcase_add_loop_test(tc, both_formats_give_the_same_bits, 0, 3);
    tcase_add_test(tc, one_layers_keys_do_for_a_prefill);
    tcase_add_test(tc, what_does_not_fit_is_refused_before_it_is_read);
    tcase_add_test(tc, a_missing_library_is_a_reason);
    tcase_add_test(tc, other_families_are_a_reason);
    tcase_add_test(tc, rows_out_of_line_are_a_reason);
    tcase_add_test(tc, ids_outside_the_vocabulary_are_refused);
    tcase_add_loop_test(tc, random_weights_are_drawn_there, 0, 3);
    tcase_add_loop_test(tc, steps_by_a_graph_are_the_calls, 0, TINY_VARIANTS);
    tcase_add_test(tc, any_call_may_fail);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
