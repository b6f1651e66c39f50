/* See table.h. */
#include "results/report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/report/text.h"

static sb_status no_memory(const sbi_section *s)
{
    return sb_fail(SB_ERR_NOMEM, "report, section %s: no memory", s->id);
}

int sbi_table_column(const sbi_table *t, const char *name)
{
    for (int c = 0; name != NULL && c < t->n_columns; c++)
        if (strcmp(t->section->columns[c].name, name) == 0)
            return c;
    return -1;
}

const char *sbi_table_text(const sbi_table *t, int64_t row, int column)
{
    return column < 0 ? NULL : t->rows.text[row * t->n_columns + column];
}

double sbi_table_real(const sbi_table *t, int64_t row, int column)
{
    return column < 0 ? (double)NAN : t->rows.real[row * t->n_columns + column];
}

int sbi_table_series(const sbi_table *t)
{
    for (int c = 0; c < t->n_columns; c++)
        if ((t->section->columns[c].role & SBI_SERIES) != 0)
            return c;
    return -1;
}

/* Bring the statement's columns into the section's order; each is there once. */
static sb_status arrange(const sbi_section *s, sb_answer *r, int n)
{
    char  *text[SBI_MAX_COLUMNS];
    double real[SBI_MAX_COLUMNS];
    int    from[SBI_MAX_COLUMNS];
    if (n != r->n_columns || n > SBI_MAX_COLUMNS)
        return sb_fail(SB_ERR_INTERNAL, "found %d columns, wanted %d", r->n_columns, n);
    for (int c = 0; c < n; c++) {
        from[c] = -1;
        for (int k = 0; k < n; k++)
            if (strcmp(r->names[k], s->columns[c].name) == 0)
                from[c] = k;
        if (from[c] < 0)
            return sb_fail(SB_ERR_INTERNAL, "no column %s", s->columns[c].name);
    }
    for (int64_t i = 0; i < r->n_rows; i++) {
        char  **t = r->text + i * n;
        double *d = r->real + i * n;
        memcpy((void *)text, (void *)t, (size_t)n * sizeof *text);
        memcpy(real, d, (size_t)n * sizeof *real);
        for (int c = 0; c < n; c++) {
            t[c] = text[from[c]];
            d[c] = real[from[c]];
        }
    }
    return SB_OK;
}

/* "name 0x1f parameters" becomes the label. */
static sb_status name_cell(const sb_names *names, const sbi_column *c, char **text, double *real)
{
    char kind = strcmp(c->name, "method") == 0 ? 'm' : strcmp(c->name, "model") == 0 ? 'o' : 't';
    const sb_name *x    = *text == NULL ? NULL : sb_names_find(names, kind, *text);
    if (x == NULL)
        return SB_OK;
    char *label = strdup(x->label);
    if (label == NULL)
        return sb_fail(SB_ERR_NOMEM, "report: no memory for a name");
    free(*text);
    *text = label;
    if (kind == 'm')
        *real = x->number;
    return SB_OK;
}

static int differ(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a != b : strcmp(a, b) != 0;
}

sb_status sbi_table_read(sb_store *s, const sb_names *names, const sbi_section *section,
                         sbi_table *out)
{
    sbi_table t    = {.section = section, .names = names};
    sb_status st   = SB_OK;
    char     *text = NULL;
    if (section->with != NULL && asprintf(&text, "%s%s", section->with, section->sql) < 0)
        return no_memory(section);
    st = sb_store_ask(s, text == NULL ? section->sql : text, &t.rows);
    free(text);
    while (section->columns[t.n_columns].name != NULL)
        t.n_columns++;
    if (st == SB_OK)
        st = arrange(section, &t.rows, t.n_columns);
    for (int64_t i = 0; st == SB_OK && i < t.rows.n_rows; i++)
        for (int c = 0; st == SB_OK && c < t.n_columns; c++) {
            char **cell = &t.rows.text[i * t.n_columns + c];
            if (section->columns[c].show == SBI_SHOW_NAME)
                st =
                    name_cell(names, &section->columns[c], cell, &t.rows.real[i * t.n_columns + c]);
            t.varies[c] |= differ(*cell, t.rows.text[c]);
        }
    if (st == SB_OK)
        *out = t;
    else
        sb_answer_fini(&t.rows);
    return st;
}

void sbi_table_fini(sbi_table *t) { sb_answer_fini(&t->rows); }

static int together(const sbi_table *t, int apart, int64_t a, int64_t b)
{
    for (int c = 0; c < t->n_columns; c++)
        if (t->varies[c] && (c == apart || (t->section->columns[c].role & SBI_FACET) != 0) &&
            differ(sbi_table_text(t, a, c), sbi_table_text(t, b, c)))
            return 0;
    return 1;
}

sb_status sbi_panels_make(const sbi_table *t, int apart, sbi_panels *out)
{
    size_t     n = (size_t)t->rows.n_rows;
    sbi_panels p = {.rows = calloc(n + 1, sizeof *p.rows), .first = calloc(n + 2, sizeof *p.first)};
    char      *taken = calloc(n + 1, 1);
    int64_t    at    = 0;
    if (p.rows == NULL || p.first == NULL || taken == NULL) {
        free(taken);
        sbi_panels_fini(&p);
        return no_memory(t->section);
    }
    for (int64_t i = 0; i < t->rows.n_rows; i++) {
        if (taken[i])
            continue;
        for (int64_t k = i; k < t->rows.n_rows; k++)
            if (!taken[k] && together(t, apart, i, k)) {
                taken[k]     = 1;
                p.rows[at++] = k;
            }
        p.first[++p.n] = at;
    }
    free(taken);
    *out = p;
    return SB_OK;
}

void sbi_panels_fini(sbi_panels *p)
{
    free(p->rows);
    free(p->first);
    *p = (sbi_panels){0};
}

char *sbi_table_say(const sbi_table *t, int64_t row, int column)
{
    const sbi_column *c    = &t->section->columns[column];
    const char       *text = sbi_table_text(t, row, column);
    char             *out  = NULL;
    char              tokens[32];
    if (c->show == SBI_SHOW_FLAG)
        return strdup(sbi_table_real(t, row, column) != 0 ? c->heading : "not oversubscribed");
    if (text == NULL)
        return asprintf(&out, "no %s", c->heading) < 0 ? NULL : out;
    if (strcmp(c->name, "length") == 0) {
        sbi_tokens(sbi_table_real(t, row, column), tokens);
        return asprintf(&out, "%s tokens", tokens) < 0 ? NULL : out;
    }
    if (c->show == SBI_SHOW_COUNT || strcmp(c->name, "seed") == 0 || strcmp(c->name, "decode") == 0)
        return asprintf(&out, "%s %s", c->heading, text) < 0 ? NULL : out;
    return strdup(text);
}
