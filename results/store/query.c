/* One read-only statement of the user. The connection's authorizer (store.c) refuses what is not
 * reading; what is left to see to is that there is exactly one statement. */
#include <ctype.h>

#include "results/store/internal.h"

static sb_status refuse(sb_store *s)
{
    if ((sqlite3_errcode(s->db) & 0xff) == SQLITE_AUTH)
        return sb_fail(SB_ERR_USAGE,
                       "%s: only reading is allowed here: SELECT, no write, ATTACH or PRAGMA (%s)",
                       s->path, sqlite3_errmsg(s->db));
    if ((sqlite3_errcode(s->db) & 0xff) == SQLITE_ERROR)
        return sb_fail(SB_ERR_USAGE, "%s: %s", s->path, sqlite3_errmsg(s->db));
    return sbi_db_fail(s->db, s->path, NULL);
}

/* The one statement of sql, compiled; it reads and has columns. */
static sb_status reading(sb_store *s, const char *sql, sqlite3_stmt **out)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_stmt *more = NULL;
    const char   *tail = NULL;
    sb_status     st   = SB_OK;
    if (s->mode != SB_STORE_READ)
        return sb_fail(SB_ERR_INTERNAL, "%s: query: open the database for reading", s->path);
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, &tail) != SQLITE_OK)
        return refuse(s);
    if (stmt == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: no statement given", s->path);
    /* a tail of blanks, comments and semicolons compiles to nothing */
    int rc = SQLITE_OK;
    while (tail != NULL && *tail != '\0' && more == NULL && rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(s->db, tail, -1, &more, &tail);
    sqlite3_finalize(more);
    if (rc != SQLITE_OK || more != NULL)
        st = sb_fail(SB_ERR_USAGE, "%s: found more than one statement, allowed one", s->path);
    else if (!sqlite3_stmt_readonly(stmt) || sqlite3_column_count(stmt) == 0)
        st = sb_fail(SB_ERR_USAGE, "%s: only reading is allowed here", s->path);
    if (st == SB_OK)
        *out = stmt;
    else
        sqlite3_finalize(stmt);
    return st;
}

sb_status sb_store_query(sb_store *s, const char *sql, sb_format format, FILE *out)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = reading(s, sql, &stmt);
    if (st == SB_OK && sqlite3_bind_parameter_count(stmt) > 0) {
        const char *name = sqlite3_bind_parameter_name(stmt, sqlite3_bind_parameter_count(stmt));
        st = sb_fail(SB_ERR_USAGE, "%s: found the parameter `%s`, allowed a statement with values",
                     s->path, name != NULL ? name : "?");
    }
    if (st == SB_OK)
        st = sbi_print(stmt, s->path, format, out);
    sqlite3_finalize(stmt);
    return st;
}

sb_status sb_store_ask(sb_store *s, const char *sql, sb_answer *out)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = reading(s, sql, &stmt);
    if (st == SB_OK)
        st = sbi_answer_read(stmt, s->path, out);
    sqlite3_finalize(stmt);
    return st;
}

sb_status sb_store_each(sb_store *s, const char *sql, const char *const *texts, int n_texts,
                        sb_row_fn fn, void *arg)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = reading(s, sql, &stmt);
    for (int i = 0; st == SB_OK && i < n_texts; i++)
        if (sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC) != SQLITE_OK)
            st = sbi_db_fail(s->db, s->path, NULL);
    if (st == SB_OK)
        st = sbi_rows(stmt, s->path, fn, arg);
    sqlite3_finalize(stmt);
    return st;
}
