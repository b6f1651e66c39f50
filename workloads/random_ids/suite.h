/* Rows of token ids without meaning, for times: a model of random weights has no tokenizer, and one
 * that has needs none for them. They are drawn by the model that reads them
 * (sb_text_row.drawn_tokens), from its own vocabulary. Nothing is scored. */
#ifndef SB_WORKLOADS_RANDOM_IDS_SUITE_H
#define SB_WORKLOADS_RANDOM_IDS_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_RANDOM_IDS_VERSION "random_ids 1"

typedef struct sb_random_ids_params {
    int64_t answer_tokens;
} sb_random_ids_params;

extern const sb_text_suite sb_random_ids_suite; /* one task, "ids" */

#endif
