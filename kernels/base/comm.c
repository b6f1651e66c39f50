/* Counting wrappers around the table, and the agreement that lets all ranks leave together. */
#include "kernels/base/comm.h"

#include <stdio.h>

#include "kernels/base/phase.h"

static void count(sb_comm *c, int64_t sent_bytes, int64_t received_bytes, int64_t since_ns)
{
    c->stats.calls++;
    c->stats.sent_bytes += sent_bytes;
    c->stats.received_bytes += received_bytes;
    c->stats.ns += sb_now_ns() - since_ns;
}

sb_status sb_comm_allgatherv(sb_comm *c, const void *send, void *recv, const int64_t *count_bytes,
                             const int64_t *displ_bytes)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = c->ops->allgatherv(c, send, recv, count_bytes, displ_bytes);
    int64_t   in = 0;
    for (int32_t r = 0; r < c->size; r++)
        in += r == c->rank ? 0 : count_bytes[r];
    count(c, count_bytes[c->rank] * (c->size - 1), in, t0);
    return st;
}

sb_status sb_comm_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = c->ops->bcast(c, data, bytes, root);
    count(c, c->rank == root ? bytes * (c->size - 1) : 0, c->rank == root ? 0 : bytes, t0);
    return st;
}

sb_status sb_comm_allreduce_i64(sb_comm *c, int64_t *data, int64_t n, sb_reduce_op op)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = c->ops->allreduce_i64(c, data, n, op);
    int64_t   b  = c->size > 1 ? n * (int64_t)sizeof *data : 0;
    count(c, b, b, t0);
    return st;
}

sb_status sb_comm_barrier(sb_comm *c)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = c->ops->barrier(c);
    count(c, 0, 0, t0);
    return st;
}

sb_status sb_comm_agree(sb_comm *c, sb_status st)
{
    if (c->size == 1)
        return st;
    /* The lowest failing rank and its status travel in one number: ranks that succeeded say "none". */
    int64_t   none  = (int64_t)c->size * SB_STATUS_COUNT;
    int64_t   mine  = st == SB_OK ? none : (int64_t)c->rank * SB_STATUS_COUNT + (int64_t)st;
    int64_t   first = mine;
    char      own[1024] = ""; /* what went wrong here first: a broken agreement does not hide it */
    if (st != SB_OK)
        (void)snprintf(own, sizeof own, "%s", sb_error_text());
    sb_status cs = c->ops->allreduce_i64(c, &first, 1, SB_REDUCE_MIN);
    if (cs != SB_OK)
        return st == SB_OK ? cs : sb_wrap(cs, "%s; then", own);
    if (st != SB_OK || first == none)
        return st;
    return sb_fail(SB_ERR_PEER, "rank %lld: %s", (long long)(first / SB_STATUS_COUNT),
                   sb_status_name((sb_status)(first % SB_STATUS_COUNT)));
}
