/* Bytes that MPI moves for this rank, counted by wrappers of its profiling interface: they stand
 * between the program and the library (PMPI), so that nothing of ours does the counting. */
#ifndef SB_TESTS_MPI_COUNT_MPI_H
#define SB_TESTS_MPI_COUNT_MPI_H

#include <stdint.h>

typedef struct span_moved {
    int64_t received, sent; /* blocks: point to point and gathers */
    int64_t reductions;     /* all-reduces, which rank agreements are made of */
    int64_t reduced_bytes;  /* of them, the buffers' */
    int64_t other;          /* calls that move bytes and are none of these */
} span_moved;

extern span_moved span_mpi; /* reset by the reader */

#endif
