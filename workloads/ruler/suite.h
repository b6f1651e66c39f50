/* The text suite `ruler`: RULER's tasks as rows for models that read text. Mode `ruler_compat`
 * gives the rows of the original program, byte for byte; an import gives those of its own files. */
#ifndef SB_WORKLOADS_RULER_SUITE_H
#define SB_WORKLOADS_RULER_SUITE_H

#include "workloads/base/text_suite.h"

extern const sb_text_suite sb_ruler_suite;

/* Its parameters, for those who do not go through the table. */
typedef enum sb_ruler_mode { SB_RULER_MODE_NATIVE, SB_RULER_MODE_COMPAT } sb_ruler_mode;

typedef struct sb_ruler_params {
    int32_t mode;    /* sb_ruler_mode */
    int32_t wrapper; /* place in the table's list of names */
    int32_t rules;   /* sb_punkt_rules */
    int64_t first_question, wrapped_tokens;
} sb_ruler_params;

/* The places of its keys in sb_text_req.paths. */
typedef enum sb_ruler_key {
    SB_RULER_KEY_TEMPLATES,
    SB_RULER_KEY_CHAT,
    SB_RULER_KEY_WORDS,
    SB_RULER_KEY_ENGLISH_WORDS,
    SB_RULER_KEY_ESSAY,
    SB_RULER_KEY_PUNKT,
    SB_RULER_KEY_SQUAD,
    SB_RULER_KEY_HOTPOTQA,
    SB_RULER_KEY_CORPUS,
    SB_RULER_KEY_VALIDATION,
    SB_RULER_KEYS
} sb_ruler_key;

#endif
