/* Texts to a checkpoint's tokens and back: its tokenizer, its chat wrapper, what ends an answer
 * [models 5.5, 6]. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_PROMPT_H
#define SB_HARNESS_MODEL_CHECKPOINT_PROMPT_H

#include "harness/model/checkpoint/checkpoint.h"
#include "workloads/base/input.h"
#include "workloads/tokenizer/ops.h"

typedef struct sb_prompter sb_prompter;

/* wrapper: a name of configs/templates/chat.json as built in ("base": none), or "auto": the one
 * whose chat template the checkpoint carries, "base" where that is unknown. c is borrowed. Errors
 * as of the tokenizer, SB_ERR_USAGE an unknown wrapper. */
sb_status sb_prompter_open(const sb_checkpoint *c, const char *wrapper, sb_prompter **out);
/* For ids alone: sb_prompter_input_ids, answer_tokens and text, which is empty where the
 * checkpoint's folder has no tokenizer that is read. Then ids of the whole vocabulary are emitted,
 * and stops are those of its configuration. */
sb_status sb_prompter_open_ids(const sb_checkpoint *c, sb_prompter **out);
/* SB_ERR_USAGE: neither auto nor a wrapper that is built in. */
sb_status sb_prompter_knows(const char *wrapper);
void      sb_prompter_close(sb_prompter *p); /* NULL is fine */

/* 1: the checkpoint has a chat template, and "auto" found no wrapper for it. */
int               sb_prompter_unknown_template(const sb_prompter *p);
const char       *sb_prompter_wrapper(const sb_prompter *p);        /* its name */
const char       *sb_prompter_wrapper_sha256(const sb_prompter *p); /* of its text */
const char       *sb_prompter_template_hash(const sb_prompter *p);  /* 16 hex digits; "" none */
const sb_tok     *sb_prompter_tok(const sb_prompter *p);
const sb_tok_ops *sb_prompter_tok_ops(const sb_prompter *p);        /* special tokens parsed */
int64_t           sb_prompter_wrapper_tokens(const sb_prompter *p); /* of the wrapper alone */

/* Bytes that the wrapper puts before and behind a text. */
void sb_prompter_wrapper_bytes(const sb_prompter *p, int64_t *before, int64_t *behind);

typedef struct sb_prompt {
    const char *text;
    int64_t n_bytes, wrapped_bytes; /* the wrapper goes around the first wrapped_bytes; 0: none */
    int64_t max_new;                /* tokens to generate at most, >= 1 */
    int32_t stop_newline;           /* 1: a line feed ends the answer, but not as its first token */
} sb_prompt;

/* Ids of the text, BOS where the original adds one and it is not there yet; special tokens in it
 * are those tokens. The script emits up to max_new tokens of the tokenizer; stops are those of the
 * checkpoint's configuration and the tokenizer's end of turn. References and spans are the
 * caller's to add; sealed then by sb_input_seal. */
sb_status sb_prompter_input(sb_prompter *p, const sb_prompt *prompt, sb_input *out);
/* The same from ids. */
sb_status sb_prompter_input_ids(sb_prompter *p, const int32_t *ids, int64_t n, int64_t max_new,
                                sb_input *out);
/* Tokens before the first stop among n emitted ones (-1: not emitted). */
int64_t sb_prompter_answer_tokens(const sb_prompter *p, const int32_t *emitted, int64_t n);
/* Their text, malloc'd. */
sb_status sb_prompter_text(const sb_prompter *p, const int32_t *emitted, int64_t n, char **out);

#endif
