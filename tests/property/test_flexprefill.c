/* flexprefill 10: its invariants, and the rules of its sections 3, 5 and 6, on the whole method.
 * Its parts are held against their formulas in test_flexprefill_parts.c, calls that are dense or
 * refused stand in test_flexprefill_calls.c, ranks in tests/mpi. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/flexprefill/cover.h"
#include "tests/oracle/predicates.h"
#include "tests/property/flex_rig.h"
#include "tests/property/flexprefill_judge.h"
#include "tests/tolerance.h"

enum { MAX_BLOCKS = 64 };

static double normal(uint64_t key)
{
    double sum = 0; /* Irwin-Hall: variance 1 */
    for (uint64_t i = 0; i < 12; i++)
        sum += (double)(sb_mix(key * 12 + i) >> 11) * 0x1p-53;
    return sum - 6;
}

static void fill_normal(sb_tensor *t, double size, uint64_t seed)
{
    for (int64_t i = 0; i < t->heads * t->head_stride; i++)
        ((sb_bf16 *)t->data)[i] = sb_bf16_from_f32((float)(size * normal((uint64_t)i + seed)));
}

/* Query-aware heads of the last run. */
static int n_aware(const sb_case *c) { return ((sbi_flex_room *)c->plan.method_data)->n_aware; }

static const sbi_flex_room *room_of(const sb_case *c) { return c->plan.method_data; }

static int64_t size_of(const uint64_t *set, int64_t n)
{
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += flex_has(set, i);
    return count;
}

/* Same lists? */
static int same_index(const sb_plan *p, const int64_t *ptr, const int32_t *ids)
{
    int64_t n = p->tiles.n_heads * p->n_rows;
    return memcmp(p->tiles.row_ptr, ptr, (size_t)(n + 1) * sizeof *ptr) == 0 &&
           memcmp(p->tiles.id, ids, (size_t)ptr[n] * sizeof *ids) == 0;
}

/* ---- 10.1: the other end ---- */

/* Flat attention and gamma close to 1 make K about N, so b_v = n: every block is chosen, and the
 * result is dense to the bit. */
START_TEST(full_budget_equals_dense)
{
    enum { N = 1000 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 4, 2, 64}, 2);
    memset(c->q.data, 0, 4 * N * 64 * sizeof(sb_bf16));
    flex_dense(c);
    float *o = flex_copy(c->o.data, 4 * N * 64, sizeof *o);
    flex_attend(c, "tau: 0, gamma: 0.99999, min_budget_tokens: 1");
    ck_assert_int_eq(c->plan.fallback, 0);
    ck_assert_int_eq(c->plan.tiles.row_ptr[4 * 8], 4 * 8 * 9 / 2);
    ck_assert_mem_eq(c->o.data, o, 4 * N * 64 * sizeof *o);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* The least budgets leave the first and the own block; slash_cover 2 adds the one before it. */
START_TEST(least_budget_is_sink_and_diagonal)
{
    sb_case *c = sb_case_random((sb_case_shape){700, 700, 4, 2, 32}, 2);
    for (int cover = 1; cover <= 2; cover++) {
        char params[128];
        snprintf(params, sizeof params,
                 "block_tokens: 32, tau: 0, min_budget_tokens: 1, max_budget_tokens: 32, "
                 "slash_cover: %d",
                 cover);
        flex_attend(c, params);
        for (int64_t h = 0; h < 4; h++)
            for (int64_t i = 0; i < c->plan.n_rows; i++) {
                int keep[MAX_BLOCKS];
                flex_flags(&c->plan, h, i, keep);
                for (int64_t j = 0; j <= i; j++)
                    ck_assert_int_eq(keep[j], j == 0 || i - j < cover);
            }
        sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_sliding,
                                        &(block_rule){.b = 32, .w = cover, .s = 1}, 37);
        ck_assert_double_le(e.nmse, SB_NMSE_F32);
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- 10.2: every list, for ragged lengths and grouped heads ---- */

static const struct {
    sb_case_shape shape;
    const char   *params;
} listed[] = {
    {{1000, 1000, 8, 2, 64}, "block_tokens: 32, min_budget_tokens: 64, gamma: 0.5"},
    {{1003, 1003, 4, 4, 32}, "block_tokens: 64, min_budget_tokens: 1, gamma: 0.5, tau: 1"},
    {{513, 513, 6, 1, 48}, "block_tokens: 128, min_budget_tokens: 1, gamma: 0.3, tau: 0"},
    {{769, 769, 2, 1, 80}, "block_tokens: 32, min_budget_tokens: 1, gamma: 0.7, tau: 0.5"},
    {{641, 641, 2, 1, 256}, "block_tokens: 32, min_budget_tokens: 1, compat: official"},
};
enum { N_LISTED = sizeof listed / sizeof *listed };

/* And the lists are what the choice of the head says: columns, diagonals, and nothing else for a
 * vertical-slash head [3.8]. */
START_TEST(rows_hold_first_and_own_block)
{
    sb_case *c = sb_case_random(listed[_i].shape, 40 + (uint64_t)_i);
    flex_attend(c, listed[_i].params);
    const sbi_flex_room *room = room_of(c);
    ck_assert_int_eq(c->plan.fallback, 0);
    ck_assert_int_eq(c->plan.n_rows, room->n_blocks);
    ck_assert_int_eq(c->plan.tiles.n_heads, c->shape.heads);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        const uint64_t *columns = sbi_flex_columns(room, h), *offsets = sbi_flex_offsets(room, h);
        ck_assert(flex_has(columns, 0) && flex_has(offsets, 0));
        for (int64_t i = 0; i < c->plan.n_rows; i++) {
            int keep[MAX_BLOCKS];
            flex_flags(&c->plan, h, i, keep);
            for (int64_t j = 0; j <= i; j++) {
                int chosen = flex_has(columns, j) || flex_has(offsets, i - j);
                ck_assert(keep[j] >= chosen);
                ck_assert(keep[j] == chosen || *sbi_flex_choice(room, h) == 1);
            }
        }
    }
    ck_assert_int_le(c->plan.tiles.row_ptr[c->shape.heads * c->plan.n_rows],
                     c->plan.tiles.capacity);
    sb_case_destroy(c);
}
END_TEST

/* ---- 3, against another hand's ---- */

static const struct {
    sb_case_shape shape;
    const char   *params;
    fjudge_rule   rule;
} judged[] = {
    {{256, 256, 4, 2, 16},
     "block_tokens: 32, min_budget_tokens: 1, gamma: 0.6, tau: 0.2",
     {32, 1, 8, .6, .2}},
    {{301, 301, 4, 2, 32},
     "block_tokens: 32, min_budget_tokens: 64, gamma: 0.5, tau: 0",
     {32, 2, 10, .5, 0}},
    {{301, 301, 4, 1, 16},
     "block_tokens: 32, min_budget_tokens: 64, gamma: 0.5, tau: 0.9",
     {32, 2, 10, .5, .9}},
    {{520, 520, 2, 2, 16},
     "block_tokens: 64, min_budget_tokens: 1, gamma: 0.8, tau: 0, max_budget_tokens: 200",
     {64, 1, 4, .8, 0}},
    {{641, 641, 2, 1, 16},
     "block_tokens: 128, min_budget_tokens: 1, gamma: 0.7, tau: 0.3",
     {128, 1, 6, .7, .3}},
};
enum { N_JUDGED = sizeof judged / sizeof *judged };

/* Block by block what fp64 and brute force select, where no decision hangs on rounding. */
START_TEST(selection_matches_judge)
{
    static uint8_t mask[MAX_BLOCKS * MAX_BLOCKS];
    int            clear = 0, dropped = 0;
    for (uint64_t seed = 0; seed < 4; seed++) {
        sb_case *c = flex_one_thread(judged[_i].shape, 50 + seed);
        flex_attend(c, judged[_i].params);
        int64_t n = c->plan.n_rows;
        for (int64_t h = 0; h < c->shape.heads; h++) {
            fjudge_head want = fjudge_select(&c->q, &c->k, &judged[_i].rule, h, mask);
            if (want.margin < 1e-5)
                continue;
            clear++;
            ck_assert_int_eq(*sbi_flex_choice(room_of(c), h) != 0, want.query_aware);
            ck_assert_int_eq(size_of(sbi_flex_columns(room_of(c), h), n), want.b_v);
            ck_assert_int_eq(size_of(sbi_flex_offsets(room_of(c), h), n), want.b_s);
            for (int64_t i = 0; i < n; i++) {
                int keep[MAX_BLOCKS];
                flex_flags(&c->plan, h, i, keep);
                for (int64_t j = 0; j <= i; j++) {
                    if (keep[j] != mask[i * n + j])
                        ck_abort_msg("head %d row %d block %d: %d", (int)h, (int)i, (int)j,
                                     keep[j]);
                    dropped += !keep[j];
                }
            }
        }
        sb_case_destroy(c);
    }
    ck_assert_int_ge(clear, 4); /* else this says little */
    ck_assert_int_gt(dropped, 0);
}
END_TEST

/* ---- 3.3, 3.5: budgets ---- */

/* q = 0: every column before the last block weighs v = mean of 1 / (N - B + i + 1), the heaviest,
 * so K = 1 + floor(gamma / v) while those suffice. K is divided by 128 whatever B [11]. */
START_TEST(budget_is_k_over_128)
{
    static const struct {
        int64_t n, b;
        double  gamma;
    } table[] = {{2048, 128, 0.3}, {2048, 64, 0.3},  {2048, 32, 0.3},  {2048, 128, 0.9},
                 {2048, 32, 0.9},  {1500, 32, 0.02}, {2048, 32, 0.031}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t  n = table[i].n, b = table[i].b;
        double   v = 0;
        char     params[128];
        sb_case *c = flex_one_thread((sb_case_shape){n, n, 1, 1, 16}, 2);
        memset(c->q.data, 0, (size_t)(n * 16) * sizeof(sb_bf16));
        for (int64_t j = 0; j < b; j++)
            v += 1.0 / (double)(n - b + j + 1) / (double)b;
        snprintf(params, sizeof params, "block_tokens: %d, min_budget_tokens: 1, tau: 0, gamma: %g",
                 (int)b, table[i].gamma);
        flex_attend(c, params);
        int64_t want = (1 + (int64_t)(table[i].gamma / v)) / 128 + 1;
        ck_assert_int_eq(size_of(sbi_flex_columns(room_of(c), 0), n / b), want);
        /* ties: the smaller column */
        for (int64_t j = 0; j < want; j++)
            ck_assert(flex_has(sbi_flex_columns(room_of(c), 0), j));
        sb_case_destroy(c);
    }
}
END_TEST

/* Raised to m_b, then capped: the cap wins. A query-aware head knows m_b only. */
START_TEST(budgets_are_clamped)
{
    static const struct {
        const char *params;
        int64_t     least, most;
    } table[] = {
        {"block_tokens: 32, tau: 0, gamma: 0.05, min_budget_tokens: 129", 5, 32},
        {"block_tokens: 32, tau: 0, gamma: 0.9, min_budget_tokens: 1, max_budget_tokens: 97", 1, 4},
        {"block_tokens: 32, tau: 0, gamma: 0.9, min_budget_tokens: 256, max_budget_tokens: 64", 2,
         2},
        {"block_tokens: 32, tau: 1, gamma: 0.9, min_budget_tokens: 256, max_budget_tokens: 64", 8,
         8},
        {"block_tokens: 32, tau: 1, gamma: 0.9, min_budget_tokens: 1", 1, 1},
    };
    sb_case *c = flex_one_thread((sb_case_shape){1024, 1024, 4, 2, 32}, 12);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        flex_attend(c, table[i].params);
        for (int64_t h = 0; h < 4; h++)
            for (int slash = 0; slash < 2; slash++) {
                int64_t b = size_of(
                    slash ? sbi_flex_offsets(room_of(c), h) : sbi_flex_columns(room_of(c), h), 32);
                ck_assert_msg(b >= table[i].least && b <= table[i].most, "%s: %d blocks",
                              table[i].params, (int)b);
            }
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- 10.3 ---- */

START_TEST(monotone_in_gamma)
{
    enum { H = 2, N = 1024, BLOCKS = 32 };
    static int      before[H][BLOCKS][BLOCKS], keep[BLOCKS];
    static uint64_t sets[H][2], now[H][2];
    sb_case        *c    = flex_one_thread((sb_case_shape){N, N, H, 1, 16}, 8);
    int64_t         last = 0, grown = 0;
    int64_t         lines[2] = {0, 0};
    memset(before, 0, sizeof before);
    memset(sets, 0, sizeof sets);
    for (int step = 1; step <= 14; step++) {
        char   params[128];
        double gamma = step < 14 ? step / 14.0 : 0.9999;
        snprintf(params, sizeof params, "block_tokens: 32, min_budget_tokens: 1, tau: 0, gamma: %g",
                 gamma);
        flex_rig r = flex_open(c, params, 1);
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, 0);
        uint64_t limit = (uint64_t)(gamma * 32 * 0x1p40);
        int64_t  k[2]  = {sbi_flex_cover(r.room->vertical, N, limit),
                          sbi_flex_cover(r.room->slash, N, limit)};
        ck_assert(k[0] >= lines[0] && k[1] >= lines[1]);
        memcpy(lines, k, sizeof k);
        flex_close(&r);
        flex_attend(c, params);
        ck_assert_int_eq(n_aware(c), 0); /* tau = 0 */
        for (int h = 0; h < H; h++) {
            now[h][0] = *sbi_flex_columns(room_of(c), h);
            now[h][1] = *sbi_flex_offsets(room_of(c), h);
            for (int i = 0; i < 2; i++)
                ck_assert_uint_eq(sets[h][i] & ~now[h][i], 0); /* nested */
            for (int row = 0; row < BLOCKS; row++) {
                flex_flags(&c->plan, h, row, keep);
                for (int j = 0; j <= row; j++)
                    if (before[h][row][j] > keep[j])
                        ck_abort_msg("block %d lost at gamma %g", j, gamma);
                memcpy(before[h][row], keep, sizeof keep);
            }
        }
        memcpy(sets, now, sizeof sets);
        int64_t n = c->plan.tiles.row_ptr[H * BLOCKS];
        ck_assert_int_ge(n, last);
        grown += n > last;
        last = n;
    }
    ck_assert_int_gt(grown, 5); /* else this says little */
    sb_case_destroy(c);
}
END_TEST

START_TEST(tau_decides_who_is_query_aware)
{
    sb_case *c = flex_one_thread((sb_case_shape){300, 300, 8, 2, 16}, 8);
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, tau: 0");
    ck_assert_int_eq(n_aware(c), 0);
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, tau: 0.84");
    ck_assert_int_eq(n_aware(c), 8);
    int last = 0, middle = 0;
    for (int step = 0; step <= 50; step++) {
        char params[96];
        snprintf(params, sizeof params, "block_tokens: 32, min_budget_tokens: 1, tau: %g",
                 step / 50.0);
        flex_attend(c, params);
        ck_assert_int_ge(n_aware(c), last);
        last = n_aware(c);
        middle |= last > 0 && last < 8;
        for (int32_t i = 0; i < last; i++)
            ck_assert_uint_eq(*sbi_flex_choice(room_of(c), room_of(c)->aware[i]), 1);
    }
    ck_assert_int_eq(last, 8);
    ck_assert(middle);
    sb_case_destroy(c);
}
END_TEST

/* More mass, more blocks also for query-aware heads. */
START_TEST(query_aware_blocks_are_nested)
{
    enum { BLOCKS = 22 };
    static int before[BLOCKS][BLOCKS], keep[BLOCKS];
    sb_case   *c = flex_one_thread((sb_case_shape){700, 700, 1, 1, 32}, 8);
    memset(before, 0, sizeof before);
    for (int step = 1; step < 20; step++) {
        char params[96];
        snprintf(params, sizeof params,
                 "block_tokens: 32, min_budget_tokens: 64, tau: 1, gamma: %g", step / 20.0);
        flex_attend(c, params);
        for (int row = 0; row < BLOCKS; row++) {
            flex_flags(&c->plan, 0, row, keep);
            for (int j = 0; j <= row; j++)
                ck_assert_int_ge(keep[j], before[row][j]);
            memcpy(before[row], keep, sizeof keep);
        }
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- 10.4 ---- */

START_TEST(grouped_heads_select_alike)
{
    enum { N = 700, D = 32 };
    const char *const params[] = {"block_tokens: 32, min_budget_tokens: 64, gamma: 0.6, tau: 0",
                                  "block_tokens: 32, min_budget_tokens: 64, gamma: 0.6, tau: 1"};
    sb_case          *c        = sb_case_random((sb_case_shape){N, N, 4, 2, D}, 4);
    sb_case          *wide     = sb_case_random((sb_case_shape){N, N, 4, 4, D}, 4);
    for (int h = 1; h < 4; h += 2) /* heads 0 and 1 ask the same, so do 2 and 3 */
        memcpy(sb_tensor_bf16(&c->q, h, 0), sb_tensor_bf16(&c->q, h - 1, 0), N * D * 2);
    memcpy(wide->q.data, c->q.data, 4 * N * D * 2);
    for (int h = 0; h < 4; h++) { /* K, V repeated */
        memcpy(sb_tensor_bf16(&wide->k, h, 0), sb_tensor_bf16(&c->k, h / 2, 0), N * D * 2);
        memcpy(sb_tensor_bf16(&wide->v, h, 0), sb_tensor_bf16(&c->v, h / 2, 0), N * D * 2);
    }
    flex_attend(c, params[_i]);
    flex_attend(wide, params[_i]);
    ck_assert(same_index(&wide->plan, c->plan.tiles.row_ptr, c->plan.tiles.id));
    int differ = 0;
    for (int64_t row = 0; row < c->plan.n_rows; row++) {
        int a[2][MAX_BLOCKS] = {{0}}, b[2][MAX_BLOCKS] = {{0}};
        for (int g = 0; g < 2; g++) {
            flex_flags(&c->plan, g * 2, row, a[g]);
            flex_flags(&c->plan, g * 2 + 1, row, b[g]);
        }
        ck_assert_mem_eq(a, b, sizeof a);
        differ |= memcmp(a[0], a[1], sizeof a[0]) != 0;
    }
    ck_assert(differ); /* the groups do */
    ck_assert_mem_eq(c->o.data, wide->o.data, 4 * N * D * sizeof(float));
    sb_case_destroy(c);
    sb_case_destroy(wide);
}
END_TEST

/* ---- 10.6 ---- */

START_TEST(needle_is_found)
{
    enum { N = 1003, D = 32, B = 32 };
    for (int64_t at = 70; at < N - B; at += 311) {
        sb_case *c = flex_one_thread((sb_case_shape){N, N, 1, 1, D}, 5);
        for (int64_t i = 0; i < N; i++)
            sb_tensor_bf16(&c->q, 0, i)[0] = sb_bf16_from_f32(8);
        sb_tensor_bf16(&c->k, 0, at)[0] = sb_bf16_from_f32(64);
        flex_attend(c, "block_tokens: 32, min_budget_tokens: 64, gamma: 0.5, tau: 0");
        ck_assert(flex_has(sbi_flex_columns(room_of(c), 0), at / B));
        ck_assert_int_eq(size_of(sbi_flex_columns(room_of(c), 0), 32), 2);
        for (int64_t row = at / B; row < c->plan.n_rows; row++) {
            int keep[MAX_BLOCKS];
            flex_flags(&c->plan, 0, row, keep);
            ck_assert_int_eq(keep[at / B], 1);
        }
        sb_case_destroy(c);
    }
}
END_TEST

/* A key always the same distance back: q_i = e(i mod D), k_j = e((j + distance) mod D) meet at
 * distance + m D; only the nearest is made large. */
START_TEST(fixed_distance_is_found)
{
    enum { D = 256, B = 32 };
    static const struct {
        int64_t n, distance;
    } table[] = {{512, 100}, {512, 128}, {512, 255}, {500, 77}, {500, 31}, {491, 200}};
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        int64_t  n = table[t].n, delta = table[t].distance, blocks = (n + B - 1) / B;
        sb_case *c = flex_one_thread((sb_case_shape){n, n, 1, 1, D}, 5);
        memset(c->q.data, 0, (size_t)(n * D) * sizeof(sb_bf16));
        memset(c->k.data, 0, (size_t)(n * D) * sizeof(sb_bf16));
        for (int64_t i = 0; i < n; i++) {
            sb_tensor_bf16(&c->q, 0, i)[i % D] = sb_bf16_from_f32(32);
            if (i >= n - B - delta) /* what the last queries meet once */
                sb_tensor_bf16(&c->k, 0, i)[(i + delta) % D] = sb_bf16_from_f32(16);
        }
        flex_attend(c, "block_tokens: 32, min_budget_tokens: 64, gamma: 0.5, tau: 0");
        const uint64_t *offsets = sbi_flex_offsets(room_of(c), 0);
        int64_t         want    = blocks - 1 - (n - 1 - delta) / B;
        ck_assert_int_eq(size_of(offsets, blocks), want == 0 ? size_of(offsets, blocks) : 2);
        ck_assert_msg(flex_has(offsets, want), "n %d, distance %d", (int)n, (int)delta);
        sb_case_destroy(c);
    }
}
END_TEST

/* ---- 3.5, 5: modes ---- */

/* 9, 10.9: both modes of arithmetic choose nearly the same blocks, and each marginal sums to 1 in
 * both (test_flexprefill_parts). */
START_TEST(modes_overlap)
{
    enum { N = 2048, H = 4, BLOCKS = 64 };
    sb_case *c[2];
    int64_t  both = 0, any = 0;
    for (int mode = 0; mode < 2; mode++) {
        c[mode] = sb_case_random((sb_case_shape){N, N, H, 2, 64}, 77);
        flex_attend(c[mode], mode ? "block_tokens: 32, min_budget_tokens: 128, gamma: 0.9, "
                                    "compat: official"
                                  : "block_tokens: 32, min_budget_tokens: 128, gamma: 0.9");
    }
    for (int64_t h = 0; h < H; h++)
        for (int64_t row = 0; row < BLOCKS; row++) {
            int a[BLOCKS], b[BLOCKS];
            flex_flags(&c[0]->plan, h, row, a);
            flex_flags(&c[1]->plan, h, row, b);
            for (int64_t j = 0; j <= row; j++) {
                both += a[j] & b[j];
                any += a[j] | b[j];
            }
        }
    ck_assert_msg((double)both >= 0.98 * (double)any, "overlap %lld of %lld", (long long)both,
                  (long long)any);
    sb_case_destroy(c[0]);
    sb_case_destroy(c[1]);
}
END_TEST

/* A block of columns that no last query gives any weight: 0 ln 0. */
START_TEST(zero_mass_is_the_official_nan)
{
    enum { N = 512, D = 16 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 5);
    for (int64_t i = 0; i < N; i++)
        for (int64_t x = 0; x < D; x++) {
            sb_tensor_bf16(&c->q, 0, i)[x] = sb_bf16_from_f32(4);
            sb_tensor_bf16(&c->k, 0, i)[x] =
                sb_bf16_from_f32(i / 32 == 5 ? -8.0f : 0.0f); /* logit -128 */
        }
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1");
    ck_assert_int_eq(n_aware(c), 1); /* p and V agree */
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, compat: official");
    ck_assert_int_eq(n_aware(c), 0);
    for (int64_t i = 5 * 32; i < 6 * 32; i++) /* -16: small, not 0 */
        for (int64_t x = 0; x < D; x++)
            sb_tensor_bf16(&c->k, 0, i)[x] = sb_bf16_from_f32(-4);
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, compat: official");
    ck_assert_int_eq(n_aware(c), 1); /* weights that round to 0 units are above 0 all the same */
    sb_case_destroy(c);
}
END_TEST

/* 5: each offset brings the next one along, and nothing else. */
START_TEST(slash_cover_adds_the_next_offset)
{
    sb_case *c = sb_case_random((sb_case_shape){1003, 1003, 2, 1, 32}, 6);
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 64, gamma: 0.3, tau: 0, slash_cover: 2");
    int64_t added = 0;
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < c->plan.n_rows; i++) {
            int keep[MAX_BLOCKS];
            flex_flags(&c->plan, h, i, keep);
            for (int64_t j = 0; j <= i; j++) {
                int next = i > j && flex_has(sbi_flex_offsets(room_of(c), h), i - j - 1);
                int one  = flex_has(sbi_flex_offsets(room_of(c), h), i - j) ||
                          flex_has(sbi_flex_columns(room_of(c), h), j);
                ck_assert_int_eq(keep[j], next || one);
                added += next && !one;
            }
        }
    ck_assert_int_gt(added, 0);
    sb_case_destroy(c);
}
END_TEST

/* ---- [sharding 1.1]: threads, CPU; ranks in tests/mpi ---- */

START_TEST(selection_ignores_threads_and_cpu)
{
    static const char *const params[] = {
        "block_tokens: 32, min_budget_tokens: 64, gamma: 0.6, tau: 0.2",
        "block_tokens: 64, min_budget_tokens: 64, gamma: 0.8, tau: 1",
        "block_tokens: 128, min_budget_tokens: 1, gamma: 0.4, tau: 0, compat: official"};
    sb_case *c = sb_case_random((sb_case_shape){611, 611, 4, 2, 48}, 21);
    c->threads = 1;
    flex_attend(c, params[_i]);
    int64_t  lists = 4 * c->plan.n_rows;
    int64_t *ptr   = flex_copy(c->plan.tiles.row_ptr, lists + 1, sizeof *ptr);
    int32_t *ids   = flex_copy(c->plan.tiles.id, ptr[lists], sizeof *ids);
    float   *o     = flex_copy(c->o.data, INT64_C(4) * 611 * 48, sizeof *o);
    for (int32_t t = 2; t <= 5; t += 3) {
        c->threads = t;
        flex_attend(c, params[_i]);
        ck_assert(same_index(&c->plan, ptr, ids));
        ck_assert_mem_eq(c->o.data, o, 4 * 611 * 48 * sizeof *o);
    }
    ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
    flex_attend(c, params[_i]);
    unsetenv("SPAN_CPU_KERNEL");
    ck_assert(same_index(&c->plan, ptr, ids));
    free(ptr);
    free(ids);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* ---- density ---- */

/* N(0, 1) says nothing, so about gamma of all is needed; attention to a few columns and to what is
 * near needs little. */
START_TEST(density_follows_the_data)
{
    enum { N = 4096, D = 32 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 1);
    fill_normal(&c->q, 1, 0);
    fill_normal(&c->k, 1, 1u << 24);
    flex_attend(c, "");
    double random = flex_density(&c->plan);
    int    aware  = n_aware(c);
    ck_assert_int_eq(aware, 2); /* all blocks alike, and the means say so */
    ck_assert_msg(random >= 0.8 && random <= 0.98, "density %g on random data", random);
    sb_index_stats s;
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
    ck_assert_double_ge((double)s.rho_num / (double)s.rho_den, 0.8);

    fill_normal(&c->q, 0.3, 2u << 24);
    fill_normal(&c->k, 0.3, 3u << 24);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t h = 0; h < 2; h++) {
            sb_tensor_bf16(&c->q, h, i)[0] = sb_bf16_from_f32(8);
            sb_tensor_bf16(&c->q, h, i)[1] = sb_bf16_from_f32(8);
            /* a clock: near keys point where the query does */
            sb_tensor_bf16(&c->q, h, i)[2] = sb_bf16_from_f32((float)(8 * cos((double)i / 300)));
            sb_tensor_bf16(&c->q, h, i)[3] = sb_bf16_from_f32((float)(8 * sin((double)i / 300)));
        }
        if (i % 1500 == 700)
            sb_tensor_bf16(&c->k, 0, i)[0] = sb_bf16_from_f32(10);
        sb_tensor_bf16(&c->k, 0, i)[1] = sb_bf16_from_f32((float)i / 1024);
        sb_tensor_bf16(&c->k, 0, i)[2] = sb_bf16_from_f32((float)(8 * cos((double)i / 300)));
        sb_tensor_bf16(&c->k, 0, i)[3] = sb_bf16_from_f32((float)(8 * sin((double)i / 300)));
    }
    flex_attend(c, "min_budget_tokens: 256, tau: 0");
    double lines = flex_density(&c->plan);
    ck_assert_msg(lines < 0.6, "density %g on lines", lines);
    printf("test_flexprefill: block density %.4f random, %.4f lines\n", random, lines);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flexprefill");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, full_budget_equals_dense);
    tcase_add_test(t, least_budget_is_sink_and_diagonal);
    tcase_add_loop_test(t, rows_hold_first_and_own_block, 0, N_LISTED);
    tcase_add_loop_test(t, selection_matches_judge, 0, N_JUDGED);
    tcase_add_test(t, budget_is_k_over_128);
    tcase_add_test(t, budgets_are_clamped);
    tcase_add_test(t, monotone_in_gamma);
    tcase_add_test(t, tau_decides_who_is_query_aware);
    tcase_add_test(t, query_aware_blocks_are_nested);
    tcase_add_loop_test(t, grouped_heads_select_alike, 0, 2);
    tcase_add_test(t, needle_is_found);
    tcase_add_test(t, fixed_distance_is_found);
    tcase_add_test(t, modes_overlap);
    tcase_add_test(t, zero_mass_is_the_official_nan);
    tcase_add_test(t, slash_cover_adds_the_next_offset);
    tcase_add_loop_test(t, selection_ignores_threads_and_cpu, 0, 3);
    tcase_add_test(t, density_follows_the_data);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
