/* A list of blocks, filled front to back; a request larger than a block gets one of its own. */
#include "harness/config/pool.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 32 * 1024 };

struct sbi_pool_block {
    struct sbi_pool_block *next;
    size_t                 used_bytes, capacity_bytes;
    max_align_t            data[];
};

int64_t sbi_pool_limit_calls = INT64_MAX;

void *sbi_pool_alloc(sbi_pool *p, int64_t count, size_t elem_bytes)
{
    const size_t           align = _Alignof(max_align_t);
    struct sbi_pool_block *b     = p->head;
    if (sbi_pool_limit_calls == 0 || count < 0 ||
        (elem_bytes > 0 && (uint64_t)count > (SIZE_MAX / 4) / elem_bytes)) {
        p->failed = 1;
        return NULL;
    }
    sbi_pool_limit_calls--;
    size_t bytes = (size_t)count * elem_bytes;
    bytes        = bytes == 0 ? align : (bytes + align - 1) / align * align;
    if (b == NULL || b->capacity_bytes - b->used_bytes < bytes) {
        size_t capacity = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        b               = malloc(sizeof *b + capacity);
        if (b == NULL) {
            p->failed = 1;
            return NULL;
        }
        b->used_bytes     = 0;
        b->capacity_bytes = capacity;
        b->next           = p->head;
        p->head           = b;
    }
    void *out = (char *)b->data + b->used_bytes;
    b->used_bytes += bytes;
    return memset(out, 0, bytes);
}

int sbi_pool_grow(sbi_pool *p, void **v, int64_t n, int64_t *capacity, size_t elem_bytes)
{
    if (n < *capacity)
        return 1;
    int64_t wider = *capacity == 0 ? 4 : *capacity * 2;
    void   *moved = sbi_pool_alloc(p, wider, elem_bytes);
    if (moved == NULL)
        return 0;
    if (n > 0)
        memcpy(moved, *v, (size_t)n * elem_bytes);
    *v        = moved;
    *capacity = wider;
    return 1;
}

char *sbi_pool_text(sbi_pool *p, const char *s, size_t bytes)
{
    char *out = sbi_pool_alloc(p, (int64_t)bytes + 1, 1);
    if (out != NULL && bytes > 0)
        memcpy(out, s, bytes);
    return out;
}

char *sbi_pool_printf(sbi_pool *p, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int   n   = vsnprintf(NULL, 0, fmt, ap);
    char *out = n < 0 ? NULL : sbi_pool_alloc(p, (int64_t)n + 1, 1);
    if (out != NULL)
        (void)vsnprintf(out, (size_t)n + 1, fmt, again);
    else
        p->failed = 1;
    va_end(again);
    va_end(ap);
    return out;
}

void sbi_pool_fini(sbi_pool *p)
{
    while (p->head != NULL) {
        struct sbi_pool_block *next = p->head->next;
        free(p->head);
        p->head = next;
    }
}
