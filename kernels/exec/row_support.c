#include "kernels/exec/row_support.h"

#include <string.h>

#include "kernels/exec/segments.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Where slots are in use [plan.h]: the head's offsets, and the segment of a token (or slot). */
typedef struct slot_map {
    const uint16_t *offset; /* NULL: ranges are of tokens */
    int64_t         size, n_slots;
} slot_map;

static slot_map map_of(const sb_plan *plan, int64_t head)
{
    const sb_slots *s = &plan->slots;
    if (s->n_heads == 0)
        return (slot_map){0};
    return (slot_map){.offset  = s->offset + (s->n_heads == 1 ? 0 : head) * s->n_slots,
                      .size    = s->segment_tokens,
                      .n_slots = s->n_slots};
}

static int64_t segment_begin(const slot_map *m, int64_t id) { return id - id % m->size; }
static int64_t segment_end(const slot_map *m, int64_t id)
{
    return min_i64(segment_begin(m, id) + m->size, m->n_slots);
}

/* Ranges of one row hold nothing but keys that it sees: the tile is the row. Of slots they end with
 * its segment, where the token behind each decides. */
static int begin(sb_segments *s, const sb_plan *plan, const slot_map *m, int64_t head, int64_t gid)
{
    int64_t row = sb_plan_row(plan, gid);
    if (row < 0)
        return 0;
    sb_segments_begin(s, plan, head, row, gid, m->offset == NULL ? gid : segment_end(m, gid) - 1);
    return 1;
}

int64_t sb_row_support_count(const sb_plan *plan, int64_t head, int64_t gid)
{
    slot_map    m = map_of(plan, head);
    sb_segments it;
    sb_segment  s;
    int64_t     n = 0;
    if (!begin(&it, plan, &m, head, gid))
        return -1;
    while (sb_segments_next(&it, &s)) {
        int64_t own = m.offset == NULL ? s.end : max_i64(s.begin, segment_begin(&m, gid));
        n += min_i64(own, s.end) - s.begin; /* earlier segments hold earlier tokens only */
        for (int64_t slot = own; slot < s.end; slot++)
            n += segment_begin(&m, slot) + m.offset[slot] <= gid;
    }
    return n;
}

/* Does one of the slots [begin, end) hold the key? */
static int holds(const slot_map *m, int64_t key, int64_t begin, int64_t end)
{
    int64_t first = segment_begin(m, key);
    end           = min_i64(end, segment_end(m, key));
    for (int64_t slot = max_i64(begin, first); slot < end; slot++)
        if (first + m->offset[slot] == key)
            return 1;
    return 0;
}

void sb_row_support_of(const sb_plan *plan, int64_t head, int64_t gid, const int64_t *keys,
                       int64_t n, uint8_t *sees)
{
    slot_map    m = map_of(plan, head);
    sb_segments it;
    sb_segment  s;
    int64_t     at = 0;
    memset(sees, 0, (size_t)n);
    if (!begin(&it, plan, &m, head, gid))
        return;
    while (at < n && sb_segments_next(&it, &s)) {
        while (at < n && keys[at] < s.begin && m.offset == NULL)
            at++;
        while (at < n && keys[at] < s.end && m.offset == NULL)
            sees[at++] = 1;
        for (int64_t i = 0; i < n && m.offset != NULL && keys[i] <= gid; i++)
            sees[i] |= (uint8_t)holds(&m, keys[i], s.begin, s.end);
    }
}
