/* Making links [cluster_runtime 4]. */
#ifndef SB_HARNESS_COMM_LINKS_H
#define SB_HARNESS_COMM_LINKS_H

#include "kernels/base/comm.h"
#include "kernels/base/link.h"

/* comm: its ranks are the link's, MPI's world in the same order; borrowed while a link is made and
 * not kept. Each call is collective: all ranks get a link, or all an error. */

/* MPI over host memory. */
sb_status sb_link_mpi_create(sb_comm *comm, sb_link **out);

/* MPI over device memory, through pinned host memory, two pieces of each block under way. wait
 * works on the transfers; what is queued on the device meanwhile runs beside them. */
sb_status      sb_link_mpi_host_create(sb_comm *comm, const sb_backend *backend, sb_link **out);
extern int64_t sb_link_stage_bytes; /* a piece: 4 MiB; tests turn it down */

/* NCCL (2.18 or newer, opened at run time) over device memory, on a stream of the link's own.
 * Communicators of its own, made without blocking and with a deadline. Errors: SB_ERR_UNSUPPORTED
 * with the reason where there is no NCCL or two ranks share a GPU; SB_ERR_COMM. */
typedef struct sb_nccl_options {
    /* thread blocks that its kernels may take from what computes beside a group; 0: NCCL's own
     * choice, which is that of groups posted alone in any case */
    int32_t max_ctas;
    double timeout_s; /* of making the communicator, and of a drain that makes no progress */
} sb_nccl_options;
sb_status sb_link_nccl_create(sb_comm *comm, const sb_backend *backend, const sb_nccl_options *o,
                              sb_link **out);
/* "2.28.9 (built against 2.28.9)", or SB_ERR_UNSUPPORTED with why there is none. */
sb_status sb_nccl_describe(char *out, size_t bytes);

typedef enum sb_link_kind {
    SB_LINK_AUTO,
    SB_LINK_MPI_HOST,
    SB_LINK_NCCL,
    SB_LINK_KIND_COUNT
} sb_link_kind;

/* The link of a backend: `mpi` where its memory is the host's; else the one asked for, and of AUTO
 * nccl where all ranks have a GPU of their own and NCCL opens, mpi_host otherwise. why: one phrase
 * for the run's row and `doctor`. *out NULL with one rank. */
sb_status sb_link_choose(sb_comm *comm, const sb_backend *backend, sb_link_kind asked,
                         const sb_nccl_options *o, sb_link **out, char *why, size_t why_bytes);

/* What every rank receives from the rank before it while all ranks do so at once: blocks of
 * `bytes`, the best of three rounds. Collective. */
sb_status sb_link_measure(sb_comm *comm, sb_link *l, int64_t bytes, double *bytes_per_s);

#endif
