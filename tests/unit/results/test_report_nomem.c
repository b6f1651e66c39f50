/* The k-th allocation of a page and of a text fails, for k = 1, 2, ... until one needs fewer: each
 * returns no_memory and nothing leaks. Linked with --wrap as test_nomem.c is; allocations inside
 * libraries are not ours and not counted. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/results/main.h"
#include "tests/unit/results/report_case.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *text);

static int countdown; /* 0: not armed */

static int fails(void) { return countdown > 0 && --countdown == 0; }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }

void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }

void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

char *__wrap_strdup(const char *text) { return fails() ? NULL : __real_strdup(text); }

static sb_status write_it(sb_store *s, int text)
{
    const sb_report_facts f  = {"t.db", "0", "c"};
    FILE                 *to = fopen("/dev/null", "w");
    sb_status             st = text ? sb_report_write_text(s, &f, 60, to)
                                    : sb_report_write_html(s, &f, SB_REPORT_NO_PLOTS, to);
    (void)fclose(to);
    return st;
}

START_TEST(every_allocation)
{
    const char *dir  = facts_dir();
    char       *path = strdup(facts_path(dir, "t.db"));
    sb_store   *s    = facts_open(path, SB_STORE_WRITE);
    int         k    = 1;
    report_fill_named(s, "x");
    sb_store_close(s);
    s = facts_open(path, SB_STORE_READ);
    for (;; k += 1 + k / 16) { /* a page asks two dozen statements each time */
        countdown         = k;
        sb_status st      = write_it(s, _i);
        int       ran_out = countdown == 0;
        countdown         = 0;
        if (!ran_out) {
            ck_assert_msg(st == SB_OK, "%s", sb_error_text());
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: %s", k,
                      st == SB_OK ? "ok" : sb_error_text());
    }
    ck_assert_int_gt(k, 200);
    sb_store_close(s);
    facts_remove(dir);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report: no memory");
    TCase *t     = tcase_create("nomem");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_allocation, 0, 2);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
