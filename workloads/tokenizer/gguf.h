/* Reading a GGUF file's vocabulary: a bounded reader over a file or a piece of memory, and the keys
 * that it finds. */
#ifndef SB_WORKLOADS_TOKENIZER_GGUF_H
#define SB_WORKLOADS_TOKENIZER_GGUF_H

#include <stddef.h>
#include <stdint.h>

#include "workloads/tokenizer/utf8.h"
#include "workloads/tokenizer/vocab.h"

#define SBI_SOURCE_WINDOW 65536

typedef struct sbi_source {
    const unsigned char *mem; /* NULL: read fd */
    int                  fd;
    uint64_t             size, at;
    unsigned char *window; /* of fd: SBI_SOURCE_WINDOW bytes, window_n of them from window_at */
    uint64_t       window_at;
    size_t         window_n;
} sbi_source;

/* Types of values, as numbered in the file, and their bytes (0: it depends). */
enum {
    SBI_GGUF_U8,
    SBI_GGUF_I8,
    SBI_GGUF_U16,
    SBI_GGUF_I16,
    SBI_GGUF_U32,
    SBI_GGUF_I32,
    SBI_GGUF_F32,
    SBI_GGUF_BOOL,
    SBI_GGUF_STRING,
    SBI_GGUF_ARRAY,
    SBI_GGUF_U64,
    SBI_GGUF_I64,
    SBI_GGUF_F64,
    SBI_GGUF_TYPES
};
extern const unsigned char sbi_gguf_type_bytes[SBI_GGUF_TYPES];

/* Errors of these: SB_ERR_USAGE with the place, SB_ERR_IO, SB_ERR_NOMEM. */
uint64_t  sbi_source_left(const sbi_source *s);
sb_status sbi_source_uint(sbi_source *s, size_t bytes, uint64_t *out); /* little-endian, 1 to 8 */
sb_status sbi_source_type(sbi_source *s, uint32_t *type);
/* Appends the string at hand to `to`. */
sb_status sbi_source_string(sbi_source *s, uint64_t max, sbi_bytes *to);
/* Type and count of an array, which must fit in the file. */
sb_status sbi_source_array(sbi_source *s, uint32_t *type, uint64_t *n);
sb_status sbi_source_skip(sbi_source *s, uint32_t type); /* a value */

/* A list of strings: one block of bytes, and where each starts. */
typedef struct sbi_strings {
    sbi_bytes text;
    uint64_t *at; /* n + 1 */
    int64_t   n;
} sbi_strings;

/* tokenizer.ggml.token_type; SentencePiece numbers its pieces the same. */
enum {
    SBI_KIND_NORMAL = 1,
    SBI_KIND_UNKNOWN,
    SBI_KIND_CONTROL,
    SBI_KIND_USER_DEFINED,
    SBI_KIND_UNUSED,
    SBI_KIND_BYTE
};

typedef struct sbi_gguf_keys {
    sbi_strings model, pre, tokens, merges;
    int32_t    *types;
    int64_t     n_types;
    float      *scores;
    int64_t     n_scores;
    int64_t     role[SB_TOK_ROLE_COUNT]; /* -1: not there, or said to be none */
    int64_t     add_bos, add_prefix;     /* -1: not there */
    int64_t     trims;                   /* remove_extra_whitespaces */
    int         has_charsmap;
} sbi_gguf_keys;

sb_status sbi_gguf_build(const sbi_gguf_keys *k, const char *pre, sb_tok *t);

#endif
