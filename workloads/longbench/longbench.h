/* LongBench v1, its E variant and v2: rows of the user's own files as prompts, made as the
 * published programs make them [workloads 2.1, 2.3]. No text of theirs is built in: prompts are our
 * own wording, or what the key `templates` names. */
#ifndef SB_WORKLOADS_LONGBENCH_LONGBENCH_H
#define SB_WORKLOADS_LONGBENCH_LONGBENCH_H

#include "workloads/base/text_suite.h"

#define SB_LONGBENCH_VERSION "longbench 1"

extern const sb_text_suite sb_longbench_suite;    /* "longbench": 21 datasets */
extern const sb_text_suite sb_longbench_e_suite;  /* "longbench_e": 13 of them, by length */
extern const sb_text_suite sb_longbench_v2_suite; /* "longbench_v2": one task, multiple choice */

typedef struct sb_longbench_params {
    int64_t prefix_tokens;
    int32_t code_sim; /* which installation of the original: difflib, indel, rapidfuzz */
} sb_longbench_params;

typedef struct sb_longbench_v2_params {
    int64_t prefix_tokens;
    int32_t variant;     /* of sb_longbench_v2_variant */
    int32_t compensated; /* 1: no answer scores a quarter */
} sb_longbench_v2_params;

typedef enum sb_longbench_v2_variant {
    SB_LONGBENCH_V2_0SHOT,
    SB_LONGBENCH_V2_0SHOT_COT,
    SB_LONGBENCH_V2_NO_CONTEXT,
    SB_LONGBENCH_V2_0SHOT_COT_ANS, /* needs a model's first answer */
    SB_LONGBENCH_V2_RAG            /* needs a retriever */
} sb_longbench_v2_variant;

/* Texts built in, from configs/templates; no zero behind them. */
extern const char   sbi_longbench_texts[], sbi_longbench_v2_texts[];
extern const size_t sbi_longbench_texts_bytes, sbi_longbench_v2_texts_bytes;

#endif
