/* `db check`: broken promises are found, damaged files never crash, and the fixtures of all schemas
 * still open. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

#define FIXTURES "tests/fixtures/schema/"
#define NEWEST FIXTURES "v8.db" /* of the present schema */

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path                = strdup(facts_path(dir, "t.db"));
    sbi_busy_timeout_ms = 20; /* a flipped header byte may ask for locks of another journal mode */
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

static void make(void)
{
    sb_store       *s     = facts_open(path, SB_STORE_WRITE);
    int64_t         run   = facts_run(s, "c", 0);
    int64_t         point = facts_point(s, (sb_point_facts){0});
    sb_sample_facts f     = facts_ok(run, point, facts_input(s, 0), 1.0, 10);
    facts_put(s, &f);
    facts_put(s, &(sb_sample_facts){.run_id   = run,
                                    .point_id = point,
                                    .input_id = facts_input(s, 1),
                                    .status   = "no_fit",
                                    .error    = "needs 9 GiB"});
    f = facts_ok(run, point, facts_input(s, 2), 1.0, 10);
    facts_put(s, &f);
    f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "hip"}), facts_input(s, 2), 0.0, 5);
    facts_put(s, &f);
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
}

static sb_status check(char **said)
{
    size_t    n  = 0;
    FILE     *f  = open_memstream(said, &n);
    sb_status st = sb_store_check(path, f);
    ck_assert_int_eq(fclose(f), 0);
    return st;
}

static const struct {
    const char *sql, *word;
} broken[] = {
    {"DELETE FROM score", "without a score"},
    {"DELETE FROM timing WHERE sample_id = 3", "without a time"},
    {"DELETE FROM hit WHERE ref_no = 1", "differ in number"},
    {"UPDATE sample SET error = ' ' WHERE id = 2", "without a reason"},
    {"INSERT INTO score VALUES (2, 'm', 0, 1)", "never run"},
    {"UPDATE sample SET status = 'failed', error = 'x' WHERE id = 1", "above 0"},
    {"UPDATE point SET identity_json = '{}'", "not that of its identity"},
    {"UPDATE point SET method_json = 'gamma'", "not JSON"},
    {"UPDATE input SET row_no = 0", "more than one content"},
    {"UPDATE quality SET recall_mean = 1.5", "recall"},
    {"UPDATE run SET uuid = 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'", "uuid"},
    {"UPDATE comparison SET base_id = point_id", "no dense point"},
    {"UPDATE point SET seed = 5 WHERE method = 'hip'", "another cell"},
    {"UPDATE comparison SET non_inferior = 1", "contradicts itself"},
    {"UPDATE comparison SET difference = -0.5", "contradicts itself"},
    {"UPDATE comparison SET p_holm = NULL", "contradicts itself"},
    {"UPDATE comparison SET kind = NULL, difference = NULL, lo = NULL, hi = NULL, p = NULL, p_holm "
     "= NULL, margin = NULL, non_inferior = NULL, resolution = NULL, reason = ' '",
     "refused without need"},
    {"DROP TABLE comparison", "comparison is missing"},
    {"DELETE FROM run", "foreign key"},
    {"DROP TABLE energy", "energy is missing"},
    {"CREATE TRIGGER t AFTER INSERT ON run BEGIN SELECT 1; END", "trigger"},
    {"PRAGMA ignore_check_constraints = ON; UPDATE sample SET n_gen = -4", "CHECK"},
    {"UPDATE stored_accuracy SET score = 0.25", "stored answer of a view"},
    {"UPDATE timing SET ns = ns + 1000000", "stored answer of a view"},
};
START_TEST(broken_promises_are_found)
{
    sqlite3 *db   = NULL;
    char    *said = NULL;
    make();
    ck_assert_msg(check(&said) == SB_OK, "%s", said);
    ck_assert_str_eq(said, "");
    free(said);
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path, broken[_i].sql));
    sqlite3_close(db);
    ck_assert_int_eq(check(&said), SB_ERR_IO);
    ck_assert_msg(strstr(said, broken[_i].word) != NULL, "wanted `%s` in:\n%s", broken[_i].word,
                  said);
    free(said);
}
END_TEST

/* Inputs without references are ids without meaning: their samples have times alone. */
START_TEST(what_asks_nothing_needs_no_score)
{
    sqlite3 *db   = NULL;
    char    *said = NULL;
    make();
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path, "DELETE FROM hit; DELETE FROM reference; DELETE FROM score"));
    sqlite3_close(db);
    (void)check(&said); /* its answers of views are old */
    ck_assert_ptr_null(strstr(said, "without a score"));
    free(said);
}
END_TEST

static unsigned char *slurp(const char *name, size_t *n)
{
    FILE *f = fopen(name, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n                   = (size_t)ftell(f);
    unsigned char *bytes = malloc(*n);
    ck_assert_ptr_nonnull(bytes);
    rewind(f);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    (void)fclose(f);
    return bytes;
}

static void spill(const unsigned char *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Whatever the bytes, every way in returns a status with a text. Returns 1 when all of them took
 * the file. */
static int survive(void)
{
    sb_store *s    = NULL;
    char     *said = NULL;
    sb_status st   = check(&said);
    ck_assert(st == SB_OK || *sb_error_text() != '\0');
    free(said);
    sb_status read = sb_store_open(path, SB_STORE_READ, &s);
    if (read == SB_OK) {
        for (const sb_view *v = sb_views; v->name != NULL; v++) {
            char   sql[64], *text = NULL;
            size_t n = 0;
            (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", v->name);
            FILE *f = open_memstream(&text, &n);
            (void)sb_store_query(s, sql, SB_FORMAT_JSON, f);
            (void)fclose(f);
            free(text);
        }
        sb_store_close(s);
    }
    sb_status write = sb_store_open(path, SB_STORE_WRITE, &s);
    if (write == SB_OK)
        sb_store_close(s);
    return st == SB_OK && read == SB_OK && write == SB_OK;
}

START_TEST(truncated_files_are_refused)
{
    size_t         n     = 0;
    unsigned char *bytes = slurp(NEWEST, &n);
    for (size_t cut = 1; cut < n; cut += 1777) {
        spill(bytes, cut);
        ck_assert_msg(!survive(), "%zu of %zu bytes were taken for a whole file", cut, n);
    }
    free(bytes);
}
END_TEST

/* A flip inside a free page or a text cannot be seen; most are. None crashes. */
START_TEST(flipped_bits_never_crash)
{
    size_t         n     = 0;
    int            taken = 0;
    unsigned char *bytes = slurp(NEWEST, &n);
    srand(11);
    for (int i = 0; i < 150; i++) {
        size_t at = i < 100 ? (size_t)i : (size_t)rand() % n; /* the whole header, then anywhere */
        bytes[at] ^= (unsigned char)(1 << (i % 8));
        spill(bytes, n);
        taken += survive();
        bytes[at] ^= (unsigned char)(1 << (i % 8));
    }
    ck_assert_int_lt(taken, 150);
    spill(bytes, n);
    ck_assert_int_eq(survive(), 1);
    free(bytes);
}
END_TEST

static void put_fixture(int version)
{
    char   name[64];
    size_t n = 0;
    (void)snprintf(name, sizeof name, FIXTURES "v%d.db", version);
    unsigned char *bytes = slurp(name, &n);
    ck_assert_uint_le(n, 100 * 1024); /* two thirds of it the text of views and indexes */
    spill(bytes, n);
    free(bytes);
}

/* Every later program must read the files that earlier schemas' programs wrote (make_fixture.c),
 * and bring them up to date. */
START_TEST(every_schema_still_opens)
{
    put_fixture(_i);
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    FACTS_OK(sb_store_check(path, stdout));
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample"), 8);
    ck_assert_int_eq(facts_int(path, "SELECT user_version FROM pragma_user_version"),
                     sbi_schema_version());
    ck_assert_double_eq(facts_real(path, "SELECT score FROM accuracy WHERE method = 'dense'"),
                        0.75);
    ck_assert_double_eq(facts_real(path, "SELECT attention_x FROM speedup WHERE method = 'hip'"),
                        4.0);
    ck_assert_double_eq(facts_real(path, "SELECT density FROM fidelity WHERE method = 'hip'"),
                        0.25);
    ck_assert_int_eq(facts_int(path, "SELECT n_no_fit FROM coverage WHERE method = 'hip'"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT sum(n) FROM needle_recall"), 7);
    sb_store *s = facts_open(path, SB_STORE_WRITE); /* what `db migrate` does next */
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    FACTS_OK(sb_store_check(path, stdout));
    ck_assert_int_eq(
        facts_int(path, "SELECT count(*) FROM accuracy WHERE lo < score AND score < hi"), 2);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM losses WHERE method = 'hip' AND n_unpaired = 1 "
                                     "AND verdict = 'undecided'"),
                     3);
}
END_TEST

/* A file of this schema from before a view was: sound, a reader makes the view for itself, and a
 * writer adds it. */
START_TEST(a_view_that_came_later_is_added)
{
    static const char with[] = "SELECT count(*) FROM weak_scaling";
    sqlite3          *db     = NULL;
    put_fixture(sbi_schema_version());
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    FACTS_OK(sbi_open_write(path, &db));
    FACTS_OK(sbi_exec(db, path, "DROP VIEW weak_scaling; DROP TABLE stored_weak_scaling"));
    sqlite3_close(db);
    FACTS_OK(sb_store_check(path, stdout));
    s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_store_query(s, with, SB_FORMAT_JSON, stdout));
    FACTS_OK(sb_store_query(s, "SELECT count(*) FROM latency", SB_FORMAT_JSON, stdout));
    sb_store_close(s);
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert_int_eq(facts_int(path, with), 0);
}
END_TEST

/* Version 1 to 2: rows keep what they held, new columns are NULL, and new rows fill them. */
START_TEST(version_one_gains_columns)
{
    put_fixture(1);
    sqlite3 *db    = NULL;
    int      old[] = {0, 0};
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    for (int i = 0; i < 2; i++) {
        sqlite3_stmt *stmt = NULL;
        ck_assert_int_eq(
            sqlite3_prepare_v2(db,
                               i == 0 ? "SELECT count(*) FROM quality"
                                      : "SELECT count(*) FROM pragma_table_info('quality')",
                               -1, &stmt, NULL),
            SQLITE_OK);
        ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
        old[i] = sqlite3_column_int(stmt, 0);
        sqlite3_finalize(stmt);
    }
    sqlite3_close(db);
    sb_store *s = NULL; /* until then it cannot be read, and says what to do */
    ck_assert_int_eq(sb_store_open(path, SB_STORE_READ, &s), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "db migrate"));
    s = facts_open(path, SB_STORE_WRITE);
    sb_sample_facts f =
        facts_ok(facts_run(s, "second", 0), facts_point(s, (sb_point_facts){.seed = 7}),
                 facts_input(s, 0), 1.0, 100);
    facts_put(s, &f);
    sb_store_close(s);
    FACTS_OK(sb_store_check(path, stdout));
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM quality"), old[0] + 1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM pragma_table_info('quality')"),
                     old[1] + 20);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM quality WHERE def_version = 1 AND rho_num = 1 AND "
                  "rho_den = 4 AND recall_mean = 0.5 AND f_dense IS NULL AND recall_lo IS NULL "
                  "AND recall_overflow IS NULL AND floor IS NULL"),
        old[0]);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM quality WHERE f_dense = 1024"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM needle"), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("check");
    TCase *t     = tcase_create("check");
    tcase_set_timeout(t, 300); /* sanitizers on a busy machine */
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, what_asks_nothing_needs_no_score);
    tcase_add_loop_test(t, broken_promises_are_found, 0, (int)(sizeof broken / sizeof broken[0]));
    tcase_add_test(t, truncated_files_are_refused);
    tcase_add_test(t, flipped_bits_never_crash);
    tcase_add_loop_test(t, every_schema_still_opens, 1, sbi_schema_version() + 1);
    tcase_add_test(t, a_view_that_came_later_is_added);
    tcase_add_test(t, version_one_gains_columns);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
