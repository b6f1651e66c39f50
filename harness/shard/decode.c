/* The operator on one decode token over a sharded cache [sharding 9]: every rank attends to its own
 * keys, one gather moves the partials, every rank merges them in rank order.
 *
 *   s->partial   | o [heads][d] | lse [heads] | status |   once a rank, own record written in place
 *
 * The status travels with the partial, so the call needs a single collective, unless the method's
 * plan has its own. One rank takes the same way but for the gather. */
#include <math.h>

#include "harness/shard/index.h"
#include "kernels/exec/merge_lse.h"

static sb_status check(const sb_shard *s, const sb_ctx *ctx, const sb_method *m, const sb_tensor *q,
                       const sb_tensor *o)
{
    if (o->dtype != SB_BF16 || o->heads != s->heads || o->tokens != 1 || o->dim != s->head_dim ||
        o->head_stride != s->head_dim)
        return sb_fail(SB_ERR_INTERNAL, "decode: the output is not a dense bf16 [%lld][1][%lld]",
                       (long long)s->heads, (long long)s->head_dim);
    return sbi_call_check(s, ctx, m, q, 1);
}

/* This rank's partial over its own keys, fp32; the index is laid out. */
static sb_status own_partial(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_tensor *q, const sb_shape *shape, sb_cache *cache,
                             float scale, float *record)
{
    sb_tensor  part = {.data        = record,
                       .dtype       = SB_F32,
                       .heads       = s->heads,
                       .tokens      = 1,
                       .dim         = s->head_dim,
                       .head_stride = s->head_dim,
                       .gid         = shape->q_gid};
    sb_attn_in in   = {
          .q = q, .k = &cache->k, .v = &cache->v, .scale = scale, .gate = s->gate, .beta = s->beta};
    sb_attn_out out = {.o = &part, .lse = record + s->heads * s->head_dim, .mode = SB_OUT_SET};
    sb_status   st  = m->plan[ctx->backend->id](ctx, params, shape, q, &cache->k, cache, &s->plan);
    if (st == SB_OK)
        st = m->attend[ctx->backend->id](ctx, params, &in, &s->plan, cache, &out);
    return st;
}

/* One rank, all keys in the memory of the device: what attend writes is the result. */
static sb_status on_device(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, const sb_shape *shape, sb_cache *cache, float scale,
                           sb_tensor *o)
{
    sb_ctx     planner = *ctx;
    sb_attn_in in      = {
             .q = q, .k = &cache->k, .v = &cache->v, .scale = scale, .gate = s->gate, .beta = s->beta};
    sb_attn_out out = {.o = o, .mode = SB_OUT_SET};
    sb_status   st  = SB_OK;
    planner.backend = &sb_backend_cpu;
    if (!sb_device_plans(ctx->backend, m))
        st = m->plan[SB_CPU](&planner, params, shape, q, &cache->k, cache, &s->plan);
    return st == SB_OK
               ? sb_device_call_attend(s->device, ctx, m, params, &in, shape, &s->plan, cache, &out)
               : st;
}

/* The same over this rank's keys alone: the partial is fetched, and merged in host memory. */
static sb_status partial_there(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                               const sb_tensor *q, const sb_shape *shape, sb_cache *cache,
                               float scale, float *record)
{
    sb_ctx    planner = *ctx;
    int64_t   n       = s->heads * s->head_dim;
    float    *there   = NULL;
    sb_tensor part    = {.dtype       = SB_F32,
                         .heads       = s->heads,
                         .tokens      = 1,
                         .dim         = s->head_dim,
                         .head_stride = s->head_dim,
                         .gid         = shape->q_gid};
    planner.backend   = &sb_backend_cpu;
    if (cache->k.tokens == 0) {
        for (int64_t i = 0; i < n; i++)
            record[i] = 0;
        for (int64_t h = 0; h < s->heads; h++)
            record[n + h] = -INFINITY;
        return SB_OK;
    }
    sb_status st = sb_device_call_partial(s->device, s->heads, s->head_dim, &there);
    if (st != SB_OK)
        return st;
    part.data       = there;
    sb_attn_in  in  = {.q = q, .k = &cache->k, .v = &cache->v, .scale = scale};
    sb_attn_out out = {.o = &part, .lse = there + n, .mode = SB_OUT_SET};
    st              = m->plan[SB_CPU](&planner, params, shape, q, &cache->k, cache, &s->plan);
    if (st == SB_OK)
        st = sb_device_call_attend(s->device, ctx, m, params, &in, shape, &s->plan, cache, &out);
    if (st == SB_OK)
        st = sb_device_fetch_bytes(ctx->backend, there, (size_t)(n + s->heads) * sizeof *there,
                                   record);
    return st;
}

sb_status sb_shard_check_decode(const sb_backend *b, const sb_method *m, int32_t ranks)
{
    if (ranks == 1 || b->id == SB_CPU ||
        ((m->caps & SB_CAP_STATE) == 0 && !m->decode_plan_meets && !sb_device_plans(b, m)))
        return SB_OK;
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "decode: found %s on %d ranks of backend %s, allowed dense and static patterns",
                   m->name, ranks, b->name);
}

static sb_status gather_partials(sb_shard *s, sb_ctx *ctx, const float *own)
{
    int64_t bytes = sbi_partial_floats(s) * (int64_t)sizeof *own;
    int64_t t0    = sb_now_ns();
    if (ctx->comm->size == 1)
        return SB_OK;
    for (int32_t r = 0; r < ctx->comm->size; r++) {
        s->count_bytes[r] = bytes;
        s->displ_bytes[r] = r * bytes;
    }
    sb_status st = sb_comm_allgatherv(ctx->comm, own, s->partial, s->count_bytes, s->displ_bytes);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* SB_OK, or SB_ERR_PEER naming the lowest rank whose record says that it failed. */
static sb_status peers_status(const sb_shard *s)
{
    int64_t n = sbi_partial_floats(s);
    for (int32_t r = 0; r < s->map->ranks; r++) {
        int status = (int)s->partial[(r + 1) * n - 1];
        if (status != SB_OK)
            return sb_fail(SB_ERR_PEER, "rank %d: %s", r, sb_status_name((sb_status)status));
    }
    return SB_OK;
}

sb_status sb_shard_decode(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                          const sb_tensor *q, int64_t q_gid, sb_cache *cache, float scale,
                          sb_tensor *o)
{
    int64_t   t0     = sb_now_ns();
    int64_t   n      = sbi_partial_floats(s);
    float    *own    = s->partial + ctx->comm->rank * n;
    sb_run    run    = {q_gid, 1};
    sb_shape  shape  = {.q_gid     = {.run = &run, .n_runs = 1, .n_tokens = 1},
                        .n_keys    = cache->n_global,
                        .heads     = s->heads,
                        .kv_heads  = s->kv_heads,
                        .head_dim  = s->head_dim,
                        .is_decode = 1};
    sb_tensor query  = *q;
    sb_status status = check(s, ctx, m, q, o);
    query.gid        = shape.q_gid;
    if (status == SB_OK)
        status = sbi_index_layout(s, ctx, m, params, &shape, cache);
    if (s->device != NULL && ctx->comm->size == 1) {
        if (status == SB_OK)
            status = on_device(s, ctx, m, params, &query, &shape, cache, scale, o);
        sb_phase_add(ctx->phases, SB_PHASE_ATTENTION, t0);
        return status;
    }
    if (m->decode_plan_meets) /* a rank without an index must not leave the others to plan alone */
        status = sb_comm_agree(ctx->comm, status);
    if (status == SB_OK && s->device != NULL)
        status = sb_shard_check_decode(ctx->backend, m, ctx->comm->size);
    if (status == SB_OK)
        status = (s->device != NULL ? partial_there : own_partial)(s, ctx, m, params, &query,
                                                                   &shape, cache, scale, own);
    own[n - 1]   = (float)status;
    sb_status st = gather_partials(s, ctx, own);
    if (status != SB_OK)
        return status; /* keeps the text of the cause */
    if (st != SB_OK || (st = peers_status(s)) != SB_OK)
        return st;

    sb_partials parts = {.o               = s->partial,
                         .lse             = s->partial + s->heads * s->head_dim,
                         .o_part_stride   = n,
                         .o_row_stride    = s->head_dim,
                         .lse_part_stride = n,
                         .lse_row_stride  = 1,
                         .n_parts         = s->map->ranks,
                         .rows            = s->heads,
                         .dim             = s->head_dim};
    sb_merge_lse(&parts, SB_BF16, s->device != NULL ? s->merged : o->data, NULL);
    if (s->device != NULL &&
        (st = ctx->backend->copy(o->data, s->merged,
                                 (size_t)(s->heads * s->head_dim) * sizeof(sb_bf16),
                                 SB_COPY_TO_DEVICE, NULL)) == SB_OK)
        st = ctx->backend->sync(NULL); /* the next step merges into the same room */
    sb_phase_add(ctx->phases, SB_PHASE_ATTENTION, t0);
    return st;
}
