/* Trials of the gate over measured repetitions: databases' times as a pool of runs, sides drawn
 * from it, regressions planted into one of them. */
#ifndef SB_TESTS_UNIT_RESULTS_GATE_TRIALS_H
#define SB_TESTS_UNIT_RESULTS_GATE_TRIALS_H

#include "results/gate/internal.h"
#include "results/stats/xoshiro.h"

enum { TRIALS_METHODS = 8, TRIALS_ROWS = 16, TRIALS_REPS = 64 };

typedef struct trials_run {
    int64_t ns[TRIALS_METHODS][TRIALS_ROWS][TRIALS_REPS];
} trials_run;

typedef struct trials_pool {
    char        methods[TRIALS_METHODS][32]; /* [0] is dense */
    int64_t     n_methods, n_rows, n_reps, n_runs;
    trials_run *runs;
} trials_pool;

/* Lines "run,method,row,ns ns ...", runs behind one another; runs that are not whole are left out. */
void trials_read(const char *path, trials_pool *p);
/* Runs without a machine: a log-normal drift between runs, a slower one inside, and one repetition
 * in ten that is up to thirty times as long (Pareto). drift: SD between runs. */
void trials_invent(trials_pool *p, int64_t n_runs, double drift, uint64_t seed);
void trials_free(trials_pool *p);

/* What a side is made of. */
typedef struct trials_plan {
    const int64_t *runs; /* of the pool */
    int64_t        n_runs, n_rows, n_reps; /* the first of each */
    int64_t        slower;   /* method whose times are multiplied; -1: none */
    double         factor;
    int64_t        absent;   /* method that is not there; -1: none */
    int64_t        n_inputs; /* scored inputs of a task, all methods; 0: none */
    double         right;    /* their share of right answers */
    double         flips;    /* share of answers that a rerun changes, in either direction */
    int64_t        worse;    /* method that loses `loss` more; -1: none */
    double         loss;
    uint64_t       answers;  /* seed of the answers (the same on both sides), */
    uint64_t       rerun;    /* and of what a rerun changes */
} trials_plan;
void trials_side(const trials_pool *p, const trials_plan *plan, const sb_gate_rules *rules,
                 sbi_gate_side *side);

/* n different places below `of` in random order. */
void trials_choose(sb_xoshiro *x, int64_t of, int64_t n, int64_t *out);

#endif
