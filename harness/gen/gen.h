/* Sets of questions as files: what `spanbench gen` writes.
 *
 *   DIR/SUITE/LENGTH/TASK/validation.jsonl   rows in the suite's own format (rows.jsonl: in ours)
 *                         facts.json         what was asked, what it was made from, hash of the
 * rows
 *
 * SUITE is SUITE.VARIANT where a sweep asks for several seeds, parameters or files of one suite;
 * LENGTH is `as_is` for rows that are not cut. A file is there whole or not at all; one that an
 * equal request made is kept. */
#ifndef SB_HARNESS_GEN_GEN_H
#define SB_HARNESS_GEN_GEN_H

#include "harness/config/gen_plan.h"
#include "harness/gen/cache.h"

typedef enum sb_gen_format {
    SB_GEN_OWN,      /* the suite's, where it has one */
    SB_GEN_SPANBENCH /* sb_text_row_json */
} sb_gen_format;

typedef enum sb_gen_result {
    SB_GEN_MADE,
    SB_GEN_CACHED, /* an equal request of this machine had made the rows: copied */
    SB_GEN_REUSED,
    SB_GEN_UNSUPPORTED, /* something that the set needs was not given, or it does not fit */
    SB_GEN_FAILED,
    SB_GEN_RESULTS
} sb_gen_result;

/* One set has come to its end. */
typedef struct sb_gen_report {
    const sb_gen_set *set;
    sb_gen_result     result;
    const char       *path; /* of the rows */
    const char       *reason;
    int64_t           rows, bad_rows;
    double            seconds;
} sb_gen_report;

typedef struct sb_gen_options {
    const sb_gen_plan  *plan;
    const char         *dir;
    sb_gen_format       format;
    int64_t             first_row, last_row; /* last_row -1: all that the plan asks for */
    int32_t             rank, ranks;         /* set i is made by rank i % ranks */
    const char         *program;             /* version, for facts.json */
    const sb_tok_ops   *tok;                 /* NULL: none */
    const sb_gen_cache *cache;               /* NULL: none */
    void (*report)(void *arg, const sb_gen_report *r);
    void (*warn)(void *arg, const char *text); /* about the cache; the run goes on */
    void (*bad_row)(void *arg, const sb_gen_set *set, const char *why);
    void (*progress)(void *arg, const sb_gen_set *set, int64_t rows, int64_t of);
    int (*should_stop)(void *arg);
    void *arg;
} sb_gen_options;

typedef struct sb_gen_outcome {
    int64_t n[SB_GEN_RESULTS], rows, bad_rows;
    int32_t stopped;
} sb_gen_outcome;

/* A set that cannot be made is a result and the others go on. Errors: SB_ERR_IO when the folder
 * cannot be written; SB_ERR_NOMEM. Cost: what generating costs, and one row of memory. */
sb_status sb_gen_run(const sb_gen_options *o, sb_gen_outcome *out);

#endif
