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
