/* A double of libnccl.so.2 on host memory, over MPI: same names, same calls, found by the same
 * dlopen. A group is through when GroupEnd returns, or when it has been asked about often enough.
 * Streams are ignored, unless the program has fake_nccl_begin and fake_nccl_end: they are called
 * around each group, with its stream. FAKE_NCCL makes it difficult, by words between spaces:
 *   version=21000    of GetVersion
 *   progress=3       every call of a communicator is "in progress" when asked about, 3 times
 *   hang=1           and never gets through
 *   fail_group=2     the second group ends in an asynchronous error
 *   no_init=1        CommInitRankConfig is an error
 * Each block travels with its size and the number of its group, of those that its two ranks meet
 * in, so that groups that do not match are errors; a rank may have nothing in a group. */
#include <dlfcn.h>
#include <mpi.h>
#include <nccl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* nccl.h declares these without parameters of any kind */
ncclResult_t ncclGroupStart(void);
ncclResult_t ncclGroupEnd(void);

enum { MAX_BLOCKS = 256 };

struct ncclComm {
    MPI_Comm     comm;
    ncclResult_t error;
    long         ask; /* times that it is still in progress */
    long         groups;
    int64_t     *met; /* [ranks] groups with each */
};

typedef struct block {
    void      *data;
    int64_t    head[2], seen[2]; /* bytes, group of the two */
    int        peer, receive;
    ncclComm_t comm;
    void      *stream;
} block;

static block blocks[MAX_BLOCKS];
static int   n_blocks;
int          fake_nccl_aborts; /* communicators aborted */
int          fake_nccl_groups;

static long word(const char *name, long otherwise)
{
    const char *all = getenv("FAKE_NCCL"), *at = all != NULL ? strstr(all, name) : NULL;
    return at != NULL ? strtol(at + strlen(name) + 1, NULL, 10) : otherwise;
}

static ncclResult_t in_progress(ncclComm_t c)
{
    c->ask = word("progress", 0) + (word("hang", 0) ? 1000000000 : 0);
    return c->ask > 0 ? ncclInProgress : c->error;
}

ncclResult_t ncclGetVersion(int *version)
{
    *version = (int)word("version", 22809);
    return ncclSuccess;
}

ncclResult_t ncclGetUniqueId(ncclUniqueId *id)
{
    memset(id, 7, sizeof *id);
    return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t *comm, int nranks, ncclUniqueId id, int rank,
                                    ncclConfig_t *config)
{
    int size, me;
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Comm_rank(MPI_COMM_WORLD, &me);
    if (word("no_init", 0) || size != nranks || me != rank || id.internal[5] != 7 ||
        config->blocking != 0)
        return ncclInvalidUsage;
    ncclComm_t c = calloc(1, sizeof *c);
    if (c == NULL || (c->met = calloc((size_t)size, sizeof *c->met)) == NULL) {
        free(c);
        return ncclSystemError;
    }
    MPI_Comm_dup(MPI_COMM_WORLD, &c->comm);
    *comm = c;
    return in_progress(c);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t c, ncclResult_t *error)
{
    *error = c->ask-- > 0 ? ncclInProgress : c->error;
    return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t c) { return in_progress(c); }

ncclResult_t ncclCommDestroy(ncclComm_t c)
{
    MPI_Comm_free(&c->comm);
    free(c->met);
    free(c);
    return ncclSuccess;
}

/* Local: other ranks may be gone. */
ncclResult_t ncclCommAbort(ncclComm_t c)
{
    fake_nccl_aborts++;
    free(c->met);
    free(c);
    return ncclSuccess;
}

ncclResult_t ncclGroupStart(void)
{
    n_blocks = 0;
    return ncclSuccess;
}

static ncclResult_t add(void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                        int receive, void *stream)
{
    if (n_blocks == MAX_BLOCKS || type != ncclInt8)
        return ncclInvalidArgument;
    blocks[n_blocks++] = (block){.data    = data,
                                 .head    = {(int64_t)count, c->met[peer]},
                                 .peer    = peer,
                                 .receive = receive,
                                 .comm    = c,
                                 .stream  = stream};
    return ncclSuccess;
}

ncclResult_t ncclSend(const void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    return add((void *)(uintptr_t)data, count, type, peer, c, 0, stream);
}

ncclResult_t ncclRecv(void *data, size_t count, ncclDataType_t type, int peer, ncclComm_t c,
                      cudaStream_t stream)
{
    return add(data, count, type, peer, c, 1, stream);
}

/* A device's memory may need to be opened, once what was queued before is done. */
static void begin(void *stream)
{
    void (*f)(void *) = NULL;
    *(void **)&f      = dlsym(RTLD_DEFAULT, "fake_nccl_begin");
    if (f != NULL)
        f(stream);
}

static void end(void)
{
    void (*f)(void) = NULL;
    *(void **)&f    = dlsym(RTLD_DEFAULT, "fake_nccl_end");
    if (f != NULL)
        f();
}

ncclResult_t ncclGroupEnd(void)
{
    MPI_Request r[2 * MAX_BLOCKS];
    ncclComm_t  c = n_blocks > 0 ? blocks[0].comm : NULL;
    int         n = 0;
    if (c == NULL)
        return ncclSuccess;
    begin(blocks[0].stream);
    for (int i = 0; i < n_blocks; i++) {
        block *b = &blocks[i];
        if (b->receive) {
            MPI_Irecv(b->seen, 2, MPI_INT64_T, b->peer, 0, c->comm, &r[n++]);
            MPI_Irecv(b->data, (int)b->head[0], MPI_BYTE, b->peer, 1, c->comm, &r[n++]);
        } else {
            MPI_Isend(b->head, 2, MPI_INT64_T, b->peer, 0, c->comm, &r[n++]);
            MPI_Isend(b->data, (int)b->head[0], MPI_BYTE, b->peer, 1, c->comm, &r[n++]);
        }
    }
    MPI_Waitall(n, r, MPI_STATUSES_IGNORE);
    end();
    for (int i = 0; i < n_blocks; i++)
        if (blocks[i].receive && memcmp(blocks[i].head, blocks[i].seen, sizeof blocks[i].head) != 0)
            c->error = ncclInvalidUsage;
    for (int i = 0; i < n_blocks; i++) /* once a peer: its later blocks have the same number */
        if (blocks[i].head[1] == c->met[blocks[i].peer])
            c->met[blocks[i].peer]++;
    fake_nccl_groups++;
    if (++c->groups == word("fail_group", -1))
        c->error = ncclRemoteError;
    return in_progress(c);
}

const char *ncclGetErrorString(ncclResult_t r)
{
    return r == ncclInvalidUsage  ? "invalid usage"
           : r == ncclRemoteError ? "remote error"
                                  : "error";
}

const char *ncclGetLastError(ncclComm_t c)
{
    (void)c;
    return "the double's last words";
}
