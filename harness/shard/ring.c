/* The operator on a sharded prefill in a ring [sharding 4b]: queries stay, K and V go round.
 *
 *   step 0      own keys                        o, lse    = attend
 *   step s      keys of rank - s, from rank - 1   o, lse  += attend, fp32
 *
 * While a step attends, its keys already travel on and the next ones arrive: two buffers beside the
 * cache. Keys that no local query can see are passed on and not attended to. A rank that fails goes
 * on passing keys, so that all leave together at the end. */
#include "harness/shard/ring.h"

#include "harness/shard/index.h"

/* K and V of one rank: [kv_heads][its tokens][head_dim] each. */
typedef struct part {
    sb_tensor k, v;
} part;

sb_status sbi_ring_layout(sb_shard *s, sb_arena *a, const sb_map *map, int64_t heads,
                          int64_t kv_heads, int64_t rows)
{
    int64_t   most = 0, d = s->head_dim;
    void     *p;
    sb_status st = SB_OK;
    for (int32_t r = 0; r < map->ranks; r++)
        most = map->rank_tokens[r] > most ? map->rank_tokens[r] : most;
    for (int i = 0; st == SB_OK && i < 2; i++) {
        st = sb_arena_alloc(a, 2 * kv_heads * most * d, sizeof(sb_bf16), "keys in the ring", &p);
        s->ring[i] = p;
    }
    if (st == SB_OK &&
        (st = sb_arena_alloc(a, heads * rows * d, sizeof(float), "running output", &p)) == SB_OK)
        s->running = p;
    return st;
}

static part part_in(const sb_shard *s, sb_bf16 *buffer, int32_t rank)
{
    int64_t   n = s->map->rank_tokens[rank];
    sb_tensor t = {.data        = buffer,
                   .dtype       = SB_BF16,
                   .heads       = s->kv_heads,
                   .tokens      = n,
                   .dim         = s->head_dim,
                   .head_stride = n * s->head_dim,
                   .gid         = sb_map_gid(s->map, rank)};
    part      p = {t, t};
    p.v.data    = buffer + s->kv_heads * n * s->head_dim;
    return p;
}

/* Every head of K and of V is a block: the sender's heads may lie apart. */
static sb_status pass_on(sb_shard *s, const part *own, const part *next, void *stream)
{
    sb_link    *l  = s->link;
    int32_t     to = (l->rank + 1) % l->size, from = (l->rank + l->size - 1) % l->size;
    int64_t     row = s->head_dim * (int64_t)sizeof(sb_bf16);
    int64_t     n   = 0;
    sb_transfer t[4 * SB_RING_HEADS];
    if (s->kv_heads > SB_RING_HEADS)
        return sb_fail(SB_ERR_UNSUPPORTED, "ring: found %lld KV heads, allowed up to %d",
                       (long long)s->kv_heads, (int)SB_RING_HEADS);
    for (int64_t h = 0; h < s->kv_heads; h++) {
        t[n++] = (sb_transfer){sb_tensor_bf16(&own->k, h, 0), own->k.tokens * row, to, 0};
        t[n++] = (sb_transfer){sb_tensor_bf16(&own->v, h, 0), own->v.tokens * row, to, 0};
        t[n++] = (sb_transfer){sb_tensor_bf16(&next->k, h, 0), next->k.tokens * row, from, 1};
        t[n++] = (sb_transfer){sb_tensor_bf16(&next->v, h, 0), next->v.tokens * row, from, 1};
    }
    return sb_link_post(l, t, n, stream);
}

static int64_t end_of(const sb_gid *g)
{
    return g->n_runs == 0 ? 0 : g->run[g->n_runs - 1].start + g->run[g->n_runs - 1].len;
}

/* Does any local query come after the first of these keys? */
static int is_visible(const sb_gid *q, const sb_gid *k)
{
    return q->n_tokens > 0 && k->n_tokens > 0 && k->run[0].start < end_of(q);
}

typedef struct turn {
    sb_shard        *s;
    sb_ctx          *ctx;
    const sb_method *m;
    const void      *params;
    const sb_shape  *shape; /* of a device's calls */
    const sb_tensor *q;
    sb_cache        *cache;
    float            scale;
    sb_tensor        running; /* fp32 */
    float           *lse;
} turn;

/* A device call is one rank's own. Later steps go by the plan of the first. */
static sb_status attend_there(const turn *t, const sb_attn_in *in, int32_t step,
                              const sb_attn_out *out)
{
    sb_device_call *d     = t->s->device;
    sb_ctx          alone = *t->ctx;
    alone.comm            = NULL;
    if (t->q->tokens == 0)
        return SB_OK;
    return step == 0 ? sb_device_call_attend(d, &alone, t->m, t->params, in, t->shape, &t->s->plan,
                                             NULL, out)
                     : sb_device_call_again(d, &alone, t->m, t->params, in, t->shape, out);
}

static sb_status attend_step(const turn *t, const part *keys, int32_t step)
{
    sb_attn_in  in  = {.q = t->q, .k = &keys->k, .v = &keys->v, .scale = t->scale};
    sb_tensor   o   = t->running;
    sb_attn_out out = {.o = &o, .lse = t->lse, .mode = step == 0 ? SB_OUT_SET : SB_OUT_MERGE};
    if (step > 0 && !is_visible(&t->q->gid, &keys->k.gid))
        return SB_OK;
    if (t->s->device != NULL)
        return attend_there(t, &in, step, &out);
    return t->m->attend[t->ctx->backend->id](t->ctx, t->params, &in, &t->s->plan, t->cache, &out);
}

/* st: of the steps so far; a link that fails ends the ring at once. */
static sb_status go_round(const turn *t, sb_status st)
{
    sb_shard *s = t->s;
    int32_t   R = s->link->size, rank = s->link->rank;
    part      now = {t->cache->k, t->cache->v};
    for (int32_t step = 0; step < R; step++) {
        int32_t   src  = (rank - step - 1 + 2 * R) % R;
        part      next = part_in(s, s->ring[step % 2], src);
        sb_status ls   = SB_OK;
        int64_t   t0   = sb_now_ns();
        if (step + 1 < R && (ls = pass_on(s, &now, &next, t->ctx->stream)) != SB_OK)
            return ls;
        sb_phase_add(t->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        if (st == SB_OK)
            st = attend_step(t, &now, step);
        t0 = sb_now_ns();
        if (step + 1 < R && ((ls = sb_link_wait(s->link, t->ctx->stream)) != SB_OK ||
                             (ls = sbi_link_arrive(s->link, t->ctx->stream)) != SB_OK))
            return ls;
        sb_phase_add(t->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        now = next;
    }
    return st;
}

static sb_status round_off_there(const turn *t, const sb_tensor *to)
{
    if (sb_device_merge == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "ring: found outputs in bf16 on backend %s, allowed on "
                       "the cpu in this build",
                       t->ctx->backend->name);
    int64_t   t0 = sb_now_ns();
    sb_status st = sb_device_round_off(&t->running, t->lse, to, t->ctx->stream);
    if (st == SB_OK)
        st = t->ctx->backend->sync(t->ctx->stream);
    sb_phase_add(t->ctx->phases, SB_PHASE_COMPUTE, t0);
    return st;
}

static void round_off(const sb_tensor *from, const sb_tensor *to, sb_phase_times *times)
{
    int64_t t0 = sb_now_ns();
    for (int64_t h = 0; h < to->heads; h++)
        for (int64_t i = 0; i < to->tokens * to->dim; i++)
            ((sb_bf16 *)to->data)[h * to->head_stride + i] =
                sb_bf16_from_f32(((const float *)from->data)[h * from->head_stride + i]);
    sb_phase_add(times, SB_PHASE_COMPUTE, t0);
}

void sbi_link_account(const sb_link *l, sb_comm *comm)
{
    comm->stats.received_bytes += l->received_bytes;
    comm->stats.sent_bytes += l->sent_bytes;
    comm->stats.calls += l->groups;
    comm->stats.ns += l->ns;
}

sb_status sbi_prefill_ring(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                           sb_tensor *o, float *lse, sb_status st)
{
    turn t = {.s       = s,
              .ctx     = ctx,
              .m       = m,
              .params  = params,
              .shape   = shape,
              .q       = q,
              .cache   = cache,
              .scale   = scale,
              .running = *o,
              .lse     = lse};
    if (o->dtype == SB_BF16) {
        t.running.dtype       = SB_F32;
        t.running.data        = s->running;
        t.running.head_stride = o->tokens * o->dim;
    }
    sbi_link_begin(s->link);
    st = go_round(&t, st);
    sbi_link_account(s->link, ctx->comm);
    if (st == SB_OK && o->dtype == SB_BF16 && s->device != NULL)
        return round_off_there(&t, o);
    if (st == SB_OK && o->dtype == SB_BF16)
        round_off(&t.running, o, ctx->phases);
    return st;
}

sb_status sb_ring_check_as(const char *name, const sb_method *m)
{
    if (m->caps & (SB_CAP_STATE | SB_CAP_NO_INDEX))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s, allowed state: %s has no keys that could go round",
                       name, m->name);
    if (m->plan_keys != SB_PLAN_KEYS_LOCAL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s, allowed allgather: %s looks at all keys before it "
                       "attends to any",
                       name, m->name);
    return SB_OK;
}

sb_status sb_ring_check(const sb_method *m) { return sb_ring_check_as("ring", m); }

/* The ring as the scheme of a whole prefill. */
static sb_status prefill(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                         const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                         sb_tensor *o, float *lse, sb_status st)
{
    if (st == SB_OK)
        st = sbi_plan_here(s, ctx, m, params, shape, q, &cache->k, cache);
    return sbi_prefill_ring(s, ctx, m, params, shape, q, cache, scale, o, lse, st);
}

sb_status sb_shard_layout_ring(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                               const sb_comm *comm, int64_t heads, int64_t kv_heads,
                               int64_t head_dim)
{
    sb_status st = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    s->prefill   = prefill;
    return st == SB_OK && map->ranks > 1
               ? sbi_ring_layout(s, data, map, heads, kv_heads, map->rank_tokens[comm->rank])
               : st;
}
