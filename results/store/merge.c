/* `db merge`: shards of many jobs into one file. A shard that is not sound is refused with its
 * reason and the others go on. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "results/store/internal.h"

static int same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static sb_status verify_shard(const char *shard, FILE *out)
{
    sqlite3  *db = NULL;
    int64_t   n  = 0;
    sb_status st = sbi_open_check(shard, &db);
    if (st == SB_OK)
        st = sbi_verify(db, shard, SBI_QUICK, shard, out, &n);
    sqlite3_close(db);
    if (st == SB_OK && n > 0)
        st = sb_fail(SB_ERR_IO, "%s: the file is damaged: %lld findings", shard, (long long)n);
    return st;
}

/* A "file:" name with everything but plain characters as %xx, opened read-only. */
static sb_status attach(sqlite3 *db, const char *shard)
{
    sqlite3_stmt *stmt = NULL;
    sqlite3_str  *uri  = sqlite3_str_new(db);
    sqlite3_str_appendall(uri, "file:");
    for (const char *p = shard; *p != '\0'; p++) {
        if (strchr("%?#", *p) != NULL || (unsigned char)*p < 0x21 || (unsigned char)*p >= 0x7f)
            sqlite3_str_appendf(uri, "%%%02x", (unsigned)(unsigned char)*p);
        else
            sqlite3_str_appendchar(uri, 1, *p);
    }
    sqlite3_str_appendall(uri, "?mode=ro");
    char     *name = sqlite3_str_finish(uri);
    sb_status st   = SB_OK;
    if (name == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its name", shard);
    if (sqlite3_prepare_v2(db, "ATTACH ? AS shard", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_DONE)
        st = sbi_db_fail(db, shard, "cannot attach");
    sqlite3_finalize(stmt);
    sqlite3_free(name);
    return st;
}

static sb_status note_merged(sqlite3 *db, const char *path, const char *sha, const char *shard,
                             int64_t n_new)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = SB_OK;
    char          now[32];
    sbi_utc_now(now);
    if (sqlite3_prepare_v2(db,
                           "INSERT INTO main.merged_shards (sha256, path, n_samples, merged_utc) "
                           "VALUES (?, ?, ?, ?)",
                           -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 1, sha, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 2, shard, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(stmt, 3, n_new) != SQLITE_OK ||
        sqlite3_bind_text(stmt, 4, now, -1, SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_DONE)
        st = sbi_db_fail(db, path, "merged_shards");
    sqlite3_finalize(stmt);
    return st;
}

static sb_status is_merged(sqlite3 *db, const char *path, const char *sha, int64_t *known)
{
    char *sql = sqlite3_mprintf("SELECT count(*) FROM merged_shards WHERE sha256 = %Q", sha);
    if (sql == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a statement", path);
    sb_status st = sbi_scalar(db, path, sql, known);
    sqlite3_free(sql);
    return st;
}

static sb_status merge_one(sb_store *s, const char *shard, FILE *out)
{
    char      sha[65];
    int64_t   known = 0, n_new = 0, n_known = 0;
    sb_status st;
    if (same_file(s->path, shard))
        return sb_fail(SB_ERR_USAGE, "%s: is the database merged into", shard);
    if ((st = verify_shard(shard, out)) != SB_OK || (st = sbi_file_sha256(shard, sha)) != SB_OK ||
        (st = is_merged(s->db, s->path, sha, &known)) != SB_OK)
        return st;
    if (known > 0) {
        (void)fprintf(out, "%s: already merged\n", shard);
        return SB_OK;
    }
    if ((st = attach(s->db, shard)) != SB_OK)
        return st;
    if ((st = sbi_begin(s)) == SB_OK) {
        st = sbi_copy_shard(s->db, s->path, &n_new, &n_known);
        if (st == SB_OK && n_new > 0)
            st = sbi_run(s, SBI_FIGURES_FORGET, NULL, 0);
        if (st == SB_OK)
            st = note_merged(s->db, s->path, sha, shard, n_new);
        st = sbi_end(s, st);
    }
    if (sqlite3_exec(s->db, "DETACH shard", NULL, NULL, NULL) != SQLITE_OK && st == SB_OK)
        st = sbi_db_fail(s->db, shard, "cannot detach");
    if (st == SB_OK)
        (void)fprintf(out, "%s: %lld samples added, %lld already there\n", shard, (long long)n_new,
                      (long long)n_known);
    return st;
}

/* Most texts begin with the file's name, which stands there once. */
static void refusal(const char *shard, const char *why, FILE *out)
{
    size_t n = strlen(shard);
    if (strncmp(why, shard, n) == 0 && strncmp(why + n, ": ", 2) == 0)
        why += n + 2;
    (void)fprintf(out, "%s: refused: %s\n", shard, why);
}

sb_status sb_store_merge(const char *main_path, const char *const *shards, int64_t n_shards,
                         FILE *out)
{
    sb_store *s       = NULL;
    int64_t   refused = 0;
    sb_status first   = SB_OK;
    sb_status st      = sb_store_open(main_path, SB_STORE_WRITE, &s);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < n_shards; i++) {
        sb_status one = merge_one(s, shards[i], out);
        if (one != SB_OK) {
            refusal(shards[i], sb_error_text(), out);
            first = refused++ == 0 ? one : first;
        }
    }
    st = sb_store_refresh_intervals(s);
    sb_store_close(s);
    if (st == SB_OK && refused > 0)
        st = sb_fail(first, "%s: %lld of %lld shards refused", main_path, (long long)refused,
                     (long long)n_shards);
    return st;
}
