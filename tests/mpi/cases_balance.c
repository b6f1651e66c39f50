/* How work is shared out: the table of spec sharding 2, cases small enough for a pencil, and counts
 * that no number of ranks and no repetition changes [sharding 7.3, 7.5]. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/shard/balance.h"
#include "harness/shard/need.h"
#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"

enum { BLOCK = 128, LANES = BLOCK * BLOCK, PER_RANK = 16, HEADS = 4, KV_HEADS = 2 };

static sb_balance count(span_rank *r, const sb_plan *plan, sb_layout_kind kind, int64_t n_tokens,
                        int64_t quantum)
{
    sb_map     map;
    sb_balance b  = {0};
    sb_status  st = sb_map_create(kind, n_tokens, quantum, r->comm->size, &map);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    sb_shape shape = {.q_gid    = sb_map_gid(&map, r->comm->rank),
                      .n_keys   = n_tokens,
                      .heads    = HEADS,
                      .kv_heads = KV_HEADS,
                      .head_dim = 16};
    st = sb_balance_count(plan, &shape, &map, r->comm->rank, SB_BALANCE_BY_ROWS, r->comm, &b);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    sb_map_fini(&map);
    return b;
}

/* I and step_I as the fractions that the layouts' definitions give, 16 blocks a rank: no tolerance.
 */
static void dense_is_the_table(span_rank *r)
{
    sb_plan dense = {.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
    int64_t R = r->comm->size, nb = PER_RANK * R, n = nb * BLOCK;
    for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++) {
        sb_balance b = count(r, &dense, (sb_layout_kind)kind, n, BLOCK);
        /* a rank's fair share, in half blocks of a head: nb^2 / R */
        int64_t sum                = nb * nb, most[SB_LAYOUT_COUNT], step[SB_LAYOUT_COUNT];
        most[SB_LAYOUT_CONTIGUOUS] = step[SB_LAYOUT_CONTIGUOUS] =
            sum * (2 * R - 1) / (R * R);                            /* I = 2 - 1/R */
        most[SB_LAYOUT_ZIGZAG] = step[SB_LAYOUT_ZIGZAG] = sum / R;  /* 1 */
        most[SB_LAYOUT_BLOCK_STRIPED] = sum / R + (R - 1) * nb / R; /* 1 + (R - 1) / nb */
        /* own stripes, then R - 1 steps of which the worst holds its diagonal whole */
        step[SB_LAYOUT_BLOCK_STRIPED] = PER_RANK * PER_RANK + (R - 1) * PER_RANK * (PER_RANK + 1);
        most[SB_LAYOUT_LPT] = step[SB_LAYOUT_LPT] = sum / R; /* a zigzag for each 2 R stripes */
        SPAN_EXPECT(r, b.work_sum == sum * LANES * HEADS, "layout %d: %lld lanes in all", kind,
                    (long long)b.work_sum);
        SPAN_EXPECT(r, b.work_max == most[kind] * LANES * HEADS, "layout %d: most %lld, not %lld",
                    kind, (long long)b.work_max, (long long)(most[kind] * LANES * HEADS));
        SPAN_EXPECT(r, b.step_work == step[kind] * LANES * HEADS, "layout %d: steps %lld, not %lld",
                    kind, (long long)b.step_work, (long long)(step[kind] * LANES * HEADS));
        if (R == 8 && kind == SB_LAYOUT_BLOCK_STRIPED) /* as the table prints it: 0.948 */
            SPAN_EXPECT(r, 1000 * b.work_sum / 8 / b.step_work == 948, "efficiency of stripes");
        if (R == 8 && kind == SB_LAYOUT_CONTIGUOUS) /* 0.533 */
            SPAN_EXPECT(r, 1000 * b.work_sum / 8 / b.step_work == 533, "efficiency in one piece");
        if (kind == SB_LAYOUT_CONTIGUOUS) { /* rank i needs all of the i ranks before it */
            SPAN_EXPECT(r, b.keys_needed == KV_HEADS * (n / R) * R * (R - 1) / 2, "%lld needed",
                        (long long)b.keys_needed);
            SPAN_EXPECT(r, b.keys_foreign == KV_HEADS * n * (R - 1), "%lld foreign",
                        (long long)b.keys_foreign);
        }
        SPAN_EXPECT(
            r, b.lpt_max * R >= b.work_sum && b.lpt_max <= b.work_sum / R + 2 * nb * LANES * HEADS,
            "dealt out: %lld of %lld", (long long)b.lpt_max, (long long)b.work_sum);
    }
}

/* 4 blocks, a window of one: row blocks 0..3 cost 1, 3, 3, 3 half blocks. In one piece rank 1 of 2
 * has 6 of 10, and needs the 127 keys before its first one. */
static void a_window_by_hand(span_rank *r)
{
    sb_plan    w = {.parts = SB_PART_WINDOW, .window_tokens = BLOCK};
    sb_balance b = count(r, &w, SB_LAYOUT_CONTIGUOUS, 4 * BLOCK, BLOCK);
    int64_t    h = (int64_t)LANES * HEADS;
    SPAN_EXPECT(r, b.work_sum == 10 * h, "%lld", (long long)b.work_sum);
    if (r->comm->size == 1)
        SPAN_EXPECT(r, b.work_max == 10 * h && b.step_work == 10 * h && b.keys_foreign == 0,
                    "one rank: %lld", (long long)b.work_max);
    if (r->comm->size == 2) {
        SPAN_EXPECT(r, b.work_max == 6 * h, "%lld", (long long)b.work_max);
        SPAN_EXPECT(r, b.step_work == 6 * h, "%lld", (long long)b.step_work); /* 4, then 2 */
        SPAN_EXPECT(r, b.lpt_max == 6 * h, "%lld", (long long)b.lpt_max);
        SPAN_EXPECT(r, b.keys_needed == KV_HEADS * 127 && b.keys_foreign == KV_HEADS * 512,
                    "%lld of %lld keys", (long long)b.keys_needed, (long long)b.keys_foreign);
    }
    if (r->comm->size == 4) { /* three ranks need 127 keys, the first none */
        SPAN_EXPECT(r, b.work_max == 3 * h, "%lld", (long long)b.work_max);
        SPAN_EXPECT(r, b.step_work == 3 * h, "%lld", (long long)b.step_work); /* 1, then 2 */
        SPAN_EXPECT(r, b.keys_needed == KV_HEADS * 3 * 127, "%lld", (long long)b.keys_needed);
    }
    /* ranks 4 to 7 of 8 own nothing */
    if (r->comm->size == 8)
        SPAN_EXPECT(r, b.work_max == 3 * h && b.lpt_max == 3 * h, "%lld", (long long)b.work_max);
}

/* The last block of 4 a rank asks. Rows: one rank has all of it. Keys: 8 half blocks a rank, 7 of
 * the one with the diagonal; the queries are with one rank after the other. */
static void queries_that_go_round_work_where_keys_are(span_rank *r)
{
    sb_plan    dense = {.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
    int64_t    R = r->comm->size, n = R * 4 * BLOCK, h = (int64_t)LANES * HEADS;
    sb_run     run[1];
    sb_map     map;
    sb_balance rows, keys;
    SPAN_EXPECT(r, sb_map_create(SB_LAYOUT_CONTIGUOUS, n, BLOCK, r->comm->size, &map) == SB_OK,
                "%s", sb_error_text());
    sb_shape shape = {.q_gid    = sb_map_gid_from(&map, r->comm->rank, n - BLOCK, run),
                      .n_keys   = n,
                      .heads    = HEADS,
                      .kv_heads = KV_HEADS};
    SPAN_EXPECT(r,
                sb_balance_count(&dense, &shape, &map, r->comm->rank, SB_BALANCE_BY_ROWS, r->comm,
                                 &rows) == SB_OK &&
                    sb_balance_count(&dense, &shape, &map, r->comm->rank, SB_BALANCE_BY_KEYS,
                                     r->comm, &keys) == SB_OK,
                "%s", sb_error_text());
    SPAN_EXPECT(r, rows.work_sum == (8 * R - 1) * h && rows.work_max == rows.work_sum, "%lld",
                (long long)rows.work_max);
    SPAN_EXPECT(r, keys.work_sum == rows.work_sum && keys.work_max == (R > 1 ? 8 : 7) * h, "%lld",
                (long long)keys.work_max);
    SPAN_EXPECT(r, keys.step_work == keys.work_sum, "%lld", (long long)keys.step_work);
    sb_map_fini(&map);
}

/* 130 tokens: the second block is 2 x 2 lanes of diagonal, half, and 2 x 128 whole. */
static void a_short_block_counts_what_there_is(span_rank *r)
{
    sb_plan    dense = {.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
    sb_balance b     = count(r, &dense, SB_LAYOUT_BLOCK_STRIPED, 130, 1);
    int64_t    rows  = 2 * (2 * 128) + 2 * 2;
    SPAN_EXPECT(r, b.work_sum == (LANES + rows) * HEADS, "%lld", (long long)b.work_sum);
    SPAN_EXPECT(r, b.work_max == (r->comm->size == 1 ? b.work_sum : (int64_t)LANES * HEADS), "%lld",
                (long long)b.work_max);
}

static void without_an_index_rows_are_work(span_rank *r)
{
    int64_t    n = 1000 * r->comm->size;
    sb_balance b = count(r, NULL, SB_LAYOUT_CONTIGUOUS, n, 1);
    SPAN_EXPECT(r, b.work_sum == n * HEADS && b.work_max == 1000 * HEADS, "%lld",
                (long long)b.work_max);
    SPAN_EXPECT(r, b.step_work == b.work_max && b.keys_foreign == -1, "%lld",
                (long long)b.step_work);
}

/* ---- real indexes ---- */

static const struct {
    const char *method, *params;
    int         exact; /* 0: gaps of a dilated window, or slots, count as needed */
} methods[] = {
    {"dense", "", 1},
    {"a_shape", "sink_tokens=5 window_tokens=100", 1},
    {"power_attention", "block_tokens=64 window_blocks=2", 1},
    {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100", 1},
    {"power_attention", "pattern=neighborhood window_tokens=9 stride_tokens=2 dilation_tokens=5",
     0},
    {"random_blocks", "block_tokens=16 density=0.3", 1},
    {"minference", "vertical_tokens=50 slash_tokens=130", 1},
    {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2", 1},
    {"flexprefill", "block_tokens=32 min_budget_tokens=64 gamma=0.5 tau=0", 1},
    {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.6", 0},
    {"hip", "top_k_tokens=32 window_tokens=16 sink_tokens=4 block_q_tokens=32", 1},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

/* Row by row, key by key. */
static void mark_row(const span_seq *s, int64_t head, int64_t q, uint8_t *need)
{
    const sb_plan *plan = &s->shard.plan;
    sb_segments    it;
    sb_segment     g;
    sb_row_window  w = sb_plan_row_window(plan, head, q);
    sb_segments_begin(&it, plan, head, sb_plan_row(plan, q), q, q);
    while (sb_segments_next(&it, &g))
        for (int64_t i = g.begin; i < g.end && i < s->spec.n_tokens; i++) {
            int64_t k    = sb_plan_has_slots(plan)
                               ? sb_slot_token(&plan->slots, sb_slots_of(&plan->slots, head), i)
                               : i;
            int     sees = g.listed || k < w.sink_end || (k >= w.first && (q - k) % w.step == 0);
            if (k <= q && sees)
                need[k] = 1;
        }
}

static void compare_need(span_rank *r, const span_seq *s, int exact)
{
    int64_t   n     = s->spec.n_tokens;
    sb_shape  shape = {.q_gid = s->gid, .n_keys = n, .heads = HEADS, .kv_heads = KV_HEADS};
    int32_t  *edge  = calloc((size_t)n + 1, sizeof *edge);
    uint64_t *bits  = calloc((size_t)sbi_need_words(n), sizeof *bits);
    uint8_t  *need  = calloc((size_t)n, 1);
    if (edge == NULL || bits == NULL || need == NULL)
        abort();
    for (int64_t kv = 0; kv < KV_HEADS; kv++) {
        int64_t missing = 0, more = 0;
        memset(need, 0, (size_t)n);
        for (int64_t h = kv * HEADS / KV_HEADS; h < (kv + 1) * HEADS / KV_HEADS; h++)
            for (int32_t j = 0; j < s->gid.n_runs; j++)
                for (int64_t i = 0; i < s->gid.run[j].len; i++)
                    mark_row(s, h, s->gid.run[j].start + i, need);
        SPAN_EXPECT(r, sbi_need_find(&s->shard.plan, &shape, kv, edge, bits) == SB_OK, "%s",
                    sb_error_text());
        for (int64_t k = 0; k < n; k++) {
            missing += need[k] && !sbi_need_bit(bits, k);
            more += !need[k] && sbi_need_bit(bits, k);
        }
        SPAN_EXPECT(r, missing == 0 && (more == 0 || !exact), "%s %s: %lld keys missing, %lld more",
                    s->spec.method, s->spec.params, (long long)missing, (long long)more);
    }
    free(edge);
    free(bits);
    free(need);
}

static sb_balance count_seq(span_rank *r, const span_seq *s, sb_comm *comm)
{
    sb_balance b     = {0};
    sb_shape   shape = {.q_gid    = s->gid,
                        .n_keys   = s->spec.n_tokens,
                        .heads    = s->spec.heads,
                        .kv_heads = s->spec.kv_heads,
                        .head_dim = s->spec.head_dim};
    sb_status  st =
        sb_balance_count(&s->shard.plan, &shape, &s->map, comm->rank, SB_BALANCE_BY_ROWS, comm, &b);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    return b;
}

static void one_method(span_rank *r, int m, sb_layout_kind kind)
{
    span_seq_spec spec = {methods[m].method, methods[m].params, kind, 517, 1, HEADS, KV_HEADS, 16};
    sb_comm      *self;
    span_seq      shard, whole;
    sb_status     st = sb_comm_self_create(&self);
    if (st == SB_OK)
        st = span_seq_open(&spec, r->comm, &shard);
    if (st == SB_OK)
        st = span_seq_open(&spec, self, &whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return;
    st = span_seq_prefill(&shard);
    SPAN_EXPECT(r, st == SB_OK && span_seq_prefill(&whole) == SB_OK, "%s", sb_error_text());
    compare_need(r, &shard, methods[m].exact);
    sb_balance a = count_seq(r, &shard, r->comm), again = count_seq(r, &shard, r->comm),
               b = count_seq(r, &whole, self);
    SPAN_EXPECT(r, memcmp(&a, &again, sizeof a) == 0, "%s: not the same twice", spec.method);
    SPAN_EXPECT(r, a.work_sum == b.work_sum, "%s %s, layout %d: %lld lanes, one rank %lld",
                spec.method, spec.params, (int)kind, (long long)a.work_sum, (long long)b.work_sum);
    SPAN_EXPECT(r, a.work_max * r->comm->size >= a.work_sum && a.step_work >= a.work_max, "%s",
                spec.method);
    SPAN_EXPECT(r, a.keys_needed <= a.keys_foreign && b.keys_foreign == 0, "%s", spec.method);
    span_seq_close(&shard);
    span_seq_close(&whole);
    sb_comm_destroy(self);
}

static void work_does_not_depend_on_ranks(span_rank *r)
{
    for (int m = 0; m < N_METHODS; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            one_method(r, m, (sb_layout_kind)kind);
}

/* Power attention on R = 2^k ranks needs log2 R of what a rank owns from others [7.1]: dealt out in
 * stripes nearly so, for only the first stripes have nothing before them. */
static void power_needs_log_of_ranks(span_rank *r)
{
    int64_t       R = r->comm->size, bits = R == 8 ? 3 : R == 4 ? 2 : 1;
    span_seq_spec spec = {
        "power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 2048 * R, 1, 1, 1, 16};
    span_seq s;
    if (R != 2 && R != 4 && R != 8)
        return;
    SPAN_EXPECT(r, span_seq_open(&spec, r->comm, &s) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "%s", sb_error_text());
    sb_balance b = count_seq(r, &s, r->comm);
    SPAN_EXPECT(r,
                b.keys_needed <= bits * spec.n_tokens &&
                    8 * b.keys_needed > (8 * bits - 1) * spec.n_tokens,
                "%lld foreign keys of %lld ranks", (long long)b.keys_needed, (long long)R);
    span_seq_close(&s);
}

const span_case span_balance_cases[] = {
    {"dense_is_the_table", dense_is_the_table},
    {"a_window_by_hand", a_window_by_hand},
    {"queries_that_go_round_work_where_keys_are", queries_that_go_round_work_where_keys_are},
    {"a_short_block_counts_what_there_is", a_short_block_counts_what_there_is},
    {"without_an_index_rows_are_work", without_an_index_rows_are_work},
    {"power_needs_log_of_ranks", power_needs_log_of_ranks},
    {"work_does_not_depend_on_ranks", work_does_not_depend_on_ranks},
    {0},
};
