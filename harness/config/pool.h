/* Memory that grows and is freed all at once: everything a sweep file turns into lives in one of
 * two pools.
 *
 * A failed allocation sets `failed` and yields NULL; readers then just stop, and sb_sweep_load
 * looks at the flag once. */
#ifndef SB_HARNESS_CONFIG_POOL_H
#define SB_HARNESS_CONFIG_POOL_H

#include <stddef.h>
#include <stdint.h>

/* Calls that succeed before sbi_pool_alloc fails once and for all; tests turn it down to walk every
 * such path. */
extern int64_t sbi_pool_limit_calls;

typedef struct sbi_pool {
    struct sbi_pool_block *head;
    int                    failed;
} sbi_pool;

/* Zeroed room for count elements, aligned for any type; never NULL for count 0. */
void *sbi_pool_alloc(sbi_pool *p, int64_t count, size_t elem_bytes);
/* Make room for one more element behind n: *v moves when n reaches *capacity. 1 when there is room,
 * 0 when memory is out. */
int   sbi_pool_grow(sbi_pool *p, void **v, int64_t n, int64_t *capacity, size_t elem_bytes);
char *sbi_pool_text(sbi_pool *p, const char *s, size_t bytes); /* a copy, terminated */
char *sbi_pool_printf(sbi_pool *p, const char *fmt, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
void sbi_pool_fini(sbi_pool *p);

#endif
