/* MPI error codes as sb_status, for the files of this folder that call MPI. */
#ifndef SB_HARNESS_COMM_MPI_STATUS_H
#define SB_HARNESS_COMM_MPI_STATUS_H

#include <mpi.h>

#include "kernels/base/status.h"

/* SB_OK, or SB_ERR_COMM with "<call>: <text of the library>". */
static inline sb_status sbi_mpi_status(int rc, const char *call)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int  len                        = 0;
    if (rc == MPI_SUCCESS)
        return SB_OK;
    MPI_Error_string(rc, text, &len);
    return sb_fail(SB_ERR_COMM, "%s: %s", call, text);
}

/* *out: a duplicate of MPI_COMM_WORLD whose errors come back; MPI_COMM_NULL after a failed
 * duplication. Collective. */
static inline sb_status sbi_mpi_own_comm(MPI_Comm *out)
{
    *out         = MPI_COMM_NULL;
    sb_status st = sbi_mpi_status(MPI_Comm_dup(MPI_COMM_WORLD, out), "MPI_Comm_dup");
    return st == SB_OK ? sbi_mpi_status(MPI_Comm_set_errhandler(*out, MPI_ERRORS_RETURN),
                                        "MPI_Comm_set_errhandler")
                       : st;
}

/* NULL communicators and a library that is finalized already are fine. */
static inline void sbi_mpi_drop_comm(MPI_Comm *comm)
{
    int finished = 0;
    MPI_Finalized(&finished);
    if (!finished && *comm != MPI_COMM_NULL)
        MPI_Comm_free(comm);
}

#endif
