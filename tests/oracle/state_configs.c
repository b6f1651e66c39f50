#include "tests/oracle/state_configs.h"

#include <stddef.h>

const state_config state_configs[] = {
    {"lightning", "", 0, 0, 0, 1},
    {"lightning", "act: identity, chunk_tokens: 16", 0, 0, 31, 32},
    {"lightning", "act: 1+elu, slope_heads: kv, chunk_tokens: 48, scale: 0", 0, 0, 3, 7},
    {"lightning", "act: relu, slope_rule: paper", 0, 0, 2, 5},
    {"lightning", "act: elu, slope_rule: minimax", 0, 0, 5, 6},
    {"linear", "", 0, 0, 0, 1},
    {"linear", "chunk_tokens: 32, force_mode: chunked, scale: 2", 0, 0, 0, 1},
    {"linear", "force_mode: recurrent", 0, 0, 0, 1},
    {"linear", "feature_map: identity, normalize: false", 0, 0, 0, 1},
    {"linear", "feature_map: silu, normalize: false", 0, 0, 0, 1},
    {"linear", "feature_map: sqrelu, normalize: false", 0, 0, 0, 1},
    {"linear", "feature_map: dpfp, normalize: false", 0, 0, 0, 1},
    {"linear", "feature_map: taylor", 0, 0, 0, 1},
    {"linear", "kind: retnet", 0, 0, 0, 1},
    {"linear", "kind: retnet, force_mode: recurrent", 0, 0, 0, 1},
    {"linear", "kind: gla", -1, -0.5, 0, 1},
    {"linear", "kind: gla, force_mode: recurrent", -1, -8, 0, 1},
    {"linear", "kind: gla, gate: -0.02", 0, 0, 0, 1},
    {"linear", "kind: gla, force_mode: chunked", 1, -40, 0, 1},
    {"linear", "kind: gated_delta", 1, -0.3, 0, 1},
    {"linear", "kind: gated_delta, force_mode: recurrent", 1, -3, 0, 1},
    {"linear", "kind: gated_delta, force_mode: chunked, chunk_tokens: 128, beta: 0.7, gate: -0.01",
     0, 0, 0, 1},
    {"linear", "kind: aaren", 0, 0, 0, 1},
    {NULL, NULL, 0, 0, 0, 0},
};

int state_config_count(void) { return (int)(sizeof state_configs / sizeof *state_configs) - 1; }
