#include "harness/shard/scheme.h"

#include <stdio.h>

#include "harness/shard/fetch.h"
#include "harness/shard/groups.h"
#include "harness/shard/pass_q.h"
#include "harness/shard/ring.h"
#include "harness/shard/team.h"
#include "harness/shard/ulysses.h"

sb_scheme_use sb_scheme_used(sb_scheme s, int32_t asked, int32_t ranks, int32_t host_ranks,
                             int64_t heads, int64_t kv_heads)
{
    if (s == SB_SCHEME_RING)
        return (sb_scheme_use){.ring = 1};
    if (s == SB_SCHEME_ULYSSES)
        return (sb_scheme_use){.team = ranks};
    if (s == SB_SCHEME_ALLGATHER)
        return (sb_scheme_use){.heads_at_once = asked};
    if (s == SB_SCHEME_FETCH)
        return (sb_scheme_use){.fetch = 1};
    if (s == SB_SCHEME_PASS_Q)
        return (sb_scheme_use){.pass_q = 1};
    if (s == SB_SCHEME_STATE)
        return (sb_scheme_use){.state = 1};
    if (s != SB_SCHEME_USP)
        return (sb_scheme_use){0};
    int32_t u = asked > 0 ? asked : sb_team_choose(ranks, host_ranks, heads, kv_heads);
    return u == 1 ? (sb_scheme_use){.ring = 1} : (sb_scheme_use){.team = u};
}

sb_status sb_scheme_check(sb_scheme s, sb_scheme_use use, const sb_method *m, int32_t ranks,
                          int64_t heads, int64_t kv_heads)
{
    const char *name  = sb_scheme_name(s);
    int         state = (m->caps & SB_CAP_STATE) != 0;
    sb_status   st;
    if (use.ring)
        return sb_ring_check_as(name, m);
    if (use.fetch)
        return sb_fetch_check(m);
    if (use.pass_q)
        return sb_pass_q_check(m);
    if (use.heads_at_once > 0)
        return sb_groups_check(m);
    if (use.team > 0) {
        st = sb_ulysses_check(name, m, use.team < ranks);
        return st == SB_OK ? sb_team_check(name, ranks, use.team, heads, kv_heads) : st;
    }
    if (state == (s == SB_SCHEME_STATE))
        return SB_OK;
    return state
               ? sb_fail(
                     SB_ERR_UNSUPPORTED,
                     "sharding: found %s, allowed state: %s carries a state and gathers no keys",
                     name, m->name)
               : sb_fail(SB_ERR_UNSUPPORTED,
                         "sharding: found state, allowed allgather: %s reads keys and has no state "
                         "to pass on",
                         m->name);
}

static int carries_state(const sb_scheme_call *c) { return (c->method->caps & SB_CAP_STATE) != 0; }

static int is_teamed(const sb_scheme_call *c) { return c->use.team > 0 && c->map->ranks > 1; }

static int one_team(const sb_scheme_call *c) { return is_teamed(c) && c->team->teams == 1; }

int sb_scheme_keeps_apart(const sb_scheme_call *c)
{
    return c->map->ranks > 1 && !one_team(c) && (carries_state(c) || sb_scheme_links(c->use));
}

/* Rows of q that every rank's plan finds, of this rank or not. After earlier tokens without a query
 * such methods plan none by them. */
static int64_t last_queries(const sb_scheme_call *c)
{
    const sb_method *m     = c->method;
    int64_t          n     = c->map->n_tokens;
    sb_shape         whole = {.n_keys      = n,
                              .heads       = c->heads,
                              .kv_heads    = c->kv_heads,
                              .head_dim    = c->head_dim,
                              .all_queries = n};
    if (!c->on_device || m->plan_last_queries == NULL || c->first_query > 0)
        return 0;
    int64_t rows = m->plan_last_queries(c->params, &whole);
    return rows < n ? rows : n;
}

static sb_status layout(const sb_scheme_call *c, sb_arena *data, sb_arena *a, sb_shard *s)
{
    sb_scheme_use u     = c->use;
    int           whole = c->method->plan_keys == SB_PLAN_KEYS_ALL;
    if (carries_state(c))
        return sb_shard_layout_local(s, a, c->map, c->comm, c->heads, c->kv_heads, c->head_dim);
    if (u.team > 0 && c->map->ranks > 1)
        return sb_shard_layout_team(s, data, a, c->map, c->comm, c->team);
    if (u.ring)
        return sb_shard_layout_ring(s, data, a, c->map, c->comm, c->heads, c->kv_heads,
                                    c->head_dim);
    if (u.fetch)
        return sb_shard_layout_fetch(s, data, a, c->map, c->comm, c->heads, c->kv_heads,
                                     c->head_dim, whole && !c->on_device, c->on_device);
    if (u.pass_q)
        return sb_shard_layout_pass_q(s, data, a, c->map, c->comm, c->heads, c->kv_heads,
                                      c->head_dim, c->first_query);
    if (u.heads_at_once > 0)
        return sb_shard_layout_groups(s, data, a, c->map, c->comm, c->heads, c->kv_heads,
                                      c->head_dim, u.heads_at_once, whole && !c->on_device,
                                      c->first_query, last_queries(c));
    sb_status st = sb_shard_layout_local(s, a, c->map, c->comm, c->heads, c->kv_heads, c->head_dim);
    return st == SB_OK ? sb_shard_layout_gather(s, data) : st;
}

sb_status sb_scheme_layout(const sb_scheme_call *c, sb_arena *data, sb_arena *a, sb_shard *s)
{
    sb_status st = layout(c, data, a, s);
    /* on the cpu a fetch has the room in any case: it may come to a gather */
    if (st == SB_OK && c->compares && sb_scheme_keeps_apart(c) && (!c->use.fetch || c->on_device))
        st = sb_shard_layout_gather(s, a);
    if (st == SB_OK && c->compares && c->on_device && is_teamed(c))
        st = sb_shard_layout_seen(s, a);
    s->link = c->link;
    return st;
}

/* ---- several ranks on a device ---- */

sb_scheme_use sb_scheme_on_device(sb_scheme_use use, const sb_method *m, int32_t ranks,
                                  int64_t kv_heads)
{
    if (ranks > 1 && !sb_scheme_links(use) && (m->caps & SB_CAP_STATE) == 0)
        use.heads_at_once = kv_heads;
    return use;
}

/* A plan on a device is one rank's work, of all rows of its heads, or of some where row blocks
 * choose apart or the last queries suffice besides. */
static sb_status check_planner(sb_scheme_use use, const sb_method *m, const sb_backend *backend,
                               int32_t ranks, int64_t kv_heads)
{
    if (!sb_device_plans(backend, m))
        return SB_OK;
    if (!m->plan_rows_apart && m->plan_last_queries == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found allgather on %d ranks of backend %s, allowed ulysses: %s "
                       "plans there, over all rows of its heads",
                       ranks, backend->name, m->name);
    if (use.heads_at_once < kv_heads)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found heads_at_once %lld on %d ranks of backend %s, allowed all "
                       "%lld KV heads: %s plans there, for all heads at once",
                       (long long)use.heads_at_once, ranks, backend->name, (long long)kv_heads,
                       m->name);
    return SB_OK;
}

/* A plan that reads keys finds those of one rank, or of one team, where they go round. */
static sb_status check_ring_planner(sb_scheme_use use, const sb_method *m,
                                    const sb_backend *backend, int32_t ranks)
{
    char what[48] = "ring";
    if (!sb_device_plans(backend, m) || m->plan_keys == SB_PLAN_KEYS_LOCAL)
        return SB_OK;
    if (use.team > 0)
        (void)snprintf(what, sizeof what, "teams of %d", use.team);
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "sharding: found %s on %d ranks of backend %s, allowed ulysses: %s plans there, "
                   "over all rows and keys of its heads",
                   what, ranks, backend->name, m->name);
}

sb_status sb_scheme_check_device(sb_scheme_use use, const sb_method *m, const sb_backend *backend,
                                 int32_t ranks, int64_t kv_heads)
{
    if (ranks == 1 || backend->id == SB_CPU)
        return SB_OK;
    if (use.fetch)
        return sb_fetch_check_device(m, backend, ranks);
    if (use.pass_q && sb_device_plans(backend, m))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found pass_q on %d ranks of backend %s, allowed ring and "
                       "ulysses: %s plans there, for the queries of one rank",
                       ranks, backend->name, m->name);
    if (m->caps & SB_CAP_STATE) /* its attend sees to the ranks */
        return SB_OK;
    if (use.ring || (use.team > 0 && use.team < ranks))
        return check_ring_planner(use, m, backend, ranks);
    return use.heads_at_once > 0 ? check_planner(use, m, backend, ranks, kv_heads) : SB_OK;
}

int sb_shard_shape_on_device(const sb_shard *s, const sb_backend *b, const sb_method *m,
                             const sb_shape *shape, sb_shape *out)
{
    const sb_gid *q = &shape->q_gid;
    *out            = *shape;
    if (s->map->ranks == 1 || shape->is_decode)
        return 1;
    if (sbi_is_teamed(s)) {
        *out = sb_team_shape(s->team, s->map->n_tokens);
        return 1;
    }
    if (sbi_is_pass_q(s)) {
        *out = sbi_pass_q_shape(s, shape);
        return 1;
    }
    if (!sb_device_plans(b, m) || (m->caps & SB_CAP_STATE) != 0 || s->groups.heads_at_once == 0)
        return 1;
    if (m->plan_last_queries != NULL)
        out->all_queries = s->map->n_tokens - s->groups.first_query;
    else if (q->n_tokens > 0) {
        out->all_keys = s->map->n_tokens;
        out->n_keys   = q->run[q->n_runs - 1].start + q->run[q->n_runs - 1].len;
    }
    return q->n_tokens > 0;
}
