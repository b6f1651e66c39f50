/* Is a file whole, and is its schema ours? Used by `db check` and before a shard is merged. */
#include <string.h>

#include "results/store/internal.h"

enum { MAX_LINES = 20 };

sb_status sbi_findings(sqlite3 *db, const char *path, const char *sql, const char *prefix,
                       const char *what, FILE *out, int64_t *n)
{
    sqlite3_stmt *stmt  = NULL;
    int64_t       lines = 0;
    int           rc;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sbi_db_fail(db, path, what);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        if (text != NULL && strcmp(text, "ok") == 0)
            continue; /* the one row of a clean integrity_check */
        if (lines++ < MAX_LINES)
            (void)fprintf(out, "%s: %s: %s\n", prefix, what, text == NULL ? "" : text);
    }
    if (lines > MAX_LINES)
        (void)fprintf(out, "%s: %s: %lld in all\n", prefix, what, (long long)lines);
    *n += lines;
    sb_status st = rc == SQLITE_DONE ? SB_OK : sbi_db_fail(db, path, what);
    sqlite3_finalize(stmt);
    return st;
}

/* Every table and index of the model database must be there with the same text. */
static sb_status verify_schema(sqlite3 *db, const char *path, const char *prefix, FILE *out,
                               int64_t *n)
{
    sqlite3      *model = NULL;
    sqlite3_stmt *want  = NULL;
    sqlite3_stmt *have  = NULL;
    int           rc    = SQLITE_DONE;
    sb_status     st    = sbi_open_model(SBI_MODEL_FACTS, &model);
    if (st != SB_OK)
        return st;
    if (sqlite3_prepare_v2(model,
                           "SELECT type, name, sql FROM sqlite_schema WHERE type IN ('table', "
                           "'index') ORDER BY type, name",
                           -1, &want, NULL) != SQLITE_OK) {
        st = sbi_db_fail(model, ":memory:", NULL);
        goto done;
    }
    if (sqlite3_prepare_v2(db,
                           "SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ? AND sql IS ?",
                           -1, &have, NULL) != SQLITE_OK) {
        st = sbi_db_fail(db, path, NULL);
        goto done;
    }
    while (st == SB_OK && sqlite3_step(want) == SQLITE_ROW) {
        for (int i = 0; i < 3; i++)
            sqlite3_bind_value(have, i + 1, sqlite3_column_value(want, i));
        if ((rc = sqlite3_step(have)) == SQLITE_DONE) {
            (void)fprintf(out, "%s: schema: %s %s is missing or altered\n", prefix,
                          (const char *)sqlite3_column_text(want, 0),
                          (const char *)sqlite3_column_text(want, 1));
            *n += 1;
        } else if (rc != SQLITE_ROW) {
            st = sbi_db_fail(db, path, NULL);
        }
        sqlite3_reset(have);
    }
done:
    sqlite3_finalize(want);
    sqlite3_finalize(have);
    sqlite3_close(model);
    return st;
}

sb_status sbi_verify(sqlite3 *db, const char *path, sbi_depth depth, const char *prefix, FILE *out,
                     int64_t *n)
{
    sb_status st =
        sbi_findings(db, path, depth == SBI_QUICK ? "PRAGMA quick_check" : "PRAGMA integrity_check",
                     prefix, "integrity", out, n);
    if (st == SB_OK)
        st = verify_schema(db, path, prefix, out, n);
    if (st == SB_OK)
        st = sbi_findings(db, path, "SELECT name FROM sqlite_schema WHERE type = 'trigger'", prefix,
                          "a trigger", out, n);
    if (st == SB_OK)
        st = sbi_findings(db, path,
                          "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' refers to a "
                          "missing ' || parent "
                          "FROM pragma_foreign_key_check",
                          prefix, "foreign key", out, n);
    return st;
}
