#include "harness/shard/pass_q.h"

#include <string.h>

#include "harness/shard/index.h"
#include "harness/shard/ring.h"
#include "kernels/exec/merge_lse.h"

enum { ALIGN_FLOATS = 32 }; /* of partials: kernels store several numbers at once */

/* Those of the rank's tokens that have a query. */
static int64_t count_queries(const sb_map *map, int32_t rank, int64_t first_query)
{
    sb_gid  gid = sb_map_gid(map, rank);
    int64_t n   = 0;
    for (int32_t j = 0; j < gid.n_runs; j++) {
        int64_t end = gid.run[j].start + gid.run[j].len;
        int64_t at  = gid.run[j].start > first_query ? gid.run[j].start : first_query;
        n += at < end ? end - at : 0;
    }
    return n;
}

/* Numbers of a partial of n queries: o, then lse. */
static int64_t partial_floats(const sb_shard *s, int64_t n)
{
    return s->heads * n * (s->head_dim + 1);
}

/* The same in memory, up to where the next one begins. */
static int64_t partial_room(const sb_shard *s, int64_t n)
{
    return (partial_floats(s, n) + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

static sb_status alloc(sb_arena *a, int64_t n, size_t bytes, const char *what, void *out)
{
    void     *p  = NULL;
    sb_status st = sb_arena_alloc(a, n, bytes, what, &p);
    memcpy(out, &p, sizeof p);
    return st;
}

static void name_queries(sb_shard *s)
{
    sb_pass_q *x   = &s->pass_q;
    sb_run    *run = x->run;
    for (int32_t r = 0; r < s->map->ranks; r++) {
        x->gid[r] = sb_map_gid_from(s->map, r, x->first_query, run);
        run += x->gid[r].n_runs;
    }
}

sb_status sb_shard_layout_pass_q(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                 const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                 int64_t head_dim, int64_t first_query)
{
    sb_pass_q *x    = &s->pass_q;
    int64_t    most = 0, foreign = 0, own = count_queries(map, comm->rank, first_query);
    sb_status  st = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    if (st != SB_OK)
        return st;
    s->prefill     = sbi_prefill_pass_q;
    x->first_query = first_query;
    x->all         = (sb_run){first_query, map->n_tokens - first_query};
    if (map->ranks == 1)
        return SB_OK;
    for (int32_t r = 0; r < map->ranks; r++) {
        int64_t n = count_queries(map, r, first_query);
        most      = n > most ? n : most;
        foreign += r == comm->rank ? 0 : partial_room(s, n);
    }
    int64_t transfers = heads > map->ranks ? heads : map->ranks;
    for (int i = 0; st == SB_OK && i < 2; i++)
        st = alloc(data, heads * most * head_dim, sizeof(sb_bf16), "queries in the ring",
                   &x->part[i]);
    if (st != SB_OK ||
        (st = alloc(data, foreign, sizeof(float), "partials of other ranks", &x->foreign)) !=
            SB_OK ||
        (st = alloc(data, map->ranks * partial_room(s, own), sizeof(float), "partials", &x->own)) !=
            SB_OK ||
        (st = alloc(a, map->run_first[map->ranks], sizeof *x->run, "runs of queries", &x->run)) !=
            SB_OK ||
        (st = alloc(a, map->ranks, sizeof *x->gid, "queries of ranks", &x->gid)) != SB_OK ||
        (st = alloc(a, 2 * transfers, sizeof *x->transfer, "transfers of a step", &x->transfer)) !=
            SB_OK)
        return st;
    if (!a->counting)
        name_queries(s);
    return SB_OK;
}

sb_shape sbi_pass_q_shape(const sb_shard *s, const sb_shape *shape)
{
    sb_shape all = *shape;
    all.q_gid    = (sb_gid){.run = &s->pass_q.all, .n_runs = 1, .n_tokens = s->pass_q.all.len};
    return all;
}

sb_status sb_pass_q_check(const sb_method *m)
{
    if (m->caps & (SB_CAP_STATE | SB_CAP_NO_INDEX))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found pass_q, allowed state: %s has no keys that queries could "
                       "visit",
                       m->name);
    if (m->plan_keys != SB_PLAN_KEYS_LOCAL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found pass_q, allowed allgather: %s chooses by what queries and "
                       "keys hold, and no rank knows what another's queries chose",
                       m->name);
    return SB_OK;
}

/* ---- the call ---- */

typedef struct turn {
    sb_shard        *s;
    sb_ctx          *ctx;
    const sb_method *m;
    const void      *params;
    const sb_shape  *shape; /* of the own queries */
    sb_cache        *cache;
    float            scale;
} turn;

static sb_tensor queries_in(const sb_shard *s, sb_bf16 *buffer, int32_t rank)
{
    int64_t n = s->pass_q.gid[rank].n_tokens;
    return (sb_tensor){.data        = buffer,
                       .dtype       = SB_BF16,
                       .heads       = s->heads,
                       .tokens      = n,
                       .dim         = s->head_dim,
                       .head_stride = n * s->head_dim,
                       .gid         = s->pass_q.gid[rank]};
}

/* Where this rank's partial of `rank`'s queries goes. */
static float *partial_of(const sb_shard *s, int32_t rank)
{
    float *at = s->pass_q.foreign;
    if (rank == s->link->rank)
        return s->pass_q.own + rank * partial_room(s, s->pass_q.gid[rank].n_tokens);
    for (int32_t r = 0; r < rank; r++)
        at += r == s->link->rank ? 0 : partial_room(s, s->pass_q.gid[r].n_tokens);
    return at;
}

/* A block a head: the sender's heads may lie apart. */
static sb_status pass_on(const sb_shard *s, const sb_tensor *now, const sb_tensor *next,
                         void *stream)
{
    sb_link     *l   = s->link;
    sb_transfer *t   = s->pass_q.transfer;
    int64_t      row = s->head_dim * (int64_t)sizeof(sb_bf16), n = 0;
    int32_t      to = (l->rank + 1) % l->size, from = (l->rank + l->size - 1) % l->size;
    for (int64_t h = 0; h < s->heads; h++) {
        t[n++] = (sb_transfer){sb_tensor_bf16(now, h, 0), now->tokens * row, to, 0};
        t[n++] = (sb_transfer){sb_tensor_bf16(next, h, 0), next->tokens * row, from, 1};
    }
    return sb_link_post(l, t, n, stream);
}

static sb_status attend(const turn *t, const sb_tensor *q, int32_t rank)
{
    sb_shard   *s   = t->s;
    float      *at  = partial_of(s, rank);
    sb_tensor   o   = queries_in(s, NULL, rank);
    sb_attn_in  in  = {.q = q, .k = &t->cache->k, .v = &t->cache->v, .scale = t->scale};
    sb_attn_out out = {.o = &o, .lse = at + o.heads * o.head_stride, .mode = SB_OUT_SET};
    o.data          = at;
    o.dtype         = SB_F32;
    if (q->tokens == 0)
        return SB_OK;
    if (s->device != NULL) {
        sb_shape visit = *t->shape;
        visit.q_gid    = q->gid;
        return sb_device_call_attend(s->device, t->ctx, t->m, t->params, &in, &visit,
                                     &s->pass_q.plan, NULL, &out);
    }
    return t->m->attend[t->ctx->backend->id](t->ctx, t->params, &in, &s->pass_q.plan, t->cache,
                                             &out);
}

/* Of the link, which ends the ring at once where it fails; *st: of the steps on this rank, which
 * goes on passing queries. */
static sb_status go_round(const turn *t, const sb_tensor *q, sb_status *st)
{
    sb_shard *s = t->s;
    int32_t   R = s->link->size, rank = s->link->rank;
    sb_tensor now = *q;
    for (int32_t step = 0; step < R; step++) {
        int32_t   src = (rank - step + R) % R, before = (src - 1 + R) % R;
        sb_tensor next = queries_in(s, s->pass_q.part[step % 2], before);
        sb_status ls   = SB_OK;
        int64_t   t0   = sb_now_ns();
        if (step + 1 < R && (ls = pass_on(s, &now, &next, t->ctx->stream)) != SB_OK)
            return ls;
        sb_phase_add(t->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        if (*st == SB_OK)
            *st = attend(t, &now, src);
        t0 = sb_now_ns();
        if (step + 1 < R && ((ls = sb_link_wait(s->link, t->ctx->stream)) != SB_OK ||
                             (ls = sbi_link_arrive(s->link, t->ctx->stream)) != SB_OK))
            return ls;
        sb_phase_add(t->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        now = next;
    }
    return SB_OK;
}

static sb_status send_back(const turn *t)
{
    sb_shard *s   = t->s;
    int32_t   own = s->link->rank;
    int64_t   mine_n = s->pass_q.gid[own].n_tokens, step = partial_room(s, mine_n);
    int64_t   n = 0, mine = partial_floats(s, mine_n), t0 = sb_now_ns();
    for (int32_t p = 0; p < s->link->size; p++) {
        int64_t theirs = partial_floats(s, s->pass_q.gid[p].n_tokens);
        if (p == own)
            continue;
        s->pass_q.transfer[n++] =
            (sb_transfer){partial_of(s, p), theirs * (int64_t)sizeof(float), p, 0};
        s->pass_q.transfer[n++] =
            (sb_transfer){s->pass_q.own + p * step, mine * (int64_t)sizeof(float), p, 1};
    }
    sb_status st = sb_link_post_alone(s->link, s->pass_q.transfer, n, t->ctx->stream);
    if (st == SB_OK)
        st = sb_link_wait(s->link, t->ctx->stream);
    if (st == SB_OK)
        st = sbi_link_arrive(s->link, t->ctx->stream);
    sb_phase_add(t->ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* Partials of every rank's keys, in the order of ranks, of `heads` heads from h on. */
static sb_partials partials_of(const sb_shard *s, int64_t n, int64_t h, int64_t heads)
{
    const float *own = s->pass_q.own;
    int64_t      row = h * n, room = partial_room(s, n);
    return (sb_partials){.o               = own + row * s->head_dim,
                         .lse             = own + s->heads * n * s->head_dim + row,
                         .o_part_stride   = room,
                         .o_row_stride    = s->head_dim,
                         .lse_part_stride = room,
                         .lse_row_stride  = 1,
                         .n_parts         = s->link->size,
                         .rows            = heads * n,
                         .dim             = s->head_dim};
}

static sb_status merge_there(const turn *t, const sb_partials *p, sb_dtype dtype, void *o,
                             float *lse)
{
    if (sb_device_merge == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "pass_q: found partials on backend %s, allowed on the cpu in this build",
                       t->ctx->backend->name);
    return sb_device_merge(p, dtype, o, lse, t->ctx->stream);
}

/* All heads at once, where o has them without gaps. */
static sb_status merge(const turn *t, const sb_tensor *o, float *lse)
{
    const sb_shard *s  = t->s;
    sb_status       st = SB_OK;
    int64_t         n = o->tokens, t0 = sb_now_ns();
    int64_t         heads = o->head_stride == n * s->head_dim ? s->heads : 1;
    for (int64_t h = 0; st == SB_OK && h < s->heads && n > 0; h += heads) {
        sb_partials p  = partials_of(s, n, h, heads);
        void       *to = (unsigned char *)o->data + h * o->head_stride * sb_dtype_bytes(o->dtype);
        if (s->device != NULL)
            st = merge_there(t, &p, o->dtype, to, lse + h * n);
        else
            sb_merge_lse(&p, o->dtype, to, lse + h * n);
    }
    if (st == SB_OK && s->device != NULL)
        st = t->ctx->backend->sync(t->ctx->stream);
    sb_phase_add(t->ctx->phases, SB_PHASE_COMPUTE, t0);
    return st;
}

/* The index of all queries besides that of the own ones, which quality reads. On a device both are
 * made on the host, and each step copies that of all. */
static sb_status plan(const turn *t, const sb_tensor *q)
{
    sb_shard *s       = t->s;
    sb_shape  all     = sbi_pass_q_shape(s, t->shape);
    sb_ctx    planner = *t->ctx;
    sb_status st = sbi_plan_here(s, t->ctx, t->m, t->params, t->shape, q, &t->cache->k, t->cache);
    if (s->device != NULL)
        planner.backend = &sb_backend_cpu;
    s->pass_q.plan = (sb_plan){0};
    if (st == SB_OK)
        st = t->m->layout(t->ctx, t->params, &all, &s->pass_q.plan, t->cache);
    if (st == SB_OK)
        st = t->m->plan[planner.backend->id](&planner, t->params, &all, q, &t->cache->k, t->cache,
                                             &s->pass_q.plan);
    return st;
}

sb_status sbi_prefill_pass_q(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_shape *shape, const sb_tensor *q, sb_cache *cache,
                             float scale, sb_tensor *o, float *lse, sb_status st)
{
    turn t = {s, ctx, m, params, shape, cache, scale};
    sbi_link_begin(s->link);
    if (st == SB_OK)
        st = plan(&t, q);
    sb_status ls = go_round(&t, q, &st);
    if (ls == SB_OK)
        ls = send_back(&t);
    sbi_link_account(s->link, ctx->comm);
    if (st == SB_OK && (st = ls) == SB_OK)
        st = merge(&t, o, lse);
    return st;
}
