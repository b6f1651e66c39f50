/* HELMET's tasks that are scored without another model, from its files [workloads 3]: RULER's,
 * json_kv, questions of KILT, re-ranking of MS MARCO. No text of the original is built in. */
#ifndef SB_WORKLOADS_HELMET_SUITE_H
#define SB_WORKLOADS_HELMET_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_HELMET_VERSION "helmet 1"

extern const sb_text_suite sb_helmet_suite;

typedef struct sb_helmet_params {
    int64_t shots, prefix_tokens;
    int32_t chat;
} sb_helmet_params;

/* configs/templates/helmet.json, built in; no zero behind it. */
extern const char   sbi_helmet_texts[];
extern const size_t sbi_helmet_texts_bytes;

#endif
