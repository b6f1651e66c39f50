/* How the layer's work was shared out over ranks [sharding 7.5]: beside the index counts, outside
 * every clock. */
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "harness/shard/balance.h"
#include "harness/shard/fetch.h"
#include "harness/shard/pass_q.h"
#include "harness/shard/team.h"

static sb_status grow(sb_quality *q)
{
    if (q->n_balance < q->balance_capacity)
        return SB_OK;
    int64_t           n = 2 * q->balance_capacity + 8;
    sb_balance_facts *f = realloc(q->balance, (size_t)n * sizeof *f);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld layers", (long long)n);
    q->balance          = f;
    q->balance_capacity = n;
    return SB_OK;
}

sb_status sbi_balance_add(sb_quality *q, const sb_layer_view *v)
{
    sb_balance b;
    sb_comm   *comm = v->ctx->comm;
    if (v->shard == NULL || comm->size == 1)
        return SB_OK;
    const sb_team *team = v->shard->team;
    sb_status      st   = sb_comm_agree(comm, grow(q));
    if (st == SB_OK)
        st = sb_balance_count(
            sbi_has_index(v) ? v->plan : NULL, v->shape,
            team != NULL ? &team->groups : v->shard->map, team != NULL ? team->number : comm->rank,
            sbi_is_pass_q(v->shard) ? SB_BALANCE_BY_KEYS : SB_BALANCE_BY_ROWS, comm, &b);
    if (st == SB_OK)
        q->balance[q->n_balance++] =
            (sb_balance_facts){.layer        = v->layer,
                               .work_max     = b.work_max,
                               .work_sum     = b.work_sum,
                               .step_work    = b.step_work,
                               .lpt_max      = b.lpt_max,
                               .keys_needed  = b.keys_needed,
                               .keys_foreign = b.keys_foreign,
                               .fetched = sbi_is_fetch(v->shard) ? v->shard->fetch.fetched : -1};
    return st;
}
