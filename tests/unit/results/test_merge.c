/* Merge by natural keys, and the comparison of facts. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *a_path, *b_path, *main_path;

static char *in_dir(const char *name) { return strdup(facts_path(dir, name)); }

/* Rows [first, last) at two points; ids differ from shard to shard because the points are put in
 * another order. */
static void make_shard(const char *path, int64_t first, int64_t last, int turned)
{
    sb_store      *s        = facts_open(path, SB_STORE_WRITE);
    int64_t        run      = facts_run(s, "c", 0);
    sb_point_facts kinds[2] = {{.method = turned ? "hip" : "dense"},
                               {.method = turned ? "dense" : "hip"}};
    int64_t        points[2];
    for (int i = 0; i < 2; i++)
        points[i] = facts_point(s, kinds[i]);
    for (int64_t row = first; row < last; row++)
        for (int i = 0; i < 2; i++) {
            sb_sample_facts f = facts_ok(run, points[i], facts_input(s, row), row % 2 ? 0.25 : 0.75,
                                         1000 + 10 * row);
            facts_put(s, &f);
        }
    FACTS_OK(sb_store_refresh_intervals(s));
    FACTS_OK(sb_store_end_run(s, run, "finished"));
    sb_store_close(s);
}

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    a_path    = in_dir("a shard?%23.db"); /* a name that a URI must quote */
    b_path    = in_dir("b.db");
    main_path = in_dir("main.db");
    make_shard(a_path, 0, 6, 0);
    make_shard(b_path, 4, 10, 1);
    sbi_busy_timeout_ms = 50;
}

static void teardown(void)
{
    facts_remove(dir);
    free(a_path), free(b_path), free(main_path);
}

static sb_status merge(const char *into, const char *first, const char *second, char **said)
{
    const char *shards[] = {first, second};
    size_t      n        = 0;
    FILE       *f        = open_memstream(said, &n);
    sb_status   st       = sb_store_merge(into, shards, second == NULL ? 1 : 2, f);
    ck_assert_int_eq(fclose(f), 0);
    return st;
}

static void merged(const char *into, const char *first, const char *second)
{
    char *said = NULL;
    FACTS_OK(merge(into, first, second, &said));
    free(said);
}

/* Number of differences as printed, -1 on an error. */
static int64_t differences(const char *a, const char *b, char **said)
{
    size_t    n     = 0;
    int       equal = -1;
    FILE     *f     = open_memstream(said, &n);
    sb_status st    = sb_store_diff(a, b, f, &equal);
    ck_assert_int_eq(fclose(f), 0);
    if (st != SB_OK)
        return -1;
    const char *last = strstr(*said, " facts compared, ");
    ck_assert_ptr_nonnull(last);
    int64_t count = atoll(last + strlen(" facts compared, "));
    ck_assert_int_eq(equal, count == 0);
    return count;
}

static void same_facts(const char *a, const char *b)
{
    char *said = NULL;
    ck_assert_msg(differences(a, b, &said) == 0, "%s", said);
    free(said);
}

START_TEST(merge_keeps_every_fact)
{
    merged(main_path, a_path, b_path);
    FACTS_OK(sb_store_check(main_path, stdout));
    static const struct {
        const char *sql;
        int64_t     want;
    } counts[] = {
        {"SELECT count(*) FROM run", 2},        {"SELECT count(*) FROM point", 2},
        {"SELECT count(*) FROM dataset", 1},    {"SELECT count(*) FROM input", 10},
        {"SELECT count(*) FROM reference", 20}, {"SELECT count(*) FROM span", 10},
        {"SELECT count(*) FROM sample", 24},    {"SELECT count(*) FROM score", 24},
        {"SELECT count(*) FROM hit", 48},       {"SELECT count(*) FROM timing", 48},
        {"SELECT count(*) FROM quality", 24},   {"SELECT count(*) FROM comm", 24},
        {"SELECT count(*) FROM memory", 24},    {"SELECT sum(n_samples) FROM merged_shards", 24},
        {"SELECT sum(n) FROM accuracy", 20}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        ck_assert_msg(facts_int(main_path, counts[i].sql) == counts[i].want, "%s", counts[i].sql);
    /* a measure stays with its sample: the time tells the row */
    ck_assert_int_eq(
        facts_int(
            main_path,
            "SELECT count(*) FROM timing AS t JOIN sample AS s ON s.id = t.sample_id JOIN input "
            "AS i ON i.id = s.input_id WHERE t.phase = 'attention' AND t.ns <> 1000 + 10 * "
            "i.row_no"),
        0);
    ck_assert_int_eq(
        facts_int(main_path, "SELECT count(*) FROM accuracy WHERE interval_kind = 'bootstrap'"), 2);
}
END_TEST

START_TEST(merge_is_idempotent)
{
    char *said = NULL;
    char *copy = in_dir("copy.db");
    merged(main_path, a_path, b_path);
    FACTS_OK(merge(main_path, a_path, b_path, &said));
    ck_assert_ptr_nonnull(strstr(said, "already merged"));
    free(said);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM sample"), 24);
    /* another file with the same rows: its hash is unknown, its natural keys are not */
    merged(copy, a_path, NULL);
    FACTS_OK(merge(main_path, copy, NULL, &said));
    ck_assert_ptr_nonnull(strstr(said, "0 samples added, 12 already there"));
    free(said);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM timing"), 48);
    FACTS_OK(sb_store_check(main_path, stdout));
    free(copy);
}
END_TEST

START_TEST(merge_commutes)
{
    char *other = in_dir("other.db");
    merged(main_path, a_path, b_path);
    merged(other, b_path, NULL);
    merged(other, a_path, NULL);
    same_facts(main_path, other);
    for (int i = 0; i < 2; i++) { /* even the bootstrap is the same */
        const char *sql = i == 0 ? "SELECT lo FROM accuracy WHERE method = 'hip'"
                                 : "SELECT hi FROM accuracy WHERE method = 'hip'";
        ck_assert_double_eq(facts_real(main_path, sql), facts_real(other, sql));
    }
    free(other);
}
END_TEST

/* In any order, and through files between: the facts are the same. */
START_TEST(merge_is_associative)
{
    char *c = in_dir("c.db"), *ab = in_dir("ab.db"), *bc = in_dir("bc.db"), *all = in_dir("all.db");
    make_shard(c, 3, 12, 1);
    merged(ab, a_path, b_path);
    merged(ab, c, NULL);
    merged(bc, c, b_path);
    merged(all, bc, a_path);
    same_facts(ab, all);
    merged(main_path, ab, all); /* what is there already comes in once */
    same_facts(ab, main_path);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM sample"), 42);
    free(c), free(ab), free(bc), free(all);
}
END_TEST

START_TEST(a_shard_that_grew_is_merged_again)
{
    sb_store *s   = facts_open(a_path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0); /* running: the job goes on */
    sb_store_close(s);
    merged(main_path, a_path, NULL);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM run WHERE status = 'running'"), 1);
    s = facts_open(a_path, SB_STORE_WRITE);
    sb_sample_facts f =
        facts_ok(run, facts_point(s, (sb_point_facts){0}), facts_input(s, 50), 1.0, 10);
    facts_put(s, &f);
    FACTS_OK(sb_store_end_run(s, run, "finished"));
    sb_store_close(s);
    merged(main_path, a_path, NULL);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM sample"), 13);
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM run WHERE status = 'running'"), 0);
    same_facts(main_path, a_path);
}
END_TEST

static void truncate_tail(const char *path) { ck_assert_int_eq(truncate(path, 3 * 4096), 0); }
static void make_foreign(const char *path)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path, "CREATE TABLE sample (id)"));
    sqlite3_close(db);
}
static void alter(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path, sql));
    sqlite3_close(db);
}
static void make_newer(const char *path) { alter(path, "PRAGMA user_version = 9"); }
static void make_other_schema(const char *path)
{
    alter(path, "ALTER TABLE timing ADD COLUMN watts REAL");
}
static void make_dangling(const char *path) { alter(path, "DELETE FROM input WHERE id = 2"); }
static void make_trigger(const char *path)
{
    alter(path, "CREATE TRIGGER t AFTER INSERT ON run BEGIN SELECT 1; END");
}
static void make_older(const char *path) { alter(path, "PRAGMA user_version = 3"); }
static void make_missing(const char *path) { ck_assert_int_eq(remove(path), 0); }
static const struct {
    void (*spoil)(const char *path);
    const char *word;
} refusals[] = {{truncate_tail, "damaged"}, {make_foreign, "not a spanbench database"},
                {make_newer, "newer"},      {make_other_schema, "timing"},
                {make_older, "db migrate"}, {make_dangling, "foreign key"},
                {make_trigger, "trigger"},  {make_missing, "No such file"}};

START_TEST(a_bad_shard_is_refused_and_the_others_go_on)
{
    char *said = NULL;
    refusals[_i].spoil(a_path);
    ck_assert_int_ne(merge(main_path, a_path, b_path, &said), SB_OK);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "1 of 2 shards refused"));
    ck_assert_ptr_nonnull(strstr(said, "refused: "));
    ck_assert_msg(strstr(said, refusals[_i].word) != NULL, "wanted `%s` in:\n%s", refusals[_i].word,
                  said);
    free(said);
    same_facts(main_path, b_path);
    FACTS_OK(sb_store_check(main_path, stdout));
}
END_TEST

START_TEST(main_is_no_shard_of_itself)
{
    char *said = NULL;
    merged(main_path, a_path, NULL);
    ck_assert_int_ne(merge(main_path, main_path, b_path, &said), SB_OK);
    ck_assert_ptr_nonnull(strstr(said, "is the database merged into"));
    ck_assert_int_eq(facts_int(main_path, "SELECT count(*) FROM sample"), 24);
    free(said);
}
END_TEST

/* Resumed in three runs with anchors, against one uninterrupted run: times, hosts and run ids
 * differ, facts do not. */
START_TEST(diff_overlooks_what_may_differ)
{
    char     *whole = in_dir("whole.db");
    char     *parts = in_dir("parts.db");
    sb_store *s     = NULL;
    make_shard(whole, 0, 6, 0);
    make_shard(parts, 0, 2, 1);
    make_shard(parts, 2, 6, 1);
    s                   = facts_open(parts, SB_STORE_WRITE);
    int64_t         run = facts_run(s, "another commit", 1);
    sb_sample_facts f   = facts_ok(run, facts_point(s, (sb_point_facts){.method = "dense"}),
                                   facts_input(s, 0), 0.75, 7);
    f.is_anchor         = 1;
    facts_put(s, &f);
    f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "dense", .decode = "dense"}),
                 facts_input(s, 0), 1, 7);
    f.is_anchor = 1;
    facts_put(s, &f);
    sb_store_close(s);
    same_facts(whole, parts);
    free(whole), free(parts);
}
END_TEST

static const struct {
    const char *sql, *word;
    int64_t     n;
} changes[] = {
    {"UPDATE score SET value = 0.5 WHERE sample_id = 1", "score", 1},
    {"UPDATE sample SET prediction = 'X' WHERE id = 1", "prediction", 1},
    {"UPDATE sample SET plan_digest = NULL WHERE id = 1", "plan digest", 1},
    {"UPDATE sample SET fallback = 1 WHERE id = 1", "fallback", 1},
    {"UPDATE hit SET hit = 1", "hits", 12},
    {"UPDATE quality SET recall_mean = recall_mean + 1e-12 WHERE sample_id = 3", "recall", 1},
    {"UPDATE quality SET rho_num = 2 WHERE sample_id = 3", "rho", 1},
    {"DELETE FROM timing WHERE sample_id = 2 AND phase = 'prefill'", "timing rows prefill", 1},
    {"UPDATE reference SET text = 'Z' WHERE input_id = 1 AND ref_no = 0", "references", 1},
    {"UPDATE span SET tok_end = 99 WHERE input_id = 1", "spans", 1},
    {"UPDATE sample SET is_anchor = 1 WHERE id = 1", "only in", 10},
    {"UPDATE timing SET ns = ns + 1; UPDATE run SET cpu = 'other'; UPDATE comm SET exposed_ns = 5",
     "0 differ", 0},
};
START_TEST(diff_sees_every_fact)
{
    char *copy = in_dir("copy.db");
    char *said = NULL;
    merged(copy, a_path, NULL);
    merged(main_path, a_path, NULL);
    alter(copy, changes[_i].sql);
    int64_t n = differences(main_path, copy, &said);
    ck_assert_msg(n == changes[_i].n, "%lld differ:\n%s", (long long)n, said);
    ck_assert_msg(strstr(said, changes[_i].word) != NULL, "wanted `%s` in:\n%s", changes[_i].word,
                  said);
    free(said);
    free(copy);
}
END_TEST

START_TEST(diff_prints_fifty_lines_and_a_count)
{
    char *said  = NULL;
    int   lines = 0;
    make_shard(main_path, 100, 130, 0);
    int64_t n = differences(a_path, main_path, &said);
    for (const char *p = said; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    ck_assert_int_eq(lines, 52);
    ck_assert_int_gt(n, 100);
    char want[64];
    (void)snprintf(want, sizeof want, "... %lld more\n", (long long)n - 50);
    ck_assert_ptr_nonnull(strstr(said, want));
    free(said);
    ck_assert_int_eq(differences(a_path, "/no/such/file.db", &said), -1);
    free(said);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merge and diff");
    TCase *t     = tcase_create("merge");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, merge_keeps_every_fact);
    tcase_add_test(t, merge_is_idempotent);
    tcase_add_test(t, merge_commutes);
    tcase_add_test(t, merge_is_associative);
    tcase_add_test(t, a_shard_that_grew_is_merged_again);
    tcase_add_loop_test(t, a_bad_shard_is_refused_and_the_others_go_on, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    tcase_add_test(t, main_is_no_shard_of_itself);
    tcase_add_test(t, diff_overlooks_what_may_differ);
    tcase_add_loop_test(t, diff_sees_every_fact, 0, (int)(sizeof changes / sizeof changes[0]));
    tcase_add_test(t, diff_prints_fifty_lines_and_a_count);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
