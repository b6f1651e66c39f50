/* The essentials as text: a table a section, of the columns that matter most. */
#include <stdlib.h>
#include <string.h>

#include "results/report/page.h"
#include "results/report/text.h"

enum { WIDEST = 60 };

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "report: no memory for a table"); }

static int wanted(const sbi_table *t, int c)
{
    const sbi_column *k = &t->section->columns[c];
    if ((k->role & SBI_FACET) != 0 && t->varies[c])
        return 1;
    if ((k->role & SBI_BRIEF) == 0)
        return 0;
    for (int64_t i = 0; i < t->rows.n_rows; i++) {
        const char *text = sbi_table_text(t, i, c);
        if (text != NULL && *text != '\0' &&
            (k->show != SBI_SHOW_FLAG || sbi_table_real(t, i, c) != 0))
            return 1;
    }
    return 0;
}

/* A cell without control characters, at most WIDEST columns but in the last column. malloc'd. */
static char *plain(const char *text, int last)
{
    char  *out = NULL;
    size_t n   = 0;
    FILE  *f   = open_memstream(&out, &n);
    if (f == NULL)
        return NULL;
    sbi_put_plain(f, text);
    if (fclose(f) != 0) {
        free(out);
        return NULL;
    }
    if (!last && sbi_width(out) > WIDEST) {
        size_t at = 0;
        for (int i = 0; i < WIDEST - 3; i++)
            do
                at++;
            while (((unsigned char)out[at] & 0xc0) == 0x80);
        memcpy(out + at, "...", 4);
    }
    return out;
}

typedef struct grid {
    char  **text; /* [row + 1][column]: headings first */
    int    *column;
    int     n;
    int64_t n_rows;
} grid;

static sb_status fill(const sbi_table *t, grid *g)
{
    for (int c = 0; c < t->n_columns; c++)
        if (wanted(t, c))
            g->column[g->n++] = c;
    g->n_rows = t->rows.n_rows + 1;
    g->text   = calloc((size_t)(g->n_rows * g->n) + 1, sizeof *g->text);
    if (g->text == NULL)
        return no_memory();
    for (int64_t i = 0; i < g->n_rows; i++)
        for (int k = 0; k < g->n; k++) {
            int               c    = g->column[k];
            const sbi_column *col  = &t->section->columns[c];
            char             *cell = i == 0 ? strdup(col->heading)
                                            : sbi_show_cell(col->show, sbi_table_text(t, i - 1, c),
                                                            sbi_table_real(t, i - 1, c));
            g->text[i * g->n + k]  = cell == NULL ? NULL : plain(cell, k == g->n - 1);
            free(cell);
            if (g->text[i * g->n + k] == NULL)
                return no_memory();
        }
    return SB_OK;
}

static void print(const sbi_table *t, const grid *g, FILE *out)
{
    int64_t width[SBI_MAX_COLUMNS] = {0};
    for (int64_t i = 0; i < g->n_rows * g->n; i++)
        if (sbi_width(g->text[i]) > width[i % g->n])
            width[i % g->n] = sbi_width(g->text[i]);
    for (int64_t i = 0; i < g->n_rows; i++)
        for (int k = 0; k < g->n; k++) {
            sbi_show show = t->section->columns[g->column[k]].show;
            int right     = show != SBI_SHOW_TEXT && show != SBI_SHOW_TIME && show != SBI_SHOW_NAME;
            int last      = k == g->n - 1;
            int pad       = (int)(width[k] - sbi_width(g->text[i * g->n + k]));
            (void)fprintf(out, "%s%*s%s%*s", k == 0 ? "  " : "  ", right ? pad : 0, "",
                          g->text[i * g->n + k], right || last ? 0 : pad, "");
            if (last)
                (void)fputc('\n', out);
        }
}

static sb_status put_section(sb_store *s, const sb_names *names, const sbi_section *x, FILE *out)
{
    sbi_table t   = {0};
    char     *why = NULL;
    int       column[SBI_MAX_COLUMNS];
    grid      g  = {.column = column};
    sb_status st = sbi_table_read(s, names, x, &t);
    if (st != SB_OK)
        return sb_wrap(st, "report, section %s", x->id);
    (void)fprintf(out, "\n%s\n", x->title);
    if (t.rows.n_rows == 0) {
        st = sbi_ask_why(s, x, &why);
        if (st == SB_OK) {
            (void)fputs("  ", out);
            sbi_put_plain(out, why);
            (void)fputc('\n', out);
        }
    } else {
        st = fill(&t, &g);
        if (st == SB_OK)
            print(&t, &g, out);
    }
    for (int64_t i = 0; g.text != NULL && i < g.n_rows * g.n; i++)
        free(g.text[i]);
    free(g.text);
    free(why);
    sbi_table_fini(&t);
    return st;
}

static int is_brief(const sbi_section *x)
{
    for (const sbi_column *c = x->columns; c->name != NULL; c++)
        if ((c->role & SBI_BRIEF) != 0 && (c->role & SBI_SERIES) == 0 &&
            strcmp(c->name, "length") != 0 && strcmp(c->name, "input") != 0)
            return 1;
    return 0;
}

sb_status sb_report_write_text(sb_store *s, const sb_report_facts *f, FILE *out)
{
    sb_names names = {0};
    sb_status st    = sb_names_read(s, &names);
    if (st == SB_OK) {
        (void)fputs("spanbench report: ", out);
        sbi_put_plain(out, f->database);
        (void)fprintf(out, " (written by spanbench %s, commit %s)\n", f->version, f->commit);
    }
    for (const sbi_section *x = sbi_sections; st == SB_OK && x->id != NULL; x++)
        if (is_brief(x))
            st = put_section(s, &names, x, out);
    sb_names_fini(&names);
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "report: cannot write the text out");
    return st;
}
