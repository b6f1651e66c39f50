/* Making communicators. `self` is one rank with no MPI at all; `mpi` wraps a duplicate of
 * MPI_COMM_WORLD. */
#ifndef SB_HARNESS_COMM_COMMS_H
#define SB_HARNESS_COMM_COMMS_H

#include "kernels/base/comm.h"

sb_status sb_comm_self_create(sb_comm **out);
/* MPI must be initialised. local_rank/local_size by MPI_Comm_split_type(SHARED). Errors of the
 * library come back as SB_ERR_COMM with its own text (MPI_ERRORS_RETURN); the death of a peer does
 * not come back at all: the launcher ends the job [cluster_runtime 4]. Collective. */
sb_status sb_comm_mpi_create(sb_comm **out);
/* NULL is fine. An `mpi` communicator must go before sb_mpi_fini. Collective. */
void sb_comm_destroy(sb_comm *c);

/* Largest message given to MPI in one call, in bytes: its counts are int. Longer ones travel in
 * pieces. All ranks must agree on the value; tests turn it down. At least 1. */
extern int64_t sb_comm_mpi_chunk_bytes;

/* MPI_Init_thread(MULTIPLE; FUNNELED suffices) and MPI_Finalize behind names without mpi.h, for
 * harness/cli. launched: 1 under mpirun or srun with PMI (environment of the launcher), so that a
 * plain start needs no MPI_Init at all. */
int       sb_mpi_launched(void);
sb_status sb_mpi_init(int *argc, char ***argv); /* a second call is a no-op */
void      sb_mpi_fini(void);                    /* a no-op before init and after the first call */
/* Ends all ranks with this exit code, without flushing or cleaning up; just this process when MPI
 * is not up, or cannot be called by this thread: the launcher then ends the others. Any thread. */
_Noreturn void sb_mpi_abort(int code);
void           sb_mpi_version(char *buf, int buf_bytes); /* "Open MPI 4.1.4"; needs no init */

#endif
