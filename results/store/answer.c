/* Rows of a statement in memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"

static sb_status no_memory(const char *path)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for the rows", path);
}

typedef struct filling {
    sb_answer  *r;
    const char *path;
    int64_t     room;
} filling;

/* Room for one more row; the arrays double. */
static sb_status grow(filling *f)
{
    sb_answer *r = f->r;
    if (r->n_rows < f->room)
        return SB_OK;
    int64_t more  = f->room == 0 ? 64 : 2 * f->room;
    size_t  cells = (size_t)more * (size_t)r->n_columns;
    char  **text  = realloc(r->text, cells * sizeof *text);
    if (text != NULL)
        r->text = text;
    double *real = text == NULL ? NULL : realloc(r->real, cells * sizeof *real);
    if (real == NULL)
        return no_memory(f->path);
    r->real = real;
    f->room = more;
    return SB_OK;
}

static sb_status add_row(const sb_row *row, void *arg)
{
    filling      *f    = arg;
    sb_answer    *r    = f->r;
    sqlite3_stmt *stmt = (sqlite3_stmt *)row;
    sb_status     st   = grow(f);
    if (st != SB_OK)
        return st;
    char  **t = r->text + r->n_rows * r->n_columns;
    double *d = r->real + r->n_rows * r->n_columns;
    for (int c = 0; c < r->n_columns; c++) { /* all cells are set before the row counts */
        int type = sqlite3_column_type(stmt, c);
        t[c]     = type == SQLITE_NULL ? NULL : sbi_cell_text(stmt, c, 15);
        d[c]     = type == SQLITE_INTEGER || type == SQLITE_FLOAT ? sqlite3_column_double(stmt, c)
                                                                  : (double)NAN;
        if (t[c] == NULL && type != SQLITE_NULL)
            st = no_memory(f->path);
    }
    r->n_rows++;
    return st;
}

sb_status sbi_answer_read(sqlite3_stmt *stmt, const char *path, sb_answer *out)
{
    sb_answer r  = {.n_columns = sqlite3_column_count(stmt)};
    filling   f  = {&r, path, 0};
    sb_status st = SB_OK;
    r.names      = calloc((size_t)r.n_columns, sizeof *r.names);
    if (r.names == NULL)
        st = no_memory(path);
    for (int c = 0; st == SB_OK && c < r.n_columns; c++)
        if ((r.names[c] = strdup(sbi_or_empty(sqlite3_column_name(stmt, c)))) == NULL)
            st = no_memory(path);
    if (st == SB_OK)
        st = sbi_rows(stmt, path, add_row, &f);
    if (st != SB_OK) {
        sb_answer_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

void sb_answer_fini(sb_answer *r)
{
    for (int c = 0; r->names != NULL && c < r->n_columns; c++)
        free(r->names[c]);
    for (int64_t i = 0; i < r->n_rows * r->n_columns; i++)
        free(r->text[i]);
    free(r->names);
    free(r->text);
    free(r->real);
    *r = (sb_answer){0};
}
