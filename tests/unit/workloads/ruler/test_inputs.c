/* Templates, essays, Punkt data and question files: what they give, and how wrong ones are refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/pytext.h"
#include "workloads/ruler/file.h"

/* ---- templates ---- */

static char *read_file(const char *path)
{
    char   *text = NULL, sha256[65];
    int64_t n;
    if (sbi_file_text(path, &text, &n, sha256) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return text;
}

static const struct change {
    const char *from, *to, *why;
} changes[] = {
    {"\"needle\"", "\"nedle\"", "needle: nothing, not a string"},
    {"{key}", "{kee}", "needle: placeholder {kee}"},
    {"{key}", "key", "needle: placeholder {key} is missing"},
    {"{key}", "{key", "needle: a lone {"},
    {"\"qa\"", "\"qq\"", "tasks.qa: nothing, not an object"},
    {"\"tokens_to_generate\": 30", "\"tokens_to_generate\": 0",
     "tasks.variable_tracking.tokens_to_generate"},
    {"\"tokens_to_generate\": 30", "\"tokens_to_generate\": \"30\"",
     "tasks.variable_tracking.tokens_to_generate"},
    {"\" Answer: The {num_v}", "\"Answer: The {num_v}",
     "tasks.variable_tracking.answer_prefix: must start with a blank"},
    {"\" Answer: The {num_v}", "\" {num_v} of",
     "tasks.variable_tracking.answer_prefix: no placeholder"},
    {"{num_v}", "5", "tasks.variable_tracking.: placeholder {num_v} is missing"},
    {"\"The text below hides", "\"The {context} below hides",
     "tasks.variable_tracking.template: no placeholder"},
    {"{context}\\nWhat are all the special {type_needle_v} given for {query} in the text "
     "above?\",\n"
     "      \"answer_prefix\": \" The special",
     "{{context}}\", \"answer_prefix\": \" The special {context}",
     "tasks.niah.template: placeholder {context} is missing"},
    {"come home.", "come home. ", "haystack_noise"},
    {"{document}", "{documents}", "document_prompt"},
    {"\"tasks\"", "\"tasks", "line"},
};

START_TEST(wrong_templates)
{
    char               *whole = read_file("configs/templates/ruler.json");
    sbi_text            t     = {0};
    sb_ruler_templates *out   = NULL;
    int64_t             n = (int64_t)strlen(whole), m = (int64_t)strlen(changes[_i].from),
            at = sbi_text_find(whole, n, changes[_i].from, m);
    ck_assert_int_ge(at, 0);
    sbi_text_put(&t, whole, at);
    sbi_text_puts(&t, changes[_i].to);
    sbi_text_put(&t, whole + at + m, n - at - m);
    expect_error(sb_ruler_templates_open(put_text("t.json", t.p), NULL, NULL, &out), SB_ERR_USAGE,
                 changes[_i].why);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "t.json"));
    ck_assert_ptr_null(out);
    sbi_text_fini(&t);
    free(whole);
}
END_TEST

START_TEST(wrong_wrappers)
{
    const char         *texts = "configs/templates/ruler.json";
    sb_ruler_templates *out   = NULL;
    expect_error(sb_ruler_templates_open(texts, NULL, "meta-chat", &out), SB_ERR_USAGE,
                 "the built-in chat.json: no chat wrapper meta-chat; it has base, chatml");
    expect_error(sb_ruler_templates_open(texts, OFFICIAL_CHAT, "nobody", &out), SB_ERR_USAGE,
                 "no chat wrapper nobody; it has base, meta-chat");
    expect_error(
        sb_ruler_templates_open(texts, put_text("c.json", "{\"x\": \"no task\"}"), "x", &out),
        SB_ERR_USAGE, "c.json: x: must hold");
    expect_error(
        sb_ruler_templates_open(
            texts, put_text("c.json", "{\"x\": \"{task_template}{task_template}\"}"), "x", &out),
        SB_ERR_USAGE, "must hold {task_template} once");
    expect_error(sb_ruler_templates_open(texts, put_text("c.json", "[]"), "x", &out), SB_ERR_USAGE,
                 "c.json: an array");
    ck_assert_ptr_null(out);
}
END_TEST

START_TEST(every_official_wrapper_opens)
{
    static const char *const names[] = {
        "base", "meta-chat", "vicuna-chat", "lwm-chat", "command-r-chat",    "chatglm-chat",
        "RWKV", "Phi3",      "meta-llama3", "jamba",    "nemotron5-instruct"};
    sb_ruler_templates *t = open_templates(OFFICIAL_TEXTS, names[_i]);
    ck_assert_str_eq(t->wrapper_name, names[_i]);
    ck_assert_int_eq((int)strlen(t->sha256), 64);
    ck_assert_str_ne(t->sha256, t->wrapper_sha256);
    sb_ruler_templates_close(t);
}
END_TEST

/* Whatever a damaged file says, it is refused, or rows can be made from it or are refused. */
START_TEST(damaged_templates)
{
    char  *whole = read_file("configs/templates/ruler.json");
    sb_rng r     = {3};
    int    taken = 0;
    for (int round = 0; round < fuzz_rounds(600); round++) {
        sbi_text            t   = {0};
        sb_ruler_templates *out = NULL;
        sb_status           st;
        sbi_text_puts(&t, whole);
        for (uint64_t n = 1 + sb_rng_below(&r, 3); n > 0; n--)
            mutate(&t, &r);
        st = sb_ruler_templates_open(put_file("t.json", sbi_text_str(&t), (size_t)t.n), NULL, NULL,
                                     &out);
        ck_assert(st == SB_OK || st == SB_ERR_USAGE);
        if (st == SB_OK) {
            const char     *names[] = {"vt", "niah_multikey_3", "fwe"};
            sb_ruler_set   *set     = NULL;
            sb_ruler_sample s       = {0};
            sb_ruler_spec   spec    = {.task          = sb_ruler_task_find(names[round % 3]),
                                       .length_tokens = 600,
                                       .templates     = out,
                                       .counter       = *sb_tok_ops_find("words")};
            if (sb_ruler_open(&spec, &set) == SB_OK && sb_ruler_row(set, 0, &s) == SB_OK)
                taken++;
            ck_assert_int_eq(sbi_utf8_check(s.text != NULL ? s.text : "", s.text_bytes), -1);
            sb_ruler_sample_fini(&s);
            sb_ruler_close(set);
        }
        sb_ruler_templates_close(out);
        sbi_text_fini(&t);
    }
    ck_assert_int_gt(taken, 20);
    free(whole);
}
END_TEST

/* ---- sentences ---- */

static const char *punkt_dir(const char *abbreviations, const char *collocations,
                             const char *starters, const char *cases)
{
    static char path[640];
    (void)snprintf(path, sizeof path, "%s/punkt", folder());
    (void)mkdir(path, 0755);
    (void)put_text("punkt/abbrev_types.txt", abbreviations);
    (void)put_text("punkt/collocations.tab", collocations);
    (void)put_text("punkt/sent_starters.txt", starters);
    (void)put_text("punkt/ortho_context.tab", cases);
    return path;
}

static sb_punkt *small_punkt(sb_punkt_rules rules)
{
    sb_punkt *p = NULL;
    if (sb_punkt_open(punkt_dir("mr\ndr\ne.g\ninc\n", "##number##\tfloor\nst\tpaul\n",
                                "they\nhowever\n",
                                "they\t42\nthe\t62\nbrown\t4\nbut\t42\nhe\t42\n"),
                      rules, &p) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return p;
}

/* Bars between sentences, as NLTK 3.9.1 (rules 0) or 3.10.4 (rules 1) cuts with the same data. */
static const struct split_case {
    int         rules;
    const char *text, *want;
} splits[] = {
    {0, "One. Two? Three!", "One.|Two?|Three!"},
    {0, "Mr. Brown came. They left.", "Mr. Brown came.|They left."},
    {0, "He met Mr. They left.",
     "He met Mr.|They left."}, /* a frequent starter after an abbreviation */
    {0, "It cost 5. floor two. He", "It cost 5. floor two.|He"},
    {0, "J. Bach wrote. He slept.", "J. Bach wrote.|He slept."},
    {0, "He said \"no.\" They left.", "He said \"no.\"|They left."},
    {0, "(It was.) But no.", "(It was.)|But no."},
    {0, "Wait... what? No", "Wait... what?|No"},
    {0, "Wait... The end", "Wait... The end"},
    {0, "Wait... But no", "Wait...|But no"},
    {0, "no marks at all", "no marks at all"},
    {0, "Version 2.5.1 is out", "Version 2.5.1 is out"},
    {0, "Yes!!! No.", "Yes!!!|No."},
    {0, "x", "x"},
    {0, "He said \xe2\x80\x9cno.\xe2\x80\x9d They left.",
     "He said \xe2\x80\x9cno.\xe2\x80\x9d They left."},
    {1, "He said \xe2\x80\x9cno.\xe2\x80\x9d They left.",
     "He said \xe2\x80\x9cno.\xe2\x80\x9d|They left."},
};

START_TEST(sentences)
{
    sb_punkt *p = small_punkt(splits[_i].rules == 0 ? SB_PUNKT_NLTK_3_9 : SB_PUNKT_NLTK_3_10);
    sb_range *r = NULL;
    int64_t   n = 0;
    sbi_text  t = {0};
    ck_assert_int_eq(sb_punkt_split(p, splits[_i].text, (int64_t)strlen(splits[_i].text), &r, &n),
                     SB_OK);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0)
            sbi_text_putc(&t, '|');
        sbi_text_put(&t, splits[_i].text + r[i].begin, r[i].end - r[i].begin);
    }
    ck_assert_str_eq(sbi_text_str(&t), splits[_i].want);
    sbi_text_fini(&t);
    free(r);
    sb_punkt_close(p);
}
END_TEST

START_TEST(wrong_punkt_data)
{
    sb_punkt *p = NULL;
    expect_error(sb_punkt_open(folder(), SB_PUNKT_NLTK_3_9, &p), SB_ERR_IO, "abbrev_types.txt");
    expect_error(sb_punkt_open(punkt_dir("a\n", "x y\n", "b\n", "c\t1\n"), SB_PUNKT_NLTK_3_9, &p),
                 SB_ERR_USAGE, "collocations.tab: line 1");
    expect_error(
        sb_punkt_open(punkt_dir("a\n", "x\ty\n", "b\n", "c\t1\nd\n"), SB_PUNKT_NLTK_3_9, &p),
        SB_ERR_USAGE, "ortho_context.tab: line 2");
    expect_error(sb_punkt_open(punkt_dir("a\n", "x\ty\n", "b\n", "c\t1x\n"), SB_PUNKT_NLTK_3_9, &p),
                 SB_ERR_USAGE, "ortho_context.tab: line 1");
    expect_error(sb_punkt_open(punkt_dir("", "x\ty\n", "b\n", "c\t1\n"), SB_PUNKT_NLTK_3_9, &p),
                 SB_ERR_USAGE, "abbrev_types.txt: empty");
    ck_assert_ptr_null(p);
}
END_TEST

static void check_take(const sb_ruler_essay *e, int64_t words, const char *want)
{
    char     *text = NULL;
    sb_range *r    = NULL;
    int64_t   n    = 0;
    ck_assert_int_eq(sb_ruler_essay_take(e, words, &text, &r, &n), SB_OK);
    ck_assert_str_eq(text, want);
    free(text);
    free(r);
}

START_TEST(essays_by_words)
{
    sb_punkt       *p    = small_punkt(SB_PUNKT_NLTK_3_9);
    sb_ruler_essay *e    = NULL;
    const char     *path = put_text("e.txt", " One two.\n\n\tThree\xc2\xa0"
                                                 "four. ");
    ck_assert_int_eq(sb_ruler_essay_open(path, sb_ruler_splitter_punkt(p), &e), SB_OK);
    ck_assert_int_eq(sb_ruler_essay_n_words(e), 6); /* "" One two. Three four. "" */
    check_take(e, 2, "One");
    check_take(e, 5, "One two. Three four.");
    check_take(e, 9, "One two. Three four.   One two."); /* the pieces start over, empty ones too */
    sb_ruler_essay_close(e);
    e = NULL;
    expect_error(
        sb_ruler_essay_open(put_text("e.json", "{\"txt\": 1}"), sb_ruler_splitter_punkt(p), &e),
        SB_ERR_USAGE, "e.json: text: nothing");
    expect_error(sb_ruler_essay_open(put_text("e.txt", " "), sb_ruler_splitter_punkt(p), &e),
                 SB_ERR_USAGE, "e.txt: no words");
    expect_error(sb_ruler_essay_open("/nonexistent", sb_ruler_splitter_punkt(p), &e), SB_ERR_IO,
                 "/nonexistent");
    ck_assert_ptr_null(e);
    sb_punkt_close(p);
}
END_TEST

/* ---- questions ---- */

#define PARAGRAPH                                                                                  \
    "{\"context\": \"c\", \"qas\": [{\"question\": \"q\", \"is_impossible\": false, \"answers\": " \
    "[{\"text\": \"a\"}]}]}"
#define SQUAD(paragraph) "{\"data\": [{\"paragraphs\": [" paragraph "]}]}"

static const struct wrong_qa {
    sb_ruler_qa_kind kind;
    const char      *text, *why;
} wrong_qas[] = {
    {SB_RULER_SQUAD, "[]", "data: nothing"},
    {SB_RULER_SQUAD, "{\"data\": 1}", "data: a number, not an array"},
    {SB_RULER_SQUAD, "{\"data\": [{}]}", "data[0].paragraphs: nothing"},
    {SB_RULER_SQUAD, SQUAD("{\"qas\": []}"), "data[0].paragraphs[0].context: nothing"},
    {SB_RULER_SQUAD, SQUAD("{\"context\": \"c\"}"), "data[0].paragraphs[0].qas: nothing"},
    {SB_RULER_SQUAD, SQUAD("{\"context\": \"c\", \"qas\": [{}]}"), "qas[0].is_impossible: nothing"},
    {SB_RULER_SQUAD, SQUAD("{\"context\": \"c\", \"qas\": [{\"is_impossible\": false}]}"),
     "qas[0].question: nothing"},
    {SB_RULER_SQUAD,
     SQUAD("{\"context\": \"c\", \"qas\": [{\"is_impossible\": false, \"question\": \"q\"}]}"),
     "qas[0].answers: nothing"},
    {SB_RULER_SQUAD,
     SQUAD("{\"context\": \"c\", \"qas\": [{\"is_impossible\": false, \"question\": \"q\", "
           "\"answers\": [1]}]}"),
     "qas[0].text: nothing"},
    {SB_RULER_SQUAD,
     SQUAD("{\"context\": \"c\", \"qas\": [{\"is_impossible\": false, \"question\": \"q\", "
           "\"answers\": []}]}"),
     "qas[0].answers: none"},
    {SB_RULER_HOTPOTQA, "{}", "an object, not an array"},
    {SB_RULER_HOTPOTQA, "[{}]", "[0].context: nothing"},
    {SB_RULER_HOTPOTQA, "[{\"context\": [[1, []]]}]", "[0].context[0][0]: a number"},
    {SB_RULER_HOTPOTQA, "[{\"context\": [[\"t\", \"s\"]]}]", "[0].context[0][1]: a string"},
    {SB_RULER_HOTPOTQA, "[{\"context\": [[\"t\", [\"s\", 2]]]}]",
     "[0].context[0][1] holds a sentence that is: a number"},
    {SB_RULER_HOTPOTQA, "[{\"context\": [[\"t\", [\"s\"]]]}]", "[0].question: nothing"},
    {SB_RULER_HOTPOTQA, "[{\"context\": [[\"t\", [\"s\"]]], \"question\": \"q\"}]",
     "[0].answer: nothing"},
    {SB_RULER_HOTPOTQA, "[{\"context\": ", "line 1"},
};

START_TEST(wrong_question_files)
{
    sb_ruler_qa *qa = NULL;
    expect_error(sb_ruler_qa_open(put_text("q.json", wrong_qas[_i].text), wrong_qas[_i].kind, &qa),
                 SB_ERR_USAGE, wrong_qas[_i].why);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "q.json"));
    ck_assert_ptr_null(qa);
}
END_TEST

START_TEST(damaged_questions)
{
    static const char *const whole[] = {
        SQUAD(PARAGRAPH ", " PARAGRAPH),
        "[{\"context\": [[\"t\", [\"s\", \"r\"]]], \"question\": \"q\", \"answer\": \"a\", "
        "\"supporting_facts\": [[\"t\", 0]]}]"};
    sb_rng r     = {4};
    int    taken = 0;
    for (int round = 0; round < 2 * fuzz_rounds(1000); round++) {
        sb_ruler_qa_kind kind = round % 2 == 0 ? SB_RULER_SQUAD : SB_RULER_HOTPOTQA;
        sbi_text         t    = {0};
        sb_ruler_qa     *qa   = NULL;
        sb_status        st;
        sbi_text_puts(&t, whole[round % 2]);
        for (uint64_t n = 1 + sb_rng_below(&r, 2); n > 0; n--)
            mutate(&t, &r);
        st = sb_ruler_qa_open(put_file("q.json", sbi_text_str(&t), (size_t)t.n), kind, &qa);
        ck_assert(st == SB_OK || st == SB_ERR_USAGE);
        taken += st == SB_OK;
        sb_ruler_qa_close(qa);
        sbi_text_fini(&t);
    }
    ck_assert_int_gt(taken, 20);
}
END_TEST

START_TEST(supporting_documents_are_the_needles)
{
    sb_ruler_qa    *qa      = NULL;
    sb_ruler_set   *set     = NULL;
    sb_ruler_sample s       = {0};
    sbi_text        t       = {0};
    int64_t         needles = 0, others = 0;
    sb_ruler_spec   spec = {.task          = sb_ruler_task_find("qa_2"),
                            .seed          = 1,
                            .length_tokens = 400,
                            .counter       = *sb_tok_ops_find("words")};
    sbi_text_puts(&t, "[{\"question\": \"who?\", \"answer\": \"me\", \"supporting_facts\": "
                      "[[\"b\", 0]], \"context\": [");
    for (int i = 0; i < 10; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "%s[\"%c\", [\"one\", \"two\"]]", i > 0 ? ", " : "",
                       'a' + i);
        sbi_text_puts(&t, line);
    }
    sbi_text_puts(&t, "]}]");
    ck_assert_int_eq(sb_ruler_qa_open(put_text("q.json", t.p), SB_RULER_HOTPOTQA, &qa), SB_OK);
    ck_assert_int_eq(qa->n_docs, 10);
    ck_assert_str_eq(qa->docs[1], "b\nonetwo");
    spec.templates = open_templates(OFFICIAL_TEXTS, NULL);
    spec.qa        = qa;
    if (sb_ruler_open(&spec, &set) != SB_OK || sb_ruler_row(set, 0, &s) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    for (int64_t i = 0; i < s.n_spans; i++) {
        int64_t n    = s.spans[i].byte_end - s.spans[i].byte_begin;
        int     is_b = sbi_text_find(s.text + s.spans[i].byte_begin, n, ":\nb\nonetwo", 10) >= 0;
        needles += s.spans[i].kind == SB_RULER_SPAN_NEEDLE;
        others += s.spans[i].kind == SB_RULER_SPAN_DISTRACTOR;
        if (s.spans[i].kind <= SB_RULER_SPAN_DISTRACTOR)
            ck_assert_int_eq(is_b, s.spans[i].kind == SB_RULER_SPAN_NEEDLE);
    }
    ck_assert_int_gt(needles, 0); /* the documents start over: b stands more than once */
    ck_assert_int_ge(others, 9 * needles);
    sb_ruler_sample_fini(&s);
    expect_error(sb_ruler_row(set, 1, &s), SB_ERR_USAGE,
                 "question 2 was asked for, the file has 1");
    sb_ruler_close(set);
    set       = NULL;
    spec.task = sb_ruler_task_find("qa_1");
    expect_error(sb_ruler_open(&spec, &set), SB_ERR_USAGE, "qa_1 asks SQuAD");
    sb_ruler_templates_close((sb_ruler_templates *)(uintptr_t)spec.templates);
    sb_ruler_qa_close(qa);
    sbi_text_fini(&t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("inputs");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_loop_test(t, wrong_templates, 0, (int)(sizeof changes / sizeof *changes));
    tcase_add_test(t, damaged_templates);
    tcase_add_test(t, damaged_questions);
    tcase_add_test(t, wrong_wrappers);
    tcase_add_loop_test(t, every_official_wrapper_opens, 0, 11);
    tcase_add_loop_test(t, sentences, 0, (int)(sizeof splits / sizeof *splits));
    tcase_add_test(t, wrong_punkt_data);
    tcase_add_test(t, essays_by_words);
    tcase_add_loop_test(t, wrong_question_files, 0, (int)(sizeof wrong_qas / sizeof *wrong_qas));
    tcase_add_test(t, supporting_documents_are_the_needles);
    return run_suite_of("ruler_inputs", t);
}
