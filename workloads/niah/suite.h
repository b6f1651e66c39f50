/* Kamradt's needle in a haystack: one sentence put at a depth of a text of a length, one row a
 * depth and text [workloads 3]. The original lets a language model judge the answers; here the key
 * phrase has to be in them. */
#ifndef SB_WORKLOADS_NIAH_SUITE_H
#define SB_WORKLOADS_NIAH_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_NIAH_VERSION "niah 1"

extern const sb_text_suite sb_niah_suite; /* one task, "needle" */

typedef struct sb_niah_params {
    int64_t depths;        /* from 0 to 100 per cent */
    int64_t texts;         /* haystacks; rows: depths x texts, all depths of a text side by side */
    int64_t buffer_tokens; /* of the length, kept for what stands around the text and the answer */
    int32_t interval;      /* linear, sigmoid */
} sb_niah_params;

/* configs/templates/niah.json, built in; no zero behind it. */
extern const char   sbi_niah_texts[];
extern const size_t sbi_niah_texts_bytes;

#endif
