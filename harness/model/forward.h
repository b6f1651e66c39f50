/* One input at one point: prefill over a sharded sequence, then the decode script. Shared by all
 * models and methods.
 *
 *   embed -> for each layer: qkv into the cache -> shard: gather K, V | plan | attend -> absorb ->
 * ... -> row of the last token
 *
 * All storage is one arena block, on a device two, counted first over the same code
 * (sb_forward_bytes), so that the prediction and the use cannot drift apart. Every call is
 * collective over the communicator. */
#ifndef SB_HARNESS_MODEL_FORWARD_H
#define SB_HARNESS_MODEL_FORWARD_H

#include "harness/model/model.h"
#include "harness/shard/scheme.h"
#include "kernels/base/method.h"
#include "kernels/exec/look.h"

typedef struct sb_forward sb_forward;

typedef struct sb_forward_config {
    sb_model         *model;
    const sb_method  *method;
    const void       *method_params;
    const sb_method  *decode_method; /* the method again, or dense */
    const void       *decode_params;
    const sb_backend *backend;
    sb_comm          *comm;
    sb_layout_kind    layout;
    sb_scheme_use     use;  /* of the sharding: how a prefill runs */
    sb_link          *link; /* borrowed; needed by schemes that link more than one rank */
    int32_t           threads;
    /* 1: looks compare with dense attention and find K and V of all tokens, also after methods that
     * carry a state and gather none: those then need the room. */
    int32_t compares;
    /* On a device of one rank that has all keys: looks that compare find the rows there
     * (sb_layer_view there), and no room is taken for copies. NULL: copies in host memory. */
    const sb_look_ops *look;
    sb_graphs_mode graphs; /* of decode steps */
    sb_arena_flags arena_flags;
    /* Asked at every layer; non-zero: leave with SB_ERR_STOPPED (all ranks agree). NULL: never. */
    int (*should_stop)(void *arg);
    void *stop_arg;
} sb_forward_config;

/* What this rank needs. On the CPU all of it is host memory; elsewhere device_bytes is what
 * operands and results take, and an index and what plan and attend work in (of an index planned on
 * the host: at most). */
typedef struct sb_forward_room {
    size_t host_bytes, device_bytes;
} sb_forward_room;

/* Local, no allocation beyond the token map. Errors: SB_ERR_UNSUPPORTED, of a model or communicator
 * that cannot work on the backend too. */
sb_status sb_forward_bytes(const sb_forward_config *cfg, const sb_input *in, sb_forward_room *out);

/* block: host_bytes of host memory, aligned to SB_ARENA_ALIGN, borrowed until destroy; memory of a
 * device is taken here. cfg and in are borrowed too. Errors: SB_ERR_NO_FIT with the numbers where
 * the device has too little. */
sb_status sb_forward_create(const sb_forward_config *cfg, const sb_input *in, void *block,
                            size_t block_bytes, sb_forward **out);
void      sb_forward_destroy(sb_forward *f); /* NULL is fine */

/* A layer on a device, and who works on it there. */
typedef struct sb_look_there {
    const sb_look_ops *ops;
    const sb_backend  *backend;
    const sb_tensor   *q, *k, *v, *o; /* as those of sb_layer_view, in the device's memory */
    const float       *lse;
} sb_look_there;

/* What a look at one layer sees, after attend: local rows only, borrowed for the call. All of it is
 * host memory, on a device copies; there rows (q, k, v, o, lse) have no data unless the pass
 * compares without `there`. */
typedef struct sb_layer_view {
    int32_t          layer, n_layers;
    const sb_method *method;
    const sb_shape  *shape;
    const sb_plan   *plan;
    const sb_tensor *q, *k, *v; /* k, v: all tokens, in id order; of methods that carry a state: the
                                   local ones, unless the pass compares */
    int64_t          first_query; /* id of the first query on any rank: 0, but in a chunk behind
                                     earlier tokens */
    const sb_tensor *o;         /* bf16 */
    const float     *lse;       /* [heads][local rows] */
    const sb_look_there
                    *there; /* the same rows on a device, of one rank; NULL: host memory alone */
    const sb_shard  *shard;     /* whose tokens are whose, what was moved */
    sb_ctx          *ctx;       /* scratch arena for the look: what it takes is given back */
    float            scale;
} sb_layer_view;

/* The same as the method saw it; `seen` must outlive the view. */
static inline void sb_layer_view_see(sb_layer_view *v, const sb_shard_view *seen)
{
    v->shape = &seen->shape;
    v->q     = &seen->q;
    v->k     = &seen->k;
    v->v     = &seen->v;
    v->o     = &seen->o;
    v->lse   = seen->lse;
}

typedef sb_status (*sb_layer_fn)(void *arg, const sb_layer_view *view);

/* From token ids to the row of the last token on all ranks. times (may be NULL) gets this rank's
 * phases, PREFILL included; time spent in `look` (may be NULL) is left out of every phase. Starts
 * over each time it is called. */
sb_status sb_forward_prefill(sb_forward *f, sb_phase_times *times, sb_layer_fn look,
                             void *look_arg);

/* What the next token would be read from at prompt token `token`, after a prefill: row_values fp32
 * numbers of the model, the same on all ranks. */
sb_status sb_forward_row(sb_forward *f, int64_t token, float *out);

/* Play the input's script after a prefill. emitted [in->n_emit]; step_ns [in->n_feed] wall time of
 * each decode step on this rank; either may be NULL. Where a stop ends the script early, -1 stands
 * for what was left out. */
sb_status sb_forward_decode(sb_forward *f, int32_t *emitted, int64_t *step_ns);

/* How the steps of the last sb_forward_decode ran. */
typedef struct sb_graph_facts {
    int64_t steps;       /* by launching a graph, of all */
    char    reason[240]; /* why none did; "": some did, or there was no step */
} sb_graph_facts;
const sb_graph_facts *sb_forward_graphs(const sb_forward *f);

size_t sb_forward_high_water(const sb_forward *f);   /* bytes of the block ever in use */
size_t sb_forward_device_bytes(const sb_forward *f); /* most device memory held; 0 on the cpu */
int    sb_forward_canaries_intact(const sb_forward *f);

#endif
