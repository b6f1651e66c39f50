/* The essentials as text: a table a section, of the columns that matter most. */
#include <stdlib.h>
#include <string.h>

#include "results/report/grid.h"
#include "results/report/page.h"
#include "results/report/text.h"

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

/* Text without control characters. malloc'd. */
static char *plain(const char *text)
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
    return out;
}

static sb_status fill(const sbi_table *t, sbi_grid *g)
{
    int column[SBI_MAX_COLUMNS];
    for (int c = 0; c < t->n_columns; c++)
        if (wanted(t, c)) {
            sbi_show show = t->section->columns[c].show;
            g->name[g->n] = show == SBI_SHOW_NAME;
            g->right[g->n] =
                show != SBI_SHOW_TEXT && show != SBI_SHOW_TIME && show != SBI_SHOW_NAME;
            column[g->n++] = c;
        }
    g->n_rows = t->rows.n_rows + 1;
    g->text   = calloc((size_t)(g->n_rows * g->n) + 1, sizeof *g->text);
    if (g->text == NULL)
        return no_memory();
    for (int64_t i = 0; i < g->n_rows; i++)
        for (int k = 0; k < g->n; k++) {
            int               c    = column[k];
            const sbi_column *col  = &t->section->columns[c];
            char             *cell = i == 0 ? strdup(col->heading)
                                            : sbi_show_cell(col->show, sbi_table_text(t, i - 1, c),
                                                            sbi_table_real(t, i - 1, c));
            g->text[i * g->n + k]  = cell == NULL ? NULL : plain(cell);
            free(cell);
            if (g->text[i * g->n + k] == NULL)
                return no_memory();
        }
    return SB_OK;
}

/* What all rows have in common, once. */
static sb_status put_common(const sbi_table *t, int width, FILE *out)
{
    char  *text = NULL;
    size_t n    = 0;
    int    some = 0;
    FILE  *f    = open_memstream(&text, &n);
    if (f == NULL)
        return no_memory();
    for (int c = 0; c < t->n_columns; c++) {
        const sbi_column *k  = &t->section->columns[c];
        const char       *is = sbi_table_text(t, 0, c);
        if ((k->role & SBI_FACET) == 0 || t->varies[c] || is == NULL || *is == '\0' ||
            (k->show == SBI_SHOW_FLAG && sbi_table_real(t, 0, c) == 0))
            continue;
        (void)fprintf(f, "%s%s ", some++ ? "; " : "", k->heading);
        sbi_put_plain(f, is);
    }
    if (fclose(f) != 0) {
        free(text);
        return no_memory();
    }
    if (some)
        sbi_put_wrapped(out, text, width);
    free(text);
    return SB_OK;
}

static sb_status put_why(sb_store *s, const sbi_section *x, int width, FILE *out)
{
    char     *why = NULL, *text = NULL;
    sb_status st = sbi_ask_why(s, x, &why);
    if (st == SB_OK && (text = plain(why)) == NULL)
        st = no_memory();
    if (st == SB_OK)
        sbi_put_wrapped(out, text, width);
    free(why);
    free(text);
    return st;
}

static sb_status put_section(sb_store *s, const sb_names *names, const sbi_section *x, int width,
                             FILE *out)
{
    sbi_table t  = {0};
    sbi_grid  g  = {0};
    sb_status st = sbi_table_read(s, names, x, &t);
    if (st != SB_OK)
        return sb_wrap(st, "report, section %s", x->id);
    (void)fprintf(out, "\n%s\n", x->title);
    if (t.rows.n_rows == 0) {
        st = put_why(s, x, width, out);
    } else {
        st = put_common(&t, width, out);
        if (st == SB_OK)
            st = fill(&t, &g);
        if (st == SB_OK)
            st = sbi_grid_print(&g, width, out);
    }
    sbi_grid_fini(&g);
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

sb_status sb_report_write_text(sb_store *s, const sb_report_facts *f, int width, FILE *out)
{
    sb_names  names = {0};
    sb_status st    = sb_names_read(s, &names);
    if (st == SB_OK) {
        (void)fputs("spanbench report: ", out);
        sbi_put_plain(out, f->database);
        (void)fprintf(out, " (written by spanbench %s, commit %s)\n", f->version, f->commit);
    }
    for (const sbi_section *x = sbi_sections; st == SB_OK && x->id != NULL; x++)
        if (is_brief(x))
            st = put_section(s, &names, x, width, out);
    sb_names_fini(&names);
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "report: cannot write the text out");
    return st;
}
