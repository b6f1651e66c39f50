/* One block of memory, handed out front to back; freed all at once.
 *
 * `layout` code runs twice: over a counting arena (base NULL: every allocation succeeds, returns NULL, and only moves
 * the mark) and over a real one. The size in bytes cannot drift from the use. Debug arenas (SB_ARENA_GUARD) fill fresh
 * memory with 0xFF (NaN in bf16 and fp32) and put canary bytes behind each allocation. */
#ifndef SB_KERNELS_BASE_ARENA_H
#define SB_KERNELS_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_ARENA_ALIGN 64u

typedef enum sb_arena_flags { SB_ARENA_PLAIN = 0, SB_ARENA_GUARD = 1 } sb_arena_flags;

typedef struct sb_arena {
    unsigned char *base; /* NULL: counting */
    size_t         capacity_bytes;
    size_t         used_bytes;
    size_t         high_water_bytes;
    sb_arena_flags flags;
    int            counting;
} sb_arena;

void sb_arena_init_count(sb_arena *a);
/* base must be aligned to SB_ARENA_ALIGN; the arena does not own it. */
void sb_arena_init(sb_arena *a, void *base, size_t capacity_bytes, sb_arena_flags flags);

/* *out = `count` elements of `elem_bytes`, aligned; NULL in a counting arena. Errors: SB_ERR_NOMEM (also on overflow of
 * count * elem_bytes), naming `what`. count 0 is legal and yields a non-dereferenceable pointer. */
sb_status sb_arena_alloc(sb_arena *a, int64_t count, size_t elem_bytes, const char *what, void **out);

size_t sb_arena_mark(const sb_arena *a);
void   sb_arena_reset(sb_arena *a, size_t mark); /* gives back everything after mark */
int    sb_arena_canaries_intact(const sb_arena *a); /* 1 when not guarded */

#ifdef __cplusplus
}
#endif
#endif
