/* Groups of ncclSend and ncclRecv on a stream of the link's own, by two communicators: one that
 * leaves most of the device to what computes beside it, and one for groups that nothing computes
 * beside [sharding 4a]. They do not block: every call may come back "in progress" and is then asked
 * about until it is through, with a deadline, so that a rank that is gone does not take the others
 * along. After an error or a deadline both are aborted and the link answers with that error ever
 * after. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/comm/links.h"
#include "harness/comm/nccl_library.h"

enum {
    POLL_NS = 50000,
    SPIN_NS = 1000000
}; /* a call younger than SPIN_NS is asked about at once */

enum { BESIDE, ALONE, COMMS };

typedef struct nccl_link {
    const sbi_nccl *lib;
    ncclComm_t      comm[COMMS]; /* the same one twice where both may take as much */
    void           *stream;
    double          timeout_s;
    char            broken[256]; /* what went wrong; "": nothing */
    atomic_int      told;        /* by another thread, to give up */
} nccl_link;

static sb_status give_up(nccl_link *n, sb_status st)
{
    if (n->broken[0] == '\0')
        (void)snprintf(n->broken, sizeof n->broken, "%s", sb_error_text());
    for (int i = 0; i < COMMS; i++)
        if (n->comm[i] != NULL && (i == BESIDE || n->comm[i] != n->comm[BESIDE]))
            (void)n->lib->CommAbort(n->comm[i]);
    n->comm[BESIDE] = n->comm[ALONE] = NULL;
    return st;
}

static sb_status whole(const nccl_link *n)
{
    return n->broken[0] == '\0' ? SB_OK : sb_fail(SB_ERR_COMM, "%s", n->broken);
}

/* Between two looks at what began at t0. */
static void pause_since(int64_t t0)
{
    struct timespec t = {0, POLL_NS};
    if (sb_now_ns() - t0 < SPIN_NS)
        (void)sched_yield();
    else
        (void)nanosleep(&t, NULL);
}

static sb_status out_of_time(nccl_link *n, int64_t t0, const char *what)
{
    double s = (double)(sb_now_ns() - t0) * 1e-9;
    if (atomic_load(&n->told))
        return sb_fail(SB_ERR_COMM, "nccl: %s: given up after %.1f s, as told", what, s);
    return s <= n->timeout_s
               ? SB_OK
               : sb_fail(SB_ERR_COMM, "nccl: %s: not through after %.0f s", what, n->timeout_s);
}

/* Until the last call is through. */
static sb_status settle(nccl_link *n, ncclComm_t comm, ncclResult_t r, const char *what)
{
    int64_t t0 = sb_now_ns();
    while (r == ncclInProgress) {
        ncclResult_t asked = n->lib->CommGetAsyncError(comm, &r);
        if (asked != ncclSuccess)
            r = asked;
        if (r != ncclInProgress)
            break;
        sb_status st = out_of_time(n, t0, what);
        if (st != SB_OK)
            return give_up(n, st);
        pause_since(t0);
    }
    sb_status st = sbi_nccl_status(n->lib, r, comm, what);
    return st == SB_OK ? SB_OK : give_up(n, st);
}

static sb_status nccl_post(sb_link *l, const sb_transfer *t, int64_t count, void *stream)
{
    nccl_link   *n    = l->impl;
    ncclComm_t   comm = n->comm[l->alone ? ALONE : BESIDE];
    sb_status    st   = whole(n);
    ncclResult_t r;
    if (st != SB_OK || (st = l->backend->stream_after(n->stream, stream)) != SB_OK ||
        (st = settle(n, comm, n->lib->GroupStart(), "ncclGroupStart")) != SB_OK)
        return st;
    for (int64_t i = 0; st == SB_OK && i < count; i++) {
        if (t[i].bytes == 0)
            continue;
        r  = t[i].is_receive
                 ? n->lib->Recv(t[i].data, (size_t)t[i].bytes, ncclInt8, t[i].peer, comm, n->stream)
                 : n->lib->Send(t[i].data, (size_t)t[i].bytes, ncclInt8, t[i].peer, comm, n->stream);
        st = sbi_nccl_status(n->lib, r, comm, t[i].is_receive ? "ncclRecv" : "ncclSend");
    }
    r = n->lib->GroupEnd();
    return st == SB_OK ? settle(n, comm, r, "ncclGroupEnd") : give_up(n, st);
}

static sb_status nccl_wait(sb_link *l, void *stream)
{
    nccl_link *n  = l->impl;
    sb_status  st = whole(n);
    return st == SB_OK ? l->backend->stream_after(stream, n->stream) : st;
}

static sb_status nccl_drain(sb_link *l, void *stream)
{
    nccl_link *n    = l->impl;
    int        idle = 0;
    int64_t    t0   = sb_now_ns();
    sb_status  st   = whole(n);
    while (st == SB_OK && (st = l->backend->stream_idle(stream, &idle)) == SB_OK && !idle) {
        for (int i = 0; i < COMMS; i++) {
            ncclResult_t r = ncclSuccess, asked = n->lib->CommGetAsyncError(n->comm[i], &r);
            st = sbi_nccl_status(n->lib, asked != ncclSuccess ? asked : r, n->comm[i],
                                 "while waiting");
            if (st != SB_OK)
                return give_up(n, st);
        }
        if ((st = out_of_time(n, t0, "a transfer")) != SB_OK)
            return give_up(n, st);
        pause_since(t0);
    }
    return st;
}

static void nccl_destroy(sb_link *l)
{
    nccl_link *n = l->impl;
    for (int i = COMMS - 1; i >= 0; i--) {
        ncclComm_t comm = n->comm[i];
        if (comm == NULL || (i == ALONE && comm == n->comm[BESIDE]))
            continue;
        if (settle(n, comm, n->lib->CommFinalize(comm), "ncclCommFinalize") == SB_OK)
            (void)n->lib->CommDestroy(comm);
    }
    if (n->stream != NULL)
        l->backend->stream_close(n->stream);
    free(n);
    free(l);
}

/* The thread that uses the communicator is the one that aborts it, when it looks next. */
static void nccl_give_up(sb_link *l) { atomic_store(&((nccl_link *)l->impl)->told, 1); }

static const sb_link_ops nccl_ops = {"nccl",     nccl_post,    nccl_wait,
                                     nccl_drain, nccl_destroy, nccl_give_up};

/* Rank 0's id goes round; a rank that cannot go on says so before the others wait for it. */
static sb_status make_comm(sb_comm *comm, nccl_link *n, int32_t max_ctas, ncclComm_t *out)
{
    ncclUniqueId id;
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    sb_status    st     = SB_OK;
    memset(&id, 0, sizeof id);
    config.blocking = 0;
    if (max_ctas > 0)
        config.maxCTAs = max_ctas;
    if (comm->rank == 0)
        st = sbi_nccl_status(n->lib, n->lib->GetUniqueId(&id), NULL, "ncclGetUniqueId");
    if ((st = sb_comm_agree(comm, st)) != SB_OK ||
        (st = sb_comm_bcast(comm, &id, (int64_t)sizeof id, 0)) != SB_OK)
        return st;
    ncclResult_t r = n->lib->CommInitRankConfig(out, comm->size, id, comm->rank, &config);
    return sb_comm_agree(comm, settle(n, *out, r, "ncclCommInitRankConfig"));
}

sb_status sb_link_nccl_create(sb_comm *comm, const sb_backend *backend, const sb_nccl_options *o,
                              sb_link **out)
{
    sb_link   *l  = calloc(1, sizeof *l);
    nccl_link *n  = calloc(1, sizeof *n);
    sb_status  st = SB_OK;
    if (l == NULL || n == NULL)
        st = sb_fail(SB_ERR_NOMEM, "link nccl: no memory for the handle");
    else if ((n->lib = sbi_nccl_open()) == NULL)
        st = SB_ERR_UNSUPPORTED;
    else
        st = backend->stream_open(&n->stream);
    if ((st = sb_comm_agree(comm, st)) != SB_OK) {
        if (n != NULL && n->stream != NULL)
            backend->stream_close(n->stream);
        free(n);
        free(l);
        return st;
    }
    n->timeout_s = o->timeout_s;
    *l           = (sb_link){
                  .ops = &nccl_ops, .backend = backend, .rank = comm->rank, .size = comm->size, .impl = n};
    st = make_comm(comm, n, o->max_ctas, &n->comm[BESIDE]);
    if (st == SB_OK && o->max_ctas > 0)
        st = make_comm(comm, n, 0, &n->comm[ALONE]);
    else
        n->comm[ALONE] = n->comm[BESIDE];
    if (st != SB_OK) {
        (void)give_up(n, st);
        nccl_destroy(l);
        return st;
    }
    *out = l;
    return SB_OK;
}

sb_status sb_nccl_describe(char *out, size_t bytes)
{
    const sbi_nccl *lib = sbi_nccl_open();
    if (lib == NULL)
        return SB_ERR_UNSUPPORTED;
    (void)snprintf(out, bytes, "%d.%d.%d (built against %d.%d.%d)", lib->version / 10000,
                   lib->version / 100 % 100, lib->version % 100, NCCL_MAJOR, NCCL_MINOR,
                   NCCL_PATCH);
    return SB_OK;
}
