#include "workloads/ruler/file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"

int64_t sbi_ruler_max_file_bytes = (int64_t)4 << 30;

static sb_status check_text(const char *path, const char *text, int64_t n_bytes)
{
    const char *nul  = memchr(text, '\0', (size_t)n_bytes);
    int64_t     bad  = nul != NULL ? nul - text : sbi_utf8_check(text, n_bytes);
    int64_t     line = 1, start = 0;
    if (bad < 0)
        return SB_OK;
    for (int64_t i = 0; i < bad; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ", byte %" PRId64 ": %s", path, line,
                   bad - start + 1, nul != NULL ? "a NUL byte" : "not UTF-8");
}

static sb_status read_all(const char *path, FILE *f, char **text, int64_t *n_bytes)
{
    struct stat s;
    char       *p;
    size_t      got;
    if (fstat(fileno(f), &s) != 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(s.st_mode))
        return sb_fail(SB_ERR_IO, "%s: not a file", path);
    if (s.st_size > sbi_ruler_max_file_bytes)
        return sb_fail(SB_ERR_USAGE, "%s: %lld bytes, more than the %" PRId64 " that are read",
                       path, (long long)s.st_size, sbi_ruler_max_file_bytes);
    p = malloc((size_t)s.st_size + 1);
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %lld bytes", path, (long long)s.st_size);
    got = fread(p, 1, (size_t)s.st_size, f);
    if (got != (size_t)s.st_size) {
        free(p);
        return sb_fail(SB_ERR_IO, "%s: %zu of %lld bytes read", path, got, (long long)s.st_size);
    }
    p[got]   = '\0';
    *text    = p;
    *n_bytes = (int64_t)got;
    return SB_OK;
}

sb_status sbi_file_text(const char *path, char **text, int64_t *n_bytes, char sha256[65])
{
    char      *p = NULL;
    int64_t    n = 0;
    sb_status  st;
    sbi_sha256 h;
    FILE      *f = fopen(path, "rb");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    st = read_all(path, f, &p, &n);
    (void)fclose(f);
    if (st == SB_OK)
        st = check_text(path, p, n);
    if (st == SB_OK) {
        sbi_sha256_init(&h);
        sbi_sha256_put(&h, p, (size_t)n);
        st = sbi_sha256_hex(&h, sha256);
    }
    if (st != SB_OK) {
        free(p);
        return st;
    }
    *text    = p;
    *n_bytes = n;
    return SB_OK;
}

static sb_status parse(const char *name, const char *text, int64_t n_bytes, json_t **root)
{
    json_error_t e;
    json_t      *v = json_loadb(text, (size_t)n_bytes, 0, &e);
    if (v == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: line %d, column %d: %s", name, e.line, e.column, e.text);
    *root = v;
    return SB_OK;
}

sb_status sbi_file_json(const char *path, json_t **root, char sha256[65])
{
    char     *text = NULL;
    int64_t   n    = 0;
    sb_status st   = sbi_file_text(path, &text, &n, sha256);
    if (st != SB_OK)
        return st;
    st = parse(path, text, n, root);
    free(text);
    return st;
}

sb_status sbi_json_bytes(const char *name, const char *text, int64_t n_bytes, json_t **root)
{
    sb_status st = check_text(name, text, n_bytes);
    return st == SB_OK ? parse(name, text, n_bytes, root) : st;
}

const char *sbi_json_kind(const json_t *v)
{
    if (v == NULL)
        return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}
