/* Patterns that cut text into pieces before merging, as data. */
#ifndef SB_WORKLOADS_TOKENIZER_SPLIT_H
#define SB_WORKLOADS_TOKENIZER_SPLIT_H

#include <stddef.h>

#include "kernels/base/status.h"

typedef struct sbi_split {
    const char *name;         /* GGUF's tokenizer.ggml.pre */
    const char *aliases;      /* other names of GGUF for it, each between blanks */
    const char *json_pattern; /* what a Split pre-tokenizer says; NULL: ByteLevel's own */
    const char *pattern;      /* ours, for PCRE2 */
    int gguf_nfc, gguf_ignore_merges, gguf_adds_bos; /* what goes with it and GGUF does not say */
} sbi_split;

extern const sbi_split sbi_splits[];   /* ends with a NULL name */
extern const sbi_split sbi_split_none; /* "sentencepiece": no pattern cuts its text */

const sbi_split *sbi_split_by_name(const char *name, size_t n);

typedef struct sbi_split_code sbi_split_code; /* compiled, shared by threads */
sb_status                     sbi_split_compile(const sbi_split *s, sbi_split_code **out);
void                          sbi_split_code_free(sbi_split_code *c);

typedef struct sbi_splitter sbi_splitter; /* a thread's own */
sb_status                   sbi_splitter_create(const sbi_split_code *c, sbi_splitter **out);
void                        sbi_splitter_destroy(sbi_splitter *s);
/* The piece that starts at `at` < n ends at *end. text is valid UTF-8. */
sb_status sbi_splitter_next(sbi_splitter *s, const unsigned char *text, size_t n, size_t at,
                            size_t *end);

#endif
