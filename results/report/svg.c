/* gnuplot's drawing as an element of the page: names made unique, colours turned into the style
 * sheet's variables, titles and labels of the database put in; markers that are not drawn, empty
 * groups and attributes that say what holds without them left out: half of its bytes. */
#include <stdlib.h>
#include <string.h>

#include "results/report/panel.h"
#include "results/report/text.h"

static int starts(const char *p, const char *with) { return strncmp(p, with, strlen(with)) == 0; }

/* Behind `close` in p, or p's end. */
static const char *behind(const char *p, const char *close)
{
    const char *at = strstr(p, close);
    return at == NULL ? p + strlen(p) : at + strlen(close);
}

/* "rgb( r, g, b)": our placeholders become variables, other colours stay. */
static const char *colour(FILE *out, const char *p)
{
    unsigned    r = 0, g = 0, b = 0;
    int         n       = 0;
    const char *names[] = {"ink", "grid", "muted"};
    if (sscanf(p, "rgb( %u , %u , %u )%n", &r, &g, &b, &n) != 3 || n == 0) {
        (void)fputc(*p, out);
        return p + 1;
    }
    if (r == 1 && g == 1)
        (void)fprintf(out, "var(--s%u)", b);
    else if (r == 1 && g == 2 && b < 3)
        (void)fprintf(out, "var(--%s)", names[b]);
    else if (r == 255 && g == 255 && b == 255) /* what it draws behind markers */
        (void)fputs("var(--paper)", out);
    else if (r == 1 && g == 3)
        (void)fprintf(out, "var(--p%u)", b);
    else
        (void)fprintf(out, "#%02x%02x%02x", r, g, b);
    return p + n;
}

/* "gnuplot_plot_3</title>" -> the third thing's own title; the element's start is still to write.
 */
static const char *title(FILE *out, const char *p, const sbi_script *s)
{
    long        k  = strtol(p + strlen("<title>gnuplot_plot_"), NULL, 10);
    const char *to = behind(p, "</title>");
    if (k >= 1 && k <= s->n_titles && s->titles[k - 1] != NULL) {
        (void)fputs("<title>", out);
        sbi_put_html(out, s->titles[k - 1]);
        (void)fputs("</title>", out);
    }
    return to;
}

/* "~3~" -> the label. */
static const char *label(FILE *out, const char *p, const sbi_script *s)
{
    char *end = NULL;
    long  k   = strtol(p + 1, &end, 10);
    if (end == p + 1 || *end != '~' || k < 0 || k >= s->n_labels) {
        (void)fputc(*p, out);
        return p + 1;
    }
    sbi_put_html(out, s->labels[k]);
    return end + 1;
}

/* "<g ...>" with nothing in it: behind its end; else NULL. */
static const char *empty_group(const char *p)
{
    const char *to = starts(p, "<g ") ? strchr(p, '>') : NULL;
    if (to == NULL)
        return NULL;
    to++;
    to += strspn(to, " \t\n");
    return starts(to, "</g>") ? to + 4 + strspn(to + 4, " \t\n") : NULL;
}

/* Is the marker `name` drawn, or made of by one that is? Its own line does not count. */
static int is_drawn(const char *svg, const char *name)
{
    char        by[40];
    const char *end = strstr(svg, "</defs>");
    (void)snprintf(by, sizeof by, "'#%.32s'", name);
    for (const char *p = svg; end != NULL && (p = strstr(p, by)) != NULL; p++) {
        char        other[33];
        const char *id = strstr(p, "id='");
        if (p > end)
            return 1;
        if (id != NULL && sscanf(id, "id='%32[^']", other) == 1 && is_drawn(svg, other))
            return 1;
    }
    return 0;
}

/* The definition of a marker that is not drawn: behind it; else NULL. */
static const char *unused_marker(const char *svg, const char *p)
{
    char        name[33];
    const char *id = NULL;
    const char *to = *p == '<' ? strchr(p, '>') : NULL;
    if (to == NULL || to[-1] != '/' || strstr(p, "</defs>") == NULL)
        return NULL;
    id = strstr(p, "id='gp");
    if (id == NULL || id > to || sscanf(id, "id='%32[^']", name) != 1 || is_drawn(svg, name))
        return NULL;
    return to + 1 + strspn(to + 1, " \t\n");
}

/* ' id="gnuplot_plot_3" ', which nobody refers to: behind it; else NULL. */
static const char *plot_id(const char *p)
{
    return starts(p, " id=\"gnuplot_plot_") ? behind(p + strlen(" id=\""), "\" ") : NULL;
}

/* Blanks between two tags: behind them; else NULL. */
static const char *between(const char *svg, const char *p)
{
    const char *to = p + strspn(p, " \t\n");
    return to > p && *to == '<' && p > svg && p[-1] == '>' ? to : NULL;
}

typedef struct swap {
    const char *from, *to; /* NULL to: the same */
    int         prefix;    /* 1: a name follows that is to be made unique */
} swap;

static const char *copy_one(FILE *out, const char *svg, const char *p, const sbi_script *s,
                            const char *id)
{
    static const swap swaps[] = {
        {" id='", NULL, 1},
        {" id=\"", NULL, 1},
        {"xlink:href='#", "href='#", 1},
        {"url(#", NULL, 1},
        {"<g fill=\"none\" color=\"black\" stroke=\"currentColor\"", "<g", 0},
        {" class=\"gridline\"", "", 0},
        {"  d='", " d='", 0},
        {"  '/>", "'/>", 0},
        {"\n\t\t", "\n", 0},
        {" stroke=\"none\" fill=\"rgb(1,2,0)\" font-family=\"sans-serif\" font-size=\"13.00\" ",
         " class=\"t\"", 0},
        {" stroke=\"none\" fill=\"rgb(1,2,2)\" font-family=\"sans-serif\" font-size=\"13.00\" ",
         " class=\"t m\"", 0},
        {" stroke-width=\"1.00\"", "", 0},
        {" stroke-linecap=\"butt\"", "", 0},
        {" stroke-linejoin=\"miter\"", "", 0},
        {" font-family=\"sans-serif\"", "", 0}, /* the sheet has it */
        {"stroke=\"black\"", "stroke=\"currentColor\"", 0},
        {"'black'", "'currentColor'", 0},
        {"\"gray\"", "\"currentColor\"", 0},
        {"'gray'", "'currentColor'", 0},
        {"'white'", "'var(--paper)'", 0},
        {"#FFFFFF", "var(--paper)", 0}};
    const char *skip = empty_group(p);
    if (skip == NULL)
        skip = unused_marker(svg, p);
    if (skip == NULL)
        skip = plot_id(p);
    if (skip == NULL)
        skip = between(svg, p);
    if (skip != NULL)
        return skip;
    if (starts(p, "<filter"))
        return behind(p, "</filter>");
    if (starts(p, "<rect x=\"0\" y=\"0\" ")) /* its background, without a colour */
        return behind(p, "/>");
    if (starts(p, "<title>gnuplot_plot_"))
        return title(out, p, s);
    if (starts(p, "rgb("))
        return colour(out, p);
    if (*p == '~')
        return label(out, p, s);
    for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++)
        if (starts(p, swaps[i].from)) {
            (void)fprintf(out, "%s%s%s", swaps[i].to == NULL ? swaps[i].from : swaps[i].to,
                          swaps[i].prefix ? id : "", swaps[i].prefix ? "-" : "");
            return p + strlen(swaps[i].from);
        }
    (void)fputc(*p, out);
    return p + 1;
}

sb_status sbi_put_svg(FILE *out, const char *svg, const sbi_script *s, const char *id,
                      const char *what)
{
    const char *p   = strstr(svg, "<g id=\"gnuplot_canvas\">");
    const char *end = p == NULL ? NULL : strstr(p, "</svg>");
    if (end == NULL)
        return sb_fail(SB_ERR_IO, "gnuplot: its drawing is not what gnuplot 5.4 writes: %.80s",
                       svg);
    (void)fprintf(out,
                  "<svg class=\"plot\" id=\"%s\" viewBox=\"0 0 %d %d\" role=\"img\" "
                  "fill=\"none\" stroke=\"currentColor\" xmlns=\"http://www.w3.org/2000/svg\" "
                  "xmlns:xlink=\"http://www.w3.org/1999/xlink\">"
                  "<title>",
                  id, s->width, s->height);
    sbi_put_html(out, what);
    (void)fputs("</title>\n", out);
    while (p < end)
        p = copy_one(out, svg, p, s, id);
    (void)fputs("</svg>\n", out);
    return SB_OK;
}
