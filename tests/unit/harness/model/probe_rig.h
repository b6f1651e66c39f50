/* Runs the probe without the rest of the harness: one rank, every layer, plain dense attention in
 * fp32. */
#ifndef SB_TESTS_UNIT_HARNESS_MODEL_PROBE_RIG_H
#define SB_TESTS_UNIT_HARNESS_MODEL_PROBE_RIG_H

#include "harness/model/probe/state.h"
#include "workloads/probe/vocab.h"

/* What heads without a task put out. */
typedef enum rig_background { RIG_ZERO, RIG_ATTENDED, RIG_NOISE } rig_background;

typedef struct rig {
    sb_model      *model;
    sb_probe      *probe;
    sb_input       in;
    sb_model_shape shape;
    void          *block;
    int64_t        capacity, filled; /* tokens in the cache */
    sb_bf16       *k, *v;            /* [layer][kv head][capacity][128] */
    rig_background background;
} rig;

/* settings: "g=4", "background=none", ..., NULL at the end. Fails the test on errors. */
sb_model *rig_model(const char *const *settings, int32_t threads);

/* in is copied, its ids borrowed. Room for `extra` decode tokens. */
void rig_open(rig *r, const char *const *settings, const sb_input *in, int64_t extra);
void rig_close(rig *r);

/* All layers. Rows before final_from are not attended in FINAL (their output is 0). */
void rig_prefill(rig *r, int64_t final_from);
/* One decode step; the row to read is -1. */
void rig_feed(rig *r, int32_t id);
/* Greedy choice from local row `row`. */
int32_t rig_emit(const rig *r, int64_t row, int32_t lo, int32_t n, const int32_t *exclude,
                 int64_t n_exclude);

/* Hand-made inputs: BOS and filler everywhere, then items over it. */
sb_input rig_input(int32_t *ids, int64_t n_tokens, sb_profile profile, int32_t hops, uint64_t seed);
void     rig_put(int32_t *ids, int64_t at, const int32_t *item, int32_t n);
/* The question block: ASK, aliases, 8 filler, suffix at its very end. */
void rig_ask(const sb_input *in, const int32_t *alias, int32_t n_alias, const int32_t *suffix,
             int32_t n_suffix);

#endif
