/* What ranks tell one another of their tokens, and their records [linear 8; lightning 8], wherever
 * they scan. */
#include "kernels/exec/linear_scan_room.h"

static sb_status check(const sbi_scan_room *r)
{
    int64_t next = 0;
    for (int32_t i = 0; i < r->ranks; i++)
        if (r->told[i].status != SB_OK)
            return sb_fail(SB_ERR_PEER, "rank %d: %s", i,
                           sb_status_name((sb_status)r->told[i].status));
    for (int32_t i = 0; i < r->ranks; i++) {
        const sbi_scan_told *m = &r->told[i];
        if (m->tokens > 0 && m->start != next)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "rank %d starts at token %lld, wanted %lld: ranks hold consecutive "
                           "tokens from 0 on (sharding state)",
                           i, (long long)m->start, (long long)next);
        next += m->tokens;
    }
    return SB_OK;
}

sb_status sbi_scan_meet(const sbi_scan_room *r, const sb_ctx *ctx, sb_status st, int64_t start,
                        int64_t n)
{
    sbi_scan_told *mine = &r->told[ctx->comm->rank];
    if (st == SB_OK && ctx->link == NULL)
        st = sb_fail(SB_ERR_INTERNAL, "linear scan: no link between %d ranks", r->ranks);
    *mine = (sbi_scan_told){.status = st, .start = start, .tokens = st == SB_OK ? n : 0};
    for (int32_t i = 0; i < r->ranks; i++) {
        r->count_bytes[i] = (int64_t)sizeof *mine;
        r->displ_bytes[i] = i * (int64_t)sizeof *mine;
    }
    sb_status gs = sb_comm_allgatherv(ctx->comm, mine, r->told, r->count_bytes, r->displ_bytes);
    if (st != SB_OK) /* keeps the text of the cause */
        return st;
    return gs == SB_OK ? check(r) : gs;
}

sb_status sbi_scan_share_query(const sbi_scan_room *r, const sb_ctx *ctx)
{
    return sb_comm_bcast(ctx->comm, r->query, r->heads * r->d * (int64_t)sizeof *r->query, 0);
}

sb_status sbi_scan_send(const sbi_scan_room *r, const sb_ctx *ctx, int32_t first, float *own,
                        float *others)
{
    sb_transfer *t  = r->transfer;
    int32_t      me = ctx->comm->rank, end = first + SB_SCAN_BATCH;
    int64_t      bytes = r->records_floats * (int64_t)sizeof *own;
    int          mine  = r->told[me].tokens > 0;
    for (int32_t i = first; mine && i < end && i < me; i++)
        if (r->told[i].tokens > 0)
            *t++ = (sb_transfer){others + (i - first) * r->records_floats, bytes, i, 1};
    for (int32_t i = me + 1; mine && me >= first && me < end && i < r->ranks; i++)
        if (r->told[i].tokens > 0)
            *t++ = (sb_transfer){own, bytes, i, 0};
    /* also where nothing is to be moved: groups come in the same order on all ranks */
    sb_status st = sb_link_post_alone(ctx->link, r->transfer, t - r->transfer, ctx->stream);
    return st == SB_OK ? sb_link_wait(ctx->link, ctx->stream) : st;
}
