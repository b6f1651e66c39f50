/* What the quality pass asks of an index and of single rows: blocks of 128, supports, best
 * selections [quality_metrics B1, B2, D]. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/index_blocks.h"
#include "kernels/exec/index_stats.h"
#include "kernels/exec/row_support.h"
#include "kernels/exec/top_mass.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 32 };

static const struct {
    const char *method, *params;
} methods[] = {
    {"dense", ""},
    {"a_shape", "sink_tokens: 5, window_tokens: 100"},
    {"streaming_llm", "sink_tokens: 3, window_tokens: 33"},
    {"power_attention", "block_tokens: 64, window_blocks: 2"},
    {"power_attention", "block_tokens: 16, window_blocks: 3"},
    {"power_attention", "block_tokens: 7, pattern: longnet"},
    {"minference", "vertical_tokens: 50, slash_tokens: 130"},
    {"minference", "pattern: block_sparse, top_k_blocks: 3"},
    {"xattention", "block_tokens: 32, stride_tokens: 8, tau: 0.7"},
    {"anchor_attention", "block_tokens: 16, step_blocks: 2, theta: 2.2"},
    {"flexprefill", "block_tokens: 32, gamma: 0.7, min_budget_tokens: 32"},
    {"hip", "top_k_tokens: 64, window_tokens: 32, sink_tokens: 16"},
    {"pbs_attn",
     "block_tokens: 16, segment_tokens: 64, tau: 0.7"}, /* the last: see N_TOKEN_BLOCKS */
};
enum {
    N_METHODS      = sizeof methods / sizeof *methods,
    N_TOKEN_BLOCKS = N_METHODS - 1 /* the others' blocks hold slots: permuted_example has those */
};

static sb_case *attend(int64_t n, const char *method, const char *params)
{
    sb_case *c = sb_case_random((sb_case_shape){n, n, HEADS, KV_HEADS, DIM}, 11);
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
    return c;
}

/* What an id of the plan's lists means for a key: its slot where there are slots. */
static int64_t name_of(const sb_plan *p, int64_t head, int64_t key)
{
    const sb_slots *s = &p->slots;
    if (s->n_heads == 0)
        return key;
    int64_t slot = key - key % s->segment_tokens;
    while (slot - slot % s->segment_tokens +
               s->offset[(s->n_heads == 1 ? 0 : head) * s->n_slots + slot] !=
           key)
        slot++;
    return slot;
}

static int in_list(const sb_csr *c, int64_t n_rows, int64_t head, int64_t row, int64_t key)
{
    const int64_t *ptr = c->row_ptr + (c->n_heads == 1 ? 0 : head) * n_rows + row;
    for (int64_t i = ptr[0]; i < ptr[1]; i++)
        if (key >= c->id[i] * c->unit_tokens && key < c->id[i] * c->unit_tokens + c->width_tokens)
            return 1;
    return 0;
}

/* Straight from the words of plan.h. */
static int sees(const sb_plan *p, int64_t head, int64_t q, int64_t k)
{
    int64_t row = 0;
    if (k > q)
        return 0;
    if ((p->parts & SB_PART_WINDOW) && (k < p->sink_tokens || q - k < p->window_tokens))
        return 1;
    if (p->parts & (SB_PART_TILES | SB_PART_TOKENS))
        while (p->row_id[row] != q / p->row_tokens)
            row++;
    k = name_of(p, head, k);
    return ((p->parts & SB_PART_TILES) && in_list(&p->tiles, p->n_rows, head, row, k)) ||
           ((p->parts & SB_PART_TOKENS) && in_list(&p->tokens, p->n_rows, head, row, k));
}

static sb_index_blocks blocks_of(const sb_case *c, int64_t head)
{
    sb_index_blocks b;
    sb_index_blocks x, sum = {0};
    ck_assert_int_eq(sb_index_blocks_count(&c->plan, &c->seen, head, &b), SB_OK);
    for (int64_t part = 0; part < 3; part++) { /* shares of it add up to it */
        ck_assert_int_eq(sb_index_blocks_count_part(&c->plan, &c->seen, head, part, 3, &x), SB_OK);
        sum.executed += x.executed;
        sum.dense += x.dense;
    }
    ck_assert_mem_eq(&sum, &b, sizeof b);
    return b;
}

/* ---- blocks ---- */

/* Rows of one 128-row block that share a list are judged together; each counts for its rows, and
 * what the sequence lacks to a whole block goes with the last of them. */
START_TEST(blocks_equal_brute_force)
{
    enum { N = 517 };
    sb_case *c    = attend(N, methods[_i].method, methods[_i].params);
    int      list = (c->plan.parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    for (int64_t h = 0; h < HEADS; h += 3) {
        int64_t want = 0, dense = 0;
        for (int64_t a = 0, b; a < N; a = b) {
            b = (a / 128 + 1) * 128;
            if (list && (a / c->plan.row_tokens + 1) * c->plan.row_tokens < b)
                b = (a / c->plan.row_tokens + 1) * c->plan.row_tokens;
            int64_t rows = b < N ? b - a : (a / 128 + 1) * 128 - a, end = b < N ? b : N;
            for (int64_t k = 0; k < end; k += 128) {
                int any = 0;
                for (int64_t q = a; q < end && !any; q++)
                    for (int64_t x = k; x < k + 128 && x <= q && !any; x++)
                        any = sees(&c->plan, h, q, x);
                want += any ? rows : 0;
                dense += rows;
            }
        }
        ck_assert_int_eq(blocks_of(c, h).executed, want);
        ck_assert_int_eq(blocks_of(c, h).dense, dense);
    }
    sb_case_destroy(c);
}
END_TEST

/* D: dense through the sparse path: rho = rho_block = rho_tile = 1, whoever writes the lists. */
START_TEST(dense_through_the_sparse_path)
{
    static const struct {
        const char *method, *params;
    } all[]                        = {{"dense", ""},
                                      {"xattention", "block_tokens: 64, stride_tokens: 8, tau: 1"},
                                      {"xattention", "block_tokens: 128, stride_tokens: 16, tau: 1"},
                                      {"power_attention", "pattern: sliding_window, block_tokens: 64, window_blocks: 999"},
                                      {"minference", "pattern: block_sparse, top_k_blocks: 999"},
                                      {"a_shape", "window_tokens: 9999"}};
    static const int64_t lengths[] = {300, 512, 777};
    for (int i = 0; i < 3; i++) {
        int64_t        n = lengths[i], t = (n + 127) / 128;
        sb_case       *c = attend(n, all[_i].method, all[_i].params);
        sb_index_stats s;
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 1, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, s.rho_den);
        ck_assert_int_eq(s.rho_den, n * (n + 1) / 2);
        ck_assert_int_eq(s.tile_lanes, s.tile_lanes_dense);
        ck_assert_int_eq(blocks_of(c, 1).executed, 128 * t * (t + 1) / 2);
        ck_assert_int_eq(blocks_of(c, 1).dense, 128 * t * (t + 1) / 2);
        sb_case_destroy(c);
    }
}
END_TEST

static sb_index_blocks window_blocks(int64_t n, int64_t first, int64_t sink, int64_t window,
                                     int is_decode)
{
    sb_plan plan = {
        .parts = SB_PART_WINDOW, .row_tokens = 1, .sink_tokens = sink, .window_tokens = window};
    sb_run          run = {first, n - first};
    sb_shape        s   = {.q_gid     = {&run, 1, n - first},
                           .n_keys    = n,
                           .heads     = 1,
                           .kv_heads  = 1,
                           .head_dim  = DIM,
                           .is_decode = is_decode};
    sb_index_blocks b;
    ck_assert_int_eq(sb_index_blocks_count(&plan, &s, 0, &b), SB_OK);
    return b;
}

/* D: FlexPrefill counts the same blocks of a square of T^2, and dense reads (T + 1) / (2 T) there
 * [A1]; r to 2 T r / (T + 1) is our density [A4]. */
START_TEST(flexprefill_ratio_of_dense_converts_to_one)
{
    static const int64_t lengths[] = {1, 127, 128, 129, 4000, 131072, INT64_C(1) << 21};
    double               t         = (double)((lengths[_i] + 127) / 128);
    sb_index_blocks      b         = window_blocks(lengths[_i], 0, 0, SB_WINDOW_ALL, 0);
    double               r         = (double)b.executed / 128 / (t * t);
    ck_assert_double_eq_tol(r, (t + 1) / (2 * t), 1e-12);
    ck_assert_double_eq_tol(2 * t * r / (t + 1), 1, 1e-12);
    ck_assert_int_eq(b.executed, b.dense);
}
END_TEST

/* T_q o_b + T_q (T_q + 1) / 2 with an offset of whole blocks; one decode step is one block row. */
START_TEST(blocks_of_offset_queries_and_decode)
{
    ck_assert_int_eq(window_blocks(1024, 512, 0, SB_WINDOW_ALL, 0).dense, 128 * (4 * 4 + 10));
    ck_assert_int_eq(window_blocks(1000, 999, 0, SB_WINDOW_ALL, 1).dense, 128 * 8);
    ck_assert_int_eq(window_blocks(1000, 999, 4, 65, 1).executed, 128 * 2); /* sink, and 935..999 */
    ck_assert_int_eq(window_blocks(1000, 999, 4, 165, 1).executed, 128 * 3);
    ck_assert_int_eq(window_blocks(1000, 999, 0, 1, 1).executed, 128);
}
END_TEST

START_TEST(blocks_add_up_over_ranks)
{
    enum { N = 1003 };
    static const int64_t quantum[] = {1, 1, 1, 64, 16, 7, 64, 64, 32, 32, 32, 64, 64};
    sb_case             *c         = attend(N, methods[_i].method, methods[_i].params);
    sb_index_blocks      one       = blocks_of(c, 1);
    for (int64_t ranks = 2; ranks <= 4; ranks++) {
        sb_index_blocks sum = {0};
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run          run[2];
            sb_shape        s = c->seen;
            sb_index_blocks b;
            s.q_gid = sb_case_zigzag(run, 0, N, quantum[_i], rank, ranks);
            ck_assert_int_eq(sb_index_blocks_count(&c->plan, &s, 1, &b), SB_OK);
            sum.executed += b.executed;
            sum.dense += b.dense;
        }
        ck_assert_int_eq(sum.executed, one.executed);
        ck_assert_int_eq(sum.dense, one.dense);
    }
    sb_case_destroy(c);
}
END_TEST

START_TEST(foreign_rows_are_an_error)
{
    sb_case        *c     = attend(128, "power_attention", "block_tokens: 16");
    sb_run          other = {256, 64};
    sb_index_blocks b     = {-5, -5};
    uint8_t         any   = 1;
    int64_t         key   = 0;
    c->seen.q_gid         = (sb_gid){&other, 1, 64};
    ck_assert_int_eq(sb_index_blocks_count(&c->plan, &c->seen, 0, &b), SB_ERR_INTERNAL);
    ck_assert(b.executed == -5 && b.dense == -5);
    ck_assert_int_eq(sb_row_support_count(&c->plan, 0, 256), -1);
    sb_row_support_of(&c->plan, 0, 256, &key, 1, &any);
    ck_assert_int_eq(any, 0);
    sb_case_destroy(c);
}
END_TEST

/* ---- pairs: closed forms [B1, D] ---- */

/* Streaming: sum of min(|C_i|, sink + window). */
START_TEST(sink_and_window_have_a_closed_form)
{
    static const int64_t kits[][3] = {
        {1000, 4, 65}, {1000, 0, 1}, {1000, 70, 30}, {60, 4, 65}, {INT64_C(1) << 21, 4, 4096}};
    int64_t n = kits[_i][0], sink = kits[_i][1], window = kits[_i][2], want = 0;
    sb_plan plan = {
        .parts = SB_PART_WINDOW, .row_tokens = 1, .sink_tokens = sink, .window_tokens = window};
    sb_run   run = {0, n};
    sb_shape s   = {.q_gid = {&run, 1, n}, .n_keys = n, .heads = 1, .kv_heads = 1, .head_dim = DIM};
    sb_index_stats x;
    for (int64_t i = 0; i < n; i++)
        want += i + 1 < sink + window ? i + 1 : sink + window;
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &x), SB_OK);
    ck_assert_int_eq(x.rho_num, want);
}
END_TEST

/* D: verticals inside the window add no pair; outside of it one a row that may see them. */
START_TEST(union_not_sum)
{
    enum { N = 256 };
    int32_t  row_id = 0, inside[] = {3, 200, 201, 255}, outside[] = {20};
    int64_t  ptr_inside[] = {0, 4}, ptr_outside[] = {0, 1};
    sb_plan  plan = {.parts         = SB_PART_WINDOW,
                     .row_tokens    = N,
                     .n_rows        = 1,
                     .row_id        = &row_id,
                     .sink_tokens   = 8,
                     .window_tokens = 57};
    sb_run   run  = {0, N};
    sb_shape s = {.q_gid = {&run, 1, N}, .n_keys = N, .heads = 1, .kv_heads = 1, .head_dim = DIM};
    sb_index_stats alone, both;
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &alone), SB_OK);
    plan.parts |= SB_PART_TOKENS;
    plan.tokens = (sb_csr){1, ptr_inside, inside, 4, 1, 1};
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &both), SB_OK);
    /* 200 and 201 leave the window of rows 257 and later: none; 3 is a sink */
    ck_assert_int_eq(both.rho_num, alone.rho_num);
    plan.tokens = (sb_csr){1, ptr_outside, outside, 1, 1, 1};
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &both), SB_OK);
    ck_assert_int_eq(both.rho_num, alone.rho_num + N - (20 + 57)); /* rows 77 and later */
}
END_TEST

/* D: 2^21 tokens, 128 heads: pairs of a layer stay far inside int64. */
START_TEST(a_layer_of_pairs_fits_int64)
{
    int64_t  n = INT64_C(1) << 21, sum = 0;
    sb_plan  plan = {.parts = SB_PART_WINDOW, .row_tokens = 1, .window_tokens = SB_WINDOW_ALL};
    sb_run   run  = {0, n};
    sb_shape s = {.q_gid = {&run, 1, n}, .n_keys = n, .heads = 128, .kv_heads = 8, .head_dim = 128};
    sb_index_stats x;
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &x), SB_OK);
    for (int64_t h = 0; h < s.heads; h++)
        ck_assert(!__builtin_add_overflow(sum, x.rho_num, &sum));
    ck_assert_double_eq_tol((double)sum / 2.8147511e14, 1, 1e-6);
    int64_t flops;
    ck_assert(!__builtin_mul_overflow(sum, 4 * s.head_dim, &flops));
}
END_TEST

/* ---- supports ---- */

START_TEST(supports_equal_the_plan)
{
    enum { N = 517 };
    sb_case *c = attend(N, methods[_i].method, methods[_i].params);
    int64_t  key[N];
    uint8_t  seen[N];
    int64_t  n_keys = 0;
    for (int64_t k = 0; k < N; k += 1 + k % 3) /* not all of them, and one of them twice */
        key[n_keys++] = k;
    key[n_keys] = key[n_keys - 1];
    n_keys++;
    for (int64_t h = 0; h < HEADS; h += 3)
        for (int64_t q = 0; q < N; q += 29) {
            int64_t n = 0;
            for (int64_t k = 0; k <= q; k++)
                n += sees(&c->plan, h, q, k);
            ck_assert_int_eq(sb_row_support_count(&c->plan, h, q), n);
            memset(seen, 7, sizeof seen);
            sb_row_support_of(&c->plan, h, q, key, n_keys, seen);
            for (int64_t i = 0; i < n_keys; i++)
                ck_assert_int_eq(seen[i], sees(&c->plan, h, q, key[i]));
        }
    sb_case_destroy(c);
}
END_TEST

/* ---- slots: the worked example of PBS [D; pbs_attn], each of its tokens 64 times ---- */

enum { TIMES = 64, P_N = 8 * TIMES, P_BLOCK = 2 * TIMES, P_SEGMENT = 4 * TIMES };

/* Blocks of segment 0 hold tokens 0 and 2, 1 and 3; queries of segment 1 list the first of them. */
static sb_plan permuted(uint16_t offset[P_N])
{
    static int32_t   row_id[] = {0, 1, 2, 3}, tile[] = {0, 1, 0, 1, 0, 2, 3, 0, 2, 3};
    static int64_t   ptr[]   = {0, 2, 4, 7, 10};
    static const int order[] = {0, 2, 1, 3, 0, 1, 2, 3};
    for (int i = 0; i < P_N; i++)
        offset[i] = (uint16_t)(order[i / TIMES] * TIMES + i % TIMES);
    return (sb_plan){.parts      = SB_PART_TILES,
                     .row_tokens = P_BLOCK,
                     .n_rows     = 4,
                     .row_id     = row_id,
                     .tiles      = {1, ptr, tile, 10, P_BLOCK, P_BLOCK},
                     .slots      = {1, P_N, P_SEGMENT, offset}};
}

START_TEST(permuted_example_in_blocks_and_pairs)
{
    uint16_t offset[P_N];
    sb_plan  plan = permuted(offset);
    sb_run   run  = {0, P_N};
    sb_shape s    = {
           .q_gid = {&run, 1, P_N}, .n_keys = P_N, .heads = 1, .kv_heads = 1, .head_dim = DIM};
    sb_index_blocks b;
    int64_t         pairs = 0;
    ck_assert_int_eq(sb_index_blocks_count(&plan, &s, 0, &b), SB_OK);
    ck_assert_int_eq(b.executed, 128 * (2 + 2 + 3 + 3)); /* of T (T + 1) / 2 = 10: rho_block is 1 */
    ck_assert_int_eq(b.dense, 128 * 10);
    for (int64_t q = 0; q < P_N; q++) {
        int64_t n = sb_row_support_count(&plan, 0, q);
        /* the own segment up to the row, whatever the order in it; tokens 0 and 2 of the other */
        ck_assert_int_eq(n, q % P_SEGMENT + 1 + (q < P_SEGMENT ? 0 : 2 * TIMES));
        pairs += n;
    }
    ck_assert_int_eq(pairs, P_SEGMENT * (P_SEGMENT + 1) + P_SEGMENT * 2 * TIMES);
    sb_index_stats x;
    ck_assert_int_eq(sb_index_stats_count(&plan, &s, 0, &x), SB_OK);
    ck_assert_int_eq(x.rho_num, pairs);
    int64_t key[P_N];
    uint8_t seen[P_N];
    for (int64_t k = 0; k < P_N; k++)
        key[k] = k;
    for (int64_t q = 0; q < P_N; q += 37) {
        sb_row_support_of(&plan, 0, q, key, P_N, seen);
        for (int64_t k = 0; k < P_N; k++)
            ck_assert_int_eq(seen[k],
                             k <= q && (q < P_SEGMENT || k >= P_SEGMENT || (k / TIMES) % 2 == 0));
    }
}
END_TEST

/* A part of the own segment: its tokens decide, not the places of its slots. */
START_TEST(part_of_the_own_segment)
{
    uint16_t offset[P_N];
    int32_t  row_id = 1, tile = 0;
    int64_t  ptr[] = {0, 1};
    sb_plan  plan  = permuted(offset);
    plan.n_rows    = 1;
    plan.row_id    = &row_id;
    plan.tiles     = (sb_csr){1, ptr, &tile, 1, P_BLOCK, P_BLOCK}; /* tokens 0 and 2, 64 times */
    for (int64_t q = P_BLOCK; q < P_SEGMENT; q++)
        ck_assert_int_eq(sb_row_support_count(&plan, 0, q),
                         TIMES + (q < 3 * TIMES ? q - 2 * TIMES + 1 : TIMES));
}
END_TEST

/* ---- best selections ---- */

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

/* Against sorted fp64 probabilities, for 1, some and all keys; rows of any number a tile. */
START_TEST(top_mass_is_the_sum_of_the_largest)
{
    static const int64_t shapes[][4] = {
        {1, 4, 2, 16}, {33, 4, 2, 32}, {70, 8, 1, 16}, {9, 3, 3, 64}};
    int64_t  n_q = shapes[_i][0], heads = shapes[_i][1], n = 600, d = shapes[_i][3];
    sb_case *c   = sb_case_random((sb_case_shape){n_q, n, heads, shapes[_i][2], d}, 4);
    int64_t *row = malloc((size_t)n_q * sizeof *row), *keep = malloc((size_t)(n_q * heads) * 8);
    float   *lse = malloc((size_t)(n_q * heads) * sizeof *lse);
    double *mass = malloc((size_t)(n_q * heads) * sizeof *mass), *p = malloc((size_t)n * sizeof *p);
    double *want = malloc((size_t)(n_q * heads) * sizeof *want);
    for (int64_t i = 0; i < n_q; i++)
        row[i] = (i + 1) * (n - 1) / n_q;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = 0; i < n_q; i++) {
            int64_t at = h * n_q + i, kv = h / (heads / shapes[_i][2]);
            double  sum = 0;
            for (int64_t k = 0; k <= row[i]; k++) {
                double s = 0;
                for (int64_t x = 0; x < d; x++)
                    s += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, h, i)[x]) *
                         (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, kv, k)[x]);
                p[k] = exp(s * (double)c->scale);
                sum += p[k];
            }
            qsort(p, (size_t)row[i] + 1, sizeof *p, descending);
            keep[at] = at % 4 == 0 ? 1 : at % 4 == 1 ? row[i] + 1 : 1 + (row[i] * (at % 7)) / 7;
            lse[at]  = (float)log(sum);
            want[at] = 0;
            for (int64_t k = 0; k < keep[at]; k++)
                want[at] += p[k] / sum;
        }
    sb_ctx ctx = {.backend = &sb_backend_cpu, .threads = 2};
    ck_assert_int_eq(sb_top_mass_cpu(&ctx, &c->q, row, &c->k, c->scale, lse, keep, mass), SB_OK);
    for (int64_t at = 0; at < n_q * heads; at++) {
        /* all: no bin is cut; one: it may share the first bin with others */
        ck_assert_double_eq_tol(mass[at], want[at],
                                at % 4 == 1   ? 5e-6
                                : at % 4 == 0 ? 0.016 * want[at]
                                              : 1e-3);
        if (row[at % n_q] == 0)
            ck_assert_double_eq_tol(mass[at], 1, 1e-6);
    }
    double *again = malloc((size_t)(n_q * heads) * sizeof *again);
    ctx.threads   = 1; /* the same bits */
    ck_assert_int_eq(sb_top_mass_cpu(&ctx, &c->q, row, &c->k, c->scale, lse, keep, again), SB_OK);
    ck_assert_mem_eq(again, mass, (size_t)(n_q * heads) * sizeof *mass);
    row[0] = n;
    ck_assert_int_eq(sb_top_mass_cpu(&ctx, &c->q, row, &c->k, c->scale, lse, keep, again),
                     SB_ERR_INTERNAL);
    free(row);
    free(keep);
    free(lse);
    free(mass);
    free(again);
    free(want);
    free(p);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("row metrics");
    TCase *t = tcase_create("counts");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, blocks_equal_brute_force, 0, N_TOKEN_BLOCKS);
    tcase_add_loop_test(t, dense_through_the_sparse_path, 0, 6);
    tcase_add_loop_test(t, flexprefill_ratio_of_dense_converts_to_one, 0, 7);
    tcase_add_test(t, blocks_of_offset_queries_and_decode);
    tcase_add_loop_test(t, blocks_add_up_over_ranks, 0, N_METHODS);
    tcase_add_test(t, foreign_rows_are_an_error);
    tcase_add_loop_test(t, sink_and_window_have_a_closed_form, 0, 5);
    tcase_add_test(t, union_not_sum);
    tcase_add_test(t, a_layer_of_pairs_fits_int64);
    tcase_add_loop_test(t, supports_equal_the_plan, 0, N_METHODS);
    tcase_add_test(t, permuted_example_in_blocks_and_pairs);
    tcase_add_test(t, part_of_the_own_segment);
    tcase_add_loop_test(t, top_mass_is_the_sum_of_the_largest, 0, 4);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
