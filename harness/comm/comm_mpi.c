/* The communicator over MPI-3.1 in host memory, on a duplicate of MPI_COMM_WORLD.
 *
 * MPI counts and displacements are int. A gather that fits goes to MPI_Allgatherv; a larger one
 * runs as a ring of our own, in which every block travels rank to rank in pieces with 64-bit
 * addresses:
 *
 *   step s = 0..R-2:  block (rank - s) -> rank + 1,   block (rank - s - 1) <- rank - 1
 *
 * so each link carries each foreign block once and no staging is needed. Own data is put into its
 * place first and all ranks pass MPI_IN_PLACE, which MPI asks of all ranks or of none. */
#include "harness/comm/comms.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/mpi_status.h"

int64_t sb_comm_mpi_chunk_bytes = (int64_t)1 << 30; /* [sharding 6] */

typedef struct mpi_impl {
    MPI_Comm comm;
    int     *count, *displ; /* [size], as MPI wants them */
} mpi_impl;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Can MPI take this gather in one call? Only facts that are the same on all ranks may decide. */
static int fits_one_call(const sb_comm *c, const int64_t *count_bytes, const int64_t *displ_bytes)
{
    int64_t total = 0;
    for (int32_t r = 0; r < c->size; r++) {
        if (displ_bytes[r] > INT_MAX || count_bytes[r] > sb_comm_mpi_chunk_bytes - total)
            return 0;
        total += count_bytes[r];
    }
    return 1;
}

static sb_status exchange(MPI_Comm comm, const unsigned char *out, int64_t out_bytes, int to,
                          unsigned char *in, int64_t in_bytes, int from)
{
    /* Both ends of a link know the block's length and so count the same pieces. */
    for (int64_t at = 0; at < out_bytes || at < in_bytes; at += sb_comm_mpi_chunk_bytes) {
        int64_t s = min_i64(sb_comm_mpi_chunk_bytes, out_bytes - at);
        int64_t r = min_i64(sb_comm_mpi_chunk_bytes, in_bytes - at);
        int     rc =
            MPI_Sendrecv(s > 0 ? out + at : NULL, s > 0 ? (int)s : 0, MPI_BYTE,
                         s > 0 ? to : MPI_PROC_NULL, 0, r > 0 ? in + at : NULL, r > 0 ? (int)r : 0,
                         MPI_BYTE, r > 0 ? from : MPI_PROC_NULL, 0, comm, MPI_STATUS_IGNORE);
        sb_status st = sbi_mpi_status(rc, "MPI_Sendrecv");
        if (st != SB_OK)
            return st;
    }
    return SB_OK;
}

static sb_status ring_allgatherv(const sb_comm *c, unsigned char *recv, const int64_t *count_bytes,
                                 const int64_t *displ_bytes)
{
    const mpi_impl *m  = c->impl;
    int32_t         to = (c->rank + 1) % c->size, from = (c->rank + c->size - 1) % c->size;
    for (int32_t s = 0; s + 1 < c->size; s++) {
        int32_t   o  = (c->rank - s + c->size) % c->size;
        int32_t   i  = (c->rank - s - 1 + c->size) % c->size;
        sb_status st = exchange(m->comm, recv + displ_bytes[o], count_bytes[o], to,
                                recv + displ_bytes[i], count_bytes[i], from);
        if (st != SB_OK)
            return st;
    }
    return SB_OK;
}

static sb_status mpi_allgatherv(sb_comm *c, const void *send, void *recv,
                                const int64_t *count_bytes, const int64_t *displ_bytes)
{
    mpi_impl      *m     = c->impl;
    unsigned char *place = (unsigned char *)recv + displ_bytes[c->rank];
    if (count_bytes[c->rank] > 0 && send != place)
        memmove(place, send, (size_t)count_bytes[c->rank]);
    if (!fits_one_call(c, count_bytes, displ_bytes))
        return ring_allgatherv(c, recv, count_bytes, displ_bytes);
    for (int32_t r = 0; r < c->size; r++) {
        m->count[r] = (int)count_bytes[r];
        m->displ[r] = (int)displ_bytes[r];
    }
    return sbi_mpi_status(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, recv, m->count,
                                         m->displ, MPI_BYTE, m->comm),
                          "MPI_Allgatherv");
}

static sb_status mpi_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    mpi_impl *m  = c->impl;
    sb_status st = SB_OK;
    for (int64_t at = 0; st == SB_OK && at < bytes; at += sb_comm_mpi_chunk_bytes) {
        int n = (int)min_i64(sb_comm_mpi_chunk_bytes, bytes - at);
        st    = sbi_mpi_status(MPI_Bcast((unsigned char *)data + at, n, MPI_BYTE, root, m->comm),
                               "MPI_Bcast");
    }
    return st;
}

static sb_status mpi_allreduce_i64(sb_comm *c, int64_t *data, int64_t count, sb_reduce_op op)
{
    static const sb_reduce_op known[] = {SB_REDUCE_SUM, SB_REDUCE_MAX, SB_REDUCE_MIN};
    MPI_Op                    ops[]   = {MPI_SUM, MPI_MAX, MPI_MIN};
    MPI_Op                    mop     = MPI_OP_NULL;
    mpi_impl                 *m       = c->impl;
    int64_t                   step    = max_i64(1, sb_comm_mpi_chunk_bytes / (int64_t)sizeof *data);
    sb_status                 st      = SB_OK;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] == op)
            mop = ops[i];
    for (int64_t at = 0; st == SB_OK && at < count; at += step)
        st = sbi_mpi_status(MPI_Allreduce(MPI_IN_PLACE, data + at, (int)min_i64(step, count - at),
                                          MPI_INT64_T, mop, m->comm),
                            "MPI_Allreduce");
    return st;
}

static sb_status mpi_barrier(sb_comm *c)
{
    return sbi_mpi_status(MPI_Barrier(((mpi_impl *)c->impl)->comm), "MPI_Barrier");
}

static void mpi_destroy(sb_comm *c)
{
    mpi_impl *m = c->impl;
    sbi_mpi_drop_comm(&m->comm);
    free(m->count);
    free(m->displ);
    free(m);
    free(c);
}

static const sb_comm_ops mpi_ops = {
    .name          = "mpi",
    .allgatherv    = mpi_allgatherv,
    .bcast         = mpi_bcast,
    .allreduce_i64 = mpi_allreduce_i64,
    .barrier       = mpi_barrier,
    .destroy       = mpi_destroy,
};

/* Rank and size among the processes that share this host's memory. */
static sb_status local_place(MPI_Comm comm, int *rank, int *size)
{
    MPI_Comm  host = MPI_COMM_NULL;
    sb_status st =
        sbi_mpi_status(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host),
                       "MPI_Comm_split_type");
    if (st != SB_OK)
        return st;
    if ((st = sbi_mpi_status(MPI_Comm_rank(host, rank), "MPI_Comm_rank")) == SB_OK)
        st = sbi_mpi_status(MPI_Comm_size(host, size), "MPI_Comm_size");
    MPI_Comm_free(&host);
    return st;
}

static sb_status set_up(sb_comm *c, mpi_impl *m)
{
    int       rank = 0, size = 0, local_rank = 0, local_size = 0;
    sb_status st = sbi_mpi_own_comm(&m->comm);
    if (st != SB_OK ||
        (st = sbi_mpi_status(MPI_Comm_rank(m->comm, &rank), "MPI_Comm_rank")) != SB_OK ||
        (st = sbi_mpi_status(MPI_Comm_size(m->comm, &size), "MPI_Comm_size")) != SB_OK ||
        (st = local_place(m->comm, &local_rank, &local_size)) != SB_OK)
        return st;
    m->count = calloc((size_t)size, sizeof *m->count);
    m->displ = calloc((size_t)size, sizeof *m->displ);
    if (m->count == NULL || m->displ == NULL)
        return sb_fail(SB_ERR_NOMEM, "communicator mpi: no memory for %d ranks", size);
    c->rank       = rank;
    c->size       = size;
    c->local_rank = local_rank;
    c->local_size = local_size;
    return SB_OK;
}

sb_status sb_comm_mpi_create(sb_comm **out)
{
    int       up = 0;
    sb_status st = SB_OK;
    MPI_Initialized(&up);
    if (!up)
        return sb_fail(SB_ERR_INTERNAL, "communicator mpi: MPI is not initialised");
    sb_comm  *c = calloc(1, sizeof *c);
    mpi_impl *m = calloc(1, sizeof *m);
    if (c == NULL || m == NULL) {
        free(c);
        free(m);
        return sb_fail(SB_ERR_NOMEM, "communicator mpi: no memory for the handle");
    }
    m->comm = MPI_COMM_NULL;
    *c      = (sb_comm){.ops = &mpi_ops, .impl = m};
    if ((st = set_up(c, m)) != SB_OK) {
        mpi_destroy(c);
        return st;
    }
    *out = c;
    return SB_OK;
}
