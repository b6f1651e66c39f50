/* Connections: what a file must look like before we touch it, and how it is locked.
 *
 * Writing: rollback journal (never WAL: shared file systems), synchronous FULL, an exclusive lock
 * from open to close, so that a second writer learns of the first at once. Reading: the file must
 * be ours; a hot journal left by a killed writer is rolled back first, for which the directory must
 * be writable. */
#include <errno.h>
#include <math.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "kernels/base/log.h"
#include "results/store/internal.h"

int sbi_busy_timeout_ms = 5000;
int sbi_synchronous     = 1;

sb_status sbi_db_fail(sqlite3 *db, const char *path, const char *what)
{
    const char *lead = what == NULL ? "" : what;
    const char *gap  = what == NULL ? "" : ": ";
    int         rc   = db == NULL ? SQLITE_NOMEM : sqlite3_errcode(db);
    const char *text = db == NULL ? "no memory" : sqlite3_errmsg(db);
    switch (rc & 0xff) {
    case SQLITE_NOMEM:
        return sb_fail(SB_ERR_NOMEM, "%s: %s%sno memory", path, lead, gap);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return sb_fail(SB_ERR_IO, "%s: %s%sanother process is writing it; one writer at a time",
                       path, lead, gap);
    case SQLITE_CORRUPT:
        return sb_fail(SB_ERR_IO, "%s: %s%sthe file is damaged (%s)", path, lead, gap, text);
    case SQLITE_NOTADB:
        return sb_fail(SB_ERR_IO, "%s: %s%snot an SQLite database", path, lead, gap);
    case SQLITE_FULL:
        return sb_fail(SB_ERR_IO, "%s: %s%sno space left", path, lead, gap);
    case SQLITE_READONLY:
        return sb_fail(SB_ERR_IO, "%s: %s%sthe file or its directory is read-only", path, lead,
                       gap);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR: {
        int cause = sqlite3_system_errno(db);
        return sb_fail(SB_ERR_IO, "%s: %s%s%s%s%s", path, lead, gap, text, cause ? ": " : "",
                       cause ? strerror(cause) : "");
    }
    case SQLITE_CONSTRAINT:
        return sb_fail(SB_ERR_INTERNAL, "%s: %s%sthe facts break the schema: %s", path, lead, gap,
                       text);
    default:
        return sb_fail(SB_ERR_IO, "%s: %s%s%s", path, lead, gap, text);
    }
}

sb_status sbi_exec(sqlite3 *db, const char *path, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK ? SB_OK
                                                                : sbi_db_fail(db, path, NULL);
}

sb_status sbi_scalar(sqlite3 *db, const char *path, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sbi_db_fail(db, path, NULL);
    sb_status st = SB_OK;
    int       rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    else if (rc == SQLITE_DONE)
        *out = 0;
    else
        st = sbi_db_fail(db, path, NULL);
    sqlite3_finalize(stmt);
    return st;
}

sb_status sbi_uuid(char out[37])
{
    unsigned char b[16];
    if (RAND_bytes(b, sizeof b) != 1)
        return sb_fail(SB_ERR_INTERNAL, "no random bytes for a uuid");
    b[6]   = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
    b[8]   = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant 1 */
    int at = 0;
    for (int i = 0; i < 16; i++)
        at += snprintf(out + at, (size_t)(37 - at), "%s%02x",
                       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
    return SB_OK;
}

void sbi_utc_now(char out[32])
{
    struct timespec now;
    struct tm       utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    (void)snprintf(out + n, 32 - n, ".%09ldZ", now.tv_nsec % 1000000000);
}

/* Ours, empty (a new file), or something else? */
static sb_status identify(sqlite3 *db, const char *path, int *is_empty, int *version)
{
    int64_t   id = 0, user = 0, objects = 0;
    sb_status st = sbi_scalar(db, path, "PRAGMA application_id", &id);
    if (st == SB_OK)
        st = sbi_scalar(db, path, "PRAGMA user_version", &user);
    if (st == SB_OK)
        st = sbi_scalar(db, path, "SELECT count(*) FROM sqlite_schema", &objects);
    if (st != SB_OK)
        return st;
    *is_empty = id == 0 && user == 0 && objects == 0;
    *version  = (int)user;
    if (!*is_empty && id != SBI_APPLICATION_ID)
        return sb_fail(SB_ERR_USAGE,
                       "%s: not a spanbench database (application_id %lld, ours is %d)", path,
                       (long long)id, SBI_APPLICATION_ID);
    if (user > sbi_schema_version())
        return sb_fail(
            SB_ERR_USAGE,
            "%s: schema version %lld is newer than this program's %d; use a newer spanbench", path,
            (long long)user, sbi_schema_version());
    if (!*is_empty && user < 1)
        return sb_fail(SB_ERR_IO, "%s: schema version %lld, allowed 1..%d: the file is damaged",
                       path, (long long)user, sbi_schema_version());
    return SB_OK;
}

static sb_status open_connection(const char *path, int flags, sqlite3 **out)
{
    sqlite3 *db = NULL;
    if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_EXRESCODE, NULL) != SQLITE_OK) {
        sb_status st = sbi_db_fail(db, path, "cannot open");
        sqlite3_close(db);
        return st;
    }
    sqlite3_busy_timeout(db, sbi_busy_timeout_ms);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sb_status st = sbi_exec(db, path, "PRAGMA cell_size_check = ON; PRAGMA temp_store = MEMORY");
    if (st != SB_OK) {
        sqlite3_close(db);
        return st;
    }
    *out = db;
    return SB_OK;
}

static sb_status plain_file(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT ? SB_OK : sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sb_fail(SB_ERR_USAGE, "%s: not a plain file", path);
    return SB_OK;
}

/* A write-ahead log is memory shared by its readers and writers, which hosts do not share: on a
 * network mount reading it may give rows that never were. No program of ours makes one. */
static sb_status no_wal_on_network(const char *path)
{
    const char *network = sbi_network_fs(path);
    if (network == NULL || !sbi_is_wal(path))
        return SB_OK;
    return sb_fail(
        SB_ERR_IO,
        "%s: has a write-ahead log, which %s cannot carry; `spanbench db migrate` on the "
        "host that made it turns that off",
        path, network);
}

/* Roll back what a killed writer left behind: any read through a writable connection does it. */
static sb_status recover(const char *path)
{
    sqlite3  *db = NULL;
    int64_t   n  = 0;
    sb_status st = open_connection(path, SQLITE_OPEN_READWRITE, &db);
    if (st == SB_OK)
        st = sbi_scalar(db, path, "SELECT count(*) FROM sqlite_schema", &n);
    sqlite3_close(db);
    return st == SB_OK
               ? st
               : sb_wrap(st, "a killed writer left a journal that must be rolled back first");
}

static sb_status open_existing(const char *path, int flags, sqlite3 **out)
{
    struct stat info;
    sqlite3    *db       = NULL;
    int         is_empty = 0;
    int         version  = 0;
    int64_t     n        = 0;
    if (stat(path, &info) != 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    sb_status st = plain_file(path);
    if (st == SB_OK)
        st = no_wal_on_network(path);
    if (st == SB_OK)
        st = open_connection(path, flags, &db);
    if (st == SB_OK && sbi_scalar(db, path, "SELECT count(*) FROM sqlite_schema", &n) != SB_OK &&
        (sqlite3_errcode(db) & 0xff) == SQLITE_READONLY) {
        sqlite3_close(db);
        db = NULL;
        st = recover(path);
        if (st == SB_OK)
            st = open_connection(path, flags, &db);
    }
    if (st == SB_OK)
        st = identify(db, path, &is_empty, &version);
    if (st == SB_OK && is_empty)
        st = sb_fail(SB_ERR_USAGE, "%s: not a spanbench database (it is empty)", path);
    if (st == SB_OK && version < sbi_schema_version())
        st = sb_fail(SB_ERR_USAGE,
                     "%s: schema version %d is older than this program's %d; `spanbench db "
                     "migrate` brings it "
                     "up to date",
                     path, version, sbi_schema_version());
    if (st != SB_OK) {
        sqlite3_close(db);
        return st;
    }
    *out = db;
    return SB_OK;
}

sb_status sbi_open_read(const char *path, sqlite3 **out)
{
    return open_existing(path, SQLITE_OPEN_READONLY, out);
}

/* SQLite does not look at CHECK constraints through a read-only connection. */
sb_status sbi_open_check(const char *path, sqlite3 **out)
{
    sqlite3  *db = NULL;
    sb_status st = open_existing(path, SQLITE_OPEN_READWRITE, &db);
    if (st == SB_OK && (st = sbi_exec(db, path, "PRAGMA query_only = ON")) != SB_OK)
        sqlite3_close(db);
    if (st == SB_OK)
        *out = db;
    return st;
}

/* Pages only, at every start of a job: without the CHECK constraints (`db check` has them) it takes
 * an eighth of the time. */
static sb_status quick_check(sqlite3 *db, const char *path)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = sbi_exec(db, path, "PRAGMA ignore_check_constraints = ON");
    if (st != SB_OK)
        return st;
    if (sqlite3_prepare_v2(db, "PRAGMA quick_check(1)", -1, &stmt, NULL) != SQLITE_OK ||
        sqlite3_step(stmt) != SQLITE_ROW)
        st = sbi_db_fail(db, path, NULL);
    else if (strcmp((const char *)sqlite3_column_text(stmt, 0), "ok") != 0)
        st = sb_fail(SB_ERR_IO, "%s: the file is damaged (%s); `spanbench db check` says more",
                     path, (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    return st == SB_OK ? sbi_exec(db, path, "PRAGMA ignore_check_constraints = OFF") : st;
}

/* Inside BEGIN EXCLUSIVE, so that nothing is changed before the file is known to be ours and sound.
 */
static sb_status prepare_schema(sqlite3 *db, const char *path)
{
    int       is_empty = 0;
    int       version  = 0;
    sb_status st       = identify(db, path, &is_empty, &version);
    if (st == SB_OK && !is_empty)
        st = quick_check(db, path);
    if (st == SB_OK && version < sbi_schema_version())
        st = sbi_migrate(db, path, version);
    if (st == SB_OK)
        st = sbi_views_refresh(db, path);
    return st;
}

sb_status sbi_open_write(const char *path, sqlite3 **out)
{
    sqlite3  *db = NULL;
    sb_status st = plain_file(path);
    if (st == SB_OK)
        st = sbi_make_parent(path);
    if (st == SB_OK)
        st = open_connection(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI,
                             &db);
    if (st == SB_OK && sqlite3_db_readonly(db, "main") == 1) /* what SQLite falls back to */
        st = sb_fail(SB_ERR_IO, "%s: the file is read-only", path);
    if (st == SB_OK)
        st = sbi_exec(db, path,
                      sbi_synchronous ? "PRAGMA main.synchronous = FULL"
                                      : "PRAGMA main.synchronous = OFF");
    /* The lock first, then the mode that keeps it: in that mode one who waits for the lock would
     * not let go of his share of it either, and two who begin at once would both give up. */
    if (st == SB_OK)
        st = sbi_exec(
            db, path,
            "PRAGMA foreign_keys = ON; BEGIN EXCLUSIVE; PRAGMA main.locking_mode = EXCLUSIVE");
    if (st == SB_OK) {
        st = prepare_schema(db, path);
        if (st == SB_OK)
            st = sbi_exec(db, path, "COMMIT; PRAGMA main.journal_mode = DELETE");
    }
    if (st != SB_OK) {
        sqlite3_close(db); /* rolls back */
        return st;
    }
    const char *network = sbi_network_fs(path);
    if (network != NULL)
        sb_log(
            SB_LOG_WARN,
            "%s: lies on a network file system (%s), whose locks may not keep a second writer out",
            path, network);
    *out = db;
    return SB_OK;
}
