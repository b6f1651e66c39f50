/* The bytes of a file, and for a sweep file whether they are text at all: libyaml would refuse bad
 * bytes too, but without a place. */
#include "harness/config/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const sbi_pos whole = {0, 0, 0};

/* Bytes of the UTF-8 character at s (shortest form, no surrogates), 0 when there is none. */
static size_t utf8_bytes(const unsigned char *s, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t                n        = s[0] < 0x80             ? 1
                                     : (s[0] & 0xe0) == 0xc0 ? 2
                                     : (s[0] & 0xf0) == 0xe0 ? 3
                                     : (s[0] & 0xf8) == 0xf0 ? 4
                                                             : 0;
    if (n == 0 || n > left)
        return 0;
    uint32_t u = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
        u = u << 6 | (s[i] & 0x3fu);
    }
    return u < least[n] || u > 0x10ffff || (u >= 0xd800 && u < 0xe000) ? 0 : n;
}

static int check_text(sbi_ctx *c, const char *text, size_t bytes)
{
    const unsigned char *s  = (const unsigned char *)text;
    sbi_pos              at = {0, 1, 1};
    for (size_t i = 0; i < bytes;) {
        size_t n = utf8_bytes(s + i, bytes - i);
        if (n == 0) {
            sbi_error_add(c, at, "",
                          "found the byte 0x%02x, which is not UTF-8, allowed UTF-8 text", s[i]);
            return 0;
        }
        if ((s[i] < 0x20 && s[i] != '\t' && s[i] != '\n' && s[i] != '\r') || s[i] == 0x7f) {
            sbi_error_add(c, at, "",
                          "found the control character 0x%02x, allowed UTF-8 text without them",
                          s[i]);
            return 0;
        }
        if (s[i] == '\n') {
            at.line++;
            at.col = 1;
        } else {
            at.col++;
        }
        i += n;
    }
    return 1;
}

/* As much as there is, up to `room`. 1, or 0 with errno. */
static int read_all(int fd, char *buf, size_t room, size_t *bytes)
{
    *bytes = 0;
    while (*bytes < room) {
        ssize_t n = read(fd, buf + *bytes, room - *bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return 0;
        if (n == 0)
            break;
        *bytes += (size_t)n;
    }
    return 1;
}

char *sbi_bytes_read(sbi_ctx *c, const char *path, int64_t max_bytes, size_t *bytes,
                     const char **found)
{
    struct stat sb;
    char       *text = NULL;
    int         fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a FIFO must not hold us up */
    *found         = NULL;
    if (fd < 0) {
        *found = sbi_pool_printf(&c->temp, "no readable file (%s)", strerror(errno));
        return NULL;
    }
    if (fstat(fd, &sb) != 0 || !S_ISREG(sb.st_mode)) {
        *found = S_ISDIR(sb.st_mode) ? "a directory" : "a device or pipe";
        goto done;
    }
    /* one byte more than there should be tells that there is more; some files do not know their
     * size */
    int64_t room = sb.st_size > 0 && sb.st_size < max_bytes ? sb.st_size + 1 : max_bytes + 1;
    char   *buf  = sbi_pool_alloc(&c->temp, room + 1, 1);
    if (buf == NULL)
        goto done;
    if (!read_all(fd, buf, (size_t)room, bytes))
        *found = sbi_pool_printf(&c->temp, "a file that cannot be read (%s)", strerror(errno));
    else if ((int64_t)*bytes > max_bytes)
        *found = sbi_pool_printf(&c->temp, "a file of more than %lld bytes", (long long)max_bytes);
    else
        text = buf;
done:
    (void)close(fd);
    return text;
}

char *sbi_file_read(sbi_ctx *c, size_t *bytes)
{
    const char *found;
    char       *buf = sbi_bytes_read(c, c->path, SBI_MAX_FILE_BYTES, bytes, &found);
    if (buf != NULL)
        return check_text(c, buf, *bytes) ? sbi_pool_text(c->keep, buf, *bytes) : NULL;
    if (found != NULL && strncmp(found, "a file of more", 14) == 0)
        sbi_error_add(c, whole, "", "found %s, allowed at most %d", found, SBI_MAX_FILE_BYTES);
    else if (found != NULL)
        sbi_error_add(c, whole, "", "found %s, allowed a readable YAML file", found);
    return NULL;
}
