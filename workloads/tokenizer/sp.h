/* The text side of SentencePiece. */
#ifndef SB_WORKLOADS_TOKENIZER_SP_H
#define SB_WORKLOADS_TOKENIZER_SP_H

#include "workloads/tokenizer/ctx.h"

/* A stretch with U+2581 as blanks, and a blank in front where the family puts one: *out is s itself
 * where nothing changes, else lies in c->blanks. first: the stretch begins the text. */
sb_status sbi_sp_blanks(sb_tok_ctx *c, const unsigned char *s, size_t n, int first,
                        const unsigned char **out, size_t *out_bytes);
/* Where byte `at` of the last result stood in s; calls go forwards. */
size_t sbi_sp_source(sb_tok_ctx *c, size_t at);
/* Emit the ids of such a stretch, or of a part of it that added tokens left. */
sb_status sbi_sp_encode(sb_tok_ctx *c, const unsigned char *s, size_t n);
/* The next symbol of s, or -1 when the rest has none: the token of a character, else those of its
 * bytes, else the unknown token, one for a run of them if the file says so, or nothing. */
int32_t sbi_sp_symbol(const sb_tok *t, const unsigned char *s, size_t n, size_t *at);

#endif
