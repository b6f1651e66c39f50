/* Machines and cases of the model's tests. */
#ifndef SB_TESTS_UNIT_PLAN_RIG_H
#define SB_TESTS_UNIT_PLAN_RIG_H

#include "harness/plan/plan.h"

/* The constants of sharding.md 10: dense 500e12 FLOP/s, NVLink 360e9 and 12 us, between hosts
 * `between`; 8 ranks a host; whole gathers are exposed. */
sb_machine *rig_machine(const char *between);
/* A machine from a text; fails the test when it is refused. */
sb_machine *rig_parse(const char *text);

/* The attention of an 8B model: 32 heads over 8, head_dim 128, `layers` of them. params: as text,
 * kept until the next call with the same slot. */
sb_plan_case rig_case(const char *method, const char *params, int slot, int64_t n_tokens,
                      int32_t ranks, sb_scheme scheme, sb_layout_kind layout, int32_t layers);

sb_prediction rig_predict(const sb_machine *m, const sb_plan_case *c);

#endif
