/* Gemma 3 and TransNormerLLM: against others' logits, in both formats, in chunks, over ranks, step
 * by step, and what they refuse [models 1.4, lightning 3.5]. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "tests/golden/checkpoint_families.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/harness/model/checkpoint/llama_rig.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

/* q, k, v and o are bf16 (2^-9 each), all else fp32. */
#define NMSE_OTHERS 5e-6

static sb_comm *self;

static void setup(void) { ck_assert_int_eq(sb_comm_self_create(&self), SB_OK); }

static void teardown(void)
{
    sb_comm_destroy(self);
    tiny_clean();
}

static llama_out run(const llama_run *r) { return llama_must(r, self); }

static void refused(const llama_run *r, const char *text)
{
    llama_out o;
    ck_assert_int_eq(llama_forward(r, self, &o), SB_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "`%s` not in `%s`", text, sb_error_text());
}

static llama_run gemma3_run(void)
{
    return (llama_run){
        .path = tiny_hf(&tiny_gemma3), .n_tokens = GOLDEN_TOKENS, .seed = GOLDEN_SEED};
}

static llama_run transnormer_run(void)
{
    return (llama_run){.path     = tiny_hf(&tiny_transnormer),
                       .method   = "lightning",
                       .decode   = "lightning",
                       .n_tokens = GOLDEN_TOKENS,
                       .seed     = GOLDEN_SEED};
}

static llama_run run_of(int i) { return i == 0 ? gemma3_run() : transnormer_run(); }

static void same(const llama_out *a, const llama_out *b, int64_t rows)
{
    ck_assert_mem_eq(a->logits, b->logits, (size_t)(rows * a->vocab) * sizeof *a->logits);
}

START_TEST(logits_are_those_of_others)
{
    enum { N = sizeof *gemma3_golden / sizeof **gemma3_golden };
    const double(*golden)[N] = _i == 0 ? gemma3_golden : transnormer_golden;
    llama_run r              = run_of(_i);
    llama_out o              = run(&r);
    float     got[N];
    for (int p = 0; p < GOLDEN_POSITIONS; p++) {
        for (int k = 0; k < N; k++)
            got[k] = o.logits[golden_position[p] * o.vocab + k * GOLDEN_EVERY];
        double nmse = llama_nmse(got, golden[p], N);
        ck_assert_msg(nmse <= NMSE_OTHERS, "family %d, token %d: nmse %g", _i, golden_position[p],
                      nmse);
    }
    llama_free(&o);
}
END_TEST

START_TEST(chunks_and_threads_do_not_change_a_bit)
{
    llama_run r          = run_of(_i);
    llama_out x          = run(&r), y;
    sbi_llama_chunk_rows = 64;
    r.threads            = 2;
    y                    = run(&r);
    same(&x, &y, r.n_tokens);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

START_TEST(gguf_gives_the_same_bits)
{
    llama_run a = gemma3_run(), b = a;
    tiny_gguf(&tiny_gemma3, tiny_path("m.gguf"));
    b.path      = tiny_path("m.gguf");
    llama_out x = run(&a), y = run(&b);
    same(&x, &y, a.n_tokens);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

START_TEST(an_image_tower_beside_changes_nothing)
{
    tiny      t = tiny_gemma3;
    llama_run a = gemma3_run();
    llama_out x = run(&a), y;
    t.towers    = 1 + _i;
    a.path      = tiny_hf(&t);
    y           = run(&a);
    same(&x, &y, a.n_tokens);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

/* Each step's choice is that of a prefill of all tokens so far, unless the two best are as near as
 * rounding. */
START_TEST(steps_continue_what_a_prefill_would_say)
{
    enum { N = 70, STEPS = 5 };
    int32_t   ids[N + STEPS];
    llama_run r = run_of(_i);
    r.n_tokens  = N;
    r.max_new   = STEPS;
    llama_out x = run(&r);
    llama_ids(&r, ids);
    memcpy(ids + N, x.emitted, STEPS * sizeof *ids);
    r.max_new = 0;
    r.ids     = ids;
    for (int i = 0; i < STEPS; i++) {
        r.n_tokens        = N + i;
        llama_out    y    = run(&r);
        const float *last = y.logits + (r.n_tokens - 1) * y.vocab;
        float        best = last[x.emitted[i]];
        for (int64_t k = 0; k < y.vocab; k++)
            ck_assert_float_le(last[k], best + 0.1f);
        llama_free(&y);
    }
    llama_free(&x);
}
END_TEST

/* ---- ranks ---- */

static llama_run shared;
static llama_out alone;
static double    allowed;

static void on_ranks(span_rank *r)
{
    llama_out o    = {0};
    llama_run mine = shared;
    mine.link      = r->comm->size > 1 ? span_link(r->comm) : NULL;
    sb_status st   = llama_forward(&mine, r->comm, &o);
    sb_link_destroy(mine.link);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (st != SB_OK)
        return;
    double nmse = llama_nmse_f(o.logits, alone.logits, shared.n_tokens * alone.vocab);
    SPAN_EXPECT(r, nmse <= allowed, "logits differ: nmse %g", nmse);
    SPAN_EXPECT(r,
                memcmp(o.emitted, alone.emitted, (size_t)shared.max_new * sizeof *o.emitted) == 0,
                "another continuation");
    llama_free(&o);
}

static void over_ranks(void)
{
    span_case c = {"families", on_ranks};
    char      why[512];
    shared.max_new = 4;
    alone          = run(&shared);
    for (int32_t ranks = 1; ranks <= 4; ranks++) {
        span_run_threads(&c, ranks, why, sizeof why);
        ck_assert_msg(why[0] == '\0', "%d ranks, %s: %s", ranks, shared.method, why);
    }
    llama_free(&alone);
}

START_TEST(gemma3_over_ranks)
{
    static const char *const methods[] = {"dense", "flexprefill", "a_shape"};
    shared                             = gemma3_run();
    shared.method                      = methods[_i];
    shared.layout                      = SB_LAYOUT_BLOCK_STRIPED;
    allowed                            = 0;
    over_ranks();
}
END_TEST

/* States are added up in another order [linear_scan.h]. */
START_TEST(transnormer_over_ranks)
{
    shared        = transnormer_run();
    shared.layout = SB_LAYOUT_CONTIGUOUS;
    allowed       = 1e-5;
    over_ranks();
}
END_TEST

/* ---- what they do and refuse ---- */

/* A method of few keys is seen in the global layer alone: windows stay as they are. */
START_TEST(methods_are_for_global_layers)
{
    llama_run r = gemma3_run();
    llama_out x = run(&r), y;
    r.method    = "streaming_llm";
    r.params    = "sink_tokens=0 window_tokens=4096"; /* everything */
    y           = run(&r);
    same(&x, &y, r.n_tokens);
    llama_free(&y);
    r.params = "sink_tokens=0 window_tokens=1";
    y        = run(&r);
    ck_assert(llama_nmse_f(x.logits + 60 * x.vocab, y.logits + 60 * x.vocab, x.vocab) > 1e-4);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

static void two_ranks_are_refused(span_rank *r)
{
    llama_out o;
    SPAN_EXPECT(r, llama_forward(&shared, r->comm, &o) == SB_ERR_UNSUPPORTED, "%s",
                sb_error_text());
    SPAN_EXPECT(r, strstr(sb_error_text(), "only one of the two carries a state") != NULL, "%s",
                sb_error_text());
}

/* On one rank linear attention runs in the global layer (untrained); over ranks keys are gathered
 * for all layers or none. */
START_TEST(windows_beside_a_state)
{
    span_case c = {"families", two_ranks_are_refused};
    char      why[512];
    llama_run r = gemma3_run();
    r.method = r.decode = "lightning";
    r.max_new           = 3;
    r.layout            = SB_LAYOUT_CONTIGUOUS;
    llama_out x         = run(&r);
    llama_free(&x);
    shared = r;
    span_run_threads(&c, 2, why, sizeof why);
    ck_assert_msg(why[0] == '\0', "%s", why);
}
END_TEST

START_TEST(transnormer_knows_lightning_alone)
{
    llama_run r = transnormer_run();
    r.method    = "dense";
    refused(&r, "found method dense, allowed lightning in prefill and decode");
    r        = transnormer_run();
    r.decode = NULL;
    refused(&r, "found method dense, allowed lightning in prefill and decode");
    r.decode = "lightning";
    r.params = "act=relu";
    refused(&r, "allowed chunk_tokens alone");
    r.params    = NULL;
    llama_out x = run(&r), y;
    r.params    = "chunk_tokens=16";
    y           = run(&r);
    ck_assert_double_le(llama_nmse_f(x.logits, y.logits, r.n_tokens * x.vocab), 1e-5);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("families");
    TCase   *tc = tcase_create("forward");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, logits_are_those_of_others, 0, 2);
    tcase_add_loop_test(tc, chunks_and_threads_do_not_change_a_bit, 0, 2);
    tcase_add_test(tc, gguf_gives_the_same_bits);
    tcase_add_loop_test(tc, an_image_tower_beside_changes_nothing, 0, 2);
    tcase_add_loop_test(tc, steps_continue_what_a_prefill_would_say, 0, 2);
    tcase_add_loop_test(tc, gemma3_over_ranks, 0, 3);
    tcase_add_test(tc, transnormer_over_ranks);
    tcase_add_test(tc, methods_are_for_global_layers);
    tcase_add_test(tc, windows_beside_a_state);
    tcase_add_test(tc, transnormer_knows_lightning_alone);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
