/* Who owns which tokens, and how K and V reach the queries that need them (spec sharding 2, 3, 4a,
 * 9). One operator call of one layer:
 *
 *   prefill   gather K, V of all ranks into id order -> plan -> attend, local queries x all keys
 *   decode    plan -> attend, one query x own keys -> gather the partials -> merge, on every rank
 *
 * Instead of gathering keys a prefill may pass them round (ring.h), share heads out (team.h), or
 * both.
 *
 * Methods with SB_CAP_STATE gather no keys: attend exchanges their state [sharding 8], which needs
 * a contiguous map. In decode the rank that has the last token carries the state on and all others
 * have empty partials. */
#ifndef SB_HARNESS_SHARD_SHARD_H
#define SB_HARNESS_SHARD_SHARD_H

#include "harness/config/sweep.h"
#include "harness/shard/device.h"
#include "kernels/base/link.h"
#include "kernels/base/method.h"

typedef struct sb_team sb_team; /* team.h */

/* The token map of one prefill: every rank's runs. Runs start at multiples of quantum_tokens and
 * are multiples of it but for the sequence's end; there are no pad tokens, so shards may differ in
 * length and the last ranks of a short sequence may own nothing. The sequence is cut into chunks of
 * chunk_tokens, of which rank r owns
 *   contiguous     chunk r of R                ceil(N / R), up to a multiple of the quantum
 *   zigzag         chunks r and 2R-1-r of 2R   ceil(N / 2R), likewise
 *   block_striped  chunks r, r+R, r+2R, ...    the quantum, at least 128 (up to a multiple of it)
 *   lpt            what it was dealt           likewise; see deal.h
 * Chunks that touch make one run. */
typedef struct sb_map {
    int64_t        n_tokens, quantum_tokens, chunk_tokens;
    int32_t        ranks;
    sb_layout_kind kind;
    int32_t       *owner;       /* [chunks]; lpt alone, else NULL */
    sb_run        *run;         /* all ranks' runs, rank by rank, ascending within a rank */
    int32_t       *run_first;   /* [ranks + 1] */
    int64_t       *rank_tokens; /* [ranks] */
    /* 1, set by the caller: decode tokens all go to the owner of the last token, who has the state
     * that they continue. */
    int32_t decode_stays;
} sb_map;

/* n_tokens, quantum_tokens 1..2^40, ranks >= 1. lpt is dealt as dense causal attention; deal.h has
 * it by a method's own work. Errors: SB_ERR_USAGE, SB_ERR_NOMEM. Local. */
sb_status sb_map_create(sb_layout_kind kind, int64_t n_tokens, int64_t quantum_tokens,
                        int32_t ranks, sb_map *out);
/* lpt by the work of each chunk's rows: [sb_map_stripes] numbers >= 0, NULL: dense causal. */
sb_status sb_map_create_dealt(int64_t n_tokens, int64_t quantum_tokens, int32_t ranks,
                              const int64_t *work, sb_map *out);
/* Chunks of block_striped and lpt: their tokens, and how many there are. */
int64_t   sb_map_stripe_tokens(int64_t quantum_tokens);
int64_t   sb_map_stripes(int64_t n_tokens, int64_t quantum_tokens);
void      sb_map_fini(sb_map *m);                       /* a zeroed map is fine */
sb_gid    sb_map_gid(const sb_map *m, int32_t rank);    /* borrowed */
/* Those of the rank's tokens that are not before `first`. run: room for the rank's runs. */
sb_gid    sb_map_gid_from(const sb_map *m, int32_t rank, int64_t first, sb_run *run);
int32_t   sb_map_owner(const sb_map *m, int64_t token); /* token < n_tokens; O(1) */
/* Owner of decode token `token` (>= n_tokens): the owner of its quantum block if that block has
 * prefill tokens, else ranks in turn, block by block, starting after that owner [sharding 9]. With
 * decode_stays: the owner of the last prefill token. */
int32_t sb_map_decode_owner(const sb_map *m, int64_t token);

/* Keys that come some heads at a time (groups.h). */
typedef struct sb_groups {
    int64_t      heads_at_once; /* KV heads */
    int32_t      whole_keys;    /* 1: K of all heads is gathered first, groups are of V alone */
    int32_t      staged;        /* 1: a group arrives rank by rank and is put in order */
    sb_bf16     *part[2];       /* [K, V][heads_at_once][n_tokens][head_dim] */
    sb_transfer *transfer;
    int64_t      max_transfers;
    int64_t      first_query;  /* tokens before it have none */
    int64_t      last_queries; /* of the sequence, that come to every rank with the first group */
    sb_bf16     *last_q;       /* [heads][last_queries][head_dim] */
    sb_bf16     *last_stage;   /* staged: the same as they arrive, rank by rank */
    sb_run      *last_run;     /* [most runs of a rank]: those of the last queries */
    int64_t     *last_before;  /* [ranks + 1]: last queries of the ranks before */
    int64_t     *last_place;   /* [the same]: their first rows in last_q */
} sb_groups;

/* Needed keys alone, or all of them (fetch.h). */
typedef struct sb_fetch {
    int32_t      whole_keys; /* 1: K of all ranks is gathered in any case */
    int          fetched;    /* by the last prefill: 1 needed keys alone, 0 all */
    int32_t     *edge;       /* [n_tokens + 1] */
    uint64_t    *bits;       /* [kv_heads][words of n_tokens] */
    uint64_t    *slots;      /* [words of the own tokens]: what one peer wants of one head */
    uint8_t     *asked;      /* [other ranks][kv_heads][a bit for each of their tokens] */
    uint8_t     *wanted;     /* [other ranks][kv_heads][a bit for each own token] */
    int64_t      asked_bytes, wanted_bytes;
    sb_bf16     *send, *receive;
    sb_transfer *transfer;
    /* Of calls on a device, there: k_all and v_all are the host's, for looks. */
    sb_tensor there[2];                   /* K and V in id order */
    uint8_t  *asked_there, *wanted_there; /* as they travel */
    int32_t   cleared;                    /* 1: all rows of there[] hold numbers */
} sb_fetch;

/* Queries that go round (pass_q.h). */
typedef struct sb_pass_q {
    int64_t      first_query;
    sb_run       all;     /* the queries of all ranks */
    sb_run      *run;     /* storage of gid */
    sb_gid      *gid;     /* [ranks] queries of each */
    sb_plan      plan;    /* of the queries of all ranks */
    sb_bf16     *part[2]; /* [heads][most queries of a rank][head_dim], on their way */
    float *foreign; /* rank by rank but the own: o [heads][its queries][head_dim], lse, a gap */
    float       *own;     /* the same of the own queries, of every rank's keys */
    sb_transfer *transfer;
} sb_pass_q;

/* Room and results of the operator calls of one sequence, shared by its layers. */
typedef struct sb_shard sb_shard;
struct sb_shard {
    const sb_map *map;          /* borrowed */
    sb_tensor     k_all, v_all; /* of the last prefill: [kv_heads][n_tokens][head_dim] bf16 in id
                                   order; with one rank they alias its cache */
    sb_run    all_run;          /* {0, n_tokens}: gid of k_all, v_all */
    sb_gid q_gid; /* ids of the local queries of a prefill, borrowed: all local tokens, unless the
                     caller of sb_shard_layout puts fewer here (sb_map_gid_from) because the
                     tokens before some id have no query: a chunk behind earlier ones */
    sb_plan   plan;             /* of the last call; quality reads it */
    int64_t   heads, kv_heads, head_dim;
    sb_bf16  *stage;   /* [rank][its tokens][head_dim], or NULL: see sb_shard_layout */
    float    *partial; /* decode: [ranks][heads * head_dim + heads + 1], see sb_shard_decode */
    sb_bf16  *merged;  /* decode over several devices: [heads][head_dim], in host memory */
    int64_t  *count_bytes, *displ_bytes; /* [ranks] */
    /* Of a ring or a team; link is set by the caller and borrowed, NULL: keys are gathered. */
    sb_link *link;
    void    *ring[2]; /* [2][kv_heads][most tokens of a rank][head_dim] bf16: K, V on their way */
    /* The steps of a prefill behind the layout of its index, of schemes that have their own; st: of
     * that, on this rank. NULL: keys are gathered, a state is passed on, or heads are shared out.
     */
    sb_status (*prefill)(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                         const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                         sb_tensor *o, float *lse, sb_status st);
    sb_groups groups;
    sb_fetch  fetch;
    sb_pass_q pass_q;
    void    *running; /* [heads][local tokens][head_dim] fp32 */
    /* Of heads over ranks: some heads of the team's tokens. */
    const sb_team   *team; /* borrowed; NULL: ranks have all heads */
    sb_tensor        q_part, k_part, v_part, o_part;
    float           *lse_part;
    sb_transfer     *transfers;
    void            *head_stage;
    const sb_tensor *gate, *beta; /* of the next call's rows (method.h sb_attn_in), set by the
                                     caller; NULL: none */
    sb_device_call  *device; /* of calls on a device, set by the caller, borrowed; NULL: attend on
                                the host. Tensors, lse and a cache's rows and state are device
                                memory then, and so is what the link moves */
    sb_tensor seen_q, seen_k, seen_v, seen_o; /* copies in host memory of the team's parts */
    float    *seen_lse;
    sb_arena *method_arena; /* where the method's index lives, and from which mark on */
    size_t    method_mark;
};

/* Room for prefill and decode of one layer at a time. comm must have map->ranks ranks.
 * With R > 1: 2 * kv_heads * n_tokens * head_dim * 2 bytes of gathered K and V; a map with more
 * than a few runs a rank (block_striped) takes n_tokens * head_dim * 2 bytes of staging on top: one
 * head arrives there rank by rank and its runs are copied into place. The rank is comm's. */
sb_status sb_shard_layout(sb_shard *s, sb_arena *a, const sb_map *map, const sb_comm *comm,
                          int64_t heads, int64_t kv_heads, int64_t head_dim);

/* The same without the room for gathered K and V: for methods with SB_CAP_STATE. */
sb_status sb_shard_layout_local(sb_shard *s, sb_arena *a, const sb_map *map, const sb_comm *comm,
                                int64_t heads, int64_t kv_heads, int64_t head_dim);

/* The same for a ring [sharding 4b], rows from `data`: room for the K and V of two ranks of the map
 * and for a running output, instead of that for all keys. A prefill then passes keys from rank to
 * rank over s->link while it attends; o and lse equal those of gathered keys but for the order of
 * sums. Decode as ever. Errors besides: methods that ring.h's check refuses are not to be called
 * so. */
sb_status sb_shard_layout_ring(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                               const sb_comm *comm, int64_t heads, int64_t kv_heads,
                               int64_t head_dim);

/* The same for heads over ranks [sharding 4c, 4d], rows from `data`: room for some heads of the
 * team's tokens (q, k, v, o bf16, lse), for transfers, for a stage of one head where ranks have
 * many runs, and with several teams for a ring of their keys. A prefill then exchanges tokens for
 * heads over s->link, plans and attends as one rank does, and sends o back. q_gid cut as above must
 * be cut in the team too. o must be bf16; lse NULL: it is not sent. Decode as ever, over the tokens
 * of this rank: its cache keeps all heads of them. Methods that sb_ulysses_check refuses are not to
 * be called so.
 */
sb_status sb_shard_layout_team(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                               const sb_comm *comm, const sb_team *team);

/* A prefill as the method saw it, where that is not the rows of this rank's tokens. Borrowed; k and
 * v with several teams: those of sb_shard_gather_keys. Returns 0, and nothing else, where ranks
 * have all heads. */
typedef struct sb_shard_view {
    sb_shape  shape;
    sb_tensor q, k, v, o;
    float    *lse;
} sb_shard_view;
int sb_shard_seen(const sb_shard *s, sb_shard_view *out);

/* The same of a team on a device: rows copied into room that sb_shard_layout_seen took, without
 * data where it took none; keys of several teams as above. Waits. Errors: those of the device. */
sb_status sb_shard_layout_seen(sb_shard *s, sb_arena *a);
sb_status sb_shard_fetch_seen(sb_shard *s, const sb_backend *backend, sb_shard_view *out);

/* A prefill of several ranks as a device call sees it: some heads of a team's tokens; where queries
 * go round, those of all ranks, of which each call has one rank's; where the device plans for some
 * rows of the sequence, keys up to the last of them (they are the last queries then), or all keys
 * and how many queries all ranks have, where it looks at the last ones of the sequence; else
 * `shape` itself. Returns 0 where such a plan would have no rows: no call is made. */
int sb_shard_shape_on_device(const sb_shard *s, const sb_backend *b, const sb_method *m,
                             const sb_shape *shape, sb_shape *out);

/* K and V of all ranks into k_all, v_all, as a prefill leaves them; for those who look at a call
 * that gathered none. Needs the room of sb_shard_layout, or of sb_shard_layout_gather behind one of
 * the layouts that have none. Collective, not timed. */
sb_status sb_shard_layout_gather(sb_shard *s, sb_arena *a);
sb_status sb_shard_gather_keys(sb_shard *s, sb_comm *comm, const sb_cache *cache);

/* Count what the method's own layout takes from ctx->arena, a counting arena, in a call with this
 * shape: raises its high water mark and gives the room back. For a decode shape all positions from
 * the end of the prefill up to the shape's are counted, because an index need not grow with the
 * position. The method sees no cache. Call it last: in a real arena, calls put the index behind
 * everything else. */
sb_status sb_shard_layout_method(sb_shard *s, const sb_ctx *ctx, const sb_method *m,
                                 const void *params, const sb_shape *shape);

/* One operator call on the prefill [sharding 4a]. q is the local shard, ids s->q_gid;
 * the cache holds exactly the local K, V rows. o (bf16 or fp32) and lse get the local rows. The
 * index goes into ctx->arena and stays until the next call of either kind: that one first gives
 * back everything since the first call on that arena. What the caller puts into the arena behind it
 * must be gone by then. ctx->phases gets communicate (the gather), what the method brackets
 * (estimate, select, permute, compute), and attention, the wall time of the whole call with its two
 * agreements. Errors: those of the method; collective, all ranks leave alike (SB_ERR_PEER on
 * healthy ones). */
sb_status sb_shard_prefill(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                           const sb_tensor *q, sb_cache *cache, float scale, sb_tensor *o,
                           float *lse);

/* One decode token: q [heads][1][d] is the same on all ranks, and the caller has set
 * cache->n_global on all ranks and stored the token's K, V on its owner. Each rank plans and
 * attends to its own cache, which may be empty. One gather moves the partials, heads * (d + 1) fp32
 * numbers and a status word a rank, so that no agreement is needed besides (but for methods whose
 * plan meets other ranks: one before it); all ranks merge them in
 * rank order [sharding 3] and get the same o, bf16 [heads][1][d]. The index as in sb_shard_prefill.
 * ctx->phases as above. Collective; errors as above. */
sb_status sb_shard_decode(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                          const sb_tensor *q, int64_t q_gid, sb_cache *cache, float scale,
                          sb_tensor *o);

/* Can a method take such steps on so many ranks of a backend? SB_OK, or SB_ERR_UNSUPPORTED with the
 * reason: on several ranks of a device, one whose plan runs there or needs what other ranks have,
 * or that goes by a state. */
sb_status sb_shard_check_decode(const sb_backend *b, const sb_method *m, int32_t ranks);

#endif
