/* What ranks tell one another of their tokens [linear 8; lightning 8], wherever they scan. */
#include <string.h>

#include "kernels/exec/linear_scan_room.h"

sb_status sbi_scan_gather(const sbi_scan_room *r, sb_comm *comm)
{
    for (int32_t i = 0; i < r->ranks; i++) {
        r->count_bytes[i] = r->mail_bytes;
        r->displ_bytes[i] = i * r->mail_bytes;
    }
    return sb_comm_allgatherv(comm, sbi_scan_mail_of(r, comm->rank), r->mail, r->count_bytes,
                              r->displ_bytes);
}

sb_status sbi_scan_check_ranks(const sbi_scan_room *r)
{
    int64_t next = 0;
    for (int32_t i = 0; i < r->ranks; i++) {
        const sbi_scan_mail *m = sbi_scan_mail_of(r, i);
        if (m->status != SB_OK)
            return sb_fail(SB_ERR_PEER, "rank %d: %s", i, sb_status_name((sb_status)m->status));
    }
    for (int32_t i = 0; i < r->ranks; i++) {
        const sbi_scan_mail *m = sbi_scan_mail_of(r, i);
        if (m->tokens > 0 && m->start != next)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "rank %d starts at token %lld, wanted %lld: ranks hold consecutive "
                           "tokens from 0 on (sharding state)",
                           i, (long long)m->start, (long long)next);
        next += m->tokens;
    }
    return SB_OK;
}

void sbi_scan_decay_before(const sbi_scan_room *r, int32_t rank)
{
    memset(r->state, 0, (size_t)(r->state_heads * r->state_floats) * sizeof *r->state);
    for (int64_t s = 0; s < r->state_heads; s++) {
        float *state = r->state + s * r->state_floats;
        for (int32_t i = 0; i < rank; i++) {
            const float *record = sbi_scan_record(r, i, s);
            int64_t      tokens = sbi_scan_mail_of(r, i)->tokens;
            if (tokens == 0)
                continue;
            sbi_scan_fade(sbi_scan_decay_of(-r->slope[s] * (double)tokens), state, r->state_floats);
            for (int64_t x = 0; x < r->state_floats; x++)
                state[x] += record[x];
        }
    }
}
