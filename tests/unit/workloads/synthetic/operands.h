/* Operands for tests: made, filled, read. */
#ifndef SB_TESTS_UNIT_SYNTHETIC_OPERANDS_H
#define SB_TESTS_UNIT_SYNTHETIC_OPERANDS_H

#include "workloads/registry.h"

/* Parameters "needles=3 logit=20" on top of the defaults; aborts the test when something is wrong.
 */
sb_operands *operands_make(const char *distribution, const char *params, sb_draw draw);
/* The same with a status. */
sb_status operands_try(const char *distribution, const char *params, sb_draw draw,
                       sb_operands **out);

/* All rows [first, first + n) of one part, `step` rows a call. Free .data. */
sb_tensor operands_rows(const sb_operands *o, sb_operand part, int64_t first, int64_t n,
                        int64_t step);

#endif
