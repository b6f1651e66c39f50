/* A tokenizer as a table: what those who make texts to a length or cut them need of one. A model's
 * tokenizer fills it (workloads/tokenizer); the simple ones below need no file and stand in for one
 * where known answers are wanted. */
#ifndef SB_WORKLOADS_BASE_TOK_H
#define SB_WORKLOADS_BASE_TOK_H

#include <stdint.h>

#include "kernels/base/status.h"

/* Texts are valid UTF-8 with a zero behind their n_bytes. Special tokens spelt in a text are text.
 * Not for two threads at once. */
typedef struct sb_tok_ops {
    const char *name;   /* stored with every data set */
    const char *sha256; /* of all that decides about ids; "" where there is no such file */
    /* Tokens of the text, special tokens excluded. */
    sb_status (*count)(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens);
    /* decode(ids[:head] + ids[n - tail:]): as `ends`, but the ids are decoded as one text, so that
     * halves of two characters may meet. NULL: `ends` has to do. */
    sb_status (*joined)(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                        char **out, int64_t *out_bytes);
    /* decode(ids[:head]) + decode(ids[n - tail:]), malloc'd with a zero behind it; 0 <= head + tail
     * <= tokens of the text. NULL: cannot cut. */
    sb_status (*ends)(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                      char **out, int64_t *out_bytes);
    /* The last place in (0, limit], before the last byte, where the text may be cut so that the
     * tokens of the two sides are those of the whole, counts add up; 0: there is none. NULL: cannot
     * say. */
    int64_t (*safe_cut)(void *ctx, const char *text, int64_t n_bytes, int64_t limit);
    /* count, of what stands behind such a cut; NULL: count says it. */
    sb_status (*count_rest)(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens);
    /* The ids of the text, malloc'd (NULL for none), special tokens excluded. NULL: there are none
     * to give. */
    sb_status (*encode)(void *ctx, const char *text, int64_t n_bytes, int32_t **ids, int64_t *n);
    /* Their text as one, malloc'd with a zero behind it; a character cut through is U+FFFD. NULL
     * where encode is. */
    sb_status (*decode)(void *ctx, const int32_t *ids, int64_t n, char **out, int64_t *out_bytes);
    void *ctx;
} sb_tok_ops;

/* "bytes", "characters" (code points), "words" (len(text.split()) of Python), "bytes/4" (a quarter
 * of the bytes, rounded up); NULL when unknown. None of them cuts; "characters" has ids, the code
 * points. */
const sb_tok_ops *sb_tok_ops_find(const char *name);

#endif
