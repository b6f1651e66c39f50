/* Run the points of a sweep that the database does not have yet. */
#ifndef SB_HARNESS_RUN_RUN_H
#define SB_HARNESS_RUN_RUN_H

#include "harness/config/sweep.h"
#include "harness/watch/watch.h"
#include "kernels/base/link.h"
#include "results/store/store.h"

typedef struct sb_run_options {
    const char *db_path;
    const char *publish; /* a copy of the database, whole at any time: renewed every
                          * publish_every_s (as long as that costs less than a fiftieth of the time)
                          * and at the end; where db_path is missing and it is not, the run goes on
                          * from it. NULL: none */
    double      publish_every_s;
    int64_t     first, last; /* points, inclusive */
    int64_t     row;         /* -1: all rows; else this one alone, also when it is stored already */
    double      time_limit_s; /* 0: none */
    sb_comm    *comm;
    sb_watch   *watch;         /* NULL: none */
    int32_t     mixed_devices; /* 1: ranks may have devices of several kinds; the run is flagged */
    int32_t     threads;
    /* Makes the link between ranks over a backend's memory, when a point needs one; why: a phrase
     * on the choice. Collective. NULL: no point may. */
    sb_status (*open_link)(sb_comm *comm, const sb_backend *backend, sb_link **out, char *why,
                           size_t why_bytes);
    /* facts of the launch, for the run row */
    const char *command, *commit, *version, *build_json, *mpi_version;
} sb_run_options;

typedef struct sb_run_outcome {
    int64_t ran, known, failed, unsupported, no_fit;
    int64_t repeated;       /* rows of a point with the very content of an earlier one, run once; on
                               rank 0, others count them as known */
    int64_t slowed, shared; /* samples taken while heat or a brake slowed the device; while others
                               computed on it */
    int32_t stopped; /* by a signal or the time limit: exit code 75 */
    char    stop_reason[96];
    int64_t db_bytes, db_samples; /* of the whole database, on rank 0 */
} sb_run_outcome;

/* Collective. Rank 0 writes the database, each sample as one transaction. Errors: SB_ERR_IO
 * (database), SB_ERR_COMM, SB_ERR_USAGE. */
sb_status sb_run_sweep(sb_sweep *s, const sb_run_options *o, sb_run_outcome *out);

/* What would run, without running: one line a point with its hash and the memory a rank needs
 * (predicted over the same layout code). */
sb_status sb_run_list(sb_sweep *s, const sb_run_options *o, FILE *out);

#endif
