#include "tests/mpi/count_mpi.h"

#include <mpi.h>

span_moved span_mpi;

static int64_t bytes_of(int count, MPI_Datatype type)
{
    int size = 0;
    if (count > 0)
        PMPI_Type_size(type, &size);
    return (int64_t)count * size;
}

int MPI_Isend(const void *buf, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    span_mpi.sent += bytes_of(count, type);
    return PMPI_Isend(buf, count, type, to, tag, comm, request);
}

int MPI_Irecv(void *buf, int count, MPI_Datatype type, int from, int tag, MPI_Comm comm,
              MPI_Request *request)
{
    span_mpi.received += bytes_of(count, type);
    return PMPI_Irecv(buf, count, type, from, tag, comm, request);
}

int MPI_Sendrecv(const void *out, int n_out, MPI_Datatype out_type, int to, int out_tag, void *in,
                 int n_in, MPI_Datatype in_type, int from, int in_tag, MPI_Comm comm,
                 MPI_Status *status)
{
    span_mpi.sent += bytes_of(n_out, out_type);
    span_mpi.received += bytes_of(n_in, in_type);
    return PMPI_Sendrecv(out, n_out, out_type, to, out_tag, in, n_in, in_type, from, in_tag, comm,
                         status);
}

/* A gather's bytes by what it means: each rank gets every other's block once. */
int MPI_Allgatherv(const void *send, int n_send, MPI_Datatype send_type, void *recv,
                   const int *count, const int *displ, MPI_Datatype type, MPI_Comm comm)
{
    int rank, size;
    PMPI_Comm_rank(comm, &rank);
    PMPI_Comm_size(comm, &size);
    for (int r = 0; r < size; r++)
        if (r != rank)
            span_mpi.received += bytes_of(count[r], type);
    span_mpi.sent += bytes_of(count[rank], type) * (size - 1);
    return PMPI_Allgatherv(send, n_send, send_type, recv, count, displ, type, comm);
}

int MPI_Allreduce(const void *send, void *recv, int count, MPI_Datatype type, MPI_Op op,
                  MPI_Comm comm)
{
    span_mpi.reductions++;
    span_mpi.reduced_bytes += bytes_of(count, type);
    return PMPI_Allreduce(send, recv, count, type, op, comm);
}

int MPI_Bcast(void *buf, int count, MPI_Datatype type, int root, MPI_Comm comm)
{
    span_mpi.other++;
    return PMPI_Bcast(buf, count, type, root, comm);
}
