/* How this process was started, and what that gives it: a communicator and a number of threads. */
#ifndef SB_HARNESS_CLI_LAUNCH_H
#define SB_HARNESS_CLI_LAUNCH_H

#include "harness/config/sweep.h"
#include "harness/watch/watch.h"
#include "kernels/base/comm.h"

typedef struct sb_launch {
    sb_comm  *comm;
    sb_watch *watch;   /* NULL: off */
    int32_t   threads; /* CPU threads of this rank */
    int32_t   mpi;     /* MPI was initialised */
} sb_launch;

/* Before MPI begins: 1 alone and on rank 0, as the launcher's variables tell. What every rank's
 * command line has in common is said once. */
int sb_launch_speaks(void);

/* Alone: `self`. Under mpirun or srun: `mpi`. threads 0: OMP_NUM_THREADS, else the host's cores
 * over its ranks (what the affinity mask leaves, when the launcher binds). watchdog: the value of
 * --watchdog, or NULL. Errors: SB_ERR_USAGE (the watchdog's), SB_ERR_COMM, SB_ERR_NOMEM. */
sb_status sb_launch_begin(int32_t threads, const char *watchdog, sb_launch *out);

/* As sb_comm_agree, for what every rank reads and checks on its own. Where all of them failed, as a
 * bad file makes them, rank 0 alone keeps its error and the others get SB_ERR_PEER: told once. */
sb_status sb_launch_agree(const sb_launch *l, sb_status st);

/* All ranks leave with the highest code of any of them, after MPI_Finalize. */
int sb_launch_end(sb_launch *l, int code);

void sb_launch_sweep_env(const sb_launch *l, sb_sweep_env *env);
void sb_launch_command(char **argv, char *buf, size_t n); /* argv joined by blanks, cut at n */
void sb_launch_mpi_version(const sb_launch *l, char *buf, size_t n);

#endif
