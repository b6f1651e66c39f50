#include "harness/shard/bind.h"

sb_status sb_device_bind(const sb_comm *comm, const sb_backend *backend)
{
    sb_device_facts f;
    if (backend->select == NULL)
        return SB_OK;
    sb_status st = backend->available();
    if (st == SB_OK)
        st = backend->facts(&f);
    return st == SB_OK ? backend->select(f.count > 0 ? comm->local_rank % f.count : 0) : st;
}

int32_t sb_device_strangers(const sb_comm *comm, int32_t other_processes)
{
    int32_t siblings = comm->local_size - 1;
    if (other_processes < 0)
        return other_processes;
    return other_processes > siblings ? other_processes - siblings : 0;
}
