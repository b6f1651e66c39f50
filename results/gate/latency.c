/* Latency: how much slower is new than base, each divided by its own dense anchor of the same run?
 *
 * Times of one process wander together: a slow tenth of a second is slow for hundreds of
 * repetitions. So a repetition is no independent look, and neither is an input: a run is one,
 * ln median(method) - ln median(dense). Where both sides have RUNS_ENOUGH runs, their looks are
 * compared by ranks, which need no belief about how runs scatter (they have heavy tails).
 *
 * Fewer runs cannot tell what differs between runs (clocks, neighbours, placement in memory). Then
 * a look is a contiguous part of a run's repetitions beside as long a part of its anchor's, Welch's
 * t takes the place of ranks, and what lies between runs has to be given as run_noise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"
#include "results/stats/rank_sum.h"

enum {
    RUNS_ENOUGH = 4, /* a variance of three differences */
    BATCHES     = 6, /* looks wanted of a side with fewer runs */
    BATCH_LEAST = 3  /* repetitions of a batch: a median that one outlier does not move */
};

/* What the looks of one side are made of. */
typedef struct half {
    const sbi_gate_side  *side;
    const sbi_gate_times *method, *anchor; /* anchor NULL: times as they are */
    const sbi_gate_times *other;           /* the method's on the other side: inputs in common */
} half;

static int has_input(const sbi_gate_times *t, const char *sha)
{
    for (int64_t i = 0; i < t->n; i++)
        if ((i == 0 || t->reps[i].sha != t->reps[i - 1].sha) && strcmp(t->reps[i].sha, sha) == 0)
            return 1;
    return 0;
}

/* Repetitions of a run on inputs that `in` has, in order; *ns has room for all of t. */
static int64_t of_run(const sbi_gate_times *t, int64_t run, const sbi_gate_times *in, double *ns)
{
    int64_t     n    = 0;
    const char *last = NULL;
    int         take = 0;
    for (int64_t i = 0; i < t->n; i++) {
        if (t->reps[i].run != run)
            continue;
        if (t->reps[i].sha != last) {
            last = t->reps[i].sha;
            take = in == NULL || has_input(in, last);
        }
        if (take)
            ns[n++] = (double)(t->reps[i].ns > 0 ? t->reps[i].ns : 1);
    }
    return n;
}

/* Of the anchor: the method's inputs where it ran on all of them, else (row 0 alone) what it has.
 */
static int64_t anchor_of_run(const half *h, int64_t run, double *ns)
{
    int64_t n = of_run(h->anchor, run, h->method, ns);
    return n > 0 ? n : of_run(h->anchor, run, NULL, ns);
}

/* Batches of a run into the looks; `wanted` 1: the run is one look. */
static void look_at(const double *x, int64_t nx, const double *a, int64_t na, int64_t wanted,
                    double *scratch, sbi_gate_looks *out)
{
    int64_t most = nx / BATCH_LEAST;
    if (a != NULL && na / BATCH_LEAST < most)
        most = na / BATCH_LEAST;
    int64_t b = wanted < most ? wanted : most;
    for (int64_t k = 0; k < b; k++) {
        int64_t from = nx * k / b, n = nx * (k + 1) / b - from;
        memcpy(scratch, x + from, (size_t)n * sizeof *x);
        double y = log(sbi_gate_median(scratch, n));
        if (a != NULL) {
            from = na * k / b, n = na * (k + 1) / b - from;
            memcpy(scratch, a + from, (size_t)n * sizeof *a);
            y -= log(sbi_gate_median(scratch, n));
        }
        out->y[out->n++] = y;
    }
    out->n_runs += b > 0;
    out->n_reps += b > 0 ? nx : 0;
}

/* Runs with a time of the method (and its anchor) that are not oversubscribed. */
static int64_t usable_runs(const half *h)
{
    int64_t n = 0;
    for (int64_t r = 0; r < h->side->n_runs; r++) {
        int method = 0, anchor = h->anchor == NULL;
        for (int64_t i = 0; i < h->method->n && !method; i++)
            method = h->method->reps[i].run == r;
        for (int64_t i = 0; h->anchor != NULL && i < h->anchor->n && !anchor; i++)
            anchor = h->anchor->reps[i].run == r;
        n += method && anchor && !h->side->runs[r].oversubscribed;
    }
    return n;
}

static sb_status looks_of(const half *h, int64_t wanted, sbi_gate_looks *out)
{
    int64_t most = h->method->n + (h->anchor == NULL ? 0 : h->anchor->n) + 1;
    double *x = malloc((size_t)most * sizeof *x), *a = malloc((size_t)most * sizeof *a);
    double *scratch = malloc((size_t)most * sizeof *scratch);
    *out            = (sbi_gate_looks){.y = malloc((size_t)most * sizeof *out->y)};
    sb_status st =
        x == NULL || a == NULL || scratch == NULL || out->y == NULL ? sbi_gate_nomem() : SB_OK;
    for (int64_t r = 0; st == SB_OK && r < h->side->n_runs; r++) {
        if (h->side->runs[r].oversubscribed)
            continue;
        int64_t nx = of_run(h->method, r, h->other, x);
        int64_t na = h->anchor == NULL ? 0 : anchor_of_run(h, r, a);
        if (nx > 0 && (h->anchor == NULL || na > 0))
            look_at(x, nx, h->anchor == NULL ? NULL : a, na, wanted, scratch, out);
    }
    free(x);
    free(a);
    free(scratch);
    return st;
}

/* ---- may they be compared? ---- */

/* The device of the times, NULL when there are several. */
static const char *device_of(const half *h, int *oversubscribed)
{
    const char *device = NULL;
    int         mixed  = 0;
    *oversubscribed    = 1;
    for (int64_t i = 0; i < h->method->n; i++) {
        const sbi_gate_run *r = &h->side->runs[h->method->reps[i].run];
        mixed                 = mixed || (device != NULL && strcmp(device, r->device) != 0);
        device                = r->device;
        *oversubscribed       = *oversubscribed && r->oversubscribed;
    }
    return mixed ? NULL : device;
}

/* The dense cell of the same place that both sides have times of; of several the first by hash. */
static void find_anchor(const sbi_gate *g, const sbi_gate_pair *p, int64_t phase, half *b, half *n)
{
    b->anchor = n->anchor = NULL;
    if (strcmp(p->base->method, "dense") == 0)
        return;
    for (int64_t i = 0; i < g->base->n_cells && b->anchor == NULL; i++) {
        const sbi_gate_cell *d = &g->base->cells[i], *e;
        if (strcmp(d->method, "dense") != 0 || strcmp(d->place, p->base->place) != 0 ||
            d->times[phase].n == 0 || (e = sbi_gate_cell_find(g->new, d->hash)) == NULL ||
            e->times[phase].n == 0)
            continue;
        b->anchor = &d->times[phase];
        n->anchor = &e->times[phase];
        if (usable_runs(b) == 0 || usable_runs(n) == 0) /* of other runs: no anchor */
            b->anchor = n->anchor = NULL;
    }
}

static sb_status refuse(sbi_gate *g, const sbi_gate_pair *p, const char *phase, const char *why)
{
    return sbi_gate_add(g, p, SB_GATE_LATENCY, phase, SB_GATE_INCONCLUSIVE, NULL, "%s", why);
}

/* SB_OK and *told 1 where a finding says why not. */
static sb_status comparable(sbi_gate *g, const sbi_gate_pair *p, const char *phase, const half *b,
                            const half *n, int *told)
{
    int         over_b, over_n;
    const char *dev_b = device_of(b, &over_b), *dev_n = device_of(n, &over_n);
    *told = 1;
    if (dev_b == NULL || dev_n == NULL)
        return refuse(g, p, phase, "runs of one side are on several devices");
    if (strcmp(dev_b, dev_n) != 0)
        return sbi_gate_add(g, p, SB_GATE_LATENCY, phase, SB_GATE_INCONCLUSIVE, NULL,
                            "other devices: %s, %s", dev_b, dev_n);
    if (over_b || over_n)
        return refuse(g, p, phase, "oversubscribed: ranks x threads exceed the cores");
    *told = 0;
    return SB_OK;
}

/* ---- one phase ---- */
typedef struct verdict { /* of ln(new / base) */
    double ln_ratio, lo, hi, p, p_least, se, nu;
} verdict;

static sb_status by_ranks(const sbi_gate_looks *b, const sbi_gate_looks *n, double limit,
                          verdict *v)
{
    sb_interval i  = {0, 0};
    sb_status   st = sb_stats_shift(b->y, b->n, n->y, n->n, 0.05, &v->ln_ratio, &i);
    if (st == SB_OK)
        st = sb_stats_rank_sum(b->y, b->n, n->y, n->n, limit, &v->p);
    v->lo = i.lo;
    v->hi = i.hi;
    v->se = (i.hi - i.lo) / 2 / sb_stats_t_quantile(0.05, INFINITY);
    v->nu = INFINITY;
    /* all of one side above all of the other */
    v->p_least = exp(lgamma((double)b->n + 1) + lgamma((double)n->n + 1) -
                     lgamma((double)(b->n + n->n) + 1));
    return st;
}

static void by_batches(const sbi_gate_looks *b, const sbi_gate_looks *n, double run_noise,
                       double limit, verdict *v)
{
    sbi_gate_ratio r = sbi_gate_ratio_of(b, n, run_noise);
    double         t = sb_stats_t_quantile(0.05, r.nu) * r.se;
    *v               = (verdict){.ln_ratio = r.ln_ratio,
                                 .lo       = r.ln_ratio - t,
                                 .hi       = r.ln_ratio + t,
                                 .p        = sb_stats_t_upper((r.ln_ratio - limit) / r.se, r.nu),
                                 .se       = r.se,
                                 .nu       = r.nu};
}

static sb_status conclude(sbi_gate *g, const sbi_gate_pair *p, const char *phase, int anchored,
                          int enough, const sbi_gate_looks *b, const sbi_gate_looks *n)
{
    const double     limit = log(p->bounds.latency_ratio);
    const double     noise = anchored ? g->rules->run_noise : g->rules->run_noise_absolute;
    verdict          v     = {0};
    sb_gate_finding *f     = NULL;
    sb_status        st    = SB_OK;
    if (enough)
        st = by_ranks(b, n, limit, &v);
    else
        by_batches(b, n, noise, limit, &v);
    const int known = enough || noise > 0;
    if (st == SB_OK)
        st = sbi_gate_add(
            g, p, SB_GATE_LATENCY, phase,
            known && v.hi < limit ? SB_GATE_PASS : SB_GATE_INCONCLUSIVE, &f,
            "ratio %.4f [%.4f, %.4f], at most %.4g, %s; %lld and %lld repetitions in %lld and %lld "
            "runs%s",
            exp(v.ln_ratio), exp(v.lo), exp(v.hi), p->bounds.latency_ratio,
            anchored ? "beside dense" : "no anchor: times as they are", (long long)b->n_reps,
            (long long)n->n_reps, (long long)b->n_runs, (long long)n->n_runs,
            known ? "" : " (a verdict takes 4 runs a side, or run_noise in the gate file)");
    if (st != SB_OK)
        return st;
    f->estimate = exp(v.ln_ratio);
    f->lo       = exp(v.lo);
    f->hi       = exp(v.hi);
    f->bound    = p->bounds.latency_ratio;
    f->n_base   = b->n_reps;
    f->n_new    = n->n_reps;
    if (known) {
        f->p       = v.p;
        f->p_least = v.p_least;
        f->log_se  = v.se;
        f->nu      = v.nu;
    }
    return SB_OK;
}

static sb_status one_phase(sbi_gate *g, const sbi_gate_pair *p, int64_t phase)
{
    half           b  = {g->base, &p->base->times[phase], NULL, &p->new->times[phase]};
    half           n  = {g->new, &p->new->times[phase], NULL, &p->base->times[phase]};
    sbi_gate_looks lb = {0}, ln = {0};
    const char    *name = g->rules->phases.v[phase];
    int            told = 0;
    if (b.method->n == 0)
        return SB_OK;
    if (n.method->n == 0)
        return sbi_gate_add(g, p, SB_GATE_LATENCY, name, SB_GATE_MISSING, NULL,
                            "the baseline has %lld times, new has none", (long long)b.method->n);
    sb_status st = comparable(g, p, name, &b, &n, &told);
    if (st != SB_OK || told)
        return st;
    find_anchor(g, p, phase, &b, &n);
    int64_t rb = usable_runs(&b), rn = usable_runs(&n);
    int     enough = rb >= RUNS_ENOUGH && rn >= RUNS_ENOUGH;
    st             = looks_of(&b, enough ? 1 : (BATCHES + rb - 1) / (rb > 0 ? rb : 1), &lb);
    if (st == SB_OK)
        st = looks_of(&n, enough ? 1 : (BATCHES + rn - 1) / (rn > 0 ? rn : 1), &ln);
    if (st == SB_OK &&
        (lb.n_reps < g->rules->min_repetitions || ln.n_reps < g->rules->min_repetitions ||
         lb.n < RUNS_ENOUGH || ln.n < RUNS_ENOUGH))
        st = sbi_gate_add(g, p, SB_GATE_LATENCY, name, SB_GATE_INCONCLUSIVE, NULL,
                          "too few repetitions: %lld and %lld usable, at least %lld a side%s",
                          (long long)lb.n_reps, (long long)ln.n_reps,
                          (long long)g->rules->min_repetitions,
                          b.anchor != NULL ? ", of the dense anchor too" : "");
    else if (st == SB_OK)
        st = conclude(g, p, name, b.anchor != NULL, enough, &lb, &ln);
    free(lb.y);
    free(ln.y);
    return st;
}

sb_status sbi_gate_latency(sbi_gate *g, const sbi_gate_pair *pair)
{
    sb_status st = SB_OK;
    for (int64_t k = 0; st == SB_OK && k < g->rules->phases.n; k++)
        st = one_phase(g, pair, k);
    return st;
}
