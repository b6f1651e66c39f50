#include "workloads/metrics/pool.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES ((size_t)64 * 1024)
#define ALIGN ((size_t)16)

sb_status sbi_pool_get(sbi_pool *p, int64_t count, size_t elem_bytes, void *out)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, elem_bytes, &bytes) ||
        bytes > SIZE_MAX / 2)
        return sb_fail(SB_ERR_NOMEM, "no memory to score a text: %lld elements of %zu bytes",
                       (long long)count, elem_bytes);
    bytes = bytes == 0 ? ALIGN : (bytes + ALIGN - 1) & ~(ALIGN - 1);
    if (bytes > p->left) {
        size_t size  = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
        char  *block = malloc(ALIGN + size);
        if (block == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory to score a text: %zu bytes", size);
        memcpy(block, &p->blocks, sizeof p->blocks);
        p->blocks = block;
        p->at     = block + ALIGN;
        p->left   = size;
    }
    memcpy(out, &p->at, sizeof p->at); /* out is the address of a pointer of any type */
    p->at += bytes;
    p->left -= bytes;
    return SB_OK;
}

sb_status sbi_pool_zero(sbi_pool *p, int64_t count, size_t elem_bytes, void *out)
{
    sb_status st = sbi_pool_get(p, count, elem_bytes, out);
    void     *to;
    if (st != SB_OK)
        return st;
    memcpy(&to, out, sizeof to);
    memset(to, 0, (size_t)count * elem_bytes);
    return SB_OK;
}

sbi_pool_mark sbi_pool_here(const sbi_pool *p) { return *p; }

void sbi_pool_back(sbi_pool *p, sbi_pool_mark mark)
{
    while (p->blocks != mark.blocks) {
        void *next;
        memcpy(&next, p->blocks, sizeof next);
        free(p->blocks);
        p->blocks = next;
    }
    *p = mark;
}

void sbi_pool_free(sbi_pool *p) { sbi_pool_back(p, (sbi_pool_mark){0}); }
