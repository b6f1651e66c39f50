/* Groups of MPI_Isend and MPI_Irecv in host memory. MPI counts are int: longer blocks travel in
 * pieces of sb_comm_mpi_chunk_bytes, which both ends count alike. The tag is the block's number
 * among those of the same pair and direction. */
#include <stdlib.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/comm/mpi_status.h"

/* Requests that there is room for from the start, where ranks agree on it: one that finds none
 * later leaves its peers to the watchdog. 64 KV heads of K and V, to and from. */
enum { AT_FIRST = 256 };

typedef struct mpi_link {
    MPI_Comm     comm;
    MPI_Request *request; /* [n] */
    int64_t      n, capacity;
    int32_t     *ordinal; /* [2][size] blocks so far from, and to, each rank */
} mpi_link;

static sb_status room(mpi_link *m, int64_t n)
{
    if (n <= m->capacity)
        return SB_OK;
    MPI_Request *grown = realloc(m->request, (size_t)n * sizeof *grown);
    if (grown == NULL)
        return sb_fail(SB_ERR_NOMEM, "link mpi: no memory for %lld requests", (long long)n);
    m->request  = grown;
    m->capacity = n;
    return SB_OK;
}

static sb_status post_block(mpi_link *m, const sb_transfer *t, int tag)
{
    sb_status st = SB_OK;
    for (int64_t at = 0; st == SB_OK && at < t->bytes; at += sb_comm_mpi_chunk_bytes) {
        int64_t        left = t->bytes - at;
        int            n = (int)(left < sb_comm_mpi_chunk_bytes ? left : sb_comm_mpi_chunk_bytes);
        unsigned char *p = (unsigned char *)t->data + at;
        MPI_Request   *r = &m->request[m->n];
        st               = t->is_receive
                               ? sbi_mpi_status(MPI_Irecv(p, n, MPI_BYTE, t->peer, tag, m->comm, r), "MPI_Irecv")
                               : sbi_mpi_status(MPI_Isend(p, n, MPI_BYTE, t->peer, tag, m->comm, r), "MPI_Isend");
        if (st == SB_OK)
            m->n++;
    }
    return st;
}

static sb_status mpi_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    mpi_link *m      = l->impl;
    int64_t   pieces = 0;
    (void)stream;
    for (int64_t i = 0; i < n; i++)
        pieces += (t[i].bytes + sb_comm_mpi_chunk_bytes - 1) / sb_comm_mpi_chunk_bytes;
    sb_status st = room(m, pieces);
    for (int32_t r = 0; r < 2 * l->size; r++)
        m->ordinal[r] = 0;
    m->n = 0;
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        if (t[i].bytes > 0)
            st = post_block(m, &t[i], m->ordinal[(t[i].is_receive ? 0 : l->size) + t[i].peer]++);
    return st;
}

static sb_status mpi_wait(sb_link *l, void *stream)
{
    mpi_link *m  = l->impl;
    sb_status st = SB_OK;
    (void)stream;
    for (int64_t i = 0; st == SB_OK && i < m->n; i++)
        st = sbi_mpi_status(MPI_Wait(&m->request[i], MPI_STATUS_IGNORE), "MPI_Wait");
    m->n = 0;
    return st;
}

static sb_status mpi_drain(sb_link *l, void *stream)
{
    (void)l;
    (void)stream;
    return SB_OK;
}

static void mpi_destroy(sb_link *l)
{
    mpi_link *m = l->impl;
    sbi_mpi_drop_comm(&m->comm);
    free(m->request);
    free(m->ordinal);
    free(m);
    free(l);
}

static const sb_link_ops mpi_ops = {"mpi", mpi_post, mpi_wait, mpi_drain, mpi_destroy, NULL};

sb_status sb_link_mpi_create(sb_comm *comm, sb_link **out)
{
    sb_link  *l  = calloc(1, sizeof *l);
    mpi_link *m  = calloc(1, sizeof *m);
    sb_status st = SB_OK;
    if (m != NULL) {
        m->ordinal  = calloc((size_t)comm->size * 2, sizeof *m->ordinal);
        m->request  = calloc(AT_FIRST, sizeof *m->request);
        m->capacity = AT_FIRST;
    }
    if (l == NULL || m == NULL || m->ordinal == NULL || m->request == NULL)
        st = sb_fail(SB_ERR_NOMEM, "link mpi: no memory for the handle");
    if ((st = sb_comm_agree(comm, st)) != SB_OK) {
        if (m != NULL) {
            free(m->ordinal);
            free(m->request);
        }
        free(m);
        free(l);
        return st;
    }
    *l = (sb_link){.ops     = &mpi_ops,
                   .backend = &sb_backend_cpu,
                   .rank    = comm->rank,
                   .size    = comm->size,
                   .impl    = m};
    if ((st = sb_comm_agree(comm, sbi_mpi_own_comm(&m->comm))) != SB_OK) {
        mpi_destroy(l);
        return st;
    }
    *out = l;
    return SB_OK;
}
