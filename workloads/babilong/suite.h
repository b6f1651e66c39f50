/* BABILong from its files: facts of bAbI's 20 tasks hidden in a long text [workloads 3]. No text
 * of the original is built in: prompts are our own wording, or what `templates` names. */
#ifndef SB_WORKLOADS_BABILONG_SUITE_H
#define SB_WORKLOADS_BABILONG_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_BABILONG_VERSION "babilong 1"

extern const sb_text_suite sb_babilong_suite; /* qa1 to qa20 */

typedef struct sb_babilong_params {
    int32_t size;                               /* of the file: any, 0k, 1k, ... */
    int32_t instruction, examples, post_prompt; /* 1: that part stands in the prompt */
} sb_babilong_params;

/* configs/templates/babilong.json, built in; no zero behind it. */
extern const char   sbi_babilong_texts[];
extern const size_t sbi_babilong_texts_bytes;

#endif
