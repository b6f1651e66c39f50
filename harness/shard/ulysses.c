/* The operator on a sharded prefill with heads over ranks [sharding 4c, 4d]:
 *
 *   in    Q, K, V: my tokens of all heads -> my heads of the team's tokens     communicate
 *         layout, plan, attend as if alone; with several teams a ring of their keys
 *   out   O, LSE: back to the ranks of the tokens                              communicate
 *
 * A method sees whole heads, so with one team nothing in it knows of other ranks. A rank whose plan
 * or attend fails goes on exchanging, so that all leave together at the end. */
#include "harness/shard/ulysses.h"

#include "harness/shard/exchange.h"
#include "harness/shard/index.h"
#include "harness/shard/ring.h"

sb_status sb_ulysses_check(const char *name, const sb_method *m, int is_ring)
{
    if (m->caps & (SB_CAP_STATE | SB_CAP_NO_INDEX))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s, allowed state: what %s carries on belongs to all heads "
                       "of the last token's rank",
                       name, m->name);
    return is_ring ? sb_ring_check_as(name, m) : SB_OK;
}

/* ---- room ---- */

static sb_status part_alloc(sb_arena *a, sb_tensor *t, int64_t heads, const sb_gid *gid,
                            int64_t dim, const char *what)
{
    *t = (sb_tensor){.dtype       = SB_BF16,
                     .heads       = heads,
                     .tokens      = gid->n_tokens,
                     .dim         = dim,
                     .head_stride = gid->n_tokens * dim,
                     .gid         = *gid};
    return sb_arena_alloc(a, heads * t->head_stride, sizeof(sb_bf16), what, &t->data);
}

static sb_status transfers_alloc(sb_shard *s, sb_arena *data, sb_arena *a, const sb_team *t)
{
    int64_t   n = sbi_exchange_transfers(t), ring = 4 * t->kv_heads;
    void     *p = NULL;
    sb_status st =
        sb_arena_alloc(a, n > ring ? n : ring, sizeof(sb_transfer), "transfers of a team", &p);
    s->transfers = p;
    if (st != SB_OK || !t->stages)
        return st;
    st            = sb_arena_alloc(data, t->keys.gid.n_tokens * t->head_dim, sizeof(sb_bf16),
                                   "staging of a head", &p);
    s->head_stage = p;
    return st;
}

sb_status sb_shard_layout_team(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                               const sb_comm *comm, const sb_team *t)
{
    void     *lse = NULL;
    int64_t   d   = t->head_dim;
    sb_status st =
        sb_shard_layout_local(s, a, map, comm, t->model_heads, t->model_kv_heads, t->head_dim);
    s->team = t;
    if (st != SB_OK || map->ranks == 1)
        return st;
    if ((st = part_alloc(data, &s->q_part, t->heads, &t->q.gid, d, "queries of some heads")) !=
            SB_OK ||
        (st = part_alloc(data, &s->k_part, t->kv_heads, &t->keys.gid, d, "keys of some heads")) !=
            SB_OK ||
        (st = part_alloc(data, &s->v_part, t->kv_heads, &t->keys.gid, d, "values of some heads")) !=
            SB_OK ||
        (st = part_alloc(data, &s->o_part, t->heads, &t->q.gid, d, "outputs of some heads")) !=
            SB_OK ||
        (st = sb_arena_alloc(data, t->heads * t->q.gid.n_tokens, sizeof(float), "LSE of some heads",
                             &lse)) != SB_OK ||
        (st = transfers_alloc(s, data, a, t)) != SB_OK)
        return st;
    s->lse_part = lse;
    return t->teams == 1
               ? SB_OK
               : sbi_ring_layout(s, data, &t->groups, t->heads, t->kv_heads, t->q.gid.n_tokens);
}

/* ---- exchange ---- */

static sbi_rows rows_of(const sb_tensor *t)
{
    int64_t b = sb_dtype_bytes(t->dtype);
    return (sbi_rows){t->data, t->heads, t->head_stride * b, t->dim * b};
}

static sbi_rows lse_rows(float *lse, int64_t heads, int64_t tokens)
{
    int64_t b = (int64_t)sizeof *lse;
    return (sbi_rows){(char *)lse, heads, tokens * b, b};
}

static sbi_exchange exchange_of(const sb_shard *s, const sb_ctx *ctx)
{
    return (sbi_exchange){.link   = s->link,
                          .team   = s->team,
                          .t      = s->transfers,
                          .stage  = (char *)s->head_stage,
                          .stream = ctx->stream};
}

/* Both return what the link says; *copied: of what stays on this rank. */
static sb_status take_in(sb_shard *s, const sb_ctx *ctx, const sb_tensor *q, const sb_cache *cache,
                         sb_status *copied)
{
    const sb_team *t     = s->team;
    sbi_exchange   x     = exchange_of(s, ctx);
    int64_t        t0    = sb_now_ns();
    sbi_rows       own_q = rows_of(q), own_k = rows_of(&cache->k), own_v = rows_of(&cache->v);
    sbi_rows  all_q = rows_of(&s->q_part), all_k = rows_of(&s->k_part), all_v = rows_of(&s->v_part);
    sb_status st = sbi_exchange_in(&x, &t->q, &own_q, &all_q);
    if (st == SB_OK)
        st = sbi_exchange_in(&x, &t->keys, &own_k, &all_k);
    if (st == SB_OK)
        st = sbi_exchange_in(&x, &t->keys, &own_v, &all_v);
    if (st == SB_OK)
        st = sbi_exchange_finish(&x);
    *copied = x.copied;
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

static sb_status give_back(sb_shard *s, const sb_ctx *ctx, const sb_tensor *o, float *lse,
                           sb_status *copied)
{
    const sb_team *t     = s->team;
    sbi_exchange   x     = exchange_of(s, ctx);
    int64_t        t0    = sb_now_ns();
    sbi_rows       all_o = rows_of(&s->o_part), own_o = rows_of(o);
    sbi_rows       all_l = lse_rows(s->lse_part, t->heads, t->q.gid.n_tokens);
    sbi_rows       own_l = lse_rows(lse, t->model_heads, o->tokens);
    sb_status      st    = sbi_exchange_out(&x, &t->q, &all_o, &own_o);
    if (st == SB_OK && lse != NULL)
        st = sbi_exchange_out(&x, &t->q, &all_l, &own_l);
    if (st == SB_OK)
        st = sbi_exchange_finish(&x);
    *copied = x.copied;
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* ---- the ring of teams ---- */

/* The ranks at one place of all teams, over the link of all ranks. */
typedef struct column {
    sb_link      link;
    sb_link     *under;
    sb_transfer *t; /* room for a group */
    int32_t      place, stride;
} column;

static sb_status column_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    column *c = l->impl;
    for (int64_t i = 0; i < n; i++) {
        c->t[i]      = t[i];
        c->t[i].peer = t[i].peer * c->stride + c->place;
    }
    c->under->alone = l->alone;
    sb_status st    = c->under->ops->post(c->under, c->t, n, stream);
    c->under->alone = 0;
    return st;
}

static sb_status column_wait(sb_link *l, void *stream)
{
    column *c = l->impl;
    return c->under->ops->wait(c->under, stream);
}

static sb_status column_drain(sb_link *l, void *stream)
{
    column *c = l->impl;
    return c->under->ops->drain(c->under, stream);
}

static void column_destroy(sb_link *l) { (void)l; } /* lives for a call */

/* given up, where asked, by the link under it */
static const sb_link_ops column_ops = {.name    = "column",
                                       .post    = column_post,
                                       .wait    = column_wait,
                                       .drain   = column_drain,
                                       .destroy = column_destroy,
                                       .give_up = NULL};

static sb_status attend_ring(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                             const sb_shape *shape, sb_cache *cache, float scale, sb_status st)
{
    const sb_team *t    = s->team;
    sb_shard       ring = *s;
    column         c    = {.link   = {.ops     = &column_ops,
                                      .backend = s->link->backend,
                                      .rank    = t->number,
                                      .size    = t->teams},
                           .under  = s->link,
                           .t      = s->transfers,
                           .place  = t->place,
                           .stride = t->size};
    c.link.impl         = &c;
    ring.map            = &t->groups;
    ring.heads          = t->heads;
    ring.kv_heads       = t->kv_heads;
    ring.link           = &c.link;
    st      = sbi_prefill_ring(&ring, ctx, m, params, shape, &s->q_part, cache, scale, &s->o_part,
                               s->lse_part, st);
    s->plan = ring.plan; /* of a device that plans: made in the ring */
    return st;
}

/* ---- the call ---- */

static sb_status attend(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                        const sb_shape *shape, sb_cache *cache, float scale, sb_status st)
{
    sb_attn_in  in  = {.q = &s->q_part, .k = &cache->k, .v = &cache->v, .scale = scale};
    sb_attn_out out = {.o = &s->o_part, .lse = s->lse_part, .mode = SB_OUT_SET};
    if (s->team->teams > 1)
        return attend_ring(s, ctx, m, params, shape, cache, scale, st);
    if (st != SB_OK || s->device == NULL)
        return st != SB_OK ? st
                           : m->attend[ctx->backend->id](ctx, params, &in, &s->plan, cache, &out);
    return sb_device_call_attend(s->device, ctx, m, params, &in, shape, &s->plan, cache, &out);
}

sb_status sbi_prefill_team(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o,
                           float *lse, sb_status st)
{
    sb_shape  shape = sb_team_shape(s->team, s->map->n_tokens);
    sb_ctx    alone = *ctx;
    sb_cache  part  = *cache; /* a state that does not go by heads stays the rank's own */
    sb_status ls, copied;
    alone.comm = NULL;
    part.k     = s->k_part;
    part.v     = s->v_part;
    if (st == SB_OK)
        st = sbi_index_layout(s, &alone, m, params, &shape, &part);
    /* A rank that cannot begin must not stay behind while the others exchange. */
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK)
        return st;
    sbi_link_begin(s->link);
    if ((ls = take_in(s, ctx, q, cache, &copied)) != SB_OK)
        return ls;
    if ((st = copied) == SB_OK)
        st = sbi_plan_here(s, &alone, m, params, &shape, &s->q_part, &s->k_part, &part);
    st = attend(s, s->team->teams > 1 ? ctx : &alone, m, params, &shape, &part, scale, st);
    if (st != SB_ERR_COMM && (ls = give_back(s, ctx, o, lse, &copied)) != SB_OK)
        st = ls;
    if (st == SB_OK)
        st = copied;
    sbi_link_account(s->link, ctx->comm);
    return st;
}

/* ---- who looks at it ---- */

static sb_tensor some_heads(const sb_tensor *all, int64_t first, int64_t n)
{
    sb_tensor t = *all;
    t.data      = all->data != NULL ? sb_tensor_bf16(all, first, 0) : NULL;
    t.heads     = n;
    return t;
}

int sb_shard_seen(const sb_shard *s, sb_shard_view *out)
{
    if (!sbi_is_teamed(s))
        return 0;
    const sb_team *t = s->team;
    *out             = (sb_shard_view){.shape = sb_team_shape(t, s->map->n_tokens),
                                       .q     = s->q_part,
                                       .k     = s->k_part,
                                       .v     = s->v_part,
                                       .o     = s->o_part,
                                       .lse   = s->lse_part};
    if (t->teams > 1) { /* of the tokens of all teams, once they are gathered */
        int64_t first = sb_shape_first_kv_head(&out->shape);
        out->k        = some_heads(&s->k_all, first, t->kv_heads);
        out->v        = some_heads(&s->v_all, first, t->kv_heads);
    }
    return 1;
}

sb_status sb_shard_layout_seen(sb_shard *s, sb_arena *a)
{
    const sb_team *t   = s->team;
    int64_t        d   = t->head_dim;
    void          *lse = NULL;
    sb_status      st;
    if (t->teams == 1 &&
        ((st = part_alloc(a, &s->seen_k, t->kv_heads, &t->keys.gid, d, "keys to look at")) !=
             SB_OK ||
         (st = part_alloc(a, &s->seen_v, t->kv_heads, &t->keys.gid, d, "values to look at")) !=
             SB_OK))
        return st;
    if ((st = part_alloc(a, &s->seen_q, t->heads, &t->q.gid, d, "queries to look at")) != SB_OK ||
        (st = part_alloc(a, &s->seen_o, t->heads, &t->q.gid, d, "outputs to look at")) != SB_OK ||
        (st = sb_arena_alloc(a, t->heads * t->q.gid.n_tokens, sizeof(float), "LSE to look at",
                             &lse)) != SB_OK)
        return st;
    s->seen_lse = lse;
    return SB_OK;
}

static sb_tensor no_data(const sb_tensor *t)
{
    sb_tensor none = *t;
    none.data      = NULL;
    return none;
}

sb_status sb_shard_fetch_seen(sb_shard *s, const sb_backend *b, sb_shard_view *out)
{
    const sb_team *t = s->team;
    sb_status      st;
    (void)sb_shard_seen(s, out); /* keys of several teams are gathered in host memory */
    out->q   = no_data(&s->q_part);
    out->o   = no_data(&s->o_part);
    out->lse = NULL;
    if (t->teams == 1) {
        out->k = no_data(&s->k_part);
        out->v = no_data(&s->v_part);
    }
    if (s->seen_q.data == NULL)
        return SB_OK;
    if (t->teams == 1 && ((st = sb_device_fetch(b, &s->k_part, &s->seen_k)) != SB_OK ||
                          (st = sb_device_fetch(b, &s->v_part, &s->seen_v)) != SB_OK))
        return st;
    if ((st = sb_device_fetch(b, &s->q_part, &s->seen_q)) != SB_OK ||
        (st = sb_device_fetch(b, &s->o_part, &s->seen_o)) != SB_OK ||
        (st = sb_device_fetch_bytes(b, s->lse_part,
                                    (size_t)(t->heads * t->q.gid.n_tokens) * sizeof(float),
                                    s->seen_lse)) != SB_OK)
        return st;
    if (t->teams == 1) {
        out->k = s->seen_k;
        out->v = s->seen_v;
    }
    out->q   = s->seen_q;
    out->o   = s->seen_o;
    out->lse = s->seen_lse;
    return SB_OK;
}
