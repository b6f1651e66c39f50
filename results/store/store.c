/* The handle: open, close, and what a caller asks of a file as a whole. */
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"

/* A reader's statement may read and compute, nothing else: no write, ATTACH, PRAGMA, transaction or
 * extension. */
static int authorize(void *unused, int action, const char *first, const char *second,
                     const char *db, const char *trigger)
{
    (void)unused, (void)first, (void)db, (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return second != NULL && sqlite3_stricmp(second, "load_extension") == 0 ? SQLITE_DENY
                                                                                : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* Table-valued functions that only read their argument. SQLite declares them at their first use,
 * which the authorizer would take for a write; declared before it is set, they are tables to read.
 */
static sb_status declare_functions(sb_store *s)
{
    return sbi_exec(s->db, s->path, "SELECT 1 FROM json_each('[]'), json_tree('[]')");
}

sb_status sb_store_open(const char *path, sb_store_mode mode, sb_store **out)
{
    sb_status st = SB_OK;
    if (path == NULL || *path == '\0')
        return sb_fail(SB_ERR_USAGE, "store: no file named");
    sb_store *s = calloc(1, sizeof *s);
    if (s == NULL || (s->path = strdup(path)) == NULL) {
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for the handle", path);
        goto done;
    }
    s->mode = mode;
    st      = mode == SB_STORE_WRITE ? sbi_open_write(path, &s->db) : sbi_open_read(path, &s->db);
    if (st != SB_OK)
        goto done;
    if (mode == SB_STORE_READ) {
        if ((st = declare_functions(s)) != SB_OK || (st = sbi_views_lend(s->db, s->path)) != SB_OK)
            goto done;
        sqlite3_set_authorizer(s->db, authorize, NULL);
    }
    *out = s;
    s    = NULL;
done:
    sb_store_close(s);
    return st;
}

void sb_store_close(sb_store *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < SBI_STMT_COUNT; i++)
        sqlite3_finalize(s->stmts[i]);
    sqlite3_close(s->db);
    free(s->path);
    free(s);
}

sb_status sb_store_sample_done(sb_store *s, const char *point_hash, const char *input_sha256,
                               const char *commit_id, int *done)
{
    const sbi_value v[]   = {sbi_text(point_hash), sbi_text(input_sha256), sbi_text(commit_id)};
    int64_t         how   = 0;
    int             found = 0;
    sb_status       st    = sbi_find(s, SBI_SAMPLE_DONE, v, SBI_COUNT(v), &how, &found);
    if (st == SB_OK)
        *done = found ? (int)how : 0;
    return st;
}

sb_status sb_store_sample_same(sb_store *s, const char *point_hash, const char *input_sha256,
                               const char *prediction, const sb_score_facts *scores, int64_t n,
                               int *same)
{
    const sbi_value v[] = {sbi_text(point_hash), sbi_text(input_sha256), sbi_text(prediction)};
    int64_t         id = 0, count = 0;
    int             found = 0;
    sb_status       st    = sbi_find(s, SBI_SAMPLE_SAME, v, SBI_COUNT(v), &id, &found);
    if (st == SB_OK && found) {
        const sbi_value k[] = {sbi_int(id)};
        st                  = sbi_find(s, SBI_SCORE_COUNT, k, 1, &count, &found);
        found               = found && count == n;
    }
    for (int64_t i = 0; st == SB_OK && found && i < n; i++) {
        const sbi_value k[] = {sbi_int(id), sbi_text(scores[i].metric), sbi_real(scores[i].value)};
        int64_t         one;
        st = sbi_find(s, SBI_SCORE_SAME, k, SBI_COUNT(k), &one, &found);
    }
    if (st == SB_OK)
        *same = found;
    return st;
}

sb_status sb_store_size(sb_store *s, int64_t *bytes, int64_t *samples)
{
    int64_t   n_bytes = 0, n_samples = 0;
    sb_status st = sbi_scalar(s->db, s->path, "SELECT count(*) FROM sample", &n_samples);
    if (st == SB_OK)
        st = sbi_file_bytes(s->path, &n_bytes);
    if (st == SB_OK) {
        *bytes   = n_bytes;
        *samples = n_samples;
    }
    return st;
}

const char *sb_store_library_version(void) { return sqlite3_libversion(); }

sb_status sb_store_refresh_intervals(sb_store *s)
{
    sb_status st = sbi_need_writer(s, "refresh intervals");
    int64_t   stale = 1;
    if (st == SB_OK)
        st = sbi_figures_are_stale(s->db, s->path, &stale);
    if (st != SB_OK || !stale)
        return st;
    if ((st = sbi_begin(s)) != SB_OK)
        return st;
    st = sbi_intervals_refresh(s);
    if (st == SB_OK)
        st = sbi_comparisons_refresh(s);
    if (st == SB_OK)
        st = sbi_figures_store(s->db, s->path);
    return sbi_end(s, st);
}
