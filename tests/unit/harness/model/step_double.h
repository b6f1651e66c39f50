/* Dense attention of the cpu on a device that is none (fake_device.h), also by a step that stands
 * there: of a call with one, nothing but its addresses and shapes is kept. */
#ifndef SB_TESTS_UNIT_HARNESS_MODEL_STEP_DOUBLE_H
#define SB_TESTS_UNIT_HARNESS_MODEL_STEP_DOUBLE_H

#include "kernels/base/method.h"

sb_status step_double_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                             const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

#endif
