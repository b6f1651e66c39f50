/* BABILong from files: prompts, scores, where files lie, and what is said of bad rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

#define ROW(input, question, target)                                                               \
    "{\"input\": \"" input "\", \"question\": \"" question "\", \"target\": \"" target "\"}\n"
#define WORDS                                                                                      \
    "{\"template\": \" {instruction}|{examples}|{post_prompt}|{context}|{question}\\n\", "         \
    "\"qa1\": "                                                                                    \
    "{\"instruction\": \"I{\", \"examples\": \"E\", \"post_prompt\": \"P\"}, \"qa8\": "            \
    "{\"instruction\": \"\", \"examples\": \"\", \"post_prompt\": \"\"}}"

static const char *words(void) { return rig_arg("templates", put_text("t.json", WORDS)); }

START_TEST(prompts)
{
    static const struct {
        const char *arg, *prompt;
    } cases[] = {
        {"examples=yes", "I{|E|P|Mary went. {x}|Where is Mary? "},
        {"examples=no", "I{||P|Mary went. {x}|Where is Mary? "},
        {"instruction=no", "|E|P|Mary went. {x}|Where is Mary? "},
        {"post_prompt=no", "I{|E||Mary went. {x}|Where is Mary? "},
    };
    (void)put_text("qa1.jsonl", ROW("\\n\\u3000Mary went. {x}\\t", "Where is Mary? ", "garden"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig          g;
        char         want[64];
        sb_text_set *set = rig_open(
            &g, "babilong", ARGS("task=qa1", rig_arg("data", folder()), words(), cases[i].arg));
        sb_text_row r = rig_row(set, 0);
        (void)snprintf(want, sizeof want, "%s", cases[i].prompt);
        want[strlen(want) - 1] = '\0'; /* the prompt is stripped as a whole */
        ck_assert_str_eq(r.prompt, want);
        ck_assert_int_eq(r.input_bytes, r.prompt_bytes);
        ck_assert_str_eq(r.question, "Where is Mary? ");
        ck_assert_str_eq(r.scorer_task, "qa1");
        ck_assert_str_eq(r.meta, "{\"task\": \"qa1\"}");
        ck_assert_int_eq(r.gen_tokens, 20);
        ck_assert_int_eq(r.chat, 1);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(scores)
{
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    (void)put_text("qa1.jsonl", ROW("x", "Where is Mary?", "garden"));
    (void)put_text("qa8.json", "[" ROW("x", "What is Mary carrying?", "apple,milk") "]");
    set = rig_open(&g, "babilong", ARGS("task=qa1", rig_arg("data", folder()), words()));
    r   = rig_row(set, 0);
    ck_assert_double_eq(rig_score(&r, "The most recent location of Mary is GARDEN. kitchen"), 1);
    ck_assert_double_eq(rig_score(&r, "garden or kitchen"), 0);
    ck_assert_double_eq(rig_score(&r, "kitchen"), 0);
    ck_assert_double_eq(rig_score(&r, ""), 0);
    sb_text_row_fini(&r);
    set->suite->close(set);
    set = rig_open(&g, "babilong", ARGS("task=qa8", rig_arg("data", folder()), words()));
    r   = rig_row(set, 0);
    ck_assert_double_eq(rig_score(&r, "milk and apple"), 1);
    ck_assert_double_eq(rig_score(&r, "milk"), 0); /* half of it is wrong */
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

START_TEST(files_by_size)
{
    static const char *const names[] = {"4k/qa1.jsonl", "qa1/8k.json", "qa1_16k.jsonl"};
    static const char *const sizes[] = {"size=4k", "size=8k", "size=16k"};
    char                     sub[800];
    (void)snprintf(sub, sizeof sub, "%s/4k", folder());
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    (void)snprintf(sub, sizeof sub, "%s/qa1", folder());
    ck_assert_int_eq(mkdir(sub, 0700), 0);
    for (int i = 0; i < 3; i++) {
        rig          g;
        sb_text_set *set;
        sb_text_row  r;
        char         want[64];
        (void)put_text(names[i], ROW("x", "q", "garden"));
        set = rig_open(&g, "babilong", ARGS("task=qa1", rig_arg("data", folder()), sizes[i]));
        r   = rig_row(set, 0);
        (void)snprintf(want, sizeof want, "{\"task\": \"qa1\", \"length\": \"%s\"}", sizes[i] + 5);
        ck_assert_str_eq(r.meta, want);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
    rig_cannot_open(
        "babilong", ARGS("task=qa1", rig_arg("data", folder()), "size=1M"), SB_ERR_IO,
        "holds no 1M/qa1.jsonl, 1M/qa1.json, qa1/1M.jsonl, qa1/1M.json, qa1_1M.jsonl or "
        "qa1_1M.json");
    rig_cannot_open("babilong", ARGS("task=qa1", rig_arg("data", folder())), SB_ERR_IO,
                    "holds no qa1.jsonl or qa1.json");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(sub, sizeof sub, "%s/%s", folder(), names[i]);
        (void)remove(sub);
    }
    (void)snprintf(sub, sizeof sub, "%s/4k", folder());
    (void)remove(sub);
    (void)snprintf(sub, sizeof sub, "%s/qa1", folder());
    (void)remove(sub);
}
END_TEST

START_TEST(bad)
{
    static const struct {
        const char *row, *why;
    } rows[] = {
        {"{\"question\": \"q\", \"target\": \"t\"}\n", "line 1: input: nothing, not a string"},
        {"{\"input\": \"x\", \"target\": \"t\"}\n", "question: nothing, not a string"},
        {"{\"input\": \"x\", \"question\": \"q\", \"target\": [\"t\"]}\n",
         "target: an array, not a string"},
        {"{\"input\": \"x\", \"question\": \"q\", \"target\": \"\"}\n", "target: an empty string"},
        {"{\"input\": \"x\", \"que\n", "line 1"},
    };
    static const struct {
        const char *text, *why;
    } texts[] = {
        {"{\"template\": \"{context}{question}\"}", "qa1: nothing, not an object of texts"},
        {"{\"template\": \"{context}\", \"qa1\": {}}", "template: placeholder {question}"},
        {"{\"template\": \"{context}{question}\", \"qa1\": {\"instruction\": \"i\", \"examples\": "
         "1}}",
         "qa1.examples: a number, not a string"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "babilong",
                     ARGS("task=qa1", rig_arg("data", put_text("x.jsonl", rows[i].row)), words()));
        rig_bad_row(set, 0, rows[i].why);
        set->suite->close(set);
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        rig_cannot_open("babilong",
                        ARGS("task=qa1", rig_arg("data", put_text("x.jsonl", "{}\n")),
                             rig_arg("templates", put_text("t.json", texts[i].text))),
                        SB_ERR_USAGE, texts[i].why);
    rig_cannot_open("babilong", ARGS("task=qa2", words()), SB_ERR_USAGE, "qa2: nothing");
    rig_cannot_open("babilong", ARGS("task=qa1", words()), SB_ERR_UNSUPPORTED, "qa1.jsonl");
    rig_cannot_open("babilong",
                    ARGS("task=qa1", words(), rig_arg("data", put_text("x.jsonl", "{}\n")),
                         "length=100", "tok=points"),
                    SB_ERR_USAGE, "length 100: babilong never cuts a prompt");
}
END_TEST

/* Our own wording has all 20 tasks. */
START_TEST(built_in)
{
    (void)put_text("x.jsonl", ROW("x", "Where?", "garden"));
    for (int i = 1; i <= 20; i++) {
        rig          g;
        char         task[16], path[800];
        sb_text_set *set;
        sb_text_row  r;
        (void)snprintf(task, sizeof task, "task=qa%d", i);
        (void)snprintf(path, sizeof path, "%s/x.jsonl", folder());
        set = rig_open(&g, "babilong", ARGS(task, rig_arg("data", path)));
        r   = rig_row(set, 0);
        ck_assert_ptr_nonnull(strstr(r.prompt, "<context>\nx\n</context>\n\nQuestion: Where?"));
        ck_assert_ptr_nonnull(strstr(r.prompt, "</example>"));
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("babilong");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, prompts);
    tcase_add_test(t, scores);
    tcase_add_test(t, files_by_size);
    tcase_add_test(t, bad);
    tcase_add_test(t, built_in);
    return run_suite_of("babilong", t);
}
