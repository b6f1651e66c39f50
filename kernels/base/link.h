/* Moves blocks between ranks: groups of sends and receives over the memory of one backend, in the
 * order of streams. The schemes of harness/shard are made of them; implementations live in
 * harness/comm.
 *
 *   post   the group starts when what is queued on `stream` is done
 *   wait   work that is queued on `stream` from here on finds what was received, and may write over
 *          what was sent
 *   drain  the host waits for `stream`, without waiting for a rank that is gone
 *
 * Between post and wait the caller goes on computing: that is what hides a transfer. One group is
 * under way at a time; groups come in the same order on all ranks. One link for one purpose. */
#ifndef SB_KERNELS_BASE_LINK_H
#define SB_KERNELS_BASE_LINK_H

#include "kernels/base/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The k-th block sent to a rank in a group meets the k-th one received from here there, of the same
 * size. Nobody sends to itself. Blocks of no bytes are left out by both sides. */
typedef struct sb_transfer {
    void   *data; /* of the link's backend; what is sent is not written */
    int64_t bytes;
    int32_t peer;
    int32_t is_receive;
} sb_transfer;

typedef struct sb_link sb_link;

typedef struct sb_link_ops {
    const char *name; /* mpi, mpi_host, nccl */
    sb_status (*post)(sb_link *l, const sb_transfer *t, int64_t n, void *stream);
    sb_status (*wait)(sb_link *l, void *stream);
    sb_status (*drain)(sb_link *l, void *stream);
    void (*destroy)(sb_link *l); /* a group under way is given up */
    /* Called by another thread: a call that waits for other ranks returns soon, with SB_ERR_COMM.
     * NULL: it cannot. */
    void (*give_up)(sb_link *l);
} sb_link_ops;

struct sb_link {
    const sb_link_ops *ops;
    const sb_backend  *backend;
    int32_t            rank, size;
    /* reset by the caller; ns: the host's time in post and wait */
    int64_t received_bytes, sent_bytes, groups, ns;
    int32_t under_way;
    int32_t alone; /* 1 in a post of sb_link_post_alone: the group may take all of the device */
    void   *impl;
};

/* Wrappers: check, time and count, then forward. t may be gone after post. Errors: SB_ERR_INTERNAL
 * (a group is under way, or none; a peer that is this rank or none), SB_ERR_COMM, SB_ERR_NOMEM. */
sb_status sb_link_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream);
/* The same where nothing is computed until the group is through: a link that leaves room on the
 * device for what computes beside it need not here. The same choice on all ranks. */
sb_status sb_link_post_alone(sb_link *l, const sb_transfer *t, int64_t n, void *stream);
sb_status sb_link_wait(sb_link *l, void *stream);
sb_status sb_link_drain(sb_link *l, void *stream);
void      sb_link_destroy(sb_link *l); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
