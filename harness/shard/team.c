#include "harness/shard/team.h"

#include <stdlib.h>

#include "harness/shard/gather.h"

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- who can share heads ---- */

sb_status sb_team_check(const char *name, int32_t ranks, int32_t size, int64_t heads,
                        int64_t kv_heads)
{
    if (size < 1 || ranks % size != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s of %d ranks in teams of %d, allowed a divisor of the "
                       "number of ranks",
                       name, ranks, size);
    if (heads % size != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s of %d ranks for %lld query heads, allowed a divisor of "
                       "their number",
                       name, size, (long long)heads);
    if (size <= kv_heads ? kv_heads % size != 0 : size % kv_heads != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found %s of %d ranks for %lld KV heads, allowed a divisor or a "
                       "multiple of their number",
                       name, size, (long long)kv_heads);
    return SB_OK;
}

int32_t sb_team_choose(int32_t ranks, int32_t host_ranks, int64_t heads, int64_t kv_heads)
{
    for (int32_t u = host_ranks; u > 1; u--)
        if (host_ranks % u == 0 && ranks % u == 0 && heads % u == 0 &&
            (u <= kv_heads ? kv_heads % u : u % kv_heads) == 0)
            return u;
    return 1;
}

/* ---- their tokens ---- */

/* Tokens from `from` on of the runs of ranks [first, first + size) in id order; runs that touch
 * become one. at: [size] places in those ranks' lists, clobbered. Returns the number of runs. */
static int32_t merge(const sb_map *m, int32_t first, int32_t size, int64_t from, int32_t *at,
                     sb_run *out, int64_t *n_tokens)
{
    int32_t n = 0;
    *n_tokens = 0;
    for (int32_t i = 0; i < size; i++)
        at[i] = m->run_first[first + i];
    for (;;) {
        int32_t next = -1;
        for (int32_t i = 0; i < size; i++)
            if (at[i] < m->run_first[first + i + 1] &&
                (next < 0 || m->run[at[i]].start < m->run[at[next]].start))
                next = i;
        if (next < 0)
            return n;
        sb_run  run   = m->run[at[next]++];
        int64_t start = max_i64(run.start, from), len = run.start + run.len - start;
        if (len <= 0)
            continue;
        *n_tokens += len;
        if (n > 0 && out[n - 1].start + out[n - 1].len == start)
            out[n - 1].len += len;
        else
            out[n++] = (sb_run){start, len};
    }
}

static void spread_fini(sb_spread *s)
{
    free(s->part);
    free(s->slot);
    free(s->first);
    free(s->tokens);
    free(s->all);
    *s = (sb_spread){0};
}

/* Where the runs of member i lie among the tokens of all. */
static void find_slots(sb_spread *s, int32_t i)
{
    int64_t before = 0;
    int32_t a      = 0;
    for (int32_t j = s->first[i]; j < s->first[i + 1]; j++) {
        while (s->part[j].start >= s->all[a].start + s->all[a].len)
            before += s->all[a++].len;
        s->slot[j] = before + s->part[j].start - s->all[a].start;
    }
}

static sb_status spread_create(const sb_map *m, int32_t first, int32_t size, int64_t from,
                               int32_t *at, sb_spread *s)
{
    int32_t runs = m->run_first[first + size] - m->run_first[first], n = 0;
    *s = (sb_spread){.size   = size,
                     .part   = calloc((size_t)runs + 1, sizeof *s->part),
                     .slot   = calloc((size_t)runs + 1, sizeof *s->slot),
                     .first  = calloc((size_t)size + 1, sizeof *s->first),
                     .tokens = calloc((size_t)size + 1, sizeof *s->tokens),
                     .all    = calloc((size_t)runs + 1, sizeof *s->all)};
    if (s->part == NULL || s->slot == NULL || s->first == NULL || s->tokens == NULL ||
        s->all == NULL)
        return sb_fail(SB_ERR_NOMEM, "team: no memory for %d runs", runs);
    s->gid.n_runs = merge(m, first, size, from, at, s->all, &s->gid.n_tokens);
    s->gid.run    = s->all;
    for (int32_t i = 0; i < size; i++) {
        sb_gid gid   = sb_map_gid_from(m, first + i, from, s->part + n);
        s->first[i]  = n;
        s->tokens[i] = gid.n_tokens;
        n += gid.n_runs;
        s->most_runs = gid.n_runs > s->most_runs ? gid.n_runs : s->most_runs;
    }
    s->first[size] = n;
    for (int32_t i = 0; i < size; i++)
        find_slots(s, i);
    return SB_OK;
}

/* Every team's keys, as the shards of a map of teams. */
static sb_status groups_create(const sb_map *m, int32_t size, int32_t *at, sb_map *out)
{
    int32_t teams = m->ranks / size, n = 0;
    *out             = *m;
    out->owner       = NULL; /* of ranks, not of teams */
    out->ranks       = teams;
    out->run         = calloc((size_t)m->run_first[m->ranks] + 1, sizeof *out->run);
    out->run_first   = calloc((size_t)teams + 1, sizeof *out->run_first);
    out->rank_tokens = calloc((size_t)teams + 1, sizeof *out->rank_tokens);
    if (out->run == NULL || out->run_first == NULL || out->rank_tokens == NULL)
        return sb_fail(SB_ERR_NOMEM, "team: no memory for the tokens of %d teams", teams);
    for (int32_t i = 0; i < teams; i++) {
        out->run_first[i] = n;
        n += merge(m, i * size, size, 0, at, out->run + n, &out->rank_tokens[i]);
    }
    out->run_first[teams] = n;
    return SB_OK;
}

sb_status sb_team_create(const sb_map *map, int32_t rank, int32_t size, int64_t heads,
                         int64_t kv_heads, int64_t head_dim, int64_t first_query, sb_team *out)
{
    int32_t   place = rank % size;
    int32_t  *at    = calloc((size_t)size, sizeof *at);
    sb_status st    = SB_OK;
    sb_team   t     = {.size           = size,
                       .place          = place,
                       .first_rank     = rank - place,
                       .teams          = map->ranks / size,
                       .number         = rank / size,
                       .stages         = sbi_gather_needs_stage(map),
                       .heads          = heads / size,
                       .kv_heads       = size < kv_heads ? kv_heads / size : 1,
                       .head_dim       = head_dim,
                       .first_head     = place * (heads / size),
                       .model_heads    = heads,
                       .model_kv_heads = kv_heads};
    if (at == NULL)
        st = sb_fail(SB_ERR_NOMEM, "team: no memory for %d ranks", size);
    if (st == SB_OK)
        st = spread_create(map, t.first_rank, size, first_query, at, &t.q);
    if (st == SB_OK)
        st = spread_create(map, t.first_rank, size, 0, at, &t.keys);
    if (st == SB_OK)
        st = groups_create(map, size, at, &t.groups);
    free(at);
    if (st != SB_OK) {
        sb_team_fini(&t);
        return st;
    }
    *out = t;
    return SB_OK;
}

void sb_team_fini(sb_team *t)
{
    spread_fini(&t->q);
    spread_fini(&t->keys);
    sb_map_fini(&t->groups);
    *t = (sb_team){0};
}

sb_shape sb_team_shape(const sb_team *t, int64_t n_keys)
{
    return (sb_shape){.q_gid          = t->q.gid,
                      .n_keys         = n_keys,
                      .heads          = t->heads,
                      .kv_heads       = t->kv_heads,
                      .head_dim       = t->head_dim,
                      .first_head     = t->first_head,
                      .model_heads    = t->model_heads,
                      .model_kv_heads = t->model_kv_heads};
}
