/* One walk with fts. Not following links to directories keeps a loop from arising. */
#include "workloads/base/text_files.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ENTRIES 1000000
#define PROBE_BYTES 4096 /* a NUL in here makes a file binary */

typedef struct walker {
    sbi_text_files *w;
    char           *buf;
    size_t          buf_bytes;
} walker;

static sb_status read_up_to(int fd, const char *path, char *buf, size_t bytes, size_t *got)
{
    size_t n = 0;
    while (n < bytes) {
        ssize_t r = read(fd, buf + n, bytes - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
        if (r == 0)
            break;
        n += (size_t)r;
    }
    *got = n;
    return SB_OK;
}

static sb_status buffer_reserve(walker *b, size_t bytes)
{
    char *more;
    if (bytes <= b->buf_bytes)
        return SB_OK;
    more = realloc(b->buf, bytes);
    if (more == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of text", bytes);
    b->buf       = more;
    b->buf_bytes = bytes;
    return SB_OK;
}

static sb_status add_open_file(walker *b, int fd, const char *path, int64_t file_bytes)
{
    size_t    got = 0, more = 0;
    size_t    probe = file_bytes < PROBE_BYTES ? (size_t)file_bytes : PROBE_BYTES;
    sb_status st    = buffer_reserve(b, PROBE_BYTES + 1);
    if (st == SB_OK)
        st = read_up_to(fd, path, b->buf, probe, &got);
    if (st != SB_OK)
        return st;
    if (memchr(b->buf, '\0', got) != NULL) {
        b->w->skipped_files++;
        return SB_OK;
    }
    if (file_bytes > b->w->max_bytes - b->w->text_bytes)
        return sb_fail(SB_ERR_USAGE,
                       "more than %" PRId64
                       " bytes of text (reached at %s): name a smaller directory",
                       b->w->max_bytes, path);
    st = buffer_reserve(b, (size_t)file_bytes + 1);
    if (st == SB_OK)
        st = read_up_to(fd, path, b->buf + got, (size_t)file_bytes - got, &more);
    if (st != SB_OK)
        return st;
    b->w->text_bytes += (int64_t)(got + more);
    b->w->n_files++;
    return b->w->take(b->w->ctx, path, b->buf, got + more);
}

static sb_status add_file(walker *b, const char *path, const struct stat *info)
{
    size_t    n = strlen(path);
    sb_status st;
    int       fd;
    if (info->st_size == 0 || (n > 3 && strcmp(path + n - 3, ".gz") == 0)) {
        b->w->skipped_files++;
        return SB_OK;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    st = add_open_file(b, fd, path, (int64_t)info->st_size);
    (void)close(fd);
    return st;
}

static sb_status add_entry(walker *b, const FTSENT *e)
{
    struct stat target;
    switch (e->fts_info) {
    case FTS_F:
        return add_file(b, e->fts_path, e->fts_statp);
    case FTS_SL: /* dangling links and links to directories are passed over */
        if (stat(e->fts_path, &target) == 0 && S_ISREG(target.st_mode))
            return add_file(b, e->fts_path, &target);
        return SB_OK;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return sb_fail(SB_ERR_IO, "%s: %s", e->fts_path, strerror(e->fts_errno));
    default:
        return SB_OK;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static sb_status add_tree(walker *b, char *root)
{
    char     *roots[2] = {root, NULL};
    int64_t   entries  = 0;
    sb_status st       = SB_OK;
    FTSENT   *e;
    /* NOCHDIR: a library does not move its process. COMFOLLOW: the root itself may be a link. */
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
    if (tree == NULL)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    while (st == SB_OK && (errno = 0, e = fts_read(tree)) != NULL) {
        if (++entries > MAX_ENTRIES)
            st = sb_fail(SB_ERR_USAGE,
                         "more than %d files (reached at %s): name a smaller directory",
                         MAX_ENTRIES, e->fts_path);
        else
            st = add_entry(b, e);
    }
    if (st == SB_OK && errno != 0)
        st = sb_fail(SB_ERR_IO, "%s", strerror(errno));
    (void)fts_close(tree);
    return st;
}

sb_status sbi_text_files_walk(const char *root, sbi_text_files *w)
{
    walker    b    = {.w = w};
    char     *copy = strdup(root); /* fts takes strings that may be changed */
    sb_status st =
        copy != NULL ? add_tree(&b, copy) : sb_fail(SB_ERR_NOMEM, "no memory for a path");
    free(copy);
    free(b.buf);
    return st;
}
