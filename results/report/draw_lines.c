/* Lines over lengths or ranks (x doubles from tick to tick), a bar from lo to hi at every point.
 * Where there are bars, series stand a little beside each other at the same x, so that bars do not
 * cover each other; without bars every point stands at its x. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/report/panel.h"
#include "results/report/text.h"

typedef struct lines {
    const sbi_panel *p;
    int              x, y, lo, hi, n, series;
    double          *xs; /* distinct, ascending */
    int              n_xs;
    int             *numbers; /* of the series that have a point, ascending */
    int              n_numbers;
    sbi_span         y_span;
    double           step; /* between series at the same x, in octaves */
} lines;

static double value(const lines *l, int64_t i, int column)
{
    return sbi_table_real(l->p->t, l->p->rows[i], column) * l->p->plot->scale;
}

static double place(const lines *l, int64_t i)
{
    return sbi_table_real(l->p->t, l->p->rows[i], l->x);
}

static int number(const lines *l, int64_t i)
{
    if ((l->p->plot->flags & SBI_ONE_LINE) != 0)
        return 0; /* dense's, if there is any */
    double d = sbi_table_real(l->p->t, l->p->rows[i], l->series);
    return isfinite(d) ? (int)d : 0;
}

/* Did an earlier row stand at the same x with a figure? */
static int repeated(const lines *l, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (place(l, k) == place(l, i) && isfinite(value(l, k, l->y)))
            return 1;
    return 0;
}

static int is_dense(const char *method)
{
    return method != NULL && strncmp(method, "dense", 5) == 0 &&
           (method[5] == '\0' || method[5] == ' ');
}

static int has(const lines *l, int64_t i)
{
    unsigned flags = l->p->plot->flags;
    double   y     = value(l, i, l->y);
    if ((flags & SBI_NO_DENSE) != 0 && is_dense(sbi_table_text(l->p->t, l->p->rows[i], l->series)))
        return 0;
    if ((flags & SBI_ONE_LINE) != 0 && repeated(l, i))
        return 0;
    return isfinite(y) && place(l, i) > 0 && ((flags & SBI_LOG_Y) == 0 || y > 0);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void collect(lines *l)
{
    unsigned flags = l->p->plot->flags;
    l->y_span      = SBI_NO_SPAN;
    for (int64_t i = 0; i < l->p->n_rows; i++) {
        if (!has(l, i))
            continue;
        l->xs[l->n_xs++]           = place(l, i);
        l->numbers[l->n_numbers++] = number(l, i);
        for (int k = 0; k < 3; k++) {
            double v = value(l, i, k == 0 ? l->y : k == 1 ? l->lo : l->hi);
            if ((flags & SBI_LOG_Y) == 0 || v > 0)
                sbi_span_add(&l->y_span, v);
        }
    }
    if (l->n_xs == 0)
        return;
    qsort(l->xs, (size_t)l->n_xs, sizeof *l->xs, by_value);
    qsort(l->numbers, (size_t)l->n_numbers, sizeof *l->numbers, by_number);
    int n = 1, m = 1;
    for (int i = 1; i < l->n_xs; i++)
        if (l->xs[i] > l->xs[n - 1])
            l->xs[n++] = l->xs[i];
    for (int i = 1; i < l->n_numbers; i++)
        if (l->numbers[i] > l->numbers[m - 1])
            l->numbers[m++] = l->numbers[i];
    l->n_xs      = n;
    l->n_numbers = m;
    if ((flags & SBI_UNIT_LINE) != 0)
        sbi_span_add(&l->y_span, 1);
    if ((flags & SBI_ZERO_LINE) != 0)
        sbi_span_add(&l->y_span, 0);
    if ((flags & SBI_IDEAL) != 0)
        sbi_span_add(&l->y_span, l->xs[n - 1] / l->xs[0]);
}

/* Of the values alone, then with room for series beside them. */
static sbi_span bare_span(const lines *l)
{
    double pad = l->n_xs == 1 ? 2 : pow(l->xs[l->n_xs - 1] / l->xs[0], 0.08);
    return (sbi_span){l->xs[0] / pad, l->xs[l->n_xs - 1] * pad};
}

static sbi_span x_span(const lines *l)
{
    sbi_span r    = bare_span(l);
    double   room = exp2(l->step * (l->n_numbers - 1) / 2.0);
    return (sbi_span){r.lo / room, r.hi * room};
}

/* "n 8", "n 3-8": samples of all series at x. */
static void n_text(const lines *l, double x, char buf[48])
{
    sbi_span n = SBI_NO_SPAN;
    for (int64_t i = 0; i < l->p->n_rows; i++)
        if (has(l, i) && place(l, i) == x)
            sbi_span_add(&n, sbi_table_real(l->p->t, l->p->rows[i], l->n));
    if (n.lo > n.hi)
        buf[0] = '\0';
    else if (n.lo == n.hi)
        (void)snprintf(buf, 48, "\\nn %.9g", n.lo);
    else
        (void)snprintf(buf, 48, "\\nn %.9g-%.9g", n.lo, n.hi);
}

static void x_axis(const lines *l, sbi_script *s)
{
    sbi_span r       = x_span(l);
    double   octaves = log2(r.hi / r.lo), last = -1e9;
    int      count = 0;
    (void)fprintf(s->f, "set logscale x 2\nset xrange [%.9g:%.9g]\nset xtics (", r.lo, r.hi);
    for (int i = 0; i < l->n_xs; i++) {
        char   tokens[32], n[48] = "";
        double at = log2(l->xs[i]);
        if (at - last < octaves / 8) /* would touch its neighbour */
            continue;
        last = at;
        if (strcmp(l->p->plot->x, "length") == 0)
            sbi_tokens(l->xs[i], tokens);
        else
            (void)snprintf(tokens, sizeof tokens, "%.9g", l->xs[i]);
        if (l->n >= 0)
            n_text(l, l->xs[i], n);
        (void)fprintf(s->f, "%s\"%s%s\" %.9g", count++ > 0 ? ", " : "", tokens, n, l->xs[i]);
    }
    (void)fputs(")\n", s->f);
    sbi_script_axis_title(s, 'x', l->p->plot->x_title, l->n >= 0 ? 2 : 1);
}

static void y_axis(const lines *l, sbi_script *s)
{
    unsigned flags = l->p->plot->flags;
    sbi_span r     = l->y_span;
    if ((flags & SBI_PERCENT) != 0) {
        (void)fprintf(s->f, "set yrange [-2:%.9g]\nset ytics 0,20\n", fmax(103, 1.03 * r.hi));
    } else if ((flags & SBI_LOG_Y) != 0) {
        double pad = fmax(pow(r.hi / r.lo, 0.08), 1.1);
        sbi_axis_log(s, 'y', (sbi_span){r.lo / pad, r.hi * pad});
    } else {
        double pad = r.hi > r.lo ? 0.08 * (r.hi - r.lo) : 1;
        sbi_axis_linear(s, 'y', (sbi_span){r.lo - pad, r.hi + pad});
    }
    sbi_script_axis_title(s, 'y', l->p->plot->y_title, 1);
}

/* A grey line through two points. */
static sb_status guide(sbi_script *s, double x0, double y0, double x1, double y1, const char *title)
{
    char how[96];
    sbi_script_block(s);
    (void)fprintf(s->f, "%.9g %.9g\n%.9g %.9g\n", x0, y0, x1, y1);
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how, "using 1:2 with lines lt 1 dt solid lw 1.5 lc rgb '#%06x'",
                   SBI_COLOUR_MUTED);
    return sbi_script_plot(s, how, title);
}

static sb_status guides(const lines *l, sbi_script *s)
{
    unsigned  flags = l->p->plot->flags;
    sbi_span  r     = x_span(l);
    sb_status st    = SB_OK;
    if ((flags & SBI_UNIT_LINE) != 0)
        st =
            guide(s, r.lo, 1, r.hi, 1, (flags & SBI_IDEAL) != 0 ? "no faster" : "as fast as dense");
    if (st == SB_OK && (flags & SBI_ZERO_LINE) != 0)
        st = guide(s, r.lo, 0, r.hi, 0, "dense");
    if (st == SB_OK && (flags & SBI_IDEAL) != 0 && l->n_xs > 1)
        st = guide(s, l->xs[0], 1, l->xs[l->n_xs - 1], l->xs[l->n_xs - 1] / l->xs[0],
                   "in proportion to the ranks");
    return st;
}

typedef struct point {
    double x, y;
} point;

static int by_x(const void *a, const void *b)
{
    return by_value(&((const point *)a)->x, &((const point *)b)->x);
}

/* Where the line of the sorted points first rises through 1, linear in x as in break_even.sql. */
static sb_status break_even(sbi_script *s, point *at, int n, int colour, const char *label)
{
    char how[128], title[256];
    qsort(at, (size_t)n, sizeof *at, by_x);
    for (int i = 1; i < n; i++) {
        if (!(at[i - 1].y < 1 && at[i].y >= 1))
            continue;
        double x =
            at[i - 1].x + (1 - at[i - 1].y) / (at[i].y - at[i - 1].y) * (at[i].x - at[i - 1].x);
        sbi_script_block(s);
        (void)fprintf(s->f, "%.9g 1\n", x);
        sbi_script_block_end(s);
        (void)snprintf(how, sizeof how, "using 1:2 with points pt 12 ps 1.3 lw 2 lc rgb '#%06x'",
                       SBI_COLOUR_SERIES + colour);
        (void)snprintf(title, sizeof title, "break-even of %.180s at %.0f tokens", label, x);
        return sbi_script_plot(s, how, title);
    }
    return SB_OK;
}

static int is_bar(const lines *l, double lo, double hi)
{
    return isfinite(lo) && isfinite(hi) && hi > lo &&
           ((l->p->plot->flags & SBI_LOG_Y) == 0 || lo > 0);
}

static sb_status one_series(const lines *l, sbi_script *s, int k, double shift, point *at)
{
    const sb_name *name = l->p->t->names->n_methods > 0 ? sb_names_method(l->p->t->names, k) : NULL;
    const char    *label = name == NULL ? "" : name->label;
    int            bars = 0, n = 0, colour = sbi_series_colour(k);
    int            dash = sbi_series_dash(k, name != NULL && name->untrained);
    char           how[192];
    sb_status      st;
    sbi_script_block(s);
    for (int64_t i = 0; i < l->p->n_rows; i++) {
        if (!has(l, i) || number(l, i) != k)
            continue;
        double y = value(l, i, l->y), lo = value(l, i, l->lo), hi = value(l, i, l->hi);
        int    bar = is_bar(l, lo, hi);
        bars |= bar;
        at[n++] = (point){place(l, i), y};
        (void)fprintf(s->f, "%.9g %.9g %.9g %.9g\n", place(l, i) * shift, y, bar ? lo : y,
                      bar ? hi : y);
    }
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how, "using 1:2 with lines lt 1 dt %d lw 2 lc rgb '#%06x'", dash,
                   SBI_COLOUR_SERIES + colour);
    st = sbi_script_plot(s, how, label);
    (void)snprintf(how, sizeof how, "using %s lt 1 dt solid lw 1.2 pt %d ps 0.75 lc rgb '#%06x'",
                   bars ? "1:2:3:4 with yerrorbars" : "1:2 with points", sbi_point_type(k),
                   SBI_COLOUR_SERIES + colour);
    if (st == SB_OK)
        st = sbi_script_plot(s, how, label);
    if (st == SB_OK && (l->p->plot->flags & SBI_BREAK_EVEN) != 0)
        st = break_even(s, at, n, colour, label);
    return st;
}

static double step_between(const lines *l)
{
    int bars = 0;
    for (int64_t i = 0; i < l->p->n_rows; i++)
        bars |= has(l, i) && is_bar(l, value(l, i, l->lo), value(l, i, l->hi));
    if (!bars)
        return 0;
    sbi_span r     = bare_span(l);
    double   width = log2(r.hi / r.lo), gap = width; /* between neighbours, in octaves */
    for (int i = 1; i < l->n_xs; i++)
        gap = fmin(gap, log2(l->xs[i] / l->xs[i - 1]));
    return fmin(width / 80, 0.3 * gap / l->n_numbers);
}

static sb_status write_lines(lines *l, sbi_script *s)
{
    point *at = calloc((size_t)l->p->n_rows, sizeof *at);
    if (at == NULL)
        return sb_fail(SB_ERR_NOMEM, "report: no memory for a plot");
    (void)fprintf(
        s->f,
        "set lmargin at screen 0.16\nset rmargin at screen 0.97\nset tmargin at screen 0.97\n"
        "set bmargin at screen %g\n",
        l->n >= 0 ? 0.245 : 0.2);
    l->step = step_between(l);
    x_axis(l, s);
    y_axis(l, s);
    sb_status st = guides(l, s);
    for (int k = 0; st == SB_OK && k < l->n_numbers; k++)
        st = one_series(l, s, l->numbers[k], exp2(l->step * (k - (l->n_numbers - 1) / 2.0)), at);
    free(at);
    return st;
}

sb_status sbi_draw_lines(const sbi_panel *p, sbi_script *s, int *drawn)
{
    const sbi_plot *q  = p->plot;
    sb_status       st = SB_OK;
    lines           l  = {.p      = p,
                          .x      = sbi_table_column(p->t, q->x),
                          .y      = sbi_table_column(p->t, q->y),
                          .lo     = sbi_table_column(p->t, q->lo),
                          .hi     = sbi_table_column(p->t, q->hi),
                          .n      = sbi_table_column(p->t, q->n),
                          .series = sbi_table_series(p->t)};
    l.xs               = calloc((size_t)p->n_rows + 1, sizeof *l.xs);
    l.numbers          = calloc((size_t)p->n_rows + 1, sizeof *l.numbers);
    if (l.xs == NULL || l.numbers == NULL)
        st = sb_fail(SB_ERR_NOMEM, "report: no memory for a plot");
    if (st == SB_OK)
        collect(&l);
    if (st == SB_OK && l.n_xs > 0)
        st = write_lines(&l, s);
    if (st == SB_OK)
        *drawn = l.n_xs > 0;
    free(l.xs);
    free(l.numbers);
    return st;
}
