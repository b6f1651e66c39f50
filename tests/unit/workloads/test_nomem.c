/* The k-th allocation fails, for k = 1, 2, ... until one run needs fewer: each run returns
 * no_memory, leaves the output alone, and leaks nothing (the address sanitizer watches). Linked
 * with --wrap for malloc, calloc, realloc; the names with two underscores are the linker's. */
#include "tests/unit/workloads/case.h"

#include <stdlib.h>
#include <string.h>

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

START_TEST(generate)
{
    const sb_task       *t = sb_tasks[_i];
    sb_probe_task_params p = params_default();
    sb_corpus           *c;
    int                  k = 1;
    ck_assert_int_eq(sb_corpus_open("zipf", &c), SB_OK);
    sb_gen_req req = {.seed = 1, .length_tokens = 4160, .params = &p, .corpus = c};
    for (;; k++) {
        sb_input in;
        memset(&in, 0, sizeof in);
        countdown         = k;
        sb_status st      = t->generate(t, &req, &in);
        int       unspent = countdown > 0;
        countdown         = 0;
        if (unspent) {
            ck_assert_int_eq(st, SB_OK);
            sb_input_fini(&in);
            break;
        }
        ck_assert_int_eq(st, SB_ERR_NOMEM);
        ck_assert_ptr_null(in.ids);
    }
    ck_assert_int_gt(k, 6);
    sb_corpus_close(c);
}
END_TEST

START_TEST(corpus)
{
    int k = 1;
    for (;; k++) {
        sb_corpus *c      = NULL;
        countdown         = k;
        sb_status st      = sb_corpus_open(FIXTURE_CORPUS, &c);
        int       unspent = countdown > 0;
        countdown         = 0;
        if (unspent) {
            ck_assert_int_eq(st, SB_OK);
            sb_corpus_close(c);
            break;
        }
        ck_assert_int_eq(st, SB_ERR_NOMEM);
        ck_assert_ptr_null(c);
    }
    ck_assert_int_gt(k, 3);
}
END_TEST

START_TEST(prediction_and_score)
{
    sb_input       in      = make_row("vt", 1024, 0);
    const sb_task *t       = sb_task_find("probe", "vt");
    int32_t        five[5] = {SB_TOK_NAME, SB_TOK_NAME, SB_TOK_NAME, SB_TOK_NAME, SB_TOK_NAME};
    char          *text    = NULL;
    sb_score       s       = {.value = -1};
    countdown              = 1;
    ck_assert_int_eq(sb_prediction_text(t, &in, five, 5, &text), SB_ERR_NOMEM);
    countdown = 1;
    ck_assert_int_eq(t->metric->score("NAME0", &in, &s), SB_ERR_NOMEM);
    countdown = 0;
    ck_assert_ptr_null(text);
    ck_assert_double_eq(s.value, -1);
    sb_input_fini(&in);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("nomem");
    TCase *t = tcase_create("nomem");
    tcase_add_loop_test(t, generate, 0, 8);
    tcase_add_test(t, corpus);
    tcase_add_test(t, prediction_and_score);
    suite_add_tcase(s, t);
    return run_suite(s);
}
