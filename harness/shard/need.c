#include "harness/shard/need.h"

#include <string.h>

#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

int sbi_plan_heads_differ(const sb_plan *p)
{
    return ((p->parts & SB_PART_TILES) && p->tiles.n_heads > 1) ||
           ((p->parts & SB_PART_TOKENS) && p->tokens.n_heads > 1) || p->slots.n_heads > 1 ||
           ((p->parts & SB_PART_WINDOW) && p->form.head != NULL);
}

/* Rows [first, end), of one row block where the plan has lists. */
static sb_status mark_rows(const sb_plan *plan, int64_t head, int64_t first, int64_t end,
                           int64_t n_keys, int32_t *edge)
{
    sb_segments it;
    sb_segment  s;
    int64_t     row = sb_plan_row(plan, first);
    if (row < 0)
        return sb_fail(SB_ERR_INTERNAL, "index: the plan has no list for row %lld",
                       (long long)first);
    sb_segments_begin(&it, plan, head, row, first, end - 1);
    while (sb_segments_next(&it, &s)) {
        edge[min_i64(s.begin, n_keys)]++;
        edge[min_i64(s.end, n_keys)]--;
    }
    return SB_OK;
}

static sb_status mark_head(const sb_plan *plan, const sb_shape *shape, int64_t head, int32_t *edge)
{
    int       lists = (plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    sb_status st    = SB_OK;
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        int64_t end = shape->q_gid.run[r].start + shape->q_gid.run[r].len;
        for (int64_t a = shape->q_gid.run[r].start, b; st == SB_OK && a < end; a = b) {
            b  = lists ? min_i64((a / plan->row_tokens + 1) * plan->row_tokens, end) : end;
            st = mark_rows(plan, head, a, b, shape->n_keys, edge);
        }
    }
    return st;
}

static void set_bit(uint64_t *bits, int64_t key) { bits[key / 64] |= UINT64_C(1) << key % 64; }

/* Ids with a positive sum, as tokens; clears the edges for the next head. */
static void collect(const sb_plan *plan, int64_t head, int64_t n_keys, int32_t *edge,
                    uint64_t *bits)
{
    const uint16_t *of   = sb_plan_has_slots(plan) ? sb_slots_of(&plan->slots, head) : NULL;
    int32_t         open = 0;
    for (int64_t i = 0; i < n_keys; i++) {
        open += edge[i];
        if (open > 0)
            set_bit(bits, of != NULL ? sb_slot_token(&plan->slots, of, i) : i);
    }
    memset(edge, 0, (size_t)(n_keys + 1) * sizeof *edge);
}

sb_status sbi_need_find(const sb_plan *plan, const sb_shape *shape, int64_t kv_head, int32_t *edge,
                        uint64_t *bits)
{
    int64_t group = shape->heads / shape->kv_heads, n = sbi_plan_heads_differ(plan) ? group : 1;
    memset(edge, 0, (size_t)(shape->n_keys + 1) * sizeof *edge);
    memset(bits, 0, (size_t)sbi_need_words(shape->n_keys) * sizeof *bits);
    for (int64_t g = 0; g < n; g++) {
        int64_t   head = kv_head * group + g;
        sb_status st   = mark_head(plan, shape, head, edge);
        if (st != SB_OK)
            return st;
        if (g + 1 == n || sb_plan_has_slots(plan))
            collect(plan, head, shape->n_keys, edge, bits);
    }
    return SB_OK;
}

/* Set bits among [begin, end). */
static int64_t count_range(const uint64_t *bits, int64_t begin, int64_t end)
{
    int64_t n = 0;
    for (int64_t at = begin; at < end;) {
        int64_t  take = min_i64(64 - at % 64, end - at);
        uint64_t word = bits[at / 64] >> at % 64;
        if (take < 64)
            word &= (UINT64_C(1) << take) - 1;
        n += __builtin_popcountll(word);
        at += take;
    }
    return n;
}

int64_t sbi_need_count(const uint64_t *bits, const sb_gid *gid)
{
    int64_t n = 0;
    for (int32_t r = 0; r < gid->n_runs; r++)
        n += count_range(bits, gid->run[r].start, gid->run[r].start + gid->run[r].len);
    return n;
}

/* The first key in [at, end) whose bit is not that of `skip`, all ones or none; end: there is none.
 */
static int64_t next_key(const uint64_t *bits, int64_t at, int64_t end, uint64_t skip)
{
    while (at < end) {
        uint64_t word = (bits[at / 64] ^ skip) >> at % 64;
        if (word != 0)
            return min_i64(at + __builtin_ctzll(word), end);
        at += 64 - at % 64;
    }
    return end;
}

int sbi_need_run(const uint64_t *bits, int64_t begin, int64_t end, sb_run *run)
{
    int64_t at = next_key(bits, begin, end, 0);
    *run       = (sb_run){at, next_key(bits, at, end, ~UINT64_C(0)) - at};
    return at < end;
}
