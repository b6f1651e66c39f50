/* The report for a terminal or a log: what is not a pass, and the counts; of cells that one cause
 * leaves undecided the first. */
#include <math.h>
#include <string.h>

#include "results/gate/internal.h"

static void line(const sb_gate_finding *f, FILE *out)
{
    (void)fprintf(out, "%-12s %s%s%s  %s\n             %s", sb_gate_verdict_names[f->verdict],
                  sb_gate_check_names[f->check], f->what[0] != '\0' ? " " : "", f->what, f->cell,
                  f->evidence);
    if (!isnan(f->p_holm))
        (void)fprintf(out, "; p %.3g, Holm %.3g", f->p, f->p_holm);
    if (!isnan(f->detects))
        (void)fprintf(out, "; finds %.3f", f->detects);
    (void)fputc('\n', out);
}

/* Too few repetitions, other inputs: one cause leaves many cells undecided. Where that does not
 * break the gate the first one is printed, and others near by are counted. */
static int told_before(const sb_gate_report *r, int64_t i)
{
    enum { NEAR = 1000 };
    const sb_gate_finding *f = &r->findings[i];
    if (f->verdict != SB_GATE_INCONCLUSIVE || f->breaks)
        return 0;
    for (int64_t j = i > NEAR ? i - NEAR : 0; j < i; j++)
        if (r->findings[j].verdict == f->verdict && r->findings[j].check == f->check &&
            strcmp(r->findings[j].evidence, f->evidence) == 0)
            return 1;
    return 0;
}

sb_status sb_gate_write_text(const sb_gate_report *r, sb_gate_detail detail, FILE *out)
{
    (void)fprintf(out, "gate %s: %s -> %s\n", r->gate, r->base, r->new);
    int64_t again = 0;
    for (int64_t i = 0; i < r->n_findings; i++) {
        if (detail != SB_GATE_EVERY && r->findings[i].verdict == SB_GATE_PASS)
            continue;
        if (detail != SB_GATE_EVERY && told_before(r, i))
            again++;
        else
            line(&r->findings[i], out);
    }
    if (again > 0)
        (void)fprintf(out, "inconclusive for a reason told above: %lld more (--all lists them)\n",
                      (long long)again);
    (void)fprintf(out,
                  "%lld cells, %lld verdicts: %lld pass, %lld fail, %lld inconclusive, %lld "
                  "missing; %lld tests; %lld cells only in new\n",
                  (long long)r->n_cells, (long long)r->n_findings,
                  (long long)r->counts[SB_GATE_PASS], (long long)r->counts[SB_GATE_FAIL],
                  (long long)r->counts[SB_GATE_INCONCLUSIVE], (long long)r->counts[SB_GATE_MISSING],
                  (long long)r->n_tests, (long long)r->n_unmatched_new);
    if (r->n_findings == 0)
        (void)fprintf(out, "FAILED: the baseline has nothing that could be compared\n");
    else
        (void)fprintf(out, "%s: %lld verdicts break the gate\n", r->passed ? "PASSED" : "FAILED",
                      (long long)r->n_breaks);
    return ferror(out) ? sb_fail(SB_ERR_IO, "compare: the report cannot be written") : SB_OK;
}
