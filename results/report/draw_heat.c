/* Depth over length as fields of colour, the share in percent and its count in each, its interval
 * in the field's title. Depth grows downwards, as one reads. */
#include <math.h>
#include <stdlib.h>

#include "results/report/panel.h"
#include "results/report/text.h"

enum { MOST_WITH_TEXT = 10, MOST_WITH_TITLE = 200 };

/* Cividis, which looks the same to most colour-blind readers: blue (0) to yellow (1). */
static unsigned colour(double v)
{
    static const unsigned char at[11][3] = {{0, 34, 78},     {18, 53, 112},   {59, 73, 108},
                                            {87, 93, 109},   {112, 113, 115}, {138, 134, 120},
                                            {165, 156, 116}, {195, 179, 105}, {217, 198, 93},
                                            {238, 217, 75},  {254, 232, 56}};
    double                     p         = fmin(fmax(v, 0), 1) * 10;
    int                        i         = p >= 10 ? 9 : (int)p;
    unsigned                   rgb       = 0;
    for (int c = 0; c < 3; c++)
        rgb = rgb << 8 | (unsigned)lround(at[i][c] + (p - i) * (at[i + 1][c] - at[i][c]));
    return rgb;
}

typedef struct heat {
    const sbi_panel *p;
    int              x, y, depth, n, lo, hi; /* columns */
    double          *xs;
    int              n_xs;
} heat;

static double get(const heat *h, int64_t i, int column)
{
    return sbi_table_real(h->p->t, h->p->rows[i], column);
}

static int has(const heat *h, int64_t i)
{
    return get(h, i, h->x) > 0 && isfinite(get(h, i, h->y)) && isfinite(get(h, i, h->depth));
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int place(const heat *h, double x)
{
    int k = 0;
    while (k < h->n_xs && h->xs[k] < x)
        k++;
    return k;
}

static void axes(const heat *h, sbi_script *s)
{
    int every = 1 + (h->n_xs - 1) / 8;
    (void)fprintf(s->f,
                  "unset grid\nset lmargin at screen 0.16\nset rmargin at screen 0.97\nset tmargin "
                  "at screen 0.97\n"
                  "set bmargin at screen 0.17\nset border 0\nset tics scale 0\n"
                  "set xrange [-0.5:%.9g]\nset yrange [1:0]\nset ytics ('0' 0, '20' 0.2, '40' 0.4, "
                  "'60' 0.6, '80' "
                  "0.8, '100' 1)\nset xtics (",
                  h->n_xs - 0.5);
    for (int k = 0; k < h->n_xs; k += every) {
        char tokens[32];
        sbi_tokens(h->xs[k], tokens);
        (void)fprintf(s->f, "%s'%s' %d", k > 0 ? ", " : "", tokens, k);
    }
    (void)fputs(")\n", s->f);
    sbi_script_axis_title(s, 'x', h->p->plot->x_title, 1);
    sbi_script_axis_title(s, 'y', h->p->plot->y_title, 1);
}

static const char FIELD[] =
    "using 1:2:3:4:5:6:7 with boxxyerror fs solid 1 noborder lc rgb variable";

static void put_field(const heat *h, sbi_script *s, int64_t i)
{
    double d = get(h, i, h->depth);
    int    k = place(h, get(h, i, h->x));
    (void)fprintf(s->f, "%d %.9g %.9g %.9g %.9g %.9g %u\n", k, d + 0.05, k - 0.48, k + 0.48,
                  d + 0.003, d + 0.097, colour(get(h, i, h->y)));
}

/* What a field says in words. */
static sb_status field_with_title(const heat *h, sbi_script *s, int64_t i)
{
    char   title[160], tokens[32];
    double d = 100 * get(h, i, h->depth), lo = get(h, i, h->lo), hi = get(h, i, h->hi);
    int    n;
    sbi_tokens(get(h, i, h->x), tokens);
    n = snprintf(title, sizeof title, "%s tokens, depth %.0f to %.0f %%: %.1f %% of %.9g", tokens,
                 d, d + 10, 100 * get(h, i, h->y), get(h, i, h->n));
    if (isfinite(lo) && isfinite(hi))
        (void)snprintf(title + n, sizeof title - (size_t)n, ", 95 %% interval %.1f to %.1f %%",
                       100 * lo, 100 * hi);
    sbi_script_block(s);
    put_field(h, s, i);
    sbi_script_block_end(s);
    return sbi_script_plot(s, FIELD, title);
}

static int64_t fields_of(const heat *h)
{
    int64_t n = 0;
    for (int64_t i = 0; i < h->p->n_rows; i++)
        n += has(h, i);
    return n;
}

/* Each a thing of its own, which has a title; of many, all in one. */
static sb_status fields(const heat *h, sbi_script *s)
{
    sb_status st = SB_OK;
    if (fields_of(h) <= MOST_WITH_TITLE) {
        for (int64_t i = 0; st == SB_OK && i < h->p->n_rows; i++)
            if (has(h, i))
                st = field_with_title(h, s, i);
        return st;
    }
    sbi_script_block(s);
    for (int64_t i = 0; i < h->p->n_rows; i++)
        if (has(h, i))
            put_field(h, s, i);
    sbi_script_block_end(s);
    return sbi_script_plot(s, FIELD, NULL);
}

/* Share and count in fields of a kind: light on dark ones, dark on light ones. */
static sb_status numbers(const heat *h, sbi_script *s, int light)
{
    char how[128];
    int  n = 0;
    sbi_script_block(s);
    for (int64_t i = 0; i < h->p->n_rows; i++)
        if (has(h, i) && (get(h, i, h->y) < 0.5) == light) {
            (void)fprintf(s->f, "%d %.9g \"%.0f  (%.9g)\"\n", place(h, get(h, i, h->x)),
                          get(h, i, h->depth) + 0.05, 100 * get(h, i, h->y), get(h, i, h->n));
            n++;
        }
    sbi_script_block_end(s);
    (void)snprintf(how, sizeof how, "using 1:2:3 with labels font ',11' textcolor rgb '%s'",
                   light ? "#f8f8f8" : "#101010");
    return n == 0 ? SB_OK : sbi_script_plot(s, how, NULL);
}

sb_status sbi_draw_heat(const sbi_panel *p, sbi_script *s, int *drawn)
{
    sb_status st = SB_OK;
    heat      h  = {.p     = p,
                    .x     = sbi_table_column(p->t, p->plot->x),
                    .y     = sbi_table_column(p->t, p->plot->y),
                    .depth = sbi_table_column(p->t, p->plot->parts[0]),
                    .n     = sbi_table_column(p->t, p->plot->n),
                    .lo    = sbi_table_column(p->t, p->plot->lo),
                    .hi    = sbi_table_column(p->t, p->plot->hi)};
    h.xs         = calloc((size_t)p->n_rows + 1, sizeof *h.xs);
    if (h.xs == NULL)
        return sb_fail(SB_ERR_NOMEM, "report: no memory for a plot");
    for (int64_t i = 0; i < p->n_rows; i++)
        if (has(&h, i))
            h.xs[h.n_xs++] = get(&h, i, h.x);
    *drawn = h.n_xs > 0;
    if (*drawn) {
        int n = 1;
        qsort(h.xs, (size_t)h.n_xs, sizeof *h.xs, by_value);
        for (int i = 1; i < h.n_xs; i++)
            if (h.xs[i] > h.xs[n - 1])
                h.xs[n++] = h.xs[i];
        h.n_xs = n;
        axes(&h, s);
        st = fields(&h, s);
        for (int light = 0; st == SB_OK && n <= MOST_WITH_TEXT && light < 2; light++)
            st = numbers(&h, s, light);
    }
    free(h.xs);
    return st;
}
