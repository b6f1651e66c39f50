/* Rows of one statement, handed to a function one by one: for code above the store that
 * computes what SQL cannot. */
#include <math.h>

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

sb_status sbi_rows(sqlite3_stmt *stmt, const char *path, sb_row_fn fn, void *arg)
{
    sb_status st = SB_OK;
    int       rc = SQLITE_DONE;
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = fn((const sb_row *)stmt, arg);
    return st == SB_OK ? sbi_stepped(stmt, path, rc) : st;
}
