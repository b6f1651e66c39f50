/* Intervals that SQL cannot compute: percentile bootstrap of fractional metrics, stored with the
 * key of their rows. The values are drawn in the order of their inputs' hashes and the seed comes
 * from the point's hash and the metric, so any database with the same facts (merged in whatever
 * order) gets the same interval. */
#include <stdlib.h>

#include "results/stats/stats.h"
#include "results/store/internal.h"

static sb_status seed_of(sb_store *s, const sbi_stale *w, uint64_t *seed)
{
    sqlite3_stmt   *stmt = NULL;
    char            hex[65], text[256];
    const sbi_value key = sbi_int(w->point_id);
    sb_status       st  = sbi_prepare(s, SBI_POINT_HASH, &key, 1, &stmt);
    if (st != SB_OK)
        return st;
    if (sqlite3_step(stmt) != SQLITE_ROW)
        st = sbi_db_fail(s->db, s->path, "hash of a point");
    else
        (void)snprintf(text, sizeof text, "%s %s", (const char *)sqlite3_column_text(stmt, 0),
                       w->metric);
    sqlite3_reset(stmt);
    if (st == SB_OK)
        st = sbi_text_sha256(text, hex);
    if (st != SB_OK)
        return st;
    hex[16] = '\0';
    *seed   = strtoull(hex, NULL, 16);
    return SB_OK;
}

static sb_status compute(sb_store *s, const sbi_stale *w)
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
    if ((st = seed_of(s, w, &seed)) != SB_OK ||
        (st = sb_stats_bootstrap_mean(values, n, seed, &found)) != SB_OK)
        goto done;
    const sbi_value v[] = {sbi_int(w->point_id), sbi_text(w->metric), sbi_text(w->rows_key),
                           sbi_int(n),           sbi_real(found.lo),  sbi_real(found.hi)};
    st                  = sbi_run(s, SBI_INTERVAL_PUT, v, SBI_COUNT(v));
done:
    free(values);
    return st;
}

sb_status sbi_intervals_refresh(sb_store *s)
{
    int64_t   n_done = 0;
    sb_status st     = sbi_run(s, SBI_INTERVAL_DROP, NULL, 0);
    return st == SB_OK ? sbi_stale_each(s, SBI_INTERVAL_STALE, compute, &n_done) : st;
}
