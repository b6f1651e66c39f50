/* What the files of results/gate share. Nobody else includes this. */
#ifndef SB_RESULTS_GATE_INTERNAL_H
#define SB_RESULTS_GATE_INTERNAL_H

#include "results/gate/gate.h"
#include "results/names/names.h"

/* ---- grow.c: arrays and texts ---- */
/* `v` with room for one more behind n, or NULL (then v is as it was). */
void *sbi_gate_grow(void *v, int64_t n, int64_t *capacity, size_t bytes);

typedef struct sbi_gate_texts {
    char  **v;
    int64_t n, capacity;
} sbi_gate_texts;
/* A kept copy ("" of NULL), or NULL without memory. The last text again is given once. */
const char *sbi_gate_text(sbi_gate_texts *t, const char *text);
void        sbi_gate_texts_fini(sbi_gate_texts *t);

/* ---- side.c: what one side of the comparison holds, out of its database ---- */
typedef struct sbi_gate_score {
    const char *metric;
    double      value;
    int32_t     is_binary;
} sbi_gate_score;

typedef struct sbi_gate_bytes {
    const char *kind;
    int64_t     bytes;
} sbi_gate_bytes;

typedef struct sbi_gate_sample { /* the newest of its input */
    const char     *sha;
    int64_t         row_no;
    const char     *status, *error, *prediction, *digest; /* prediction, digest: NULL none */
    sbi_gate_score *scores;                               /* by metric */
    int64_t         n_scores, scores_capacity;
    int64_t         rho_num, rho_den; /* 0: no density */
    sbi_gate_bytes *memory;           /* by kind */
    int64_t         n_memory, memory_capacity;
} sbi_gate_sample;

typedef struct sbi_gate_rep { /* one timed repetition */
    const char *sha;
    int64_t     run; /* place in sbi_gate_side.runs */
    int64_t     ns;
} sbi_gate_rep;

typedef struct sbi_gate_times { /* of one phase, in the order they were measured */
    const char   *phase;
    sbi_gate_rep *reps;
    int64_t       n, capacity;
} sbi_gate_times;

typedef struct sbi_gate_run {
    int64_t     id; /* in its database */
    const char *device;
    int32_t     oversubscribed;
} sbi_gate_run;

typedef struct sbi_gate_cell {
    const char *hash, *method, *method_json, *model, *suite, *task, *backend, *sharding, *decode;
    const char *experiment, *model_json, *task_json;
    int64_t     length_tokens, ranks;
    const char *place; /* axes but method and layout: cells of one place share their dense anchor */
    const char *group;  /* all axes but the task; "" where there is no mean */
    sbi_gate_sample *samples; /* by sha; none: the cell was only an anchor */
    int64_t          n_samples, samples_capacity;
    sbi_gate_times   times[SB_GATE_MAX_PHASES]; /* as sb_gate_rules.phases */
} sbi_gate_cell;

typedef struct sbi_gate_side {
    sbi_gate_cell *cells; /* by hash */
    int64_t        n_cells, cells_capacity;
    sbi_gate_run  *runs;
    int64_t        n_runs, runs_capacity;
    sbi_gate_texts texts;
} sbi_gate_side;

sb_status sbi_gate_side_load(const sb_gate_rules *rules, const sb_gate_source *from,
                             sbi_gate_side *side);
void      sbi_gate_side_fini(sbi_gate_side *side);
/* NULL: not there. */
const sbi_gate_cell   *sbi_gate_cell_find(const sbi_gate_side *side, const char *hash);
const sbi_gate_sample *sbi_gate_sample_find(const sbi_gate_cell *cell, const char *sha);

/* ---- match.c: rules of a cell, labels, findings ---- */
typedef struct sbi_gate_bounds { /* the rules that hold for one cell */
    double   margin, latency_ratio, memory_ratio, density_ratio;
    uint32_t skip;
} sbi_gate_bounds;
void sbi_gate_bounds_of(const sb_gate_rules *rules, const sbi_gate_cell *cell,
                        sbi_gate_bounds *out);

typedef struct sbi_gate {
    const sb_gate_rules *rules;
    const sbi_gate_side *base, *new;
    sb_gate_report      *report;
    int64_t              findings_capacity;
} sbi_gate;

/* A pair of cells of one hash (new NULL: not there), and what reports call it. */
typedef struct sbi_gate_pair {
    const sbi_gate_cell *base, *new;
    const char          *label;
    sbi_gate_bounds      bounds;
    int64_t              place;
} sbi_gate_pair;

/* Add a finding whose figures are NaN, with an evidence in printf's form. The finding stays where
 * it is until the next is added. */
sb_status sbi_gate_add(sbi_gate *g, const sbi_gate_pair *pair, sb_gate_check check,
                       const char *what, sb_gate_verdict verdict, sb_gate_finding **out,
                       const char *evidence, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 7, 8)))
#endif
    ;
/* Names of the methods, models and tasks of both sides. */
sb_status sbi_gate_names(const sbi_gate *g, sb_names *out);
/* The label of a cell in the report's texts, NULL without memory. */
const char *sbi_gate_label(sbi_gate *g, const sb_names *names, const sbi_gate_cell *cell);
sb_status   sbi_gate_nomem(void);

/* ---- the checks, one file each ---- */
sb_status sbi_gate_coverage(sbi_gate *g, const sbi_gate_pair *pair);
sb_status sbi_gate_accuracy(sbi_gate *g, const sbi_gate_pair *pair);
/* Means over the tasks of every group that several pairs have. */
sb_status sbi_gate_accuracy_means(sbi_gate *g, const sbi_gate_pair *pairs, int64_t n_pairs);
sb_status sbi_gate_latency(sbi_gate *g, const sbi_gate_pair *pair);
sb_status sbi_gate_memory(sbi_gate *g, const sbi_gate_pair *pair);
sb_status sbi_gate_density(sbi_gate *g, const sbi_gate_pair *pair);

/* ---- ratio.c: how much slower, and how sure is that? ---- */
/* What one side says of ln(time / anchor's time): independent looks at it. */
typedef struct sbi_gate_looks {
    double *y;
    int64_t n, n_runs, n_reps;
} sbi_gate_looks;
typedef struct sbi_gate_ratio {
    double ln_ratio, se, nu; /* new - base, its standard error, degrees of freedom */
} sbi_gate_ratio;
/* Welch on the looks; each run adds run_noise^2 over the runs of its side. Both n >= 2. */
sbi_gate_ratio sbi_gate_ratio_of(const sbi_gate_looks *base, const sbi_gate_looks *new,
                                 double                run_noise);
/* Quantile 1/2 of ns[0 .. n), n >= 1; reorders. */
double sbi_gate_median(double *ns, int64_t n);

/* ---- compare.c: what sb_gate_compare does once both sides are loaded ---- */
sb_status sbi_gate_sides(const sb_gate_rules *rules, const sbi_gate_side *base,
                         const sbi_gate_side *new, sb_gate_report        *report);

/* ---- verdicts.c ---- */
/* Holm over all tests, then verdicts of tests, effects, order, counts. */
sb_status sbi_gate_decide(sbi_gate *g);

#endif
