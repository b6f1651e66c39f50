/* Is all of the baseline still there, and does it still run? */
#include <string.h>

#include "results/gate/internal.h"

static int is_ok(const sbi_gate_sample *s) { return strcmp(s->status, "ok") == 0; }

/* A row number of `a` that `cell` has with other content? */
static int has_row(const sbi_gate_cell *cell, int64_t row_no)
{
    for (int64_t i = 0; i < cell->n_samples; i++)
        if (cell->samples[i].row_no == row_no)
            return 1;
    return 0;
}

sb_status sbi_gate_coverage(sbi_gate *g, const sbi_gate_pair *pair)
{
    const sbi_gate_cell   *base = pair->base, *new = pair->new;
    const sbi_gate_sample *worse  = NULL;
    int64_t                absent = 0, n_worse = 0, changed = 0, n = base->n_samples;
    if (new == NULL || new->n_samples == 0)
        return sbi_gate_add(g, pair, SB_GATE_COVERAGE, "", SB_GATE_MISSING, NULL,
                            "none of the baseline's %lld inputs was run", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        const sbi_gate_sample *was = &base->samples[i];
        const sbi_gate_sample *is  = sbi_gate_sample_find(new, was->sha);
        if (is == NULL) {
            absent++;
            changed += has_row(new, was->row_no);
        } else if (is_ok(was) && !is_ok(is)) {
            n_worse++;
            worse = worse == NULL ? is : worse;
        }
    }
    if (n_worse > 0)
        return sbi_gate_add(g, pair, SB_GATE_COVERAGE, "", SB_GATE_FAIL, NULL,
                            "%lld of %lld inputs that were ok no longer are, the first %s: %s",
                            (long long)n_worse, (long long)n, worse->status, worse->error);
    if (absent > 0)
        return sbi_gate_add(g, pair, SB_GATE_COVERAGE, "", SB_GATE_MISSING, NULL,
                            "%lld of the baseline's %lld inputs were not run%s", (long long)absent,
                            (long long)n,
                            changed > 0 ? " (rows of the same number have other content: another "
                                          "generator or corpus)"
                                        : "");
    return sbi_gate_add(g, pair, SB_GATE_COVERAGE, "", SB_GATE_PASS, NULL, "all %lld inputs",
                        (long long)n);
}
