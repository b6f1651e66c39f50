#include "tests/unit/harness/model/checkpoint/bytes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

void bytes_free(bytes *b)
{
    free(b->data);
    *b = (bytes){0};
}

void put(bytes *b, const void *data, size_t n)
{
    if (n == 0)
        return;
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n);
        b->data = realloc(b->data, b->room);
    }
    ck_assert_ptr_nonnull(b->data);
    memcpy(b->data + b->n, data, n);
    b->n += n;
}

void bytes_trim(bytes *b)
{
    b->data = realloc(b->data, b->n);
    b->room = b->n;
    ck_assert_ptr_nonnull(b->data);
}

void put_uint(bytes *b, int size, uint64_t v)
{
    for (int i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)(v >> 8 * i);
        put(b, &byte, 1);
    }
}

void put_text(bytes *b, const char *text)
{
    put_uint(b, 8, strlen(text));
    put(b, text, strlen(text));
}

void put_key(bytes *b, const char *name, uint32_t type)
{
    put_text(b, name);
    put_uint(b, 4, type);
}

void put_u32_key(bytes *b, const char *name, uint32_t v)
{
    put_key(b, name, 4);
    put_uint(b, 4, v);
}

void put_f32_key(bytes *b, const char *name, float v)
{
    put_key(b, name, 6);
    put(b, &v, sizeof v);
}

void put_text_key(bytes *b, const char *name, const char *v)
{
    put_key(b, name, 8);
    put_text(b, v);
}

void put_header(bytes *b, uint32_t version, uint64_t n_tensors, uint64_t n_keys)
{
    put(b, "GGUF", 4);
    put_uint(b, 4, version);
    put_uint(b, 8, n_tensors);
    put_uint(b, 8, n_keys);
}

void put_tensor(bytes *b, const char *name, int n_dims, const int64_t *ne, uint32_t type,
                uint64_t offset)
{
    put_text(b, name);
    put_uint(b, 4, (uint64_t)n_dims);
    for (int i = 0; i < n_dims; i++)
        put_uint(b, 8, (uint64_t)ne[i]);
    put_uint(b, 4, type);
    put_uint(b, 8, offset);
}

void put_pad(bytes *b, size_t align)
{
    while (b->n % align != 0)
        put_uint(b, 1, 0);
}
