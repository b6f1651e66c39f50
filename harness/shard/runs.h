/* Runs of rows between where they lie one after the other and where each has its place. */
#ifndef SB_HARNESS_SHARD_RUNS_H
#define SB_HARNESS_SHARD_RUNS_H

#include "kernels/base/backend.h"
#include "kernels/base/tensor.h"

typedef enum sbi_runs_way { SBI_RUNS_PLACE, SBI_RUNS_PICK } sbi_runs_way;

/* PLACE: the rows of `run` from `together` to their places; PICK: the other way. place[i]: first
 * row of run i in `apart`; NULL: run[i].start. Both are memory of `b`. Runs of one length at one
 * distance travel as one copy. Queued on `stream`. Errors: those of the backend. */
sb_status sbi_runs_copy(const sb_backend *b, sbi_runs_way way, const sb_run *run,
                        const int64_t *place, int64_t n_runs, int64_t row_bytes, char *together,
                        char *apart, void *stream);

#endif
