/* Starting and ending MPI for the program's main, which does not see mpi.h. */
#include "harness/comm/comms.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#include "harness/comm/mpi_status.h"

int sb_mpi_launched(void)
{
    /* Open MPI's mpirun; PMIx (srun --mpi=pmix); PMI-1/2 (srun --mpi=pmi2, MPICH's mpiexec).
     * Slurm's own SLURM_* are no sign: they stand in a batch script too, where nothing was
     * launched. */
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK",
                                        "PMI_SIZE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (getenv(names[i]) != NULL)
            return 1;
    return 0;
}

sb_status sb_mpi_init(int *argc, char ***argv)
{
    int       up = 0, level = MPI_THREAD_SINGLE;
    sb_status st;
    MPI_Initialized(&up);
    if (up)
        return SB_OK;
    /* MULTIPLE, so that the watchdog's thread may call MPI_Abort */
    if ((st = sbi_mpi_status(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &level),
                             "MPI_Init_thread")) != SB_OK)
        return st;
    if (level < MPI_THREAD_FUNNELED)
        return sb_fail(SB_ERR_COMM, "MPI grants thread level %d, at least %d (FUNNELED) is needed",
                       level, MPI_THREAD_FUNNELED);
    return sbi_mpi_status(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN),
                          "MPI_Comm_set_errhandler");
}

static int mpi_is_up(void)
{
    int up = 0, finished = 0;
    MPI_Initialized(&up);
    MPI_Finalized(&finished);
    return up && !finished;
}

void sb_mpi_fini(void)
{
    if (mpi_is_up())
        MPI_Finalize();
}

static int may_call_mpi(void)
{
    int level = MPI_THREAD_SINGLE, is_main = 0;
    if (!mpi_is_up())
        return 0;
    MPI_Query_thread(&level);
    MPI_Is_thread_main(&is_main);
    return level == MPI_THREAD_MULTIPLE || is_main;
}

_Noreturn void sb_mpi_abort(int code)
{
    if (may_call_mpi())
        MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

/* "Open MPI v4.1.4, package: ..." and "MPICH Version:\t4.0.2\n..." both become name and number. */
void sb_mpi_version(char *buf, int buf_bytes)
{
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "unknown MPI";
    int  len = 0, n = 0;
    MPI_Get_library_version(text, &len);
    for (const char *p = text; *p != '\0' && *p != ',' && *p != '\n' && n + 1 < buf_bytes; p++) {
        if (*p == 'v' && isdigit((unsigned char)p[1]))
            continue;
        buf[n++] = *p == '\t' ? ' ' : *p;
    }
    if (buf_bytes > 0)
        buf[n] = '\0';
}
