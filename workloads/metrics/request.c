#include "workloads/metrics/request.h"

sb_status sbi_score(const sb_scorer *self, const sb_score_req *in, sbi_body body,
                    sb_text_score *out)
{
    sbi_req       r     = {.in = in, .self = self};
    sb_text_score score = {.best_ref = -1};
    sb_status     st;
    if ((st = sbi_decode_all(&r.pool, in->preds, in->n_preds, &r.preds, &r.flags)) == SB_OK &&
        (st = sbi_decode_all(&r.pool, in->refs, in->n_refs, &r.refs, &r.flags)) == SB_OK) {
        if (r.preds.n > 0)
            r.pred = r.preds.s[0];
        if (r.pred.n == 0)
            r.flags |= SB_SCORE_EMPTY;
        st = body(&r, &score);
    }
    sbi_pool_free(&r.pool);
    score.flags = r.flags;
    if (st == SB_OK)
        *out = score;
    return st;
}

sb_status sbi_best(sbi_req *r, sbi_pair_score one, const void *made, sb_text_score *out)
{
    out->best_ref = -1;
    out->value    = 0;
    for (int64_t i = 0; i < r->refs.n; i++) {
        sbi_pool_mark mark  = sbi_pool_here(&r->pool);
        double        value = 0;
        sb_status     st    = one(r, made, r->refs.s[i], &value);
        if (st != SB_OK)
            return st;
        if (value > out->value) {
            out->value    = value;
            out->best_ref = i;
        }
        sbi_pool_back(&r->pool, mark);
    }
    return SB_OK;
}
