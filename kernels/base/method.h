/* An attention method is one record: what it can do, its parameters, and three calls per backend.
 *
 *   layout  shape only: room for the index. Runs twice, over a counting arena and a real one.
 *   plan    reads q and k, writes the index (sb_plan). Collective when the communicator has more than one rank.
 *   attend  reads the index and writes o and lse. Never allocates.
 * They are timed apart and never merged. Decode is the same calls with one query. */
#ifndef SB_KERNELS_BASE_METHOD_H
#define SB_KERNELS_BASE_METHOD_H

#include "kernels/base/arena.h"
#include "kernels/base/backend.h"
#include "kernels/base/cache.h"
#include "kernels/base/comm.h"
#include "kernels/base/link.h"
#include "kernels/base/param.h"
#include "kernels/base/phase.h"
#include "kernels/base/plan.h"
#include "kernels/base/step.h"
#include "kernels/base/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One attention call as this rank sees it. */
typedef struct sb_shape {
    sb_gid  q_gid;      /* ids of the local queries; q_gid.n_tokens rows */
    int64_t n_keys;     /* tokens of the whole sequence, on all ranks */
    int64_t heads, kv_heads, head_dim;
    int32_t is_decode;  /* 1: n queries after a prefill, over the cache */
    /* Where the heads here are some of a model's (sharding ulysses): the number there of the first
     * query head, and how many of both kinds the model has. Zeros: all of them are here. */
    int64_t first_head, model_heads, model_kv_heads;
    /* Queries of the sequence, on all ranks, where a plan is made for some rows of it with those of
     * other ranks in sb_ctx.last_q. 0: there are those of q_gid. */
    int64_t all_queries;
    /* Tokens of the sequence where n_keys are those up to the last query here alone
     * (sb_method.plan_rows_apart); 0: n_keys. For rules that hang on its length. */
    int64_t all_keys;
} sb_shape;

static inline int64_t sb_shape_keys(const sb_shape *s)
{
    return s->all_keys > 0 ? s->all_keys : s->n_keys;
}

static inline int64_t sb_shape_queries(const sb_shape *s)
{
    return s->all_queries > 0 ? s->all_queries : s->q_gid.n_tokens;
}

static inline int64_t sb_shape_model_heads(const sb_shape *s)
{
    return s->model_heads > 0 ? s->model_heads : s->heads;
}
static inline int64_t sb_shape_model_kv_heads(const sb_shape *s)
{
    return s->model_heads > 0 ? s->model_kv_heads : s->kv_heads;
}
/* The number in the model of the first KV head. */
static inline int64_t sb_shape_first_kv_head(const sb_shape *s)
{
    return s->first_head > 0 ? s->first_head / (s->model_heads / s->model_kv_heads) : 0;
}

typedef struct sb_ctx {
    const sb_backend *backend;
    sb_comm          *comm;
    sb_link          *link;    /* of an attend that carries a state over ranks; else NULL */
    sb_arena         *arena;   /* scratch and index storage, in the backend's memory */
    sb_arena         *host;    /* for what host code reads of a call on a device; NULL on the CPU */
    void             *stream;  /* NULL: the backend's own; the CPU has no other */
    sb_phase_times   *phases;  /* NULL: nobody is timing */
    /* On a device, not NULL: calls queue their work, enter phases here and do not wait. NULL: a
     * call with phases waits and times itself. */
    sb_timeline      *timeline;
    /* In decode on a device, of methods with step_bytes, device memory: attend finds there how many
     * keys there are, in place of those of in->k. NULL: the call says it. */
    const sb_step    *step;
    /* Of plan on a device, for methods with plan_last_queries: so many last queries of the
     * sequence, [heads][that many][d], whichever rank they are of; a view of q where all are here.
     * Else NULL. */
    const sb_tensor  *last_q;
    int32_t           layer;
    int32_t           n_layers; /* of the model; 0 counts as 1 */
    int32_t           threads;  /* OpenMP threads for CPU kernels, >= 1 */
} sb_ctx;

/* The work that is queued from here on belongs to this phase. */
static inline sb_status sb_ctx_enter(const sb_ctx *ctx, sb_phase phase)
{
    return ctx->timeline == NULL ? SB_OK : ctx->timeline->enter(ctx->timeline, phase, ctx->stream);
}

/* 1 on the one rank that accounts for work which all ranks repeat. */
static inline int sb_ctx_is_first(const sb_ctx *ctx)
{
    return ctx->comm == NULL || ctx->comm->rank == 0;
}

typedef enum sb_out_mode {
    SB_OUT_SET,   /* o (bf16 or fp32) and lse are written */
    SB_OUT_MERGE, /* o fp32 and lse hold a running partial over other keys; this call's keys are merged in */
    SB_OUT_COUNT
} sb_out_mode;

typedef struct sb_attn_in {
    const sb_tensor *q; /* [heads][n_q][d] bf16 */
    const sb_tensor *k; /* [kv_heads][n_k][d] bf16, with gid: the keys at hand, all of them or a shard */
    const sb_tensor *v;
    float            scale; /* 1/sqrt(d) unless the model says otherwise */
    /* Of gated methods, beside the rows of q; NULL: none, the method's own constants hold. */
    const sb_tensor *gate; /* [kv_heads][n_q][d or 1] fp32: log decay, <= 0 */
    const sb_tensor *beta; /* [kv_heads][n_q][1] fp32 */
} sb_attn_in;

typedef struct sb_attn_out {
    sb_tensor  *o;   /* [heads][n_q][d]; bf16 or fp32 (MERGE: fp32) */
    float      *lse; /* [heads][n_q] natural log; a row that saw no key: o = 0, lse = -inf. Methods
                        with SB_CAP_STATE have none and write 0, or -inf where this rank has no part
                        in the row: so sb_merge_lse hands their o on. May be NULL for them. */
    sb_out_mode mode;
} sb_attn_out;

typedef enum sb_cap {
    SB_CAP_PREFILL       = 1,
    SB_CAP_DECODE        = 2,
    SB_CAP_GQA           = 4,
    SB_CAP_SHARDED       = 8,
    SB_CAP_TRAINING_FREE = 16, /* accuracy on stock weights means something */
    SB_CAP_NO_INDEX = 32, /* not a softmax over some keys (linear attention): plan lists no keys and
                            attend writes no lse; density and recall are NULL, the output error
                            and plan->attend_flops are kept */
    /* Carries a state from token to token: attend is collective, over contiguous shards, and finds
     * k and v of the local tokens only (sharding `state`). Goes with NO_INDEX. */
    SB_CAP_STATE = 64
} sb_cap;

typedef enum sb_plan_keys { SB_PLAN_KEYS_LOCAL, SB_PLAN_KEYS_ALL, SB_PLAN_KEYS_COUNT } sb_plan_keys;

typedef sb_status (*sb_layout_fn)(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan, sb_cache *cache);
typedef sb_status (*sb_plan_fn)(sb_ctx *ctx, const void *params, const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                                sb_cache *cache, sb_plan *plan);
typedef sb_status (*sb_attend_fn)(sb_ctx *ctx, const void *params, const sb_attn_in *in, const sb_plan *plan, sb_cache *cache,
                                  sb_attn_out *out);

typedef struct sb_method {
    const char     *name;
    const char     *summary; /* one line for `list methods` */
    const char     *source;  /* paper id, spec section */
    uint32_t        caps;    /* OR of sb_cap */
    sb_plan_keys    plan_keys;
    /* 1: in prefill each row block chooses by itself, from its own queries and the keys up to them:
     * the index of some rows, made over those keys alone, is that of the whole. */
    int32_t plan_rows_apart;
    /* How many of the sequence's last queries plan on a device looks at in ctx->last_q, in prefill,
     * up to shape->all_queries. With these, its own queries (runs of whole multiples of
     * quantum_tokens but for the sequence's end) and all keys it makes the lists of its own rows,
     * as one rank does for all. NULL: it needs all queries of the heads, or rows are chosen apart.
     */
    int64_t (*plan_last_queries)(const void *params, const sb_shape *shape);
    /* 1: in decode, plan talks to the other ranks; they then agree on its layout first. */
    int32_t         decode_plan_meets;
    const sb_param *params;
    size_t          params_bytes;
    /* Can this shape run with these parameters? SB_OK, or SB_ERR_UNSUPPORTED with the reason. */
    sb_status (*check)(const void *params, const sb_shape *shape);
    /* Every run of a shard must start at and (but for the sequence's end) be a multiple of this many tokens. */
    int64_t (*quantum_tokens)(const void *params);
    /* Lanes, (query head, key) pairs that attend computes, of row `row` of a prefill with
     * shape->n_keys keys and shape->heads heads, as far as parameters and shape tell before any
     * plan; layers together where they differ. An estimate by which the layout lpt deals rows out:
     * whole numbers, the same on every rank, below 2^56 for what fits a machine. NULL: all keys up
     * to the row's own. */
    int64_t (*row_lanes)(const void *params, const sb_shape *shape, int64_t row);
    /* From the text of the file that parameter p names (SB_FILE) to what layout and plan find in
     * sb_param_file.content, in room from `a`. Runs twice, as layout does, and once per file, not
     * per call. A NUL follows the text; n_bytes does not count it. SB_ERR_USAGE says what is wrong
     * with the text. NULL: no parameter of that kind. */
    sb_status (*read_file)(const sb_param *p, const char *text, int64_t n_bytes, sb_arena *a,
                           const void **out);
    /* Bytes that the cache of each layer keeps for the method from prefill to the last decode step
     * (sb_cache.state); NULL: none. */
    int64_t (*state_bytes)(const void *params, const sb_shape *shape);
    /* SB_CAP_STATE: bytes that a rank's tokens send each rank behind it (sharding state). */
    int64_t (*record_bytes)(const void *params, const sb_shape *shape);
    /* Bytes of device memory, as a counting arena counts, that attend takes from ctx->arena, over
     * such memory on a device; NULL: none. */
    int64_t (*device_bytes)(const void *params, const sb_shape *shape);
    /* The same of an attend with ctx->step, one query: nothing that the call says changes from step
     * to step then, neither its grids nor this room. plan makes no index in decode. < 0: with these
     * parameters it cannot. NULL: never. */
    int64_t (*step_bytes)(const void *params, const sb_shape *shape);
    sb_layout_fn layout;
    /* For plan on a device: room for the index and what plan works in from ctx->arena, which is
     * device memory (the host must not look into it), and from ctx->host for what host code reads,
     * as plan->method_data. Runs twice, as layout does, over two counting arenas first; over real
     * ones it may copy to the device what follows from the shape alone, and waits for that. NULL
     * where plan is. */
    sb_layout_fn layout_device;
    /* attend NULL: not on that backend, stored as unsupported.
     * plan on a device: q and k are device memory (their ids are host memory), as are the arrays of
     * the index; it takes nothing from arenas, all its work is queued on ctx->stream, the host
     * neither waits nor learns anything of the data. No communicator: of one rank, or of its rows.
     * plan NULL where attend is there: the index is made on the cpu, from shape and parameters
     * alone, and copied to the device; method_data stays where it is, in host memory. */
    sb_plan_fn   plan[SB_BACKEND_COUNT];
    sb_attend_fn attend[SB_BACKEND_COUNT];
} sb_method;

#ifdef __cplusplus
}
#endif
#endif
