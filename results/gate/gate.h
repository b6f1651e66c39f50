/* The gate: are the figures of a new commit as good as those of its baseline, cell by cell?
 *
 *   two databases (or two commits of one) --side--> cells --accuracy, latency, bounds--> findings
 *       --verdicts: one Holm family, effects--> report --text, junit, markdown-->
 *
 * A cell is a point by its natural identity (its hash: the commit is no part of it). Cells of both
 * sides are matched by hash, samples by the SHA-256 of their inputs and by nothing else. */
#ifndef SB_RESULTS_GATE_GATE_H
#define SB_RESULTS_GATE_GATE_H

#include <stdio.h>

#include "results/gate/rules.h"
#include "results/store/store.h"

typedef enum sb_gate_verdict {
    SB_GATE_PASS,         /* shown to keep the bound */
    SB_GATE_FAIL,         /* shown to break it */
    SB_GATE_INCONCLUSIVE, /* neither: too few or too noisy, or not comparable */
    SB_GATE_MISSING,      /* the baseline has it, the new side does not */
    SB_GATE_VERDICT_COUNT
} sb_gate_verdict;
extern const char *const sb_gate_verdict_names[SB_GATE_VERDICT_COUNT];
extern const char *const sb_gate_check_names[SB_GATE_CHECK_COUNT];

/* One judgement. Figures that a check does not have are NaN. */
typedef struct sb_gate_finding {
    sb_gate_check   check;
    sb_gate_verdict verdict;
    int32_t         breaks;      /* 1: the gate fails by it */
    const char     *cell, *hash; /* label and point hash; of a mean: of its first task */
    const char     *what;        /* metric, phase, kind of memory; "" else */
    char           *evidence;    /* one line: figures, their bound, the reason */
    double          estimate;    /* accuracy: new - base; else new / base */
    double          lo, hi;      /* accuracy: 95 % interval; latency: 90 %, each end a 95 % bound */
    double          bound;       /* accuracy: -margin; else the largest ratio */
    double          p, p_holm;   /* one-sided, of "not worse" (latency: than the bound) */
    double          detects;     /* latency: the ratio found in 9 of 10 comparisons like this one */
    double          log_se, nu;  /* latency: of ln(estimate), and its degrees of freedom */
    double          p_least;     /* the smallest p that so many looks can give */
    int64_t         n_base, n_new; /* pairs; repetitions */
    double          rank;          /* place in the report: cells in order, checks inside */
} sb_gate_finding;

typedef struct sb_gate_report {
    const char      *gate;       /* the rules' name */
    char            *base, *new; /* "results.db, commit 0a1b2c" */
    sb_gate_finding *findings;
    int64_t          n_findings;
    int64_t          counts[SB_GATE_VERDICT_COUNT];
    int64_t          n_cells, n_unmatched_new; /* of the baseline; only in new */
    int64_t          n_tests;                  /* of the Holm family */
    int64_t          n_breaks;
    int32_t          passed;
    char           **texts; /* what labels and evidence point to */
    int64_t          n_texts, texts_capacity;
} sb_gate_report;

/* One side. commit: only its runs; NULL: the newest sample of each (point, input), and times of the
 * commit that ran the point last. name: how reports call it. */
typedef struct sb_gate_source {
    sb_store   *store;
    const char *commit, *name;
} sb_gate_source;

/* Judge new by base. A report with no finding never passes. Errors: SB_ERR_IO (a damaged database),
 * SB_ERR_NOMEM. Cost: all samples and times of both sides are held in memory; seconds at 100,000
 * samples. */
sb_status sb_gate_compare(const sb_gate_rules *rules, const sb_gate_source *base,
                          const sb_gate_source *new, sb_gate_report       **out);
void      sb_gate_report_free(sb_gate_report *r); /* NULL is fine */

/* Reports. Text: what is not a pass, and the counts (every: passes too). JUnit XML: one test case a
 * finding. Markdown: a table of what is not a pass. Errors: SB_ERR_IO. */
typedef enum sb_gate_detail { SB_GATE_BRIEF, SB_GATE_EVERY, SB_GATE_DETAIL_COUNT } sb_gate_detail;
sb_status sb_gate_write_text(const sb_gate_report *r, sb_gate_detail detail, FILE *out);
sb_status sb_gate_write_junit(const sb_gate_report *r, FILE *out);
sb_status sb_gate_write_markdown(const sb_gate_report *r, sb_gate_detail detail, FILE *out);

#endif
