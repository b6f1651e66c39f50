/* Prefill with heads over ranks, for the files of this folder and for those who ask what can run
 * so. */
#ifndef SB_HARNESS_SHARD_ULYSSES_H
#define SB_HARNESS_SHARD_ULYSSES_H

#include "harness/shard/team.h"

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: a method that carries a state, or (is_ring: several
 * teams) one whose keys cannot go round. name: the scheme's. */
sb_status sb_ulysses_check(const char *name, const sb_method *m, int is_ring);

/* sb_shard_prefill of a shard that was laid out for a team. Collective over s->link. */
sb_status sbi_prefill_team(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o,
                           float *lse, sb_status st);

/* 1: a prefill of this shard shares heads out. */
static inline int sbi_is_teamed(const sb_shard *s) { return s->team != NULL && s->map->ranks > 1; }

#endif
