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

typedef struct posted {
    sb_transfer *t; /* copied, as the caller's may be gone */
    int64_t      n;
} posted;

typedef struct world {
    pthread_barrier_t barrier;
    call             *calls;  /* [size] */
    posted           *groups; /* [size] of the link */
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

/* ---- a link ---- */

/* Blocks move when all ranks wait; until then senders must not have written over them, and nobody
 * finds anything earlier than there. */
static sb_status thread_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    posted *p = &((world *)l->impl)->groups[l->rank];
    (void)stream;
    p->n = n;
    p->t = malloc((size_t)(n + 1) * sizeof *p->t);
    if (p->t == NULL)
        abort();
    for (int64_t i = 0; i < n; i++)
        p->t[i] = t[i];
    return SB_OK;
}

/* The k-th block that `from` sends to `to`; NULL: none. */
static const sb_transfer *sent(const posted *from, int32_t to, int64_t k)
{
    for (int64_t i = 0; i < from->n; i++)
        if (!from->t[i].is_receive && from->t[i].bytes > 0 && from->t[i].peer == to && k-- == 0)
            return &from->t[i];
    return NULL;
}

static sb_status thread_wait(sb_link *l, void *stream)
{
    world    *w  = l->impl;
    posted   *p  = &w->groups[l->rank];
    int64_t  *at = calloc((size_t)l->size, sizeof *at); /* blocks so far, of each rank */
    sb_status st = SB_OK;
    (void)stream;
    if (at == NULL)
        abort();
    pthread_barrier_wait(&w->barrier);
    for (int64_t i = 0; st == SB_OK && i < p->n; i++) {
        const sb_transfer *mine = &p->t[i];
        if (!mine->is_receive || mine->bytes == 0)
            continue;
        const sb_transfer *o = sent(&w->groups[mine->peer], l->rank, at[mine->peer]++);
        if (o == NULL || o->bytes != mine->bytes)
            st = sb_fail(SB_ERR_COMM, "rank %d sends rank %d another block", mine->peer, l->rank);
        else
            memcpy(mine->data, o->data, (size_t)mine->bytes);
    }
    for (int32_t r = 0; st == SB_OK && r < l->size; r++)
        if (sent(&w->groups[r], l->rank, at[r]) != NULL)
            st = sb_fail(SB_ERR_COMM, "rank %d sends rank %d a block too many", r, l->rank);
    pthread_barrier_wait(&w->barrier);
    free(p->t);
    *p = (posted){0};
    free(at);
    return st;
}

static sb_status thread_drain(sb_link *l, void *stream)
{
    (void)l;
    (void)stream;
    return SB_OK;
}

static void thread_link_destroy(sb_link *l) { free(l); }

static const sb_link_ops thread_link_ops = {"threads", thread_post, thread_wait, thread_drain,
                                            thread_link_destroy};

sb_status span_thread_link(sb_comm *comm, sb_link **out)
{
    *out = calloc(1, sizeof **out);
    if (*out == NULL)
        return sb_fail(SB_ERR_NOMEM, "thread ranks: no memory for a link");
    **out = (sb_link){.ops     = &thread_link_ops,
                      .backend = &sb_backend_cpu,
                      .rank    = comm->rank,
                      .size    = comm->size,
                      .impl    = comm->impl};
    return SB_OK;
}

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
    world       w    = {.calls  = calloc((size_t)ranks, sizeof *w.calls),
                        .groups = calloc((size_t)ranks, sizeof *w.groups)};
    thread_arg *args = calloc((size_t)ranks, sizeof *args);
    pthread_t  *ids  = calloc((size_t)ranks, sizeof *ids);
    why[0]           = '\0';
    if (w.calls == NULL || w.groups == NULL || args == NULL || ids == NULL ||
        pthread_barrier_init(&w.barrier, NULL, (unsigned)ranks) != 0) {
        snprintf(why, why_bytes, "no memory for %d threads", ranks);
        free(w.calls);
        free(w.groups);
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
    free(w.groups);
    free(args);
    free(ids);
}
