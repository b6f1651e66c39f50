#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/links.h"

#if !defined(SB_HAVE_NCCL)
sb_status sb_nccl_describe(char *out, size_t bytes)
{
    (void)out;
    (void)bytes;
    return sb_fail(SB_ERR_UNSUPPORTED, "nccl: this program was built without nccl.h");
}

sb_status sb_link_nccl_create(sb_comm *comm, const sb_backend *backend, const sb_nccl_options *o,
                              sb_link **out)
{
    (void)comm;
    (void)backend;
    (void)o;
    (void)out;
    return sb_fail(SB_ERR_UNSUPPORTED, "nccl: this program was built without nccl.h");
}
#endif

/* What a rank says of itself. */
typedef struct card {
    char    uuid[40];
    int64_t nccl; /* 1: NCCL opens there */
} card;

/* Do two ranks share a device, or has some rank no NCCL? Then why says so. Collective. */
static sb_status look_around(sb_comm *comm, const sb_backend *backend, char *why, size_t bytes)
{
    char            nccl[96];
    sb_device_facts f     = {0};
    size_t          n     = (size_t)comm->size;
    card           *all   = calloc(n, sizeof *all);
    int64_t        *count = calloc(n, sizeof *count), *displ = calloc(n, sizeof *displ);
    sb_status       st = SB_OK;
    if (all == NULL || count == NULL || displ == NULL)
        st = sb_fail(SB_ERR_NOMEM, "link: no memory for %d ranks", comm->size);
    if (st == SB_OK)
        st = backend->facts(&f);
    if ((st = sb_comm_agree(comm, st)) == SB_OK) {
        card *mine = &all[comm->rank];
        memcpy(mine->uuid, f.uuid, sizeof f.uuid);
        mine->nccl = sb_nccl_describe(nccl, sizeof nccl) == SB_OK;
        for (int32_t r = 0; r < comm->size; r++) {
            count[r] = (int64_t)sizeof *all;
            displ[r] = r * (int64_t)sizeof *all;
        }
        st = sb_comm_allgatherv(comm, mine, all, count, displ);
    }
    why[0] = '\0';
    for (int32_t r = 0; st == SB_OK && r < comm->size; r++) {
        if (!all[r].nccl && why[0] == '\0')
            (void)snprintf(why, bytes, "rank %d has no NCCL", r);
        for (int32_t q = 0; q < r && why[0] == '\0'; q++)
            if (strcmp(all[r].uuid, all[q].uuid) == 0)
                (void)snprintf(why, bytes, "ranks %d and %d share a GPU", q, r);
    }
    free(all);
    free(count);
    free(displ);
    return st;
}

sb_status sb_link_choose(sb_comm *comm, const sb_backend *backend, sb_link_kind asked,
                         const sb_nccl_options *o, sb_link **out, char *why, size_t why_bytes)
{
    char      refusal[128];
    sb_status st;
    *out = NULL;
    (void)snprintf(why, why_bytes, "one rank");
    if (comm->size == 1)
        return SB_OK;
    if (backend->stream_open == NULL) {
        (void)snprintf(why, why_bytes, "mpi: memory of the host");
        return sb_link_mpi_create(comm, out);
    }
    if ((st = look_around(comm, backend, refusal, sizeof refusal)) != SB_OK)
        return st;
    if (asked == SB_LINK_NCCL && refusal[0] != '\0')
        return sb_fail(SB_ERR_UNSUPPORTED, "nccl: found that %s", refusal);
    if (asked != SB_LINK_MPI_HOST && refusal[0] == '\0') {
        (void)snprintf(why, why_bytes, "nccl: a GPU a rank");
        return sb_link_nccl_create(comm, backend, o, out);
    }
    (void)snprintf(why, why_bytes, "mpi_host: %s",
                   asked == SB_LINK_MPI_HOST ? "asked for" : refusal);
    return sb_link_mpi_host_create(comm, backend, out);
}
