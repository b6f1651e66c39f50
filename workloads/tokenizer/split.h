/* Patterns that cut text into pieces before merging, as data. */
#ifndef SB_WORKLOADS_TOKENIZER_SPLIT_H
#define SB_WORKLOADS_TOKENIZER_SPLIT_H

#include <stddef.h>

#include "kernels/base/status.h"

#define SBI_SPLIT_STAGES 5
#define SBI_SPLIT_DIGITS "Digits"

typedef struct sbi_split {
    const char *name;    /* GGUF's tokenizer.ggml.pre */
    const char *aliases; /* other names of GGUF for it, each between blanks */
    /* What the pre-tokenizers before ByteLevel say, one after the other: the pattern of a Split, or
     * SBI_SPLIT_DIGITS. None: ByteLevel's own pattern. */
    const char *json[SBI_SPLIT_STAGES + 1];
    /* Ours, for PCRE2. A stage cuts text into its matches and what lies between; the next stage
     * cuts each of these. */
    const char *pattern[SBI_SPLIT_STAGES + 1];
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
void                        sbi_splitter_begin(sbi_splitter *s); /* another text */
/* The piece that starts at `at` < n ends at *end; pieces are asked for one after the other. text is
 * valid UTF-8. Cost: each stage looks at each character once or twice. */
sb_status sbi_splitter_next(sbi_splitter *s, const unsigned char *text, size_t n, size_t at,
                            size_t *end);

#endif
