/* LongBench v1 and E: every dataset's invented rows as prompts, how they are scored and cut, and
 * what is said of bad rows, files and texts. That prompts are the original's is for
 * tests/golden/suites_compare.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/longbench/longbench.h"
#include "workloads/metrics/longbench.h"
#include "workloads/registry.h"

#define TEXTS "configs/templates/longbench.json"

/* A row of each scorer and what predictions are worth: 2PR/(P+R) of token bags; 1 / classes named;
 * numbers right / numbers; ratios and rouge of workloads.md 2.2. */
static const struct sample {
    const char *scorer, *answers, *classes, *right, *half;
    double      right_value, half_value;
} samples[] = {
    {"qa_f1@1", "[\"a barn\", \"big house\"]", "null", "Big house.", "red big house", 1, 0.8},
    {"rouge_l@1", "[\"one two three four\"]", "null", "one two three four", "four", 0.999999995,
     0.39999999680000002},
    {"classification@1", "[\"Food\"]", "[\"Food\", \"Place\"]", "Food", "Food or Place", 1, 0.5},
    {"retrieval@1", "[\"Paragraph 3\"]", "null", "Paragraph 3", "3 or 4", 1, 0.5},
    {"retrieval_zh@1",
     "[\"\xe6\xae\xb5\xe8\x90\xbd"
     "3\"]",
     "null",
     "\xe6\xae\xb5\xe8\x90\xbd"
     "3",
     "3 4", 1, 0.5},
    {"count@1", "[\"12\"]", "null", "12", "12 of 15", 1, 0.5},
    {"code_sim@1", "[\"return foo(baz)\"]", "null", "return foo(baz)",
     "\n# c\n```py\n    return foo(bar)\nx", 1, 0.82},
};

static const struct sample *sample_of(const char *scorer)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
        if (strcmp(samples[i].scorer, scorer) == 0)
            return &samples[i];
    return NULL;
}

static void put_rows(const char *task, const char *suffix)
{
    const sb_longbench  *d = sb_longbench_find(task);
    const struct sample *s = sample_of(d->metric);
    char                 name[64], row[1024];
    (void)snprintf(name, sizeof name, "%s%s.jsonl", task, suffix);
    (void)snprintf(row, sizeof row,
                   "{\"input\": \"I{x}\", \"context\": \"C1 {input}\\nC2\", \"answers\": %s, "
                   "\"length\": 4000, \"dataset\": \"%s\", \"language\": \"en\", \"all_classes\": "
                   "%s, \"_id\": \"id-%s\"}\n",
                   s != NULL ? s->answers : "[\"ab\"]", task, s != NULL ? s->classes : "null",
                   task);
    (void)put_text(name, row);
}

/* The file's text with {context} and {input} replaced at its first places. */
static char *filled(const char *task)
{
    json_t     *root = json_load_file(TEXTS, 0, NULL);
    const char *text = json_string_value(json_object_get(root, task));
    const char *c = strstr(text, "{context}"), *i = strstr(text, "{input}");
    sbi_text    out = {0};
    ck_assert_ptr_nonnull(c);
    sbi_text_put(&out, text, c - text);
    sbi_text_puts(&out, "C1 {input}\nC2");
    c += strlen("{context}");
    if (i != NULL) {
        sbi_text_put(&out, c, i - c);
        sbi_text_puts(&out, "I{x}");
        c = i + strlen("{input}");
    }
    sbi_text_puts(&out, c);
    json_decref(root);
    return sbi_text_take(&out);
}

static void check_row(sb_text_set *set, const char *task)
{
    const sb_longbench  *d    = sb_longbench_find(task);
    const struct sample *s    = sample_of(d->metric);
    sb_text_row          r    = rig_row(set, 0);
    char                *want = filled(task), id[64];
    (void)snprintf(id, sizeof id, "id-%s", task);
    ck_assert_str_eq(r.prompt, want);
    ck_assert_int_eq(r.prompt_bytes, (int64_t)strlen(want));
    ck_assert_int_eq(r.input_bytes, r.prompt_bytes);
    ck_assert_str_eq(r.id, id);
    ck_assert_str_eq(r.scorer, d->metric);
    ck_assert_int_eq(r.gen_tokens, d->max_gen_tokens);
    ck_assert_int_eq(r.first_line, d->first_line);
    ck_assert_int_eq(r.stop_newline, d->stop_at_newline);
    ck_assert_int_eq(r.chat, d->chat);
    ck_assert_int_eq(r.line, 1);
    ck_assert_int_eq(r.n_tokens, -1);
    ck_assert_int_eq((int)strlen(r.sha256), 64);
    ck_assert_ptr_nonnull(strstr(r.meta, "\"length\": 4000"));
    ck_assert_ptr_nonnull(strstr(r.meta, "\"_id\": \"id-"));
    ck_assert_int_eq(r.n_classes, strcmp(d->metric, "classification@1") == 0 ? 2 : 0);
    if (s != NULL) {
        ck_assert_double_eq_tol(rig_score(&r, s->right), s->right_value, 1e-12);
        ck_assert_double_eq_tol(rig_score(&r, s->half), s->half_value, 1e-12);
        ck_assert_double_eq(rig_score(&r, ""), 0);
        if (strcmp(s->scorer, "code_sim@1") !=
            0) /* that one finds some likeness in any two lines */
            ck_assert_double_eq(rig_score(&r, "quite zzz else"), 0);
    }
    if (d->first_line)
        ck_assert_double_eq_tol(rig_score(&r, "\n\nzzz\nFood house one two three four"), 0, 1e-12);
    free(want);
    sb_text_row_fini(&r);
}

static void check_suite(const sb_text_suite *suite, const char *suffix, int tasks)
{
    int n = 0;
    for (const sb_text_task *t = suite->tasks; t->name != NULL; t++, n++) {
        const sb_longbench *d = sb_longbench_find(t->name);
        rig                 g;
        sb_text_set        *set;
        ck_assert_ptr_nonnull(d);
        ck_assert_str_eq(t->scorer, d->metric);
        ck_assert_int_eq(t->gen_tokens, d->max_gen_tokens);
        ck_assert_ptr_nonnull(sb_scorer_find(t->scorer));
        put_rows(t->name, suffix);
        set = rig_open(&g, suite->name, ARGS(rig_arg("task", t->name), rig_arg("data", folder())));
        ck_assert_int_eq(suite->n_rows(set), 1);
        check_row(set, t->name);
        suite->close(set);
    }
    ck_assert_int_eq(n, tasks);
}

START_TEST(all_21) { check_suite(&sb_longbench_suite, "", 21); }
END_TEST

START_TEST(the_13_of_e)
{
    int n = 0;
    check_suite(&sb_longbench_e_suite, "_e", 13);
    for (const sb_longbench *d = sb_longbench_datasets; d->name != NULL; d++)
        n += d->in_e == (sb_text_task_find(&sb_longbench_e_suite, d->name) != NULL);
    ck_assert_int_eq(n, 21);
}
END_TEST

#define ROW(tail)                                                                                  \
    "{\"input\": \"q\", \"context\": \"c\", \"answers\": [\"a\"], \"length\": 10, \"_id\": "       \
    "\"x\"" tail "}\n"

START_TEST(bad_rows)
{
    static const char text[] = ROW(
        "") "{\"input\": \"q\", \"answers\": [\"a\"], \"length\": 10}\n"
            "{\"input\": \"q\", \"context\": 5, \"answers\": [\"a\"], \"length\": 10}\n"
            "{\"context\": \"c\", \"answers\": [\"a\"], \"length\": 10}\n"
            "{\"input\": \"q\", \"context\": \"c\", \"length\": 10}\n"
            "{\"input\": \"q\", \"context\": \"c\", \"answers\": \"a\", \"length\": 10}\n"
            "{\"input\": \"q\", \"context\": \"c\", \"answers\": [], \"length\": 10}\n"
            "{\"input\": \"q\", \"context\": \"c\", \"answers\": [\"a\", 7], \"length\": 10}\n" ROW(
                ", \"length\": \"10\"") ROW(", \"length\": -1")
                ROW(", \"_id\": []") "{\"input\": 1}\n"
                                     "[]\n"
                                     "not json\n" ROW(", \"all_classes\": [], \"length\": null");
    static const char *const want[] = {
        NULL,
        "line 2: context: nothing, not a string",
        "line 3: context: a number, not a string",
        "line 4: input: nothing, not a string",
        "line 5: answers: nothing, not an array of strings",
        "line 6: answers: a string, not an array of strings",
        "line 7: answers: an empty array, not an array of strings",
        "line 8: answers[1]: a number, not a string",
        "line 9: length: a string, not a whole number",
        "line 10: length: -1, less than 0",
        "line 11: _id: an empty array, not a string or a whole number",
        "line 12: context: nothing, not a string",
        "line 13: an array, not an object",
        "line 14, byte",
        NULL};
    rig          g;
    const char  *path = put_text("hotpotqa.jsonl", text);
    sb_text_set *set  = rig_open(&g, "longbench", ARGS("task=hotpotqa", rig_arg("data", path)));
    ck_assert_int_eq(set->suite->n_rows(set), 15);
    for (int i = 0; i < 15; i++) {
        sb_text_row r;
        if (want[i] != NULL) {
            rig_bad_row(set, i, want[i]);
            ck_assert_ptr_nonnull(strstr(sb_error_text(), path));
            continue;
        }
        r = rig_row(set, i);
        ck_assert_int_eq(r.row, i);
        ck_assert_int_eq(r.line, i + 1);
        sb_text_row_fini(&r);
    }
    rig_bad_row(set, 15, "row 15 of 15");
    rig_bad_row(set, -1, "row -1 of 15");
    set->suite->close(set);
}
END_TEST

START_TEST(what_a_dataset_needs)
{
    rig          g;
    sb_text_row  r;
    sb_text_set *set;
    /* classes only where they are scored by, an input only where the prompt has one */
    (void)put_text("trec.jsonl",
                   ROW("") ROW(", \"all_classes\": null") ROW(", \"all_classes\": [\"a\"]")
                       ROW(", \"all_classes\": {}") ROW(", \"all_classes\": [null]"));
    (void)put_text("lcc.jsonl", "{\"context\": \"c\", \"answers\": [\"a\"]}\n");
    (void)put_text("lcc_e.jsonl", "{\"context\": \"c\", \"answers\": [\"a\"]}\n");
    set = rig_open(&g, "longbench", ARGS("task=trec", rig_arg("data", folder())));
    rig_bad_row(set, 0, "all_classes: nothing, not an array of strings");
    rig_bad_row(set, 1, "all_classes: null, not an array of strings");
    rig_bad_row(set, 3, "all_classes: an object, not an array of strings");
    rig_bad_row(set, 4, "all_classes[0]: null, not a string");
    r = rig_row(set, 2);
    ck_assert_int_eq(r.n_classes, 1);
    sb_text_row_fini(&r);
    set->suite->close(set);
    set = rig_open(&g, "longbench", ARGS("task=lcc", rig_arg("data", folder())));
    r   = rig_row(set, 0);
    ck_assert_str_eq(r.id, "");
    ck_assert_str_eq(r.meta, "{}");
    sb_text_row_fini(&r);
    set->suite->close(set);
    set = rig_open(&g, "longbench_e", ARGS("task=lcc", rig_arg("data", folder())));
    rig_bad_row(set, 0, "length: nothing, not a whole number"); /* E reports by it */
    set->suite->close(set);
}
END_TEST

START_TEST(where_the_file_lies)
{
    rig          g;
    char         command[700];
    sb_text_set *set;
    rig_cannot_open("longbench", ARGS("task=qasper"), SB_ERR_UNSUPPORTED,
                    "`data` must name it, or a folder with qasper.jsonl or data/qasper.jsonl");
    rig_cannot_open("longbench_e", ARGS("task=qasper", rig_arg("data", folder())), SB_ERR_IO,
                    "holds no qasper_e.jsonl or data/qasper_e.jsonl");
    rig_cannot_open("longbench", ARGS("data=/nowhere"), SB_ERR_IO, "data: /nowhere: No such");
    (void)snprintf(command, sizeof command, "mkdir '%s/data'", folder());
    ck_assert_int_eq(system(command), 0);
    (void)put_text("data/qasper.jsonl", ROW(""));
    set = rig_open(&g, "longbench", ARGS("task=qasper", rig_arg("data", folder())));
    ck_assert_int_eq(set->suite->n_rows(set), 1);
    set->suite->close(set);
}
END_TEST

static void texts_fail(const char *json, const char *why)
{
    const char *path = put_text("t.json", json);
    rig_cannot_open("longbench", ARGS("task=qasper", rig_arg("templates", path), "data=/"),
                    SB_ERR_USAGE, why);
}

START_TEST(texts_of_ones_own)
{
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    const char  *path;
    texts_fail("[]", "t.json: an array, not an object of texts");
    texts_fail("{", "t.json: line 1");
    texts_fail("{}", "t.json: qasper: nothing, not a string");
    texts_fail("{\"qasper\": 5}", "t.json: qasper: a number, not a string");
    texts_fail("{\"qasper\": \"{context}\"}", "t.json: qasper: placeholder {input} is missing");
    texts_fail("{\"qasper\": \"{input}\"}", "placeholder {context} is missing");
    texts_fail("{\"qasper\": \"{context}{input}{answers}\"}", "answers");
    texts_fail("{\"qasper\": \"{context}{input}{\"}", "lone {");
    texts_fail("{\"qasper\": \"\xff\"}", "not UTF-8");
    rig_cannot_open("longbench", ARGS("templates=/nowhere.json"), SB_ERR_IO,
                    "/nowhere.json: No such");
    rig_cannot_open("longbench", ARGS(rig_arg("templates", folder())), SB_ERR_IO, "a folder");
    (void)put_text("qasper.jsonl", ROW(""));
    path = put_text("t.json", "{\"qasper\": \"<{input}|{{{context}}}|{input}>\", \"more\": 1}");
    set  = rig_open(&g, "longbench",
                    ARGS("task=qasper", rig_arg("templates", path), rig_arg("data", folder())));
    r    = rig_row(set, 0);
    ck_assert_str_eq(r.prompt, "<q|{c}|q>");
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

/* The known arithmetic of the cut: h = floor(M / 2) from each end, the tokenizer's own tokens first
 * among them. */
START_TEST(the_middle_is_cut)
{
    static const struct {
        const char *tok, *length, *prefix, *prompt;
        int64_t     n_tokens, truncated;
    } cases[] = {
        {"points", "0", "0", "ABCDEFGHIJ", 10, 0}, {"points", "10", "0", "ABCDEFGHIJ", 10, 0},
        {"points", "9", "0", "ABCDGHIJ", 8, 2},    {"points", "2", "0", "AJ", 2, 8},
        {"points", "10", "1", "ABCDFGHIJ", 9, 1},  {"points", "11", "1", "ABCDEFGHIJ", 10, 0},
        {"points", "4", "3", "IJ", 2, 8},          {"pairs", "5", "0", "ABCDEFGHIJ", 5, 0},
        {"pairs", "4", "0", "ABCDGHIJ", 4, 1},     {"bytes", "3", "0", "AJ", 2, 8},
    };
    const char *texts = put_text("t.json", "{\"lcc\": \"{context}\"}");
    (void)put_text("lcc.jsonl", "{\"context\": \"ABCDEFGHIJ\", \"answers\": [\"a\"]}\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "longbench",
                     ARGS("task=lcc", rig_arg("templates", texts), rig_arg("data", folder()),
                          rig_arg("tok", cases[i].tok), rig_arg("length", cases[i].length),
                          rig_arg("prefix_tokens", cases[i].prefix)));
        sb_text_row r = rig_row(set, 0);
        ck_assert_msg(strcmp(r.prompt, cases[i].prompt) == 0, "%zu: %s", i, r.prompt);
        ck_assert_int_eq(r.n_tokens, cases[i].n_tokens);
        ck_assert_int_eq(r.truncated_tokens, cases[i].truncated);
        ck_assert_int_eq(r.prompt_bytes, (int64_t)strlen(cases[i].prompt));
        ck_assert_int_eq(r.input_bytes, r.prompt_bytes);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
    /* a character that is cut through, from both sides: each end is decoded by itself */
    (void)put_text("lcc.jsonl", "{\"context\": \"a\xe4\xb8\xad"
                                "b\xe4\xb8\xad"
                                "c\", \"answers\": [\"a\"]}\n");
    {
        rig          g;
        sb_text_set *set = rig_open(&g, "longbench",
                                    ARGS("task=lcc", rig_arg("templates", texts), "length=4",
                                         rig_arg("data", folder()), "tok=bytes"));
        sb_text_row  r   = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, "a\xef\xbf\xbd\xef\xbf\xbd"
                                   "c");
        ck_assert_int_eq(r.truncated_tokens, 5);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(a_length_needs_a_tokenizer)
{
    (void)put_text("lcc.jsonl", "{\"context\": \"c\", \"answers\": [\"a\"]}\n");
    rig_cannot_open("longbench", ARGS("task=lcc", "length=100", rig_arg("data", folder())),
                    SB_ERR_USAGE, "length 100: cutting prompts to a length needs a tokenizer");
    rig_cannot_open("longbench",
                    ARGS("task=lcc", "length=100", "tok=bytes/4", rig_arg("data", folder())),
                    SB_ERR_UNSUPPORTED, "the counter `bytes/4` cannot cut");
    rig_cannot_open("longbench",
                    ARGS("task=lcc", "length=1", "tok=bytes", rig_arg("data", folder())),
                    SB_ERR_USAGE, "length 1: prompts are cut to 2 tokens or more");
    rig_cannot_open("longbench",
                    ARGS("task=lcc", "length=-4", "tok=bytes", rig_arg("data", folder())),
                    SB_ERR_USAGE, "length -4");
}
END_TEST

START_TEST(which_code_sim)
{
    static const char *const want[][2] = {{"difflib", "code_sim@1"},
                                          {"indel", "code_sim_indel@1"},
                                          {"rapidfuzz", "code_sim_rapidfuzz@1"}};
    (void)put_text("lcc.jsonl", ROW(""));
    (void)put_text("qasper.jsonl", ROW(""));
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 2; k++) {
            rig          g;
            sb_text_set *set =
                rig_open(&g, "longbench",
                         ARGS(k ? "task=qasper" : "task=lcc", rig_arg("data", folder()),
                              rig_arg("code_sim", want[i][0])));
            sb_text_row r = rig_row(set, 0);
            ck_assert_str_eq(r.scorer, k ? "qa_f1@1" : want[i][1]);
            ck_assert_ptr_nonnull(sb_scorer_find(r.scorer));
            sb_text_row_fini(&r);
            set->suite->close(set);
        }
    }
}
END_TEST

START_TEST(facts_of_a_set)
{
    rig          g;
    const char  *row = ROW("");
    sb_text_set *set;
    json_t      *f;
    (void)put_text("qasper.jsonl", row);
    set = rig_open(&g, "longbench", ARGS("task=qasper", rig_arg("data", folder()), "tok=points"));
    f   = set->suite->facts(set);
    ck_assert_str_eq(json_string_value(json_object_get(f, "generator")), SB_LONGBENCH_VERSION);
    ck_assert_str_eq(json_string_value(json_object_get(f, "file_sha256")),
                     hash64(row, strlen(row)));
    ck_assert_str_eq(json_string_value(json_object_get(f, "tokenizer")), "points");
    ck_assert_str_eq(json_string_value(json_object_get(f, "tokenizer_sha256")), "");
    ck_assert_uint_eq(json_string_length(json_object_get(f, "templates_sha256")), 64);
    json_decref(f);
    set->suite->close(set);
}
END_TEST

static uint32_t member(const sb_text_suite *s, const char *meta)
{
    json_t   *v  = json_loads(meta, 0, NULL);
    uint32_t  m  = 0;
    sb_status st = s->groups->of(v, &m);
    json_decref(v);
    if (st != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return m;
}

START_TEST(bins_of_e)
{
    const sb_text_suite *s   = &sb_longbench_e_suite;
    json_t              *bad = json_loads("{\"length\": \"3\"}", 0, NULL);
    uint32_t             m   = 77;
    ck_assert_str_eq(s->groups->names[0], "0-4k");
    ck_assert_str_eq(s->groups->names[1], "4-8k");
    ck_assert_str_eq(s->groups->names[2], "8k+");
    ck_assert_ptr_null(s->groups->names[3]);
    ck_assert_uint_eq(member(s, "{\"length\": 0}"), 1);
    ck_assert_uint_eq(member(s, "{\"length\": 3999}"), 1);
    ck_assert_uint_eq(member(s, "{\"length\": 4000}"), 2);
    ck_assert_uint_eq(member(s, "{\"length\": 7999}"), 2);
    ck_assert_uint_eq(member(s, "{\"length\": 8000}"), 4);
    expect_error(s->groups->of(bad, &m), SB_ERR_USAGE, "meta.length: a string");
    ck_assert_uint_eq(m, 77);
    json_decref(bad);
    ck_assert_ptr_null(sb_longbench_suite.groups);
}
END_TEST

START_TEST(per_cents)
{
    /* str(round(100 * sum / n, decimals)) of CPython 3.11 */
    static const struct {
        double      sum;
        int64_t     n;
        int32_t     decimals;
        const char *text;
    } values[] = {{1, 3, 2, "33.33"}, {2, 3, 1, "66.7"},      {1, 1, 2, "100.0"},
                  {0, 7, 1, "0.0"},   {1, 2, 2, "50.0"},      {1, 8, 1, "12.5"},
                  {1, 16, 1, "6.2"},  {3, 16, 1, "18.8"},     {1, 32, 2, "3.12"},
                  {3, 32, 2, "9.38"}, {451, 1000, 2, "45.1"}, {0.28675, 1, 2, "28.68"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char buf[32];
        sb_text_percent(values[i].sum, values[i].n, values[i].decimals, buf, sizeof buf);
        ck_assert_str_eq(buf, values[i].text);
    }
    ck_assert_int_eq(sb_longbench_suite.decimals, 2);
    ck_assert_int_eq(sb_longbench_e_suite.decimals, 2);
}
END_TEST

/* What an edit of a row or a text does, and where the row stands does not. */
START_TEST(the_hash_of_a_row)
{
    char hash[4][65];
    for (int i = 0; i < 4; i++) {
        rig          g;
        sb_text_set *set;
        sb_text_row  r;
        (void)put_text("qasper.jsonl", i == 1   ? "\n" ROW(", \"language\": \"zh\"")
                                       : i == 2 ? ROW(", \"answers\": [\"b\"]")
                                       : i == 3 ? ROW(", \"context\": \"d\"")
                                                : ROW(""));
        set = rig_open(&g, "longbench", ARGS("task=qasper", rig_arg("data", folder())));
        r   = rig_row(set, 0);
        memcpy(hash[i], r.sha256, sizeof hash[i]);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_str_ne(hash[0], hash[2]);
    ck_assert_str_ne(hash[0], hash[3]);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("longbench");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, all_21);
    tcase_add_test(t, the_13_of_e);
    tcase_add_test(t, bad_rows);
    tcase_add_test(t, what_a_dataset_needs);
    tcase_add_test(t, where_the_file_lies);
    tcase_add_test(t, texts_of_ones_own);
    tcase_add_test(t, the_middle_is_cut);
    tcase_add_test(t, a_length_needs_a_tokenizer);
    tcase_add_test(t, which_code_sim);
    tcase_add_test(t, facts_of_a_set);
    tcase_add_test(t, bins_of_e);
    tcase_add_test(t, per_cents);
    tcase_add_test(t, the_hash_of_a_row);
    return run_suite_of("longbench", t);
}
