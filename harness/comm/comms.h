/* Making communicators. `self` is one rank with no MPI at all; `mpi` wraps a duplicate of MPI_COMM_WORLD. */
#ifndef SB_HARNESS_COMM_COMMS_H
#define SB_HARNESS_COMM_COMMS_H

#include "kernels/base/comm.h"

sb_status sb_comm_self_create(sb_comm **out);
/* MPI must be initialised. local_rank/local_size by MPI_Comm_split_type(SHARED). Errors come back as status (MPI_ERRORS_RETURN). */
sb_status sb_comm_mpi_create(sb_comm **out);
void      sb_comm_destroy(sb_comm *c); /* NULL is fine */

/* MPI_Init_thread(FUNNELED) and MPI_Finalize behind names without mpi.h, for harness/cli. launched_by_mpi: 1 under mpirun/srun
 * (environment of the launcher), so that a plain start needs no MPI_Init at all. */
int       sb_mpi_launched(void);
sb_status sb_mpi_init(int *argc, char ***argv);
void      sb_mpi_fini(void);
_Noreturn void sb_mpi_abort(int code);
void      sb_mpi_version(char *buf, int buf_bytes); /* "Open MPI 4.1.4" */

#endif
