/* Collective test cases: one function that every rank calls with its communicator. The same cases
 * run under mpirun (test_mpi.c) and, with no MPI at all, on one thread a rank (thread_ranks.c),
 * where sanitizers see all ranks at once. A case never stops early by itself: it notes what went
 * wrong and keeps its collective calls in step; the runner fails the test on all ranks alike. */
#ifndef SB_TESTS_MPI_RANKS_H
#define SB_TESTS_MPI_RANKS_H

#include <stdio.h>

#include "kernels/base/comm.h"
#include "kernels/base/link.h"

typedef struct span_rank {
    sb_comm *comm;
    char     why[256]; /* first failure; empty: none */
} span_rank;

typedef struct span_case {
    const char *name;
    void (*run)(span_rank *r);
} span_case; /* a table ends with {0} */

extern const span_case span_comm_cases[];    /* cases_comm.c */
extern const span_case span_shard_cases[];   /* cases_shard.c */
extern const span_case span_state_cases[];   /* cases_state.c */
enum { SPAN_STATE_CASES_OF_MANY = 4 };       /* the first ones: for any number of ranks */
extern const span_case span_quality_cases[]; /* cases_quality.c */
extern const span_case span_balance_cases[]; /* cases_balance.c */
extern const span_case span_fetch_cases[];   /* cases_fetch.c */
extern const span_case span_pass_q_cases[];  /* cases_pass_q.c */
extern const span_case span_groups_cases[];  /* cases_groups.c */
extern const span_case span_heads_cases[];   /* cases_heads.c */
extern const span_case span_operator_cases[]; /* cases_operator.c */

/* A link between these ranks, over MPI or between threads (thread_ranks.c): whichever the runner
 * has. Collective; aborts when there is none. The caller destroys it. */
sb_link *span_link(sb_comm *comm);

#define SPAN_EXPECT(r, cond, ...)                                                                  \
    do {                                                                                           \
        if (!(cond) && (r)->why[0] == '\0') {                                                      \
            int n_ = snprintf((r)->why, sizeof(r)->why, "%s:%d rank %d of %d: %s: ", __FILE__,     \
                              __LINE__, (r)->comm->rank, (r)->comm->size, #cond);                  \
            if (n_ > 0 && (size_t)n_ < sizeof(r)->why)                                             \
                snprintf((r)->why + n_, sizeof(r)->why - (size_t)n_, __VA_ARGS__);                 \
        }                                                                                          \
    } while (0)

/* Run a case on `ranks` threads; why gets the first failing rank's text, or "". */
void span_run_threads(const span_case *c, int32_t ranks, char *why, size_t why_bytes);

#endif
