/* libcsv is fed a line at a time, so that it never runs past the end of a row: a row can only end
 * where a line does. A carriage return is dropped at the ends of a field that is not quoted, which
 * takes care of CRLF. */
#include "harness/score/csv.h"

#include <csv.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/score.h"
#include "workloads/base/jsonl.h"
#include "workloads/base/pytext.h"

#define TEXT_OF(x) #x
#define VERSION(major, minor, release) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(release)

const char *sb_score_csv_version(void) { return VERSION(CSV_MAJOR, CSV_MINOR, CSV_RELEASE); }

enum { GROW_BYTES = 1 << 16 };

struct sbi_csv {
    FILE             *f;
    char             *path, *line;
    size_t            line_room;
    struct csv_parser parser;
    json_t           *header, *fields;   /* arrays; fields: of the row being read */
    int64_t           at_line, row_line; /* lines read; where the row begins */
    int64_t           row_bytes;
    int               row_done, failed; /* failed: no memory in a callback */
    char              why[160];         /* what is wrong with the row; "" nothing */
};

static int is_space(unsigned char c) { return c == '\r'; }

static int is_end(unsigned char c) { return c == '\n'; }

static void on_field(void *text, size_t n, void *arg)
{
    sbi_csv *c   = arg;
    int64_t  bad = sbi_utf8_check(text, (int64_t)n);
    size_t   i   = json_array_size(c->fields);
    json_t  *v;
    if (bad >= 0 && c->why[0] == '\0')
        (void)snprintf(c->why, sizeof c->why, "field %zu: byte %" PRId64 " is not UTF-8", i + 1,
                       bad + 1);
    else if (n > 0 && memchr(text, '\0', n) != NULL && c->why[0] == '\0')
        (void)snprintf(c->why, sizeof c->why, "field %zu: a NUL byte in it", i + 1);
    v = c->why[0] == '\0' ? json_stringn(text == NULL ? "" : text, n) : json_null();
    if (v == NULL || json_array_append_new(c->fields, v) != 0)
        c->failed = 1;
}

static void on_row(int end, void *arg)
{
    (void)end;
    ((sbi_csv *)arg)->row_done = 1;
}

static sb_status start(sbi_csv *c)
{
    if (csv_init(&c->parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", c->path);
    csv_set_space_func(&c->parser, is_space);
    csv_set_term_func(&c->parser, is_end);
    csv_set_blk_size(&c->parser, GROW_BYTES);
    return SB_OK;
}

static sb_status no_memory(const sbi_csv *c)
{
    return sb_fail(SB_ERR_NOMEM, "%s: line %" PRId64 ": no memory for the row", c->path,
                   c->row_line);
}

static sb_status bad_row(const sbi_csv *c)
{
    return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": %s", c->path, c->row_line, c->why);
}

/* Give up what the parser holds; it goes on at the next line. */
static sb_status start_over(sbi_csv *c)
{
    csv_free(&c->parser);
    return start(c);
}

static sb_status broken(sbi_csv *c)
{
    sb_status st;
    if (csv_error(&c->parser) != CSV_EPARSE)
        return no_memory(c);
    if ((st = start_over(c)) != SB_OK)
        return st;
    (void)snprintf(c->why, sizeof c->why,
                   "a quote inside a field that does not begin with one, or text behind a closing "
                   "quote (line %" PRId64 ")",
                   c->at_line);
    return bad_row(c);
}

/* Lines until a row ends. *end: there is no row any more. */
static sb_status take_row(sbi_csv *c, int *end)
{
    c->row_done  = 0;
    c->row_bytes = 0;
    c->why[0]    = '\0';
    c->row_line  = c->at_line + 1;
    *end         = 0;
    json_array_clear(c->fields);
    while (!c->row_done) {
        ssize_t n;
        errno = 0;
        n     = getline(&c->line, &c->line_room, c->f);
        if (n < 0 && (ferror(c->f) || errno == ENOMEM))
            return errno == ENOMEM ? no_memory(c)
                                   : sb_fail(SB_ERR_IO, "%s: %s", c->path, strerror(errno));
        if (n < 0) {
            if (csv_fini(&c->parser, on_field, on_row, c) != 0) {
                sb_status st = start_over(c);
                (void)snprintf(c->why, sizeof c->why, "the file ends inside a quoted field");
                return st == SB_OK ? bad_row(c) : st;
            }
            *end = !c->row_done;
            break;
        }
        c->at_line++;
        c->row_bytes += n;
        if (c->row_bytes > sbi_jsonl_max_line_bytes) {
            sb_status st = start_over(c);
            (void)snprintf(c->why, sizeof c->why, "a row of more than %" PRId64 " bytes",
                           sbi_jsonl_max_line_bytes);
            return st == SB_OK ? bad_row(c) : st;
        }
        if (csv_parse(&c->parser, c->line, (size_t)n, on_field, on_row, c) != (size_t)n)
            return broken(c);
        if (!c->row_done && c->row_bytes == n && n == 1) /* an empty line is no row */
            c->row_bytes = 0, c->row_line = c->at_line + 1;
    }
    return c->failed ? no_memory(c) : SB_OK;
}

void sbi_csv_close(sbi_csv *c)
{
    if (c == NULL)
        return;
    csv_free(&c->parser);
    if (c->f != NULL)
        (void)fclose(c->f);
    json_decref(c->header);
    json_decref(c->fields);
    free(c->path);
    free(c->line);
    free(c);
}

static sb_status take_header(sbi_csv *c)
{
    int       end = 0;
    sb_status st  = take_row(c, &end);
    if (st != SB_OK)
        return st;
    if (c->why[0] != '\0')
        return bad_row(c);
    if (end)
        return sb_fail(SB_ERR_USAGE, "%s: no header line in it", c->path);
    for (size_t i = 0; i < json_array_size(c->fields); i++) {
        const char *name = json_string_value(json_array_get(c->fields, i));
        if (sbi_csv_has(c, name))
            return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": two columns are named `%.60s`",
                           c->path, c->row_line, name);
        if (json_array_append(c->header, json_array_get(c->fields, i)) != 0)
            return no_memory(c);
    }
    return SB_OK;
}

sb_status sbi_csv_open(const char *path, sbi_csv **out)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, that some programs write */
    sbi_csv          *c      = calloc(1, sizeof *c);
    char              head[3];
    sb_status         st;
    if (c == NULL || (c->path = strdup(path)) == NULL || (c->header = json_array()) == NULL ||
        (c->fields = json_array()) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    else if ((c->f = fopen(path, "rb")) == NULL)
        st = sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    else if ((st = start(c)) == SB_OK) {
        if (fread(head, 1, 3, c->f) != 3 || memcmp(head, mark, 3) != 0)
            rewind(c->f);
        st = take_header(c);
    }
    if (st != SB_OK) {
        sbi_csv_close(c);
        return st;
    }
    *out = c;
    return SB_OK;
}

int sbi_csv_has(const sbi_csv *c, const char *column)
{
    for (size_t i = 0; i < json_array_size(c->header); i++)
        if (strcmp(json_string_value(json_array_get(c->header, i)), column) == 0)
            return 1;
    return 0;
}

int64_t sbi_csv_line(const sbi_csv *c) { return c->row_line; }

sb_status sbi_csv_next(sbi_csv *c, json_t **root)
{
    json_t   *row;
    size_t    columns = json_array_size(c->header), n;
    int       end     = 0;
    sb_status st      = take_row(c, &end);
    if (st != SB_OK)
        return st;
    if (end) {
        *root = NULL;
        return SB_OK;
    }
    n = json_array_size(c->fields);
    if (c->why[0] == '\0' && n != columns)
        (void)snprintf(c->why, sizeof c->why, "%zu fields, the header has %zu", n, columns);
    if (c->why[0] != '\0')
        return bad_row(c);
    if ((row = json_object()) == NULL)
        return no_memory(c);
    for (size_t i = 0; i < n; i++)
        if (json_object_set(row, json_string_value(json_array_get(c->header, i)),
                            json_array_get(c->fields, i)) != 0) {
            json_decref(row);
            return no_memory(c);
        }
    *root = row;
    return SB_OK;
}
