/* Memory of the operator calls: buffers once, the method's index anew in each call. */
#include "harness/shard/gather.h"
#include "harness/shard/index.h"
#include "harness/shard/pass_q.h"
#include "harness/shard/ulysses.h"

static sb_tensor all_tokens(const sb_shard *s)
{
    int64_t n = s->map->n_tokens;
    return (sb_tensor){.dtype       = SB_BF16,
                       .heads       = s->kv_heads,
                       .tokens      = n,
                       .dim         = s->head_dim,
                       .head_stride = n * s->head_dim};
}

sb_status sb_shard_layout_gather(sb_shard *s, sb_arena *a)
{
    int64_t   n     = s->map->n_tokens;
    void     *stage = NULL, *k = s->k_all.data;
    sb_status st;
    s->k_all = s->v_all = all_tokens(s);
    if (s->map->ranks == 1) /* calls alias the cache */
        return SB_OK;
    if (s->groups.whole_keys) { /* they have K already, and the stage */
        s->k_all.data = k;
        return sb_arena_alloc(a, s->kv_heads * n * s->head_dim, sizeof(sb_bf16), "gathered V",
                              &s->v_all.data);
    }
    if ((st = sb_arena_alloc(a, s->kv_heads * n * s->head_dim, sizeof(sb_bf16), "gathered K",
                             &s->k_all.data)) != SB_OK ||
        (st = sb_arena_alloc(a, s->kv_heads * n * s->head_dim, sizeof(sb_bf16), "gathered V",
                             &s->v_all.data)) != SB_OK)
        return st;
    if (sbi_gather_needs_stage(s->map))
        st = sb_arena_alloc(a, n * s->head_dim, sizeof(sb_bf16), "staging of one head", &stage);
    s->stage = stage;
    return st;
}

sb_status sb_shard_layout_local(sb_shard *s, sb_arena *a, const sb_map *map, const sb_comm *comm,
                                int64_t heads, int64_t kv_heads, int64_t head_dim)
{
    void     *partial = NULL, *merged = NULL, *count = NULL, *displ = NULL;
    sb_status st;
    if (map->ranks != comm->size)
        return sb_fail(SB_ERR_INTERNAL, "shard: the map has %d ranks, the communicator %d",
                       map->ranks, comm->size);
    *s = (sb_shard){.map      = map,
                    .all_run  = {0, map->n_tokens},
                    .q_gid    = sb_map_gid(map, comm->rank),
                    .heads    = heads,
                    .kv_heads = kv_heads,
                    .head_dim = head_dim};
    if ((st = sb_arena_alloc(a, map->ranks * sbi_partial_floats(s), sizeof(float),
                             "partials of a decode step", &partial)) != SB_OK ||
        (st = sb_arena_alloc(a, map->ranks > 1 ? heads * head_dim : 0, sizeof(sb_bf16),
                             "merged output of a decode step", &merged)) != SB_OK ||
        (st = sb_arena_alloc(a, map->ranks, sizeof(int64_t), "gather counts", &count)) != SB_OK ||
        (st = sb_arena_alloc(a, map->ranks, sizeof(int64_t), "gather places", &displ)) != SB_OK)
        return st;
    s->partial     = partial;
    s->merged      = merged;
    s->count_bytes = count;
    s->displ_bytes = displ;
    return SB_OK;
}

sb_status sb_shard_layout(sb_shard *s, sb_arena *a, const sb_map *map, const sb_comm *comm,
                          int64_t heads, int64_t kv_heads, int64_t head_dim)
{
    sb_status st = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    return st == SB_OK ? sb_shard_layout_gather(s, a) : st;
}

static sb_status count_layout(const sb_ctx *ctx, const sb_method *m, const void *params,
                              const sb_shape *shape)
{
    sb_ctx    c    = *ctx;
    sb_plan   plan = {0};
    size_t    mark = sb_arena_mark(c.arena);
    if (sb_device_plans(ctx->backend, m)) /* nothing of it is host memory */
        return SB_OK;
    sb_status st = m->layout(&c, params, shape, &plan, NULL);
    sb_arena_reset(c.arena, mark);
    return st;
}

sb_status sb_shard_layout_method(sb_shard *s, const sb_ctx *ctx, const sb_method *m,
                                 const void *params, const sb_shape *shape)
{
    if (!ctx->arena->counting)
        return sb_fail(SB_ERR_INTERNAL, "shard: a method's layout is counted in a counting arena");
    if (!shape->is_decode && sbi_is_teamed(s)) { /* as sbi_prefill_team calls it */
        sb_shape part  = sb_team_shape(s->team, shape->n_keys);
        sb_ctx   alone = *ctx;
        alone.comm     = NULL;
        return count_layout(&alone, m, params, &part);
    }
    if (!shape->is_decode && sbi_is_pass_q(s) && s->map->ranks > 1) {
        sb_shape  all  = sbi_pass_q_shape(s, shape);
        sb_ctx    c    = *ctx;
        sb_plan   plan = {0};
        size_t    mark = sb_arena_mark(c.arena);
        sb_status st   = m->layout(&c, params, shape, &plan, NULL);
        if (st == SB_OK)
            st = count_layout(ctx, m, params, &all);
        sb_arena_reset(c.arena, mark);
        return st;
    }
    if (!shape->is_decode)
        return count_layout(ctx, m, params, shape);
    for (int64_t pos = s->map->n_tokens; pos <= shape->q_gid.run[0].start; pos++) {
        sb_run   one  = {pos, 1};
        sb_shape step = *shape;
        step.q_gid    = (sb_gid){.run = &one, .n_runs = 1, .n_tokens = 1};
        step.n_keys   = pos + 1;
        sb_status st  = count_layout(ctx, m, params, &step);
        if (st != SB_OK)
            return st;
    }
    return SB_OK;
}

sb_status sbi_index_layout(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_shape *shape, sb_cache *cache)
{
    if (s->method_arena != ctx->arena) {
        s->method_arena = ctx->arena;
        s->method_mark  = sb_arena_mark(ctx->arena);
    } else if (sb_arena_mark(ctx->arena) > s->method_mark) {
        sb_arena_reset(ctx->arena, s->method_mark);
    }
    s->plan = (sb_plan){0};
    if (s->device != NULL && sb_device_plans(ctx->backend, m))
        return SB_OK; /* by the device call */
    return m->layout(ctx, params, shape, &s->plan, cache);
}

sb_status sbi_plan_here(sb_shard *s, const sb_ctx *ctx, const sb_method *m, const void *params,
                        const sb_shape *shape, const sb_tensor *rows, const sb_tensor *k,
                        sb_cache *cache)
{
    sb_ctx planner = *ctx;
    if (s->device != NULL && sb_device_plans(ctx->backend, m))
        return SB_OK; /* by the device call */
    if (s->device != NULL)
        planner.backend = &sb_backend_cpu;
    return m->plan[planner.backend->id](&planner, params, shape, rows, k, cache, &s->plan);
}

sb_status sbi_call_check(const sb_shard *s, const sb_ctx *ctx, const sb_method *m,
                         const sb_tensor *q, int64_t q_tokens)
{
    sb_backend_id id = ctx->backend->id;
    sb_backend_id planner = s->device != NULL && !sb_device_plans(ctx->backend, m) ? SB_CPU : id;
    if (m->plan[planner] == NULL || m->attend[id] == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "method %s does not run on backend %s", m->name,
                       ctx->backend->name);
    if (q->heads != s->heads || q->dim != s->head_dim || q->tokens != q_tokens)
        return sb_fail(
            SB_ERR_INTERNAL,
            "method %s: found queries [%lld][%lld][%lld], laid out for [%lld][%lld][%lld]", m->name,
            (long long)q->heads, (long long)q->tokens, (long long)q->dim, (long long)s->heads,
            (long long)q_tokens, (long long)s->head_dim);
    return SB_OK;
}
