/* The prompts of InfiniteBench's tasks: which fields a text has, and what fills them. Shared by the
 * rows of files and by those that are generated. */
#ifndef SB_WORKLOADS_INFINITEBENCH_PROMPT_H
#define SB_WORKLOADS_INFINITEBENCH_PROMPT_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_ib_texts {
    json_t     *root;
    const char *text;   /* of the task */
    const char *prefix; /* math_find: the question before the list, with {target_number}; NULL */
    int32_t     chat;   /* "chat" of the file: 1 a chat model gets its wrapper; 1 without it */
    char        sha256[65];
} sbi_ib_texts;

/* task: the original's name. path NULL: built in. SB_ERR_USAGE names file and key. */
sb_status sbi_ib_texts_open(const char *path, const char *task, sbi_ib_texts *out);

/* What a row offers to a text; NULL: it has no such thing. Strings with a zero behind them. */
typedef struct sbi_ib_parts {
    const char *context, *input;
    const char *option[4];
} sbi_ib_parts;

/* Where in the prompt, in bytes; -1: nowhere. */
typedef struct sbi_ib_places {
    int64_t context, question, question_bytes; /* what is asked: input, or code_run's call */
} sbi_ib_places;

/* *prompt is malloc'd. SB_ERR_USAGE: the input does not hold what the task reads out of it; the
 * text says what. */
sb_status sbi_ib_prompt(const sbi_ib_texts *t, const char *task, const sbi_ib_parts *p,
                        char **prompt, sbi_ib_places *at);

#endif
