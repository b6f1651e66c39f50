/* A communicator that says which call it is in. */
#include <stdlib.h>

#include "harness/watch/watch.h"

typedef struct watched {
    sb_comm_ops ops; /* under the inner one's name: it is stored with the run */
    sb_comm    *inner;
    sb_watch   *watch;
} watched;

static sb_status returned(const watched *w, sb_status st)
{
    sb_watch_returned(w->watch, st);
    return st;
}

static sb_status comm_allgatherv(sb_comm *c, const void *send, void *recv,
                                 const int64_t *count_bytes, const int64_t *displ_bytes)
{
    const watched *w     = c->impl;
    int64_t        bytes = 0;
    for (int32_t r = 0; r < c->size; r++)
        bytes += count_bytes[r];
    sb_watch_call(w->watch, "allgather", bytes);
    return returned(w, w->inner->ops->allgatherv(w->inner, send, recv, count_bytes, displ_bytes));
}

static sb_status comm_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    const watched *w = c->impl;
    sb_watch_call(w->watch, "broadcast", bytes);
    return returned(w, w->inner->ops->bcast(w->inner, data, bytes, root));
}

static sb_status comm_allreduce_i64(sb_comm *c, int64_t *data, int64_t count, sb_reduce_op op)
{
    const watched *w = c->impl;
    sb_watch_call(w->watch, "allreduce", count * (int64_t)sizeof *data);
    return returned(w, w->inner->ops->allreduce_i64(w->inner, data, count, op));
}

static sb_status comm_barrier(sb_comm *c)
{
    const watched *w = c->impl;
    sb_watch_call(w->watch, "barrier", 0);
    return returned(w, w->inner->ops->barrier(w->inner));
}

static void comm_destroy(sb_comm *c)
{
    watched *w = c->impl;
    w->inner->ops->destroy(w->inner);
    free(w);
    free(c);
}

sb_status sb_watch_comm(sb_watch *watch, sb_comm *inner, sb_comm **out)
{
    if (watch == NULL) {
        *out = inner;
        return SB_OK;
    }
    sb_comm *c = calloc(1, sizeof *c);
    watched *w = calloc(1, sizeof *w);
    if (c == NULL || w == NULL) {
        free(c);
        free(w);
        return sb_fail(SB_ERR_NOMEM, "watchdog: no memory for the communicator");
    }
    *w   = (watched){.ops   = {.name          = inner->ops->name,
                               .allgatherv    = comm_allgatherv,
                               .bcast         = comm_bcast,
                               .allreduce_i64 = comm_allreduce_i64,
                               .barrier       = comm_barrier,
                               .destroy       = comm_destroy},
                     .inner = inner,
                     .watch = watch};
    *c   = (sb_comm){.ops        = &w->ops,
                     .rank       = inner->rank,
                     .size       = inner->size,
                     .local_rank = inner->local_rank,
                     .local_size = inner->local_size,
                     .impl       = w};
    *out = c;
    return SB_OK;
}
