#include "harness/comm/links.h"

enum { ROUNDS = 3 };

/* One round: everybody sends to the next rank and receives from the one before. */
static sb_status turn(sb_link *l, void *const data[2], int64_t bytes, int64_t *ns)
{
    const sb_transfer t[2] = {{data[0], bytes, (l->rank + 1) % l->size, 0},
                              {data[1], bytes, (l->rank + l->size - 1) % l->size, 1}};
    int64_t           t0   = sb_now_ns();
    sb_status         st   = sb_link_post(l, t, 2, NULL);
    if (st == SB_OK)
        st = sb_link_wait(l, NULL);
    if (st == SB_OK)
        st = sb_link_drain(l, NULL);
    *ns = sb_now_ns() - t0;
    return st;
}

sb_status sb_link_measure(sb_comm *comm, sb_link *l, int64_t bytes, double *bytes_per_s)
{
    void     *data[2] = {NULL, NULL};
    int64_t   best = INT64_MAX, ns = 0;
    sb_status st = l->backend->alloc((size_t)bytes, &data[0]);
    if (st == SB_OK)
        st = l->backend->alloc((size_t)bytes, &data[1]);
    if (st == SB_OK)
        st = l->backend->fill(data[0], 0, (size_t)bytes, NULL);
    st = sb_comm_agree(comm, st);
    for (int i = 0; st == SB_OK && i <= ROUNDS; i++) { /* the first one warms up */
        if ((st = sb_comm_barrier(comm)) == SB_OK)
            st = turn(l, data, bytes, &ns);
        if ((st = sb_comm_agree(comm, st)) == SB_OK)
            st = sb_comm_allreduce_i64(comm, &ns, 1, SB_REDUCE_MAX);
        if (i > 0 && ns < best)
            best = ns;
    }
    for (int i = 0; i < 2; i++)
        if (data[i] != NULL)
            l->backend->free(data[i]);
    if (st == SB_OK)
        *bytes_per_s = (double)bytes * 1e9 / (double)best;
    return st;
}
