/* SentencePiece's own file, tokenizer.model. */
#ifndef SB_WORKLOADS_TOKENIZER_MODEL_H
#define SB_WORKLOADS_TOKENIZER_MODEL_H

#include <stddef.h>

#include "workloads/tokenizer/vocab.h"

/* It starts as such a file does and JSON does not. */
int       sbi_tok_is_model(const unsigned char *data, size_t bytes);
sb_status sbi_tok_read_model(const unsigned char *data, size_t bytes, sb_tok *t);

#endif
