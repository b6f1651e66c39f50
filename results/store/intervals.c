/* Intervals that SQL cannot compute: percentile bootstrap of fractional metrics, stored with the
 * key of their rows. The values are drawn in the order of their inputs' hashes and the seed comes
 * from the point's hash and the metric, so any database with the same facts (merged in whatever
 * order) gets the same interval. */
#include <stdlib.h>
#include <string.h>

#include "results/stats/stats.h"
#include "results/store/internal.h"

typedef struct stale {
    int64_t point_id, n;
    char   *hash, *metric, *rows_key;
} stale;

static sb_status seed_of(const stale *w, uint64_t *seed)
{
    char      hex[65], text[256];
    sb_status st;
    (void)snprintf(text, sizeof text, "%s %s", w->hash, w->metric);
    if ((st = sbi_text_sha256(text, hex)) != SB_OK)
        return st;
    hex[16] = '\0';
    *seed   = strtoull(hex, NULL, 16);
    return SB_OK;
}

static sb_status compute(sb_store *s, const stale *w)
{
    sqlite3_stmt *stmt   = NULL;
    uint64_t      seed   = 0;
    sb_interval   found  = {0, 0};
    int64_t       n      = 0;
    double       *values = malloc((size_t)w->n * sizeof *values);
    if (values == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %lld scores", s->path, (long long)w->n);
    const sbi_value key[] = {sbi_int(w->point_id), sbi_text(w->metric)};
    sb_status       st    = sbi_prepare(s, SBI_INTERVAL_VALUES, key, SBI_COUNT(key), &stmt);
    if (st != SB_OK)
        goto done;
    int rc = SQLITE_ROW;
    while (n < w->n && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        values[n++] = sqlite3_column_double(stmt, 0);
    sqlite3_reset(stmt);
    if (n != w->n) {
        st = sbi_db_fail(s->db, s->path, "scores of an interval");
        goto done;
    }
    if ((st = seed_of(w, &seed)) != SB_OK ||
        (st = sb_stats_bootstrap_mean(values, n, seed, &found)) != SB_OK)
        goto done;
    const sbi_value v[] = {sbi_int(w->point_id), sbi_text(w->metric), sbi_text(w->rows_key),
                           sbi_int(n),           sbi_real(found.lo),  sbi_real(found.hi)};
    st                  = sbi_run(s, SBI_INTERVAL_PUT, v, SBI_COUNT(v));
done:
    free(values);
    return st;
}

static char *column_copy(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return strdup(text == NULL ? "" : text);
}

static sb_status list_stale(sb_store *s, stale **list, int64_t *n)
{
    sqlite3_stmt *stmt = NULL;
    int64_t       room = 0;
    int           rc;
    sb_status     st = sbi_prepare(s, SBI_INTERVAL_STALE, NULL, 0, &stmt);
    if (st != SB_OK)
        return st;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (*n == room) {
            room         = room == 0 ? 16 : 2 * room;
            stale *grown = realloc(*list, (size_t)room * sizeof *grown);
            if (grown == NULL) {
                st = sb_fail(SB_ERR_NOMEM, "%s: no memory for the list of intervals", s->path);
                break;
            }
            *list = grown;
        }
        stale *w    = &(*list)[(*n)++];
        w->point_id = sqlite3_column_int64(stmt, 0);
        w->hash     = column_copy(stmt, 1);
        w->metric   = column_copy(stmt, 2);
        w->n        = sqlite3_column_int64(stmt, 3);
        w->rows_key = column_copy(stmt, 4);
        if (w->hash == NULL || w->metric == NULL || w->rows_key == NULL) {
            st = sb_fail(SB_ERR_NOMEM, "%s: no memory for the list of intervals", s->path);
            break;
        }
    }
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(s->db, s->path, "list of stale intervals");
    sqlite3_reset(stmt);
    return st;
}

sb_status sbi_intervals_refresh(sb_store *s)
{
    stale    *list = NULL;
    int64_t   n    = 0;
    sb_status st   = sbi_run(s, SBI_INTERVAL_DROP, NULL, 0);
    if (st == SB_OK)
        st = list_stale(s, &list, &n);
    for (int64_t i = 0; i < n; i++) {
        if (st == SB_OK)
            st = compute(s, &list[i]);
        free(list[i].hash);
        free(list[i].metric);
        free(list[i].rows_key);
    }
    free(list);
    return st;
}
