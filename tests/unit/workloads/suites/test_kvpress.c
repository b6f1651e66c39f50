/* Rows of kvpress's export: prompts, who scores what, groups, and what is said of bad rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

#define ROW(task, answer)                                                                          \
    "{\"context\": \"C \", \"question\": \"Q?\", \"answer_prefix\": \"A:\", \"task\": \"" task     \
    "\", \"max_new_tokens\": 30, \"answer\": " answer "}\n"

static const char *data(const char *rows) { return rig_arg("data", put_text("ruler.jsonl", rows)); }

START_TEST(rows_and_scores)
{
    static const struct {
        const char *scoring, *all, *part;
        double      half; /* of a qa row with two references, one found */
    } who[] = {
        {"scoring=kvpress", "kvpress_all@1", "kvpress_part@1", 1},
        {"scoring=ruler", "ruler_all@1", "ruler_part@1", 1},
        {"scoring=lm_eval", "ruler_all@1", "lmeval_part@1", .5},
    };
    for (int i = 0; i < 3; i++) {
        rig          g;
        const char  *path = data(ROW("vt", "[\"AB\", \"CD\"]") ROW("qa_1", "[\"x y\", \"z\"]"));
        sb_text_set *set  = rig_open(&g, "kvpress", ARGS(path, who[i].scoring));
        sb_text_row  r    = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, "C Q?\nA:");
        ck_assert_int_eq(r.input_bytes, 4);
        ck_assert_str_eq(r.scorer, who[i].all);
        ck_assert_int_eq(r.gen_tokens, 30);
        ck_assert_str_eq(r.meta, "{\"task\": \"vt\"}");
        ck_assert_double_eq(rig_score(&r, "ab cd"), 1);
        ck_assert_double_eq(rig_score(&r, "cd"), .5);
        ck_assert_double_eq(rig_score(&r, "a\tb c"), i == 0 ? .5 : 0); /* the tab vanishes */
        ck_assert_double_eq(rig_score(&r, ""), 0);
        sb_text_row_fini(&r);
        r = rig_row(set, 1);
        ck_assert_str_eq(r.scorer, who[i].part);
        ck_assert_double_eq(rig_score(&r, "x y"), who[i].half);
        ck_assert_double_eq(rig_score(&r, "w"), 0);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(a_chat_model)
{
    rig          g;
    sb_text_set *set = rig_open(&g, "kvpress", ARGS(data(ROW("cwe", "\"one\"")), "chat=yes"));
    sb_text_row  r   = rig_row(set, 0);
    ck_assert_str_eq(r.prompt, "C Q?A:");
    ck_assert_int_eq(r.input_bytes, 4);
    ck_assert_int_eq(r.chat, 1);
    ck_assert_int_eq(r.n_refs, 1);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

START_TEST(groups)
{
    rig          g;
    sb_text_set *set    = rig_open(&g, "kvpress", ARGS(data(ROW("qa_2", "[5]"))));
    sb_text_row  r      = rig_row(set, 0);
    json_t      *meta   = json_loads(r.meta, 0, NULL);
    uint32_t     member = 0;
    ck_assert_str_eq(r.refs[0], "5"); /* pandas writes such answers as numbers */
    ck_assert_int_eq(set->suite->groups->of(meta, &member), SB_OK);
    ck_assert_int_eq(member, 1 << 12);
    ck_assert_str_eq(set->suite->groups->names[12], "qa_2");
    ck_assert_ptr_null(set->suite->groups->names[13]);
    json_object_clear(meta);
    expect_error(set->suite->groups->of(meta, &member), SB_ERR_USAGE, "meta.task: nothing");
    ck_assert_int_eq(json_object_set_new(meta, "task", json_string("qa_3")), 0);
    expect_error(set->suite->groups->of(meta, &member), SB_ERR_USAGE, "meta.task: qa_3");
    json_decref(meta);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

START_TEST(bad)
{
    static const struct {
        const char *row, *why;
    } rows[] = {
        {"{\"context\": \"c\"}\n", "line 1: task: nothing, not a string"},
        {ROW("vt2", "[]"), "task: `vt2`, not one of RULER's 13 tasks"},
        {ROW("vt", "[]"), "answer: an empty array, not"},
        {ROW("vt", "null"), "answer: null, not a string or an array"},
        {ROW("vt", "[\"a\", null]"), "answer[1]: null"},
        {"{\"task\": \"vt\", \"context\": 1}\n", "context: a number, not a string"},
        {"{\"task\": \"vt\", \"context\": \"c\"}\n", "question: nothing"},
        {"{\"task\": \"vt\", \"context\": \"c\", \"question\": \"q\"}\n", "answer_prefix: nothing"},
        {"{\"task\": \"vt\", \"context\": \"c\", \"question\": \"q\", \"answer_prefix\": \"\", "
         "\"answer\": \"a\"}\n",
         "max_new_tokens: nothing, not a whole number"},
        {"{\"task\": \"vt\", \"context\": \"c\", \"question\": \"q\", \"answer_prefix\": \"\", "
         "\"answer\": \"a\", \"max_new_tokens\": 0}\n",
         "max_new_tokens: 0, not"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig          g;
        sb_text_set *set = rig_open(&g, "kvpress", ARGS(data(rows[i].row)));
        rig_bad_row(set, 0, rows[i].why);
        set->suite->close(set);
    }
    rig_cannot_open("kvpress", ARGS("chat=yes"), SB_ERR_UNSUPPORTED, "ruler.jsonl");
    rig_cannot_open("kvpress", ARGS(data(ROW("vt", "\"a\"")), "length=9", "tok=points"),
                    SB_ERR_USAGE, "kvpress never cuts a prompt");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("kvpress");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, rows_and_scores);
    tcase_add_test(t, a_chat_model);
    tcase_add_test(t, groups);
    tcase_add_test(t, bad);
    return run_suite_of("kvpress", t);
}
