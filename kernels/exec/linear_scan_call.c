#include "kernels/exec/linear_scan_call.h"

/* The tokens of gid as one stretch. Runs may touch. */
static sb_status stretch(const sb_gid *gid, int64_t *start, int64_t *n)
{
    *start = 0;
    *n     = 0;
    for (int32_t i = 0; i < gid->n_runs; i++) {
        sb_run r = gid->run[i];
        if (r.len == 0)
            continue;
        if (*n > 0 && r.start != *start + *n)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "tokens %lld to %lld and %lld on one rank: a state passes through "
                           "contiguous shards only (sharding state)",
                           (long long)*start, (long long)(*start + *n - 1), (long long)r.start);
        *start = *n == 0 ? r.start : *start;
        *n += r.len;
    }
    return SB_OK;
}

/* Row of token `start` in t, when all n tokens from there lie in it one after the other; or -1. */
static int64_t rows_of(const sb_gid *gid, int64_t start, int64_t n)
{
    int64_t slot = 0, found = -1, next = start;
    for (int32_t i = 0; i < gid->n_runs; slot += gid->run[i++].len) {
        sb_run r = gid->run[i];
        if (next < r.start || next >= r.start + r.len)
            continue;
        found = found < 0 ? slot + next - r.start : found;
        next  = r.start + r.len;
        if (next >= start + n)
            return found;
    }
    return -1;
}

static sb_status check_side(const sb_tensor *t, const char *what, const sbi_scan_call *c,
                            int64_t dim)
{
    if (t == NULL)
        return SB_OK;
    if (t->dtype != SB_F32 || t->heads != c->room->kv_heads || t->tokens != c->n ||
        (t->dim != 1 && t->dim != dim))
        return sb_fail(
            SB_ERR_INTERNAL, "linear scan: %s is [%lld][%lld][%lld], wanted fp32 [%lld][%lld][1%s]",
            what, (long long)t->heads, (long long)t->tokens, (long long)t->dim,
            (long long)c->room->kv_heads, (long long)c->n, dim > 1 ? " or head_dim" : "");
    return SB_OK;
}

/* A gate above 0 would grow the state without end. */
static sb_status check_gates(const sb_tensor *g)
{
    for (int64_t h = 0; g != NULL && h < g->heads; h++)
        for (int64_t i = 0; i < g->tokens; i++)
            for (int64_t c = 0; c < g->dim; c++)
                if (!(sb_tensor_f32(g, h, i)[c] <= 0.0f))
                    return sb_fail(SB_ERR_USAGE,
                                   "gate of head %lld, row %lld: found %g, allowed a number <= 0",
                                   (long long)h, (long long)i, (double)sb_tensor_f32(g, h, i)[c]);
    return SB_OK;
}

/* What the rule reads of them; others may come along. */
static sb_status check_sides(const sbi_scan_call *c)
{
    sb_scan_rule rule = c->room->scan.rule;
    sb_status    st   = SB_OK;
    if (rule != SB_SCAN_GATE && rule != SB_SCAN_DELTA)
        return SB_OK;
    st = check_side(c->in->gate, "gate", c, rule == SB_SCAN_GATE ? c->room->d : 1);
    if (st == SB_OK && rule == SB_SCAN_DELTA)
        st = check_side(c->in->beta, "beta", c, 1);
    return st == SB_OK && !c->on_device ? check_gates(c->in->gate) : st;
}

static sb_status check_tensors(const sbi_scan_call *c)
{
    const sbi_scan_room *r = c->room;
    const sb_tensor     *q = c->in->q, *k = c->in->k, *v = c->in->v, *o = c->out->o;
    if (q->dtype != SB_BF16 || k->dtype != SB_BF16 || v->dtype != SB_BF16 || q->heads != r->heads ||
        k->heads != r->kv_heads || v->heads != r->kv_heads || q->dim != r->d || k->dim != r->d ||
        v->dim != r->d || o->heads != r->heads || o->dim != r->d || o->tokens != q->tokens ||
        q->tokens != c->n || k->tokens != k->gid.n_tokens || v->tokens != k->tokens)
        return sb_fail(SB_ERR_INTERNAL,
                       "linear scan: q [%lld][%lld][%lld], k [%lld][%lld][%lld], v [%lld][%lld], o "
                       "[%lld][%lld]; laid out for %lld heads on %lld, head_dim %lld",
                       (long long)q->heads, (long long)q->tokens, (long long)q->dim,
                       (long long)k->heads, (long long)k->tokens, (long long)k->dim,
                       (long long)v->heads, (long long)v->tokens, (long long)o->heads,
                       (long long)o->tokens, (long long)r->heads, (long long)r->kv_heads,
                       (long long)r->d);
    return SB_OK;
}

sb_status sbi_scan_call_open(sbi_scan_call *c)
{
    const sb_attn_in *in = c->in;
    sb_status         st;
    if (c->out->mode != SB_OUT_SET)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "linear scan: found a running result to merge into, allowed none: a state "
                       "has no partial outputs");
    if ((st = stretch(&in->q->gid, &c->start, &c->n)) != SB_OK ||
        (st = check_tensors(c)) != SB_OK || (st = check_sides(c)) != SB_OK ||
        (st = sbi_flash_choose(&c->ops)) != SB_OK)
        return st;
    c->key_slot = rows_of(&in->k->gid, c->start, c->n);
    c->has_keys = c->n > 0 && c->key_slot >= 0;
    if (c->n > 0 && !c->has_keys && !c->room->is_decode)
        return sb_fail(SB_ERR_INTERNAL, "linear scan: the keys of tokens %lld to %lld are not here",
                       (long long)c->start, (long long)(c->start + c->n - 1));
    return SB_OK;
}
