/* A layer for those who look at it: always in host memory. */
#include "harness/model/forward_parts.h"

/* Of this rank's tokens. */
static sb_status fetch(sb_forward *f, const sb_cache *cache)
{
    const sb_backend *b  = f->cfg.backend;
    sbi_layer_copy   *to = &f->copy;
    sb_status         st = SB_OK;
    if (to->k.data == NULL) /* nobody compares, or on the device */
        return SB_OK;
    to->k.gid = cache->k.gid;
    to->v.gid = cache->v.gid;
    if ((st = sb_device_fetch(b, &cache->k, &to->k)) != SB_OK ||
        (st = sb_device_fetch(b, &cache->v, &to->v)) != SB_OK ||
        to->q.data == NULL) /* the shard has those of its heads */
        return st;
    if ((st = sb_device_fetch(b, &f->q, &to->q)) != SB_OK ||
        (st = sb_device_fetch(b, &f->o, &to->o)) != SB_OK)
        return st;
    return sb_device_fetch_bytes(b, f->lse, (size_t)(f->o.heads * f->o.tokens) * sizeof *f->lse,
                                 to->lse);
}

static sb_status look_from_device(sb_forward *f, const sb_cache *cache, sb_layer_view *view)
{
    sb_status st = fetch(f, cache);
    if (st == SB_OK)
        st = sb_device_call_fetch_plan(f->device, &f->shard.plan, &view->plan);
    view->q   = &f->copy.q;
    view->k   = &f->copy.k;
    view->v   = &f->copy.v;
    view->o   = &f->copy.o;
    view->lse = f->copy.lse;
    return st;
}

sb_status sbi_forward_show(sb_forward *f, sb_ctx *ctx, sb_layer_fn look, void *look_arg,
                           int64_t *look_ns)
{
    const sb_model_shape *s      = &f->shape;
    int64_t               t0     = sb_now_ns();
    sb_comm_stats         moved  = f->cfg.comm->stats;
    sb_shape              shape  = sbi_forward_shape(f);
    const sb_cache       *cache  = &f->caches[ctx->layer];
    sb_scheme_call        scheme = sbi_forward_scheme(f);
    int                   local  = sb_scheme_keeps_apart(&scheme);
    sb_ctx                looker = *ctx;
    sb_shard_view         seen;
    sb_layer_view         view   = {.layer    = ctx->layer,
                                    .n_layers = s->n_layers,
                                    .method   = f->cfg.method,
                                    .shape    = &shape,
                                    .plan     = &f->shard.plan,
                                    .q        = &f->q,
                                    .k        = local ? &cache->k : &f->shard.k_all,
                                    .v        = local ? &cache->v : &f->shard.v_all,
                                    .o        = &f->o,
                                    .lse      = f->lse,
                                    .shard    = &f->shard,
                                    .ctx      = &looker,
                                    .scale    = s->scale};
    sb_status             st     = SB_OK;
    const sb_look_there   there  = {.ops     = f->cfg.look,
                                    .backend = f->cfg.backend,
                                    .q       = &f->q,
                                    .k       = &cache->k,
                                    .v       = &cache->v,
                                    .o       = &f->o,
                                    .lse     = f->lse};
    looker.backend               = &sb_backend_cpu; /* whoever looks reads host memory */
    if (sbi_on_device(f))
        st = look_from_device(f, cache, &view);
    if (sbi_looks_there(f))
        view.there = &there;
    else if (st == SB_OK && local && f->cfg.compares) {
        sb_cache own = *cache;
        if (sbi_on_device(f)) {
            own.k = f->copy.k;
            own.v = f->copy.v;
        }
        st     = sb_shard_gather_keys(&f->shard, f->cfg.comm, &own);
        view.k = &f->shard.k_all;
        view.v = &f->shard.v_all;
    }
    if (sb_shard_seen(&f->shard, &seen)) {
        if (st == SB_OK && sbi_on_device(f))
            st = sb_shard_fetch_seen(&f->shard, f->cfg.backend, &seen);
        sb_layer_view_see(&view, &seen);
    }
    if (st == SB_OK)
        st = look(look_arg, &view);
    st                 = sb_comm_agree(f->cfg.comm, st);
    f->cfg.comm->stats = moved;
    *look_ns += sb_now_ns() - t0;
    return st;
}
