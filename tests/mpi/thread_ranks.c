/* Ranks as threads of one process: the communicator table over shared memory and a barrier. Each
 * call publishes its arguments, waits, reads the others', and waits again. It also checks what MPI
 * would not: that all ranks are in the same call with the same counts. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/mpi/ranks.h"

typedef enum call_kind { CALL_GATHER, CALL_BCAST, CALL_REDUCE, CALL_BARRIER } call_kind;

typedef struct call {
    call_kind      kind;
    const void    *data;
    const int64_t *count_bytes;
    int64_t        bytes;
    int32_t        what; /* root or operation */
} call;

typedef struct world {
    pthread_barrier_t barrier;
    call             *calls; /* [size] */
} world;

static sb_status meet(sb_comm *c, const call *mine)
{
    world    *w       = c->impl;
    sb_status st      = SB_OK;
    w->calls[c->rank] = *mine;
    pthread_barrier_wait(&w->barrier);
    for (int32_t r = 0; r < c->size; r++) {
        const call *o = &w->calls[r];
        int same      = o->kind == mine->kind && o->bytes == mine->bytes && o->what == mine->what;
        if (same && mine->kind == CALL_GATHER)
            same = memcmp(o->count_bytes, mine->count_bytes,
                          (size_t)c->size * sizeof *o->count_bytes) == 0;
        if (!same)
            st =
                sb_fail(SB_ERR_COMM, "rank %d and rank %d differ in a collective call", c->rank, r);
    }
    return st;
}

static void part(sb_comm *c) { pthread_barrier_wait(&((world *)c->impl)->barrier); }

static sb_status thread_allgatherv(sb_comm *c, const void *send, void *recv,
                                   const int64_t *count_bytes, const int64_t *displ_bytes)
{
    world    *w  = c->impl;
    sb_status st = meet(c, &(call){.kind = CALL_GATHER, .data = send, .count_bytes = count_bytes});
    for (int32_t r = 0; st == SB_OK && r < c->size; r++)
        if (count_bytes[r] > 0 && w->calls[r].data != (unsigned char *)recv + displ_bytes[r])
            memcpy((unsigned char *)recv + displ_bytes[r], w->calls[r].data,
                   (size_t)count_bytes[r]);
    part(c);
    return st;
}

static sb_status thread_bcast(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    world    *w  = c->impl;
    sb_status st = meet(c, &(call){.kind = CALL_BCAST, .data = data, .bytes = bytes, .what = root});
    if (st == SB_OK && c->rank != root && bytes > 0)
        memcpy(data, w->calls[root].data, (size_t)bytes);
    part(c);
    return st;
}

static int64_t reduce(int64_t a, int64_t b, sb_reduce_op op)
{
    if (op == SB_REDUCE_SUM) /* wraps, as MPI's: digests rely on it */
        return (int64_t)((uint64_t)a + (uint64_t)b);
    return (op == SB_REDUCE_MAX) == (a > b) ? a : b;
}

static sb_status thread_allreduce(sb_comm *c, int64_t *data, int64_t count, sb_reduce_op op)
{
    world    *w   = c->impl;
    int64_t  *sum = calloc((size_t)count + 1, sizeof *sum);
    sb_status st =
        meet(c, &(call){.kind = CALL_REDUCE, .data = data, .bytes = count, .what = (int32_t)op});
    for (int64_t i = 0; st == SB_OK && sum != NULL && i < count; i++)
        for (int32_t r = 0; r < c->size; r++) {
            int64_t x = ((const int64_t *)w->calls[r].data)[i];
            sum[i]    = r == 0 ? x : reduce(sum[i], x, op);
        }
    part(c); /* all have read */
    if (st == SB_OK && sum != NULL)
        memcpy(data, sum, (size_t)count * sizeof *sum);
    else if (st == SB_OK)
        st = sb_fail(SB_ERR_NOMEM, "thread ranks: no memory for a reduction");
    free(sum);
    return st;
}

static sb_status thread_barrier(sb_comm *c)
{
    sb_status st = meet(c, &(call){.kind = CALL_BARRIER});
    part(c);
    return st;
}

static void thread_destroy(sb_comm *c) { (void)c; } /* lives in its thread's argument */

static const sb_comm_ops thread_ops = {
    .name          = "threads",
    .allgatherv    = thread_allgatherv,
    .bcast         = thread_bcast,
    .allreduce_i64 = thread_allreduce,
    .barrier       = thread_barrier,
    .destroy       = thread_destroy,
};

typedef struct thread_arg {
    const span_case *which;
    span_rank        rank;
    sb_comm          comm;
} thread_arg;

static void *thread_main(void *p)
{
    thread_arg *a = p;
    a->rank.comm  = &a->comm;
    a->which->run(&a->rank);
    return NULL;
}

void span_run_threads(const span_case *c, int32_t ranks, char *why, size_t why_bytes)
{
    world       w    = {.calls = calloc((size_t)ranks, sizeof *w.calls)};
    thread_arg *args = calloc((size_t)ranks, sizeof *args);
    pthread_t  *ids  = calloc((size_t)ranks, sizeof *ids);
    why[0]           = '\0';
    if (w.calls == NULL || args == NULL || ids == NULL ||
        pthread_barrier_init(&w.barrier, NULL, (unsigned)ranks) != 0) {
        snprintf(why, why_bytes, "no memory for %d threads", ranks);
        free(w.calls);
        free(args);
        free(ids);
        return;
    }
    for (int32_t r = 0; r < ranks; r++) {
        args[r].which = c;
        args[r].comm  = (sb_comm){.ops        = &thread_ops,
                                  .rank       = r,
                                  .size       = ranks,
                                  .local_rank = r,
                                  .local_size = ranks,
                                  .impl       = &w};
        if (pthread_create(&ids[r], NULL, thread_main, &args[r]) != 0)
            abort(); /* the others wait for this one for ever */
    }
    for (int32_t r = 0; r < ranks; r++)
        pthread_join(ids[r], NULL);
    for (int32_t r = ranks - 1; r >= 0; r--)
        if (args[r].rank.why[0] != '\0')
            snprintf(why, why_bytes, "%s", args[r].rank.why);
    pthread_barrier_destroy(&w.barrier);
    free(w.calls);
    free(args);
    free(ids);
}
