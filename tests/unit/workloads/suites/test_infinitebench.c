/* InfiniteBench from files: prompts, references and scores of all 12 tasks from invented rows, and
 * what is said of bad ones. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/infinitebench/infinitebench.h"
#include "workloads/metrics/infbench.h"

#define OPTS "\"options\": [\"o0\", \"o1\", \"o2\", \"o3\"]"

/* A row, the prompt that the small texts below make of it, its references, and predictions. */
static const struct sample {
    const char *task, *row, *prompt, *refs, *right, *part;
    double      part_value;
} samples[] = {
    {"passkey", "\"id\": 0, \"context\": \"C\", \"input\": \"I\", \"answer\": \"07143\"", "C|I",
     "07143", "It is 07143.", "7143", 0},
    {"passkey", "\"content\": \"D\", \"context\": \"C\", \"input\": \"I\", \"answer\": [\"71432\"]",
     "D|I", "71432", "71432", "no", 0},
    {"number_string", "\"content\": \"D\", \"input\": \"I\", \"answer\": \"1122334455\"", "D|I",
     "1122334455", "1122334455", "112233445", 0},
    {"kv_retrieval", "\"context\": \"C\", \"input\": \"I\", \"answer\": \"ab-1\"", "C|I", "ab-1",
     "\"ab-1\"", "ab-12", 0},
    {"longbook_sum_eng", "\"context\": \"C\", \"answer\": [\"one two\", \"four five\"]", "C",
     "one two,four five", "four five", "four", 2.0 / 3},
    {"longbook_choice_eng", "\"context\": \"C\", \"input\": \"I\", \"answer\": \"o2\", " OPTS,
     "C|I|o0|o1|o2|o3", "o2,C", "C. o2", "A", 0},
    {"longbook_choice_eng", "\"context\": \"C\", \"input\": \"I\", \"answer\": [\"o1\"], " OPTS,
     "C|I|o0|o1|o2|o3", "o1,B", "B", "o2", 0},
    {"longbook_qa_eng",
     "\"context\": \"C\", \"input\": \"I\", \"answer\": [\"big house\", \"barn\"]", "C|I",
     "big house,barn", "the barn", "red big house", 0.8},
    {"longbook_qa_chn",
     "\"context\": \"C\", \"input\": \"I\", \"answer\": [\"\xe4\xb8\xad\xe6\x96\x87\"]", "C|I",
     "\xe4\xb8\xad\xe6\x96\x87", "\xe4\xb8\xad\xe6\x96\x87\xe3\x80\x82", "\xe4\xb8\xad", 2.0 / 3},
    {"longdialogue_qa_eng", "\"context\": \"C\", \"answer\": [\"ANN\", \"BOB\"]", "C", "ANN,BOB",
     "It is Ann.", "Bob", 0},
    {"math_find",
     "\"context\": \"[1]\", \"input\": \"Now.\\nThe Largest x of y: \", \"answer\": 42",
     "<the largest x>[1]|Now.\nThe Largest x of y: ", "42", "42", "41", 0},
    {"math_find", "\"context\": \"[1]\", \"input\": \"a The sum of A of b\", \"answer\": 7",
     "<the sum of a>[1]|a The sum of A of b", "7", "7", "8", 0},
    {"math_find", "\"context\": \"[1]\", \"input\": \"The median of x\", \"answer\": [49.0]",
     "<the median>[1]|The median of x", "49.0", "49", "49.5", 0},
    {"math_calc", "\"context\": \"1 + 2\", \"answer\": [[1, 2, 3, 4]]", "1 + 2", "1,2,3,4",
     "1, 2, 3, 4", "1, 2, 4, 4", 0.5},
    {"math_calc", "\"context\": \"1 + 2\", \"answer\": [7]", "1 + 2", "7", "[7]", "8", 0},
    {"code_run",
     "\"context\": \"C\", \"input\": \"func_ func_1 func_2( func_3(x) call func_45(-6) or "
     "func_7(8)\", "
     "\"answer\": -3",
     "func_45|C|func_45(-6)", "-3", "It is -3", "3", 0},
    {"code_debug", "\"context\": \"C\", \"answer\": [\"f\", \"D\"], " OPTS, "C|o0|o1|o2|o3", "f,D",
     "D. f", "A.", 0},
};

#define SMALL                                                                                      \
    "{\"passkey\": \"{context}|{input}\", \"number_string\": \"{context}|{input}\", "              \
    "\"kv_retrieval\": \"{context}|{input}\", \"longbook_sum_eng\": \"{context}\", "               \
    "\"longbook_choice_eng\": "                                                                    \
    "\"{context}|{question}|{OPTION_A}|{OPTION_B}|{OPTION_C}|{OPTION_D}\", "                       \
    "\"longbook_qa_eng\": \"{context}|{question}\", \"longbook_qa_chn\": "                         \
    "\"{context}|{question}\", "                                                                   \
    "\"longdialogue_qa_eng\": \"{context}\", \"math_find\": \"{prefix}{context}|{input}\", "       \
    "\"math_find_prefix\": \"<{target_number}>\", \"math_calc\": \"{context}\", \"code_run\": "    \
    "\"{func}|{context}|{func_call}\", \"code_debug\": "                                           \
    "\"{context}|{OPTION_A}|{OPTION_B}|{OPTION_C}|{OPTION_D}\", \"chat\": false}"

static const char *small(void) { return rig_arg("templates", put_text("t.json", SMALL)); }

static void put_row(const char *task, const char *fields)
{
    char name[64], row[1024];
    (void)snprintf(name, sizeof name, "%s.jsonl", task);
    (void)snprintf(row, sizeof row, "{%s}\n", fields);
    (void)put_text(name, row);
}

static void expect_refs(const sb_text_row *r, const char *refs)
{
    sbi_text t = {0};
    for (int64_t i = 0; i < r->n_refs; i++) {
        sbi_text_puts(&t, i > 0 ? "," : "");
        sbi_text_puts(&t, r->refs[i]);
    }
    ck_assert_str_eq(sbi_text_str(&t), refs);
    sbi_text_fini(&t);
}

START_TEST(all_12)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *s = &samples[i];
        const sb_infbench   *d = sb_infbench_find(s->task);
        rig                  g;
        sb_text_set         *set;
        sb_text_row          r;
        put_row(s->task, s->row);
        set = rig_open(&g, "infinitebench",
                       ARGS(rig_arg("task", s->task), rig_arg("data", folder()), small()));
        r   = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, s->prompt);
        expect_refs(&r, s->refs);
        ck_assert_str_eq(r.scorer, d->metric);
        ck_assert_int_eq(r.gen_tokens, d->max_gen_tokens);
        ck_assert_int_eq(r.chat, 0);
        ck_assert_str_eq(r.id, i == 0 ? "0" : "");
        ck_assert_double_eq(rig_score(&r, s->right), 1);
        ck_assert_double_eq_tol(rig_score(&r, s->part), s->part_value, 1e-12);
        ck_assert_double_eq(rig_score(&r, ""), 0);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(the_table_of_tasks)
{
    int n = 0;
    for (const sb_text_task *t = sb_infinitebench_suite.tasks; t->name != NULL; t++, n++) {
        const sb_infbench *d = sb_infbench_find(t->name);
        ck_assert_ptr_nonnull(d);
        ck_assert_str_eq(t->scorer, d->metric);
        ck_assert_int_eq(t->gen_tokens, d->max_gen_tokens);
        ck_assert_ptr_nonnull(sb_scorer_find(t->scorer));
    }
    ck_assert_int_eq(n, 12);
}
END_TEST

START_TEST(built_in_texts)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        rig          g;
        sb_text_set *set;
        sb_text_row  r;
        put_row(samples[i].task, samples[i].row);
        set = rig_open(&g, "infinitebench",
                       ARGS(rig_arg("task", samples[i].task), rig_arg("data", folder())));
        r   = rig_row(set, 0);
        ck_assert_int_eq(r.chat, 1);
        ck_assert_ptr_null(strchr(r.prompt, '{'));
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(bad_rows)
{
    static const struct {
        const char *task, *row, *why;
    } bad[] = {
        {"passkey", "\"input\": \"I\", \"answer\": \"1\"", "context: nothing, not a string"},
        {"passkey", "\"content\": 5, \"context\": \"C\", \"input\": \"I\", \"answer\": \"1\"",
         "content: a number, not a string"},
        {"passkey", "\"context\": \"C\", \"answer\": \"1\"", "input: nothing, not a string"},
        {"passkey", "\"context\": \"C\", \"input\": \"I\"",
         "answer: nothing, not a string or a number"},
        {"passkey", "\"context\": \"C\", \"input\": \"I\", \"answer\": []",
         "answer: an empty array, not an array of strings or numbers"},
        {"passkey", "\"context\": \"C\", \"input\": \"I\", \"answer\": [\"1\", null]",
         "answer[1]: null, not a string or a number"},
        {"passkey", "\"context\": \"C\", \"input\": \"I\", \"answer\": \"1\", \"id\": {}",
         "id: an object, not a string or a whole number"},
        {"longbook_sum_eng", "\"content\": \"C\", \"answer\": \"1\"", "context: nothing"},
        {"code_debug", "\"context\": \"C\", \"answer\": \"f\"",
         "options: nothing, not an array of four strings or more"},
        {"code_debug", "\"context\": \"C\", \"answer\": \"f\", \"options\": [\"a\", \"b\", \"c\"]",
         "options: an array, not an array of four strings or more"},
        {"code_debug",
         "\"context\": \"C\", \"answer\": \"f\", \"options\": [\"a\", \"b\", 3, \"c\"]",
         "options: a number, not a string"},
        {"code_debug", "\"context\": \"C\", \"answer\": \"f\", " OPTS,
         "answer: `f` is none of the first four options"},
        {"code_debug", "\"context\": \"C\", \"answer\": [\"f\", \"E\"], " OPTS,
         "answer[1]: a string, not one of A, B, C, D"},
        {"code_debug", "\"context\": \"C\", \"answer\": [\"f\", \"A\", \"B\"], " OPTS,
         "answer: an array, not a string, or an array of one or two strings"},
        {"code_debug", "\"context\": \"C\", \"answer\": 5, " OPTS, "answer: a number"},
        {"math_calc", "\"context\": \"C\", \"answer\": 5", "answer: a number, not an array"},
        {"math_calc", "\"context\": \"C\", \"answer\": [[]]", "answer: an empty array"},
        {"math_calc", "\"context\": \"C\", \"answer\": [1, [2]]", "answer[1]: an array"},
        {"math_find", "\"context\": \"C\", \"input\": \"The x\\n of y\", \"answer\": 5",
         "input: no \"The ... of\" in it"},
        {"math_find", "\"context\": \"C\", \"input\": \"The  of y\", \"answer\": 5",
         "input: no \"The"},
        {"code_run",
         "\"context\": \"C\", \"input\": \"func_(1) func_2(-) func_3(4 )\", \"answer\": 5",
         "input: no call like func_12(-3) in it"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig          g;
        sb_text_set *set;
        char         where[80];
        put_row(bad[i].task, bad[i].row);
        set = rig_open(&g, "infinitebench",
                       ARGS(rig_arg("task", bad[i].task), rig_arg("data", folder()), small()));
        rig_bad_row(set, 0, bad[i].why);
        (void)snprintf(where, sizeof where, "%s.jsonl: line 1: ", bad[i].task);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), where));
        set->suite->close(set);
    }
}
END_TEST

static void texts_fail(const char *task, const char *json, const char *why)
{
    const char *path = put_text("t.json", json);
    rig_cannot_open("infinitebench",
                    ARGS(rig_arg("task", task), rig_arg("templates", path), "data=/"), SB_ERR_USAGE,
                    why);
}

START_TEST(texts_of_ones_own)
{
    texts_fail("passkey", "{\"passkey\": \"{context}\"}",
               "passkey: placeholder {input} is missing");
    texts_fail("passkey", "{\"passkey\": \"{context}{input}{question}\"}", "question");
    texts_fail("code_run", "{\"code_run\": \"{context}{func}\"}",
               "placeholder {func_call} is missing");
    texts_fail("math_find", "{\"math_find\": \"{prefix}{context}{input}\"}",
               "math_find_prefix: nothing, not a string");
    texts_fail("math_find",
               "{\"math_find\": \"{prefix}{context}{input}\", \"math_find_prefix\": \"x\"}",
               "math_find_prefix: placeholder {target_number} is missing");
    texts_fail("passkey", "{\"passkey\": \"{context}{input}\", \"chat\": 1}",
               "chat: a number, not true or false");
    rig_cannot_open("infinitebench", ARGS("task=passkey"), SB_ERR_UNSUPPORTED,
                    "`data` must name it, or a folder with passkey.jsonl");
}
END_TEST

/* first L // 2, last L // 2, decoded as one text, which happens also where nothing is cut */
START_TEST(the_middle_is_cut)
{
    static const struct {
        const char *tok, *length, *context, *prompt;
        int64_t     truncated;
    } cases[] = {
        {"points", "10", "ABCDEFGHIJ", "ABCDEFGHIJ", 0},
        {"points", "9", "ABCDEFGHIJ", "ABCDGHIJ", 2},
        /* a E4 B8 | B8 AD b: E4 B8 B8 is a character, AD is none */
        {"bytes", "6",
         "a\xe4\xb8\xad-\xe4\xb8\xad"
         "b",
         "a\xe4\xb8\xb8\xef\xbf\xbd"
         "b",
         3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig          g;
        char         row[256];
        sb_text_set *set;
        sb_text_row  r;
        (void)snprintf(row, sizeof row, "\"context\": \"%s\", \"answer\": \"a\"", cases[i].context);
        put_row("longbook_sum_eng", row);
        set = rig_open(&g, "infinitebench",
                       ARGS("task=longbook_sum_eng", small(), rig_arg("data", folder()),
                            rig_arg("tok", cases[i].tok), rig_arg("length", cases[i].length)));
        r   = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, cases[i].prompt);
        ck_assert_int_eq(r.truncated_tokens, cases[i].truncated);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("infinitebench");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, all_12);
    tcase_add_test(t, the_table_of_tasks);
    tcase_add_test(t, built_in_texts);
    tcase_add_test(t, bad_rows);
    tcase_add_test(t, texts_of_ones_own);
    tcase_add_test(t, the_middle_is_cut);
    return run_suite_of("infinitebench", t);
}
