/* Questions about facts hidden in real text at hand, made to a length [workloads 3, 4]. Our own
 * sentences over our own text: its figures are never BABILong's. */
#ifndef SB_WORKLOADS_BABI_LIKE_SUITE_H
#define SB_WORKLOADS_BABI_LIKE_SUITE_H

#include "workloads/base/text_suite.h"

#define SB_BABI_LIKE_VERSION "babi_like 1"

extern const sb_text_suite sb_babi_like_suite; /* person, thing, thing_before */

typedef struct sb_babi_like_params {
    int64_t facts;
} sb_babi_like_params;

/* configs/templates/babi_like.json, built in; no zero behind it. */
extern const char   sbi_babi_like_texts[];
extern const size_t sbi_babi_like_texts_bytes;

#endif
