/* The attention operator on clustered operands, its results copied out. */
#ifndef SB_TESTS_UNIT_OPERATOR_RIG_H
#define SB_TESTS_UNIT_OPERATOR_RIG_H

#include "harness/run/operator.h"

typedef struct rig_spec {
    const char *method, *params; /* "block_tokens=64 window_blocks=2" */
    int64_t     heads, kv_heads, head_dim, n_tokens, n_queries;
} rig_spec;

typedef struct rig_result {
    int64_t        n; /* numbers of o */
    sb_bf16       *o;
    int64_t        n_lse;
    float         *lse;
    sb_phase_times times; /* of the second pass */
} rig_result;

/* Two passes and a look. m: the method's record, or a copy with other calls. Aborts where the rig
 * itself fails; what bytes, create and passes say is returned, the text with it. */
sb_status rig_run(const rig_spec *s, const sb_method *m, const sb_backend *b, rig_result *out);
void      rig_free(rig_result *r);

#endif
