/* The report for a terminal or a log: what is not a pass, and the counts. */
#include <math.h>

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

sb_status sb_gate_write_text(const sb_gate_report *r, sb_gate_detail detail, FILE *out)
{
    (void)fprintf(out, "gate %s: %s -> %s\n", r->gate, r->base, r->new);
    for (int64_t i = 0; i < r->n_findings; i++)
        if (detail == SB_GATE_EVERY || r->findings[i].verdict != SB_GATE_PASS)
            line(&r->findings[i], out);
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
