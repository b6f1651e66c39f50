/* RULER's string match, which the scorers ruler_all@1 and ruler_part@1 are. */
#ifndef SB_WORKLOADS_METRICS_RULER_H
#define SB_WORKLOADS_METRICS_RULER_H

#include "workloads/metrics/scorer.h"

/* What the original makes of a prediction before it looks: white space off its ends, every
 * character below U+0020 a line feed, again off its ends. Bytes that are no UTF-8 become U+FFFD.
 * *out is malloc'd. SB_ERR_NOMEM. */
sb_status sb_ruler_clean(sb_text pred, char **out);

#endif
