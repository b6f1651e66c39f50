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

/* What a rank of a link has under way. */
typedef struct thread_group {
    sb_transfer *t;
    int64_t      n;
} thread_group;

typedef struct world {
    pthread_barrier_t barrier;
    call             *calls;  /* [size] */
    thread_group     *groups; /* [size] */
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

/* ---- the link: what was posted is copied when all ranks wait ---- */

static sb_status link_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    world        *w = l->impl;
    thread_group *g = &w->groups[l->rank];
    (void)stream;
    g->t = malloc((size_t)(n + 1) * sizeof *g->t);
    g->n = n;
    if (g->t == NULL)
        abort();
    memcpy(g->t, t, (size_t)n * sizeof *t);
    return SB_OK;
}

/* The next block after *at that `from` sends to `to`; NULL: no more. */
static const sb_transfer *next_sent(const thread_group *from, int32_t to, int64_t *at)
{
    while (*at < from->n) {
        const sb_transfer *t = &from->t[(*at)++];
        if (!t->is_receive && t->peer == to && t->bytes > 0)
            return t;
    }
    return NULL;
}

static sb_status receive(const sb_link *l, const world *w, int32_t peer)
{
    const thread_group *mine = &w->groups[l->rank];
    int64_t             at   = 0;
    for (int64_t i = 0; i < mine->n; i++) {
        const sb_transfer *to = &mine->t[i];
        if (!to->is_receive || to->peer != peer || to->bytes == 0)
            continue;
        const sb_transfer *from = next_sent(&w->groups[peer], l->rank, &at);
        if (from == NULL || from->bytes != to->bytes)
            return sb_fail(SB_ERR_COMM, "rank %d waits for %lld bytes of rank %d, which sends %lld",
                           l->rank, (long long)to->bytes, peer,
                           from == NULL ? 0 : (long long)from->bytes);
        memcpy(to->data, from->data, (size_t)to->bytes);
    }
    return next_sent(&w->groups[peer], l->rank, &at) == NULL
               ? SB_OK
               : sb_fail(SB_ERR_COMM, "rank %d sends more than rank %d waits for", peer, l->rank);
}

static sb_status link_wait(sb_link *l, void *stream)
{
    world    *w  = l->impl;
    sb_status st = SB_OK;
    (void)stream;
    pthread_barrier_wait(&w->barrier);
    for (int32_t p = 0; p < l->size; p++)
        if (p != l->rank && st == SB_OK)
            st = receive(l, w, p);
    pthread_barrier_wait(&w->barrier);
    free(w->groups[l->rank].t);
    w->groups[l->rank] = (thread_group){0};
    return st;
}

static sb_status link_drain(sb_link *l, void *stream)
{
    (void)l;
    (void)stream;
    return SB_OK;
}

static void link_destroy(sb_link *l) { free(l); }

static const sb_link_ops link_ops = {.name    = "threads",
                                     .post    = link_post,
                                     .wait    = link_wait,
                                     .drain   = link_drain,
                                     .destroy = link_destroy,
                                     .give_up = NULL};

sb_link *span_link(sb_comm *comm)
{
    sb_link *l = calloc(1, sizeof *l);
    if (l == NULL)
        abort();
    *l = (sb_link){.ops     = &link_ops,
                   .backend = &sb_backend_cpu,
                   .rank    = comm->rank,
                   .size    = comm->size,
                   .impl    = comm->impl};
    return l;
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
