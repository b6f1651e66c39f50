/* Mixed text from a seed, the same on every machine: what a tokenizer is compared on. */
#ifndef SB_TESTS_TOKENIZER_TEXT_H
#define SB_TESTS_TOKENIZER_TEXT_H

#include <stddef.h>
#include <stdint.h>

typedef struct golden_text {
    unsigned char *data;
    size_t        *at; /* document i is data[at[i]] .. data[at[i + 1]] */
    int64_t        n_docs;
} golden_text;

/* About `bytes` bytes; seed 0 is a document for each character, one after the other. Ends the
 * program when there is no memory. */
golden_text golden_text_make(uint64_t seed, size_t bytes);
void        golden_text_fini(golden_text *g);

/* Ids of the documents of a seed, as tokenizer_golden.h and sp_golden.h list them. */
typedef struct golden_row {
    const char *path; /* of the vocabulary */
    uint64_t    seed;
    int64_t     n_docs, n_bytes, n_tokens;
    const char *sha256;
} golden_row;

#endif
