#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/tensors/dtype.h"
#include "harness/tensors/header.h"

enum { LENGTH_BYTES = 8, CONVERT_VALUES = 16384 };

static sb_status read_at(int fd, void *buf, int64_t bytes, int64_t at)
{
    for (int64_t n = 0; n < bytes;) {
        ssize_t r = pread(fd, (char *)buf + n, (size_t)(bytes - n), (off_t)(at + n));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return sb_fail(SB_ERR_IO, "%s", strerror(errno));
        if (r == 0)
            return sb_fail(SB_ERR_IO,
                           "it has been cut: nothing at byte %" PRId64 ", %" PRId64
                           " more were expected",
                           at + n, bytes - n);
        n += r;
    }
    return SB_OK;
}

static sb_status open_file(sb_safetensors *f)
{
    struct stat info;
    /* a FIFO would block for a writer that never comes */
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &info) != 0)
        return sb_fail(errno == ENOENT ? SB_ERR_USAGE : SB_ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return sb_fail(SB_ERR_USAGE, "found no regular file, allowed a safetensors file");
    f->bytes = (int64_t)info.st_size;
    return SB_OK;
}

static sb_status read_header(sb_safetensors *f)
{
    uint64_t n = 0;
    if (f->bytes < LENGTH_BYTES)
        return sb_fail(SB_ERR_USAGE,
                       "found a file of %" PRId64 " bytes, allowed a safetensors file of at least "
                       "%d",
                       f->bytes, LENGTH_BYTES);
    sb_status st = read_at(f->fd, &n, LENGTH_BYTES, 0);
    if (st != SB_OK)
        return st;
    if (n > SB_FILE_MAX_HEADER_BYTES)
        return sb_fail(SB_ERR_USAGE,
                       "found a header of %" PRIu64
                       " bytes, allowed at most %d: is it a safetensors file?",
                       n, SB_FILE_MAX_HEADER_BYTES);
    if ((int64_t)n > f->bytes - LENGTH_BYTES)
        return sb_fail(SB_ERR_USAGE,
                       "found a header of %" PRIu64 " bytes in a file of %" PRId64
                       ": is it cut short?",
                       n, f->bytes);
    char *json = malloc((size_t)n + 1);
    if (json == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a header of %" PRIu64 " bytes", n);
    int64_t begin = LENGTH_BYTES + (int64_t)n;
    if ((st = read_at(f->fd, json, (int64_t)n, LENGTH_BYTES)) == SB_OK)
        st = sbi_header_read(f, json, (size_t)n, begin, f->bytes - begin);
    free(json);
    return st;
}

sb_status sb_safetensors_open(const char *path, sb_safetensors **out)
{
    sb_status       st;
    sb_safetensors *f = calloc(1, sizeof *f);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for the handle", path);
    f->fd   = -1;
    f->path = strdup(path);
    st      = f->path == NULL ? sb_fail(SB_ERR_NOMEM, "no memory for the name") : open_file(f);
    if (st == SB_OK)
        st = read_header(f);
    if (st != SB_OK) {
        (void)sb_wrap(st, "%s", path);
        sb_safetensors_close(f);
        return st;
    }
    *out = f;
    return SB_OK;
}

void sb_safetensors_close(sb_safetensors *f)
{
    if (f == NULL)
        return;
    for (int64_t i = 0; i < f->n_tensors; i++)
        free(f->tensors[i].name);
    for (int64_t i = 0; i < f->n_notes; i++) {
        free(f->notes[i].key);
        free(f->notes[i].value);
    }
    free(f->tensors);
    free(f->notes);
    free(f->path);
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}

const sb_file_tensor *sb_safetensors_find(const sb_safetensors *f, const char *name)
{
    for (int64_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    return NULL;
}

const char *sb_safetensors_note(const sb_safetensors *f, const char *key)
{
    for (int64_t i = 0; i < f->n_notes; i++)
        if (strcmp(f->notes[i].key, key) == 0)
            return f->notes[i].value;
    return NULL;
}

sb_status sb_safetensors_read(const sb_safetensors *f, const sb_file_tensor *t, int64_t first,
                              int64_t n, void *out)
{
    int64_t   bytes = sb_file_dtype_bytes(t->dtype);
    char      name[SBI_NAME_BYTES];
    sb_status st;
    if (first < 0 || n < 0 || n > t->n_values || first > t->n_values - n)
        return sb_fail(SB_ERR_INTERNAL, "%s: %" PRId64 " values from %" PRId64 " on, of %" PRId64,
                       f->path, n, first, t->n_values);
    if ((st = read_at(f->fd, out, n * bytes, t->offset_bytes + first * bytes)) != SB_OK)
        return sb_wrap(st, "%s: tensor `%s`", f->path, sbi_shown(t->name, name));
    return SB_OK;
}

sb_status sb_safetensors_read_bf16(const sb_safetensors *f, const sb_file_tensor *t, int64_t first,
                                   int64_t n, sb_bf16 *out)
{
    float     piece[CONVERT_VALUES];
    char      name[SBI_NAME_BYTES];
    sb_status st = SB_OK;
    if (t->dtype == SB_FILE_BF16)
        return sb_safetensors_read(f, t, first, n, out);
    if (t->dtype != SB_FILE_F16 && t->dtype != SB_FILE_F32)
        return sb_fail(SB_ERR_USAGE, "%s: tensor `%s`: found dtype %s, allowed BF16, F16, F32",
                       f->path, sbi_shown(t->name, name), sb_file_dtype_name(t->dtype));
    for (int64_t i = 0; st == SB_OK && i < n; i += CONVERT_VALUES) {
        int64_t m = n - i < CONVERT_VALUES ? n - i : CONVERT_VALUES;
        if ((st = sb_safetensors_read(f, t, first + i, m, piece)) != SB_OK)
            break;
        if (t->dtype == SB_FILE_F32)
            sbi_f32_to_bf16(piece, m, out + i);
        else
            sbi_f16_to_bf16(piece, m, out + i);
    }
    return st;
}
