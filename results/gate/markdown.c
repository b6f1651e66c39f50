/* The report as a table for the summary page of a CI job. */
#include <math.h>

#include "results/gate/internal.h"

/* A table's cell is one line without bars, and no HTML of others. */
static void plain(const char *text, FILE *out)
{
    for (const char *p = text; *p != '\0'; p++)
        switch (*p) {
        case '|':
            (void)fputs("\\|", out);
            break;
        case '<':
            (void)fputs("&lt;", out);
            break;
        case '&':
            (void)fputs("&amp;", out);
            break;
        case '`':
        case '\n':
        case '\r':
            (void)fputc(' ', out);
            break;
        default:
            (void)fputc(*p, out);
        }
}

sb_status sb_gate_write_markdown(const sb_gate_report *r, sb_gate_detail detail, FILE *out)
{
    int64_t shown = 0;
    (void)fprintf(out, "## Gate %s: %s\n\n", r->gate, r->passed ? "passed" : "FAILED");
    plain(r->base, out);
    (void)fputs(" -> ", out);
    plain(r->new, out);
    (void)fprintf(out,
                  "\n\n%lld cells: %lld pass, %lld fail, %lld inconclusive, %lld missing; %lld "
                  "verdicts break the gate; %lld cells only in new\n",
                  (long long)r->n_cells, (long long)r->counts[SB_GATE_PASS],
                  (long long)r->counts[SB_GATE_FAIL], (long long)r->counts[SB_GATE_INCONCLUSIVE],
                  (long long)r->counts[SB_GATE_MISSING], (long long)r->n_breaks,
                  (long long)r->n_unmatched_new);
    for (int64_t i = 0; i < r->n_findings; i++) {
        const sb_gate_finding *f = &r->findings[i];
        if (detail != SB_GATE_EVERY && f->verdict == SB_GATE_PASS)
            continue;
        if (shown++ == 0)
            (void)fputs("\n| verdict | check | cell | evidence |\n| --- | --- | --- | --- |\n",
                        out);
        (void)fprintf(out, "| %s%s%s | %s", f->breaks ? "**" : "",
                      sb_gate_verdict_names[f->verdict], f->breaks ? "**" : "",
                      sb_gate_check_names[f->check]);
        if (f->what[0] != '\0') {
            (void)fputc(' ', out);
            plain(f->what, out);
        }
        (void)fputs(" | ", out);
        plain(f->cell, out);
        (void)fputs(" | ", out);
        plain(f->evidence, out);
        (void)fputs(" |\n", out);
    }
    if (r->n_findings == 0)
        (void)fputs("\nThe baseline has nothing that could be compared.\n", out);
    return ferror(out) ? sb_fail(SB_ERR_IO, "compare: the markdown report cannot be written")
                       : SB_OK;
}
