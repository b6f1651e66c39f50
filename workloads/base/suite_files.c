#include "workloads/base/suite_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workloads/base/pytext.h"
#include "workloads/base/row_fields.h"

enum { PLAIN_TEXT_BYTES_MOST = 1 << 24 };

const char *sbi_req_path(const sb_text_req *req, const char *name)
{
    for (int i = 0; req->paths != NULL && req->suite->keys[i].name != NULL; i++)
        if (strcmp(req->suite->keys[i].name, name) == 0)
            return req->paths[i];
    return NULL;
}

int sbi_is_folder(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

static int is_there(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0;
}

static char *joined(const char *folder, const char *name)
{
    sbi_text t = {0};
    char    *path;
    sbi_text_puts(&t, folder);
    if (t.n > 0 && t.p[t.n - 1] != '/')
        sbi_text_putc(&t, '/');
    sbi_text_puts(&t, name);
    path = sbi_text_take(&t);
    sbi_text_fini(&t);
    return path;
}

/* "a, b or c" */
static void put_names(sbi_text *t, const char *const *names)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (i > 0)
            sbi_text_puts(t, names[i + 1] == NULL ? " or " : ", ");
        sbi_text_puts(t, names[i]);
    }
}

sb_status sbi_data_find(const char *suite, const char *data, const char *const *names, char **path)
{
    sbi_text  list = {0};
    sb_status st;
    if (data == NULL) {
        put_names(&list, names);
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "%s reads the data set's own file: `data` must name it, or a folder with %s",
                     suite, sbi_text_str(&list));
        sbi_text_fini(&list);
        return st;
    }
    if (!is_there(data))
        return sb_fail(SB_ERR_IO, "data: %s: %s", data, strerror(errno));
    if (!sbi_is_folder(data))
        return (*path = strdup(data)) != NULL ? SB_OK
                                              : sb_fail(SB_ERR_NOMEM, "%s: no memory", suite);
    for (int i = 0; names[i] != NULL; i++) {
        char *p = joined(data, names[i]);
        if (p == NULL)
            return sb_fail(SB_ERR_NOMEM, "%s: no memory", suite);
        if (is_there(p)) {
            *path = p;
            return SB_OK;
        }
        free(p);
    }
    put_names(&list, names);
    st = sb_fail(SB_ERR_IO, "data: the folder %s holds no %s", data, sbi_text_str(&list));
    sbi_text_fini(&list);
    return st;
}

sb_status sbi_texts_open(const char *path, const sbi_built_in *otherwise, json_t **root)
{
    const char  *name = path != NULL ? path : otherwise->name;
    json_error_t e;
    json_t      *v;
    FILE        *f;
    errno = 0;
    if (path == NULL) {
        v = json_loadb(otherwise->bytes, otherwise->n, 0, &e);
    } else {
        if (sbi_is_folder(path))
            return sb_fail(SB_ERR_IO, "%s: a folder, not a file of texts", path);
        if ((f = fopen(path, "rb")) == NULL)
            return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
        v = json_loadf(f, 0, &e);
        (void)fclose(f);
    }
    if (errno ==
        ENOMEM) { /* jansson then calls it a wrong token, or loses a character and goes on */
        json_decref(v);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", name);
    }
    if (v == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: line %d, column %d: %s", name, e.line, e.column,
                       json_error_code(&e) == json_error_invalid_utf8 ? "not UTF-8" : e.text);
    if (!json_is_object(v)) {
        json_decref(v);
        return sb_fail(SB_ERR_USAGE, "%s: an array, not an object of texts", name);
    }
    *root = v;
    return SB_OK;
}

/* \r\n and \r become \n. */
static size_t line_feeds(char *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '\r' && i + 1 < n && s[i + 1] == '\n')
            continue;
        s[to++] = s[i] == '\r' ? '\n' : s[i];
    }
    return to;
}

static sb_status read_plain(FILE *f, char *buf, size_t *n)
{
    *n = fread(buf, 1, PLAIN_TEXT_BYTES_MOST + 1, f);
    if (ferror(f))
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    if (*n > PLAIN_TEXT_BYTES_MOST)
        return sb_fail(SB_ERR_USAGE, "more than %d bytes: no prompt", PLAIN_TEXT_BYTES_MOST);
    if (memchr(buf, '\0', *n) != NULL)
        return sb_fail(SB_ERR_USAGE, "a NUL byte");
    if (sbi_utf8_check(buf, (int64_t)*n) >= 0)
        return sb_fail(SB_ERR_USAGE, "not UTF-8");
    *n = line_feeds(buf, *n);
    return SB_OK;
}

sb_status sbi_texts_open_plain(const char *path, const char *key, json_t **root)
{
    FILE     *f   = fopen(path, "rb");
    char     *buf = NULL;
    json_t   *v   = NULL;
    size_t    n   = 0;
    sb_status st;
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    buf = malloc(PLAIN_TEXT_BYTES_MOST + 1);
    st  = buf != NULL ? read_plain(f, buf, &n) : sb_fail(SB_ERR_NOMEM, "no memory");
    if (st == SB_OK &&
        ((v = json_object()) == NULL || json_object_set_new(v, key, json_stringn(buf, n)) != 0))
        st = sb_fail(SB_ERR_NOMEM, "no memory");
    (void)fclose(f);
    free(buf);
    if (st != SB_OK) {
        json_decref(v);
        return sb_wrap(st, "%s", path);
    }
    *root = v;
    return SB_OK;
}

sb_status sbi_texts_find(const json_t *root, const char *file, const char *key,
                         const char *const *must, const char *const *may, const char **text)
{
    const json_t *v = json_object_get(root, key);
    sbi_field     f[SBI_TEXT_FIELDS_MOST];
    sbi_text      out    = {0};
    int           n_must = 0, n;
    sb_status     st;
    if (!json_is_string(v))
        return sb_fail(SB_ERR_USAGE, "%s: %s: %s, not a string", file, key, sbi_row_kind(v));
    for (; must[n_must] != NULL; n_must++)
        f[n_must] = (sbi_field){must[n_must], "", 0, -1};
    n = n_must;
    for (int i = 0; may[i] != NULL; i++)
        f[n++] = (sbi_field){may[i], "", 0, -1};
    st = sbi_py_format(&out, json_string_value(v), f, n);
    sbi_text_fini(&out);
    if (st != SB_OK)
        return sb_wrap(st, "%s: %s", file, key);
    for (int i = 0; i < n_must; i++)
        if (f[i].at < 0)
            return sb_fail(SB_ERR_USAGE, "%s: %s: placeholder {%s} is missing", file, key,
                           f[i].name);
    *text = json_string_value(v);
    return SB_OK;
}
