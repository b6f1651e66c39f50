/* The attention operator alone on operands that nobody computed with a model: q, k and v of one
 * sequence, shared out like a prefill and attended to through harness/shard, exactly as a model's
 * layer is.
 *
 *   create: q, k, v of the local rows are made or read -> pass: gather K, V | plan | attend -> pass
 * ...
 *
 * All storage is one arena block, counted first over the same code. */
#ifndef SB_HARNESS_RUN_OPERATOR_H
#define SB_HARNESS_RUN_OPERATOR_H

#include "harness/model/forward.h"
#include "harness/shard/scheme.h"
#include "workloads/base/operands.h"

typedef struct sb_operator sb_operator;

typedef struct sb_operator_config {
    const sb_operands *operands; /* borrowed until destroy */
    const sb_method   *method;
    const void        *params;
    const sb_method   *anchor; /* of sb_operator_anchor, any shard's; NULL: none */
    const void        *anchor_params;
    const sb_backend  *backend; /* operands are filled in host memory; other backends than cpu get
                                   copies */
    sb_comm           *comm;
    sb_layout_kind     layout;
    sb_scheme_use      use; /* of the sharding */
    sb_link *link;          /* borrowed; needed by passes of schemes that link more than one rank */
    int32_t            threads;
    sb_arena_flags     arena_flags;
    int32_t            compares; /* 1: a look compares with dense attention: it needs all keys, also
                                    of methods that carry a state and gather none */
    const sb_look_ops *look;     /* as sb_forward_config.look; copies of q, k, v, o are there too */
} sb_operator_config;

/* What this rank needs, as a forward pass tells it; local. */
sb_status sb_operator_bytes(const sb_operator_config *cfg, sb_forward_room *out);

/* block: host_bytes of host memory, aligned to SB_ARENA_ALIGN, borrowed until destroy. Fills q, k,
 * v with cfg->threads threads. Local. Errors: those of the operands' fill and of
 * sb_device_call_open. */
sb_status sb_operator_create(const sb_operator_config *cfg, void *block, size_t block_bytes,
                             sb_operator **out);
void      sb_operator_destroy(sb_operator *op); /* NULL is fine */

/* One attention call. times (may be NULL) gets this rank's phases. Collective. */
sb_status sb_operator_pass(sb_operator *op, sb_phase_times *times);

/* The same of the config's anchor over the same operands; its results take the place of the last
 * pass's. */
sb_status sb_operator_anchor(sb_operator *op, sb_phase_times *times);

/* Let somebody look at the last pass; what the look moves and how long it takes counts nowhere.
 * Collective when the look is. */
sb_status sb_operator_look(sb_operator *op, sb_layer_fn look, void *look_arg);

size_t sb_operator_device_bytes(const sb_operator *op); /* held on the device; 0 on the cpu */
size_t sb_operator_high_water(const sb_operator *op); /* bytes of the block ever in use */
int    sb_operator_canaries_intact(const sb_operator *op);

#endif
