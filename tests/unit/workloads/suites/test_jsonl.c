/* Our own format: what is written is read again with the same hash, whatever the row needs for its
 * score; and what is said of bad rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

/* Rows that between them use every field. */
static const char *const good[] = {
    "{\"input\": \"Q: \", \"answer_prefix\": \"A:\", \"outputs\": [\"x\"], \"metric\": "
    "\"qa_f1@1\", "
    "\"max_gen\": 5}",
    "{\"suite\": \"s\", \"task\": \"t\", \"id\": \"i7\", \"input\": \"\", \"answer_prefix\": "
    "\"A\", "
    "\"outputs\": [\"a\", \"b\"], \"metric\": \"classification@1\", \"classes\": [\"a\", \"b\", "
    "\"c\"], \"max_gen\": 1, \"first_line\": 1, \"stop_newline\": 1, \"chat\": 1}",
    "{\"input\": \"caf\\u00e9 \\ud83d\\ude00\\n\", \"outputs\": [\"3\", \"4\"], \"metric\": "
    "\"helmet_ndcg_10@1\", \"relevance\": [2, -1], \"answer_mark\": \"Ranking:\", \"max_gen\": "
    "200, "
    "\"meta\": {\"depth\": 0.5, \"task\": \"own\"}}",
    "{\"id\": 12, \"input\": \"x\", \"outputs\": [\"kitchen\"], \"metric\": \"babilong@1\", "
    "\"question\": \"Where?\", \"scorer_task\": \"qa20\", \"max_gen\": 20, \"n_tokens\": 9, "
    "\"truncated_tokens\": 4}",
    "{\"input\": \"x\", \"outputs\": [\"k\"], \"metric\": \"helmet_em@1\", \"answer_mark\": "
    "\"Ranking:\", \"max_gen\": 20, \"unknown\": [1]}",
};

enum { GOOD = sizeof good / sizeof *good };

static const char *good_file(void)
{
    sbi_text    t = {0};
    const char *path;
    for (int i = 0; i < GOOD; i++) {
        sbi_text_puts(&t, good[i]);
        sbi_text_putc(&t, '\n');
    }
    path = rig_arg("data", put_file("good.jsonl", t.p, (size_t)t.n));
    sbi_text_fini(&t);
    return path;
}

/* Every row of a set as lines, and their hashes. */
static void write_set(sb_text_set *set, int64_t n, sbi_text *lines, char sha[][65])
{
    for (int64_t i = 0; i < n; i++) {
        sb_text_row r    = rig_row(set, i);
        char       *line = NULL;
        ck_assert_int_eq(sb_text_row_json(set->suite, set->task, &r, &line), SB_OK);
        sbi_text_puts(lines, line);
        memcpy(sha[i], r.sha256, 65);
        free(line);
        sb_text_row_fini(&r);
    }
}

/* Written, read, written: the same rows, and from then on the same bytes. */
static void round_trip(const char *suite, const char *const *args, int64_t n)
{
    rig      g;
    char     first[64][65], again[64][65];
    sbi_text lines[3] = {{0}, {0}, {0}};
    ck_assert_int_le(n, 64);
    for (int turn = 0; turn < 3; turn++) {
        const char  *data = turn > 0 ? rig_arg("data", put_file("rows.jsonl", lines[turn - 1].p,
                                                                (size_t)lines[turn - 1].n))
                                     : NULL;
        sb_text_set *set = turn > 0 ? rig_open(&g, "jsonl", ARGS(data)) : rig_open(&g, suite, args);
        if (turn > 0)
            ck_assert_int_eq(set->suite->n_rows(set), n);
        write_set(set, n, &lines[turn], turn > 0 ? again : first);
        for (int64_t i = 0; turn > 0 && i < n; i++)
            ck_assert_str_eq(first[i], again[i]);
        set->suite->close(set);
    }
    ck_assert_str_eq(lines[1].p, lines[2].p);
    for (int i = 0; i < 3; i++)
        sbi_text_fini(&lines[i]);
}

START_TEST(round_trips)
{
    (void)put_text("trec.jsonl",
                   "{\"context\": \"abcdefgh\", \"input\": \"i\", \"answers\": [\"a\", \"b\"], "
                   "\"all_classes\": [\"a\", \"b\"], \"length\": 5, \"_id\": \"x\"}\n");
    round_trip("jsonl", ARGS(good_file()), GOOD);
    round_trip("longbench", ARGS("task=trec", rig_arg("data", folder())), 1);
    round_trip("infinitebench_synth", ARGS("task=math_calc_synth", "tok=bytes", "length=1500"), 4);
    round_trip("niah", ARGS("tok=characters", "length=3000", "buffer_tokens=400", "depths=9"), 9);
    round_trip("ruler", ARGS("task=niah_multikey_3", "tok=bytes/4", "length=2048"), 3);
}
END_TEST

START_TEST(every_field)
{
    rig          g;
    sb_text_set *set = rig_open(&g, "jsonl", ARGS(good_file()));
    sb_text_row  r   = rig_row(set, 1);
    ck_assert_str_eq(r.prompt, "A");
    ck_assert_int_eq(r.input_bytes, 0);
    ck_assert_int_eq(r.line, 2);
    ck_assert_str_eq(r.id, "i7");
    ck_assert_int_eq(r.n_classes, 3);
    ck_assert_int_eq(r.first_line + r.stop_newline + r.chat, 3);
    ck_assert_int_eq(r.n_tokens, -1);
    ck_assert_str_eq(r.meta, "{\"suite\": \"s\", \"task\": \"t\"}");
    ck_assert_double_eq(rig_score(&r, "a"), 1);
    ck_assert_double_eq(rig_score(&r, "a b"), .5);
    ck_assert_double_eq(rig_score(&r, "c"), 0);
    ck_assert_double_eq(rig_score(&r, ""), 0);
    sb_text_row_fini(&r);
    r = rig_row(set, 2);
    ck_assert_int_eq(r.relevance[1], -1);
    ck_assert_str_eq(r.answer_mark, "Ranking:");
    ck_assert_str_eq(r.meta, "{\"depth\": 0.5, \"task\": \"own\"}");
    ck_assert_double_eq(rig_score(&r, "Ranking: 3 > 4"), 1);
    sb_text_row_fini(&r);
    r = rig_row(set, 3);
    ck_assert_int_eq(r.n_tokens, 9);
    ck_assert_int_eq(r.truncated_tokens, 4);
    ck_assert_str_eq(r.id, "12");
    ck_assert_str_eq(r.scorer_task, "qa20");
    ck_assert_double_eq(rig_score(&r, "the kitchen."), 1);
    ck_assert_double_eq(rig_score(&r, "the garden."), 0);
    sb_text_row_fini(&r);
    set->suite->close(set);
    set = rig_open(&g, "jsonl", ARGS(good_file(), "tok=bytes")); /* counted anew */
    r   = rig_row(set, 3);
    ck_assert_int_eq(r.n_tokens, 1);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

#define ROW(rest) "{\"input\": \"q\", \"outputs\": [\"x\"], \"max_gen\": 5, " rest "}\n"
#define QA "\"metric\": \"qa_f1@1\""

START_TEST(bad_rows)
{
    static const struct bad {
        const char *row, *why;
    } bad[] = {
        {ROW("\"metric\": \"qa_f1@9\""), "line 1: metric: `qa_f1@9` is no scorer"},
        {ROW("\"metric\": 1"), "metric: a number, not a string"},
        {ROW("\"x\": 1"), "metric: nothing, not a string"},
        {ROW("\"metric\": \"classification@1\""), "classes: nothing, but classification@1"},
        {ROW("\"metric\": \"helmet_ndcg_10@1\""), "relevance: nothing, but helmet_ndcg_10@1"},
        {ROW("\"metric\": \"babilong@1\""), "scorer_task: nothing, but babilong@1"},
        {ROW(QA ", \"relevance\": [1, 2]"), "relevance: 2 numbers, but there are 1 outputs"},
        {ROW(QA ", \"relevance\": [1.5]"), "relevance: a number, not a whole number"},
        {ROW(QA ", \"relevance\": 3"), "relevance: a number, not an array"},
        {ROW(QA ", \"scorer_task\": \"qa21\""), "scorer_task: `qa21`, not one of qa1 to qa20"},
        {ROW(QA ", \"answer_mark\": \"caf\xc3\xa9\""), "answer_mark: `caf\xc3\xa9` is not ASCII"},
        {ROW(QA ", \"answer_mark\": "
                "\"0123456789012345678901234567890123456789012345678901234567890123456789\""),
         "answer_mark: 70 bytes, more than 64"},
        {ROW(QA ", \"answer_mark\": 5"), "answer_mark: a number, not a string"},
        {ROW(QA ", \"question\": []"), "question: an empty array, not a string"},
        {ROW(QA ", \"classes\": [1]"), "classes[0]: a number, not a string"},
        {ROW(QA ", \"chat\": 2"), "chat: 2, more than 1"},
        {ROW(QA ", \"first_line\": true"), "first_line: true or false, not a whole number"},
        {ROW(QA ", \"n_tokens\": -1"), "n_tokens: -1, less than 0"},
        {ROW(QA ", \"meta\": []"), "meta: an empty array, not an object"},
        {ROW(QA ", \"suite\": 1"), "suite: a number, not a string"},
        {ROW(QA ", \"id\": {}"), "id: an object, not a string or a whole number"},
        {ROW(QA ", \"sha256\": \"00\""), "sha256: 00, but the row's is "},
        {ROW(QA ", \"sha256\": null"), "sha256: null, not a string"},
        {"{\"outputs\": [\"x\"], \"max_gen\": 5, " QA "}\n", "input: nothing, not a string"},
        {"{\"input\": \"\", \"outputs\": [\"x\"], \"max_gen\": 5, " QA "}\n",
         "input: an empty prompt"},
        {"{\"input\": \"q\", \"max_gen\": 5, " QA "}\n", "outputs: nothing, not an array"},
        {"{\"input\": \"q\", \"outputs\": [], \"max_gen\": 5, " QA "}\n",
         "outputs: an empty array, not"},
        {"{\"input\": \"q\", \"outputs\": [\"x\"], " QA "}\n", "max_gen: nothing, not a number"},
        {"{\"input\": \"q\", \"outputs\": [\"x\"], \"max_gen\": 0, " QA "}\n", "max_gen: 0, not"},
        {"{\"input\": \"q\", \"outputs\": [\"x\"], \"max_gen\": 99999999, " QA "}\n",
         "max_gen: 99999999, more than 16777216"},
        {"{\"input\": \"a\\u0000b\"}\n", "line 1, byte"},
        {"{\"input\": \"\xff\"}\n", "not UTF-8"},
        {"{\"input\": \"q\", \"outp\n", "line 1"},
        {"[]\n", "no rows"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig          g;
        const char  *data = rig_arg("data", put_text("bad.jsonl", bad[i].row));
        sb_text_set *set  = NULL;
        ck_assert_int_eq(rig_request(&g, "jsonl", ARGS(data)), SB_OK);
        if (g.req.suite->open(&g.req, &set) != SB_OK)
            ck_assert_msg(i + 1 == sizeof bad / sizeof *bad, "%zu: %s", i, sb_error_text());
        else
            rig_bad_row(set, 0, bad[i].why);
        g.req.suite->close(set);
    }
}
END_TEST

START_TEST(others_go_on)
{
    rig          g;
    sb_text_set *set =
        rig_open(&g, "jsonl",
                 ARGS(rig_arg("data", put_text("some.jsonl",
                                               "{\"a\": 1}\n\n" ROW(QA) "nothing\n" ROW(QA)))));
    sb_text_row r;
    ck_assert_int_eq(set->suite->n_rows(set), 4);
    rig_bad_row(set, 0, "some.jsonl: line 1: input");
    rig_bad_row(set, 2, "some.jsonl: line 4");
    r = rig_row(set, 3);
    ck_assert_int_eq(r.line, 5);
    ck_assert_int_eq(r.row, 3);
    sb_text_row_fini(&r);
    rig_bad_row(set, 4, "row 4 of 4");
    rig_bad_row(set, -1, "row -1 of 4");
    set->suite->close(set);
}
END_TEST

START_TEST(opening)
{
    const char *none = rig_arg("data", "/nowhere/at/all");
    rig_cannot_open("jsonl", ARGS("seed=1"), SB_ERR_UNSUPPORTED, "rows.jsonl");
    rig_cannot_open("jsonl", ARGS(none), SB_ERR_IO, "/nowhere/at/all");
    rig_cannot_open("jsonl", ARGS(good_file(), "length=100", "tok=points"), SB_ERR_USAGE,
                    "length 100: jsonl never cuts a prompt");
}
END_TEST

START_TEST(facts_name_the_file)
{
    rig          g;
    sb_text_set *set   = rig_open(&g, "jsonl", ARGS(good_file(), "tok=bytes"));
    json_t      *facts = set->suite->facts(set);
    ck_assert_str_eq(json_string_value(json_object_get(facts, "generator")), "jsonl 1");
    ck_assert_int_eq((int)json_string_length(json_object_get(facts, "file_sha256")), 64);
    ck_assert_str_eq(json_string_value(json_object_get(facts, "tokenizer")), "bytes");
    ck_assert_ptr_null(json_object_get(facts, "templates_sha256"));
    json_decref(facts);
    set->suite->close(set);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("jsonl");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, round_trips);
    tcase_add_test(t, every_field);
    tcase_add_test(t, bad_rows);
    tcase_add_test(t, others_go_on);
    tcase_add_test(t, opening);
    tcase_add_test(t, facts_name_the_file);
    return run_suite_of("jsonl", t);
}
