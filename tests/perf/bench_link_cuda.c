/* What links between GPUs carry: mpirun -n R bench_link_cuda [RUNS]
 * Every rank sends to and receives from every other at once, in blocks of one size, by the link's
 * two ways (beside: leaves the device to others; alone) and by several numbers of thread blocks.
 * GB/s of one rank's received bytes, and microseconds of a group, medians over RUNS. Rank 0 prints.
 */
#include <stdio.h>
#include <stdlib.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/shard/bind.h"

enum { TIMEOUT_S = 30 };

typedef struct shape {
    int64_t blocks, bytes;
} shape;

static const shape   shapes[] = {{1, 64},        {1, 2 << 20},  {1, 64 << 20},  {1, 512 << 20},
                                 {24, 16 << 20}, {8, 64 << 20}, {2, 256 << 20}, {256, 1 << 20}};
static const int32_t ctas[]   = {4, 8, 16, 32};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sb_status once(sb_comm *comm, sb_link *l, const shape *s, int alone, char *in, char *out,
                      sb_transfer *t, int64_t *ns)
{
    int64_t n = 0;
    for (int32_t p = 1; p < comm->size; p++)
        for (int64_t i = 0; i < s->blocks; i++) {
            int32_t to   = (comm->rank + p) % comm->size;
            int32_t from = (comm->rank + comm->size - p) % comm->size;
            int64_t at   = ((p - 1) * s->blocks + i) * s->bytes;
            t[n++]       = (sb_transfer){out + at, s->bytes, to, 0};
            t[n++]       = (sb_transfer){in + at, s->bytes, from, 1};
        }
    sb_status st = sb_comm_barrier(comm);
    int64_t   t0 = sb_now_ns();
    if (st == SB_OK)
        st = (alone ? sb_link_post_alone : sb_link_post)(l, t, n, NULL);
    if (st == SB_OK)
        st = sb_link_wait(l, NULL);
    if (st == SB_OK)
        st = sb_link_drain(l, NULL);
    *ns = sb_now_ns() - t0;
    return st == SB_OK ? sb_comm_allreduce_i64(comm, ns, 1, SB_REDUCE_MAX) : st;
}

static sb_status bench(sb_comm *comm, sb_link *l, int32_t max, int alone, int64_t runs)
{
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const shape *s     = &shapes[i];
        int64_t      bytes = s->blocks * s->bytes * (comm->size - 1), *ns;
        void        *in = NULL, *out = NULL;
        sb_transfer *t = calloc((size_t)(2 * s->blocks * comm->size), sizeof *t);
        ns             = calloc((size_t)runs + 2, sizeof *ns);
        sb_status st   = t != NULL && ns != NULL ? l->backend->alloc((size_t)bytes, &in)
                                                 : sb_fail(SB_ERR_NOMEM, "no memory");
        if (st == SB_OK)
            st = l->backend->alloc((size_t)bytes, &out);
        for (int64_t r = -2; st == SB_OK && r < runs; r++)
            st = once(comm, l, s, alone, in, out, t, &ns[r < 0 ? runs : r]);
        if (in != NULL)
            l->backend->free(in);
        if (out != NULL)
            l->backend->free(out);
        if (st != SB_OK)
            return st;
        qsort(ns, (size_t)runs, sizeof *ns, by_value);
        if (comm->rank == 0)
            (void)printf("ctas %2d %-6s %4lld x %9lld bytes: %9.1f us (%.1f to %.1f) %7.1f GB/s\n",
                         max, alone ? "alone" : "beside", (long long)s->blocks, (long long)s->bytes,
                         (double)ns[runs / 2] * 1e-3, (double)ns[0] * 1e-3,
                         (double)ns[runs - 1] * 1e-3, (double)bytes / (double)ns[runs / 2]);
        (void)fflush(stdout);
        free(t);
        free(ns);
    }
    return SB_OK;
}

int main(int argc, char **argv)
{
    sb_comm *comm = NULL;
    int64_t  runs = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
    if (runs < 1 || sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&comm) != SB_OK) {
        (void)fprintf(stderr, "bench_link_cuda: usage: mpirun -n R bench_link_cuda [RUNS]: %s\n",
                      sb_error_text());
        return 2;
    }
    sb_status st = sb_comm_agree(comm, sb_device_bind(comm, &sb_backend_cuda));
    for (size_t i = 0; st == SB_OK && i < sizeof ctas / sizeof *ctas; i++) {
        const sb_nccl_options o = {.max_ctas = ctas[i], .timeout_s = TIMEOUT_S};
        sb_link              *l = NULL;
        if ((st = sb_link_nccl_create(comm, &sb_backend_cuda, &o, &l)) != SB_OK)
            break;
        st = bench(comm, l, ctas[i], 0, runs);
        if (st == SB_OK && i == 0)
            st = bench(comm, l, ctas[i], 1, runs);
        sb_link_destroy(l);
    }
    if (st != SB_OK)
        (void)fprintf(stderr, "bench_link_cuda: %s\n", sb_error_text());
    sb_comm_destroy(comm);
    sb_mpi_fini();
    return st != SB_OK;
}
