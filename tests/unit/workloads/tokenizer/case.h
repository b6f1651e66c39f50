/* What the tokenizer tests share: a small vocabulary as text that single places are changed in, and
 * one call to encode.
 *
 * ids 0 to 255 are the bytes; merges in rank order: b+c 256, a+b 257, a+bc 258, " "+a 259, a+a 260,
 * aa+aa 261, s+t 262, '+s 263; 264 is the special token <|end|>, 265 the added token <mark>. */
#ifndef SB_TESTS_TOKENIZER_CASE_H
#define SB_TESTS_TOKENIZER_CASE_H

#include <check.h>

#include "workloads/tokenizer/tokenizer.h"

#define FIXTURES "tests/fixtures/tokenizer/"
enum { T_BC = 256, T_AB, T_ABC, T_BLANK_A, T_AA, T_AAAA, T_ST, T_APOS_S, T_END, T_MARK, T_SIZE };

char *small_json(void); /* to be freed */
/* The small vocabulary with the first `from` replaced by `to` (fails the test when it is not
 * there), opened under the name "small". */
sb_status open_changed(const char *from, const char *to, sb_tok **out);
sb_tok   *must_open_changed(const char *from, const char *to);
sb_tok   *must_open(const char *path);
/* st is `want` and the error text holds every one of the words. */
void must_refuse(sb_status st, sb_status want, const char *words);

/* Ids as text, "97 256 3", in a static buffer. */
const char *ids_of(const sb_tok *t, const char *text);
const char *ids_of_bytes(const sb_tok *t, const void *bytes, size_t n);
sb_tok_ids  encode_all(sb_tok_ctx *c, const void *bytes, size_t n);
sb_tok_ctx *must_ctx(const sb_tok *t);

double   cpu_seconds(void); /* of this thread */
uint64_t next_random(uint64_t *state);
int      run_suite(Suite *s); /* exit status */

#endif
