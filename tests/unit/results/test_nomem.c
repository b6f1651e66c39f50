/* The k-th allocation of a refresh, or of what takes names out, fails, for k = 1, 2, ... until one
 * needs fewer: each returns no_memory, the transaction is rolled back, and nothing leaks (the
 * address sanitizer watches). Linked with --wrap for malloc, calloc, realloc, strdup, strndup; the
 * names with two underscores are the linker's. Allocations inside SQLite's library are not ours and
 * are not counted. */
#include <stdlib.h>
#include <string.h>

#include "results/stats/compare.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static int countdown; /* 0: not armed */

static int fails(void) { return countdown > 0 && --countdown == 0; }

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }

void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }

void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }

char *__wrap_strdup(const char *s) { return fails() ? NULL : __real_strdup(s); }

char *__wrap_strndup(const char *s, size_t n) { return fails() ? NULL : __real_strndup(s, n); }

/* Two methods and dense on two tasks, fractions and not: every kind of figure. */
static void fill(sb_store *s)
{
    int64_t run = facts_run(s, "c", 0);
    for (int m = 0; m < 3; m++)
        for (int t = 0; t < 2; t++) {
            sb_point_facts p     = {.method = (const char *const[]){"dense", "hip", "a_shape"}[m],
                                    .task   = t == 0 ? "niah_single" : "vt"};
            int64_t        point = facts_point(s, p);
            for (int row = 0; row < 6; row++) {
                double          v = (row + m) % 3 == 0 ? 0 : t == 0 ? 1 : 0.75;
                sb_sample_facts f = facts_ok(run, point, facts_input(s, row), v, 10);
                f.score_is_binary = t == 0;
                facts_put(s, &f);
            }
        }
}

START_TEST(refresh)
{
    const char *dir  = facts_dir();
    char       *path = strdup(facts_path(dir, "t.db"));
    sb_store   *s    = facts_open(path, SB_STORE_WRITE);
    int         k    = 1;
    int64_t     n    = 0;
    fill(s);
    for (;; k++) {
        countdown         = k;
        sb_status st      = sb_store_refresh_intervals(s);
        int       ran_out = countdown == 0;
        countdown         = 0;
        if (!ran_out) {
            FACTS_OK(st);
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: status %d", k, (int)st);
        FACTS_OK(sbi_scalar(s->db, path, "SELECT count(*) FROM comparison", &n));
        ck_assert_int_eq(n, 0);
    }
    ck_assert_int_gt(k, 30);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM comparison"), 6);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM losses WHERE p_holm IS NULL"), 0);
    FACTS_OK(sb_store_check(path, stdout));
    facts_remove(dir);
    free(path);
}
END_TEST

START_TEST(anonymize)
{
    const char *dir  = facts_dir();
    char       *path = strdup(facts_path(dir, "t.db"));
    FILE       *none = fopen("/dev/null", "w");
    sb_store   *s    = facts_open(path, SB_STORE_WRITE);
    int         k    = 1;
    fill(s);
    FACTS_OK(sbi_exec(s->db, path,
                      "UPDATE run SET command = 'run /home/someone/a.yaml', env_json = "
                      "'{\"SLURM_JOB_USER\":\"someone\",\"SPAN_X\":\"/b\"}', hosts_json = "
                      "'[\"node1.site\",\"node2\"]'"));
    sb_store_close(s);
    for (;; k++) {
        countdown         = k;
        sb_status st      = sb_store_anonymize((const char *const *)&path, 1, NULL, none);
        int       ran_out = countdown == 0;
        countdown         = 0;
        if (!ran_out) {
            FACTS_OK(st);
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: status %d: %s", k, (int)st,
                      sb_error_text());
        ck_assert_int_eq(
            facts_int(path, "SELECT count(*) FROM run WHERE command = 'run /home/someone/a.yaml'"),
            1);
    }
    ck_assert_int_gt(k, 10);
    char *text = facts_text(path, "SELECT command || hosts_json FROM run");
    ck_assert_str_eq(text, "run path-2[\"host-1\",\"host-2\"]");
    free(text);
    (void)fclose(none);
    facts_remove(dir);
    free(path);
}
END_TEST

START_TEST(statistics)
{
    const double v[]  = {0.5, 0.25, 0.75};
    double       p[3] = {9, 9, 9};
    sb_interval  i    = {9, 9};
    countdown         = 1;
    ck_assert_int_eq(sb_stats_paired_bootstrap(v, 3, 1, &i), SB_ERR_NOMEM);
    countdown = 1;
    ck_assert_int_eq(sb_stats_sign_flip(v, 3, 1, p), SB_ERR_NOMEM);
    countdown = 1;
    ck_assert_int_eq(sb_stats_holm(v, 3, p), SB_ERR_NOMEM);
    ck_assert(i.lo == 9 && i.hi == 9 && p[0] == 9 && p[2] == 9);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("no memory");
    TCase *t     = tcase_create("no memory");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, refresh);
    tcase_add_test(t, anonymize);
    tcase_add_test(t, statistics);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
