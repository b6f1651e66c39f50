#include "harness/plan/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/plan/parts.h"

enum { MAX_ENTRIES = 512 };

/* times as long in a ring: by less two runs of the same differ */
static const double LEAST_OVER = 1.1;

typedef struct fitter {
    const sb_machine     *old;
    const sb_stored      *rows;
    const sb_fit_options *o;
    sb_machine           *m;
    sb_fit               *out;
    double (*x)[SB_PHASE_COUNT]; /* [rows] */
    sbi_traffic *traffic;        /* [rows] */
    uint8_t     *usable;         /* [rows] */
    double      *a, *b, *t;      /* [rows] of one entry */
} fitter;

static const sb_phase FITTED[] = {SB_PHASE_ESTIMATE, SB_PHASE_SELECT,  SB_PHASE_PERMUTE,
                                  SB_PHASE_COMPUTE,  SB_PHASE_PREFILL, SB_PHASE_DECODE_TOKEN};
enum { N_FITTED = sizeof FITTED / sizeof *FITTED };

/* ---- entries ---- */

/* Parameters that name a kind of a method: those have different code behind them. */
static int names_a_kind(const sb_param *p)
{
    static const char *const kinds[] = {"impl", "pattern", "kind", "selector"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (p->type == SB_ENUM && strcmp(p->name, kinds[i]) == 0)
            return 1;
    return 0;
}

/* Those of a row's parameters that `pick` picks. */
static sb_status wanted_of(fitter *f, const sb_stored_row *r, int (*pick)(const sb_param *),
                           int only_changed, sb_wanted *out)
{
    sb_wanted w = {0};
    int64_t   n = 0;
    char      json[SB_PARAM_JSON_BYTES], def[SB_PARAM_JSON_BYTES];
    for (const sb_param *p = r->c.method->params; p != NULL && p->name != NULL; p++)
        n++;
    w.param        = sb_machine_room(f->m, n, sizeof *w.param);
    w.json         = sb_machine_room(f->m, n, sizeof *w.json);
    void *defaults = sb_machine_room(f->m, 1, r->c.method->params_bytes);
    if (w.param == NULL || w.json == NULL || defaults == NULL)
        return sb_fail(SB_ERR_NOMEM, "plan: no memory for an entry");
    sb_status st = sb_params_default(r->c.method->params, defaults);
    for (const sb_param *p = r->c.method->params; st == SB_OK && p != NULL && p->name != NULL;
         p++) {
        if (p->type == SB_FILE || !pick(p))
            continue;
        if ((st = sb_param_json(p, r->c.params, json, sizeof json)) != SB_OK ||
            (st = sb_param_json(p, defaults, def, sizeof def)) != SB_OK)
            break;
        if (only_changed && strcmp(json, def) == 0)
            continue;
        char *copy = sb_machine_room(f->m, (int64_t)strlen(json) + 1, 1);
        if (copy == NULL)
            return sb_fail(SB_ERR_NOMEM, "plan: no memory for an entry");
        w.param[w.n]  = p;
        w.json[w.n++] = strcpy(copy, json);
    }
    if (st == SB_OK)
        *out = w;
    return st;
}

static int any_param(const sb_param *p)
{
    (void)p;
    return 1;
}

static int same_wanted(const sb_wanted *a, const sb_wanted *b)
{
    for (int64_t i = 0; i < a->n && a->n == b->n; i++)
        if (a->param[i] != b->param[i] || strcmp(a->json[i], b->json[i]) != 0)
            return 0;
    return a->n == b->n;
}

static sb_cost *entry_of(fitter *f, sb_phase phase, const sb_method *m, const sb_wanted *w)
{
    for (int64_t i = 0; i < f->m->n_costs; i++) {
        sb_cost *k = &f->m->costs[i];
        if (k->phase == (int32_t)phase && k->method == m && same_wanted(&k->params, w))
            return k;
    }
    if (f->m->n_costs == MAX_ENTRIES)
        return NULL;
    sb_cost *k = &f->m->costs[f->m->n_costs++];
    *k = (sb_cost){.phase = (int32_t)phase, .method = m, .params = *w, .rate = NAN, .start_s = NAN};
    return k;
}

static void note_change(fitter *f, const char *what, const sb_wanted *w, double old_rate,
                        double old_start, double rate, double start, const sb_origin *origin)
{
    sb_fit_change *c  = &f->out->change[f->out->n++];
    size_t         at = (size_t)snprintf(c->what, sizeof c->what, "%s", what);
    for (int64_t i = 0; w != NULL && i < w->n && at < sizeof c->what; i++)
        at += (size_t)snprintf(c->what + at, sizeof c->what - at, " %s=%s", w->param[i]->name,
                               w->json[i]);
    c->old_rate    = old_rate;
    c->old_start_s = old_start;
    c->new_rate    = rate;
    c->new_start_s = start;
    c->origin      = *origin;
}

/* ---- costs ---- */

/* The seconds that entry phases stand for. */
static double seconds_of(const sb_stored_row *r, sb_phase phase)
{
    double s = r->seconds[phase];
    if (phase == SB_PHASE_PREFILL)
        return s - r->seconds[SB_PHASE_ATTENTION];
    if (phase == SB_PHASE_DECODE_TOKEN)
        return s;
    return s / r->c.n_layers;
}

static int belongs(const fitter *f, int64_t i, sb_phase phase, const sb_cost *k)
{
    const sb_stored_row *r = &f->rows->row[i];
    double               s = seconds_of(r, phase);
    /* of a ring compute is a sum of steps */
    int ring = phase == SB_PHASE_COMPUTE && r->c.scheme == SB_SCHEME_RING && r->c.ranks > 1;
    return f->usable[i] && !ring && f->x[i][phase] > 0 && s > 0 &&
           (k->method == NULL || k->method == r->c.method) &&
           sbi_wanted_match(&k->params, r->c.params);
}

static void fit_cost(fitter *f, sb_cost *k)
{
    sb_phase phase = (sb_phase)k->phase;
    int64_t  n     = 0;
    double   start, per;
    char     what[96];
    for (int64_t i = 0; i < f->rows->n; i++)
        if (belongs(f, i, phase, k)) {
            f->a[n]   = 1;
            f->b[n]   = f->x[i][phase];
            f->t[n++] = seconds_of(&f->rows->row[i], phase);
        }
    if (n == 0)
        return;
    sb_origin origin = {SB_SOURCE_FITTED, f->o->from, n, 0};
    sb_fit_two(f->a, f->b, f->t, n, &start, &per, &origin.spread);
    (void)snprintf(what, sizeof what, "%s %s", sb_phase_name(phase),
                   k->method == NULL ? "any" : k->method->name);
    note_change(f, what, &k->params, k->rate, k->start_s, per > 0 ? 1 / per : 0, start, &origin);
    k->rate    = per > 0 ? 1 / per : 0;
    k->start_s = start;
    k->origin  = origin;
}

/* Entries of every method, and of every kind of it, that rows hold; then the rows of each. What is
 * for any method stays: a mean over methods would say nothing of others. */
static sb_status fit_costs(fitter *f)
{
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_stored_row *r = &f->rows->row[i];
        sb_wanted            w;
        sb_status            st = f->usable[i] ? wanted_of(f, r, names_a_kind, 0, &w) : SB_OK;
        if (st != SB_OK)
            return st;
        for (int ph = 0; f->usable[i] && ph < N_FITTED; ph++) {
            int       model = FITTED[ph] == SB_PHASE_PREFILL || FITTED[ph] == SB_PHASE_DECODE_TOKEN;
            sb_wanted none  = {0};
            sb_cost   of_it = {.method = r->c.method, .params = w};
            sb_cost  *k     = NULL;
            if (!belongs(f, i, FITTED[ph], &of_it))
                continue;
            k = model ? entry_of(f, FITTED[ph], NULL, &none)
                      : entry_of(f, FITTED[ph], r->c.method, &w);
            if (k == NULL)
                return sb_fail(SB_ERR_USAGE, "plan: found more than %d entries, allowed as many",
                               (int)MAX_ENTRIES);
        }
    }
    for (int64_t i = 0; i < f->m->n_costs; i++) {
        sb_cost *k = &f->m->costs[i];
        if (k->method != NULL || k->phase == SB_PHASE_PREFILL || k->phase == SB_PHASE_DECODE_TOKEN)
            fit_cost(f, k);
    }
    return SB_OK;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a call takes beside its phases: the median. */
static sb_status fit_beside(fitter *f)
{
    int64_t   n    = 0;
    sb_wanted none = {0};
    for (int64_t i = 0; i < f->rows->n; i++) {
        const double *s = f->rows->row[i].seconds;
        double        d = s[SB_PHASE_ATTENTION];
        for (int ph = SB_PHASE_ESTIMATE; ph <= SB_PHASE_COMMUNICATE; ph++)
            d -= isnan(s[ph]) ? 0 : s[ph];
        if (f->usable[i] && !isnan(d))
            f->t[n++] = fmax(d, 0) / f->rows->row[i].c.n_layers;
    }
    if (n == 0)
        return SB_OK;
    qsort(f->t, (size_t)n, sizeof *f->t, by_value);
    sb_cost *k = entry_of(f, SB_PHASE_ATTENTION, NULL, &none);
    if (k == NULL)
        return sb_fail(SB_ERR_USAGE, "plan: found more than %d entries, allowed as many",
                       (int)MAX_ENTRIES);
    double    start  = f->t[n / 2];
    sb_origin origin = {SB_SOURCE_FITTED, f->o->from, n, 0};
    note_change(f, "attention any", NULL, k->rate, k->start_s, 0, start, &origin);
    k->rate    = 0;
    k->start_s = start;
    k->origin  = origin;
    return SB_OK;
}

/* ---- links ---- */

/* Transfers that show whole: not of a ring, which hides them behind its steps, nor of a state,
 * whose ranks wait for one another's scans. */
static int tells_link(const fitter *f, int64_t i, int between)
{
    const sb_stored_row *r = &f->rows->row[i];
    return f->usable[i] && r->c.ranks > 1 && r->c.scheme != SB_SCHEME_RING &&
           r->c.scheme != SB_SCHEME_STATE && r->seconds[SB_PHASE_COMMUNICATE] > 0 &&
           (r->c.ranks > f->m->ranks_per_host) == between && f->traffic[i].received_bytes > 0;
}

/* Communication is moving and waiting for the slowest rank, and only the first is the link's: of
 * rows that move the same the least counts. */
static void fit_link(fitter *f, const char *what, int between, sb_link_cost *l)
{
    int64_t n = 0, rows = 0;
    double  latency, per;
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_stored_row *r = &f->rows->row[i];
        if (!tells_link(f, i, between))
            continue;
        double  rounds = (double)f->traffic[i].rounds, bytes = (double)f->traffic[i].received_bytes;
        double  s = r->seconds[SB_PHASE_COMMUNICATE] / r->c.n_layers;
        int64_t k = 0;
        while (k < n && (fabs(f->a[k] - rounds) > 0 || fabs(f->b[k] - bytes) > 0))
            k++;
        f->t[k] = k < n ? fmin(f->t[k], s) : s;
        f->a[k] = rounds;
        f->b[k] = bytes;
        n += k == n;
        rows++;
    }
    if (n == 0)
        return;
    sb_origin origin = {SB_SOURCE_FITTED, f->o->from, rows, 0};
    sb_fit_two(f->a, f->b, f->t, n, &latency, &per, &origin.spread);
    if (per <= 0)
        return; /* latency alone says nothing of larger messages */
    note_change(f, what, NULL, l->bytes_per_s, l->latency_s, 1 / per, latency, &origin);
    l->bytes_per_s = 1 / per;
    l->latency_s   = latency;
    l->origin      = origin;
}

/* ---- merges ---- */

/* 1: a and b are the same work on as many ranks, as evenly shared. */
static int same_work(const sb_stored_row *a, const sb_stored_row *b)
{
    const sb_plan_case *x = &a->c, *y = &b->c;
    return x->method == y->method && memcmp(x->params, y->params, x->method->params_bytes) == 0 &&
           x->n_tokens == y->n_tokens && x->n_queries == y->n_queries && x->heads == y->heads &&
           x->kv_heads == y->kv_heads && x->head_dim == y->head_dim && x->n_layers == y->n_layers &&
           x->ranks == y->ranks && x->threads == y->threads && x->layout == y->layout &&
           x->is_model == y->is_model && strcmp(a->task, b->task) == 0;
}

/* What computing takes longer in a ring than behind a gather: seconds of a layer, the least of the
 * gathers beside the row; 0: there is none, or too little to be told from noise. */
static double longer_in_ring(const fitter *f, int64_t i)
{
    const sb_stored_row *r    = &f->rows->row[i];
    double               ring = r->seconds[SB_PHASE_COMPUTE], gather = INFINITY;
    for (int64_t j = 0; j < f->rows->n; j++) {
        const sb_stored_row *g = &f->rows->row[j];
        if (f->usable[j] && g->c.scheme == SB_SCHEME_ALLGATHER && g->c.asked == 0 &&
            same_work(r, g))
            gather = fmin(gather, g->seconds[SB_PHASE_COMPUTE]);
    }
    return ring > LEAST_OVER * gather ? (ring - gather) / r->c.n_layers : 0;
}

static void fit_merge(fitter *f)
{
    sb_merge_cost *m = &f->m->merge;
    int64_t        n = 0;
    double         none, per;
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_plan_case *c = &f->rows->row[i].c;
        double              s = f->usable[i] && c->scheme == SB_SCHEME_RING && c->ranks > 1 &&
                           c->layout == SB_LAYOUT_ZIGZAG
                                    ? longer_in_ring(f, i)
                                    : 0;
        if (s <= 0)
            continue;
        f->a[n] = 0;
        f->b[n] = f->traffic[i].merged_bytes / (f->m->backend == SB_CPU ? fmax(c->threads, 1) : 1);
        f->t[n++] = s;
    }
    if (n == 0)
        return;
    sb_origin origin = {SB_SOURCE_FITTED, f->o->from, n, 0};
    sb_fit_two(f->a, f->b, f->t, n, &none, &per, &origin.spread);
    if (per <= 0)
        return;
    note_change(f, "merge", NULL, m->bytes_per_s > 0 ? m->bytes_per_s : NAN, 0, 1 / per, 0,
                &origin);
    *m = (sb_merge_cost){1 / per, origin};
}

/* ---- densities ---- */

static sb_density *density_of(fitter *f, const sb_stored_row *r, const sb_wanted *w)
{
    for (int64_t i = 0; i < f->m->n_densities; i++) {
        sb_density *d = &f->m->densities[i];
        if (d->method == r->c.method && same_wanted(&d->params, w) &&
            (d->task == NULL || strcmp(d->task, r->task) == 0))
            return d;
    }
    sb_density *d = &f->m->densities[f->m->n_densities++];
    *d            = (sb_density){.method = r->c.method, .params = *w};
    return d;
}

/* Methods with a budget of keys keep about as many of a longer sequence. */
static int has_budget(const sb_method *m)
{
    return strcmp(m->name, "hip") == 0 || strcmp(m->name, "minference") == 0;
}

static int too_long(const fitter *f, const sb_stored_row *r)
{
    return f->o->densities_up_to > 0 && r->c.n_tokens > f->o->densities_up_to;
}

/* The mean of the samples of one length; *n grows by their number. */
static double mean_at(const fitter *f, const sb_density *d, const char *task, int64_t tokens,
                      int64_t *n)
{
    double  sum = 0;
    int64_t k   = 0;
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_stored_row *r = &f->rows->row[i];
        if (r->c.method != d->method || r->c.density <= 0 || r->c.n_tokens != tokens ||
            strcmp(r->task, task) != 0 || !sbi_wanted_exact(&d->params, d->method, r->c.params))
            continue;
        sum += r->c.density;
        k++;
    }
    *n += k;
    return k > 0 ? sum / (double)k : 0;
}

static int by_length(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sb_status fill_density(fitter *f, sb_density *d, const char *task)
{
    int64_t n = 0;
    d->tokens = sb_machine_room(f->m, f->rows->n, sizeof *d->tokens);
    d->share  = sb_machine_room(f->m, f->rows->n, sizeof *d->share);
    if (d->tokens == NULL || d->share == NULL)
        return sb_fail(SB_ERR_NOMEM, "plan: no memory for a density");
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_stored_row *r    = &f->rows->row[i];
        int                  seen = 0;
        if (r->c.method != d->method || r->c.density <= 0 || too_long(f, r) ||
            strcmp(r->task, task) != 0 || !sbi_wanted_exact(&d->params, d->method, r->c.params))
            continue;
        for (int64_t j = 0; j < n; j++)
            seen |= d->tokens[j] == r->c.n_tokens;
        if (!seen)
            d->tokens[n++] = r->c.n_tokens;
    }
    qsort(d->tokens, (size_t)n, sizeof *d->tokens, by_length);
    d->origin = (sb_origin){SB_SOURCE_FITTED, f->o->densities_from, 0, 0};
    for (d->n = 0; d->n < n; d->n++)
        d->share[d->n] = mean_at(f, d, task, d->tokens[d->n], &d->origin.rows);
    d->task   = task;
    d->beyond = has_budget(d->method) ? SB_BEYOND_KEYS : SB_BEYOND_FLAT;
    return SB_OK;
}

static sb_status fit_densities(fitter *f)
{
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_stored_row *r = &f->rows->row[i];
        sb_wanted            w;
        sb_status            st;
        if (r->c.density <= 0 || too_long(f, r) || sbi_lanes_follow(&r->c))
            continue;
        if ((st = wanted_of(f, r, any_param, 1, &w)) != SB_OK)
            return st;
        sb_density *d    = density_of(f, r, &w);
        size_t      n    = strlen(r->task) + 1;
        char       *task = sb_machine_room(f->m, (int64_t)n, 1);
        if (task == NULL)
            return sb_fail(SB_ERR_NOMEM, "plan: no memory for a density");
        memcpy(task, r->task, n);
        if (d->origin.from != f->o->densities_from && (st = fill_density(f, d, task)) != SB_OK)
            return st;
    }
    return SB_OK;
}

/* ---- all of it ---- */

static sb_status weigh_rows(fitter *f, int64_t *n_usable)
{
    for (int64_t i = 0; i < f->rows->n; i++) {
        const sb_plan_case *c  = &f->rows->row[i].c;
        sb_status           st = sbi_phase_work(f->old, c, f->x[i], &f->traffic[i]);
        if (st != SB_OK && st != SB_ERR_UNSUPPORTED)
            return st;
        /* a method whose density neither the sample nor a rule tells has no known work */
        int dark = c->density <= 0 && !(c->method->caps & SB_CAP_NO_INDEX) && !sbi_lanes_follow(c);
        f->usable[i] =
            st == SB_OK && !dark && (f->o->up_to_tokens == 0 || c->n_tokens <= f->o->up_to_tokens);
        *n_usable += f->usable[i];
    }
    return SB_OK;
}

static sb_status fit(fitter *f)
{
    int64_t   n  = 0;
    sb_status st = weigh_rows(f, &n);
    if (st == SB_OK && n == 0)
        st = sb_fail(SB_ERR_USAGE,
                     "machine %s: found no ok sample of its backend, allowed at least one",
                     f->old->name);
    if (st == SB_OK && !f->o->links_alone && (st = fit_costs(f)) == SB_OK &&
        (st = fit_beside(f)) == SB_OK)
        st = fit_densities(f);
    if (st == SB_OK) {
        fit_link(f, "link inside", 0, &f->m->inside);
        fit_link(f, "link between", 1, &f->m->between);
        fit_merge(f);
    }
    return st;
}

sb_status sb_machine_fit(const sb_machine *old, const sb_stored *rows, const sb_fit_options *o,
                         sb_fit *out)
{
    size_t    n   = (size_t)rows->n + 1;
    sb_fit    got = {0};
    fitter    f   = {.old = old, .rows = rows, .o = o, .out = &got};
    sb_status st  = sb_machine_copy(old, MAX_ENTRIES, old->n_densities + rows->n, &f.m);
    if (st != SB_OK)
        return st;
    got.machine = f.m;
    got.change  = calloc(MAX_ENTRIES + 4, sizeof *got.change);
    f.x         = calloc(n, sizeof *f.x);
    f.traffic   = calloc(n, sizeof *f.traffic);
    f.usable    = calloc(n, 1);
    f.a         = calloc(n, sizeof *f.a);
    f.b         = calloc(n, sizeof *f.b);
    f.t         = calloc(n, sizeof *f.t);
    if (got.change == NULL || f.x == NULL || f.traffic == NULL || f.usable == NULL || f.a == NULL ||
        f.b == NULL || f.t == NULL)
        st = sb_fail(SB_ERR_NOMEM, "plan: no memory for %lld stored samples", (long long)rows->n);
    else
        st = fit(&f);
    free(f.x);
    free(f.traffic);
    free(f.usable);
    free(f.a);
    free(f.b);
    free(f.t);
    if (st != SB_OK) {
        sb_fit_fini(&got);
        return st;
    }
    *out = got;
    return SB_OK;
}

void sb_fit_fini(sb_fit *f)
{
    sb_machine_free(f->machine);
    free(f->change);
    *f = (sb_fit){0};
}
