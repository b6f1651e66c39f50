#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/tensors/dtype.h"
#include "harness/tensors/header.h"

enum { ALIGN_BYTES = 64 }; /* of the first data byte: readers may map the file */

struct sb_safetensors_out {
    char   *path, *tmp;
    int     fd;
    int64_t left_bytes; /* of the data, still to be written */
};

static void out_free(sb_safetensors_out *o)
{
    if (o->fd >= 0)
        (void)close(o->fd);
    free(o->path);
    free(o->tmp);
    free(o);
}

void sb_safetensors_abandon(sb_safetensors_out *o)
{
    if (o == NULL)
        return;
    if (o->fd >= 0)
        (void)unlink(o->tmp);
    out_free(o);
}

static sb_status put(sb_safetensors_out *o, const void *data, int64_t bytes)
{
    for (int64_t n = 0; n < bytes;) {
        ssize_t w = write(o->fd, (const char *)data + n, (size_t)(bytes - n));
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return sb_fail(SB_ERR_IO, "%s: %s", o->tmp, w < 0 ? strerror(errno) : "no room");
        n += w;
    }
    return SB_OK;
}

/* The length, the text, and blanks up to where the data may begin. */
static sb_status put_header(sb_safetensors_out *o, const char *text)
{
    char      blanks[ALIGN_BYTES];
    uint64_t  n   = strlen(text);
    uint64_t  pad = (ALIGN_BYTES - (n + sizeof n) % ALIGN_BYTES) % ALIGN_BYTES, whole = n + pad;
    sb_status st = put(o, &whole, (int64_t)sizeof whole);
    memset(blanks, ' ', sizeof blanks);
    if (st == SB_OK)
        st = put(o, text, (int64_t)n);
    return st == SB_OK ? put(o, blanks, (int64_t)pad) : st;
}

sb_status sb_safetensors_create(const char *path, const sb_file_spec *specs, int64_t n_specs,
                                const sb_file_pair *notes, int64_t n_notes,
                                sb_safetensors_out **out)
{
    sb_status           st   = SB_OK;
    char               *text = NULL;
    sb_safetensors_out *o    = calloc(1, sizeof *o);
    if (o == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    o->fd   = -1;
    o->path = strdup(path);
    if (o->path == NULL || asprintf(&o->tmp, "%s.tmp", path) < 0) {
        o->tmp = NULL;
        st     = sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
        goto done;
    }
    if ((st = sbi_header_text(specs, n_specs, notes, n_notes, &text, &o->left_bytes)) != SB_OK) {
        (void)sb_wrap(st, "%s", path);
        goto done;
    }
    o->fd = open(o->tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    st    = o->fd < 0 ? sb_fail(SB_ERR_IO, "%s: %s", o->tmp, strerror(errno)) : put_header(o, text);
done:
    free(text);
    if (st != SB_OK) {
        sb_safetensors_abandon(o);
        return st;
    }
    *out = o;
    return SB_OK;
}

sb_status sb_safetensors_write(sb_safetensors_out *o, const void *data, int64_t bytes)
{
    if (bytes > o->left_bytes)
        return sb_fail(SB_ERR_INTERNAL,
                       "%s: found %" PRId64 " bytes, room for %" PRId64 " as announced", o->path,
                       bytes, o->left_bytes);
    o->left_bytes -= bytes;
    return put(o, data, bytes);
}

/* The name is safe only when its directory is. Some file systems cannot; then the rename stands
 * anyway. */
static void sync_directory(const char *path)
{
    char *copy = strdup(path);
    int   fd   = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        (void)fsync(fd);
        (void)close(fd);
    }
    free(copy);
}

sb_status sb_safetensors_commit(sb_safetensors_out *o)
{
    sb_status st = SB_OK;
    if (o->left_bytes != 0)
        st = sb_fail(SB_ERR_INTERNAL, "%s: %" PRId64 " bytes are missing", o->path, o->left_bytes);
    else if (fsync(o->fd) != 0 || rename(o->tmp, o->path) != 0)
        st = sb_fail(SB_ERR_IO, "%s: %s", o->path, strerror(errno));
    if (st != SB_OK) {
        sb_safetensors_abandon(o);
        return st;
    }
    sync_directory(o->path);
    out_free(o);
    return SB_OK;
}
