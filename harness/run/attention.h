/* One input of experiment: attention at one point.
 *
 *   q, k, v -> [quality pass, not timed] -> warm-ups -> repetitions, phases timed apart -> [dump]
 *
 * No prefill or decode phase, no score. Collective: every rank calls it and gets the same result
 * (times are maxima over ranks). */
#ifndef SB_HARNESS_RUN_ATTENTION_H
#define SB_HARNESS_RUN_ATTENTION_H

#include "harness/run/dump.h"
#include "harness/run/sample.h"
#include "workloads/base/operands.h"

/* What one rank needs for the point on these operands. */
sb_status sb_attention_bytes(const sb_bench *b, const sb_point *p, const sb_operands *o,
                             sb_forward_room *out);

/* As sb_sample_run. in: what is stored of the operands, for the needles. dump (or NULL): the last
 * repetition's results go to a file before the result is returned. Errors besides: SB_ERR_IO of the
 * dump. */
sb_status sb_attention_run(sb_bench *b, const sb_point *p, const sb_operands *o, const sb_input *in,
                           const sb_dump *dump, sb_result *out);

#endif
