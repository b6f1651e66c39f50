/* Stored answers of the public views. Over a million samples a view takes up to half a minute, and
 * its answer is some thousand rows; so the end of a run, a merge and `db migrate` keep them.
 *
 * A public view X is made of three things: live_X, the text of queries/X.sql, which computes from
 * the facts; stored_X, a table with the same columns; and X itself, which reads stored_X while view
 * figures_stale is empty, and live_X otherwise. In `figures_stale CROSS JOIN live_X` SQLite does
 * not begin with live_X before the left side has a row: a join in the other order, or a WHERE,
 * would compute its inner parts first. A reader gets the right rows either way, and needs no
 * function of ours. */
#include <ctype.h>
#include <string.h>

#include "results/store/internal.h"

static sb_status no_memory(const char *path)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for the text of a view", path);
}

static int is_public(const char *view)
{
    for (const sb_view *v = sb_views; v->name != NULL; v++)
        if (strcmp(v->name, view) == 0)
            return 1;
    return 0;
}

/* SQLite keeps a view's text from "CREATE VIEW" on, without the semicolon. */
static int same_text(const char *stored, const char *text)
{
    const char *from = strstr(text, "CREATE VIEW ");
    size_t      n    = from == NULL ? 0 : strlen(from);
    while (n > 0 && (isspace((unsigned char)from[n - 1]) || from[n - 1] == ';'))
        n--;
    return from != NULL && strlen(stored) == n && memcmp(stored, from, n) == 0;
}

static sb_status is_current(sqlite3 *db, const char *path, const char *name, const char *sql,
                            int *current)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = SB_OK;
    *current           = 0;
    if (sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?", -1,
                           &stmt, NULL) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        st = sbi_db_fail(db, path, NULL);
    else if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_type(stmt, 0) == SQLITE_TEXT)
        *current = same_text((const char *)sqlite3_column_text(stmt, 0), sql);
    sqlite3_finalize(stmt);
    return st;
}

/* The view, made new unless it stands there with this text. */
static sb_status make_view(sqlite3 *db, const char *path, const char *name, const char *sql,
                           int *changed)
{
    char      drop[96];
    int       current = 0;
    sb_status st      = is_current(db, path, name, sql, &current);
    if (st != SB_OK || current)
        return st;
    *changed = 1;
    (void)snprintf(drop, sizeof drop, "DROP VIEW IF EXISTS %s", name);
    if ((st = sbi_exec(db, path, drop)) == SB_OK)
        st = sbi_exec(db, path, sql);
    return st == SB_OK ? st : sb_wrap(st, "view %s", name);
}

/* CREATE TABLE stored_X with the columns of live_X; a column has the type of the column of a table
 * that it comes from, an expression none, so that values stay what they are. */
static sb_status stored_text(sqlite3 *db, const char *path, const char *view, char **out)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str  *text = sqlite3_str_new(db);
    char          sql[96];
    sb_status     st = SB_OK;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM live_%s", view);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        st = sbi_db_fail(db, path, view);
    sqlite3_str_appendf(text, "CREATE TABLE stored_%s (", view);
    for (int i = 0; st == SB_OK && i < sqlite3_column_count(stmt); i++) {
        const char *type = sqlite3_column_decltype(stmt, i);
        sqlite3_str_appendf(text, "%s\"%w\"%s%s", i == 0 ? "" : ", ", sqlite3_column_name(stmt, i),
                            type == NULL ? "" : " ", sbi_or_empty(type));
    }
    sqlite3_str_appendall(text, ")");
    *out = sqlite3_str_finish(text);
    sqlite3_finalize(stmt);
    return st == SB_OK && *out == NULL ? no_memory(path) : st;
}

/* stored_X has to be there and to be of this live_X: it is made again whenever that is. */
static sb_status make_stored(sqlite3 *db, const char *path, const char *view, int *changed)
{
    char      drop[96];
    char     *table = NULL;
    sb_status st    = stored_text(db, path, view, &table);
    (void)snprintf(drop, sizeof drop, "DROP TABLE IF EXISTS stored_%s", view);
    if (st == SB_OK && (st = sbi_exec(db, path, drop)) == SB_OK)
        st = sbi_exec(db, path, table);
    sqlite3_free(table);
    *changed = 1;
    return st;
}

static sb_status make_public(sqlite3 *db, const char *path, const char *view, const char *sql,
                             int *changed)
{
    static const char create[] = "CREATE VIEW ";
    char              live[64];
    int64_t           has_stored = 0;
    char *text = sqlite3_mprintf("%slive_%s", create, strstr(sql, create) + sizeof create - 1);
    char *both = sqlite3_mprintf(
        "CREATE VIEW %s AS SELECT v.* FROM figures_stale AS s CROSS JOIN live_%s AS v UNION ALL "
        "SELECT * FROM stored_%s WHERE NOT EXISTS (SELECT 1 FROM figures_stale)",
        view, view, view);
    char *known = sqlite3_mprintf(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'stored_%s'", view);
    sb_status st = text == NULL || both == NULL || known == NULL ? no_memory(path) : SB_OK;
    (void)snprintf(live, sizeof live, "live_%s", view);
    if (st == SB_OK)
        st = make_view(db, path, live, text, changed);
    if (st == SB_OK)
        st = sbi_scalar(db, path, known, &has_stored);
    if (st == SB_OK && (*changed || !has_stored))
        st = make_stored(db, path, view, changed);
    if (st == SB_OK)
        st = make_view(db, path, view, both, changed);
    sqlite3_free(text);
    sqlite3_free(both);
    sqlite3_free(known);
    return st;
}

sb_status sbi_figures_open(sqlite3 *db, const char *path)
{
    return sbi_exec(db, path,
                    "CREATE TABLE IF NOT EXISTS stored_figures (facts_key TEXT NOT NULL) STRICT");
}

sb_status sbi_figures_view(sqlite3 *db, const char *path, const char *name, const char *sql)
{
    int       changed = 0;
    sb_status st      = is_public(name) ? make_public(db, path, name, sql, &changed)
                                        : make_view(db, path, name, sql, &changed);
    if (st == SB_OK && changed)
        st = sbi_exec(db, path, "DELETE FROM stored_figures");
    return st;
}

sb_status sbi_figures_are_stale(sqlite3 *db, const char *path, int64_t *stale)
{
    return sbi_scalar(db, path, "SELECT count(*) FROM figures_stale", stale);
}

static sb_status each_view(sqlite3 *db, const char *path, const char *format)
{
    sb_status st = SB_OK;
    for (const sb_view *v = sb_views; st == SB_OK && v->name != NULL; v++) {
        char *sql = sqlite3_mprintf(format, v->name, v->name, v->name);
        st        = sql == NULL ? no_memory(path) : sbi_exec(db, path, sql);
        sqlite3_free(sql);
        if (st != SB_OK)
            st = sb_wrap(st, "stored answers of view %s", v->name);
    }
    return st;
}

sb_status sbi_figures_store(sqlite3 *db, const char *path)
{
    sb_status st = sbi_exec(db, path, "DELETE FROM stored_figures"); /* until the last one is in */
    if (st == SB_OK)
        st = each_view(db, path,
                       "DELETE FROM stored_%s; INSERT INTO stored_%s SELECT * FROM live_%s");
    if (st == SB_OK)
        st = sbi_exec(db, path, "INSERT INTO stored_figures SELECT facts_key FROM figures_key");
    return st;
}

/* Reals to six digits: sums in another order, by another SQLite, end in other bits. */
static sb_status compare(sqlite3 *db, const char *path, const char *view, FILE *out, int64_t *n)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str  *row  = sqlite3_str_new(db);
    char          sql[96];
    sb_status     st = SB_OK;
    (void)snprintf(sql, sizeof sql, "SELECT * FROM stored_%s", view);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        st = sbi_db_fail(db, path, view);
    for (int i = 0; st == SB_OK && i < sqlite3_column_count(stmt); i++) {
        const char *c = sqlite3_column_name(stmt, i);
        sqlite3_str_appendf(
            row, "%siif(typeof(\"%w\") = 'real', printf('%%.6g', \"%w\"), quote(\"%w\"))",
            i == 0 ? "" : " || ' ' || ", c, c, c);
    }
    sqlite3_finalize(stmt);
    char *text  = sqlite3_str_finish(row);
    char *query = text == NULL
                      ? NULL
                      : sqlite3_mprintf("SELECT r FROM (SELECT %s AS r FROM live_%s EXCEPT "
                                        "SELECT %s FROM stored_%s) UNION ALL SELECT r FROM "
                                        "(SELECT %s AS r FROM stored_%s EXCEPT SELECT %s "
                                        "FROM live_%s)",
                                        text, view, text, view, text, view, text, view);
    if (st == SB_OK)
        st = query == NULL ? no_memory(path)
                           : sbi_findings(db, path, query, path, "stored answer of a view", out, n);
    sqlite3_free(query);
    sqlite3_free(text);
    return st;
}

sb_status sbi_figures_check(sqlite3 *db, const char *path, FILE *out, int64_t *n)
{
    int64_t   known = 0, stale = 1;
    sb_status st = sbi_scalar(
        db, path, "SELECT count(*) FROM sqlite_schema WHERE name = 'figures_stale'", &known);
    if (st == SB_OK && known > 0) /* a program before these made no such view */
        st = sbi_figures_are_stale(db, path, &stale);
    if (st != SB_OK || stale)
        return st;
    for (const sb_view *v = sb_views; st == SB_OK && v->name != NULL; v++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql,
                       "SELECT count(*) FROM sqlite_schema WHERE name = 'stored_%s'", v->name);
        st = sbi_scalar(db, path, sql, &known);
        if (st == SB_OK && known > 0) /* likewise, of a view that came later */
            st = compare(db, path, v->name, out, n);
    }
    return st;
}
