/* Groups of rows that a suite reports beside its tasks: LongBench-E by length, LongBench v2 by
 * difficulty and length. What a row belongs to stands in its `meta`. Pure functions. */
#ifndef SB_WORKLOADS_BASE_TEXT_GROUPS_H
#define SB_WORKLOADS_BASE_TEXT_GROUPS_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_text_groups {
    const char *const *names; /* in the order of the suite's own reports; ends with a NULL */
    /* *member: bit i set where the row counts in names[i]. meta: the row's, as an object.
     * SB_ERR_USAGE names the field, what was found and what is allowed. */
    sb_status (*of)(const json_t *meta, uint32_t *member);
} sb_text_groups;

/* str(round(100 * sum / n, decimals)) of Python, decimals 1 to 6, n >= 1: halves are decided by the
 * exact binary value, zeros at the end are left out but for the first ("33.0"). */
void sb_text_percent(double sum, int64_t n, int32_t decimals, char *buf, size_t buf_bytes);

#endif
