/* The operator on a sharded prefill: KV all-gather [sharding 4a]. No merge is needed, one attend
 * sees all keys in id order, so numbers match one rank's. Methods that carry a state skip the
 * gather: their attend sends states over the link [sharding 8]. */
#include "harness/shard/gather.h"
#include "harness/shard/index.h"
#include "harness/shard/ring.h"
#include "harness/shard/ulysses.h"

static sb_status check(const sb_shard *s, const sb_ctx *ctx, const sb_method *m, const sb_tensor *q,
                       const sb_cache *cache, const sb_tensor *o)
{
    if (sbi_is_teamed(s) && o->dtype != SB_BF16)
        return sb_fail(SB_ERR_INTERNAL, "prefill: heads over ranks give bf16 outputs only");
    if (s->device != NULL && ctx->comm->size > 1 && !sbi_is_teamed(s) && s->prefill == NULL &&
        (m->caps & SB_CAP_STATE) == 0)
        return sb_fail(SB_ERR_INTERNAL, "prefill: keys of %d ranks are gathered in host memory",
                       ctx->comm->size);
    int64_t rows = s->map->rank_tokens[ctx->comm->rank];
    if (cache->k.tokens != rows)
        return sb_fail(SB_ERR_INTERNAL, "prefill: the cache holds %lld tokens, the shard has %lld",
                       (long long)cache->k.tokens, (long long)rows);
    return sbi_call_check(s, ctx, m, q, s->q_gid.n_tokens);
}

sb_status sb_shard_gather_keys(sb_shard *s, sb_comm *comm, const sb_cache *cache)
{
    sb_status st;
    if (comm->size == 1) {
        s->k_all = cache->k;
        s->v_all = cache->v;
        return SB_OK;
    }
    if (s->k_all.data == NULL)
        return sb_fail(SB_ERR_INTERNAL, "shard: laid out without room for gathered keys");
    s->k_all.gid = s->v_all.gid =
        (sb_gid){.run = &s->all_run, .n_runs = 1, .n_tokens = s->map->n_tokens};
    if ((st = sbi_gather(s, comm, &cache->k, &s->k_all)) != SB_OK)
        return st;
    return sbi_gather(s, comm, &cache->v, &s->v_all);
}

/* Over the own keys; attend is collective, so all ranks enter it or none. st: of the layout. */
static sb_status attend_local(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                              const sb_shape *shape, const sb_tensor *rows, sb_cache *cache,
                              float scale, sb_tensor *o, float *lse, sb_status st)
{
    sb_attn_in  in  = {.q     = rows,
                       .k     = &cache->k,
                       .v     = &cache->v,
                       .scale = scale,
                       .gate  = s->gate,
                       .beta  = s->beta};
    sb_attn_out out    = {.o = o, .lse = lse, .mode = SB_OUT_SET};
    sb_ctx      linked = *ctx;
    linked.link        = s->link;
    if (st == SB_OK)
        st = sbi_plan_here(s, ctx, m, params, shape, rows, &cache->k, cache);
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK)
        return st;
    if (s->link != NULL)
        sbi_link_begin(s->link);
    if (s->device == NULL)
        st = m->attend[ctx->backend->id](&linked, params, &in, &s->plan, cache, &out);
    else if ((st = sb_device_call_sides(s->device, s->gate, s->beta)) == SB_OK)
        st =
            sb_device_call_attend(s->device, &linked, m, params, &in, shape, &s->plan, cache, &out);
    if (s->link != NULL)
        sbi_link_account(s->link, ctx->comm);
    if (ctx->comm->size == 1) { /* whoever looks at the call finds all keys here */
        s->k_all = cache->k;
        s->v_all = cache->v;
    }
    return sb_comm_agree(ctx->comm, st);
}

static sb_status prefill(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                         const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o, float *lse)
{
    sb_shape  shape = {.q_gid    = s->q_gid,
                       .n_keys   = s->map->n_tokens,
                       .heads    = s->heads,
                       .kv_heads = s->kv_heads,
                       .head_dim = s->head_dim};
    sb_tensor rows  = *q;
    rows.gid        = shape.q_gid;
    sb_status st    = check(s, ctx, m, q, cache, o);
    if (sbi_is_teamed(s))
        return sb_comm_agree(ctx->comm,
                             sbi_prefill_team(s, ctx, m, params, &rows, cache, scale, o, lse, st));
    if (st == SB_OK)
        st = sbi_index_layout(s, ctx, m, params, &shape, cache);
    if (m->caps & SB_CAP_STATE)
        return attend_local(s, ctx, m, params, &shape, &rows, cache, scale, o, lse, st);
    if (s->prefill != NULL && ctx->comm->size > 1)
        return sb_comm_agree(
            ctx->comm, s->prefill(s, ctx, m, params, &shape, &rows, cache, scale, o, lse, st));
    /* A rank without an index must not stay behind while the others enter the gather. */
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK)
        return st;

    int64_t t1 = sb_now_ns();
    st         = sb_shard_gather_keys(s, ctx->comm, cache);
    if (ctx->comm->size > 1)
        sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t1);
    if (st == SB_OK) {
        const sb_tensor *k = m->plan_keys == SB_PLAN_KEYS_ALL ? &s->k_all : &cache->k;
        st                 = sbi_plan_here(s, ctx, m, params, &shape, &rows, k, cache);
    }
    if (st == SB_OK) {
        sb_attn_in  in  = {.q = &rows, .k = &s->k_all, .v = &s->v_all, .scale = scale};
        sb_attn_out out = {.o = o, .lse = lse, .mode = SB_OUT_SET};
        st              = s->device != NULL
                              ? sb_device_call_attend(s->device, ctx, m, params, &in, &shape, &s->plan, cache,
                                                      &out)
                              : m->attend[ctx->backend->id](ctx, params, &in, &s->plan, cache, &out);
    }
    return sb_comm_agree(ctx->comm, st);
}

sb_status sb_shard_prefill(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o,
                           float *lse)
{
    sb_phase_times *t     = ctx->phases;
    int64_t         aside = t != NULL ? t->aside_ns : 0, t0 = sb_now_ns();
    sb_status       st = prefill(s, ctx, m, params, q, cache, scale, o, lse);
    sb_phase_add(t, SB_PHASE_ATTENTION, t != NULL ? t0 + t->aside_ns - aside : t0);
    return st;
}
