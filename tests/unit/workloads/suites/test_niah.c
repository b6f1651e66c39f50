/* The needle in a haystack: depths, the place between tokens, spans, scores, what cannot be made,
 * and hashes of rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/niah/insert.h"

START_TEST(depths)
{
    static const double sigmoid[] = {0, 98.201, 88.08, 50, 11.92, 1.799, 100};
    /* numpy: round(linspace(0, 100, 35)).astype(int) */
    static const int linear[] = {0,  3,  6,  9,  12, 15, 18, 21, 24, 26, 29, 32,
                                 35, 38, 41, 44, 47, 50, 53, 56, 59, 62, 65, 68,
                                 71, 74, 76, 79, 82, 85, 88, 91, 94, 97, 100};
    for (int i = 0; i < 35; i++)
        ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_LINEAR, i, 35), linear[i]);
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_LINEAR, 0, 1), 0);
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_LINEAR, 1, 2), 100);
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_LINEAR, 1, 9), 12); /* 12.5: to even */
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_SIGMOID, 0, 1), 0);
    /* x = 10, 30, 50, 70, 90 of linspace(0, 100, 11): 100 / (1 + exp(.1 (x - 50))) */
    for (int i = 0; i < 5; i++)
        ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_SIGMOID, 2 * i + 1, 11), sigmoid[i + 1]);
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_SIGMOID, 0, 11), 0);
    ck_assert_double_eq(sbi_niah_depth(SBI_DEPTHS_SIGMOID, 10, 11), 100);
}
END_TEST

START_TEST(places)
{
    static const int32_t text[] = {1, 2, 9, 3, 4, 9, 5, 6, 7, 8};
    int32_t              dot = 9, others[] = {4, 7};
    sbi_ids              period = {&dot, 1};
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 0), 0);
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 20), 0); /* no "." before */
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 30), 3); /* right behind one */
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 59), 3);
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 60), 6);
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 99.999), 6);
    ck_assert_int_eq(sbi_niah_place(text, 10, period, 100), 10); /* wherever a "." stands */
    ck_assert_int_eq(sbi_niah_place(text, 10, (sbi_ids){others, 2}, 80), 5);
    ck_assert_int_eq(sbi_niah_place(text, 10, (sbi_ids){NULL, 0}, 80), 0);
    ck_assert_int_eq(sbi_niah_place(text, 0, period, 50), 0);
}
END_TEST

START_TEST(room)
{
    int64_t keep = -1;
    ck_assert_int_eq(sbi_niah_keep(100, 10, 110, &keep), SB_OK);
    ck_assert_int_eq(keep, 100);
    ck_assert_int_eq(sbi_niah_keep(100, 10, 109, &keep), SB_OK);
    ck_assert_int_eq(keep, 99);
    ck_assert_int_eq(sbi_niah_keep(100, 10, 10, &keep), SB_OK);
    ck_assert_int_eq(keep, 0);
    ck_assert_int_eq(sbi_niah_keep(100, 10, 9, &keep), SB_ERR_NO_FIT);
}
END_TEST

/* ---- rows ---- */

#define WORDS "{\"prompt\": \"<{context}|{question}>\", \"chat\": false}"
#define NEEDLE                                                                                     \
    "{\"needle\": \" The key is caf\\u00e9 9.\", \"question\": \"Which?\", \"answer\": "           \
    "[\"caf\\u00e9 "                                                                               \
    "9\", \"key 9\"]}"

static const char *words(void) { return rig_arg("templates", put_text("t.json", WORDS)); }
static const char *needle(void) { return rig_arg("needle", put_text("n.json", NEEDLE)); }
static const char *corpus(void)
{
    (void)put_text("a.txt", "One two. Three four five. ");
    (void)put_text("b.txt", "Six. Seven eight nine ten. ");
    return rig_arg("corpus", folder());
}

START_TEST(rows)
{
    rig                      g;
    sb_text_set             *set    = rig_open(&g, "niah",
                                               ARGS(corpus(), words(), needle(), "tok=characters", "length=171",
                                                    "buffer_tokens=111", "depths=3"));
    static const char *const want[] = {
        "< The key is caf\xc3\xa9 9.One two. Three four five. Six. Seven eigh|Which?>",
        "<One two. The key is caf\xc3\xa9 9. Three four five. Six. Seven eigh|Which?>",
        "<One two. Three four five. Six. Seven eigh The key is caf\xc3\xa9 9.|Which?>"};
    static const double depth[] = {0, 50, 100};
    ck_assert_int_eq(set->suite->n_rows(set), 3);
    for (int i = 2; i >= 0; i--) { /* in any order */
        sb_text_row   r    = rig_row(set, i);
        json_t       *meta = json_loads(r.meta, 0, NULL);
        sb_text_span *s    = r.spans;
        /* 171 - 111 = 60 tokens, 19 of them the needle */
        ck_assert_str_eq(r.prompt, want[i]);
        ck_assert_int_eq(r.n_tokens, 60 + 9);
        ck_assert_int_eq(r.n_spans, 2);
        ck_assert_str_eq(s[0].kind, "needle");
        ck_assert_int_eq(strncmp(r.prompt + s[0].byte_begin, " The key is caf\xc3\xa9 9.",
                                 (size_t)(s[0].byte_end - s[0].byte_begin)),
                         0);
        ck_assert_int_eq(s[0].byte_end - s[0].byte_begin, 20);
        ck_assert_int_eq(strncmp(r.prompt + s[1].byte_begin, "Which?", 6), 0);
        ck_assert_int_eq(s[1].byte_end - s[1].byte_begin, 6);
        ck_assert_double_eq(json_real_value(json_object_get(meta, "depth")), depth[i]);
        ck_assert_int_eq(json_integer_value(json_object_get(meta, "length")), 171);
        ck_assert_int_eq(json_integer_value(json_object_get(meta, "context_tokens")), 41);
        ck_assert_int_eq(r.chat, 0);
        ck_assert_double_eq(rig_score(&r, "It is Caf\xc3\x89\n 9!"), 1);
        ck_assert_double_eq(rig_score(&r, "the key 9"), 1);
        ck_assert_double_eq(rig_score(&r, "caf\xc3\xa9"), 0);
        ck_assert_double_eq(rig_score(&r, ""), 0);
        json_decref(meta);
        sb_text_row_fini(&r);
    }
    rig_bad_row(set, 3, "row 3 of 3 depths");
    rig_bad_row(set, -1, "row -1");
    set->suite->close(set);
}
END_TEST

/* Text j begins behind the first line end after j / texts of the files and goes round; the first is
 * the one there is without `texts`. */
START_TEST(texts)
{
    static const char *const want[] = {
        "<One two.\nThree four\nfive. Six.\nSeven eigh The key is caf\xc3\xa9 9.|Which?>",
        "<five. Six.\nSeven eight nine ten.\nOne two. The key is caf\xc3\xa9 9.|Which?>",
        "<Seven eight nine ten.\nOne two.\nThree four The key is caf\xc3\xa9 9.|Which?>",
        "<One two.\nThree four\nfive. Six.\nSeven eigh The key is caf\xc3\xa9 9.|Which?>"};
    rig          g;
    sb_text_set *set;
    (void)put_text("a.txt", "One two.\nThree four\nfive. Six.\nSeven eight nine ten.\n");
    set = rig_open(&g, "niah",
                   ARGS(rig_arg("corpus", folder()), words(), needle(), "tok=characters",
                        "length=171", "buffer_tokens=111", "depths=2", "texts=4"));
    ck_assert_int_eq(set->suite->n_rows(set), 8);
    for (int i = 0; i < 8; i++) {
        sb_text_row r    = rig_row(set, i);
        json_t     *meta = json_loads(r.meta, 0, NULL);
        ck_assert_int_eq(json_integer_value(json_object_get(meta, "text")), i / 2);
        ck_assert_double_eq(json_real_value(json_object_get(meta, "depth")), i % 2 * 100);
        if (i % 2 == 1)
            ck_assert_str_eq(r.prompt, want[i / 2]);
        json_decref(meta);
        sb_text_row_fini(&r);
    }
    rig_bad_row(set, 8, "row 8 of 2 depths and 4 texts");
    set->suite->close(set);
}
END_TEST

/* Where there is no line end a text begins at a whole character. */
START_TEST(texts_of_one_line)
{
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    (void)put_text("a.txt", "\xc3\xa4\xc3\xb6\xc3\xbc.");
    set = rig_open(&g, "niah",
                   ARGS(rig_arg("corpus", folder()), words(), needle(), "tok=characters",
                        "length=134", "buffer_tokens=111", "depths=1", "texts=2"));
    r   = rig_row(set, 1);
    ck_assert_str_eq(r.prompt, "< The key is caf\xc3\xa9 9.\xc3\xbc.\xc3\xa4\xc3\xb6|Which?>");
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

/* The folder's files repeat until they reach; other files count only where there is no *.txt. */
START_TEST(the_corpus)
{
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    json_t      *facts;
    const char  *dir = corpus();
    (void)put_text("c.md", "Not read.");
    (void)put_text("0.md", "Not read either.");
    (void)put_file("bad.txt", "\xff\xfe x.", 6);
    set   = rig_open(&g, "niah",
                     ARGS(dir, words(), needle(), "tok=characters", "length=311", "buffer_tokens=111",
                          "depths=1"));
    r     = rig_row(set, 0);
    facts = set->suite->facts(set);
    ck_assert_ptr_nonnull(strstr(r.prompt, "nine ten. One two. "));
    ck_assert_ptr_null(strstr(r.prompt, "read"));
    ck_assert_str_eq(json_string_value(json_object_get(facts, "corpus_files")), "2");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "corpus_repeats")), "6");
    ck_assert_str_ne(json_string_value(json_object_get(facts, "corpus_skipped_files")), "0");
    ck_assert_int_eq((int)json_string_length(json_object_get(facts, "corpus_sha256")), 64);
    ck_assert_int_eq((int)json_string_length(json_object_get(facts, "templates_sha256")), 64);
    json_decref(facts);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

START_TEST(cannot_open)
{
    static const struct {
        const char *needle, *why;
    } bad[] = {
        {"{\"needle\": \"n\", \"question\": \"q\"}", "answer: nothing, not a phrase"},
        {"{\"needle\": \"n\", \"question\": \"q\", \"answer\": []}", "answer: an empty array"},
        {"{\"needle\": \"n\", \"question\": \"q\", \"answer\": [\"a\", 1]}", "answer: a number"},
        {"{\"needle\": \"n\", \"question\": \"q\", \"answer\": \" \\n\"}", "answer: white space"},
        {"{\"needle\": \"\", \"question\": \"q\", \"answer\": \"a\"}", "needle: an empty string"},
        {"{\"needle\": \"n\", \"question\": 1, \"answer\": \"a\"}",
         "question: a number, not a text"},
        {"[]", "not an object of texts"},
        {"{", "n.json: line 1"},
    };
    const char *dir = corpus(), *good = needle();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        rig_cannot_open("niah",
                        ARGS(dir, rig_arg("needle", put_text("n.json", bad[i].needle)),
                             "tok=characters", "length=1000", "buffer_tokens=400"),
                        SB_ERR_USAGE, bad[i].why);
    good = needle();
    rig_cannot_open("niah", ARGS(dir, good, "length=1000"), SB_ERR_USAGE, "needs a tokenizer");
    rig_cannot_open("niah", ARGS(dir, good, "length=1000", "tok=bytes/4"), SB_ERR_UNSUPPORTED,
                    "the counter `bytes/4` has none");
    rig_cannot_open("niah", ARGS(dir, good, "tok=characters", "length=1000"), SB_ERR_NO_FIT,
                    "buffer_tokens 200: what stands around the text has");
    rig_cannot_open("niah",
                    ARGS(dir, good, words(), "tok=characters", "length=129", "buffer_tokens=111"),
                    SB_ERR_NO_FIT,
                    "length 129 is too short: 111 tokens are kept free and the "
                    "needle has 19");
    rig_cannot_open(
        "niah", ARGS(rig_arg("corpus", "/nowhere"), good, words(), "tok=characters", "length=1000"),
        SB_ERR_IO, "corpus /nowhere");
    rig_cannot_open("niah",
                    ARGS(dir, good,
                         rig_arg("templates", put_text("t.json", "{\"prompt\": "
                                                                 "\"{context}\"}")),
                         "tok=characters", "length=1000"),
                    SB_ERR_USAGE, "prompt: placeholder {question} is missing");
    rig_cannot_open(
        "niah",
        ARGS(dir, good,
             rig_arg("templates", put_text("t.json", "{\"prompt\": \"{context}{question}\", "
                                                     "\"chat\": 1}")),
             "tok=characters", "length=1000"),
        SB_ERR_USAGE, "chat: a number, not true or false");
    rig_cannot_open("niah",
                    ARGS(rig_arg("corpus", put_file("empty.txt", "\xff", 1)), good, words(),
                         "tok=characters", "length=1000"),
                    SB_ERR_USAGE, "no text in it (1 files passed over");
    sbi_haystack_max_bytes = 400;
    rig_cannot_open("niah", ARGS(corpus(), needle(), words(), "tok=characters", "length=1000"),
                    SB_ERR_USAGE, "the haystack needs 1000");
    sbi_haystack_max_bytes = INT64_C(2) << 30;
}
END_TEST

/* Rows of SB_NIAH_VERSION: other bytes need another version. */
START_TEST(golden)
{
    static const struct {
        const char *interval, *hash[3];
    } want[] = {
        {"interval=linear", {"adec85c8d247fefa", "63b57204f9bdcdc1", "b9e236df26004b81"}},
        {"interval=sigmoid", {"adec85c8d247fefa", "ef9b41ec85bee7f0", "e05e7b3f278fdf53"}},
    };
    for (size_t k = 0; k < 2; k++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "niah",
                     ARGS(corpus(), words(), needle(), "tok=characters", "length=600",
                          "buffer_tokens=111", "depths=7", want[k].interval));
        for (int i = 0; i < 3; i++) {
            sb_text_row r = rig_row(set, 2 * i);
            ck_assert_msg(strncmp(r.sha256, want[k].hash[i], 16) == 0, "%s row %d: %.16s",
                          want[k].interval, 2 * i, r.sha256);
            sb_text_row_fini(&r);
        }
        set->suite->close(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("niah");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, depths);
    tcase_add_test(t, places);
    tcase_add_test(t, room);
    tcase_add_test(t, rows);
    tcase_add_test(t, texts);
    tcase_add_test(t, texts_of_one_line);
    tcase_add_test(t, the_corpus);
    tcase_add_test(t, cannot_open);
    tcase_add_test(t, golden);
    return run_suite_of("niah", t);
}
