/* The k-th allocation fails, for k = 1, 2, ... until one run needs fewer: no_memory each time,
 * outputs left alone, nothing leaked (the address sanitizer watches). Linked with --wrap for
 * malloc, calloc, realloc; Check too allocates
 * through them, so nothing is asserted while the countdown runs: a broken promise comes back as
 * SB_ERR_INTERNAL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/tok_memo.h"
#include "workloads/ruler/import.h"
#include "workloads/ruler/lexicon.h"
#include "workloads/ruler/score.h"
#include "workloads/ruler/suite.h"
#include "workloads/tokenizer/ops.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);

static int countdown; /* 0: not armed */

static int fails(void) { return countdown > 0 && --countdown == 0; }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

/* Runs with the k-th allocation failing until none does; `least` allocations are expected in all.
 */
static void every_allocation(sb_status (*run)(void), int least)
{
    int k = 1;
    for (;; k++) {
        sb_status st;
        int       unspent;
        countdown = k;
        st        = run();
        unspent   = countdown > 0;
        countdown = 0;
        if (unspent) {
            ck_assert_msg(st == SB_OK, "%s", sb_error_text());
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: %s: %s", k, sb_status_name(st),
                      sb_error_text());
    }
    ck_assert_int_gt(k, least);
}

static sb_ruler_templates *templates;
static sb_ruler_words     *words;
static sb_punkt           *punkt;
static const char *tasks[] = {"vt",  "niah_multikey_3", "fwe", "niah_single_1", "niah_multikey_2",
                              "cwe", "niah_multiquery"};
static const char *task_name;
static sb_ruler_essay *essay;

static sb_status make_rows(void)
{
    sb_ruler_spec   spec = {.task          = sb_ruler_task_find(task_name),
                            .seed          = 1,
                            .length_tokens = 700,
                            .templates     = templates,
                            .words         = words,
                            .essay         = essay,
                            .counter       = *sb_tok_ops_find("words")};
    sb_ruler_set   *set  = NULL;
    sb_ruler_sample s    = {0};
    char           *line = NULL;
    sb_status       st   = sb_ruler_open(&spec, &set);
    if (st == SB_OK && (st = sb_ruler_row(set, 1, &s)) == SB_OK)
        st = sb_ruler_sample_json(spec.task, &s, &line);
    if (st != SB_OK && line != NULL)
        st = SB_ERR_INTERNAL;
    free(line);
    sb_ruler_sample_fini(&s);
    sb_ruler_close(set);
    return st;
}

/* 30 nouns, 8 adjectives with a family, 4200 verbs: enough words for cwe. */
static void put_lists(void)
{
    char  *verbs = malloc(4200 * 8 + 1);
    size_t n     = 0;
    ck_assert_ptr_nonnull(verbs);
    for (int i = 0; i < 4200; i++)
        n += (size_t)snprintf(verbs + n, 9, "v%04d\n", i);
    (void)put_text("verblist.txt", verbs);
    free(verbs);
    (void)put_text("nounlist.txt", "cat\ndog\nfashioned\n");
    (void)put_text("adjectivelist.txt", "old\nold-fashioned\nred\n");
}

static void put_punkt(void)
{
    (void)put_text("abbrev_types.txt", "mr");
    (void)put_text("collocations.tab", "a\tb");
    (void)put_text("sent_starters.txt", "they");
    (void)put_text("ortho_context.tab", "they\t42\nhe\t2");
}

static sb_status open_words(void)
{
    sb_ruler_words *w  = NULL;
    sb_status       st = sb_ruler_words_open(folder(), NULL, NULL, &w);
    if ((st == SB_OK) != (w != NULL))
        st = SB_ERR_INTERNAL;
    sb_ruler_words_close(w);
    return st;
}

static const char *native_task;

/* The suite from its request to a row, facts included: with the built-in texts and words. */
static sb_status native_row(void)
{
    sb_ruler_params params;
    const char     *paths[SB_RULER_KEYS] = {[SB_RULER_KEY_CORPUS] = "tests/fixtures/corpus"};
    sb_text_req     req                  = {.suite         = &sb_ruler_suite,
                                            .params        = &params,
                                            .paths         = paths,
                                            .length_tokens = 1500,
                                            .seed          = 1,
                                            .tok           = sb_tok_ops_find("bytes/4")};
    sb_text_set    *set                  = NULL;
    sb_text_row     r                    = {0};
    sb_status       st                   = sb_params_default(sb_ruler_suite.params, &params);
    for (req.task = sb_ruler_suite.tasks; strcmp(req.task->name, native_task) != 0; req.task++)
        ;
    if (st == SB_OK && (st = sb_ruler_suite.open(&req, &set)) == SB_OK)
        st = sb_ruler_suite.row(set, 1, &r);
    if ((st == SB_OK) != (r.prompt != NULL))
        st = SB_ERR_INTERNAL;
    sb_text_row_fini(&r);
    sb_ruler_suite.close(set);
    return st;
}

static sb_status count_twice(void)
{
    static const char text[] =
        "Some words stand here so that a piece of text is long enough to end somewhere, and more "
        "of "
        "them follow behind it until nobody wants to read on, which is soon the case for this one.";
    static sb_tok_ops o;
    sb_tok           *t   = NULL;
    sb_tok_ctx       *c   = NULL;
    sb_tok_memo      *m   = NULL;
    int64_t           n   = 0;
    char             *out = NULL;
    sb_status         st  = sb_tok_open("tests/fixtures/tokenizer/gpt2.json", NULL, &t);
    if (st == SB_OK && (st = sb_tok_ctx_create(t, &c)) == SB_OK) {
        sb_tok_ops_of(c, SB_TOK_SPECIALS_LITERAL, &o);
        st = sb_tok_memo_create(&o, 0, &m);
    }
    for (int i = 0; i < 2 && st == SB_OK; i++)
        st = sb_tok_memo_ops(m)->count(m == NULL ? NULL : sb_tok_memo_ops(m)->ctx, text,
                                       sizeof text - 1, &n);
    if (st == SB_OK)
        st = o.ends(o.ctx, text, sizeof text - 1, 3, 3, &out, &n);
    if ((st == SB_OK) != (out != NULL))
        st = SB_ERR_INTERNAL;
    free(out);
    sb_tok_memo_destroy(m);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
    return st;
}

static sb_status open_lexicon(void)
{
    sb_ruler_lexicon *l  = NULL;
    sb_status         st = sb_ruler_lexicon_open(folder(), &l);
    sb_ruler_lexicon_close(l);
    return st;
}

static sb_status open_texts(void)
{
    sb_ruler_templates *t  = NULL;
    sb_status           st = sb_ruler_templates_open(OFFICIAL_TEXTS, NULL, NULL, &t);
    sb_ruler_templates_close(t);
    return st;
}

static sb_status open_essay(void)
{
    sb_punkt       *p  = NULL;
    sb_ruler_essay *e  = NULL;
    sb_status       st = sb_punkt_open(folder(), SB_PUNKT_NLTK_3_9, &p);
    char            path[640];
    (void)snprintf(path, sizeof path, "%s/essay.txt", folder());
    if (st == SB_OK)
        st = sb_ruler_essay_open(path, sb_ruler_splitter_punkt(p), &e);
    sb_ruler_essay_close(e);
    sb_punkt_close(p);
    return st;
}

static sb_status score_row(void)
{
    char           answer[] = "\xc3\x89t\xc3\xa9", *answers[] = {answer};
    sb_ruler_score s = {0};
    return sb_ruler_score_row(SB_RULER_MATCH_PART, "x \xc3\xa9t\xc3\xa9", 7, answers, 1, NULL, &s);
}

static sb_status import_rows(void)
{
    sb_ruler_import *im   = NULL;
    sb_ruler_sample  copy = {0};
    char             path[640];
    sb_status        st;
    (void)snprintf(path, sizeof path, "%s/v.jsonl", folder());
    st = sb_ruler_import_open(path, sb_ruler_task_find("niah_single_1"), 128, &im);
    if (st == SB_OK && (im->n_rows != 20 || im->n_bad != 20))
        st = SB_ERR_INTERNAL;
    if (st == SB_OK)
        st = sb_ruler_import_row(im, 2, &copy);
    sb_ruler_sample_fini(&copy);
    sb_ruler_import_close(im);
    return st;
}

static void set_up(void)
{
    folder_set_up();
    put_lists();
    put_punkt();
    (void)put_text("essay.txt",
                   "He came. They saw Mr. B. 5. It was so? \"Yes.\" Then they left... And so on. ");
}

START_TEST(rows)
{
    char path[640];
    (void)snprintf(path, sizeof path, "%s/essay.txt", folder());
    templates = open_templates(OFFICIAL_TEXTS, NULL);
    ck_assert_int_eq(sb_ruler_words_open(folder(), NULL, NULL, &words), SB_OK);
    ck_assert_int_eq(sb_punkt_open(folder(), SB_PUNKT_NLTK_3_9, &punkt), SB_OK);
    ck_assert_int_eq(sb_ruler_essay_open(path, sb_ruler_splitter_punkt(punkt), &essay), SB_OK);
    task_name = tasks[_i];
    every_allocation(make_rows, 20);
    sb_ruler_essay_close(essay);
    sb_punkt_close(punkt);
    sb_ruler_words_close(words);
    sb_ruler_templates_close(templates);
}
END_TEST

START_TEST(inputs)
{
    every_allocation(open_words, 10);
    every_allocation(open_essay, 8);
    every_allocation(score_row, 2);
}
END_TEST

START_TEST(native)
{
    static const char *const of[] = {
        "niah_single_1", "niah_multiquery", "niah_multikey_3", "vt", "cwe", "fwe", "qa_synth"};
    native_task = of[_i];
    every_allocation(native_row, 20);
}
END_TEST

START_TEST(counting)
{
    every_allocation(count_twice, 20);
    every_allocation(open_lexicon, 10); /* wonderwords' lists */
    (void)put_text("index.noun", "abc\ndef\nghi\njkl\nmno\npqr\nstu\nvwx\nyza\nabcd\nefgh\nijkl\n"
                                 "mnop\nqrst\nuvwx\nyzab\n");
    (void)put_text("index.adj", "abc\ndef\nghi\njkl\nmno\npqr\nstu\nvwx\nyza\nabcd\nefgh\nijkl\n"
                                "mnop\nqrst\nuvwx\nyzab\n");
    every_allocation(open_lexicon, 5);
}
END_TEST

START_TEST(templates_open) { every_allocation(open_texts, 10); }
END_TEST

START_TEST(imports)
{
    char  *all = malloc(8192);
    size_t n   = 0;
    ck_assert_ptr_nonnull(all);
    for (int i = 0; i < 20; i++)
        n += (size_t)snprintf(
            all + n, 200,
            "{\"input\": \"x%d\", \"outputs\": [\"1\"], \"pred\": \"p\"}\n{\"input\": 3}\n", i);
    (void)put_text("v.jsonl", all);
    free(all);
    every_allocation(import_rows, 40);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("nomem");
    tcase_add_checked_fixture(t, set_up, folder_tear_down);
    tcase_add_loop_test(t, rows, 0, (int)(sizeof tasks / sizeof *tasks));
    tcase_add_test(t, inputs);
    tcase_add_loop_test(t, native, 0, 7);
    tcase_add_test(t, counting);
    tcase_add_test(t, templates_open);
    tcase_add_test(t, imports);
    return run_suite_of("ruler_nomem", t);
}
