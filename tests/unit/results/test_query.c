/* What a reader may ask, and the four formats. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char      dir[256];
static char     *path;
static sb_store *store;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path        = strdup(facts_path(dir, "t.db"));
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    (void)facts_point(s, (sb_point_facts){0});
    sb_store_close(s);
    store = facts_open(path, SB_STORE_READ);
}

static void teardown(void)
{
    sb_store_close(store);
    facts_remove(dir);
    free(path);
}

static sb_status ask(const char *sql, sb_format format, char **text)
{
    size_t n = 0;
    FILE  *f = open_memstream(text, &n);
    ck_assert_ptr_nonnull(f);
    sb_status st = sb_store_query(store, sql, format, f);
    ck_assert_int_eq(fclose(f), 0);
    return st;
}

static const char *const hostile[] = {
    "DROP TABLE run",
    "DELETE FROM point",
    "INSERT INTO merged_shards VALUES (1, 2, 3, 4)",
    "UPDATE point SET seed = 0",
    "CREATE TABLE t (a)",
    "CREATE TEMP TABLE t (a)",
    "CREATE VIEW v AS SELECT 1",
    "ATTACH 'other.db' AS other",
    "DETACH main",
    "PRAGMA user_version = 3",
    "PRAGMA user_version",
    "PRAGMA journal_mode = WAL",
    "PRAGMA query_only = 0",
    "SELECT * FROM pragma_table_info('run')",
    "VACUUM",
    "VACUUM INTO 'copy.db'",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT s",
    "SELECT load_extension('x')",
    "UPDATE sqlite_schema SET sql = ''",
    "SELECT * FROM dbstat",
    "CREATE VIRTUAL TABLE j USING json_each",
    "WITH t AS (SELECT * FROM json_each('[1]')) INSERT INTO merged_shards SELECT * FROM t",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE run",
    "SELECT 1; nonsense",
    "WITH a AS (SELECT 1) DELETE FROM point",
    "SELECT FROM",
    "SELECT * FROM nowhere",
    "SELECT zeroblob(1 << 40)",
    "",
    " -- only a comment",
};
START_TEST(only_reading_is_allowed)
{
    char *text = NULL;
    ck_assert_msg(ask(hostile[_i], SB_FORMAT_CSV, &text) != SB_OK, "allowed: %s", hostile[_i]);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), path));
    free(text);
    ck_assert_int_eq(ask("SELECT count(*) AS n FROM point", SB_FORMAT_CSV, &text), SB_OK);
    ck_assert_str_eq(text, "n\r\n1\r\n");
    free(text);
    ck_assert_int_eq(access("copy.db", F_OK) & access("other.db", F_OK), -1);
}
END_TEST

START_TEST(values_are_asked_for_where_parameters_stand)
{
    static const char *const wrong[][2] = {
        {"SELECT method FROM accuracy LIMIT :3", "found the parameter `:3`"},
        {"SELECT ?", "found the parameter `?`"},
        {"SELECT 1 LIMIT 'x'", "datatype mismatch"},
        {"SELECT sum(9223372036854775807) FROM (SELECT 1 UNION ALL SELECT 2)", "overflow"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *text = NULL;
        ck_assert_int_eq(ask(wrong[i][0], SB_FORMAT_CSV, &text), SB_ERR_USAGE);
        ck_assert_msg(strstr(sb_error_text(), wrong[i][1]) != NULL, "%s: %s", wrong[i][0],
                      sb_error_text());
        free(text);
    }
}
END_TEST

START_TEST(reading_in_all_its_forms_is_allowed)
{
    static const char *const kind[] = {
        "SELECT 1",
        "SELECT 1;",
        "SELECT 1; -- and a comment\n ; ",
        "VALUES (1), (2)",
        "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t) SELECT * FROM t LIMIT 5",
        "SELECT row_number() OVER (ORDER BY hash) FROM point",
        "EXPLAIN QUERY PLAN SELECT * FROM point",
        "SELECT * FROM accuracy",
        "SELECT * FROM latency",
        "SELECT * FROM speedup",
        "SELECT * FROM coverage",
        "SELECT name FROM sqlite_schema",
        "SELECT json_extract(identity_json, '$[0]') FROM point",
        "SELECT p.method, j.value FROM point AS p, json_each(p.identity_json) AS j WHERE j.key = 5",
        "SELECT fullkey, atom FROM point, json_tree(point.identity_json)",
        "SELECT sqrt(2), log2(8), pow(2, 0.5), exp(1), json_group_array(hash) FROM point",
        "SELECT date('now'), unixepoch(), printf('%5.2f', 1), 'a' GLOB '*', ntile(4) OVER () FROM "
        "point",
    };
    for (size_t i = 0; i < sizeof kind / sizeof kind[0]; i++) {
        char *text = NULL;
        ck_assert_msg(ask(kind[i], SB_FORMAT_TABLE, &text) == SB_OK, "%s: %s", kind[i],
                      sb_error_text());
        free(text);
    }
}
END_TEST

static const char rows[] =
    "SELECT * FROM (SELECT 1 AS id, 'a,\"b\"' AS name, 0.1 AS x, NULL AS y UNION ALL "
    "SELECT 20, 'zwölf' || char(10) || '|', 12.0, x'00ff') ORDER BY id";

static const struct {
    sb_format   format;
    const char *text;
} printed[] = {
    {SB_FORMAT_CSV, "id,name,x,y\r\n1,\"a,\"\"b\"\"\",0.1,\r\n20,\"zwölf\n|\",12,00ff\r\n"},
    {SB_FORMAT_JSON,
     "[\n{\"id\":1,\"name\":\"a,\\\"b\\\"\",\"x\":0.10000000000000001,\"y\":null},\n"
     "{\"id\":20,\"name\":\"zwölf\\n|\",\"x\":12.0,\"y\":\"00ff\"}\n]\n"},
    {SB_FORMAT_MARKDOWN, "| id | name | x | y |\n| ---:| --- | ---:| --- |\n| 1 | a,\"b\" | 0.1 |  "
                         "|\n| 20 | zwölf \\| | 12 | "
                         "00ff |\n"},
    {SB_FORMAT_TABLE,
     "id  name       x  y\n--  -------  ---  ----\n 1  a,\"b\"    0.1  \n20  zwölf |   12  00ff\n"},
};
START_TEST(formats)
{
    char *text = NULL;
    FACTS_OK(ask(rows, printed[_i].format, &text));
    ck_assert_str_eq(text, printed[_i].text);
    free(text);
}
END_TEST

START_TEST(numbers_in_text_stand_right)
{
    char *text = NULL;
    FACTS_OK(ask("SELECT printf('%.2f', x) AS n, iif(x > 10, 'e', '7') AS w FROM (SELECT 1.5 AS x "
                 "UNION ALL SELECT 12)",
                 SB_FORMAT_TABLE, &text));
    ck_assert_str_eq(text, "    n  w\n-----  -\n 1.50  7\n12.00  e\n");
    free(text);
}
END_TEST

START_TEST(no_rows_still_have_a_head)
{
    static const char *const want[] = {"n\n-\n", "n\r\n", "[\n]\n", "| n |\n| ---:|\n"};
    for (int f = 0; f < SB_FORMAT_COUNT; f++) {
        char *text = NULL;
        FACTS_OK(ask("SELECT 1 AS n WHERE 0", (sb_format)f, &text));
        ck_assert_str_eq(text, want[f]);
        free(text);
    }
}
END_TEST

START_TEST(odd_values)
{
    char *text = NULL;
    FACTS_OK(ask("SELECT 1 AS a, 2 AS a, CAST(x'ff41' AS TEXT) AS bad, 9e999 AS big",
                 SB_FORMAT_JSON, &text));
    ck_assert_str_eq(text, "[\n{\"a\":1,\"a_2\":2,\"bad\":\"?A\",\"big\":null}\n]\n");
    free(text);
    /* no column is lost for its name: one that is taken, one that is no UTF-8 */
    FACTS_OK(ask("SELECT 1 AS a_3, 2 AS a, 3 AS a, 4 AS \"\xff\"", SB_FORMAT_JSON, &text));
    ck_assert_str_eq(text, "[\n{\"a_3\":1,\"a\":2,\"a_4\":3,\"?\":4}\n]\n");
    free(text);
    FACTS_OK(ask("SELECT char(27) || '[31m' AS c", SB_FORMAT_TABLE,
                 &text)); /* no control characters on a terminal */
    ck_assert_ptr_null(strchr(text, 27));
    free(text);
    FACTS_OK(ask("SELECT 0.1 + 0.2 AS x, 1e300 AS y", SB_FORMAT_CSV, &text)); /* every digit */
    ck_assert_str_eq(text, "x,y\r\n0.30000000000000004,1e+300\r\n");
    free(text);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    if (full == NULL) {
        (void)printf("/dev/full is missing: its test is skipped\n");
        return;
    }
    ck_assert_int_eq(sb_store_query(store, rows, SB_FORMAT_CSV, full), SB_ERR_IO);
    ck_assert_int_eq(sb_store_query(store, rows, SB_FORMAT_JSON, full), SB_ERR_IO);
    (void)fclose(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("query");
    TCase *t     = tcase_create("query");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, only_reading_is_allowed, 0, (int)(sizeof hostile / sizeof hostile[0]));
    tcase_add_test(t, values_are_asked_for_where_parameters_stand);
    tcase_add_test(t, reading_in_all_its_forms_is_allowed);
    tcase_add_loop_test(t, formats, 0, SB_FORMAT_COUNT);
    tcase_add_test(t, numbers_in_text_stand_right);
    tcase_add_test(t, no_rows_still_have_a_head);
    tcase_add_test(t, odd_values);
    tcase_add_test(t, a_full_disk_is_an_error);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
