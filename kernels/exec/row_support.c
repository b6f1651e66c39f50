#include "kernels/exec/row_support.h"

#include <string.h>

#include "kernels/exec/segments.h"

/* Ranges of one row hold nothing but keys that it sees: the tile is the row. */
static int begin(sb_segments *s, const sb_plan *plan, int64_t head, int64_t gid)
{
    int64_t row = sb_plan_row(plan, gid);
    if (row < 0)
        return 0;
    sb_segments_begin(s, plan, head, row, gid, gid);
    return 1;
}

int64_t sb_row_support_count(const sb_plan *plan, int64_t head, int64_t gid)
{
    sb_segments it;
    sb_segment  s;
    int64_t     n = 0;
    if (!begin(&it, plan, head, gid))
        return -1;
    while (sb_segments_next(&it, &s))
        n += s.end - s.begin;
    return n;
}

void sb_row_support_of(const sb_plan *plan, int64_t head, int64_t gid, const int64_t *keys,
                       int64_t n, uint8_t *sees)
{
    sb_segments it;
    sb_segment  s;
    int64_t     at = 0;
    memset(sees, 0, (size_t)n);
    if (!begin(&it, plan, head, gid))
        return;
    while (at < n && sb_segments_next(&it, &s)) {
        while (at < n && keys[at] < s.begin)
            at++;
        while (at < n && keys[at] < s.end)
            sees[at++] = 1;
    }
}
