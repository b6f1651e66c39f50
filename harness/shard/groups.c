/* Keys of a few heads at a time: while a group attends, the next one arrives.
 *
 *   few runs a rank (contiguous, zigzag)     part[0]  group 0 | group 2 ..   in id order, attended
 *                                            part[1]  group 1 | group 3 ..   to where they arrived
 *   many (block_striped)                     part[0]  arriving, rank by rank
 *                                            part[1]  the same in id order, being attended to
 *
 * Either way two groups stand in memory. A rank that fails goes on receiving, so that all leave
 * together.
 *
 * What plans on a device, with all heads in one group, may look at the last queries of the
 * sequence: whoever has some of them sends these along. */
#include "harness/shard/groups.h"

#include "harness/shard/gather.h"
#include "harness/shard/heads.h"
#include "harness/shard/index.h"
#include "harness/shard/ring.h"
#include "harness/shard/runs.h"

enum { K_AND_V = 2 };

static int32_t most_runs(const sb_map *map)
{
    int32_t most = 1;
    for (int32_t r = 0; r < map->ranks; r++) {
        int32_t n = map->run_first[r + 1] - map->run_first[r];
        most      = n > most ? n : most;
    }
    return most;
}

static sb_status whole_keys_room(sb_shard *s, sb_arena *data)
{
    int64_t n = s->map->n_tokens;
    s->k_all  = (sb_tensor){.dtype       = SB_BF16,
                            .heads       = s->kv_heads,
                            .tokens      = n,
                            .dim         = s->head_dim,
                            .head_stride = n * s->head_dim};
    return sb_arena_alloc(data, s->kv_heads * n * s->head_dim, sizeof(sb_bf16), "gathered K",
                          &s->k_all.data);
}

/* The last queries that a rank has: its last rows, as ids ascend there. Until the next call. */
static sb_gid last_of(const sb_shard *s, int32_t rank)
{
    return sb_map_gid_from(s->map, rank, s->map->n_tokens - s->groups.last_queries,
                           s->groups.last_run);
}

static sb_status last_queries_room(sb_shard *s, sb_arena *data, sb_arena *a)
{
    sb_groups *g    = &s->groups;
    int64_t    rows = s->heads * g->last_queries, runs = most_runs(s->map);
    int32_t    ranks = s->map->ranks;
    void      *all = NULL, *stage = NULL, *run = NULL, *place = NULL, *before = NULL;
    sb_status  st;
    if ((st = sb_arena_alloc(data, rows * s->head_dim, sizeof(sb_bf16), "last queries", &all)) !=
            SB_OK ||
        (g->staged && (st = sb_arena_alloc(data, rows * s->head_dim, sizeof(sb_bf16),
                                           "staging of last queries", &stage)) != SB_OK) ||
        (st = sb_arena_alloc(a, runs, sizeof(sb_run), "runs of last queries", &run)) != SB_OK ||
        (st = sb_arena_alloc(a, runs, sizeof(int64_t), "places of last queries", &place)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, ranks + 1, sizeof(int64_t), "counts of last queries", &before)) !=
            SB_OK)
        return st;
    g->last_q     = all;
    g->last_stage = stage;
    g->last_run   = run;
    g->last_place = place;
    if (a->counting)
        return SB_OK;
    g->last_before    = before;
    g->last_before[0] = 0;
    for (int32_t r = 0; r < ranks; r++)
        g->last_before[r + 1] = g->last_before[r] + last_of(s, r).n_tokens;
    return SB_OK;
}

sb_status sb_shard_layout_groups(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                 const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                 int64_t head_dim, int64_t heads_at_once, int whole_keys,
                                 int64_t first_query, int64_t last_queries)
{
    sb_groups *g  = &s->groups;
    sb_status  st = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    void      *p  = NULL;
    if (st != SB_OK)
        return st;
    s->prefill       = sbi_prefill_groups;
    g->heads_at_once = heads_at_once < kv_heads ? heads_at_once : kv_heads;
    g->whole_keys    = whole_keys;
    g->first_query   = first_query;
    g->last_queries  = last_queries;
    g->staged        = sbi_gather_needs_stage(map);
    if (map->ranks == 1) /* calls alias the cache */
        return SB_OK;
    int64_t tensors = whole_keys ? 1 : K_AND_V, blocks = g->staged ? 1 : most_runs(map);
    if (whole_keys && (st = whole_keys_room(s, data)) != SB_OK)
        return st;
    if (whole_keys && g->staged) { /* K comes by sbi_gather */
        st = sb_arena_alloc(data, map->n_tokens * head_dim, sizeof(sb_bf16), "staging of one head",
                            &p);
        s->stage = p;
    }
    int parts = g->staged || g->heads_at_once < kv_heads ? 2 : 1;
    for (int i = 0; st == SB_OK && i < parts; i++) {
        st         = sb_arena_alloc(data, tensors * g->heads_at_once * map->n_tokens * head_dim,
                                    sizeof(sb_bf16), "keys of a group of heads", &p);
        g->part[i] = p;
    }
    g->max_transfers = 2 * (map->ranks - 1) *
                       (tensors * g->heads_at_once + (last_queries > 0 ? heads : 0)) * blocks;
    if (st == SB_OK && last_queries > 0)
        st = last_queries_room(s, data, a);
    if (st == SB_OK)
        st = sb_arena_alloc(a, g->max_transfers, sizeof *g->transfer, "transfers of a group", &p);
    g->transfer = p;
    return st;
}

sb_status sb_groups_check(const sb_method *m)
{
    if (m->caps & (SB_CAP_STATE | SB_CAP_NO_INDEX))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found allgather, allowed state: %s has no keys to gather",
                       m->name);
    return SB_OK;
}

/* Heads [first, first + n) on their way. */
typedef struct group {
    sb_shard        *s;
    const sb_tensor *from[K_AND_V]; /* of this rank */
    const sb_tensor *q;             /* NULL: no last queries come along */
    int              tensors;
    int64_t          first, n;
    sb_bf16         *part; /* where they arrive */
} group;

static sb_gid in_order_gid(const sb_shard *s)
{
    return (sb_gid){.run = &s->all_run, .n_runs = 1, .n_tokens = s->map->n_tokens};
}

/* Tensor x of the group, where all tokens are in id order. */
static sb_tensor in_order(const group *g, int x, sb_bf16 *part)
{
    int64_t n = g->s->map->n_tokens;
    return (sb_tensor){.data        = part + x * g->n * n * g->s->head_dim,
                       .dtype       = SB_BF16,
                       .heads       = g->n,
                       .tokens      = n,
                       .dim         = g->s->head_dim,
                       .head_stride = n * g->s->head_dim,
                       .gid         = in_order_gid(g->s)};
}

/* Head h of tensor x of a rank, where ranks come one after the other. */
static sb_bf16 *staged(const group *g, int32_t rank, int x, int64_t h)
{
    const sb_map *map    = g->s->map;
    int64_t       before = 0, own = map->rank_tokens[rank];
    for (int32_t r = 0; r < rank; r++)
        before += map->rank_tokens[r];
    return g->part + ((before * g->tensors + x * own) * g->n + h * own) * g->s->head_dim;
}

static sb_transfer *add(sb_transfer *t, void *data, int64_t tokens, const sb_shard *s, int32_t peer,
                        int32_t is_receive)
{
    *t = (sb_transfer){data, tokens * s->head_dim * (int64_t)sizeof(sb_bf16), peer, is_receive};
    return t + 1;
}

/* One head to and from a peer, both in the same order of runs. */
static sb_transfer *add_head(sb_transfer *t, const group *g, int32_t peer, int x, int64_t h)
{
    sb_shard *s    = g->s;
    sb_gid    mine = sb_map_gid(s->map, s->link->rank), theirs = sb_map_gid(s->map, peer);
    sb_bf16  *own = sb_tensor_bf16(g->from[x], g->first + h, 0);
    if (s->groups.staged) {
        t = add(t, own, mine.n_tokens, s, peer, 0);
        return add(t, staged(g, peer, x, h), theirs.n_tokens, s, peer, 1);
    }
    sb_tensor to = in_order(g, x, g->part);
    for (int32_t j = 0; j < mine.n_runs; own += mine.run[j++].len * s->head_dim)
        t = add(t, own, mine.run[j].len, s, peer, 0);
    for (int32_t j = 0; j < theirs.n_runs; j++)
        t = add(t, sb_tensor_bf16(&to, h, theirs.run[j].start), theirs.run[j].len, s, peer, 1);
    return t;
}

static int64_t last_tokens(const sb_shard *s, int32_t rank)
{
    return s->groups.last_before[rank + 1] - s->groups.last_before[rank];
}

/* Where a query of the last ones stands, of all of them. */
static sb_bf16 *last_at(const sb_shard *s, int64_t head, int64_t token)
{
    const sb_groups *g = &s->groups;
    return g->last_q + ((head + 1) * g->last_queries + token - s->map->n_tokens) * s->head_dim;
}

/* The first of the own ones. */
static sb_bf16 *own_last(const group *g, int64_t head)
{
    return sb_tensor_bf16(g->q, head, g->q->tokens - last_tokens(g->s, g->s->link->rank));
}

/* Head h of a rank's, where they arrive rank by rank. */
static sb_bf16 *last_staged(const sb_shard *s, int32_t rank, int64_t h)
{
    const sb_groups *g = &s->groups;
    return g->last_stage +
           (g->last_before[rank] * s->heads + h * last_tokens(s, rank)) * s->head_dim;
}

/* One head's to and from a peer, in the same order there: whole where they are put in order
 * afterwards, else run by run. */
static sb_transfer *add_last_queries(sb_transfer *t, const group *g, int32_t peer, int64_t h)
{
    sb_shard *s      = g->s;
    sb_bf16  *own    = own_last(g, h);
    int64_t   theirs = last_tokens(s, peer), mine = last_tokens(s, s->link->rank);
    if (s->groups.staged) {
        if (mine > 0)
            t = add(t, own, mine, s, peer, 0);
        return theirs > 0 ? add(t, last_staged(s, peer, h), theirs, s, peer, 1) : t;
    }
    sb_gid gid = last_of(s, s->link->rank);
    for (int32_t j = 0; j < gid.n_runs; own += gid.run[j++].len * s->head_dim)
        t = add(t, own, gid.run[j].len, s, peer, 0);
    gid = last_of(s, peer);
    for (int32_t j = 0; j < gid.n_runs; j++)
        t = add(t, last_at(s, h, gid.run[j].start), gid.run[j].len, s, peer, 1);
    return t;
}

/* A rank's last queries of one head, which lie together, to their places. */
static sb_status place_last(const sb_shard *s, int32_t rank, int64_t h, sb_bf16 *rows, void *stream)
{
    const sb_groups *g   = &s->groups;
    sb_gid           gid = last_of(s, rank);
    for (int32_t j = 0; j < gid.n_runs; j++)
        g->last_place[j] = gid.run[j].start - (s->map->n_tokens - g->last_queries);
    return sbi_runs_copy(s->link->backend, SBI_RUNS_PLACE, gid.run, g->last_place, gid.n_runs,
                         s->head_dim * (int64_t)sizeof *rows, (char *)rows,
                         (char *)(g->last_q + h * g->last_queries * s->head_dim), stream);
}

/* The own ones, beside those that arrive or have arrived elsewhere. */
static sb_status put_last_queries(const group *g, void *stream)
{
    sb_shard *s  = g->s;
    sb_status st = SB_OK;
    for (int64_t h = 0; st == SB_OK && h < s->heads; h++) {
        st = place_last(s, s->link->rank, h, own_last(g, h), stream);
        for (int32_t r = 0; st == SB_OK && s->groups.staged && r < s->link->size; r++)
            if (r != s->link->rank)
                st = place_last(s, r, h, last_staged(s, r, h), stream);
    }
    return st;
}

/* alone: the device has nothing to compute until it is there. */
static sb_status post(const group *g, int alone, void *stream)
{
    sb_link     *l = g->s->link;
    sb_transfer *t = g->s->groups.transfer;
    for (int32_t p = 1; p < l->size; p++)
        for (int x = 0; x < g->tensors; x++)
            for (int64_t h = 0; h < g->n; h++)
                t = add_head(t, g, (l->rank + p) % l->size, x, h);
    for (int32_t p = 1; g->q != NULL && p < l->size; p++)
        for (int64_t h = 0; h < g->s->heads; h++)
            t = add_last_queries(t, g, (l->rank + p) % l->size, h);
    return (alone ? sb_link_post_alone : sb_link_post)(l, g->s->groups.transfer,
                                                       t - g->s->groups.transfer, stream);
}

/* A rank's rows of one head, which lie together, to their ids. */
static sb_status place(const group *g, const sb_tensor *to, int64_t h, int32_t rank, sb_bf16 *rows,
                       void *stream)
{
    sb_gid gid = sb_map_gid(g->s->map, rank);
    return sbi_runs_copy(g->s->link->backend, SBI_RUNS_PLACE, gid.run, NULL, gid.n_runs,
                         g->s->head_dim * (int64_t)sizeof *rows, (char *)rows,
                         (char *)sb_tensor_bf16(to, h, 0), stream);
}

/* What arrived and the own rows, in id order in `part`. */
static sb_status put_in_order(const group *g, sb_bf16 *part, void *stream)
{
    sb_shard *s  = g->s;
    sb_status st = g->q != NULL ? put_last_queries(g, stream) : SB_OK;
    for (int x = 0; x < g->tensors; x++) {
        sb_tensor to = in_order(g, x, part);
        for (int64_t h = 0; st == SB_OK && h < g->n; h++) {
            st = place(g, &to, h, s->link->rank, sb_tensor_bf16(g->from[x], g->first + h, 0),
                       stream);
            for (int32_t r = 0; st == SB_OK && s->groups.staged && r < s->link->size; r++)
                if (r != s->link->rank)
                    st = place(g, &to, h, r, staged(g, r, x, h), stream);
        }
    }
    return st;
}

/* The call that groups are parts of. */
typedef struct call {
    sb_shard        *s;
    sb_ctx          *ctx;
    const sb_method *m;
    const void      *params;
    const sb_shape  *shape;
    const sb_tensor *q;
    sb_cache        *cache;
    float            scale;
    sb_tensor       *o;
    float           *lse;
} call;

static group group_of(const call *c, int64_t nth)
{
    sb_shard        *s        = c->s;
    const sb_groups *g        = &s->groups;
    int64_t          first    = nth * g->heads_at_once;
    int64_t          left     = s->kv_heads - first;
    group            out      = {.s       = s,
                                 .tensors = g->whole_keys ? 1 : K_AND_V,
                                 .first   = first,
                                 .n       = left < g->heads_at_once ? left : g->heads_at_once,
                                 .part    = g->part[g->staged ? 0 : nth % 2]};
    out.from[0]               = g->whole_keys ? &c->cache->v : &c->cache->k;
    out.from[out.tensors - 1] = &c->cache->v;
    out.q                     = g->last_queries > 0 && nth == 0 ? c->q : NULL;
    return out;
}

static sb_tensor last_queries(const sb_shard *s)
{
    int64_t n = s->groups.last_queries;
    return (sb_tensor){.data        = s->groups.last_q,
                       .dtype       = SB_BF16,
                       .heads       = s->heads,
                       .tokens      = n,
                       .dim         = s->head_dim,
                       .head_stride = n * s->head_dim};
}

/* A device that plans by itself has all heads in one group, and is alone with its rows. */
static sb_status plan_and_attend_there(const call *c, const sb_attn_in *in_, const sb_attn_out *out)
{
    sb_shard  *s     = c->s;
    sb_ctx     alone = *c->ctx;
    sb_attn_in in    = *in_;
    sb_tensor  k = *in_->k, v = *in_->v, last = last_queries(s);
    sb_shape   shape;
    if (!sb_shard_shape_on_device(s, c->ctx->backend, c->m, c->shape, &shape))
        return SB_OK;
    sb_run all = {0, shape.n_keys};
    k.tokens = v.tokens = shape.n_keys;
    k.gid = v.gid = (sb_gid){.run = &all, .n_runs = 1, .n_tokens = shape.n_keys};
    in.k          = &k;
    in.v          = &v;
    alone.comm    = NULL;
    if (s->groups.last_queries > 0)
        alone.last_q = &last;
    return sb_device_call_attend(s->device, &alone, c->m, c->params, &in, &shape, &s->plan, NULL,
                                 out);
}

static sb_status attend_there(const call *c, const sb_attn_in *in, sb_plan *plan,
                              const sb_attn_out *out)
{
    sb_shape some = *c->shape;
    if (sb_device_plans(c->ctx->backend, c->m))
        return plan_and_attend_there(c, in, out);
    some.heads    = in->q->heads;
    some.kv_heads = in->k->heads;
    return sb_device_call_attend(c->s->device, c->ctx, c->m, c->params, in, &some, plan, NULL, out);
}

static sb_status attend(const call *c, const group *g, sb_bf16 *part)
{
    sb_shard   *s = c->s;
    int64_t     G = s->heads / s->kv_heads, first = g->first * G, n = g->n * G;
    int         whole = s->groups.whole_keys;
    sb_plan     plan  = sbi_plan_of_heads(&s->plan, first, n);
    sb_tensor   q     = sbi_heads_of(c->q, first, n);
    sb_tensor   o     = sbi_heads_of(c->o, first, n);
    sb_tensor   k     = whole ? sbi_heads_of(&s->k_all, g->first, g->n) : in_order(g, 0, part);
    sb_tensor   v     = in_order(g, g->tensors - 1, part);
    sb_attn_in  in    = {.q = &q, .k = &k, .v = &v, .scale = c->scale};
    sb_attn_out out   = {.o = &o, .lse = c->lse + first * q.tokens, .mode = SB_OUT_SET};
    if (s->device != NULL)
        return attend_there(c, &in, &plan, &out);
    return c->m->attend[c->ctx->backend->id](c->ctx, c->params, &in, &plan, c->cache, &out);
}

/* st: of the steps so far; a link that fails ends the call at once. */
static sb_status attend_groups(const call *c, sb_status st)
{
    sb_shard *s = c->s;
    int64_t   n = (s->kv_heads + s->groups.heads_at_once - 1) / s->groups.heads_at_once;
    for (int64_t i = 0; i < n; i++) {
        group     now = group_of(c, i), next = group_of(c, i + 1 < n ? i + 1 : i);
        sb_bf16  *part = s->groups.part[s->groups.staged ? 1 : i % 2];
        int64_t   t0   = sb_now_ns();
        sb_status ls   = sb_link_wait(s->link, c->ctx->stream);
        if (ls == SB_OK && st == SB_OK)
            st = put_in_order(&now, part, c->ctx->stream);
        if (ls == SB_OK && i + 1 < n)
            ls = post(&next, 0, c->ctx->stream);
        if (ls == SB_OK)
            ls = sbi_link_arrive(s->link, c->ctx->stream);
        sb_phase_add(c->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        if (ls != SB_OK)
            return ls;
        if (st == SB_OK)
            st = attend(c, &now, part);
    }
    return st;
}

static sb_status plan(const call *c)
{
    sb_shard        *s = c->s;
    const sb_tensor *k = &c->cache->k;
    if (s->groups.whole_keys) {
        int64_t t0   = sb_now_ns();
        s->k_all.gid = in_order_gid(s);
        sb_status st = sbi_gather(s, c->ctx->comm, k, &s->k_all);
        sb_phase_add(c->ctx->phases, SB_PHASE_COMMUNICATE, t0);
        if (st != SB_OK)
            return st;
        k = &s->k_all;
    }
    return sbi_plan_here(s, c->ctx, c->m, c->params, c->shape, c->q, k, c->cache);
}

sb_status sbi_prefill_groups(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_shape *shape, const sb_tensor *q, sb_cache *cache,
                             float scale, sb_tensor *o, float *lse, sb_status st)
{
    call  c     = {.s      = s,
                   .ctx    = ctx,
                   .m      = m,
                   .params = params,
                   .shape  = shape,
                   .q      = q,
                   .cache  = cache,
                   .scale  = scale,
                   .o      = o,
                   .lse    = lse};
    group first = group_of(&c, 0);
    /* planning meets other ranks: all of them enter it, or none */
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK)
        return st;
    sbi_link_begin(s->link);
    int64_t t0 = sb_now_ns();
    st         = post(&first, 1, ctx->stream); /* arrives while this rank plans */
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    if (st == SB_OK)
        st = attend_groups(&c, plan(&c));
    sbi_link_account(s->link, ctx->comm);
    return st;
}
