#include "kernels/exec/index_stats.h"

#include <xxhash.h>

#include "kernels/exec/index_before.h"
#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"
#include "kernels/exec/tiles.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* sum over x in [0, n) of x */
static int64_t triangle(int64_t n) { return n > 0 ? n * (n - 1) / 2 : 0; }

/* sum over q in [first, end) of clamp(q + shift, 0, top): how many of `top` keys in a row lie at or
 * before each q. */
static int64_t clamp_sum(int64_t first, int64_t end, int64_t shift, int64_t top)
{
    if (top <= 0)
        return 0;
    int64_t rise = min_i64(max_i64(first, -shift), end);     /* first q with q + shift >= 0 */
    int64_t flat = min_i64(max_i64(rise, top - shift), end); /* first q with q + shift >= top */
    return triangle(flat + shift) - triangle(rise + shift) + (end - flat) * top;
}

/* Keys of [begin, end) that query q sees through its window. */
static int64_t row_keys(sb_row_window w, int64_t q, int64_t begin, int64_t end)
{
    end           = min_i64(end, q + 1);
    int64_t sinks = max_i64(min_i64(w.sink_end, end) - begin, 0);
    int64_t least = max_i64(max_i64(w.first, w.sink_end), begin);
    /* q - m * step in [least, end) */
    return least < end ? sinks + (q - least) / w.step - (q - end + w.step) / w.step + 1 : sinks;
}

/* Pairs of rows [first, end) with the keys of one range, by the rule of segments.h. */
static int64_t count_pairs(const sb_plan *plan, int64_t head, const sb_segment *s, int64_t first,
                           int64_t end)
{
    sb_head_window w = sb_plan_window(plan, head);
    if (s->listed)
        return clamp_sum(first, end, 1 - s->begin, s->end - s->begin);
    if (!sb_plan_window_is_plain(plan)) {
        int64_t pairs = 0;
        for (int64_t q = first; q < end; q++)
            pairs += row_keys(sb_plan_row_window(plan, head, q), q, s->begin, s->end);
        return pairs;
    }
    int64_t sink_end =
        min_i64(max_i64(w.sink_tokens, s->begin), s->end); /* keys [begin, sink_end) are sinks */
    int64_t n        = clamp_sum(first, end, 1 - s->begin, sink_end - s->begin);
    n += clamp_sum(first, end, 1 - sink_end, s->end - sink_end);
    n -= clamp_sum(first, end, 1 - sink_end - w.window_tokens, s->end - sink_end);
    return n;
}

/* Pairs of rows [first, end) with the keys in one range of slots. Segments before the first row's
 * hold earlier tokens only; from there on a slot's token decides. */
static int64_t count_slot_pairs(const sb_slots *s, int64_t head, const sb_segment *g, int64_t first,
                                int64_t end)
{
    const uint16_t *of    = sb_slots_of(s, head);
    int64_t         whole = min_i64(max_i64(first - first % s->segment_tokens, g->begin), g->end);
    int64_t         n     = (whole - g->begin) * (end - first);
    for (int64_t slot = whole; slot < g->end; slot++)
        n += max_i64(end - max_i64(sb_slot_token(s, of, slot), first), 0);
    return n;
}

/* Blocks of 64 lanes that rows [first, last] need, as key_blocks.h makes them of all keys: packed
 * ones, and those that ranges touch; every key of a range is visible to one of the rows. */
static int64_t count_blocks(const sb_plan *plan, int64_t head, int64_t row, int64_t first,
                            int64_t last, const sbi_before *before)
{
    sb_segments it;
    sb_segment  s;
    sbi_touched tiles  = before->blocks;
    int64_t     packed = before->packed; /* keys */
    int         packs  = sb_plan_packs(plan);
    sbi_segments_begin_from(&it, plan, head, row, first, last, before->from);
    while (sb_segments_next(&it, &s))
        if (packs && s.listed)
            packed += s.end - s.begin;
        else
            sbi_touch(&tiles, &s);
    return tiles.n + (packed + SB_TILE_KEYS - 1) / SB_TILE_KEYS;
}

/* A nominal tile of query rows: the method's is cut where its row block ends, the dense kernel's
 * is not. */
typedef struct row_tile {
    int64_t begin, end;
    int64_t padding_rows; /* it issues these too: 0 in decode */
} row_tile;

/* Rows that [begin, end) of a tile stand for: the padding goes with the tile's first row, wherever
 * that row lives, so ranks add up. */
static int64_t issued_rows(const row_tile *t, int64_t begin, int64_t end)
{
    return end - begin + (begin == t->begin ? t->padding_rows : 0);
}

/* Rows [begin, end) of one run that lie in one tile. */
static void count_tile(const sb_plan *plan, int64_t head, int64_t row, int64_t begin, int64_t end,
                       const row_tile *tile, const row_tile *dense, const sbi_before *before,
                       sb_index_stats *sum)
{
    sb_segments it;
    sb_segment  s;
    sum->rho_num += before->keys * (end - begin);
    sbi_segments_begin_from(&it, plan, head, row, begin, end - 1, before->from);
    while (sb_segments_next(&it, &s))
        sum->rho_num += sb_plan_has_slots(plan)
                            ? count_slot_pairs(&plan->slots, head, &s, begin, end)
                            : count_pairs(plan, head, &s, begin, end);
    sum->rho_den += triangle(end + 1) - triangle(begin + 1);
    sum->tile_lanes += issued_rows(tile, begin, end) * SB_TILE_KEYS *
                       count_blocks(plan, head, row, tile->begin, tile->end - 1, before);
    sum->tile_lanes_dense +=
        issued_rows(dense, begin, end) * SB_TILE_KEYS * ((dense->end - 1) / SB_TILE_KEYS + 1);
}

static uint64_t hash_words(const int64_t *w, size_t n) { return XXH3_64bits(w, n * sizeof *w); }

static uint64_t hash_list(const sb_csr *c, int64_t head, int64_t row, int64_t n_rows, uint64_t seed)
{
    int64_t at = (c->n_heads == 1 ? 0 : head) * n_rows + row;
    return XXH3_64bits_withSeed(c->id + c->row_ptr[at],
                                (size_t)(c->row_ptr[at + 1] - c->row_ptr[at]) * sizeof *c->id,
                                seed);
}

/* Row block `row` of this plan as one number. number: the head's, in the model. */
static uint64_t digest_row(const sb_plan *plan, int64_t head, int64_t number, int64_t row)
{
    int64_t  key[] = {number, plan->row_id[row], plan->row_tokens};
    uint64_t h     = hash_words(key, 3);
    if (plan->parts & SB_PART_TILES) {
        int64_t form[] = {(int64_t)h, plan->tiles.unit_tokens, plan->tiles.width_tokens};
        h              = hash_list(&plan->tiles, head, row, plan->n_rows, hash_words(form, 3));
    }
    if (plan->parts & SB_PART_TOKENS)
        h = hash_list(&plan->tokens, head, row, plan->n_rows, h + 1);
    if (sb_plan_has_slots(plan)) { /* the slots of the row block's own ids: each once */
        int64_t first  = plan->row_id[row] * plan->row_tokens;
        int64_t end    = min_i64(first + plan->row_tokens, plan->slots.n_slots);
        int64_t form[] = {(int64_t)h, plan->slots.segment_tokens};
        h              = XXH3_64bits_withSeed(sb_slots_of(&plan->slots, head) + first,
                                              (size_t)(end - first) * sizeof *plan->slots.offset,
                                              hash_words(form, 2));
    }
    return h;
}

/* The window rule of a head as one number. */
static uint64_t digest_window(const sb_plan *plan, int64_t head, int64_t number)
{
    sb_head_window w      = sb_plan_window(plan, head);
    int64_t        rule[] = {number, w.sink_tokens, w.window_tokens};
    uint64_t       h      = hash_words(rule, 3);
    if (sb_plan_window_is_plain(plan))
        return h;
    int64_t form[] = {(int64_t)h, plan->form.unit_tokens, plan->form.dilation_tokens,
                      plan->form.n_tokens};
    h              = hash_words(form, 4);
    return plan->form.n_spans == 0
               ? h
               : XXH3_64bits_withSeed(plan->form.span,
                                      (size_t)plan->form.n_spans * sizeof *plan->form.span, h);
}

sb_status sb_index_stats_count(const sb_plan *plan, const sb_shape *shape, int64_t head,
                               sb_index_stats *out)
{
    return sb_index_stats_count_part(plan, shape, head, 0, 1, out);
}

sb_status sb_index_stats_count_part(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                    int64_t part, int64_t n_parts, sb_index_stats *out)
{
    sb_index_stats sum   = {0};
    sbi_before     before = {0};
    int64_t        tiles = 0, counted = -1; /* seen so far; row block that `before` is of */
    int            lists = (plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    sb_status      st    = sb_slots_check(plan);
    if (st != SB_OK)
        return st;
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        sb_run run = shape->q_gid.run[r];
        for (int64_t a = run.start, b; a < run.start + run.len; a = b) {
            int64_t  most  = max_i64(shape->n_keys, run.start + run.len), row;
            row_tile dense = {.begin = a / SB_TILE_ROWS * SB_TILE_ROWS}, tile;
            dense.end      = min_i64(dense.begin + SB_TILE_ROWS, most);
            tile           = dense;
            row            = sb_plan_row(plan, a);
            if (row < 0)
                return sb_fail(SB_ERR_INTERNAL, "index: the plan has no list for row %lld",
                               (long long)a);
            if (lists) {
                tile.begin = max_i64(tile.begin, a / plan->row_tokens * plan->row_tokens);
                tile.end   = min_i64(tile.end, (a / plan->row_tokens + 1) * plan->row_tokens);
            }
            b                  = min_i64(tile.end, run.start + run.len);
            tile.padding_rows  = SB_TILE_ROWS - (tile.end - tile.begin);
            dense.padding_rows = SB_TILE_ROWS - (dense.end - dense.begin);
            if (shape->is_decode) /* a step's queries are a tile of their own, of just as many rows
                                   */
                tile = dense = (row_tile){.begin = a, .end = b};
            /* a row block's tiles go together, so that one part counts what they share */
            if ((lists ? row : tiles++) % n_parts != part)
                continue;
            if (counted != row)
                sbi_before_count(plan, head, row, SB_TILE_KEYS, sb_plan_packs(plan), &before);
            counted = row;
            count_tile(plan, head, row, a, b, &tile, &dense, &before, &sum);
        }
        if (part == 0 &&
            plan->parts & SB_PART_WINDOW) /* one rule for all rows: it counts once a row */
            sum.digest += (uint64_t)run.len * digest_window(plan, head, shape->first_head + head);
    }
    for (int64_t row = part; lists && row < plan->n_rows; row += n_parts)
        sum.digest += digest_row(plan, head, shape->first_head + head, row);
    *out = sum;
    return SB_OK;
}
