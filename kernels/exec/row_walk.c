#include "kernels/exec/row_walk.h"

void sb_row_walk_begin(sb_row_walk *it, const sb_gid *gid, int64_t row_tokens)
{
    *it = (sb_row_walk){.gid = gid, .row_tokens = row_tokens};
}

int sb_row_walk_next(sb_row_walk *it, sb_row_part *out)
{
    sb_row_part b = {.block = -1};
    while (it->run < it->gid->n_runs) {
        sb_run  run   = it->gid->run[it->run];
        int64_t token = run.start + it->in_run, end = run.start + run.len;
        if (token == end) {
            it->run++;
            it->in_run = 0;
            continue;
        }
        int64_t block = token / it->row_tokens;
        if (b.block < 0)
            b = (sb_row_part){.block = block, .first = token, .slot = it->slot, .run = it->run};
        else if (block != b.block)
            break;
        int64_t stop = (block + 1) * it->row_tokens;
        stop         = stop < end ? stop : end;
        b.last       = stop - 1;
        b.n_tokens += stop - token;
        it->slot += stop - token;
        it->in_run += stop - token;
    }
    if (b.block < 0)
        return 0;
    *out = b;
    return 1;
}

sb_status sb_row_walk_whole(const char *method, const sb_gid *gid, int64_t row_tokens,
                            int64_t n_keys)
{
    for (int32_t r = 0; r < gid->n_runs; r++) {
        int64_t begin = gid->run[r].start, end = begin + gid->run[r].len;
        if (begin % row_tokens != 0 || (end % row_tokens != 0 && end != n_keys))
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s: found queries [%lld, %lld), allowed whole blocks of %lld where a "
                           "device plans for some of the rows",
                           method, (long long)begin, (long long)end, (long long)row_tokens);
    }
    return SB_OK;
}
