#include "harness/shard/scheme.h"

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
