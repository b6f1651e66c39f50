/* Fits and checks of a machine as text. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/plan_print.h"

static const char *number(double v, char *buf, size_t n)
{
    if (isnan(v))
        (void)snprintf(buf, n, "-");
    else
        (void)snprintf(buf, n, "%.4g", v);
    return buf;
}

void sb_plan_print_fit(const sb_fit *f, const sb_stored *rows, FILE *out)
{
    char t[4][32];
    (void)fprintf(out, "%lld samples; %lld left out (no shape, or files as parameters)\n",
                  (long long)rows->n, (long long)rows->n_left_out);
    (void)fprintf(out, "%-52s %11s %11s %11s %11s %6s %7s\n", "constant", "old rate", "new rate",
                  "old start s", "new start s", "rows", "spread");
    for (int64_t i = 0; i < f->n; i++) {
        const sb_fit_change *c = &f->change[i];
        (void)fprintf(
            out, "%-52s %11s %11s %11s %11s %6lld %6.1f%%\n", c->what,
            number(c->old_rate, t[0], sizeof t[0]), number(c->new_rate, t[1], sizeof t[1]),
            number(c->old_start_s, t[2], sizeof t[2]), number(c->new_start_s, t[3], sizeof t[3]),
            (long long)c->origin.rows, 100 * c->origin.spread);
    }
}

/* ---- predictions beside measurements ---- */

typedef struct figure {
    double measured, predicted, with_density; /* s; with_density: at the sample's own */
} figure;

static sb_status predict(const sb_machine *m, const sb_stored_row *r, figure *out)
{
    sb_phase      ph   = r->c.is_model ? SB_PHASE_PREFILL : SB_PHASE_ATTENTION;
    sb_plan_case  bare = r->c;
    sb_prediction a, b;
    bare.density = 0;
    sb_status st = sb_plan_predict(m, &bare, &a);
    if (st == SB_OK && (st = sb_plan_predict(m, &r->c, &b)) == SB_OK)
        *out = (figure){r->seconds[ph], a.seconds[ph], b.seconds[ph]};
    return st;
}

static void label(const sb_stored_row *r, char *buf, size_t n)
{
    sb_point p = {.method = r->c.method, .method_params = r->params};
    if (sb_point_label(&p, buf, n) != SB_OK)
        (void)snprintf(buf, n, "%s", r->c.method->name);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median and worst of |error|. */
static void summary(const char *what, double *e, int64_t n, FILE *out)
{
    if (n == 0)
        return;
    qsort(e, (size_t)n, sizeof *e, by_size);
    double  median = (e[(n - 1) / 2] + e[n / 2]) / 2;
    int64_t within = 0;
    while (within < n && e[within] <= 0.3)
        within++;
    (void)fprintf(out,
                  "%s: %lld samples, |error| median %.1f %%, worst %.1f %%, within 30 %%: %lld\n",
                  what, (long long)n, 100 * median, 100 * e[n - 1], (long long)within);
}

static sb_status print_json(const sb_stored *rows, const figure *f, FILE *out)
{
    json_t *all = json_array();
    char    name[256];
    for (int64_t i = 0; i < rows->n; i++) {
        const sb_stored_row *r = &rows->row[i];
        label(r, name, sizeof name);
        (void)json_array_append_new(
            all, json_pack("{s:s, s:s, s:I, s:i, s:i, s:s, s:f, s:f, s:f}", "method", name, "task",
                           r->task, "length", (json_int_t)r->c.n_tokens, "ranks", (int)r->c.ranks,
                           "threads", (int)r->c.threads, "sharding", sb_scheme_name(r->c.scheme),
                           "measured_s", f[i].measured, "predicted_s", f[i].predicted,
                           "predicted_at_its_density_s", f[i].with_density));
    }
    int bad = json_array_size(all) != (size_t)rows->n ||
              json_dumpf(all, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0 ||
              fputc('\n', out) == EOF;
    json_decref(all);
    return bad ? sb_fail(SB_ERR_IO, "plan: the JSON cannot be written") : SB_OK;
}

static void print_table(const sb_stored *rows, const figure *f, int64_t up_to, double *e[2][2],
                        FILE *out)
{
    int64_t n[2] = {0, 0};
    char    name[256];
    (void)fprintf(out, "%-12s %8s %3s %3s %-9s %11s %11s %7s %7s  %s\n", "task", "length", "R", "T",
                  "sharding", "measured ms", "predicted", "error", "(own)", "method");
    for (int64_t i = 0; i < rows->n; i++) {
        const sb_stored_row *r    = &rows->row[i];
        int                  held = up_to == 0 || r->c.n_tokens > up_to;
        double a = f[i].predicted / f[i].measured - 1, b = f[i].with_density / f[i].measured - 1;
        label(r, name, sizeof name);
        e[held][0][n[held]]   = fabs(a);
        e[held][1][n[held]++] = fabs(b);
        (void)fprintf(out, "%-12.12s %8lld %3d %3d %-9s %11.4g %11.4g %+6.1f%% %+6.1f%%  %s%s\n",
                      r->task, (long long)r->c.n_tokens, r->c.ranks, r->c.threads,
                      sb_scheme_name(r->c.scheme), 1e3 * f[i].measured, 1e3 * f[i].predicted,
                      100 * a, 100 * b, name, held ? "" : " (fitted)");
    }
    (void)fprintf(out, "(own): at the density that the sample had\n");
    summary("fitted", e[0][0], n[0], out);
    summary("fitted, own density", e[0][1], n[0], out);
    summary(up_to > 0 ? "held out" : "all", e[1][0], n[1], out);
    summary(up_to > 0 ? "held out, own density" : "all, own density", e[1][1], n[1], out);
}

sb_status sb_plan_print_check(const sb_machine *m, const sb_stored *rows, int64_t up_to, int json,
                              FILE *out)
{
    size_t    n  = (size_t)rows->n + 1;
    figure   *f  = calloc(n, sizeof *f);
    double   *e  = calloc(4 * n, sizeof *e);
    sb_status st = SB_OK;
    if (f == NULL || e == NULL)
        st = sb_fail(SB_ERR_NOMEM, "plan: no memory for %lld samples", (long long)rows->n);
    for (int64_t i = 0; st == SB_OK && i < rows->n; i++)
        st = predict(m, &rows->row[i], &f[i]);
    if (st == SB_OK && json)
        st = print_json(rows, f, out);
    else if (st == SB_OK)
        print_table(rows, f, up_to, (double *[2][2]){{e, e + n}, {e + 2 * n, e + 3 * n}}, out);
    free(f);
    free(e);
    return st;
}
