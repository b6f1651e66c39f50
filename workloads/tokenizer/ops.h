/* A model's tokenizer as the table that makers of texts ask (workloads/base/tok.h). */
#ifndef SB_WORKLOADS_TOKENIZER_OPS_H
#define SB_WORKLOADS_TOKENIZER_OPS_H

#include "workloads/base/tok.h"
#include "workloads/tokenizer/tokenizer.h"

/* The table of a context: count, joined, ends, safe_cut, count_rest where a blank goes in front of
 * a text, encode and decode; name is the splitter's,
 * sha256 the vocabulary's. Context and tokenizer are borrowed for as long as the table is used; a
 * thread has its own context and so its own table. specials  LITERAL: a special token's letters are
 * text like any other, as the table wants it. PARSE: they are that token, as Hugging Face's
 * `tokenize` counts a chat wrapper that stands in the text (RULER does). ends: each side is decoded
 * by itself, special tokens left out; a character cut through leaves U+FFFD. joined: both sides are
 * decoded as one text. SB_ERR_USAGE: head or tail below 0, or together more tokens than there are.
 * Errors otherwise as of sb_tok_encode. Cost: one encoding of the text. */
void sb_tok_ops_of(sb_tok_ctx *c, sb_tok_specials specials, sb_tok_ops *out);

#endif
