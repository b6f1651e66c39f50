/* One family of tests for the whole gate, and what verdicts do to it. */
#include <math.h>
#include <stdlib.h>

#include "results/gate/internal.h"
#include "results/stats/compare.h"
#include "results/stats/stats.h"

const char *const sb_gate_verdict_names[SB_GATE_VERDICT_COUNT] = {"pass", "fail", "inconclusive",
                                                                  "missing"};
const char *const sb_gate_check_names[SB_GATE_CHECK_COUNT]     = {
        "coverage", "accuracy", "accuracy_mean", "latency", "memory", "density"};

static sb_status holm(sb_gate_report *r)
{
    double   *p  = malloc((size_t)(r->n_findings > 0 ? r->n_findings : 1) * sizeof *p);
    int64_t   n  = 0;
    sb_status st = p == NULL ? sbi_gate_nomem() : SB_OK;
    for (int64_t i = 0; st == SB_OK && i < r->n_findings; i++)
        if (!isnan(r->findings[i].p))
            p[n++] = fmin(1, fmax(0, r->findings[i].p));
    if (st == SB_OK && n > 0)
        st = sb_stats_holm(p, n, p);
    r->n_tests = n;
    n          = 0;
    for (int64_t i = 0; st == SB_OK && i < r->n_findings; i++)
        if (!isnan(r->findings[i].p))
            r->findings[i].p_holm = p[n++];
    free(p);
    return st;
}

static int by_rank(const void *pa, const void *pb)
{
    const sb_gate_finding *a = pa, *b = pb;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static void effect(const sb_gate_rules *rules, sb_gate_finding *f)
{
    f->breaks = f->verdict == SB_GATE_FAIL ||
                (f->verdict == SB_GATE_MISSING && rules->missing == SB_GATE_EFFECT_FAIL) ||
                (f->verdict == SB_GATE_INCONCLUSIVE && rules->inconclusive == SB_GATE_EFFECT_FAIL);
}

sb_status sbi_gate_decide(sbi_gate *g)
{
    sb_gate_report *r  = g->report;
    sb_status       st = holm(r);
    if (st != SB_OK)
        return st;
    double side = r->n_tests > 0 ? g->rules->alpha / (double)r->n_tests : g->rules->alpha;
    for (int64_t i = 0; i < r->n_findings; i++) {
        sb_gate_finding *f = &r->findings[i];
        if (f->verdict == SB_GATE_INCONCLUSIVE && f->p_holm < g->rules->alpha)
            f->verdict = SB_GATE_FAIL;
        if (!isnan(f->log_se) && f->p_least >= side)
            f->detects = INFINITY;
        else if (!isnan(f->log_se))
            f->detects = f->bound * exp(f->log_se * (sb_stats_t_quantile(fmin(side, 0.5), f->nu) +
                                                     sb_stats_t_quantile(0.1, f->nu)));
        effect(g->rules, f);
        f->rank += 0.01 * f->check + 1e-9 * (double)i;
        r->counts[f->verdict]++;
        r->n_breaks += f->breaks;
    }
    if (r->n_findings > 0)
        qsort(r->findings, (size_t)r->n_findings, sizeof *r->findings, by_rank);
    r->passed = r->n_breaks == 0 && r->n_findings > 0;
    return SB_OK;
}
