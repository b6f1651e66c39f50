/* LongBench v2: prompts of the three variants from invented rows, the order of replacement, the
 * cut, scores, groups, and what is said of bad rows and texts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/longbench/longbench.h"

#define FIELDS                                                                                     \
    "\"_id\": \"66f\", \"domain\": \"D\", \"sub_domain\": \"S\", \"difficulty\": \"easy\", "       \
    "\"length\": \"medium\", \"question\": \" q? \", \"choice_A\": \"a\\n\", \"choice_B\": "       \
    "\"b\", "                                                                                      \
    "\"choice_C\": \"c\", \"choice_D\": \"d\", \"answer\": \"B\", \"context\": \"\\n text \""
#define SMALL                                                                                      \
    "{\"0shot\": \"<$DOC$|$Q$|$C_A$|$C_B$|$C_C$|$C_D$>\", \"0shot_cot\": "                         \
    "\"cot $DOC$ $Q$ $C_A$$C_B$$C_C$$C_D$\", \"no_context\": \"$Q$ $C_A$$C_B$$C_C$$C_D$\"}"

static const char *small(void) { return rig_arg("templates", put_text("t.json", SMALL)); }

static void prompt_of(const char *variant, const char *row, const char *want, int64_t gen)
{
    rig          g;
    const char  *data = rig_arg("data", put_text("data.jsonl", row));
    sb_text_set *set =
        rig_open(&g, "longbench_v2", ARGS(rig_arg("variant", variant), small(), data));
    sb_text_row r = rig_row(set, 0);
    ck_assert_str_eq(r.prompt, want);
    ck_assert_int_eq(r.gen_tokens, gen);
    ck_assert_int_eq(r.chat, 1);
    ck_assert_int_eq(r.n_refs, 1);
    ck_assert_str_eq(r.refs[0], "B");
    ck_assert_str_eq(r.id, "66f");
    ck_assert_str_eq(r.scorer, "longbench_v2@1");
    ck_assert_str_eq(r.meta, "{\"_id\": \"66f\", \"domain\": \"D\", \"sub_domain\": \"S\", "
                             "\"difficulty\": \"easy\", \"length\": \"medium\"}");
    sb_text_row_fini(&r);
    set->suite->close(set);
}

START_TEST(three_variants)
{
    prompt_of("0shot", "{" FIELDS "}\n", "<text|q?|a|b|c|d>", 128);
    prompt_of("0shot_cot", "{" FIELDS "}\n", "cot text q? abcd", 1024);
    prompt_of("no_context", "{" FIELDS "}\n", "q? abcd", 128);
    /* all white space of Python goes: no-break space, ideographic space, unit separator */
    prompt_of("0shot", "{" FIELDS ", \"context\": \"\xc2\xa0\xe3\x80\x80\\u001f t \\u001f\"}\n",
              "<t|q?|a|b|c|d>", 128);
}
END_TEST

/* One mark after another: those that an earlier field brought in are replaced too, later ones not.
 */
START_TEST(marks_inside_a_document)
{
    prompt_of("0shot", "{" FIELDS ", \"context\": \"x $Q$ $C_D$ $DOC$\"}\n",
              "<x q? d $DOC$|q?|a|b|c|d>", 128);
    prompt_of("0shot", "{" FIELDS ", \"choice_A\": \"$Q$$C_B$\"}\n", "<text|q?|$Q$b|b|c|d>", 128);
}
END_TEST

START_TEST(built_in_texts)
{
    static const char *const variants[] = {"0shot", "0shot_cot", "no_context"};
    rig                      g;
    (void)put_text("data.json", "[{" FIELDS "}]");
    for (int i = 0; i < 3; i++) {
        sb_text_set *set = rig_open(
            &g, "longbench_v2", ARGS(rig_arg("variant", variants[i]), rig_arg("data", folder())));
        sb_text_row r = rig_row(set, 0);
        ck_assert_ptr_nonnull(strstr(r.prompt, "(B) b\n"));
        ck_assert_ptr_nonnull(strstr(r.prompt, "q?"));
        ck_assert_int_eq(strstr(r.prompt, "\ntext\n") != NULL, i < 2);
        ck_assert_ptr_null(strchr(r.prompt, '$'));
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

/* The published folder of texts as it is; CRLF as Python reads it. */
START_TEST(a_folder_of_texts)
{
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    (void)put_text("data.jsonl", "{" FIELDS "}\n");
    rig_cannot_open("longbench_v2", ARGS(rig_arg("templates", folder()), rig_arg("data", folder())),
                    SB_ERR_IO, "holds no 0shot.txt");
    (void)put_text("0shot_no_context.txt", "$Q$\r\n$C_A$\r$C_B$$C_C$$C_D$");
    set = rig_open(
        &g, "longbench_v2",
        ARGS("variant=no_context", rig_arg("templates", folder()), rig_arg("data", folder())));
    r = rig_row(set, 0);
    ck_assert_str_eq(r.prompt, "q?\na\nbcd");
    sb_text_row_fini(&r);
    set->suite->close(set);
    (void)put_text("0shot.txt", "$Q$$C_A$$C_B$$C_C$$C_D$");
    rig_cannot_open("longbench_v2", ARGS(rig_arg("templates", folder()), rig_arg("data", folder())),
                    SB_ERR_USAGE, "0shot: the mark $DOC$ is missing");
    (void)put_text("0shot.txt", "\xff");
    rig_cannot_open("longbench_v2", ARGS(rig_arg("templates", folder()), rig_arg("data", folder())),
                    SB_ERR_USAGE, "0shot.txt: not UTF-8");
    (void)put_file("0shot.txt", "a\0b", 3);
    rig_cannot_open("longbench_v2", ARGS(rig_arg("templates", folder()), rig_arg("data", folder())),
                    SB_ERR_USAGE, "0shot.txt: a NUL byte");
}
END_TEST

START_TEST(what_is_not_made_here)
{
    const char *data = rig_arg("data", put_text("data.jsonl", "{" FIELDS "}\n"));
    rig_cannot_open("longbench_v2", ARGS("variant=0shot_cot_ans", data), SB_ERR_UNSUPPORTED,
                    "0shot_cot_ans asks again with the model's own answer");
    rig_cannot_open("longbench_v2", ARGS("variant=rag", data), SB_ERR_UNSUPPORTED, "retriever");
    rig_cannot_open("longbench_v2", ARGS("variant=0shot"), SB_ERR_UNSUPPORTED,
                    "`data` must name it, or a folder with data.json or data.jsonl");
}
END_TEST

START_TEST(bad_rows)
{
    static const struct {
        const char *field, *why;
    } bad[] = {
        {"\"context\": null", "context: null, not a string"},
        {"\"question\": 1", "question: a number, not a string"},
        {"\"choice_D\": []", "choice_D: an empty array, not a string"},
        {"\"answer\": \"E\"", "answer: `E`, not one of A|B|C|D"},
        {"\"answer\": \"AB\"", "answer: `AB`, not one of A|B|C|D"},
        {"\"answer\": \"\"", "answer: ``, not one of A|B|C|D"},
        {"\"difficulty\": \"Easy\"", "difficulty: `Easy`, not one of easy|hard"},
        {"\"length\": 5", "length: a number, not a string"},
        {"\"length\": \"huge\"", "length: `huge`, not one of short|medium|long"},
        {"\"_id\": true", "_id: true or false, not a string or a whole number"},
    };
    enum { N = sizeof bad / sizeof *bad };
    sbi_text     t = {0};
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    sbi_text_puts(&t, "[\n");
    for (int i = 0; i < N; i++) {
        sbi_text_puts(&t, "{" FIELDS ", ");
        sbi_text_puts(&t, bad[i].field);
        sbi_text_puts(&t, "},\n");
    }
    sbi_text_puts(&t, "{" FIELDS "}]\n");
    (void)put_text("data.json", sbi_text_str(&t));
    set = rig_open(&g, "longbench_v2", ARGS(rig_arg("data", folder())));
    ck_assert_int_eq(set->suite->n_rows(set), N + 1);
    for (int i = 0; i < N; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "data.json: line %d: ", i + 2);
        rig_bad_row(set, i, bad[i].why);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), line));
    }
    r = rig_row(set, N);
    ck_assert_int_eq(r.line, N + 2);
    sb_text_row_fini(&r);
    set->suite->close(set);
    sbi_text_fini(&t);
}
END_TEST

/* first M // 2, last ceil(M / 2), decoded as one text */
START_TEST(the_middle_is_cut)
{
    static const struct {
        const char *tok, *length, *prefix, *context, *prompt;
        int64_t     truncated;
    } cases[] = {
        {"points", "10", "0", "ABCDEFGHIJ", "ABCDEFGHIJ", 0},
        {"points", "9", "0", "ABCDEFGHIJ", "ABCDFGHIJ", 1},
        {"points", "3", "0", "ABCDEFGHIJ", "AIJ", 7},
        {"points", "10", "1", "ABCDEFGHIJ", "ABCDFGHIJ", 1},
        /* halves of two characters meet */
        {"bytes", "5", "0",
         "a\xe4\xb8\xad-\xe4\xb8\xad"
         "b",
         "a\xe4\xb8\xad"
         "b",
         4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig         g;
        char        row[512];
        const char *texts = rig_arg(
            "templates", put_text("t.json", "{\"0shot\": \"$DOC$$Q$$C_A$$C_B$$C_C$$C_D$\"}"));
        sb_text_set *set;
        sb_text_row  r;
        (void)snprintf(row, sizeof row,
                       "{" FIELDS ", \"question\": \"\", \"choice_A\": \"\", \"choice_B\": \"\", "
                       "\"choice_C\": \"\", \"choice_D\": \"\", \"context\": \"%s\"}\n",
                       cases[i].context);
        set = rig_open(&g, "longbench_v2",
                       ARGS(texts, rig_arg("data", put_text("d.jsonl", row)),
                            rig_arg("tok", cases[i].tok), rig_arg("length", cases[i].length),
                            rig_arg("prefix_tokens", cases[i].prefix)));
        r   = rig_row(set, 0);
        ck_assert_msg(strcmp(r.prompt, cases[i].prompt) == 0, "%zu: %s", i, r.prompt);
        ck_assert_int_eq(r.truncated_tokens, cases[i].truncated);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(scores)
{
    for (int compensated = 0; compensated < 2; compensated++) {
        rig          g;
        const char  *data = rig_arg("data", put_text("data.jsonl", "{" FIELDS "}\n"));
        sb_text_set *set  = rig_open(&g, "longbench_v2",
                                     ARGS(compensated ? "compensated=yes" : "compensated=no", data));
        sb_text_row  r    = rig_row(set, 0);
        ck_assert_double_eq(rig_score(&r, "The correct answer is (B)."), 1);
        ck_assert_double_eq(rig_score(&r, "**The correct answer is B**"), 1);
        ck_assert_double_eq(rig_score(&r, "The correct answer is (C)."), 0);
        ck_assert_double_eq(rig_score(&r, "B"), compensated ? 0.25 : 0);
        ck_assert_double_eq(rig_score(&r, ""), compensated ? 0.25 : 0);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(six_groups)
{
    static const struct {
        const char *meta;
        uint32_t    member;
    } rows[] = {
        {"{\"difficulty\": \"easy\", \"length\": \"short\"}", 1 | 2 | 8},
        {"{\"difficulty\": \"hard\", \"length\": \"medium\"}", 1 | 4 | 16},
        {"{\"difficulty\": \"hard\", \"length\": \"long\", \"_id\": \"x\"}", 1 | 4 | 32},
    };
    static const char *const names[] = {"overall", "easy", "hard", "short", "medium", "long"};
    const sb_text_groups    *groups  = sb_longbench_v2_suite.groups;
    json_t                  *bad;
    uint32_t                 m = 0;
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(groups->names[i], names[i]);
    ck_assert_ptr_null(groups->names[6]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *v = json_loads(rows[i].meta, 0, NULL);
        ck_assert_int_eq(groups->of(v, &m), SB_OK);
        ck_assert_uint_eq(m, rows[i].member);
        json_decref(v);
    }
    m   = 77;
    bad = json_loads("{\"difficulty\": \"easy\"}", 0, NULL);
    expect_error(groups->of(bad, &m), SB_ERR_USAGE, "meta.length: nothing, not a string");
    json_decref(bad);
    bad = json_loads("{\"difficulty\": \"odd\", \"length\": \"long\"}", 0, NULL);
    expect_error(groups->of(bad, &m), SB_ERR_USAGE,
                 "meta.difficulty: `odd`, not one of easy, hard");
    json_decref(bad);
    ck_assert_uint_eq(m, 77);
    ck_assert_int_eq(sb_longbench_v2_suite.decimals, 1);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("longbench_v2");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, three_variants);
    tcase_add_test(t, marks_inside_a_document);
    tcase_add_test(t, built_in_texts);
    tcase_add_test(t, a_folder_of_texts);
    tcase_add_test(t, what_is_not_made_here);
    tcase_add_test(t, bad_rows);
    tcase_add_test(t, the_middle_is_cut);
    tcase_add_test(t, scores);
    tcase_add_test(t, six_groups);
    return run_suite_of("longbench_v2", t);
}
