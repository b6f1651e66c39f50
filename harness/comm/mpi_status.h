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

#endif
