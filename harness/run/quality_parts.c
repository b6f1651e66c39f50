#include "harness/run/quality_parts.h"

sb_status sbi_share(sb_comm *comm, double *values, int64_t n)
{
    int64_t *bits = (int64_t *)(void *)values;
    _Static_assert(sizeof(double) == sizeof(int64_t), "bit patterns travel as integers");
    return sb_comm_allreduce_i64(comm, bits, n, SB_REDUCE_SUM);
}

int64_t sbi_local_row(const sb_gid *gid, int64_t id)
{
    int64_t local = 0;
    for (int32_t r = 0; r < gid->n_runs && gid->run[r].start <= id; local += gid->run[r++].len)
        if (id < gid->run[r].start + gid->run[r].len)
            return local + id - gid->run[r].start;
    return -1;
}
