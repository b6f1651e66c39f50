/* Rows in our own format, as sb_text_row_json writes them: what was generated once is read again
 * with the same bytes, and anybody's rows can be brought along [workloads 3, "ours"]. */
#ifndef SB_WORKLOADS_JSONL_SUITE_H
#define SB_WORKLOADS_JSONL_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_JSONL_VERSION "jsonl 1"

extern const sb_text_suite sb_jsonl_suite; /* one task, "rows" */

#endif
