/* The page as a whole. */
#include "results/report/page.h"

#include <stdlib.h>
#include <string.h>

#include "results/report/gnuplot.h"
#include "results/report/text.h"
#include "results/report/texts.h"

sb_status sb_report_check_gnuplot(void) { return sbi_gnuplot_check(); }

sb_status sbi_ask_why(sb_store *s, const sbi_section *section, char **why)
{
    sb_answer r  = {0};
    sb_status st = sb_store_ask(s, section->why, &r);
    if (st == SB_OK && (r.n_rows != 1 || r.n_columns != 1))
        st = sb_fail(SB_ERR_INTERNAL, "report, section %s: no reason for its emptiness",
                     section->id);
    if (st == SB_OK && (*why = strdup(r.text[0] == NULL ? "No row." : r.text[0])) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "report: no memory for a reason");
    sb_answer_fini(&r);
    return st;
}

static void put_head(FILE *out, const sb_report_facts *f)
{
    (void)fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'unsafe-inline'; img-src data:\">\n"
                "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=\"color-scheme\" content=\"light dark\">\n"
                "<link rel=\"icon\" href=\"data:,\">\n<title>",
                out);
    sbi_put_html(out, f->database);
    (void)fprintf(
        out, " - spanbench report</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>",
        sbi_report_style);
    sbi_put_html(out, f->database);
    (void)fputs("</h1>\n", out);
}

/* The figures that say how much there is. */
static sb_status put_counts(sb_store *s, FILE *out)
{
    static const char sql[] = "SELECT (SELECT count(*) FROM run) AS \"runs\", (SELECT count(*) "
                              "FROM coverage) AS \"points\", (SELECT count(*) FROM "
                              "latest_sample WHERE is_anchor = 0) AS \"samples\", (SELECT count(*) "
                              "FROM latest_sample WHERE is_anchor = 0 AND status <> 'ok') "
                              "AS \"of them not ok\", (SELECT count(DISTINCT method) FROM point) "
                              "AS \"methods\", (SELECT count(DISTINCT model) FROM point) AS "
                              "\"models\", (SELECT count(DISTINCT task) FROM point) AS \"tasks or "
                              "inputs\", (SELECT count(DISTINCT length_tokens) FROM point) "
                              "AS \"lengths\"";
    sb_answer         r     = {0};
    sb_status         st    = sb_store_ask(s, sql, &r);
    (void)fputs("<ul class=\"counts\">\n", out);
    for (int c = 0; st == SB_OK && c < r.n_columns; c++)
        (void)fprintf(out, "<li><b>%s</b> %s</li>\n", r.text[c], r.names[c]);
    (void)fputs("</ul>\n", out);
    sb_answer_fini(&r);
    return st;
}

static void put_menu(FILE *out)
{
    (void)fputs("<nav aria-label=\"Sections\"><ul>\n", out);
    for (const sbi_section *x = sbi_sections; x->id != NULL; x++)
        if (x->level == 2)
            (void)fprintf(out, "<li><a href=\"#%s\">%s</a></li>\n", x->id, x->title);
    (void)fputs("</ul></nav>\n</header>\n<main>\n", out);
}

static sb_status put_section(sbi_page *page, sb_store *s, const sb_names *names,
                             const sbi_section *x)
{
    sbi_table t   = {0};
    char     *why = NULL;
    sb_status st  = sbi_table_read(s, names, x, &t);
    if (st != SB_OK)
        return sb_wrap(st, "report, section %s", x->id);
    (void)fprintf(page->out, "<section id=\"%s\">\n<h%d>%s</h%d>\n<p class=\"lead\">%s</p>\n",
                  x->id, x->level, x->title, x->level, x->lead);
    if (t.rows.n_rows == 0) {
        st = sbi_ask_why(s, x, &why);
        if (st == SB_OK) {
            (void)fputs("<p class=\"none\">", page->out);
            sbi_put_html(page->out, why);
            (void)fputs("</p>\n", page->out);
        }
    } else {
        int plots = page->plots == SB_REPORT_PLOTS && x->plots != NULL;
        st        = sbi_put_common(page, &t);
        if (st == SB_OK)
            st = sbi_put_figure(page, &t);
        if (st == SB_OK)
            st = sbi_put_rows(page, &t, !plots);
    }
    (void)fputs("</section>\n", page->out);
    free(why);
    sbi_table_fini(&t);
    return st;
}

static void put_foot(FILE *out, const sb_report_facts *f)
{
    (void)fputs("</main>\n<footer>\n<p>Of a method the parameters are named that differ within "
                "this database. Scores of a trained model are "
                "those of its own weights; of the model <code>probe</code> they show what a method "
                "loses, not what a model can.</p>\n"
                "<p>Written by spanbench ",
                out);
    sbi_put_html(out, f->version);
    (void)fputs(", commit ", out);
    sbi_put_html(out, f->commit);
    (void)fputs(", from the views of the database alone.</p>\n</footer>\n</body>\n</html>\n", out);
}

sb_status sb_report_write_html(sb_store *s, const sb_report_facts *f, sb_report_plots plots,
                               FILE *out)
{
    sbi_page  page  = {.out = out, .plots = plots};
    sb_names  names = {0};
    sb_status st    = plots == SB_REPORT_PLOTS ? sbi_gnuplot_check() : SB_OK;
    if (st == SB_OK)
        st = sb_names_read(s, &names);
    if (st == SB_OK) {
        put_head(out, f);
        st = put_counts(s, out);
        put_menu(out);
    }
    for (const sbi_section *x = sbi_sections; st == SB_OK && x->id != NULL; x++)
        st = put_section(&page, s, &names, x);
    if (st == SB_OK)
        put_foot(out, f);
    sb_names_fini(&names);
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "report: cannot write the page out");
    return st;
}
