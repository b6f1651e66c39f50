#include "workloads/base/jsonl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t sbi_jsonl_max_line_bytes = (int64_t)1 << 30;

struct sb_jsonl {
    FILE   *f;
    char   *path, *line;
    size_t  cap, n;     /* n: bytes of the line kept */
    int64_t number;     /* of the line */
    int64_t line_bytes; /* of the whole line, also what was not kept */
    int     cut;        /* the file ended without a line feed */
    char    block[1 << 16];
    size_t  at, have; /* what of the block is left */
};

void sb_jsonl_close(sb_jsonl *r)
{
    if (r == NULL)
        return;
    if (r->f != NULL)
        (void)fclose(r->f);
    free(r->path);
    free(r->line);
    free(r);
}

sb_status sb_jsonl_open(const char *path, sb_jsonl **out)
{
    sb_jsonl *r = calloc(1, sizeof *r);
    if (r == NULL || (r->path = strdup(path)) == NULL) {
        sb_jsonl_close(r);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    }
    r->f = fopen(path, "rb");
    if (r->f == NULL) {
        sb_jsonl_close(r);
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    }
    *out = r;
    return SB_OK;
}

int64_t sb_jsonl_line(const sb_jsonl *r) { return r->number; }

/* Keep n more bytes of the line, as far as the limit lets. */
static sb_status keep(sb_jsonl *r, const char *s, size_t n)
{
    r->line_bytes += (int64_t)n;
    if (r->line_bytes > sbi_jsonl_max_line_bytes)
        return SB_OK; /* told when its end is found */
    if (r->n + n + 1 > r->cap) {
        size_t want = r->cap > 0 ? r->cap : 4096;
        char  *more;
        while (want < r->n + n + 1)
            want *= 2;
        more = realloc(r->line, want);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "%s: line %" PRId64 ": no memory for %zu bytes", r->path,
                           r->number, want);
        r->line = more;
        r->cap  = want;
    }
    memcpy(r->line + r->n, s, n);
    r->n += n;
    return SB_OK;
}

/* The next line into r->line; *end: there is none. */
static sb_status take_line(sb_jsonl *r, int *end)
{
    r->n          = 0;
    r->line_bytes = 0;
    r->cut        = 1;
    r->number++;
    *end = 0;
    for (;;) {
        char     *from, *feed;
        size_t    n;
        sb_status st;
        if (r->at == r->have) {
            r->at   = 0;
            r->have = fread(r->block, 1, sizeof r->block, r->f);
            if (r->have == 0 && ferror(r->f))
                return sb_fail(SB_ERR_IO, "%s: line %" PRId64 ": %s", r->path, r->number,
                               strerror(errno));
            if (r->have == 0) {
                *end = r->line_bytes == 0;
                return SB_OK;
            }
        }
        from = r->block + r->at;
        feed = memchr(from, '\n', r->have - r->at);
        n    = feed != NULL ? (size_t)(feed - from) : r->have - r->at;
        r->at += feed != NULL ? n + 1 : n;
        if ((st = keep(r, from, n)) != SB_OK)
            return st;
        if (feed != NULL) {
            r->cut = 0;
            return SB_OK;
        }
    }
}

static int is_blank(const sb_jsonl *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (strchr(" \t\r", r->line[i]) == NULL || r->line[i] == '\0')
            return 0;
    return 1;
}

sb_status sbi_jsonl_too_long(const char *path, int64_t line, int64_t n_bytes)
{
    return sb_fail(SB_ERR_USAGE,
                   "%s: line %" PRId64 ": %" PRId64 " bytes, more than the %" PRId64
                   " that a line may have",
                   path, line, n_bytes, sbi_jsonl_max_line_bytes);
}

sb_status sbi_jsonl_parse(const char *path, int64_t line, const char *text, int64_t n_bytes,
                          int cut, json_t **root)
{
    json_error_t e;
    json_t      *v;
    const char  *nul = n_bytes > 0 ? memchr(text, '\0', (size_t)n_bytes) : NULL;
    if (nul != NULL)
        return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ", byte %" PRId64 ": a NUL byte", path,
                       line, (int64_t)(nul - text) + 1);
    errno = 0;
    v     = json_loadb(text, (size_t)n_bytes, 0, &e);
    if (errno ==
        ENOMEM) { /* jansson then calls it a wrong token, or loses a character and goes on */
        json_decref(v);
        return sb_fail(SB_ERR_NOMEM, "%s: line %" PRId64 ": no memory", path, line);
    }
    if (v ==
        NULL) /* e.position counts bytes; e.text quotes what stands there, which may be anything */
        return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ", byte %d: %s", path, line, e.position,
                       json_error_code(&e) == json_error_premature_end_of_input && cut
                           ? "the file ends inside this row"
                       : json_error_code(&e) == json_error_invalid_utf8 ? "not UTF-8"
                                                                        : e.text);
    if (!json_is_object(v)) {
        json_decref(v);
        return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": an array, not an object", path, line);
    }
    *root = v;
    return SB_OK;
}

sb_status sb_jsonl_next(sb_jsonl *r, json_t **root)
{
    int end;
    *root = NULL;
    do {
        sb_status st = take_line(r, &end);
        if (st != SB_OK || end)
            return st;
        if (r->line_bytes > sbi_jsonl_max_line_bytes)
            return sbi_jsonl_too_long(r->path, r->number, r->line_bytes);
    } while (is_blank(r));
    return sbi_jsonl_parse(r->path, r->number, r->line, (int64_t)r->n, r->cut, root);
}
