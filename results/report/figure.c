/* The plots of a section: a legend, then a panel for every group of rows that is drawn together. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/report/gnuplot.h"
#include "results/report/page.h"
#include "results/report/text.h"

enum { WIDTH = 420, MOST_PANELS = 48 };

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "report: no memory for a plot"); }

/* The marker of a point type around (18, 8), as gnuplot draws it. */
static void marker(FILE *out, int type, int colour)
{
    static const char *const shapes[] = {
        [4]  = "<rect x=\"14\" y=\"4\" width=\"8\" height=\"8\"/>",
        [6]  = "<circle cx=\"18\" cy=\"8\" r=\"4\"/>",
        [8]  = "<path d=\"M18,3 L13,11 L23,11 z\"/>",
        [10] = "<path d=\"M18,13 L13,5 L23,5 z\"/>",
        [12] = "<path d=\"M18,3 L13,8 L18,13 L23,8 z\"/>",
        [14] = "<path d=\"M18,12.5 L13.3,9.1 L15.1,3.6 L20.9,3.6 L22.7,9.1 z\"/>"};
    int  open     = type % 2 == 0;
    char fill[24] = "var(--paper)";
    if (!open)
        (void)snprintf(fill, sizeof fill, "var(--s%d)", colour);
    (void)fprintf(out, "<g stroke=\"var(--s%d)\" fill=\"%s\">%s</g>", colour, fill,
                  shapes[type - !open]);
}

static void series_entry(FILE *out, const sb_name *name, int cloud)
{
    int colour = sbi_series_colour(name->number),
        dash   = sbi_series_dash(name->number, name->untrained);
    (void)fputs("<li><svg class=\"key\" viewBox=\"0 0 36 16\" aria-hidden=\"true\">", out);
    if (!cloud)
        (void)fprintf(out, "<path d=\"M0,8 L36,8\" stroke=\"var(--s%d)\" stroke-width=\"2\"%s/>",
                      colour,
                      dash == 1   ? ""
                      : dash == 3 ? " stroke-dasharray=\"3,3\""
                                  : " stroke-dasharray=\"7,3\"");
    marker(out, sbi_point_type(name->number), colour);
    (void)fputs("</svg> ", out);
    sbi_put_html(out, name->label);
    (void)fputs(name->untrained
                    ? " <abbr title=\"untrained: needs trained weights\">†</abbr></li>\n"
                    : "</li>\n",
                out);
}

/* Methods that stand in the rows, each once, in their order. */
static sb_status series_legend(FILE *out, const sbi_table *t, int cloud)
{
    int            series = sbi_table_series(t);
    unsigned char *seen   = calloc((size_t)t->names->n_methods + 1, 1);
    if (seen == NULL)
        return no_memory();
    for (int64_t i = 0; i < t->rows.n_rows; i++) {
        double k = sbi_table_real(t, i, series);
        if (isfinite(k))
            seen[(int)k] = 1;
    }
    (void)fputs("<ul class=\"legend\">\n", out);
    for (int k = 0; k < t->names->n_methods; k++)
        if (seen[k])
            series_entry(out, sb_names_method(t->names, k), cloud);
    (void)fputs("</ul>\n", out);
    free(seen);
    return SB_OK;
}

static void stack_legend(FILE *out, const sbi_plot *q)
{
    (void)fputs("<ul class=\"legend\">\n", out);
    for (int i = 0; i < 6 && q->parts[i] != NULL; i++)
        (void)fprintf(out,
                      "<li><svg class=\"key\" viewBox=\"0 0 36 16\" aria-hidden=\"true\"><rect "
                      "width=\"36\" height=\"16\" "
                      "fill=\"var(--p%d)\"/></svg> %s</li>\n",
                      i, q->parts[i]);
    (void)fputs("<li><svg class=\"key\" viewBox=\"0 0 36 16\" aria-hidden=\"true\"><path d=\"M2,8 "
                "L34,8 M2,4 L2,12 M34,4 L34,12 "
                "M15,5 L21,11 M15,11 L21,5\" stroke=\"var(--ink)\" stroke-width=\"1.5\" "
                "fill=\"none\"/></svg> whole</li>\n</ul>\n",
                out);
}

static sb_status legend(FILE *out, const sbi_table *t, const sbi_plot *q)
{
    if (q->draw == SBI_DRAW_STACK) {
        stack_legend(out, q);
        return SB_OK;
    }
    return q->draw == SBI_DRAW_HEAT ? SB_OK : series_legend(out, t, q->draw == SBI_DRAW_CLOUD);
}

/* What sets the panel apart: "niah_single · ranks 2"; empty where there is one panel. malloc'd. */
static char *subtitle(const sbi_table *t, int apart, int64_t row)
{
    char  *text = NULL;
    size_t n    = 0;
    int    some = 0, lost = 0;
    FILE  *f = open_memstream(&text, &n);
    if (f == NULL)
        return NULL;
    for (int c = 0; c < t->n_columns; c++) {
        if (!(c == apart || (t->varies[c] && (t->section->columns[c].role & SBI_FACET) != 0)))
            continue;
        char *say = sbi_table_say(t, row, c);
        lost |= say == NULL;
        (void)fprintf(f, "%s%s", some++ ? " \xc2\xb7 " : "", say == NULL ? "" : say);
        free(say);
    }
    if (fclose(f) != 0 || lost) {
        free(text);
        return NULL;
    }
    return text;
}

static sb_status script_of(const sbi_panel *p, sbi_script *s, int *drawn)
{
    sb_status (*const draw[])(const sbi_panel *, sbi_script *,
                              int *) = {[SBI_DRAW_LINES] = sbi_draw_lines,
                                        [SBI_DRAW_CLOUD] = sbi_draw_cloud,
                                        [SBI_DRAW_HEAT]  = sbi_draw_heat,
                                        [SBI_DRAW_STACK] = sbi_draw_stack};
    int       height                 = p->plot->draw == SBI_DRAW_STACK  ? sbi_stack_height(p)
                                       : p->plot->draw == SBI_DRAW_HEAT ? 340
                                                                        : 300;
    sb_status st                     = sbi_script_init(s, WIDTH, height);
    if (st == SB_OK)
        st = draw[p->plot->draw](p, s, drawn);
    return st == SB_OK && *drawn ? sbi_script_end(s) : st;
}

/* The grid that panels stand in is opened by the first of them. */
static void in_grid(sbi_page *page, int on)
{
    if (page->in_grid != on)
        (void)fputs(on ? "<div class=\"panels\">\n" : "</div>\n", page->out);
    page->in_grid = on;
}

static sb_status put_panel(sbi_page *page, const sbi_panel *p, int apart)
{
    sbi_script s     = {0};
    int        drawn = 0;
    char      *svg = NULL, *more = subtitle(p->t, apart, p->rows[0]), *what = NULL;
    char       id[64];
    sb_status  st = more == NULL ? no_memory() : script_of(p, &s, &drawn);
    if (st == SB_OK && drawn)
        st = sbi_gnuplot_run(s.text, &svg);
    if (st == SB_OK && drawn &&
        asprintf(&what, "%s%s%s", p->plot->title, *more == '\0' ? "" : ", ", more) < 0)
        st = no_memory();
    if ((st == SB_OK && drawn) || st == SB_ERR_UNSUPPORTED)
        in_grid(page, 1);
    if (st == SB_OK && drawn) {
        (void)snprintf(id, sizeof id, "%s-%d", p->t->section->id, ++page->n_plots);
        (void)fprintf(page->out, "<div class=\"panel\"><h4>%s", p->plot->title);
        (void)fputs(*more == '\0' ? "" : " <small>", page->out);
        sbi_put_html(page->out, more);
        (void)fputs(*more == '\0' ? "</h4>\n" : "</small></h4>\n", page->out);
        st = sbi_put_svg(page->out, svg, &s, id, what);
        (void)fputs("</div>\n", page->out);
    }
    if (st == SB_ERR_UNSUPPORTED) { /* more bars than fit: the table has them */
        (void)fprintf(page->out, "<div class=\"panel\"><h4>%s <small>", p->plot->title);
        sbi_put_html(page->out, more);
        (void)fputs("</small></h4><p class=\"none\">Too many methods to draw; the table has "
                    "them.</p></div>\n",
                    page->out);
        st = SB_OK;
    }
    free(svg), free(more), free(what);
    sbi_script_fini(&s);
    return st;
}

/* *n_drawn: panels that have something in them. */
static sb_status put_plot(sbi_page *page, const sbi_table *t, const sbi_plot *q, int *n_drawn)
{
    int        apart  = sbi_table_column(t, q->apart);
    sbi_panels panels = {0};
    sb_status  st     = sbi_panels_make(t, apart, &panels);
    int        before = page->n_plots;
    if (st == SB_OK && panels.n > 1) /* several begin a row; single ones share it */
        in_grid(page, 0);
    for (int64_t i = 0; st == SB_OK && i < panels.n && i < MOST_PANELS; i++) {
        sbi_panel p = {t, q, panels.rows + panels.first[i], panels.first[i + 1] - panels.first[i]};
        st          = put_panel(page, &p, apart);
    }
    if (st == SB_OK && panels.n > 1)
        in_grid(page, 0);
    if (st == SB_OK && panels.n > MOST_PANELS)
        (void)fprintf(
            page->out,
            "<p class=\"none\">%s: the first %d of %lld panels are drawn; the table has all "
            "rows.</p>\n",
            q->title, MOST_PANELS, (long long)panels.n);
    *n_drawn = page->n_plots - before;
    sbi_panels_fini(&panels);
    return st;
}

sb_status sbi_put_figure(sbi_page *page, const sbi_table *t)
{
    const sbi_plot *q     = t->section->plots;
    sb_status       st    = SB_OK;
    char           *text  = NULL;
    size_t          bytes = 0;
    if (page->plots == SB_REPORT_NO_PLOTS || q == NULL || t->rows.n_rows == 0)
        return SB_OK;
    FILE *notes = open_memstream(&text, &bytes);
    if (notes == NULL)
        return no_memory();
    st = legend(page->out, t, q);
    for (int n = 0; st == SB_OK && q->draw != SBI_DRAW_NONE; q++, n = 0) {
        st = put_plot(page, t, q, &n);
        if (st == SB_OK && n == 0)
            (void)fprintf(notes, "<p class=\"none\">%s: no row has a figure to draw.</p>\n",
                          q->title);
    }
    in_grid(page, 0);
    if (fclose(notes) != 0 && st == SB_OK) /* behind the panels, so that these share rows */
        st = no_memory();
    if (st == SB_OK)
        (void)fputs(text, page->out);
    free(text);
    return st;
}
