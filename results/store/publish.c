/* A whole copy of an open database at another place, for a writer whose own file lies on a disk
 * that others do not see, or that goes away with the job. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/store/internal.h"

/* As wholly as the file system can: the name of a file is part of its directory. */
static sb_status sync_directory(const char *path)
{
    sb_status st   = SB_OK;
    char     *copy = strdup(path);
    if (copy == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for its directory's name", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL)) /* EINVAL: this kind has nothing to sync */
        st = sb_fail(SB_ERR_IO, "%s: its directory: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    free(copy);
    return st;
}

/* Page by page in one go: the writer is between transactions, and nobody else has the lock. */
static sb_status copy_pages(sqlite3 *from, const char *part)
{
    sqlite3  *to = NULL;
    sb_status st = SB_OK;
    if (sqlite3_open_v2(part, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
        st = sbi_db_fail(to, part, "cannot open");
    if (st == SB_OK) /* nobody reads it before its name is right, so it needs no journal */
        st = sbi_exec(to, part,
                      sbi_synchronous ? "PRAGMA journal_mode = OFF; PRAGMA synchronous = FULL"
                                      : "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF");
    if (st == SB_OK) {
        sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
        if (b == NULL || sqlite3_backup_step(b, -1) != SQLITE_DONE ||
            sqlite3_backup_finish(b) != SQLITE_OK)
            st = sbi_db_fail(to, part, "copying");
    }
    if (sqlite3_close(to) != SQLITE_OK && st == SB_OK)
        st = sbi_db_fail(to, part, "closing");
    return st;
}

sb_status sb_store_publish(sb_store *s, const char *path)
{
    char      host[64] = "", part[4096];
    sb_status st       = sbi_make_parent(path);
    (void)gethostname(host, sizeof host - 1);
    if ((size_t)snprintf(part, sizeof part, "%s.part.%s.%ld", path, host, (long)getpid()) >=
        sizeof part)
        return sb_fail(SB_ERR_USAGE, "%s: the path is too long", path);
    if (st != SB_OK)
        return st;
    (void)unlink(part);
    st = copy_pages(s->db, part);
    if (st == SB_OK && rename(part, path) != 0)
        st = sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (st != SB_OK) {
        (void)unlink(part);
        return st;
    }
    return sync_directory(path);
}

sb_status sb_store_fetch(const char *published, const char *path)
{
    sb_store *s  = NULL;
    sb_status st = sb_store_open(published, SB_STORE_READ, &s);
    if (st == SB_OK) {
        sqlite3_set_authorizer(s->db, NULL, NULL);
        st = sb_store_publish(s, path);
    }
    sb_store_close(s);
    return st;
}
