/* A tokenizer that remembers: the count of a long text from pieces that were counted before.
 *
 *   text -> pieces that end at safe cuts -> the piece's count, from a table or counted now -> sum
 *
 * Makers of texts to a length count the same sentences again and again: every probe of a fit, every
 * row. Where a piece ends depends on the bytes around it, not on where it stands in the text, so
 * pieces come again when something is put between them. The sum is the count of the whole text,
 * exactly: pieces end only where the tokenizer says that counts add up, and a piece is found by all
 * its bytes, not by a hash alone. */
#ifndef SB_WORKLOADS_BASE_TOK_MEMO_H
#define SB_WORKLOADS_BASE_TOK_MEMO_H

#include <stddef.h>

#include "workloads/base/tok.h"

typedef struct sb_tok_memo sb_tok_memo;

/* of: borrowed until destroy; without a safe_cut every text is counted whole. The table keeps at
 * most max_bytes of pieces (SB_TOK_MEMO_BYTES when 0) and starts over when they are full. */
sb_status sb_tok_memo_create(const sb_tok_ops *of, size_t max_bytes, sb_tok_memo **out);
void      sb_tok_memo_destroy(sb_tok_memo *m);

/* The same tokenizer with a count that remembers; lives as long as the memo. Cost of a text that
 * was seen: one pass over its bytes. */
const sb_tok_ops *sb_tok_memo_ops(const sb_tok_memo *m);

#define SB_TOK_MEMO_BYTES ((size_t)64 << 20)

#endif
