/* minference's configuration file: a pattern for each head of each layer [minference 3.1, 3.8],
 * mixed within one layer, against the patterns alone; files that are no such thing. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/minference/minference.h"
#include "kernels/minference/work.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/tolerance.h"

enum { N = 701, H = 6, D = 32 };

/* Two layers as published files have them; head 5 of layer 0 and all of layer 1 but one are not
 * named. */
static const char mixed[] =
    "[{\"0\": [\"vertical_and_slash\", 60, 115, 0.97], \"1\": [\"block_sparse\", 100, 50, "
    "336379],\n"
    "  \"2\": [\"stream_llm\", 10, 90, 1.0], \"3\": [\"vertical_and_slash\", 200, 52],\n"
    "  \"4\": [\"stream_llm\", 0, 1, 0]},\n {\"2\": [\"vertical_and_slash\", 30, 120, 0.5]}]";

/* What each head of layer 0 runs, when all heads do. */
static const char *const alone[H] = {"vertical_tokens: 60, slash_tokens: 115",
                                     "pattern: block_sparse, top_k_blocks: 3",
                                     "pattern: a_shape, sink_tokens: 10, window_tokens: 90",
                                     "vertical_tokens: 200, slash_tokens: 52",
                                     "pattern: a_shape, sink_tokens: 0, window_tokens: 1",
                                     "vertical_tokens: 40, slash_tokens: 130"};

static const char others[] = "vertical_tokens: 40, slash_tokens: 130, top_k_blocks: 3";

static void attend(sb_case *c, const char *params)
{
    ck_assert_msg(sb_case_attend(c, &sb_minference, params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

static int sees(const sb_plan *p, int64_t head, int64_t q, int64_t k)
{
    const sb_csr *lists[] = {&p->tiles, &p->tokens};
    int64_t       at      = head * p->n_rows + q / 64;
    window_rule   w       = {0, 0};
    if (p->parts & SB_PART_WINDOW)
        w = (window_rule){p->form.head[head].sink_tokens, p->form.head[head].window_tokens};
    if (k > q || see_window(q, k, &w))
        return k <= q;
    for (int i = 0; i < 2; i++) {
        if (!(p->parts & (i == 0 ? SB_PART_TILES : SB_PART_TOKENS)))
            continue;
        for (int64_t t = lists[i]->row_ptr[at]; t < lists[i]->row_ptr[at + 1]; t++) {
            int64_t first = lists[i]->id[t] * lists[i]->unit_tokens;
            if (k >= first && k < first + lists[i]->width_tokens)
                return 1;
        }
    }
    return 0;
}

/* Heads of one layer with patterns of their own: each gives, to the bit, what it gives where all
 * heads share its pattern; pairs are those of the lists and windows. */
START_TEST(mixed_heads_equal_the_patterns_alone)
{
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 7);
    float   *o = malloc(H * N * D * sizeof *o), lse[H][N];
    for (int64_t h = 0; h < H; h++) {
        attend(c, alone[h]);
        memcpy(o + h * N * D, sb_tensor_f32(&c->o, h, 0), N * D * sizeof *o);
        memcpy(lse[h], c->lse + h * N, sizeof lse[h]);
    }
    c->file_text = mixed;
    attend(c, others);
    ck_assert_uint_eq(c->plan.parts, SB_PART_WINDOW | SB_PART_TILES | SB_PART_TOKENS);
    for (int64_t h = 0; h < H; h++) {
        int64_t        pairs = 0;
        sb_index_stats s;
        ck_assert_mem_eq(sb_tensor_f32(&c->o, h, 0), o + h * N * D, N * D * sizeof *o);
        ck_assert_mem_eq(c->lse + h * N, lse[h], sizeof lse[h]);
        for (int64_t q = 0; q < N; q++)
            for (int64_t k = 0; k <= q; k++)
                pairs += sees(&c->plan, h, q, k);
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, h, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, pairs);
    }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* Each layer has its own line; the second one names one head. */
START_TEST(layers_differ)
{
    sb_case *c   = sb_case_random((sb_case_shape){N, N, H, 2, D}, 7);
    c->file_text = mixed;
    c->layer     = 1;
    attend(c, others);
    const sbi_minference_work *w = c->plan.method_data;
    ck_assert_uint_eq(c->plan.parts, SB_PART_TILES | SB_PART_TOKENS);
    for (int h = 0; h < H; h++) {
        ck_assert_int_eq(w->head[h].pattern, SB_MINFERENCE_VERTICAL_SLASH);
        ck_assert_int_eq(w->head[h].n_vertical, h == 2 ? 30 : 40);
        ck_assert_int_eq(w->head[h].n_slash, h == 2 ? 120 : 130);
    }
    c->layer = 2;
    ck_assert_int_eq(sb_case_attend(c, &sb_minference, others, SB_F32), SB_ERR_UNSUPPORTED);
    ck_assert_str_eq(sb_error_text(), "config_file: found 2 layers, the model has a layer 2");
    c->layer = 0; /* below starting_layer: dense, whatever the file says [3.1] */
    attend(c, "starting_layer: 1");
    ck_assert_uint_eq(c->plan.parts, SB_PART_WINDOW);
    ck_assert_int_eq(c->plan.window_tokens, SB_WINDOW_ALL);
    ck_assert_ptr_null(c->plan.form.head);
    sb_case_destroy(c);
}
END_TEST

/* Blocks and windows without lines: whole blocks, numbered. Windows alone: no lists at all. */
START_TEST(layers_without_lines)
{
    sb_case *c   = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 7);
    c->file_text = "[{\"0\": [\"block_sparse\", 9, 9, 1], \"1\": [\"stream_llm\", 3, 80, 1]}]";
    attend(c, "top_k_blocks: 2");
    ck_assert_uint_eq(c->plan.parts, SB_PART_WINDOW | SB_PART_TILES);
    ck_assert_int_eq(c->plan.tiles.unit_tokens, 64);
    ck_assert_int_eq(c->plan.tiles.row_ptr[c->plan.n_rows], 1 + 2 * (c->plan.n_rows - 1));
    ck_assert_int_eq(c->plan.estimate_flops, 2 * D * c->plan.n_rows * (c->plan.n_rows + 1) / 2);
    c->file_text = "[{\"0\": [\"stream_llm\", 8, 37, 1], \"1\": [\"stream_llm\", 3, 80, 1]}]";
    attend(c, "ratio: 1.5"); /* 12, 55; 4, 120 */
    ck_assert_uint_eq(c->plan.parts, SB_PART_WINDOW);
    ck_assert_int_eq(c->plan.estimate_flops, 0);
    static const window_rule rules[] = {{12, 55}, {4, 120}};
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < N; i += 13) {
            double want[D], lse;
            judge_row(&c->q, &c->k, &c->v, c->scale, see_window, &rules[h], h, i, want, &lse);
            ck_assert_double_le(fabs(lse - (double)c->lse[h * N + i]), SB_LSE_ABS);
        }
    sb_case_destroy(c);
}
END_TEST

/* Budgets: file times ratio, truncated, then clamped [3.1, 3.3]. */
START_TEST(ratio_scales_the_file)
{
    sb_case *c   = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 7);
    c->file_text = "[{\"0\": [\"vertical_and_slash\", 101, 203, 1], "
                   "\"1\": [\"vertical_and_slash\", 1000, 6096, 1]}]";
    attend(c, "ratio: 0.5");
    const sbi_minference_work *w = c->plan.method_data;
    ck_assert_int_eq(w->head[0].n_vertical, 50);
    ck_assert_int_eq(w->head[0].n_slash, 101);
    ck_assert_int_eq(w->head[1].n_vertical, 500);
    ck_assert_int_eq(w->head[1].n_slash, N);
    ck_assert_int_eq(w->head[1].chosen_at, 151);
    ck_assert_int_eq(w->head[2].chosen_at, 151 + 500 + N);
    c->file_text = "[{\"1\": [\"stream_llm\", 1, 1, 1]}]";
    ck_assert_int_eq(sb_case_attend(c, &sb_minference, "ratio: 0.5", SB_F32), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "window of layer 0, head 1 at least 1"));
    sb_case_destroy(c);
}
END_TEST

/* Only heads with lines pay for the probe, only those with blocks for means [7]. */
START_TEST(estimates_are_those_of_the_heads)
{
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 7);
    attend(c, others);
    int64_t lines = c->plan.estimate_flops / H;
    attend(c, "pattern: block_sparse, top_k_blocks: 3");
    int64_t blocks = c->plan.estimate_flops / H;
    c->file_text   = mixed;
    attend(c, others);
    ck_assert_int_eq(c->plan.estimate_flops, 3 * lines + blocks);
    ck_assert_int_eq(sb_minference.quantum_tokens(c->params), 64);
    sb_case_destroy(c);
}
END_TEST

START_TEST(decode_and_parts_of_the_queries_are_dense)
{
    sb_case *c   = sb_case_random((sb_case_shape){100, N, H, 2, D}, 7);
    c->file_text = mixed;
    attend(c, others);
    ck_assert_int_eq(c->plan.fallback, 1);
    ck_assert_uint_eq(c->plan.parts, SB_PART_WINDOW);
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_all, NULL, 3);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    c->is_decode = 1;
    attend(c, others);
    ck_assert_ptr_null(c->plan.method_data);
    e = sb_case_judge(c, &c->q, &c->k, &c->v, see_all, NULL, 3);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    sb_case_destroy(c);
}
END_TEST

/* ---- files that are no such thing ---- */

START_TEST(bad_files_say_what_is_wrong)
{
    static const char *const table[][2] = {
        {"", "line 1, column 0: no JSON"},
        {"[{\"0\": [\"stream_llm\", 1, 2, 3]}", "no JSON"},
        {"[{\"0\": [\"stream_llm\", 1, 2, NaN]}]", "no JSON: invalid token"},
        {"{\"0\": [\"stream_llm\", 1, 2, 3]}", "found an object, allowed an array of 1 to 4096"},
        {"[]", "found an array of 0, allowed an array of 1 to 4096 layers"},
        {"[{}, {}]", "found no head in any of 2 layers"},
        {"[[]]", "layer 0: found an array of 0, allowed an object of heads"},
        {"[{\"0\": {}}]", "layer 0, head 0: found an object, allowed [type, a, b]"},
        {"[{\"0\": [\"stream_llm\", 1]}]", "layer 0, head 0: found an array of 2"},
        {"[{\"0\": [\"stream_llm\", 1, 2, 3, 4]}]", "found an array of 5"},
        {"[{}, {\"3\": [\"vertical\", 1, 2, 3]}]", "layer 1, head 3: found another type, allowed "
                                                   "vertical_and_slash, block_sparse, stream_llm"},
        {"[{\"0\": [7, 1, 2, 3]}]", "found another type"},
        {"[{\"0\": [\"stream_llm\", 1, 2, \"x\"]}]", "found a string for a score"},
        {"[{\"0\": [\"stream_llm\", 1.5, 2, 3]}]", "found 1.5, allowed a whole number of tokens"},
        {"[{\"0\": [\"stream_llm\", -1, 2, 3]}]",
         "found -1, allowed a whole number of tokens from 0"},
        {"[{\"0\": [\"stream_llm\", 1, 0, 3]}]",
         "found 0, allowed a whole number of tokens from 1"},
        {"[{\"0\": [\"vertical_and_slash\", 1, 99999999999, 3]}]", "found 99999999999"},
        {"[{\"0\": [\"vertical_and_slash\", 99999999999999999999, 1, 3]}]", "no JSON: too big"},
        {"[{\"-1\": [\"stream_llm\", 1, 2, 3]}]", "layer 0: found a key that is no head's number"},
        {"[{\"01\": [\"stream_llm\", 1, 2, 3]}]", "no head's number"},
        {"[{\"\": [\"stream_llm\", 1, 2, 3]}]", "no head's number"},
        {"[{\"0x1\": [\"stream_llm\", 1, 2, 3]}]", "no head's number"},
        {"[{\"4096\": [\"stream_llm\", 1, 2, 3]}]", "allowed \"0\" to \"4095\""},
        {"[{\"99999999999999999999999\": [\"stream_llm\", 1, 2, 3]}]", "no head's number"},
        {"[{\"0\": [\"stream_llm\", 1, 2], \"0\": [\"stream_llm\", 1, 2]}]",
         "duplicate object key"},
    };
    unsigned char *memory;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_ptr_null(sb_case_read(&sb_minference, table[i][0], &memory));
        ck_assert_msg(strstr(sb_error_text(), table[i][1]) != NULL, "%s: %s", table[i][0],
                      sb_error_text());
    }
}
END_TEST

/* A good file with bytes changed: read or refused, and what is read runs. */
START_TEST(hostile_files_do_no_harm)
{
    sb_rng   r = {(uint64_t)_i};
    sb_case *c = sb_case_random((sb_case_shape){130, 130, H, 2, 16}, 7);
    for (int t = 0; t < 300; t++) {
        char           text[sizeof mixed];
        unsigned char *memory;
        memcpy(text, mixed, sizeof mixed);
        for (int f = 0; f <= t % 3; f++) {
            char *at = text + sb_rng_below(&r, sizeof mixed - 1);
            *at      = t % 4 == 0 ? (char)(1 + sb_rng_below(&r, 255))
                                  : "0123456789,\"[]{}: se"[sb_rng_below(&r, 19)];
        }
        int good = sb_case_read(&sb_minference, text, &memory) != NULL;
        free(memory);
        if (!good)
            continue;
        c->file_text = text;
        sb_status st = sb_case_attend(c, &sb_minference, others, SB_F32);
        ck_assert(st == SB_OK || st == SB_ERR_UNSUPPORTED);
    }
    sb_case_destroy(c);
}
END_TEST

START_TEST(files_of_another_model_are_unsupported)
{
    sb_case *c   = sb_case_random((sb_case_shape){130, 130, 4, 2, 16}, 7);
    c->file_text = mixed;
    ck_assert_int_eq(sb_case_attend(c, &sb_minference, "", SB_F32), SB_ERR_UNSUPPORTED);
    ck_assert_str_eq(sb_error_text(), "config_file: found a head 4, allowed the model's 0 to 3");
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("minference_config");
    TCase *t = tcase_create("heads"), *u = tcase_create("files");
    tcase_set_timeout(t, 60);
    tcase_set_timeout(u, 60);
    tcase_add_test(t, mixed_heads_equal_the_patterns_alone);
    tcase_add_test(t, layers_differ);
    tcase_add_test(t, layers_without_lines);
    tcase_add_test(t, ratio_scales_the_file);
    tcase_add_test(t, estimates_are_those_of_the_heads);
    tcase_add_test(t, decode_and_parts_of_the_queries_are_dense);
    tcase_add_test(u, bad_files_say_what_is_wrong);
    tcase_add_loop_test(u, hostile_files_do_no_harm, 0, 3);
    tcase_add_test(u, files_of_another_model_are_unsupported);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
