#include "kernels/base/arena.h"

#include <string.h>

#include "kernels/base/rng.h"

/* A guarded allocation is followed by canary bytes up to the end of one extra aligned unit; the
 * unit's last bytes hold a record of where the allocation starts and how long it is, so that the
 * check can walk all of them from the back. The record is sealed: an overrun that reaches it must
 * not lead the walk past other damage, or out of the arena. */
typedef struct record {
    uint64_t start, bytes, seal;
} record;

enum { CANARY = 0xA5, FRESH = 0xFF, RECORD_BYTES = sizeof(record) };

static uint64_t seal_of(uint64_t start, uint64_t bytes) { return sb_mix(start ^ sb_mix(bytes)); }

void sb_arena_init_count(sb_arena *a)
{
    *a = (sb_arena){.capacity_bytes = SIZE_MAX, .counting = 1};
}

void sb_arena_init(sb_arena *a, void *base, size_t capacity_bytes, sb_arena_flags flags)
{
    *a = (sb_arena){.base = base, .capacity_bytes = capacity_bytes, .flags = flags};
    if (flags & SB_ARENA_GUARD)
        memset(base, CANARY, capacity_bytes);
}

/* Guard bytes are part of every size, so that a counted size serves guarded and plain arenas alike.
 */
sb_status sb_arena_alloc(sb_arena *a, int64_t count, size_t elem_bytes, const char *what,
                         void **out)
{
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, elem_bytes, &bytes) ||
        bytes > SIZE_MAX / 2)
        return sb_fail(SB_ERR_NOMEM, "%s: %lld elements of %zu bytes overflow", what,
                       (long long)count, elem_bytes);
    size_t rounded =
        (bytes + SB_ARENA_ALIGN - 1) / SB_ARENA_ALIGN * SB_ARENA_ALIGN + SB_ARENA_ALIGN;
    if (rounded > a->capacity_bytes - a->used_bytes)
        return sb_fail(SB_ERR_NOMEM, "%s: needs %zu bytes, the arena has %zu of %zu left", what,
                       bytes, a->capacity_bytes - a->used_bytes, a->capacity_bytes);
    if (a->counting) {
        *out = NULL;
    } else {
        unsigned char *p = a->base + a->used_bytes;
        if (a->flags & SB_ARENA_GUARD) {
            memset(p, FRESH, bytes);
            memset(p + bytes, CANARY, rounded - bytes);
            record r = {a->used_bytes, bytes, seal_of(a->used_bytes, bytes)};
            memcpy(p + rounded - RECORD_BYTES, &r, sizeof r);
        }
        *out = p;
    }
    a->used_bytes += rounded;
    if (a->used_bytes > a->high_water_bytes)
        a->high_water_bytes = a->used_bytes;
    return SB_OK;
}

size_t sb_arena_mark(const sb_arena *a) { return a->used_bytes; }

void sb_arena_reset(sb_arena *a, size_t mark)
{
    if ((a->flags & SB_ARENA_GUARD) && !a->counting)
        memset(a->base + mark, CANARY, a->used_bytes - mark);
    a->used_bytes = mark;
}

static int all_canary(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != CANARY)
            return 0;
    return 1;
}

int sb_arena_canaries_intact(const sb_arena *a)
{
    if (!(a->flags & SB_ARENA_GUARD) || a->counting)
        return 1;
    if (!all_canary(a->base + a->used_bytes, a->capacity_bytes - a->used_bytes))
        return 0;
    for (size_t end = a->used_bytes; end > 0;) {
        record r;
        memcpy(&r, a->base + end - RECORD_BYTES, sizeof r);
        if (r.seal != seal_of(r.start, r.bytes) || r.start >= end ||
            r.bytes > end - RECORD_BYTES - r.start)
            return 0; /* the record itself was overwritten */
        size_t after = (size_t)(r.start + r.bytes);
        if (!all_canary(a->base + after, end - RECORD_BYTES - after))
            return 0;
        end = (size_t)r.start;
    }
    return 1;
}
