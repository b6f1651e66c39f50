/* MPI between devices, through pinned host memory:
 *
 *   send      device --copy--> piece 0 | 1 --MPI_Isend-->
 *   receive   --MPI_Irecv--> piece 0 | 1 --copy--> device
 *
 * Each block has two pieces, so that one is copied while the other travels. Pieces of a block go in
 * order; MPI keeps the order of messages of one pair and tag. Everything happens in wait, on a
 * stream of the link's own, so that what computes on the device goes on. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/links.h"
#include "harness/comm/mpi_status.h"

int64_t sb_link_stage_bytes = (int64_t)4 << 20;

enum { PIECES = 2 };

typedef struct piece {
    MPI_Request request;
    int         active;
    int64_t     at, bytes; /* of the block */
} piece;

typedef struct block {
    sb_transfer t;
    int         tag;
    int64_t     started, finished; /* bytes that went into a piece, and that are through */
    piece       piece[PIECES];
} block;

typedef struct host_link {
    MPI_Comm       comm;
    void          *stream;
    block         *block; /* [n] */
    int64_t        n, capacity;
    unsigned char *pinned; /* [capacity][PIECES][stage_bytes] */
    int64_t        stage_bytes;
    int32_t       *ordinal; /* [2][size] */
} host_link;

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static unsigned char *stage_of(const host_link *h, int64_t b, int p)
{
    return h->pinned + (b * PIECES + p) * h->stage_bytes;
}

static sb_status grow(sb_link *l, int64_t n)
{
    host_link *h = l->impl;
    void      *pinned;
    if (n <= h->capacity && h->stage_bytes == sb_link_stage_bytes)
        return SB_OK;
    n            = n > h->capacity ? n : h->capacity;
    block *grown = realloc(h->block, (size_t)n * sizeof *grown);
    if (grown == NULL)
        return sb_fail(SB_ERR_NOMEM, "link mpi_host: no memory for %lld blocks", (long long)n);
    h->block = grown;
    if (h->pinned != NULL)
        l->backend->pinned_free(h->pinned);
    h->pinned    = NULL;
    h->capacity  = 0;
    sb_status st = l->backend->pinned_alloc((size_t)(n * PIECES * sb_link_stage_bytes), &pinned);
    if (st != SB_OK)
        return st;
    h->pinned      = pinned;
    h->capacity    = n;
    h->stage_bytes = sb_link_stage_bytes;
    return SB_OK;
}

static sb_status host_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    host_link *h  = l->impl;
    sb_status  st = grow(l, n);
    if (st != SB_OK)
        return st;
    memset(h->ordinal, 0, (size_t)l->size * 2 * sizeof *h->ordinal);
    h->n = 0;
    for (int64_t i = 0; i < n; i++)
        if (t[i].bytes > 0)
            h->block[h->n++] = (block){
                .t = t[i], .tag = h->ordinal[(t[i].is_receive ? 0 : l->size) + t[i].peer]++};
    return l->backend->stream_after(h->stream, stream);
}

/* Waits: the piece is to be sent next, or used again. */
static sb_status copy(const sb_link *l, void *to, const void *from, int64_t bytes,
                      sb_copy_kind kind)
{
    const host_link *h  = l->impl;
    sb_status        st = l->backend->copy(to, from, (size_t)bytes, kind, h->stream);
    return st == SB_OK ? l->backend->sync(h->stream) : st;
}

/* The next piece of a block into motion. */
static sb_status start(sb_link *l, int64_t b, int p)
{
    host_link     *h   = l->impl;
    block         *k   = &h->block[b];
    piece         *s   = &k->piece[p];
    unsigned char *mem = stage_of(h, b, p), *dev = (unsigned char *)k->t.data + k->started;
    sb_status      st;
    s->at    = k->started;
    s->bytes = min_i64(h->stage_bytes, k->t.bytes - k->started);
    if (k->t.is_receive) {
        st = sbi_mpi_status(
            MPI_Irecv(mem, (int)s->bytes, MPI_BYTE, k->t.peer, k->tag, h->comm, &s->request),
            "MPI_Irecv");
    } else {
        st = copy(l, mem, dev, s->bytes, SB_COPY_TO_HOST);
        if (st == SB_OK)
            st = sbi_mpi_status(
                MPI_Isend(mem, (int)s->bytes, MPI_BYTE, k->t.peer, k->tag, h->comm, &s->request),
                "MPI_Isend");
    }
    if (st == SB_OK) {
        s->active = 1;
        k->started += s->bytes;
    }
    return st;
}

/* A piece that has arrived, or is gone. */
static sb_status finish(sb_link *l, int64_t b, int p)
{
    host_link *h  = l->impl;
    block     *k  = &h->block[b];
    piece     *s  = &k->piece[p];
    sb_status  st = SB_OK;
    if (k->t.is_receive)
        st = copy(l, (unsigned char *)k->t.data + s->at, stage_of(h, b, p), s->bytes,
                  SB_COPY_TO_DEVICE);
    s->active = 0;
    k->finished += s->bytes;
    return st;
}

/* Whatever can go on with a block goes on. Pieces take turns: piece p of a block is its p-th, its
 * (p + 2)-th, ... */
static sb_status advance(sb_link *l, int64_t b)
{
    host_link *h  = l->impl;
    block     *k  = &h->block[b];
    sb_status  st = SB_OK;
    for (int p = 0; st == SB_OK && p < PIECES; p++) {
        int through = 0;
        if (k->piece[p].active) {
            st = sbi_mpi_status(MPI_Test(&k->piece[p].request, &through, MPI_STATUS_IGNORE),
                                "MPI_Test");
            if (st == SB_OK && through)
                st = finish(l, b, p);
        }
        if (st == SB_OK && !k->piece[p].active && k->started < k->t.bytes &&
            k->started / h->stage_bytes % PIECES == p)
            st = start(l, b, p);
    }
    return st;
}

static sb_status host_wait(sb_link *l, void *stream)
{
    host_link *h    = l->impl;
    sb_status  st   = SB_OK;
    int        left = h->n > 0;
    while (st == SB_OK && left) {
        left = 0;
        for (int64_t b = 0; st == SB_OK && b < h->n; b++)
            if (h->block[b].finished < h->block[b].t.bytes) {
                st   = advance(l, b);
                left = 1;
            }
    }
    h->n = 0;
    return st == SB_OK ? l->backend->stream_after(stream, h->stream) : st;
}

static sb_status host_drain(sb_link *l, void *stream) { return l->backend->sync(stream); }

static void host_destroy(sb_link *l)
{
    host_link *h = l->impl;
    sbi_mpi_drop_comm(&h->comm);
    if (h->pinned != NULL)
        l->backend->pinned_free(h->pinned);
    if (h->stream != NULL)
        l->backend->stream_close(h->stream);
    free(h->block);
    free(h->ordinal);
    free(h);
    free(l);
}

static const sb_link_ops host_ops = {"mpi_host", host_post,    host_wait,
                                     host_drain, host_destroy, NULL};

sb_status sb_link_mpi_host_create(sb_comm *comm, const sb_backend *backend, sb_link **out)
{
    sb_link   *l  = calloc(1, sizeof *l);
    host_link *h  = calloc(1, sizeof *h);
    sb_status  st = SB_OK;
    if (h != NULL)
        h->ordinal = calloc((size_t)comm->size * 2, sizeof *h->ordinal);
    if (l == NULL || h == NULL || h->ordinal == NULL)
        st = sb_fail(SB_ERR_NOMEM, "link mpi_host: no memory for the handle");
    if (st == SB_OK)
        st = backend->stream_open(&h->stream);
    if ((st = sb_comm_agree(comm, st)) != SB_OK) {
        if (h != NULL)
            free(h->ordinal);
        free(h);
        free(l);
        return st;
    }
    *l = (sb_link){
        .ops = &host_ops, .backend = backend, .rank = comm->rank, .size = comm->size, .impl = h};
    if ((st = sb_comm_agree(comm, sbi_mpi_own_comm(&h->comm))) != SB_OK) {
        host_destroy(l);
        return st;
    }
    *out = l;
    return SB_OK;
}
