/* Ranges and ticks: few, round, and on a logarithmic axis enough to read a value off. */
#include <math.h>

#include "results/report/panel.h"

enum { MOST = 7, ENOUGH = 3 };

void sbi_span_add(sbi_span *s, double v)
{
    if (!isfinite(v))
        return;
    if (s->lo > s->hi)
        s->lo = s->hi = v;
    s->lo = fmin(s->lo, v);
    s->hi = fmax(s->hi, v);
}

/* Ticks at the given multiples of powers of ten; returns their number, writes where f is given. */
static int decades(FILE *f, sbi_span r, const double *at, int n)
{
    int count = 0;
    for (int e = (int)floor(log10(r.lo)) - 1; e <= (int)ceil(log10(r.hi)); e++)
        for (int i = 0; i < n; i++) {
            double v = at[i] * pow(10, e);
            if (v < r.lo * (1 - 1e-9) || v > r.hi * (1 + 1e-9))
                continue;
            if (f != NULL)
                (void)fprintf(f, "%s%.6g", count > 0 ? ", " : "", v);
            count++;
        }
    return count;
}

/* 1, 2 or 5 times a power of ten, so that about MOST steps fit. */
static double step_of(double width)
{
    double raw = width / (MOST - 1), unit = pow(10, floor(log10(raw)));
    return raw <= 1.2 * unit   ? unit
           : raw <= 2.4 * unit ? 2 * unit
           : raw <= 6 * unit   ? 5 * unit
                               : 10 * unit;
}

void sbi_axis_log(sbi_script *s, char axis, sbi_span r)
{
    static const struct {
        double at[7];
        int    n;
    } sets[] = {{{1, 1.5, 2, 3, 4, 5, 7}, 7}, {{1, 2, 5}, 3}, {{1, 3}, 2}, {{1}, 1}};
    (void)fprintf(s->f, "set logscale %c 10\nset %crange [%.9g:%.9g]\nset %ctics format '%%g'\n",
                  axis, axis, r.lo, r.hi, axis);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        int n = decades(NULL, r, sets[i].at, sets[i].n);
        if (n > MOST && i + 1 < sizeof sets / sizeof *sets)
            continue;
        if (n < ENOUGH)
            break;
        (void)fprintf(s->f, "set %ctics (", axis);
        (void)decades(s->f, r, sets[i].at, sets[i].n);
        (void)fputs(")\n", s->f);
        return;
    }
    double step = step_of(r.hi - r.lo); /* less than a decade: even steps */
    (void)fprintf(s->f, "set %ctics (", axis);
    double first = ceil(r.lo / step) * step;
    for (int i = 0; i <= 2 * MOST && first + i * step <= r.hi * (1 + 1e-9); i++)
        (void)fprintf(s->f, "%s%.6g", i > 0 ? ", " : "", first + i * step);
    (void)fputs(")\n", s->f);
}

void sbi_axis_linear(sbi_script *s, char axis, sbi_span r)
{
    (void)fprintf(s->f, "set %crange [%.9g:%.9g]\nset %ctics %.9g format '%%g'\n", axis, r.lo, r.hi,
                  axis, step_of(r.hi - r.lo));
}
