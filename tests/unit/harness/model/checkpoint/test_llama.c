/* The forward pass of checkpoints: against double precision, in both formats, in chunks, over
 * ranks, step by step, and what it refuses [models 2.1, 7, 11]. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/harness/model/checkpoint/llama_rig.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

/* q, k, v and o are bf16 (2^-9 each), all else fp32: 4e-6 on a real model of 30 layers. */
#define NMSE_ORACLE 1e-4

static sb_comm *self;

static void setup(void) { ck_assert_int_eq(sb_comm_self_create(&self), SB_OK); }

static void teardown(void)
{
    sb_comm_destroy(self);
    tiny_clean();
}

static llama_out run(const llama_run *r) { return llama_must(r, self); }

/* A family a time: plain, with biases, with another head than the embedding, yarn, wide. */
static tiny variant(int i)
{
    tiny t = tiny_variant(i);
    if (i == 4) { /* tiles of weights of several sizes, narrower ones larger */
        t.width  = 576;
        t.mlp    = 1024; /* [1024][576]: four tiles of 224 rows */
        t.layers = 1;
    }
    return t;
}
enum { VARIANTS = TINY_VARIANTS + 1 };

START_TEST(logits_are_those_of_double_precision)
{
    tiny      t    = variant(_i);
    llama_run r    = {.path = tiny_hf(&t), .n_tokens = 150, .seed = 5};
    double   *want = calloc((size_t)(r.n_tokens * t.vocab), sizeof *want);
    llama_out o    = run(&r);
    llama_oracle(&r, want);
    for (int64_t i = 0; i < r.n_tokens; i++)
        ck_assert_double_le(llama_nmse(o.logits + i * t.vocab, want + i * t.vocab, t.vocab),
                            NMSE_ORACLE);
    llama_free(&o);
    free(want);
}
END_TEST

START_TEST(both_formats_give_the_same_bits)
{
    tiny      t = variant(_i % 3);
    llama_run a = {.path = tiny_hf(&t), .n_tokens = 64, .seed = 1}, b = a;
    tiny_gguf(&t, tiny_path("m.gguf"));
    b.path      = tiny_path("m.gguf");
    llama_out x = run(&a), y = run(&b);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(64 * t.vocab) * sizeof *x.logits);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

/* Negative control: rows left in the converter's order go unseen at position 0 alone. */
START_TEST(the_wrong_order_of_rows_shows_from_position_1_on)
{
    tiny      t = tiny_llama;
    llama_run a = {.path = tiny_hf(&t), .n_tokens = 8, .seed = 1}, b = a;
    t.unpermuted = 1;
    tiny_gguf(&t, tiny_path("m.gguf"));
    b.path      = tiny_path("m.gguf");
    llama_out x = run(&a), y = run(&b);
    ck_assert_double_le(llama_nmse_f(x.logits, y.logits, t.vocab), 1e-9);
    for (int64_t i = 1; i < 8; i++)
        ck_assert_double_ge(llama_nmse_f(x.logits + i * t.vocab, y.logits + i * t.vocab, t.vocab),
                            1e-3);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

START_TEST(chunks_and_threads_do_not_change_a_bit)
{
    tiny      t          = tiny_llama;
    llama_run r          = {.path = tiny_hf(&t), .n_tokens = 300, .seed = 2};
    llama_out x          = run(&r), y;
    sbi_llama_chunk_rows = 64;
    r.threads            = 2;
    y                    = run(&r);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(r.n_tokens * t.vocab) * sizeof *x.logits);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

/* ---- ranks ---- */

static llama_run shared;
static llama_out alone;

static void on_ranks(span_rank *r)
{
    llama_out o  = {0};
    sb_status st = llama_forward(&shared, r->comm, &o);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (st != SB_OK)
        return;
    SPAN_EXPECT(r,
                memcmp(o.logits, alone.logits,
                       (size_t)(shared.n_tokens * alone.vocab) * sizeof *o.logits) == 0,
                "logits differ: nmse %g",
                llama_nmse_f(o.logits, alone.logits, shared.n_tokens * alone.vocab));
    SPAN_EXPECT(r,
                memcmp(o.emitted, alone.emitted, (size_t)shared.max_new * sizeof *o.emitted) == 0,
                "another continuation");
    llama_free(&o);
}

START_TEST(any_number_of_ranks_gives_the_same)
{
    static const char *const methods[] = {"dense", "flexprefill", "a_shape"};
    span_case                c         = {"llama", on_ranks};
    tiny                     t         = tiny_llama;
    char                     why[512];
    shared = (llama_run){.path     = tiny_hf(&t),
                         .method   = methods[_i],
                         .layout   = SB_LAYOUT_BLOCK_STRIPED,
                         .n_tokens = 333,
                         .max_new  = 6,
                         .seed     = 3};
    alone  = run(&shared);
    for (int32_t ranks = 1; ranks <= 4; ranks++) {
        span_run_threads(&c, ranks, why, sizeof why);
        ck_assert_msg(why[0] == '\0', "%s", why);
    }
    llama_free(&alone);
}
END_TEST

/* ---- decode ---- */

/* Each step's choice is that of a prefill of all tokens so far, unless the two best are as near as
 * rounding: then it is one of them. */
START_TEST(steps_continue_what_a_prefill_would_say)
{
    enum { N = 70, STEPS = 5 };
    int32_t   ids[N + STEPS];
    tiny      t = variant(_i);
    llama_run r = {.path = tiny_hf(&t), .n_tokens = N, .max_new = STEPS, .seed = 4};
    llama_out x = run(&r);
    llama_ids(&r, ids);
    memcpy(ids + N, x.emitted, STEPS * sizeof *ids);
    r.max_new = 0;
    r.ids     = ids;
    for (int i = 0; i < STEPS; i++) {
        r.n_tokens        = N + i;
        llama_out    y    = run(&r);
        const float *last = y.logits + (r.n_tokens - 1) * t.vocab;
        float        best = last[x.emitted[i]];
        for (int64_t k = 0; k < t.vocab; k++)
            ck_assert_float_le(last[k], best + 0.02f);
        llama_free(&y);
    }
    llama_free(&x);
}
END_TEST

START_TEST(a_stop_ends_generation)
{
    tiny      t  = tiny_llama;
    llama_run r  = {.path = tiny_hf(&t), .n_tokens = 70, .max_new = 5, .seed = 4};
    llama_out x  = run(&r);
    r.stop       = x.emitted[2];
    llama_out y  = run(&r);
    int       at = 0;
    while (x.emitted[at] != r.stop)
        at++;
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(y.emitted[i], i <= at ? x.emitted[i] : -1);
    llama_free(&x);
    llama_free(&y);
}
END_TEST

/* ---- families ---- */

START_TEST(biases_of_zero_are_none)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 64, .seed = 6};
    llama_out x = run(&r), y;
    t.family    = "qwen2";
    t.zero_bias = 1;
    tiny_folder(&t, tiny_path("hf"));
    y = run(&r);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(64 * t.vocab) * sizeof *x.logits);
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

START_TEST(lengths_that_are_refused)
{
    tiny t      = tiny_llama;
    t.extra     = ",\"sliding_window\":32";
    llama_run r = {.path = tiny_hf(&t), .n_tokens = 33, .seed = 1};
    refused(&r, SB_ERR_UNSUPPORTED, "found 33 tokens, allowed 32: the model attends within a");
    r.n_tokens  = 32; /* a window of all tokens is none */
    llama_out x = run(&r), y;
    t.extra     = ",\"dual_chunk_attention_config\":{\"chunk_size\":32}";
    tiny_folder(&t, tiny_path("hf"));
    y = run(&r);
    ck_assert_mem_eq(x.logits, y.logits, (size_t)(32 * t.vocab) * sizeof *x.logits);
    llama_free(&x);
    llama_free(&y);
    r.max_new = 2; /* a step more */
    refused(&r, SB_ERR_UNSUPPORTED, "dual chunk attention");
    t.extra = NULL;
    tiny_folder(&t, tiny_path("hf"));
    r.n_tokens = 4097;
    refused(&r, SB_ERR_UNSUPPORTED, "extrapolate: yes");
}
END_TEST

START_TEST(ids_outside_the_vocabulary_are_refused)
{
    tiny      t = tiny_llama;
    llama_run r = {.path = tiny_path("m.gguf"), .n_tokens = 8, .seed = 1};
    t.vocab     = 64; /* ids go up to 252 */
    tiny_gguf(&t, tiny_path("m.gguf"));
    refused(&r, SB_ERR_USAGE, "allowed 0 to 63");
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("llama");
    TCase   *tc = tcase_create("forward");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, logits_are_those_of_double_precision, 0, VARIANTS);
    tcase_add_loop_test(tc, both_formats_give_the_same_bits, 0, 3);
    tcase_add_test(tc, the_wrong_order_of_rows_shows_from_position_1_on);
    tcase_add_test(tc, chunks_and_threads_do_not_change_a_bit);
    tcase_add_loop_test(tc, any_number_of_ranks_gives_the_same, 0, 3);
    tcase_add_loop_test(tc, steps_continue_what_a_prefill_would_say, 0, VARIANTS);
    tcase_add_test(tc, a_stop_ends_generation);
    tcase_add_test(tc, biases_of_zero_are_none);
    tcase_add_test(tc, lengths_that_are_refused);
    tcase_add_test(tc, ids_outside_the_vocabulary_are_refused);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
