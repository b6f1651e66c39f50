/* How many tokens a text has: all that the length fit needs of a tokenizer. A tokenizer fills this
 * table; the simple counters below need no file and stand in for one where known answers are
 * wanted. */
#ifndef SB_WORKLOADS_RULER_COUNT_H
#define SB_WORKLOADS_RULER_COUNT_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sb_ruler_count {
    const char *name;   /* stored with every data set */
    const char *sha256; /* of the tokenizer's data; "" where there is none */
    /* Tokens of the text, special tokens excluded; text is valid UTF-8 with a zero behind its
     * n_bytes. */
    sb_status (*count)(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens);
    void *ctx;
} sb_ruler_count;

/* "bytes", "characters" (code points), "words" (len(text.split()) of Python), "bytes/4" (a quarter
 * of the bytes, rounded up); NULL when unknown. */
const sb_ruler_count *sb_ruler_count_find(const char *name);

#endif
