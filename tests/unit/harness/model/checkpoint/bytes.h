/* GGUF files in memory, value by value; anything in them can be made wrong. */
#ifndef SB_TESTS_CHECKPOINT_BYTES_H
#define SB_TESTS_CHECKPOINT_BYTES_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/nn/blocks.h"

typedef struct bytes {
    unsigned char *data;
    size_t         n, room;
} bytes;

void bytes_free(bytes *b);
void bytes_trim(bytes *b); /* exactly n bytes, so that the sanitizer sees one too many */
void put(bytes *b, const void *data, size_t n);
void put_uint(bytes *b, int size, uint64_t v);
void put_text(bytes *b, const char *text); /* with its 64-bit length */
void put_key(bytes *b, const char *name, uint32_t type);
void put_u32_key(bytes *b, const char *name, uint32_t v);
void put_f32_key(bytes *b, const char *name, float v);
void put_text_key(bytes *b, const char *name, const char *v);
void put_header(bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys);
/* A tensor's entry; n_dims of ne. */
void put_tensor(bytes *b, const char *name, int n_dims, const int64_t *ne, uint32_t type,
                uint64_t offset);
void put_pad(bytes *b, size_t align);

#endif
