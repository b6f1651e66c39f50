/* Where Kamradt's test puts its needle: in ids, as the published program does it [workloads 3].
 *
 *   context | . | needle | context     the place: int(tokens * depth / 100), moved left until it
 *                                      stands behind a token that is one of those of "."
 *
 * Pure functions. */
#ifndef SB_WORKLOADS_NIAH_INSERT_H
#define SB_WORKLOADS_NIAH_INSERT_H

#include <stdint.h>

#include "kernels/base/status.h"
#include "workloads/base/haystack.h"

typedef enum sbi_depths {
    SBI_DEPTHS_LINEAR, /* whole per cents, halves to even */
    SBI_DEPTHS_SIGMOID /* dense at both ends, three decimals. The original's curve falls: what comes
                        * first lies deep, but for the first and the last, 0 and 100 */
} sbi_depths;

/* Depth i of n from 0 to 100, in per cent. n 1: 0. */
double sbi_niah_depth(sbi_depths kind, int64_t i, int64_t n);

/* How many tokens of the context stay: all, or as many as leave room for the needle in `room`.
 * SB_ERR_NO_FIT: the needle alone has more. */
sb_status sbi_niah_keep(int64_t n_context, int64_t n_needle, int64_t room, int64_t *keep);

/* Before which of the n_context tokens the needle goes. depth_percent 100: behind the last. */
int64_t sbi_niah_place(const int32_t *context, int64_t n_context, sbi_ids period,
                       double depth_percent);

#endif
