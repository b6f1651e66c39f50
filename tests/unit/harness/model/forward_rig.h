/* One question through the harness' own forward pass, on any backend. */
#ifndef SB_TESTS_UNIT_HARNESS_MODEL_FORWARD_RIG_H
#define SB_TESTS_UNIT_HARNESS_MODEL_FORWARD_RIG_H

#include "harness/model/forward.h"

typedef struct forward_spec {
    const char *task;            /* of suite probe */
    int64_t     length;          /* tokens */
    const char *method, *params; /* "name=value name=value" */
    int         decode_dense;    /* else by m */
} forward_spec;

typedef struct forward_result {
    int32_t        *emitted; /* [n_emit] */
    int64_t         n_emit, n_feed;
    sb_bf16        *q, *k, *v, *o; /* of all layers, one behind the other */
    float          *lse;
    float          *last_row; /* [n_row] after the script */
    int64_t         n_row;
    int64_t         n_q, n_kv, n_lse, layers;
    double          score;
    sb_forward_room room;
    size_t          device_bytes, high_water;
    sb_phase_times  times; /* of the second prefill */
    sb_graph_facts  graphs;
} forward_result;

extern sb_graphs_mode forward_graphs; /* of runs to come */
/* Of runs to come: looks find their rows on the device. Nothing of it is called. */
extern const sb_look_ops *forward_look;

/* How several ranks run it. */
typedef struct forward_ranks {
    sb_comm       *comm;
    sb_link       *link;
    sb_scheme_use  use;
    sb_layout_kind layout;
} forward_ranks;

/* Two prefills, a look at the first one's layers, the script. model, m
 * (parameters: s->params) and dense may be changed copies of what the registry has. */
sb_status forward_run_ranks(const forward_spec *s, sb_model *model, const sb_method *m,
                            const sb_method *dense, const sb_backend *b, const forward_ranks *r,
                            forward_result *out);
/* The same on one rank. */
sb_status forward_run(const forward_spec *s, sb_model *model, const sb_method *m,
                      const sb_method *dense, const sb_backend *b, forward_result *out);
void      forward_free(forward_result *r);

/* A probe with the default knobs; ends the test where there is none. */
sb_model *forward_probe(void);

#endif
