/* `db anonymize`: a copy without the names of people and places, and then the copy in place of the
 * file, or beside it.
 *
 * The file itself is not touched before the copy is whole: its pages go into a working copy, whose
 * columns are rewritten, and VACUUM INTO leaves behind what old pages still hold. In place
 * the result goes back through SQLite's backup in one transaction, so that a full disk or a killed
 * process leaves the file as it was. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/store/internal.h"
#include "results/store/names.h"

/* Every column that can name somebody or some place. */
static const struct {
    const char   *table, *column;
    sbi_text_kind kind;
} columns[] = {
    {"run", "hosts_json", SBI_TEXT_HOSTS},
    {"run", "env_json", SBI_TEXT_ENV},
    {"run", "command", SBI_TEXT_PLAIN},
    {"run", "sweep_name", SBI_TEXT_PLAIN},
    {"run", "config_text", SBI_TEXT_PLAIN},
    {"run", "build_json", SBI_TEXT_PLAIN},
    {"run", "cpu", SBI_TEXT_PLAIN},
    {"run", "device", SBI_TEXT_PLAIN},
    {"run", "mpi_version", SBI_TEXT_PLAIN},
    {"sample", "error", SBI_TEXT_PLAIN},
    {"merged_shards", "path", SBI_TEXT_PATH},
    {"point", "model", SBI_TEXT_MODEL},
    {"point", "model_json", SBI_TEXT_FACT},
    {"point", "task_json", SBI_TEXT_FACT},
    {"point", "method_json", SBI_TEXT_FACT},
    {"point", "identity_json", SBI_TEXT_FACT},
    {"dataset", "params_json", SBI_TEXT_FACT},
    {"dataset", "corpus", SBI_TEXT_FACT},
};

typedef struct hidden {
    sbi_naming names;
    sb_status  st; /* of the SQL function, whose error text SQLite would shorten */
} hidden;

static void hide(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    hidden       *h    = sqlite3_user_data(ctx);
    sbi_text_kind kind = (sbi_text_kind)sqlite3_value_int(argv[0]);
    const char   *text = (const char *)sqlite3_value_text(argv[1]);
    char         *out  = NULL;
    (void)argc;
    if (text == NULL)
        return; /* NULL stays NULL */
    h->st = sbi_naming_replace(&h->names, kind, text, &out);
    if (h->st == SB_OK)
        sqlite3_result_text(ctx, out, -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_error(ctx, sb_error_text(), -1);
    free(out);
}

typedef sb_status (*each_text)(sbi_naming *t, sbi_text_kind kind, const char *text);

static sb_status reserve(sbi_naming *t, sbi_text_kind kind, const char *text)
{
    (void)kind;
    sbi_naming_reserve(t, text);
    return SB_OK;
}

static sb_status walk(sqlite3 *db, const char *path, hidden *h, each_text fn)
{
    sb_status st = SB_OK;
    for (int i = 0; st == SB_OK && i < SBI_COUNT(columns); i++) {
        sqlite3_stmt *stmt = NULL;
        char          sql[128];
        int           rc = SQLITE_DONE;
        (void)snprintf(sql, sizeof sql, "SELECT DISTINCT %s FROM %s WHERE %s IS NOT NULL",
                       columns[i].column, columns[i].table, columns[i].column);
        if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
            return sbi_db_fail(db, path, columns[i].column);
        while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
            st = fn(&h->names, columns[i].kind,
                    sbi_or_empty((const char *)sqlite3_column_text(stmt, 0)));
        if (st == SB_OK && rc != SQLITE_DONE)
            st = sbi_db_fail(db, path, columns[i].column);
        sqlite3_finalize(stmt);
    }
    return st;
}

/* Rows changed of each column, to `out`. */
static sb_status rewrite(sqlite3 *db, const char *path, const char *named, hidden *h, FILE *out)
{
    int64_t   n  = 0;
    sb_status st = sbi_exec(db, path, "BEGIN");
    for (int i = 0; st == SB_OK && i < SBI_COUNT(columns); i++) {
        char        sql[192];
        const char *c = columns[i].column;
        (void)snprintf(sql, sizeof sql, "UPDATE %s SET %s = hide(%d, %s) WHERE %s <> hide(%d, %s)",
                       columns[i].table, c, (int)columns[i].kind, c, c, (int)columns[i].kind, c);
        h->st = SB_OK;
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            st = h->st != SB_OK ? sb_wrap(h->st, "%s", path) : sbi_db_fail(db, path, c);
        else if (sqlite3_changes(db) > 0)
            (void)fprintf(out, "%s: %s.%s: %d rows\n", named, columns[i].table, c,
                          sqlite3_changes(db));
        n += st == SB_OK ? sqlite3_changes(db) : 0;
    }
    if (st == SB_OK && n == 0)
        (void)fprintf(out, "%s: no names found\n", named);
    if (st == SB_OK) /* reasons and names stand in answers too */
        st = sbi_figures_store(db, path);
    return st == SB_OK ? sbi_exec(db, path, "COMMIT") : st;
}

/* SQLite 3.40 vacuums tables with generated columns only after it has looked at them:
 * sbi_open_write checks all pages, and does. */
static sb_status vacuum_into(sqlite3 *db, const char *path, const char *copy)
{
    char *sql = sqlite3_mprintf("VACUUM INTO %Q", copy);
    if (sql == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a statement", path);
    sb_status st = sbi_exec(db, copy, sql);
    sqlite3_free(sql);
    return st;
}

/* Rewrite the working copy and leave its live pages in `clean`. */
static sb_status make_clean(const char *work, const char *clean, const char *named, hidden *h,
                            FILE *out)
{
    sqlite3  *db = NULL;
    sb_status st = sbi_open_write(work, &db);
    if (st == SB_OK) /* nobody else has it, and it is thrown away */
        st = sbi_exec(db, work, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF");
    if (st == SB_OK && sqlite3_create_function(db, "hide", 2, SQLITE_UTF8 | SQLITE_DIRECTONLY, h,
                                               hide, NULL, NULL) != SQLITE_OK)
        st = sbi_db_fail(db, work, "hide");
    if (st == SB_OK)
        st = walk(db, work, h, reserve);
    if (st == SB_OK)
        st = walk(db, work, h, sbi_naming_collect);
    if (st == SB_OK)
        st = rewrite(db, work, named, h, out);
    if (st == SB_OK)
        st = vacuum_into(db, work, clean);
    sqlite3_close(db);
    return st;
}

/* All pages of one open file over those of another, in one transaction. */
static sb_status copy_pages(sqlite3 *to, sqlite3 *from, const char *path)
{
    sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
    if (copy == NULL)
        return sbi_db_fail(to, path, "cannot copy into it");
    (void)sqlite3_backup_step(copy, -1); /* finish tells what went wrong */
    return sqlite3_backup_finish(copy) == SQLITE_OK ? SB_OK
                                                    : sbi_db_fail(to, path, "cannot copy into it");
}

static sb_status make_work(sqlite3 *db, const char *work)
{
    sqlite3  *to = NULL;
    sb_status st = sqlite3_open_v2(work, &to, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK
                       ? SB_OK
                       : sbi_db_fail(to, work, "cannot open");
    if (st == SB_OK)
        st = copy_pages(to, db, work);
    sqlite3_close(to);
    return st;
}

static sb_status put_back(sqlite3 *db, const char *path, const char *clean)
{
    sqlite3  *from = NULL;
    sb_status st   = sbi_open_read(clean, &from);
    if (st == SB_OK)
        st = copy_pages(db, from, path);
    sqlite3_close(from);
    return st;
}

static sb_status put_beside(const char *clean, const char *out_path)
{
    int fd    = open(clean, O_RDONLY | O_CLOEXEC);
    int cause = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        (void)close(fd);
    if (cause == 0 && link(clean, out_path) != 0) { /* never over a file that is there */
        cause = errno;
        if (cause != EEXIST && access(out_path, F_OK) != 0)
            cause = rename(clean, out_path) != 0 ? errno : 0;
    }
    return cause == 0 ? SB_OK : sb_fail(SB_ERR_IO, "%s: %s", out_path, strerror(cause));
}

/* TARGET.anonymize-PID-N, fresh; malloc'd. */
static sb_status temporary(const char *target, int number, mode_t mode, char **name)
{
    size_t room = strlen(target) + 48;
    *name       = malloc(room);
    if (*name == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a name", target);
    (void)snprintf(*name, room, "%s.anonymize-%ld-%d", target, (long)getpid(), number);
    int fd = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0) {
        (void)close(fd);
        return SB_OK;
    }
    sb_status st = sb_fail(SB_ERR_IO, "%s: cannot create %s: %s", target, *name, strerror(errno));
    free(*name);
    *name = NULL;
    return st;
}

static void drop(char *name)
{
    if (name != NULL)
        (void)unlink(name);
    free(name);
}

static sb_status anonymize(const char *path, const char *out_path, hidden *h, FILE *out)
{
    sqlite3    *db     = NULL;
    char       *work   = NULL;
    char       *clean  = NULL;
    const char *target = out_path == NULL ? path : out_path;
    sb_status   st     = SB_OK;
    if (access(path, F_OK) != 0) /* opening would make an empty one */
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (out_path != NULL && access(out_path, F_OK) == 0)
        return sb_fail(SB_ERR_USAGE, "%s: is there already", out_path);
    st = out_path == NULL ? sbi_open_write(path, &db) : sbi_open_read(path, &db);
    if (st == SB_OK)
        st = temporary(target, 1, 0600, &work);
    if (st == SB_OK)
        st = temporary(target, 2, 0666, &clean);
    if (st == SB_OK)
        st = make_work(db, work);
    if (st == SB_OK)
        st = make_clean(work, clean, target, h, out);
    if (st == SB_OK)
        st = out_path == NULL ? put_back(db, path, clean) : put_beside(clean, out_path);
    sqlite3_close(db);
    drop(work);
    drop(clean);
    return st;
}

sb_status sb_store_anonymize(const char *const *paths, int64_t n, const char *out_path, FILE *out)
{
    hidden    h  = {.st = SB_OK};
    sb_status st = SB_OK;
    if (n < 1 || (out_path != NULL && n != 1))
        return sb_fail(SB_ERR_INTERNAL, "anonymize: found %lld files", (long long)n);
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = anonymize(paths[i], out_path, &h, out);
    for (int k = 0; st == SB_OK && k < SBI_NAME_KINDS; k++) {
        int64_t names = 0;
        for (int64_t i = 0, last = 0; i < h.names.n; i++)
            if (h.names.at[i].kind == (sbi_name_kind)k && h.names.at[i].number > last) {
                last = h.names.at[i].number; /* a host's first label has the host's number */
                names++;
            }
        if (names > 0)
            (void)fprintf(out, "%s: %lld names\n", sbi_name_word((sbi_name_kind)k),
                          (long long)names);
    }
    sbi_naming_fini(&h.names);
    return st;
}
