/* What a scheme of a sweep asks of ranks, heads and method (spec sharding 4, 8). */
#ifndef SB_HARNESS_SHARD_SCHEME_H
#define SB_HARNESS_SHARD_SCHEME_H

#include "harness/shard/shard.h"

/* How a prefill runs: keys gathered (all 0), keys passed round, heads shared out by teams of ranks,
 * or both: keys of teams passed round; or one of the others. */
typedef struct sb_scheme_use {
    int32_t ring;          /* 1: the keys of every rank go round */
    int32_t team;          /* ranks that share heads out; 0: none do */
    int64_t heads_at_once; /* KV heads whose keys are gathered at a time; 0: all */
    int32_t fetch;         /* 1: keys that the selection needs, where they are few */
    int32_t pass_q;        /* 1: the queries of every rank go round */
    int32_t state;         /* 1: states pass to the ranks behind */
} sb_scheme_use;

/* 1: blocks move over a link. */
static inline int sb_scheme_links(sb_scheme_use u)
{
    return u.ring || u.team > 0 || u.heads_at_once > 0 || u.fetch || u.pass_q || u.state;
}

/* What a shard is laid out for. All is borrowed, by the shard too. */
typedef struct sb_scheme_call {
    sb_scheme_use    use;
    const sb_method *method;
    const void      *params; /* of the method; may be NULL where on_device is 0 */
    const sb_map    *map;
    const sb_comm   *comm;
    const sb_team   *team; /* made by sb_team_create where use.team > 0 */
    sb_link         *link; /* NULL: counted only, one rank, or none needed */
    int64_t          heads, kv_heads, head_dim;
    int64_t          first_query; /* tokens before it have none */
    int32_t          compares;    /* 1: a look finds the keys of all ranks, whatever moved */
    int32_t          on_device;   /* 1: `data` is memory of a device, and looks read copies */
} sb_scheme_call;

/* Room for prefill and decode under a scheme, as its sb_shard_layout* says; rows of keys and the
 * like come from `data`, the rest, and what looks read, from `a` (the same arena on the cpu).
 * sb_shard_prefill then runs so. */
sb_status sb_scheme_layout(const sb_scheme_call *c, sb_arena *data, sb_arena *a, sb_shard *s);

/* 1: after a prefill s->k_all and s->v_all do not hold all keys of the heads here, and a look that
 * compares calls sb_shard_gather_keys. */
int sb_scheme_keeps_apart(const sb_scheme_call *c);

/* asked: KV heads at once under allgather, 0: all; ranks of a team under usp; 0: as many of the
 * host_ranks ranks of each host as can share the heads out. One rank a team is a ring. */
sb_scheme_use sb_scheme_used(sb_scheme s, int32_t asked, int32_t ranks, int32_t host_ranks,
                             int64_t heads, int64_t kv_heads);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: heads that so many ranks cannot share out, a method
 * that carries a state and gathers no keys or the other way round, one that reads all keys before
 * it attends to any. */
sb_status sb_scheme_check(sb_scheme s, sb_scheme_use use, const sb_method *m, int32_t ranks,
                          int64_t heads, int64_t kv_heads);

/* The same use where keys are in the memory of a device: all of them come over a link, as one group
 * of heads. */
sb_scheme_use sb_scheme_on_device(sb_scheme_use use, const sb_method *m, int32_t ranks,
                                  int64_t kv_heads);

/* Can several ranks run so on this backend? SB_OK, also with one rank and on the cpu, or
 * SB_ERR_UNSUPPORTED with the reason. use: passed sb_scheme_check, and is that of
 * sb_scheme_on_device. */
sb_status sb_scheme_check_device(sb_scheme_use use, const sb_method *m, const sb_backend *backend,
                                 int32_t ranks, int64_t kv_heads);

#endif
