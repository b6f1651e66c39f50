/* The communicator as a table: what kernels and the sharding code may ask of other ranks.
 * Implementations live in harness/comm (self, mpi; links nccl, mpi_host). Every call is collective over the
 * communicator and must be issued in the same order by all ranks. Pointers are host memory for self and mpi.
 * Counts and displacements are bytes, 64-bit; implementations split what their library cannot take in one call. */
#ifndef SB_KERNELS_BASE_COMM_H
#define SB_KERNELS_BASE_COMM_H

#include <stdint.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_comm sb_comm;

typedef enum sb_reduce_op { SB_REDUCE_SUM, SB_REDUCE_MAX, SB_REDUCE_MIN, SB_REDUCE_COUNT } sb_reduce_op;

typedef struct sb_comm_ops {
    const char *name; /* "self", "mpi": stored with each run */
    /* recv + displ_bytes[r] receives count_bytes[r] bytes of rank r; send may equal its own place in recv. */
    sb_status (*allgatherv)(sb_comm *c, const void *send, void *recv, const int64_t *count_bytes, const int64_t *displ_bytes);
    sb_status (*bcast)(sb_comm *c, void *data, int64_t bytes, int32_t root);
    sb_status (*allreduce_i64)(sb_comm *c, int64_t *data, int64_t count,
                               sb_reduce_op op); /* in place; exact, order-free; sums wrap */
    sb_status (*barrier)(sb_comm *c);
    void (*destroy)(sb_comm *c);
} sb_comm_ops;

/* What this rank moved, counted where the library is called (own data kept in place is not counted). */
typedef struct sb_comm_stats {
    int64_t received_bytes, sent_bytes, calls, ns;
} sb_comm_stats;

struct sb_comm {
    const sb_comm_ops *ops;
    int32_t            rank, size;             /* in this communicator */
    int32_t            local_rank, local_size; /* on this host */
    sb_comm_stats      stats;                  /* reset by the caller */
    void              *impl;
};

/* Wrappers: time and count the call, then forward. */
sb_status sb_comm_allgatherv(sb_comm *c, const void *send, void *recv, const int64_t *count_bytes, const int64_t *displ_bytes);
sb_status sb_comm_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root);
sb_status sb_comm_allreduce_i64(sb_comm *c, int64_t *data, int64_t count, sb_reduce_op op);
sb_status sb_comm_barrier(sb_comm *c);

/* All ranks leave a phase together: returns st where this rank failed, SB_ERR_PEER (text "rank R: <name>") where only others
 * did, SB_OK when all are fine. Collective. */
sb_status sb_comm_agree(sb_comm *c, sb_status st);

#ifdef __cplusplus
}
#endif
#endif
