/* Which reader a file goes to: GGUF starts with its magic, a tokenizer.model as no JSON does, all
 * else is JSON. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workloads/tokenizer/gguf.h"
#include "workloads/tokenizer/model.h"
#include "workloads/tokenizer/vocab.h"

#define MAX_JSON_BYTES (INT64_C(256) << 20) /* the largest known is 33 MiB */

static sb_status finish(sb_status st, const char *name, sb_tok *t, sb_tok **out)
{
    if (st != SB_OK) {
        sb_wrap(st, "tokenizer %s", name);
        sb_tok_close(t);
        return st;
    }
    *out = t;
    return SB_OK;
}

static sb_status read_all(int fd, int64_t bytes, char **out)
{
    char   *data = malloc(bytes > 0 ? (size_t)bytes : 1);
    int64_t got  = 0;
    if (data == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %" PRId64 " bytes", bytes);
    while (got < bytes) {
        ssize_t r = pread(fd, data + got, (size_t)(bytes - got), (off_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0) {
            free(data);
            return r < 0 ? sb_fail(SB_ERR_IO, "%s", strerror(errno))
                         : sb_fail(SB_ERR_IO, "the file became shorter while it was read");
        }
        got += r;
    }
    *out = data;
    return SB_OK;
}

static sb_status read_text(const char *data, size_t bytes, sb_tok *t)
{
    return sbi_tok_is_model((const unsigned char *)data, bytes)
               ? sbi_tok_read_model((const unsigned char *)data, bytes, t)
               : sbi_tok_read_json(data, bytes, t);
}

static sb_status read_whole_file(int fd, int64_t bytes, sb_tok *t)
{
    char     *data = NULL;
    sb_status st;
    if (bytes > MAX_JSON_BYTES)
        return sb_fail(SB_ERR_USAGE,
                       "%" PRId64 " bytes; a tokenizer.json or tokenizer.model has up to %" PRId64,
                       bytes, MAX_JSON_BYTES);
    if ((st = read_all(fd, bytes, &data)) == SB_OK)
        st = read_text(data, (size_t)bytes, t);
    free(data);
    return st;
}

static sb_status read_source(sbi_source *src, const char *magic, const sb_tok_options *opt,
                             sb_tok *t)
{
    if (memcmp(magic, "GGUF", 4) == 0)
        return sbi_tok_read_gguf(src, opt != NULL ? opt->pre : NULL, t);
    if (opt != NULL && opt->pre != NULL)
        return sb_fail(SB_ERR_USAGE, "pre is for GGUF files; other files say themselves how they "
                                     "split");
    return src->mem != NULL ? read_text((const char *)src->mem, (size_t)src->size, t)
                            : read_whole_file(src->fd, (int64_t)src->size, t);
}

static sb_status read_fd(int fd, const sb_tok_options *opt, sb_tok *t)
{
    struct stat info;
    char        magic[4] = "";
    sbi_source  src      = {.fd = fd};
    sb_status   st;
    if (fstat(fd, &info) != 0)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sb_fail(SB_ERR_USAGE, "not a file");
    if (pread(fd, magic, sizeof magic, 0) < 0)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    src.size   = (uint64_t)info.st_size;
    src.window = malloc(SBI_SOURCE_WINDOW);
    if (src.window == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to read with");
    st = read_source(&src, magic, opt, t);
    free(src.window);
    return st;
}

/* A tokenizer.json has more to say than a tokenizer.model; 0: there is neither. file has room for n
 * bytes. */
static int choose_file(const char *dir, char *file, size_t n)
{
    (void)snprintf(file, n, "%s/tokenizer.json", dir);
    if (access(file, F_OK) == 0)
        return 1;
    (void)snprintf(file, n, "%s/tokenizer.model", dir);
    return access(file, F_OK) == 0;
}

sb_status sb_tok_open(const char *path, const sb_tok_options *opt, sb_tok **out)
{
    struct stat info;
    char       *file = NULL;
    sb_tok     *t    = NULL;
    sb_status   st   = sbi_tok_create(&t);
    int         fd   = -1;
    if (st != SB_OK)
        return sb_wrap(st, "tokenizer %s", path);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        size_t n = strlen(path) + sizeof "/tokenizer.model";
        file     = malloc(n);
        if (file == NULL)
            return finish(sb_fail(SB_ERR_NOMEM, "no memory for a path"), path, t, out);
        if (!choose_file(path, file, n)) {
            free(file);
            return finish(sb_fail(SB_ERR_USAGE, "found no tokenizer.json and no tokenizer.model"),
                          path, t, out);
        }
        path = file;
    }
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe is refused, not waited for */
    if (fd < 0)
        st = sb_fail(errno == ENOENT ? SB_ERR_USAGE : SB_ERR_IO, "%s", strerror(errno));
    else
        st = read_fd(fd, opt, t);
    if (fd >= 0)
        (void)close(fd);
    st = finish(st, path, t, out);
    free(file);
    return st;
}

sb_status sb_tok_open_bytes(const char *name, const void *data, size_t bytes,
                            const sb_tok_options *opt, sb_tok **out)
{
    sb_tok    *t   = NULL;
    sbi_source src = {.mem = data, .fd = -1, .size = bytes};
    sb_status  st  = sbi_tok_create(&t);
    if (st != SB_OK)
        return sb_wrap(st, "tokenizer %s", name);
    return finish(read_source(&src, bytes >= 4 ? data : "\0\0\0", opt, t), name, t, out);
}
