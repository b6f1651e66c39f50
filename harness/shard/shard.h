/* Who owns which tokens, and how K and V reach the queries that need them (spec sharding 2, 3, 4a, 9). */
#ifndef SB_HARNESS_SHARD_SHARD_H
#define SB_HARNESS_SHARD_SHARD_H

#include "harness/config/sweep.h"
#include "kernels/base/method.h"

/* The token map of one prefill: every rank's runs. Runs are multiples of quantum_tokens but for the sequence's end; there are no
 * pad tokens, so shards may differ in length and the last ranks of a short sequence may own nothing. */
typedef struct sb_map {
    int64_t        n_tokens, quantum_tokens;
    int32_t        ranks;
    sb_layout_kind kind;
    sb_run        *run;      /* all ranks' runs, rank by rank, ascending within a rank */
    int32_t       *run_first; /* [ranks + 1] */
} sb_map;

sb_status sb_map_create(sb_layout_kind kind, int64_t n_tokens, int64_t quantum_tokens, int32_t ranks, sb_map *out);
void      sb_map_fini(sb_map *m);
sb_gid    sb_map_gid(const sb_map *m, int32_t rank); /* borrowed */
int32_t   sb_map_owner(const sb_map *m, int64_t token);
/* Owner of decode token `token` (>= n_tokens): the owner of its quantum block if that block has prefill tokens, else ranks in turn. */
int32_t   sb_map_decode_owner(const sb_map *m, int64_t token);

/* One operator call on the prefill (4a, KV all-gather): gathers K and V of all ranks into gid order, then layout, plan, attend.
 * q is the local shard; cache holds the local K, V rows already. o (bf16) and lse get the local rows. Phases go to ctx->phases:
 * communicate, whatever the method brackets, compute, attention. gathered: 2 tensors of [kv_heads][n_tokens][d] laid out by
 * sb_shard_layout; unused with one rank.
 * Errors: those of the method; collective, ranks agree before returning. */
typedef struct sb_shard {
    const sb_map *map;
    sb_tensor     k_all, v_all; /* gathered; with one rank they alias the cache */
    sb_run        all_run;
    float        *merge;        /* decode: [ranks][heads][head_dim + 1] fp32 */
    sb_plan       plan;         /* of the last call: quality reads it */
    int64_t      *count_bytes, *displ_bytes;
} sb_shard;

/* Room for prefill and decode of one layer at a time; shared by all layers. */
sb_status sb_shard_layout(sb_shard *s, sb_arena *a, const sb_map *map, const sb_comm *comm, int64_t heads, int64_t kv_heads, int64_t head_dim);

sb_status sb_shard_prefill(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params, const sb_tensor *q, sb_cache *cache,
                           float scale, sb_tensor *o, float *lse);

/* One decode token: q [heads][1][d] is the same on all ranks; each rank attends to its own cache (its shard), partials (o fp32,
 * lse) are gathered once and merged in rank order (spec 3). o bf16 [heads][1][d], the same on all ranks. */
sb_status sb_shard_decode(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params, const sb_tensor *q, int64_t q_gid,
                          sb_cache *cache, float scale, sb_tensor *o);

#endif
