#include "kernels/exec/key_blocks.h"

#include "kernels/exec/slots.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Bits [0, n). */
static uint64_t low_bits(int64_t n)
{
    return n <= 0 ? 0 : n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

static void restart(sb_key_blocks *it)
{
    it->now        = (sb_segment){0};
    it->run        = 0;
    it->run_offset = 0;
    sb_segments_begin(&it->ranges, it->plan, it->head, it->row, it->first, it->last);
    if (it->plan != NULL && it->plan->overlap_twice && !it->packing)
        sb_segments_drop_listed(
            &it->ranges); /* the packed walk has had them: here they come again */
}

void sb_key_blocks_begin(sb_key_blocks *it, const sb_plan *plan, int64_t head, int64_t row,
                         int64_t first, int64_t last, const sb_gid *at_hand)
{
    *it = (sb_key_blocks){.plan    = plan,
                          .at_hand = at_hand,
                          .head    = head,
                          .row     = row,
                          .first   = first,
                          .last    = last,
                          .packing = sb_plan_packs(plan)};
    restart(it);
}

/* May this range's keys go into the block that is being filled? A plan that packs takes two walks
 * over its ranges: the listed ones, then the others. */
static int wanted(const sb_key_blocks *it, const sb_segment *range)
{
    return !sb_plan_packs(it->plan) || range->listed == it->packing;
}

/* Make it->now start at a key that is at hand, in run it->run; 0 when no such key is left. */
static int at_key(sb_key_blocks *it)
{
    const sb_gid *g = it->at_hand;
    for (;;) {
        while (it->now.begin == it->now.end || !wanted(it, &it->now))
            if (!sb_segments_next(&it->ranges, &it->now))
                return 0;
        while (it->run < g->n_runs && g->run[it->run].start + g->run[it->run].len <= it->now.begin)
            it->run_offset += g->run[it->run++].len;
        if (it->run == g->n_runs)
            return 0;
        it->now.begin = min_i64(max_i64(it->now.begin, g->run[it->run].start), it->now.end);
        if (it->now.begin < it->now.end)
            return 1;
    }
}

/* Up to `most` keys from it->now, which stands at a key at hand, into lanes [lane, ..): here, and
 * in take_slot, an id of the index becomes a key. Returns how many. */
static int64_t take(sb_key_blocks *it, sb_key_block *b, int64_t lane, int64_t most)
{
    sb_run  r     = it->at_hand->run[it->run];
    int64_t begin = it->now.begin, n = min_i64(it->now.end, r.start + r.len) - begin;
    n = min_i64(n, most);
    for (int64_t i = 0; i < n; i++) {
        b->id[lane + i]    = begin + i;
        b->local[lane + i] = it->run_offset + begin - r.start + i;
    }
    it->now.begin += n;
    return n;
}

/* Makes it->run the run at hand that holds the token, or returns 0. Slots do not come in the order
 * of tokens, yet most neighbours lie in one run. */
static int find_run(sb_key_blocks *it, int64_t token)
{
    const sb_gid *g = it->at_hand;
    while (it->run > 0 && (it->run == g->n_runs || token < g->run[it->run].start))
        it->run_offset -= g->run[--it->run].len;
    while (it->run < g->n_runs && token >= g->run[it->run].start + g->run[it->run].len)
        it->run_offset += g->run[it->run++].len;
    return it->run < g->n_runs && token >= g->run[it->run].start;
}

/* The key of the next slot that has one at hand into lane `lane`; 0 at the end of the list. */
static int take_slot(sb_key_blocks *it, sb_key_block *b, int64_t lane)
{
    const sb_slots *s  = &it->plan->slots;
    const uint16_t *of = sb_slots_of(s, it->head);
    for (;;) {
        while (it->now.begin == it->now.end)
            if (!sb_segments_next(&it->ranges, &it->now))
                return 0;
        int64_t token = sb_slot_token(s, of, it->now.begin++);
        if (!find_run(it, token))
            continue;
        b->id[lane]    = token;
        b->local[lane] = it->run_offset + token - it->at_hand->run[it->run].start;
        return 1;
    }
}

static int next_packed(sb_key_blocks *it, sb_key_block *b)
{
    int64_t n = 0;
    if (sb_plan_has_slots(it->plan))
        while (n < SB_TILE_KEYS && take_slot(it, b, n))
            n++;
    else
        while (n < SB_TILE_KEYS && at_key(it))
            n += take(it, b, n, SB_TILE_KEYS - n);
    b->base   = -1;
    b->last   = -1;
    b->window = 0;
    b->listed = low_bits(n);
    for (int64_t i = 0; i < n; i++)
        b->last = max_i64(b->last, b->id[i]);
    return n > 0;
}

static int next_aligned(sb_key_blocks *it, sb_key_block *b)
{
    b->base   = -1;
    b->listed = b->window = 0;
    while (at_key(it)) {
        if (b->base < 0)
            b->base = it->now.begin / SB_TILE_KEYS * SB_TILE_KEYS;
        int64_t lane = it->now.begin - b->base;
        if (lane >= SB_TILE_KEYS)
            return 1;
        int      listed = it->now.listed;
        int64_t  n      = take(it, b, lane, SB_TILE_KEYS - lane);
        uint64_t bits   = low_bits(lane + n) & ~low_bits(lane);
        if (listed)
            b->listed |= bits;
        else
            b->window |= bits;
    }
    return b->base >= 0;
}

int sb_key_blocks_next(sb_key_blocks *it, sb_key_block *b)
{
    if (it->packing) {
        if (next_packed(it, b))
            return 1;
        if (!(it->plan->parts & SB_PART_WINDOW))
            return 0;
        it->packing = 0;
        restart(it);
    }
    return next_aligned(it, b);
}

/* Lanes whose ids are a multiple of step away from q. */
static uint64_t in_step(int64_t base, int64_t q, int64_t step)
{
    uint64_t bits = 0;
    for (int64_t lane = ((q - base) % step + step) % step; lane < SB_TILE_KEYS; lane += step)
        bits |= UINT64_C(1) << lane;
    return bits;
}

uint64_t sb_key_block_visible(const sb_key_block *b, sb_row_window w, int64_t q)
{
    if (b->base < 0) {
        uint64_t sees = 0;
        int      n    = __builtin_popcountll(b->listed);
        if (b->last <= q)
            return b->listed;
        for (int lane = 0; lane < n; lane++)
            sees |= (uint64_t)(b->id[lane] <= q) << lane;
        return sees;
    }
    uint64_t recent = ~low_bits(w.first - b->base);
    if (w.step > 1)
        recent &= in_step(b->base, q, w.step);
    return low_bits(q + 1 - b->base) &
           (b->listed | (b->window & (low_bits(w.sink_end - b->base) | recent)));
}
