/* Predictions made elsewhere, scored: files in, figures out, rows into a database where asked.
 *
 *   file --source--> prediction --metrics--> score --tally--> figures
 *                                              '--> SCORES.jsonl, database
 *
 * A bad line is told and passed over; nothing else is lost. Metrics are never mixed: each stands in
 * rows of its own. */
#ifndef SB_HARNESS_SCORE_SCORE_H
#define SB_HARNESS_SCORE_SCORE_H

#include <stdint.h>
#include <stdio.h>

#include "kernels/base/status.h"
#include "results/store/store.h"

typedef struct sb_score_options {
    const char *const *files;
    int64_t            n_files;
    const char        *format;        /* NULL: from each file's content */
    const char        *suite, *task;  /* NULL: what the file says */
    int64_t            length_tokens; /* 0: what the file says, or its folders */
    const char        *filter;        /* of lm-eval; NULL: all */
    const char *const *metrics;       /* names, "own", "kvpress", "lm-eval"; none: own */
    int64_t            n_metrics;
    const char        *jieba;          /* folder of the package; NULL: where Debian has it */
    const char        *out;            /* a line of JSON a score; NULL: none */
    const char        *db;             /* NULL: none */
    const char        *model, *method; /* with db: who answered, and how it attended */
    const char *facts; /* with db: where `spanbench gen` wrote the questions; NULL: not told */
    const char *command, *version, *commit, *build_json; /* with db: of the run row */
    void (*note)(void *arg, const char *text);           /* a line for people: formats, bad lines */
    void *arg;
} sb_score_options;

typedef struct sb_score_outcome {
    int64_t rows, bad;     /* good ones, and lines that could not be used */
    int64_t unscored;      /* good rows that some metric could not score: its reason is told */
    int64_t skipped;       /* of another filter */
    int64_t stored, known; /* in the database: new samples, and those it had with these scores */
} sb_score_outcome;

/* One figure. */
typedef struct sb_score_line {
    const char *kind; /* task | group (part of a task's rows) | mean (over tasks) | ruler */
    char       *suite, *task, *metric;
    const char *group;         /* "0-4k"; of ruler: average, wavg_inc, wavg_dec, effective_length */
    int64_t     length_tokens; /* 0 unknown */
    int64_t     n, n_empty, n_null, n_unscored;
    double      score, lo, hi; /* NaN: none */
    const char *interval;      /* wilson | bootstrap | "" */
    char        figure[32];    /* as the suite prints it, per cent; "" none */
    char       *reason;        /* why there is no score; NULL */
} sb_score_line;

typedef struct sb_score_table {
    sb_score_line *lines;
    int64_t        n, room;
} sb_score_table;

void sb_score_table_fini(sb_score_table *t);

/* table is zeroed by the caller. Errors: SB_ERR_USAGE before anything is scored (an unknown name, a
 * file of no known format, a model's name missing); SB_ERR_IO, SB_ERR_NOMEM. Bad lines are no
 * error: outcome->bad counts them. The database changes in one transaction, or not at all. */
sb_status sb_score_run(const sb_score_options *o, sb_score_table *table, sb_score_outcome *outcome);

sb_status sb_score_print(const sb_score_table *t, sb_format format, FILE *out);

const char *sb_score_csv_version(void); /* of libcsv, for --version */

/* For --help: "spanbench, lm-eval, ...". */
void sb_score_format_names(char *buf, size_t n);
/* Name and what it is of format i; NULL behind the last. */
const char *sb_score_format_name(int64_t i, const char **what);

#endif
