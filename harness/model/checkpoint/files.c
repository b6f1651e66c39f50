#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/model/checkpoint/weights.h"

enum { MAX_TEXT_BYTES = 256 << 20 };

static sb_status read_all(int fd, char *to, size_t bytes, const char *path)
{
    for (size_t n = 0; n < bytes;) {
        ssize_t r = read(fd, to + n, bytes - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r <= 0)
            return sb_fail(SB_ERR_IO, "%s: %s", path,
                           r < 0 ? strerror(errno) : "the file became shorter while it was read");
        n += (size_t)r;
    }
    return SB_OK;
}

sb_status sbi_text_file(const char *path, char **text, size_t *bytes)
{
    struct stat info;
    char       *t  = NULL;
    sb_status   st = SB_OK;
    int         fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &info) != 0)
        st = sb_fail(errno == ENOENT ? SB_ERR_USAGE : SB_ERR_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode) || info.st_size > MAX_TEXT_BYTES)
        st = sb_fail(SB_ERR_USAGE, "%s: found %s, allowed a file of at most 256 MiB", path,
                     S_ISREG(info.st_mode) ? "a larger file" : "no regular file");
    else if ((t = malloc((size_t)info.st_size + 1)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory for %lld bytes", path, (long long)info.st_size);
    if (st == SB_OK && (st = read_all(fd, t, (size_t)info.st_size, path)) == SB_OK) {
        t[info.st_size] = '\0';
        *text           = t;
        *bytes          = (size_t)info.st_size;
        t               = NULL;
    }
    free(t);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

static int ends(const char *name, const char *end)
{
    size_t n = strlen(name), e = strlen(end);
    return n > e && strcmp(name + n - e, end) == 0;
}

int sbi_file_ending(const char *dir, const char *end, char name[SBI_FILE_NAME_BYTES])
{
    const struct dirent *e;
    DIR                 *d = opendir(dir);
    name[0]                = '\0';
    while (d != NULL && (e = readdir(d)) != NULL)
        if (ends(e->d_name, end) && (name[0] == '\0' || strcmp(e->d_name, name) < 0))
            (void)snprintf(name, SBI_FILE_NAME_BYTES, "%s", e->d_name);
    if (d != NULL)
        (void)closedir(d);
    return name[0] != '\0';
}

int sbi_is_there(const char *path) { return access(path, F_OK) == 0; }

char *sbi_path_in(const char *dir, const char *name)
{
    size_t room = strlen(dir) + strlen(name) + 2;
    char  *out  = malloc(room);
    if (out != NULL)
        (void)snprintf(out, room, "%s/%s", dir, name);
    return out;
}
