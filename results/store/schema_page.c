/* The schema as a page of Markdown: names, types and keys of a database made by this program, and
 * what the comments of its SQL say. A column without a word is an error, so none is added in
 * silence. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/comments.h"
#include "results/store/internal.h"
#include "results/store/sql.h"

typedef struct page {
    sqlite3     *db; /* sbi_open_model */
    sbi_comments words;
    FILE        *out;
} page;

static const char head_text[] =
    "# The schema of a results database\n"
    "Written by `spanbench list schema` from the SQL of `results/`; a test keeps it so. "
    "[README.md](README.md) says how to use it.\n\n"
    "- Schema version %d (`PRAGMA user_version`), `application_id` %d (\"SPAN\"). Any tool that "
    "reads SQLite 3.37 or later reads it.\n"
    "- **Views are the public interface.** Their names and columns stay and keep their meaning; "
    "more columns may follow at the end, so select by name. A column that had to go would stay "
    "for a year beside what replaces it.\n"
    "- Tables hold facts only. They change through migrations alone: a version adds tables, "
    "columns or indexes (\"since\"), and never takes one away or gives it another meaning; rows "
    "from before have NULL there.\n"
    "- A program reads and writes files of its own version. Older ones it brings up to date when "
    "it writes them, or by `spanbench db migrate`; newer ones it refuses. Views are replaced "
    "whenever their text differs.\n"
    "- Units stand in names: `_ns _bytes _tokens _ms _mw _mhz`; 0..1 means a share. Tables are "
    "STRICT: a type is what is stored. Of a view's column it is what the expression gives.\n"
    "- A public view X reads its answer from table `stored_X` while that holds (the end of a run, "
    "`db merge` and `db migrate` keep it, `db check` computes it again), and computes it, as view "
    "`live_X` always does, while facts are newer (`figures_stale` has a row). Those names are "
    "no interface.\n";

static const char *unit_of(const char *column)
{
    static const struct {
        const char *end, *unit;
    } units[] = {{"_ns", "ns"},
                 {"_bytes", "bytes"},
                 {"_tokens", "tokens"},
                 {"_ms", "ms"},
                 {"_mw", "mW"},
                 {"_mhz", "MHz"},
                 {"bytes", "bytes"},
                 {"flops_per_s", "FLOP/s"},
                 {"bytes_per_s", "bytes/s"},
                 {"f_est", "FLOP"},
                 {"f_exec", "FLOP"},
                 {"f_dense", "FLOP"},
                 {"_utc", "ISO 8601"},
                 {"_json", "JSON"},
                 {"_sha256", "hex"},
                 {"identity_hash", ""},
                 {"millijoules", "mJ"}};
    size_t n  = strlen(column);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        size_t k = strlen(units[i].end);
        if (n >= k && strcmp(column + n - k, units[i].end) == 0)
            return units[i].unit;
    }
    return "";
}

/* "[TYPE, unit] text" */
typedef struct word {
    char        type[32], unit[32];
    const char *text;
} word;

static word read_word(const char *text, const char *declared, const char *column)
{
    word        w   = {.text = text};
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    (void)snprintf(w.type, sizeof w.type, "%s", declared);
    (void)snprintf(w.unit, sizeof w.unit, "%s", unit_of(column));
    if (end == NULL)
        return w;
    const char *p = text + 1;
    size_t      n = strcspn(p, ",]");
    if (strncmp(p, "INTEGER", 7) == 0 || strncmp(p, "REAL", 4) == 0 || strncmp(p, "TEXT", 4) == 0) {
        (void)snprintf(w.type, sizeof w.type, "%.*s", (int)n, p);
        p += n;
        while (*p == ',' || *p == ' ')
            p++;
    }
    if (p < end)
        (void)snprintf(w.unit, sizeof w.unit, "%.*s", (int)(end - p), p);
    w.text = end + 1 + (end[1] == ' ');
    return w;
}

/* A cell of Markdown. */
static void put_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '|')
            (void)fputs("\\|", out);
        else if (*text == '<')
            (void)fputs("&lt;", out);
        else
            (void)fputc(*text == '\n' ? ' ' : *text, out);
}

static sb_status prepare(page *p, const char *sql, const char *object, sqlite3_stmt **stmt)
{
    if (sqlite3_prepare_v2(p->db, sql, -1, stmt, NULL) == SQLITE_OK &&
        sqlite3_bind_text(*stmt, 1, object, -1, SQLITE_STATIC) == SQLITE_OK)
        return SB_OK;
    sqlite3_finalize(*stmt);
    return sbi_db_fail(p->db, object, "schema");
}

static sb_status describe(page *p, const char *object)
{
    const char *text = sbi_comment_of(&p->words, object, "");
    if (text == NULL)
        return sb_fail(SB_ERR_INTERNAL, "%s has no comment in results/", object);
    int since = sbi_comment_version(&p->words, object, "");
    (void)fprintf(p->out, since > 1 ? "\n### %s (since %d)\n" : "\n### %s\n", object, since);
    put_text(p->out, text);
    (void)fputs("\n\n", p->out);
    return SB_OK;
}

static sb_status no_word(const char *object, const char *column)
{
    return sb_fail(SB_ERR_INTERNAL,
                   "%s.%s has no comment: put one on its line, or into results/schema/words.sql",
                   object, column);
}

static sb_status table_rows(page *p, const char *object)
{
    sqlite3_stmt *stmt = NULL;
    int           rc;
    int           since = sbi_comment_version(&p->words, object, "");
    sb_status     st    = prepare(
               p,
               "SELECT x.name, x.type, x.\"notnull\" OR x.pk, x.pk, f.\"table\" || '.' || f.\"to\" FROM "
                      "pragma_table_xinfo(?1) AS x LEFT JOIN pragma_foreign_key_list(?1) AS f ON f.\"from\" = "
                      "x.name ORDER BY x.cid",
               object, &stmt);
    if (st != SB_OK)
        return st;
    (void)fputs("| column | type | unit | NULL | key | since | meaning |\n"
                "| --- | --- | --- | --- | --- | --- | --- |\n",
                p->out);
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(stmt, 0);
        const char *parent = (const char *)sqlite3_column_text(stmt, 4);
        const char *text   = sbi_comment_of(&p->words, object, column);
        int         added  = sbi_comment_version(&p->words, object, column);
        if (text == NULL) {
            st = no_word(object, column);
            break;
        }
        word w = read_word(text, (const char *)sqlite3_column_text(stmt, 1), column);
        (void)fprintf(p->out, "| %s | %s | %s | %s | ", column, w.type, w.unit,
                      sqlite3_column_int(stmt, 2) ? "" : "yes");
        if (sqlite3_column_int(stmt, 3) > 0)
            (void)fprintf(p->out, "%d", sqlite3_column_int(stmt, 3));
        (void)fprintf(p->out, "%s%s | ", parent == NULL ? "" : " to ", sbi_or_empty(parent));
        if (added > since)
            (void)fprintf(p->out, "%d", added);
        (void)fputs(" | ", p->out);
        put_text(p->out, w.text);
        (void)fputs(" |\n", p->out);
    }
    sqlite3_finalize(stmt);
    return st;
}

static sb_status view_rows(page *p, const char *object)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st =
        prepare(p, "SELECT name, type FROM pragma_table_xinfo(?1) ORDER BY cid", object, &stmt);
    if (st != SB_OK)
        return st;
    (void)fputs("| column | type | unit | meaning |\n| --- | --- | --- | --- |\n", p->out);
    while (st == SB_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(stmt, 0);
        const char *text   = sbi_comment_of(&p->words, object, column);
        if (text == NULL) {
            st = no_word(object, column);
            break;
        }
        word w = read_word(text, (const char *)sqlite3_column_text(stmt, 1), column);
        if (w.type[0] == '\0') {
            st = sb_fail(SB_ERR_INTERNAL,
                         "%s.%s is an expression: put [TYPE] in front of its comment", object,
                         column);
            break;
        }
        (void)fprintf(p->out, "| %s | %s | %s | ", column, w.type, w.unit);
        put_text(p->out, w.text);
        (void)fputs(" |\n", p->out);
    }
    sqlite3_finalize(stmt);
    return st;
}

/* Indexes and unique keys that are more than the primary key. */
static sb_status keys(page *p, const char *object)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st =
        prepare(p,
                "SELECT i.\"unique\", (SELECT group_concat(name, ', ') FROM (SELECT name FROM "
                "pragma_index_info(i.name) ORDER BY seqno)) FROM pragma_index_list(?1) AS i WHERE "
                "i.origin <> 'pk' ORDER BY i.\"unique\" DESC, 2",
                object, &stmt);
    int n = 0;
    for (; st == SB_OK && sqlite3_step(stmt) == SQLITE_ROW; n++)
        (void)fprintf(p->out, "%s%s (%s)", n == 0 ? "\n" : "; ",
                      sqlite3_column_int(stmt, 0) ? "unique" : "index",
                      (const char *)sqlite3_column_text(stmt, 1));
    if (n > 0)
        (void)fputc('\n', p->out);
    sqlite3_finalize(stmt);
    return st;
}

static sb_status all_tables(page *p)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = prepare(p,
                                 "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE "
                                       "'stored\\_%' ESCAPE '\\' AND name <> coalesce(?1, '') ORDER BY rowid",
                                 NULL, &stmt);
    while (st == SB_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if ((st = describe(p, name)) == SB_OK && (st = table_rows(p, name)) == SB_OK)
            st = keys(p, name);
    }
    sqlite3_finalize(stmt);
    return st;
}

static int is_public(const char *view)
{
    for (const sb_view *v = sb_views; v->name != NULL; v++)
        if (strcmp(v->name, view) == 0)
            return 1;
    return 0;
}

static sb_status helpers(page *p)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = prepare(p,
                                 "SELECT name FROM sqlite_schema WHERE type = 'view' AND name NOT LIKE "
                                       "'live\\_%' ESCAPE '\\' AND name <> coalesce(?1, '') ORDER BY rowid",
                                 NULL, &stmt);
    (void)fputs("\n## Helper views\nParts of the public views; they may change or go.\n\n"
                "| view | meaning |\n| --- | --- |\n",
                p->out);
    while (st == SB_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *text = sbi_comment_of(&p->words, name, "");
        if (is_public(name))
            continue;
        if (text == NULL) {
            st = sb_fail(SB_ERR_INTERNAL, "view %s has no comment", name);
            break;
        }
        (void)fprintf(p->out, "| %s | ", name);
        put_text(p->out, text);
        (void)fputs(" |\n", p->out);
    }
    sqlite3_finalize(stmt);
    return st;
}

sb_status sb_store_schema(FILE *out)
{
    page      p  = {.out = out};
    sb_status st = sbi_open_model(SBI_MODEL_WHOLE, &p.db);
    if (st == SB_OK)
        st = sbi_schema_comments(&p.words);
    if (st == SB_OK)
        st = sbi_comments_read(&p.words, sbi_sql_words, 0);
    if (st == SB_OK)
        (void)fprintf(out, head_text, sbi_schema_version(), SBI_APPLICATION_ID);
    (void)fputs("\n## Views\n", out);
    for (const sb_view *v = sb_views; st == SB_OK && v->name != NULL; v++)
        if ((st = describe(&p, v->name)) == SB_OK)
            st = view_rows(&p, v->name);
    if (st == SB_OK)
        st = helpers(&p);
    (void)fputs("\n## Tables\n\"key\": place in the primary key, and the column referred to.\n",
                out);
    if (st == SB_OK)
        st = all_tables(&p);
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "cannot write the schema out");
    sbi_comments_fini(&p.words);
    sqlite3_close(p.db);
    return st;
}
