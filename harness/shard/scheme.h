/* What a scheme of a sweep asks of ranks, heads and method (spec sharding 4, 8). */
#ifndef SB_HARNESS_SHARD_SCHEME_H
#define SB_HARNESS_SHARD_SCHEME_H

#include "harness/shard/shard.h"

/* How a prefill runs: keys gathered or a state passed on (both 0), keys passed round, heads shared
 * out by teams of ranks, or both: keys of teams passed round. */
typedef struct sb_scheme_use {
    int32_t ring; /* 1: the keys of every rank go round */
    int32_t team; /* ranks that share heads out; 0: none do */
} sb_scheme_use;

/* asked: ranks of a team under usp; 0: as many of the host_ranks ranks of each host as can share
 * the heads out. One rank a team is a ring. */
sb_scheme_use sb_scheme_used(sb_scheme s, int32_t asked, int32_t ranks, int32_t host_ranks,
                             int64_t heads, int64_t kv_heads);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: heads that so many ranks cannot share out, a method
 * that carries a state and gathers no keys or the other way round, one that reads all keys before
 * it attends to any. */
sb_status sb_scheme_check(sb_scheme s, sb_scheme_use use, const sb_method *m, int32_t ranks,
                          int64_t heads, int64_t kv_heads);

#endif
