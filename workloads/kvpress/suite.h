/* Rows as NVIDIA's kvpress exports RULER's (parquet, converted to jsonl by the user): context,
 * question, answer_prefix, answer, task, max_new_tokens [workloads 3, 1.11]. */
#ifndef SB_WORKLOADS_KVPRESS_SUITE_H
#define SB_WORKLOADS_KVPRESS_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_KVPRESS_VERSION "kvpress 1"

extern const sb_text_suite sb_kvpress_suite; /* one task, "ruler": rows of all RULER's tasks */

typedef struct sb_kvpress_params {
    int32_t scoring; /* kvpress, ruler, lm_eval: who counts */
    int32_t chat;    /* 1: a chat model; its wrapper stands where a line feed does otherwise */
} sb_kvpress_params;

#endif
