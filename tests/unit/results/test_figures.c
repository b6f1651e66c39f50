/* Stored answers of the public views: used while they hold, never afterwards, whoever wrote. */
#include <check.h>
#include <stdlib.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path = strdup(facts_path(dir, "t.db"));
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

static void put(sb_store *s, int64_t run, const char *method, int64_t row, double score)
{
    sb_sample_facts f = facts_ok(run, facts_point(s, (sb_point_facts){.method = method}),
                                 facts_input(s, row), score, 10 + row);
    facts_put(s, &f);
}

static int64_t make(void)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int64_t row = 0; row < 4; row++) {
        put(s, run, "dense", row, 1.0);
        put(s, run, "hip", row, row < 2 ? 1.0 : 0.0);
        put(s, run, "xattention", row, 0.25 * (double)row);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    return run;
}

static int64_t stale(void) { return facts_int(path, "SELECT count(*) FROM figures_stale"); }

START_TEST(answers_are_those_of_the_facts)
{
    make();
    ck_assert_int_eq(stale(), 0);
    for (const sb_view *v = sb_views; v->name != NULL; v++) {
        char sql[256];
        (void)snprintf(sql, sizeof sql,
                       "SELECT (SELECT count(*) FROM %s) - (SELECT count(*) FROM (SELECT * FROM %s "
                       "INTERSECT SELECT * FROM live_%s))",
                       v->name, v->name, v->name);
        ck_assert_msg(facts_int(path, sql) == 0, "%s", v->name);
        (void)snprintf(sql, sizeof sql,
                       "SELECT (SELECT count(*) FROM live_%s) - (SELECT count(*) FROM %s)", v->name,
                       v->name);
        ck_assert_msg(facts_int(path, sql) == 0, "%s", v->name);
    }
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM accuracy"), 3);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM losses"), 2);
}
END_TEST

START_TEST(our_own_writes_make_them_stale)
{
    int64_t   run = make();
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    put(s, run, "hip", 4, 1.0);
    sb_store_close(s);
    ck_assert_int_eq(stale(), 1);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM accuracy WHERE method = 'hip'"), 5);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM accuracy"), 3); /* not both */
    s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    ck_assert_int_eq(stale(), 0);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM accuracy WHERE method = 'hip'"), 5);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM stored_accuracy WHERE method = 'hip'"), 5);
}
END_TEST

START_TEST(writes_of_others_make_them_stale)
{
    sqlite3 *db = NULL;
    make();
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path,
                      "INSERT INTO input SELECT 99, dataset_id, 99, printf('%064d', 99), 1, 1, 1 "
                      "FROM input WHERE id = 1; INSERT INTO sample (run_id, point_id, input_id, "
                      "is_anchor, status, prediction, fallback, n_gen) SELECT 1, id, 99, 0, 'ok', "
                      "'', 0, 1 FROM point WHERE method = 'hip'"));
    sqlite3_close(db);
    ck_assert_int_eq(stale(), 1);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM coverage WHERE method = 'hip'"), 5);
}
END_TEST

START_TEST(another_text_of_a_view_makes_them_stale)
{
    sqlite3 *db = NULL;
    make();
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path,
                      "DROP VIEW live_coverage; CREATE VIEW live_coverage AS SELECT 1 AS method; "
                      "DROP TABLE stored_latency"));
    sqlite3_close(db);
    sb_store_close(facts_open(path, SB_STORE_WRITE)); /* brings the views up to date */
    ck_assert_int_eq(stale(), 1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM coverage WHERE n = 4"), 3);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM latency WHERE phase = 'prefill'"), 3);
}
END_TEST

START_TEST(nothing_new_computes_nothing)
{
    make();
    sb_store *s       = facts_open(path, SB_STORE_WRITE);
    int       changes = sqlite3_total_changes(s->db);
    FACTS_OK(sb_store_refresh_intervals(s));
    ck_assert_int_eq(sqlite3_total_changes(s->db), changes);
    sb_store_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("figures");
    TCase *c     = tcase_create("figures");
    tcase_set_timeout(c, 60);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, answers_are_those_of_the_facts);
    tcase_add_test(c, our_own_writes_make_them_stale);
    tcase_add_test(c, writes_of_others_make_them_stale);
    tcase_add_test(c, another_text_of_a_view_makes_them_stale);
    tcase_add_test(c, nothing_new_computes_nothing);
    suite_add_tcase(suite, c);
    return run_suite(suite);
}
