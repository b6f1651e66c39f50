/* What the files of the forward pass share.
 *
 *   forward_room.c   storage, counted and real       forward.c  prefill and decode
 *   forward_look.c   a layer, for those who look at it
 *   forward_step.c   decode steps as one thing to launch
 *   forward_layers.c which method a layer attends by
 *
 * On the CPU all storage stands in one arena. On a device what kernels read and write stands in
 * `room`, and what the host reads stays in `arena`: runs, the indexes of plans made on the host,
 * the row that tokens are chosen from, and copies of a layer for looks. */
#ifndef SB_HARNESS_MODEL_FORWARD_PARTS_H
#define SB_HARNESS_MODEL_FORWARD_PARTS_H

#include "harness/model/forward.h"
#include "harness/shard/team.h"

/* q, k, v of all tokens, o and lse of a layer in host memory. */
typedef struct sbi_layer_copy {
    sb_tensor q, k, v, o;
    float    *lse;
} sbi_layer_copy;

/* How the present script's steps run. */
typedef enum sbi_steps_by {
    SBI_STEPS_SAID, /* calls say where they stand */
    SBI_STEPS_WARM, /* the next one's calls find it in device memory: all rooms grow, kernels load
                     */
    SBI_STEPS_CAPTURE, /* the next one's are noted */
    SBI_STEPS_GRAPH,
    SBI_STEPS_TOLD /* no graph came of it: calls that find it in device memory */
} sbi_steps_by;

typedef struct sbi_steps {
    sb_step       *there; /* of the next call; NULL on the cpu */
    sb_step        here;  /* on its way there */
    sbi_steps_by   by;
    sb_graph      *graph;
    sb_graph_facts facts;
} sbi_steps;

/* How a layer attends in prefill and in decode. */
typedef struct sbi_layer_calls {
    sb_model_layer prefill, decode;
} sbi_layer_calls;

struct sb_forward {
    sb_forward_config   cfg;
    const sb_model_ops *ops; /* of the backend */
    const sb_input     *in;
    sb_model_shape      shape;
    sb_map              map;
    sb_team             team;
    sb_gid              gid; /* this rank's prompt tokens */
    sb_arena            arena, room;
    sb_device_call     *device; /* NULL on the cpu */
    sb_cache           *caches; /* [n_layers] */
    sbi_layer_calls    *calls;  /* [n_layers] */
    sb_shard            shard;
    sb_tensor           q, o;
    float              *lse;
    sb_tensor           q1, o1, k1, v1; /* one token: decode */
    float              *row; /* what the next token is read from, the same on all ranks */
    float              *row_mark;
    sbi_steps           steps;
    sbi_layer_copy      copy;         /* data NULL unless looks compare, on a device */
    size_t              scratch_mark; /* the arena is given back to here between calls */
};

static inline int sbi_on_device(const sb_forward *f) { return f->cfg.backend->id != SB_CPU; }

/* Do looks find rows on the device, in place of copies? */
static inline int sbi_looks_there(const sb_forward *f)
{
    return sbi_on_device(f) && f->cfg.compares && f->cfg.look != NULL && f->cfg.comm->size == 1;
}

static inline int sbi_carries_state(const sb_method *m) { return (m->caps & SB_CAP_STATE) != 0; }

static inline int sbi_shares_heads(const sb_forward *f)
{
    return f->cfg.use.team > 0 && f->cfg.comm->size > 1;
}

/* ---- forward_layers.c ---- */
/* calls, after shape and map. SB_ERR_UNSUPPORTED: the model's. */
sb_status sbi_forward_layers(sb_forward *f);
/* Bytes of a layer's state; where one room serves all layers (no decode steps), of the largest. */
int64_t sbi_forward_state_bytes(const sb_forward *f, int32_t layer);

/* ---- forward_room.c ---- */
sb_scheme_call sbi_forward_scheme(const sb_forward *f);
sb_ctx   sbi_forward_ctx(sb_forward *f, int32_t layer, sb_phase_times *times);
sb_shape sbi_forward_shape(const sb_forward *f); /* of the prefill */

/* ---- forward_step.c ---- */
/* To note a step and to make a graph of it takes the host some microseconds a kernel, about what
 * six steps then save (kernels/exec/CUDA.md): scripts of fewer steps go without. Tests turn it
 * down. */
extern int64_t sbi_steps_least;
/* Can steps be a graph? NULL, or why not. */
const char *sbi_steps_refusal(sb_forward *f);
void        sbi_steps_begin(sb_forward *f); /* a script */
void        sbi_steps_end(sb_forward *f);
/* Append token `id` and queue all layers; by is not SBI_STEPS_SAID. */
sb_status sbi_steps_feed(sb_forward *f, int32_t id, int64_t pos);

/* ---- forward_look.c ---- */
/* Let somebody look at a layer. What the look moves and how long it takes is not the method's: both
 * are kept out (the time goes to *look_ns). */
sb_status sbi_forward_show(sb_forward *f, sb_ctx *ctx, sb_layer_fn look, void *look_arg,
                           int64_t *look_ns);

#endif
