/* The schema page: it is the committed one, leaves no column out, and its types are those of the
 * rows. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/comments.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char *page(void)
{
    char  *text = NULL;
    size_t n    = 0;
    FILE  *f    = open_memstream(&text, &n);
    FACTS_OK(sb_store_schema(f));
    ck_assert_int_eq(fclose(f), 0);
    return text;
}

START_TEST(the_committed_page_is_current)
{
    char *want = page();
    FILE *f    = fopen("results/SCHEMA.md", "rb");
    ck_assert_ptr_nonnull(f);
    char  *have = calloc(1, strlen(want) + 2);
    size_t n    = fread(have, 1, strlen(want) + 1, f);
    (void)fclose(f);
    ck_assert_msg(n == strlen(want) && memcmp(have, want, n) == 0,
                  "results/SCHEMA.md is stale: spanbench list schema >results/SCHEMA.md");
    free(have);
    free(want);
}
END_TEST

/* One line a column of every table and public view of a database, and no other. */
START_TEST(every_column_has_its_line)
{
    sqlite3      *db   = NULL;
    sqlite3_stmt *stmt = NULL;
    char         *text = page();
    int64_t       n = 0, lines = 0;
    const char   *object = NULL;
    FACTS_OK(sbi_open_model(SBI_MODEL_WHOLE, &db));
    ck_assert_int_eq(
        sqlite3_prepare_v2(db,
                           "SELECT s.name, x.name, s.type FROM sqlite_schema AS s, "
                           "pragma_table_xinfo(s.name) AS x WHERE s.type IN ('table', 'view') AND "
                           "s.name NOT LIKE 'stored\\_%' ESCAPE '\\'",
                           -1, &stmt, NULL),
        SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        char        head[128], line[128];
        int         is_public = strcmp((const char *)sqlite3_column_text(stmt, 2), "table") == 0;
        const char *name      = (const char *)sqlite3_column_text(stmt, 0);
        for (const sb_view *v = sb_views; v->name != NULL; v++)
            is_public |= strcmp(v->name, name) == 0;
        if (!is_public)
            continue;
        (void)snprintf(head, sizeof head, "\n### %s", name);
        (void)snprintf(line, sizeof line, "\n| %s | ", (const char *)sqlite3_column_text(stmt, 1));
        for (object = text; (object = strstr(object, head)) != NULL;) {
            object += strlen(head);
            if (*object == '\n' || *object == ' ')
                break;
        }
        ck_assert_msg(object != NULL, "%s is missing", name);
        const char *found = strstr(object, line), *next = strstr(object, "\n### ");
        ck_assert_msg(found != NULL && (next == NULL || found < next), "%s%s", name, line);
        n++;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    for (const char *p = text; (p = strstr(p, "\n| ")) != NULL; p++)
        lines += strncmp(p, "\n| column |", 11) != 0 && strncmp(p, "\n| --- |", 8) != 0 &&
                 strncmp(p, "\n| view |", 9) != 0;
    ck_assert_int_gt(n, 400);
    ck_assert_int_eq(lines, n + 10); /* and the helper views */
    free(text);
}
END_TEST

/* The type that the page names for a view's column, checked against every row of a database. */
static int64_t check_types(const char *path, const char *text)
{
    int64_t   n = 0;
    sb_store *s = facts_open(path, SB_STORE_READ);
    for (const sb_view *v = sb_views; v->name != NULL; v++) {
        char head[64];
        (void)snprintf(head, sizeof head, "\n### %s\n", v->name);
        const char *p = strstr(text, head);
        p             = strstr(p, "\n| --- ");
        for (p = strstr(p + 1, "\n| "); p != NULL && strncmp(p, "\n| ", 3) == 0;
             p = strchr(p + 1, '\n')) {
            char      column[64], type[64], sql[512];
            sb_answer a = {0};
            ck_assert_int_eq(sscanf(p, "\n| %63[a-z0-9_] | %63[A-Za-z ] |", column, type), 2);
            (void)snprintf(sql, sizeof sql,
                           "SELECT DISTINCT upper(typeof(%s)) FROM %s WHERE %s IS NOT NULL", column,
                           v->name, column);
            FACTS_OK(sb_store_ask(s, sql, &a));
            for (int64_t i = 0; i < a.n_rows; i++, n++)
                ck_assert_msg(strstr(type, a.text[i]) != NULL, "%s.%s: found %s, the page says %s",
                              v->name, column, a.text[i], type);
            sb_answer_fini(&a);
        }
    }
    sb_store_close(s);
    return n;
}

/* A stored database with the views of this program. */
static void with_our_views(const char *stored, const char *path)
{
    char  *said = NULL;
    size_t n    = 0;
    FILE  *f    = open_memstream(&said, &n);
    FACTS_OK(sb_store_merge(path, &stored, 1, f));
    (void)fclose(f);
    free(said);
}

START_TEST(types_are_those_of_the_rows)
{
    const char                  *dir    = facts_dir();
    char                        *path   = strdup(facts_path(dir, "t.db"));
    char                        *other  = strdup(facts_path(dir, "other.db"));
    char                        *text   = page();
    sb_store                    *s      = facts_open(path, SB_STORE_WRITE);
    static const sb_needle_facts needle = {0, 0, 0.5, 0.25, 0.125};
    for (int m = 0; m < 3; m++)
        for (int64_t row = 0; row < 3; row++) {
            sb_point_facts  p = {.seed   = m == 2 ? UINT64_MAX : 1,
                                 .suite  = m == 2 ? "ruler" : "probe",
                                 .method = m == 1 ? "hip" : "dense",
                                 .chance = 0.5};
            sb_sample_facts f = facts_ok(facts_run(s, "c", 0), facts_point(s, p),
                                         facts_input(s, row), row == 1 ? 0.5 : 1, 1000 + row);
            f.needles         = &needle;
            f.n_needles       = 1;
            facts_put(s, &f);
        }
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    ck_assert_int_gt(check_types(path, text), 180);
    with_our_views("results/baselines/methods_h100.db", other);
    ck_assert_int_gt(check_types(other, text), 60);
    free(text);
    facts_remove(dir);
    free(path);
    free(other);
}
END_TEST

START_TEST(comments_are_read_where_they_stand)
{
    static const char sql[]   = "-- Migration 3: of the file.\n\n"
                                "-- What t is,\n-- in two lines.\n"
                                "CREATE TABLE t (\n"
                                "    a TEXT NOT NULL, -- first: one\n"
                                "    b REAL,\n"
                                "    c INTEGER, -- own\n"
                                "    PRIMARY KEY (a), -- no column\n"
                                "    CHECK (b > 0)\n"
                                ") STRICT;\n"
                                "ALTER TABLE u ADD COLUMN d TEXT CHECK (d <> ''); -- later\n"
                                "-- A view.\n--   e: [REAL, s] seconds\n"
                                "CREATE VIEW v AS\nSELECT a AS e -- no comment\n  FROM t;\n";
    static const char words[] = "-- Head: of\n-- the page.\n-- c: everywhere\n-- t.c: better\n"
                                "-- w.: a table without\n";
    sbi_comments      c       = {0};
    FACTS_OK(sbi_comments_read(&c, sql, 3));
    ck_assert_str_eq(sbi_comment_of(&c, "t", ""), "What t is,\nin two lines.");
    ck_assert_str_eq(sbi_comment_of(&c, "t", "a"), "first: one");
    ck_assert_ptr_null(sbi_comment_of(&c, "t", "b"));
    ck_assert_str_eq(sbi_comment_of(&c, "t", "c"), "own");
    ck_assert_str_eq(sbi_comment_of(&c, "u", "d"), "later");
    ck_assert_str_eq(sbi_comment_of(&c, "v", ""), "A view.");
    ck_assert_str_eq(sbi_comment_of(&c, "v", "e"), "[REAL, s] seconds");
    ck_assert_ptr_null(sbi_comment_of(&c, "w", ""));
    FACTS_OK(sbi_comments_read(&c, words, 0));
    ck_assert_str_eq(sbi_comment_of(&c, "", ""), "Head: of\nthe page.");
    ck_assert_str_eq(sbi_comment_of(&c, "x", "c"), "everywhere");
    ck_assert_str_eq(sbi_comment_of(&c, "t", "c"), "better");
    ck_assert_str_eq(sbi_comment_of(&c, "w", ""), "a table without");
    ck_assert_ptr_null(sbi_comment_of(&c, "t", "b")); /* nobody says a word: the page is refused */
    ck_assert_int_eq(sbi_comment_version(&c, "t", "c"), 3);
    ck_assert_int_eq(sbi_comment_version(&c, "v", "f"), 0);
    sbi_comments_fini(&c);
}
END_TEST

START_TEST(a_full_disk_is_an_error)
{
    FILE *full = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(full);
    ck_assert_int_eq(sb_store_schema(full), SB_ERR_IO);
    (void)fclose(full);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("schema");
    TCase *t     = tcase_create("schema");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_committed_page_is_current);
    tcase_add_test(t, every_column_has_its_line);
    tcase_add_test(t, types_are_those_of_the_rows);
    tcase_add_test(t, comments_are_read_where_they_stand);
    tcase_add_test(t, a_full_disk_is_an_error);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
