#include "kernels/exec/row_support.h"

#include <string.h>

#include "kernels/exec/key_blocks.h"

/* The blocks of one row, with all keys at hand, and which of their lanes it sees. */
typedef struct row_walk {
    sb_run        all;
    sb_gid        at_hand;
    sb_key_blocks blocks;
    sb_key_block  b;
    uint64_t      sees;
} row_walk;

static int begin(row_walk *w, const sb_plan *plan, int64_t head, int64_t gid)
{
    int64_t row = sb_plan_row(plan, gid);
    if (row < 0)
        return 0;
    w->all     = (sb_run){0, gid + 1}; /* no row sees a later key */
    w->at_hand = (sb_gid){&w->all, 1, gid + 1};
    sb_key_blocks_begin(&w->blocks, plan, head, row, gid, gid, &w->at_hand);
    return 1;
}

static int next(row_walk *w, const sb_plan *plan, int64_t head, int64_t gid)
{
    if (!sb_key_blocks_next(&w->blocks, &w->b))
        return 0;
    w->sees = sb_key_block_visible(&w->b, sb_plan_row_window(plan, head, gid), gid);
    return 1;
}

int64_t sb_row_support_count(const sb_plan *plan, int64_t head, int64_t gid)
{
    row_walk w;
    int64_t  n = 0;
    if (!begin(&w, plan, head, gid))
        return -1;
    while (next(&w, plan, head, gid))
        n += __builtin_popcountll(w.sees);
    return n;
}

/* First of the keys that is not below id. */
static int64_t lower_bound(const int64_t *keys, int64_t n, int64_t id)
{
    int64_t lo = 0, hi = n;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (keys[mid] < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

typedef struct span {
    int64_t least, most; /* ids */
} span;

/* Of the lanes that the row sees: packed ones are in no order. */
static span span_of(const row_walk *w)
{
    if (w->sees == UINT64_MAX && w->b.base >= 0)
        return (span){w->b.base, w->b.base + SB_TILE_KEYS - 1};
    span s = {INT64_MAX, INT64_MIN};
    for (uint64_t left = w->sees; left != 0; left &= left - 1) {
        int64_t id = w->b.id[__builtin_ctzll(left)];
        s.least    = id < s.least ? id : s.least;
        s.most     = id > s.most ? id : s.most;
    }
    return s;
}

static int any_between(const int64_t *keys, int64_t n, span s)
{
    int64_t i = lower_bound(keys, n, s.least);
    return i < n && keys[i] <= s.most;
}

void sb_row_support_of(const sb_plan *plan, int64_t head, int64_t gid, const int64_t *keys,
                       int64_t n, uint8_t *sees)
{
    row_walk w;
    memset(sees, 0, (size_t)n);
    if (!begin(&w, plan, head, gid))
        return;
    while (next(&w, plan, head, gid)) {
        span s = span_of(&w);
        if (!any_between(keys, n, s)) /* asked keys are few: most blocks hold none */
            continue;
        for (uint64_t left = w.sees; left != 0; left &= left - 1) {
            int64_t id = w.b.id[__builtin_ctzll(left)];
            for (int64_t i = lower_bound(keys, n, id); i < n && keys[i] == id; i++)
                sees[i] = 1;
        }
    }
}
