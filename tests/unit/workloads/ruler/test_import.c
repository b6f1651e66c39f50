/* RULER's jsonl: what we write comes back as it was; every kind of bad line is told by file, line
 * and field and the rest is used; seeded mutations of good files never do anything but that (the
 * sanitizers watch). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/jsonl.h"
#include "workloads/base/pytext.h"
#include "workloads/ruler/import.h"

static const char good[] =
    "{\"index\": 7, \"input\": \"caf\\u00e9 \\ud83d\\ude00\", \"outputs\": [\"a1\"], \"length\": "
    "150, "
    "\"length_w_model_temp\": 160, \"answer_prefix\": \" The\", \"token_position_answer\": 3}\n";

static const sb_ruler_task *task(void) { return sb_ruler_task_find("niah_single_1"); }

static sb_ruler_import *import_ok(const char *path, const sb_ruler_task *t)
{
    sb_ruler_import *im = NULL;
    if (sb_ruler_import_open(path, t, 128, &im) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return im;
}

START_TEST(a_good_row)
{
    sb_ruler_import       *im = import_ok(put_text("v.jsonl", good), task());
    const sb_ruler_sample *s  = &im->rows[0];
    ck_assert_int_eq(im->n_rows, 1);
    ck_assert_int_eq(im->n_bad, 0);
    ck_assert_str_eq(s->text, "caf\xc3\xa9 \xf0\x9f\x98\x80 The");
    ck_assert_int_eq(s->text_bytes - s->input_bytes, 4);
    ck_assert_str_eq(s->answers[0], "a1");
    ck_assert_int_eq(s->index, 7);
    ck_assert_int_eq(s->row, 0);
    ck_assert_int_eq(s->n_tokens, 22);
    ck_assert_int_eq(s->model_template_tokens, 10);
    ck_assert_int_eq(s->answer_token, 3);
    ck_assert_ptr_null(im->predictions[0]);
    sb_ruler_import_close(im);
}
END_TEST

START_TEST(older_rows_and_predictions)
{
    sb_ruler_import *im =
        import_ok(put_text("v.jsonl", "{\"input\": \"x\", \"outputs\": [\"1\"], \"pred\": \" "
                                      "1\\n\", \"others\": {\"id\": 4}}\r\n\n  \n"
                                      "{\"input\": \"y\", \"outputs\": [\"2\"]}"),
                  task());
    ck_assert_int_eq(im->n_rows, 2);
    ck_assert_str_eq(im->predictions[0], " 1\n");
    ck_assert_ptr_null(im->predictions[1]);
    ck_assert_int_eq(im->rows[0].n_tokens, -1);
    ck_assert_int_eq(im->rows[1].index, 1);
    ck_assert_int_eq(im->rows[1].n_spans, 0);
    sb_ruler_import_close(im);
}
END_TEST

static const struct bad_row {
    const char *row, *why;
} bad_rows[] = {
    {"{\"input\": \"x\", \"outputs\": [\"1\"]", "line 2, byte"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"}", "line 2, byte"},
    {"[1]", "line 2: an array, not an object"},
    {"3", "line 2, byte"},
    {"{\"outputs\": [\"1\"]}", "line 2: input: nothing, not a string"},
    {"{\"input\": 5, \"outputs\": [\"1\"]}", "line 2: input: a number, not a string"},
    {"{\"input\": \"x\"}", "line 2: outputs: nothing, not an array"},
    {"{\"input\": \"x\", \"outputs\": \"1\"}", "line 2: outputs: a string, not an array"},
    {"{\"input\": \"x\", \"outputs\": []}", "line 2: outputs: 0 answers, niah_single_1 has 1"},
    {"{\"input\": \"x\", \"outputs\": [\"1\", \"2\"]}",
     "line 2: outputs: 2 answers, niah_single_1 has 1"},
    {"{\"input\": \"x\", \"outputs\": [null]}", "line 2: outputs[0]: not a string"},
    {"{\"input\": \"x\", \"outputs\": [\"\"]}", "line 2: outputs[0]: an empty answer"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"answer_prefix\": 1}",
     "line 2: answer_prefix: a number"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"index\": \"3\"}",
     "line 2: index: a string, not a whole number"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"length\": 1.5}",
     "line 2: length: a number, not a whole number"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"length\": -4}", "line 2: length: -4, less than 0"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"length\": 200, \"length_w_model_temp\": 100}",
     "less than 200"},
    {"{\"input\": \"x\", \"outputs\": [\"1\"], \"pred\": []}",
     "line 2: pred: an array, not a string"},
    {"{\"input\": \"\xff\", \"outputs\": [\"1\"]}", "line 2, byte"},
    {"{\"input\": \"\\ud800\", \"outputs\": [\"1\"]}", "line 2, byte"},
    {"{\"input\": \"\\u0000\", \"outputs\": [\"1\"]}", "line 2, byte"},
};

START_TEST(a_bad_row_between_good_ones)
{
    sbi_text         file = {0};
    sb_ruler_import *im;
    sbi_text_puts(&file, good);
    sbi_text_puts(&file, bad_rows[_i].row);
    sbi_text_puts(&file, "\n");
    sbi_text_puts(&file, good);
    im = import_ok(put_text("v.jsonl", file.p), task());
    ck_assert_int_eq(im->n_rows, 2);
    ck_assert_int_eq(im->rows[1].row, 2);
    ck_assert_int_eq(im->n_bad, 1);
    ck_assert_int_eq(im->bad[0].line, 2);
    ck_assert_msg(strstr(im->bad[0].why, bad_rows[_i].why) != NULL &&
                      strstr(im->bad[0].why, "v.jsonl") != NULL,
                  "found: %s; wanted: %s", im->bad[0].why, bad_rows[_i].why);
    sb_ruler_import_close(im);
    sbi_text_fini(&file);
}
END_TEST

START_TEST(nul_bytes_long_lines_and_ends)
{
    const int64_t    old  = sbi_jsonl_max_line_bytes;
    sbi_text         file = {0};
    sb_ruler_import *im   = NULL;
    sbi_text_puts(&file, good);
    sbi_text_put(&file, "{\"in\0put\": 1}\n", 14);
    for (int i = 0; i < 200000; i++) /* longer than a block of the reader, and than the limit */
        sbi_text_putc(&file, 'x');
    sbi_text_puts(&file, "\n");
    sbi_text_puts(&file, good);
    sbi_text_puts(&file, "{\"input\": \"cut of");
    sbi_jsonl_max_line_bytes = 1000;
    im                       = import_ok(put_file("v.jsonl", file.p, (size_t)file.n), task());
    sbi_jsonl_max_line_bytes = old;
    ck_assert_int_eq(im->n_rows, 2);
    ck_assert_int_eq(im->n_bad, 3);
    ck_assert_ptr_nonnull(strstr(im->bad[0].why, "line 2, byte 5: a NUL byte"));
    ck_assert_ptr_nonnull(strstr(im->bad[1].why, "line 3: 200000 bytes, more than the 1000"));
    ck_assert_ptr_nonnull(strstr(im->bad[2].why, "line 5, byte"));
    ck_assert_ptr_nonnull(strstr(im->bad[2].why, "the file ends inside this row"));
    ck_assert_int_eq(im->rows[1].row, 3);
    sb_ruler_import_close(im);
    sbi_text_fini(&file);
}
END_TEST

START_TEST(files_without_a_good_row)
{
    sb_ruler_import *im = NULL;
    expect_error(sb_ruler_import_open("/nonexistent/v.jsonl", task(), 128, &im), SB_ERR_IO,
                 "/nonexistent/v.jsonl");
    expect_error(sb_ruler_import_open(folder(), task(), 128, &im), SB_ERR_IO, folder());
    expect_error(sb_ruler_import_open(put_text("e.jsonl", "\n \n"), task(), 128, &im), SB_ERR_USAGE,
                 "e.jsonl: no rows");
    expect_error(sb_ruler_import_open(put_text("e.jsonl", "{}\n{}\n"), task(), 128, &im),
                 SB_ERR_USAGE, "line 1: input: nothing");
    ck_assert_ptr_null(im);
}
END_TEST

/* Rows of a set as jsonl, and the same rows read back. */
static sbi_text rows_of(const sb_ruler_spec *spec, int n, char sha256[][65])
{
    sb_ruler_set *set  = NULL;
    sbi_text      file = {0};
    if (sb_ruler_open(spec, &set) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    for (int r = 0; r < n; r++) {
        sb_ruler_sample s    = {0};
        char           *line = NULL;
        ck_assert_int_eq(sb_ruler_row(set, r, &s), SB_OK);
        ck_assert_int_eq(sb_ruler_sample_json(spec->task, &s, &line), SB_OK);
        sbi_text_puts(&file, line);
        memcpy(sha256[r], s.sha256, 65);
        free(line);
        sb_ruler_sample_fini(&s);
    }
    sb_ruler_close(set);
    return file;
}

static sbi_text made_rows(const char *name, int64_t length, int n, char sha256[][65])
{
    sb_ruler_templates *t    = open_templates(OFFICIAL_TEXTS, "RWKV");
    sb_ruler_spec       spec = {.task                  = sb_ruler_task_find(name),
                                .seed                  = 9,
                                .length_tokens         = length,
                                .templates             = t,
                                .model_template_tokens = 3,
                                .counter               = *sb_tok_ops_find("bytes/4")};
    sbi_text            file = rows_of(&spec, n, sha256);
    sb_ruler_templates_close(t);
    return file;
}

START_TEST(our_own_rows_come_back)
{
    static const char *names[] = {"vt", "niah_multikey_3", "fwe"};
    char               sha256[4][65];
    sbi_text           file = made_rows(names[_i], 1200, 4, sha256);
    sb_ruler_import   *im   = NULL;
    ck_assert_int_eq(
        sb_ruler_import_open(put_text("v.jsonl", file.p), sb_ruler_task_find(names[_i]), 30, &im),
        SB_OK);
    ck_assert_int_eq(im->n_rows, 4);
    for (int r = 0; r < 4; r++) {
        ck_assert_str_eq(im->rows[r].sha256, sha256[r]);
        ck_assert_int_eq(im->rows[r].model_template_tokens, 3);
    }
    sb_ruler_import_close(im);
    sbi_text_fini(&file);
}
END_TEST

START_TEST(damaged_files_give_errors_or_rows)
{
    sb_rng   r = {(uint64_t)_i + 1};
    char     sha256[4][65];
    sbi_text whole = {0};
    int64_t  rows = 0, bad = 0, refused = 0;
    for (int i = 0; i < 6; i++)
        sbi_text_puts(&whole, good);
    if (_i % 2 == 1) {
        sbi_text_fini(&whole);
        whole = made_rows("niah_multikey_3", 700, 4, sha256);
    }
    for (int round = 0; round < fuzz_rounds(400); round++) {
        sbi_text         t  = {0};
        sb_ruler_import *im = NULL;
        sb_status        st;
        sbi_text_put(&t, whole.p, whole.n);
        for (uint64_t n = 1 + sb_rng_below(&r, 6); n > 0; n--)
            mutate(&t, &r);
        st = sb_ruler_import_open(put_file("m.jsonl", sbi_text_str(&t), (size_t)t.n), task(), 128,
                                  &im);
        if (st == SB_OK) {
            rows += im->n_rows;
            bad += im->n_bad;
            for (int64_t i = 0; i < im->n_rows; i++) {
                ck_assert_int_eq(sbi_utf8_check(im->rows[i].text, im->rows[i].text_bytes), -1);
                ck_assert_int_eq((int64_t)strlen(im->rows[i].text), im->rows[i].text_bytes);
                ck_assert_int_eq(im->rows[i].n_answers, 1);
            }
            for (int64_t i = 0; i < im->n_bad; i++)
                ck_assert_ptr_nonnull(strstr(im->bad[i].why, "m.jsonl: line "));
        } else {
            ck_assert_int_eq(st, SB_ERR_USAGE);
            refused++;
        }
        sb_ruler_import_close(im);
        sbi_text_fini(&t);
    }
    ck_assert_int_gt(rows, 100);
    ck_assert_int_gt(bad, 100);
    sbi_text_fini(&whole);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("import");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, a_good_row);
    tcase_add_test(t, older_rows_and_predictions);
    tcase_add_loop_test(t, a_bad_row_between_good_ones, 0,
                        (int)(sizeof bad_rows / sizeof *bad_rows));
    tcase_add_test(t, nul_bytes_long_lines_and_ends);
    tcase_add_test(t, files_without_a_good_row);
    tcase_add_loop_test(t, our_own_rows_come_back, 0, 3);
    tcase_add_loop_test(t, damaged_files_give_errors_or_rows, 0, 4);
    return run_suite_of("ruler_import", t);
}
