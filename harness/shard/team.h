/* Ranks that share heads out among themselves (spec sharding 4c, 4d): a team of U adjacent ranks
 * has all heads of its own tokens, one U-th of the heads a rank. One team: ulysses. Several: the
 * keys of the teams go round in a ring, rank u of each team meeting rank u of the others.
 *
 *   6 ranks in teams of 3      team 0: 0 1 2      team 1: 3 4 5
 *   heads of rank 4            the second third
 *   tokens of rank 4           those of ranks 3, 4, 5, in id order
 *   its ring                   1 -> 4 -> 1
 *
 * Of few KV heads (U > kv_heads) each goes to U / kv_heads ranks. */
#ifndef SB_HARNESS_SHARD_TEAM_H
#define SB_HARNESS_SHARD_TEAM_H

#include "harness/shard/shard.h"

/* The tokens of a team: whose they are, and how they lie together in id order. */
typedef struct sb_spread {
    int32_t  size;      /* members */
    sb_run  *part;      /* runs, member by member, ascending within one */
    int64_t *slot;      /* of each run: its place among the team's tokens */
    int32_t *first;     /* [size + 1] into part */
    int64_t *tokens;    /* [size] */
    sb_run  *all;       /* runs of all members together, ascending */
    sb_gid   gid;       /* of those */
    int32_t  most_runs; /* of a member */
} sb_spread;

typedef struct sb_team {
    int32_t   size, place, first_rank; /* members, this rank among them, rank of the first */
    int32_t   teams, number;           /* how many, and which is this one */
    sb_spread q, keys;                 /* of this team; q: those of its tokens that have a query */
    int32_t   stages;                  /* 1: some rank of the map has many runs (gather.h) */
    sb_map    groups; /* keys team by team, as a ring passes them: "rank" i is team i */
    int64_t   heads, kv_heads, head_dim; /* of this rank */
    int64_t   first_head, model_heads, model_kv_heads;
} sb_team;

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason why teams of `size` of `ranks` ranks cannot share
 * these heads out. name: the scheme's, for that text. */
sb_status sb_team_check(const char *name, int32_t ranks, int32_t size, int64_t heads,
                        int64_t kv_heads);

/* The most ranks of a host, of host_ranks, that can share these heads out in whole teams. */
int32_t sb_team_choose(int32_t ranks, int32_t host_ranks, int64_t heads, int64_t kv_heads);

/* Teams of `size` of the map's ranks. Tokens before first_query have no query. size passes the
 * check. Local. Errors: SB_ERR_NOMEM. */
sb_status sb_team_create(const sb_map *map, int32_t rank, int32_t size, int64_t heads,
                         int64_t kv_heads, int64_t head_dim, int64_t first_query, sb_team *out);
void      sb_team_fini(sb_team *t); /* a zeroed one is fine */

/* A prefill as the method sees it on this rank: some heads of the team's tokens. */
sb_shape sb_team_shape(const sb_team *t, int64_t n_keys);

#endif
