/* The k-th allocation fails, for k = 1, 2, ... until one call needs fewer: each returns no_memory,
 * leaves the output alone, and leaks nothing (the address sanitizer watches). Linked with --wrap
 * for malloc, calloc, realloc; the names with two underscores are the linker's. */
#include <stdlib.h>

#include "tests/unit/results/main.h"
#include "tests/unit/workloads/metrics/jieba_data.h"
#include "workloads/metrics/jieba.h"

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

static sb_jieba *open_data(void)
{
    sb_jieba *j;
    jieba_data_make();
    jieba_data_write(jieba_data_good);
    ck_assert_int_eq(sb_jieba_open(jieba_data_folder, &j), SB_OK);
    jieba_data_remove();
    return j;
}

/* Texts larger than a block of the pool, so that a call has many allocations. */
START_TEST(score)
{
    enum { BYTES = 17000 };
    const sb_scorer *s = sb_scorers[_i];
    sb_jieba        *j = (s->needs & SB_NEED_JIEBA) ? open_data() : NULL;
    char            *a = malloc(BYTES), *b = malloc(BYTES);
    int              k = 1;
    for (int i = 0; i < BYTES; i++) {
        a[i] = "The cat 7 sat.\n"[i % 15];
        b[i] = "sat 7 cat Paragraph 7.\n "[i % 24];
    }
    sb_text              pred = {a, BYTES}, refs[2] = {{b, BYTES}, sb_text_of("A")};
    static const int64_t relevance[2] = {1, 2};
    sb_score_req         req          = {.preds     = &pred,
                                         .n_preds   = 1,
                                         .refs      = refs,
                                         .n_refs    = 2,
                                         .classes   = refs,
                                         .n_classes = 2,
                                         .question  = {b, 10},
                                         .relevance = relevance,
                                         .task      = "qa1",
                                         .jieba     = j};
    if (strncmp(s->name, "infbench_math", 13) == 0 || strcmp(s->name, "infbench_code_run@1") == 0)
        refs[0] = refs[1] = sb_text_of("7");
    if (strncmp(s->name, "retrieval", 9) == 0)
        refs[0] = refs[1] = sb_text_of("Paragraph 7 \xe6\xae\xb5\xe8\x90\xbd"
                                       "7");
    for (;; k++) {
        sb_text_score out = {.value = -1};
        countdown         = k;
        sb_status st      = sb_scorer_score(s, &req, &out);
        int       unspent = countdown > 0;
        countdown         = 0;
        if (unspent) {
            ck_assert_msg(st == SB_OK, "%s: %s", s->name, sb_error_text());
            break;
        }
        ck_assert_int_eq(st, SB_ERR_NOMEM);
        ck_assert_double_eq(out.value, -1);
    }
    ck_assert_int_gt(k, 2);
    free(a);
    free(b);
    sb_jieba_close(j);
}
END_TEST

START_TEST(open_jieba)
{
    int k = 1;
    jieba_data_make();
    jieba_data_write(jieba_data_good);
    for (;; k++) {
        sb_jieba *j       = NULL;
        countdown         = k;
        sb_status st      = sb_jieba_open(jieba_data_folder, &j);
        int       unspent = countdown > 0;
        countdown         = 0;
        if (unspent) {
            ck_assert_int_eq(st, SB_OK);
            sb_jieba_close(j);
            break;
        }
        /* a failure inside fopen says so as a file that cannot be opened */
        ck_assert_msg(st == SB_ERR_NOMEM || st == SB_ERR_USAGE || st == SB_ERR_INTERNAL, "%s",
                      sb_error_text());
        ck_assert_ptr_null(j);
    }
    ck_assert_int_gt(k, 10);
    jieba_data_remove();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics_nomem");
    TCase *t     = tcase_create("metrics_nomem");
    int    n     = 0;
    while (sb_scorers[n] != NULL)
        n++;
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, score, 0, n);
    tcase_add_test(t, open_jieba);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
