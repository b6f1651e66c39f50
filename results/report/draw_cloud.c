/* One point a method: how good over how long it takes, with bars both ways; the frontier as a step
 * line. */
#include <math.h>
#include <stdlib.h>

#include "results/report/panel.h"

typedef struct cloud {
    const sbi_panel *p;
    int              x, y, lo, hi, x_lo, x_hi, frontier, series;
} cloud;

static double get(const cloud *c, int64_t i, int column)
{
    return sbi_table_real(c->p->t, c->p->rows[i], column);
}

static int has(const cloud *c, int64_t i)
{
    return get(c, i, c->x) > 0 && isfinite(get(c, i, c->y));
}

static double or_else(double v, double other) { return isfinite(v) ? v : other; }

static sb_status axes(const cloud *c, sbi_script *s, int *drawn)
{
    sbi_span x = SBI_NO_SPAN;
    for (int64_t i = 0; i < c->p->n_rows; i++)
        if (has(c, i)) {
            sbi_span_add(&x, get(c, i, c->x));
            sbi_span_add(&x, or_else(get(c, i, c->x_lo), get(c, i, c->x)));
            sbi_span_add(&x, or_else(get(c, i, c->x_hi), get(c, i, c->x)));
        }
    *drawn = x.lo <= x.hi;
    if (!*drawn)
        return SB_OK;
    double pad = fmax(pow(x.hi / x.lo, 0.08), 1.1);
    (void)fputs(
        "set lmargin at screen 0.16\nset rmargin at screen 0.97\nset tmargin at screen 0.97\n"
        "set bmargin at screen 0.2\nset grid xtics\n",
        s->f);
    sbi_axis_log(s, 'x', (sbi_span){fmax(x.lo, 1e-9) / pad, x.hi * pad});
    (void)fputs("set yrange [-2:103]\nset ytics 0,20\n", s->f);
    sbi_script_axis_title(s, 'x', c->p->plot->x_title, 1);
    sbi_script_axis_title(s, 'y', c->p->plot->y_title, 1);
    return SB_OK;
}

/* Rows come by time, so the frontier's are in order. */
static sb_status frontier(const cloud *c, sbi_script *s)
{
    char how[96];
    int  n = 0;
    sbi_script_block(s);
    for (int64_t i = 0; i < c->p->n_rows; i++)
        if (has(c, i) && get(c, i, c->frontier) == 1) {
            (void)fprintf(s->f, "%.9g %.9g\n", get(c, i, c->x), 100 * get(c, i, c->y));
            n++;
        }
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how, "using 1:2 with steps lt 1 dt solid lw 1.5 lc rgb '#%06x'",
                   SBI_COLOUR_MUTED);
    return n < 2 ? SB_OK : sbi_script_plot(s, how, "frontier: nobody beats these in both");
}

static sb_status one_point(const cloud *c, sbi_script *s, int64_t i)
{
    int            k    = (int)get(c, i, c->series);
    const sb_name *name = sb_names_method(c->p->t->names, k);
    double         x = get(c, i, c->x), y = get(c, i, c->y);
    char           how[192];
    sbi_script_block(s);
    (void)fprintf(s->f, "%.9g %.9g %.9g %.9g %.9g %.9g\n", x, 100 * y,
                  or_else(get(c, i, c->x_lo), x), or_else(get(c, i, c->x_hi), x),
                  100 * or_else(get(c, i, c->lo), y), 100 * or_else(get(c, i, c->hi), y));
    sbi_script_block_end(s);
    (void)snprintf(
        how, sizeof how,
        "using 1:2:3:4:5:6 with xyerrorbars lt 1 dt solid lw 1 pt %d ps 1.1 lc rgb '#%06x'",
        sbi_point_type(k), SBI_COLOUR_SERIES + sbi_series_colour(k));
    return sbi_script_plot(s, how, name->label);
}

sb_status sbi_draw_cloud(const sbi_panel *p, sbi_script *s, int *drawn)
{
    const sbi_plot *q  = p->plot;
    cloud           c  = {.p        = p,
                          .x        = sbi_table_column(p->t, q->x),
                          .y        = sbi_table_column(p->t, q->y),
                          .lo       = sbi_table_column(p->t, q->lo),
                          .hi       = sbi_table_column(p->t, q->hi),
                          .x_lo     = sbi_table_column(p->t, q->x_lo),
                          .x_hi     = sbi_table_column(p->t, q->x_hi),
                          .frontier = sbi_table_column(p->t, "frontier"),
                          .series   = sbi_table_series(p->t)};
    sb_status       st = axes(&c, s, drawn);
    if (st == SB_OK && *drawn)
        st = frontier(&c, s);
    for (int64_t i = 0; st == SB_OK && *drawn && i < p->n_rows; i++)
        if (has(&c, i))
            st = one_point(&c, s, i);
    return st;
}
