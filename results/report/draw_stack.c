/* A bar a method, its parts behind each other; a mark with its span for the whole. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/report/panel.h"
#include "results/report/text.h"

enum { MOST_LETTERS = 24 };

typedef struct stack {
    const sbi_panel *p;
    int              parts[6], n_parts, whole, lo, hi, series;
} stack;

static double get(const stack *k, int64_t i, int column)
{
    return sbi_table_real(k->p->t, k->p->rows[i], column) * k->p->plot->scale;
}

static double sum(const stack *k, int64_t i)
{
    double all = 0;
    for (int c = 0; c < k->n_parts; c++)
        if (isfinite(get(k, i, k->parts[c])))
            all += get(k, i, k->parts[c]);
    return all;
}

static int has(const stack *k, int64_t i) { return isfinite(get(k, i, k->whole)) || sum(k, i) > 0; }

/* Where the n-th letter of text begins. */
static size_t letter(const char *text, int64_t n)
{
    size_t at = 0;
    while (n-- > 0)
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
    return at;
}

/* A text's beginning and end where it is too long. malloc'd. */
static char *shortened(const char *text)
{
    int64_t n   = sbi_width(text);
    char   *out = NULL;
    if (n <= MOST_LETTERS)
        return strdup(text);
    int head = (int)letter(text, MOST_LETTERS / 2 - 2);
    return asprintf(&out, "%.*s\xe2\x80\xa6%s", head, text,
                    text + letter(text, n - MOST_LETTERS / 2 - 1)) < 0
               ? NULL
               : out;
}

/* "a=1 b=2", where that is too long "1 2", where that is too long shortened. malloc'd. */
static char *parameters(const char *text)
{
    if (sbi_width(text) <= MOST_LETTERS)
        return strdup(text);
    char *values = sbi_bare_values(text), *out = values == NULL ? NULL : shortened(values);
    free(values);
    return out;
}

/* The name, below it the parameters: they tell bars of one method apart. */
static sb_status bar_label(const stack *k, sbi_script *s, int64_t i, int64_t place, int64_t n)
{
    const char *label = sbi_table_text(k->p->t, k->p->rows[i], k->series);
    size_t      name  = label == NULL ? 0 : strcspn(label, " ");
    char     *first = label == NULL ? strdup("") : strndup(label, name), *text = NULL, *more = NULL;
    int       at = 0, below = 0;
    sb_status st = SB_OK;
    if (first != NULL)
        text = shortened(first);
    if (label != NULL && label[name] == ' ' && (more = parameters(label + name + 1)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "report: no memory for a label");
    if (text == NULL)
        st = sb_fail(SB_ERR_NOMEM, "report: no memory for a label");
    if (st == SB_OK)
        st = sbi_script_label(s, text, &at);
    if (st == SB_OK && more != NULL)
        st = sbi_script_label(s, more, &below);
    if (st == SB_OK)
        (void)fprintf(s->f, "%s\"~%d~", place > 0 ? ", " : "set ytics (", at);
    if (st == SB_OK && more != NULL)
        (void)fprintf(s->f, "\\n~%d~", below);
    if (st == SB_OK)
        (void)fprintf(s->f, "\" %lld", (long long)(n - 1 - place));
    free(first);
    free(text);
    free(more);
    return st;
}

int sbi_stack_height(const sbi_panel *p)
{
    int series = sbi_table_series(p->t), lines = 1;
    for (int64_t i = 0; i < p->n_rows; i++) {
        const char *label = sbi_table_text(p->t, p->rows[i], series);
        if (label != NULL && strchr(label, ' ') != NULL)
            lines = 2;
    }
    return 64 + (lines == 2 ? 44 : 24) * (int)p->n_rows;
}

static sb_status axes(const stack *k, sbi_script *s, int64_t n)
{
    sb_status st    = SB_OK;
    sbi_span  x     = {0, 0};
    int64_t   place = 0;
    for (int64_t i = 0; i < k->p->n_rows; i++)
        if (has(k, i)) {
            sbi_span_add(&x, sum(k, i));
            sbi_span_add(&x, get(k, i, k->whole));
            sbi_span_add(&x, get(k, i, k->hi));
        }
    if (x.hi <= 0)
        x.hi = 1;
    (void)fprintf(
        s->f,
        "set lmargin at screen 0.44\nset rmargin at screen 0.96\nset tmargin at screen %.4f\n"
        "set bmargin at screen %.4f\nset border 1\nset grid noytics xtics lt 1 dt solid lw 1 lc "
        "rgb "
        "'#%06x'\nset yrange [-0.6:%.9g]\n",
        1 - 8.0 / s->height, 50.0 / s->height, SBI_COLOUR_GRID, (double)n - 0.4);
    for (int64_t i = 0; st == SB_OK && i < k->p->n_rows; i++)
        if (has(k, i))
            st = bar_label(k, s, i, place++, n);
    (void)fputs(")\nset ytics scale 0\n", s->f);
    double step = x.hi / 4, unit = pow(10, floor(log10(step))); /* few: they are wide */
    step = step <= unit       ? unit
           : step <= 2 * unit ? 2 * unit
           : step <= 5 * unit ? 5 * unit
                              : 10 * unit;
    (void)fprintf(s->f, "set xrange [0:%.9g]\nset xtics %.9g format '%%g'\n", 1.04 * x.hi, step);
    sbi_script_axis_title(s, 'x', k->p->plot->x_title, 1);
    return st;
}

static sb_status part(const stack *k, sbi_script *s, int c, int64_t n)
{
    char    how[128];
    int     some  = 0;
    int64_t place = 0;
    sbi_script_block(s);
    for (int64_t i = 0; i < k->p->n_rows; i++) {
        if (!has(k, i))
            continue;
        double from = 0, v = get(k, i, k->parts[c]), y = (double)(n - 1 - place++);
        for (int b = 0; b < c; b++)
            if (isfinite(get(k, i, k->parts[b])))
                from += get(k, i, k->parts[b]);
        if (!(v > 0))
            continue;
        some = 1;
        (void)fprintf(s->f, "%.9g %.9g %.9g %.9g %.9g %.9g\n", from + v / 2, y, from, from + v,
                      y - 0.36, y + 0.36);
    }
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how,
                   "using 1:2:3:4:5:6 with boxxyerror fs solid 1 noborder lc rgb '#%06x'",
                   SBI_COLOUR_PHASE + c);
    return some ? sbi_script_plot(s, how, k->p->plot->parts[c]) : SB_OK;
}

static sb_status wholes(const stack *k, sbi_script *s, int64_t n)
{
    char    how[128];
    int     some  = 0;
    int64_t place = 0;
    sbi_script_block(s);
    for (int64_t i = 0; i < k->p->n_rows; i++) {
        if (!has(k, i))
            continue;
        double v = get(k, i, k->whole), lo = get(k, i, k->lo), hi = get(k, i, k->hi),
               y = (double)(n - 1 - place++);
        if (!isfinite(v))
            continue;
        some = 1;
        (void)fprintf(s->f, "%.9g %.9g %.9g %.9g\n", v, y, isfinite(lo) ? lo : v,
                      isfinite(hi) ? hi : v);
    }
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how,
                   "using 1:2:3:4 with xerrorbars lt 1 dt solid lw 1.5 pt 2 ps 0.5 lc rgb '#%06x'",
                   SBI_COLOUR_INK);
    return some ? sbi_script_plot(s, how, "the whole: median, fastest to 95th percentile") : SB_OK;
}

sb_status sbi_draw_stack(const sbi_panel *p, sbi_script *s, int *drawn)
{
    const sbi_plot *q = p->plot;
    stack           k = {.p      = p,
                         .whole  = sbi_table_column(p->t, q->x),
                         .lo     = sbi_table_column(p->t, q->lo),
                         .hi     = sbi_table_column(p->t, q->hi),
                         .series = sbi_table_series(p->t)};
    int64_t         n = 0;
    while (k.n_parts < 6 && q->parts[k.n_parts] != NULL) {
        k.parts[k.n_parts] = sbi_table_column(p->t, q->parts[k.n_parts]);
        k.n_parts++;
    }
    for (int64_t i = 0; i < p->n_rows; i++)
        n += has(&k, i);
    *drawn = n > 0;
    if (n == 0)
        return SB_OK;
    sb_status st = axes(&k, s, n);
    for (int c = 0; st == SB_OK && c < k.n_parts; c++)
        st = part(&k, s, c, n);
    if (st == SB_OK)
        st = wholes(&k, s, n);
    return st;
}
