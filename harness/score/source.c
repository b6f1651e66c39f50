#include "harness/score/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/csv.h"
#include "workloads/base/record_file.h"
#include "workloads/base/sha256.h"

enum { LOOK_AT_ROWS = 100 }; /* to find the first good one */

struct sbi_source {
    const sbi_format *format;
    sbi_context       context;
    char             *path;
    sbi_record_file  *records; /* or */
    sbi_csv          *csv;
    char              sha256[65]; /* csv */
    int64_t           row, line;  /* row: the next one */
};

void sbi_source_close(sbi_source *s)
{
    if (s == NULL)
        return;
    sbi_record_file_close(s->records);
    sbi_csv_close(s->csv);
    free(s->path);
    free(s);
}

const sbi_format *sbi_source_format(const sbi_source *s) { return s->format; }

const sbi_context *sbi_source_context(const sbi_source *s) { return &s->context; }

const char *sbi_source_sha256(const sbi_source *s)
{
    return s->csv != NULL ? s->sha256 : sbi_record_file_sha256(s->records);
}

int64_t sbi_source_line(const sbi_source *s) { return s->line; }

static sb_status hash_file(const char *path, char hex[65])
{
    sbi_sha256 h;
    char       block[1 << 14];
    size_t     n;
    FILE      *f = fopen(path, "rb");
    if (f == NULL)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    sbi_sha256_init(&h);
    while ((n = fread(block, 1, sizeof block, f)) > 0)
        sbi_sha256_put(&h, block, n);
    if (ferror(f)) {
        (void)fclose(f);
        return sb_fail(SB_ERR_IO, "%s: cannot be read to its end", path);
    }
    (void)fclose(f);
    return sbi_sha256_hex(&h, hex);
}

/* ---- which format ---- */

static sb_status none_fits(const char *path, int64_t line, const json_t *row)
{
    char        found[200] = "", names[160];
    size_t      used       = 0;
    const char *key;
    json_t     *v;
    json_object_foreach((json_t *)(uintptr_t)row, key, v)
    {
        if (used < sizeof found)
            used += (size_t)snprintf(found + used, sizeof found - used, "%s%.40s",
                                     used > 0 ? ", " : "", key);
    }
    sbi_format_names(names, sizeof names);
    return sb_fail(SB_ERR_USAGE,
                   "%s: line %" PRId64 ": a row with the fields %s is of no format known (%s)",
                   path, line, found, names);
}

static sb_status detect(sbi_source *s)
{
    int64_t   n  = s->csv != NULL ? LOOK_AT_ROWS : sbi_record_file_count(s->records);
    sb_status st = SB_ERR_USAGE;
    for (int64_t i = 0; i < n && i < LOOK_AT_ROWS && st == SB_ERR_USAGE; i++) {
        json_t *row  = NULL;
        int64_t line = 0;
        st =
            s->csv != NULL ? sbi_csv_next(s->csv, &row) : sbi_record_file_read(s->records, i, &row);
        if (st != SB_OK)
            continue;
        if (row == NULL)
            return sb_fail(SB_ERR_USAGE, "%s: no rows in it", s->path);
        line = s->csv != NULL ? sbi_csv_line(s->csv) : sbi_record_file_line(s->records, i);
        for (const sbi_format *const *f = sbi_formats; *f != NULL && s->format == NULL; f++)
            if ((*f)->is_csv == (s->csv != NULL) && (*f)->is(row))
                s->format = *f;
        if (s->format == NULL)
            st = none_fits(s->path, line, row);
        json_decref(row);
        return st;
    }
    return st == SB_ERR_USAGE ? sb_wrap(st, "no row is good enough to know the format by") : st;
}

static sb_status open_rows(sbi_source *s)
{
    sb_status st;
    if (s->format != NULL
            ? !s->format->is_csv
            : strlen(s->path) < 4 || strcmp(s->path + strlen(s->path) - 4, ".csv") != 0)
        return sbi_record_file_open(s->path, &s->records);
    st = sbi_csv_open(s->path, &s->csv);
    return st == SB_OK ? hash_file(s->path, s->sha256) : st;
}

/* A format that was named must still be that of the columns: rows could only fail one by one. */
static sb_status check_columns(const sbi_source *s)
{
    if (!sbi_csv_has(s->csv, "predicted_answer"))
        return sb_fail(SB_ERR_USAGE, "%s: no column `predicted_answer` in its header", s->path);
    if (!sbi_csv_has(s->csv, "answer") && !sbi_csv_has(s->csv, "answers"))
        return sb_fail(SB_ERR_USAGE, "%s: no column `answer` in its header", s->path);
    if (!sbi_csv_has(s->csv, "task") && s->context.task == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: no column `task` in its header: give --task", s->path);
    return SB_OK;
}

static sb_status open_source(sbi_source *s)
{
    sb_status st = open_rows(s);
    if (st == SB_OK && s->format == NULL && s->csv != NULL)
        st = check_columns(s);
    if (st == SB_OK && s->format == NULL) {
        st = detect(s);
        if (st == SB_OK && s->csv != NULL) { /* back to its first row */
            sbi_csv_close(s->csv);
            s->csv = NULL;
            st     = sbi_csv_open(s->path, &s->csv);
        }
    } else if (st == SB_OK && s->csv != NULL) {
        st = check_columns(s);
    }
    return st == SB_OK ? s->format->check(&s->context, s->path) : st;
}

sb_status sbi_source_open(const char *path, const sbi_format *format, const sbi_context *c,
                          sbi_source **out)
{
    sbi_source *s = calloc(1, sizeof *s);
    sb_status   st;
    if (s == NULL || (s->path = strdup(path)) == NULL) {
        free(s);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory", path);
    }
    s->format  = format;
    s->context = *c;
    if (s->context.length_tokens > 0) { /* the user's wins over the path's */
        sbi_context_from_path(path, &s->context);
        s->context.length_tokens = c->length_tokens;
    } else {
        sbi_context_from_path(path, &s->context);
    }
    if ((st = open_source(s)) != SB_OK) {
        sbi_source_close(s);
        return st;
    }
    *out = s;
    return SB_OK;
}

/* ---- rows ---- */

static sb_status take(sbi_source *s, json_t **row)
{
    sb_status st = SB_OK;
    *row         = NULL;
    if (s->csv != NULL) {
        st      = sbi_csv_next(s->csv, row);
        s->line = sbi_csv_line(s->csv);
    } else if (s->row < sbi_record_file_count(s->records)) {
        s->line = sbi_record_file_line(s->records, s->row);
        st      = sbi_record_file_read(s->records, s->row, row);
    }
    s->row++;
    return st;
}

sb_status sbi_source_next(sbi_source *s, json_t **row, sbi_prediction *out)
{
    sbi_prediction p = {.row = {.row = s->row}, .place = s->row};
    json_t        *root;
    sb_status      st = take(s, &root);
    if (st != SB_OK || root == NULL) {
        *row = NULL;
        return st;
    }
    sbi_row_source src = {s->path, s->line, root};
    p.row.line         = s->line;
    if ((st = s->format->read(&s->context, &src, &p)) == SB_OK && !p.skip)
        st = sbi_prediction_seal(&src, &p);
    if (st != SB_OK) {
        sbi_prediction_fini(&p);
        json_decref(root);
        *row = NULL;
        return st;
    }
    *row = root;
    *out = p;
    return SB_OK;
}
