/* A GGUF file in memory, key by key; anything in it can be made wrong. */
#ifndef SB_TESTS_TOKENIZER_GGUF_FILE_H
#define SB_TESTS_TOKENIZER_GGUF_FILE_H

#include <stddef.h>
#include <stdint.h>

typedef struct gguf_file {
    unsigned char data[65536];
    size_t        n;
    uint64_t      n_keys;
} gguf_file;

/* The keys of gguf_small, by bit: which are left out. */
enum {
    G_MODEL   = 1,
    G_PRE     = 2,
    G_TOKENS  = 4,
    G_TYPES   = 8,
    G_MERGES  = 16,
    G_BOS     = 32,
    G_ADD_BOS = 64
};

void gguf_begin(gguf_file *g, uint32_t version);
void gguf_u32(gguf_file *g, uint32_t v);
void gguf_u64(gguf_file *g, uint64_t v);
void gguf_text(gguf_file *g, const char *s);
void gguf_key(gguf_file *g, const char *key, uint32_t type); /* and one key more */
void gguf_string(gguf_file *g, const char *key, const char *value);
void gguf_int(gguf_file *g, const char *key, uint32_t value);
void gguf_array(gguf_file *g, const char *key, uint32_t type, uint64_t n);

/* The vocabulary of case.h, with other keys before and between; pre and model may be replaced. */
void gguf_small(gguf_file *g, const char *model, const char *pre, int left_out);

#endif
