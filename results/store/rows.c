/* Rows of one read-only statement, handed to a function one by one: for code above the store that
 * computes what SQL cannot. */
#include <math.h>
#include <string.h>

#include "results/store/internal.h"

int sb_row_is_null(const sb_row *row, int column)
{
    return sqlite3_column_type((sqlite3_stmt *)row, column) == SQLITE_NULL;
}

int64_t sb_row_int(const sb_row *row, int column)
{
    return sqlite3_column_int64((sqlite3_stmt *)row, column);
}

double sb_row_real(const sb_row *row, int column)
{
    return sb_row_is_null(row, column) ? NAN : sqlite3_column_double((sqlite3_stmt *)row, column);
}

const char *sb_row_text(const sb_row *row, int column)
{
    return (const char *)sqlite3_column_text((sqlite3_stmt *)row, column);
}

sb_status sb_store_each(sb_store *s, const char *sql, const char *const *texts, int n_texts,
                        sb_row_fn fn, void *arg)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = SB_OK;
    int           rc   = SQLITE_DONE;
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sbi_db_fail(s->db, s->path, NULL);
    if (!sqlite3_stmt_readonly(stmt))
        st = sb_fail(SB_ERR_INTERNAL, "%s: only reading is allowed here", s->path);
    for (int i = 0; st == SB_OK && i < n_texts; i++)
        if (sqlite3_bind_text(stmt, i + 1, texts[i], -1, SQLITE_STATIC) != SQLITE_OK)
            st = sbi_db_fail(s->db, s->path, NULL);
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = fn((const sb_row *)stmt, arg);
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(s->db, s->path, NULL);
    sqlite3_finalize(stmt);
    return st;
}
