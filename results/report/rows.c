/* Rows as an HTML table for people and as CSV, every digit, for programs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/report/page.h"
#include "results/report/text.h"

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "report: no memory for a table"); }

/* Columns that the table shows: a facet where all rows are equal stands above it, once. */
static int shown(const sbi_table *t, int c)
{
    unsigned role = t->section->columns[c].role;
    return (role & SBI_QUIET) == 0 && ((role & SBI_FACET) == 0 || t->varies[c]);
}

/* Is there a cell in the column? Columns without are left out of the table. */
static int filled(const sbi_table *t, int c)
{
    for (int64_t i = 0; i < t->rows.n_rows; i++) {
        const char *text = sbi_table_text(t, i, c);
        if (text != NULL && *text != '\0' &&
            (t->section->columns[c].show != SBI_SHOW_FLAG || sbi_table_real(t, i, c) != 0))
            return 1;
    }
    return 0;
}

static int is_figure(sbi_show show)
{
    return show != SBI_SHOW_TEXT && show != SBI_SHOW_TIME && show != SBI_SHOW_NAME &&
           show != SBI_SHOW_FLAG;
}

sb_status sbi_put_common(sbi_page *page, const sbi_table *t)
{
    int some = 0;
    for (int c = 0; t->rows.n_rows > 0 && c < t->n_columns; c++) {
        const sbi_column *k  = &t->section->columns[c];
        const char       *is = sbi_table_text(t, 0, c);
        if ((k->role & SBI_FACET) == 0 || t->varies[c] || is == NULL || *is == '\0' ||
            (k->show == SBI_SHOW_FLAG && sbi_table_real(t, 0, c) == 0))
            continue;
        char *cell = sbi_show_cell(k->show, is, sbi_table_real(t, 0, c));
        if (cell == NULL)
            return no_memory();
        (void)fprintf(page->out, "%s<dt>%s</dt> <dd>", some++ ? " " : "<dl class=\"common\">\n",
                      k->heading);
        sbi_put_html(page->out, cell);
        (void)fputs("</dd>\n", page->out);
        free(cell);
    }
    (void)fputs(some ? "</dl>\n" : "", page->out);
    return SB_OK;
}

static sb_status put_cell(FILE *out, const sbi_table *t, int64_t row, int c)
{
    sbi_show show = t->section->columns[c].show;
    char    *cell = sbi_show_cell(show, sbi_table_text(t, row, c), sbi_table_real(t, row, c));
    if (cell == NULL)
        return no_memory();
    (void)fputs(is_figure(show)     ? "<td>"
                : strlen(cell) > 48 ? "<td class=\"l\">"
                                    : "<td class=\"t\">",
                out);
    sbi_put_html(out, cell);
    (void)fputs("</td>", out);
    free(cell);
    return SB_OK;
}

static sb_status put_table(FILE *out, const sbi_table *t, const unsigned char *show)
{
    sb_status st = SB_OK;
    (void)fputs("<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>", out);
    for (int c = 0; c < t->n_columns; c++)
        if (show[c])
            (void)fprintf(out, "<th scope=\"col\"%s>%s</th>",
                          is_figure(t->section->columns[c].show) ? "" : " class=\"t\"",
                          t->section->columns[c].heading);
    (void)fputs("</tr></thead>\n<tbody>\n", out);
    for (int64_t i = 0; st == SB_OK && i < t->rows.n_rows; i++) {
        (void)fputs("<tr>", out);
        for (int c = 0; st == SB_OK && c < t->n_columns; c++)
            if (show[c])
                st = put_cell(out, t, i, c);
        (void)fputs("</tr>\n", out);
    }
    (void)fputs("</tbody></table></div>\n", out);
    return st;
}

/* All columns and rows, names as labels. */
static sb_status put_csv(FILE *out, const sbi_table *t)
{
    char  *text = NULL;
    size_t n    = 0;
    FILE  *f    = open_memstream(&text, &n);
    if (f == NULL)
        return no_memory();
    for (int c = 0; c < t->n_columns; c++)
        (void)fprintf(f, "%s%s", c == 0 ? "" : ",", t->section->columns[c].name);
    (void)fputs("\r\n", f);
    for (int64_t i = 0; i < t->rows.n_rows; i++)
        for (int c = 0; c < t->n_columns; c++) {
            const char *cell  = sbi_table_text(t, i, c);
            int         named = t->section->columns[c].show == SBI_SHOW_NAME;
            sbi_put_csv(f, cell == NULL ? "" : cell, !named && isfinite(sbi_table_real(t, i, c)));
            (void)fputs(c == t->n_columns - 1 ? "\r\n" : ",", f);
        }
    if (fclose(f) != 0) {
        free(text);
        return no_memory();
    }
    (void)fprintf(out,
                  "<p class=\"csv\"><a download=\"%s.csv\" href=\"data:text/csv;charset=utf-8,",
                  t->section->id);
    sbi_put_url(out, text);
    (void)fprintf(out, "\">%s.csv</a>: all columns, every digit, shares in [0,1]</p>\n",
                  t->section->id);
    free(text);
    return SB_OK;
}

sb_status sbi_put_rows(sbi_page *page, const sbi_table *t, int open)
{
    unsigned char show[SBI_MAX_COLUMNS];
    for (int c = 0; c < t->n_columns; c++)
        show[c] = (unsigned char)(shown(t, c) && filled(t, c));
    (void)fprintf(page->out, "<details%s><summary>Data: %lld row%s</summary>\n",
                  open ? " open" : "", (long long)t->rows.n_rows, t->rows.n_rows == 1 ? "" : "s");
    sb_status st = put_table(page->out, t, show);
    if (st == SB_OK)
        st = put_csv(page->out, t);
    (void)fputs("</details>\n", page->out);
    return st;
}
