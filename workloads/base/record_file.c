#include "workloads/base/record_file.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "workloads/base/jsonl.h"
#include "workloads/base/sha256.h"

enum { BLOCK_BYTES = 1 << 18 };

typedef struct record {
    int64_t begin, bytes, line;
} record;

struct sbi_record_file {
    FILE       *f;
    char       *path;
    record     *records;
    int64_t     n, cap;
    int64_t     cut_row; /* the one that the end of the file cuts off; -1 none */
    char        sha256[65];
    struct stat opened;
};

/* Where the walk over the file's bytes stands. */
typedef struct walk {
    sbi_record_file *to;
    int64_t          at, line;                 /* of the next byte */
    record           open;                     /* the row being read; line 0: none */
    int32_t          is_array, started, ended; /* the array's [ and ] were met */
    int64_t          depth;
    int32_t          in_string, escaped;
} walk;

void sbi_record_file_close(sbi_record_file *f)
{
    if (f == NULL)
        return;
    if (f->f != NULL)
        (void)fclose(f->f);
    free(f->path);
    free(f->records);
    free(f);
}

int64_t     sbi_record_file_count(const sbi_record_file *f) { return f->n; }
const char *sbi_record_file_path(const sbi_record_file *f) { return f->path; }
const char *sbi_record_file_sha256(const sbi_record_file *f) { return f->sha256; }
int64_t sbi_record_file_line(const sbi_record_file *f, int64_t row) { return f->records[row].line; }

static sb_status add(walk *w, int64_t end)
{
    sbi_record_file *f = w->to;
    if (f->n == f->cap) {
        int64_t cap  = f->cap > 0 ? 2 * f->cap : 256;
        record *more = realloc(f->records, (size_t)cap * sizeof *more);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for where %" PRId64 " rows begin", cap);
        f->records = more;
        f->cap     = cap;
    }
    w->open.bytes      = end - w->open.begin;
    f->records[f->n++] = w->open;
    w->open            = (record){0};
    return SB_OK;
}

/* ---- a row on each line ---- */

static int is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static sb_status walk_lines(walk *w, const char *s, int64_t n)
{
    for (int64_t i = 0; i < n;) {
        const char *feed = memchr(s + i, '\n', (size_t)(n - i));
        int64_t     end  = feed != NULL ? feed - s : n;
        sb_status   st   = SB_OK;
        while (w->open.line == 0 && i < end) {
            if (!is_blank(s[i]))
                w->open = (record){w->at + i, 0, w->line};
            i++;
        }
        if (feed != NULL) {
            if (w->open.line != 0)
                st = add(w, w->at + end);
            w->line++;
            end++;
        }
        if (st != SB_OK)
            return st;
        i = end;
    }
    w->at += n;
    return SB_OK;
}

/* ---- the elements of an array ---- */

/* A bracket or quote inside an element; elements end where their own brackets do, or at a comma. */
static sb_status element_byte(walk *w, char c, int64_t at)
{
    if (w->in_string) {
        if (w->escaped)
            w->escaped = 0;
        else if (c == '\\')
            w->escaped = 1;
        else if (c == '"')
            w->in_string = 0;
        return SB_OK;
    }
    if (c == '"')
        w->in_string = 1;
    else if (c == '{' || c == '[')
        w->depth++;
    else if (w->depth > 0 && (c == '}' || c == ']')) {
        if (--w->depth == 0)
            return add(w, at + 1);
    } else if (w->depth == 0 && (c == ',' || c == ']')) {
        w->ended = c == ']';
        return add(w, at);
    }
    return SB_OK;
}

/* Bytes that change nothing, less than n: nearly all of a file is inside strings. */
static int64_t in_string(const walk *w, const char *s, int64_t n)
{
    int64_t i = 0;
    if (w->in_string && !w->escaped)
        while (i + 1 < n && s[i] != '"' && s[i] != '\\' && s[i] != '\n')
            i++;
    return i;
}

static sb_status walk_array(walk *w, const char *s, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        char      c;
        int       space;
        sb_status st = SB_OK;
        i += in_string(w, s + i, n - i);
        c     = s[i];
        space = is_blank(c) || c == '\n';
        if (w->ended && !space)
            return sb_fail(SB_ERR_USAGE, "line %" PRId64 ": something stands behind the array",
                           w->line);
        if (!w->started)
            w->started = c == '[';
        else if (w->open.line != 0)
            st = element_byte(w, c, w->at + i);
        else if (c == ']')
            w->ended = 1;
        else if (!space && c != ',') {
            w->open = (record){w->at + i, 0, w->line};
            st      = element_byte(w, c, w->at + i);
        }
        if (st != SB_OK)
            return st;
        w->line += c == '\n';
    }
    w->at += n;
    return SB_OK;
}

/* ---- the whole file ---- */

/* The first byte that is not white space decides. */
static sb_status tell_form(sbi_record_file *f, int32_t *is_array)
{
    int c;
    do
        c = fgetc(f->f);
    while (c == ' ' || c == '\t' || c == '\r' || c == '\n');
    *is_array = c == '[';
    if (ferror(f->f) || fseeko(f->f, 0, SEEK_SET) != 0)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    return SB_OK;
}

/* What the end of the file leaves open is a row that says so when it is read. */
static sb_status end_walk(walk *w)
{
    int cut = w->open.line != 0;
    if (w->is_array && !w->ended && !cut) {
        cut     = 1;
        w->open = (record){w->at, 0, w->line};
    }
    if (cut) {
        w->to->cut_row = w->to->n;
        return add(w, w->at);
    }
    return SB_OK;
}

static sb_status read_through(sbi_record_file *f, char *block)
{
    walk       w  = {.to = f, .line = 1};
    sb_status  st = tell_form(f, &w.is_array), hashed;
    size_t     got;
    sbi_sha256 h;
    sbi_sha256_init(&h);
    while (st == SB_OK && (got = fread(block, 1, BLOCK_BYTES, f->f)) > 0) {
        sbi_sha256_put(&h, block, got);
        st = (w.is_array ? walk_array : walk_lines)(&w, block, (int64_t)got);
    }
    if (st == SB_OK && ferror(f->f))
        st = sb_fail(SB_ERR_IO, "%s", strerror(errno));
    if (st == SB_OK)
        st = end_walk(&w);
    if (st == SB_OK && f->n == 0)
        st = sb_fail(SB_ERR_USAGE, "no rows in it");
    hashed = sbi_sha256_hex(&h, f->sha256); /* also frees */
    return st != SB_OK ? st : hashed;
}

static sb_status open_file(sbi_record_file *f)
{
    char     *block;
    sb_status st;
    if ((f->f = fopen(f->path, "rb")) == NULL || fstat(fileno(f->f), &f->opened) != 0)
        return sb_fail(SB_ERR_IO, "%s", strerror(errno));
    if (!S_ISREG(f->opened.st_mode))
        return sb_fail(SB_ERR_IO, "not a file");
    block = malloc(BLOCK_BYTES);
    if (block == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory");
    st = read_through(f, block);
    free(block);
    return st;
}

sb_status sbi_record_file_open(const char *path, sbi_record_file **out)
{
    sbi_record_file *f = calloc(1, sizeof *f);
    sb_status        st;
    if (f == NULL || (f->path = strdup(path)) == NULL) {
        sbi_record_file_close(f);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    }
    f->cut_row = -1;
    st         = open_file(f);
    if (st != SB_OK) {
        sbi_record_file_close(f);
        return sb_wrap(st, "%s", path);
    }
    *out = f;
    return SB_OK;
}

static int has_changed(const sbi_record_file *f)
{
    struct stat now;
    return fstat(fileno(f->f), &now) != 0 || now.st_size != f->opened.st_size ||
           now.st_mtim.tv_sec != f->opened.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != f->opened.st_mtim.tv_nsec;
}

sb_status sbi_record_file_read(sbi_record_file *f, int64_t row, json_t **root)
{
    const record r = f->records[row];
    char        *text;
    sb_status    st;
    if (r.bytes > sbi_jsonl_max_line_bytes)
        return sbi_jsonl_too_long(f->path, r.line, r.bytes);
    if (has_changed(f))
        return sb_fail(SB_ERR_IO, "%s: has changed since it was opened", f->path);
    text = malloc((size_t)r.bytes + 1);
    if (text == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: line %" PRId64 ": no memory for %" PRId64 " bytes",
                       f->path, r.line, r.bytes);
    if (fseeko(f->f, r.begin, SEEK_SET) != 0 ||
        fread(text, 1, (size_t)r.bytes, f->f) != (size_t)r.bytes)
        st = sb_fail(SB_ERR_IO, "%s: line %" PRId64 ": %s", f->path, r.line, strerror(errno));
    else
        st = sbi_jsonl_parse(f->path, r.line, text, r.bytes, row == f->cut_row, root);
    free(text);
    return st;
}
