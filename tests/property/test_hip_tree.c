/* hip 10: the search by itself. The worked example of the spec, the chunks, the choice, and scores
 * made up so that the answer is known. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/hip/scores.h"
#include "tests/property/hip_case.h"
#include "tests/property/hip_judge.h"

enum { MAX_IDS = 4096 };

/* ---- the worked example ---- */

#define EXAMPLE "top_k_tokens: 8, window_tokens: 8, sink_tokens: 4, block_q_tokens: 72, "

/* Sorted by start here, by score in the spec. */
static const sbi_hip_chunk example_first[]    = {{2, 4}, {6, 8}, {14, 8}, {22, 8}};
static const sbi_hip_chunk example_kept[3][4] = {{{10, 4}, {14, 4}, {18, 4}, {22, 4}},
                                                 {{14, 2}, {16, 2}, {18, 2}, {20, 2}},
                                                 {{17, 1}, {18, 1}, {19, 1}, {20, 1}}};

static void ck_chunks(const sbi_hip_chunk *got, int64_t n, const sbi_hip_chunk want[4])
{
    ck_assert_int_eq(n, 4);
    for (int i = 0; i < 4; i++)
        ck_assert_msg(got[i].start == want[i].start && got[i].size == want[i].size,
                      "chunk %d: (%d, %d), wanted (%d, %d)", i, got[i].start, got[i].size,
                      want[i].start, want[i].size);
}

/* score(t) = -|t - 37|, iteration by iteration; only the last row is asked. */
START_TEST(worked_example)
{
    double x[72];
    for (int t = 0; t < 72; t++)
        x[t] = -abs(t - 37);
    sb_case *c = hip_scored_case(72, x);
    hip_attend(c, "hip", EXAMPLE "stride_q_tokens: 72");
    const sb_hip_params *p    = (const sb_hip_params *)(const void *)c->params;
    sbi_hip_span         span = sbi_hip_candidates(p, 72);
    sbi_hip_chunk        kept[4], half[8];
    int64_t              key[8], n = sbi_hip_first_chunks(p, span, kept);
    float                column[16 * SB_PRODUCT_LANES] __attribute__((aligned(32)));
    int64_t              at[SB_PRODUCT_LANES];
    sbi_hip_queries      q   = {.column = column, .at = at};
    sb_row_part         row = {.first = 0, .last = 71, .n_tokens = 72};
    ck_assert(span.first == 2 && span.n == 30 && !span.all); /* B = 30, S0 = 2 */
    ck_chunks(kept, n, example_first);
    ck_assert_int_eq(sbi_hip_halvings(kept, n), 3); /* g0 = 8 */
    sbi_hip_pack_queries(p, &c->q, 0, &row, &q);
    ck_assert(q.groups == 1 && at[0] == 71 && at[7] == 71);
    for (int i = 0; i < 3; i++) {
        int64_t halves = sbi_hip_halve(kept, n, half);
        sbi_hip_scores(p, sbi_product_generic, &q, &c->k, 0, half, halves, key);
        n = sbi_hip_keep(half, key, halves, 4, kept);
        ck_chunks(kept, n, example_kept[i]);
    }
    const int32_t *ids;
    ck_assert_int_eq(hip_list(&c->plan, 0, 0, &ids), 4);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(2 * ids[i], 34 + 2 * i);
    sb_case_destroy(c);
}
END_TEST

/* A lone strong key is missed: its chunk goes in the first iteration. And the judge knows both. */
START_TEST(worked_example_misses_the_spike)
{
    const hjudge_rule r = {8, 72, 72, 2, 1, 8, 4, 1};
    double            x[72];
    int64_t           idx[MAX_IDS];
    for (int spike = 0; spike < 2; spike++) {
        for (int t = 0; t < 72; t++)
            x[t] = -abs(t - 20) / 2.0 + (spike && t == 51 ? 40 : 0);
        sb_case *c = hip_scored_case(72, x);
        hip_attend(c, "hip", EXAMPLE "stride_q_tokens: 72");
        const int32_t *ids;
        ck_assert_int_eq(hip_list(&c->plan, 0, 0, &ids), 4);
        ck_assert_int_eq(hjudge_block(&r, &c->q, &c->k, 0, 0, idx), 4);
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(2 * ids[i], 16 + 2 * i);
            ck_assert_int_eq(idx[i], 16 + 2 * i);
        }
        sb_case_destroy(c);
    }
}
END_TEST

/* ---- chunks ---- */

static sb_hip_params rule_params(int64_t k, int64_t bk, int64_t sw, int64_t ns, int64_t align)
{
    return (sb_hip_params){.top_k_tokens    = k,
                           .block_q_tokens  = 64,
                           .stride_q_tokens = 2,
                           .block_k_tokens  = bk,
                           .stride_k_tokens = 1,
                           .window_tokens   = sw,
                           .sink_tokens     = ns,
                           .align           = align,
                           .refresh_steps   = 8};
}

/* 10.5: align 0 partitions the candidates; align 1 leaves B - floor(B/A)*A of them at the right
 * end, and every inner bound is a multiple of A. */
START_TEST(chunks_partition_or_leave_the_hole)
{
    static sbi_hip_chunk chunk[1024];
    static const int64_t ms[] = {1, 2, 4, 7, 16, 24, 256, 1000};
    for (int mi = 0; mi < 8; mi++)
        for (int64_t b = ms[mi] + 1; b < 70000; b += 1 + b / 9)
            for (int64_t align = 0; align < 2; align++) {
                sb_hip_params p = rule_params(2 * ms[mi], 2, 8, 4, align);
                int64_t       a = 1, at = 2, n;
                while (2 * a <= b)
                    a *= 2;
                a = align ? (a + ms[mi] - 1) / ms[mi] : 1;
                n = sbi_hip_first_chunks(&p, sbi_hip_candidates(&p, 12 + 2 * b), chunk);
                ck_assert_int_le(n, ms[mi]);
                if ((ms[mi] & (ms[mi] - 1)) == 0)
                    ck_assert_int_eq(n, ms[mi]);
                for (int64_t i = 0; i < n; i++) {
                    if (chunk[i].start != at || chunk[i].size < 1 || (at - 2) % a != 0)
                        ck_abort_msg("M %lld B %lld chunk %lld", (long long)ms[mi], (long long)b,
                                     (long long)i);
                    at += chunk[i].size;
                }
                ck_assert_int_eq(at - 2, b / a * a);
            }
}
END_TEST

/* The table of section 7, and the hole in tokens of 11.1. */
START_TEST(published_sizes)
{
    static const struct {
        int64_t n, k, sw, b, a, halvings;
    } table[] = {{32768, 512, 256, 16248, 32, 6},
                 {131072, 512, 256, 65400, 128, 8},
                 {131072, 2048, 1024, 65016, 32, 6},
                 {1048576, 512, 256, 524152, 1024, 11}};
    static sbi_hip_chunk chunk[1024];
    for (int i = 0; i < 4; i++) {
        sb_hip_params p    = rule_params(table[i].k, 2, table[i].sw, 16, 1);
        sbi_hip_span  span = sbi_hip_candidates(&p, table[i].n);
        int64_t       n    = sbi_hip_first_chunks(&p, span, chunk);
        int64_t       end  = chunk[n - 1].start + chunk[n - 1].size;
        ck_assert_int_eq(span.n, table[i].b);
        ck_assert_int_eq(n, table[i].k / 2);
        ck_assert_int_eq(sbi_hip_halvings(chunk, n), table[i].halvings);
        ck_assert_int_eq(span.first + span.n - end, table[i].b % table[i].a);
        if (i == 1)
            ck_assert_int_eq(2 * (span.first + span.n - end), 240);
        for (int64_t c = 1; c < n; c++)
            ck_assert_int_eq((chunk[c].start - span.first) % table[i].a, 0);
    }
}
END_TEST

static int key_falls(const void *a, const void *b)
{
    const int64_t *x = a, *y = b; /* {key, index} */
    return x[0] != y[0] ? (x[0] < y[0] ? 1 : -1) : (x[1] > y[1] ? 1 : -1);
}

/* The choice against sorting: few and many distinct keys, all sizes. */
START_TEST(choice_matches_sorting)
{
    sb_rng r = {(uint64_t)_i + 5};
    for (int64_t n = 1; n <= 600; n += 1 + n / 5)
        for (int64_t most = 1; most <= n + 1; most += 1 + most / 2) {
            sbi_hip_chunk chunk[600];
            int64_t       key[600], sorted[600][2];
            int           keep[600] = {0};
            uint64_t      range     = _i == 0 ? 3 : _i == 1 ? 300 : UINT64_C(1) << 32;
            for (int64_t i = 0; i < n; i++) {
                chunk[i] = (sbi_hip_chunk){(int32_t)(3 * i), 1};
                key[i]   = (int64_t)(UINT64_C(0xffffffff) - sb_rng_next(&r) % range);
                if (_i == 3)
                    key[i] &= 0xff0000ff;
                sorted[i][0] = key[i];
                sorted[i][1] = i;
            }
            qsort(sorted, (size_t)n, sizeof *sorted, key_falls);
            for (int64_t i = 0; i < n && i < most; i++)
                keep[sorted[i][1]] = 1;
            int64_t kept = sbi_hip_keep(chunk, key, n, most, chunk), at = 0;
            for (int64_t i = 0; i < n; i++)
                if (keep[i])
                    ck_assert_msg(at < kept && chunk[at++].start == 3 * i, "n %lld most %lld",
                                  (long long)n, (long long)most);
            ck_assert_int_eq(at, kept);
        }
}
END_TEST

START_TEST(keys_order_as_scores)
{
    static const float x[] = {-INFINITY, -3e38f,    -32000, -1,    -0x1p-149f,
                              0,         0x1p-149f, 1,      3e38f, INFINITY};
    for (int i = 0; i < 10; i++)
        for (int j = 0; j < 10; j++)
            ck_assert_int_eq(sbi_hip_key(x[i]) < sbi_hip_key(x[j]), i < j);
    ck_assert_int_eq(sbi_hip_key(-0.0f), sbi_hip_key(0.0f));
    ck_assert(sbi_hip_key(-INFINITY) >= 0 && sbi_hip_key(INFINITY) < INT64_C(1) << 32);
}
END_TEST

/* ---- made-up scores ---- */

static void ck_consecutive(const sb_plan *p, int64_t row, int64_t first, int64_t n)
{
    const int32_t *ids;
    ck_assert_int_eq(hip_list(p, 0, row, &ids), n);
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(ids[i], first + i);
}

/* 10.6: all scores tie: the leftmost way. 10.7: scores that rise or fall with the key: the exact
 * top M with align 0; with align 1 a rise ends at the hole. */
START_TEST(ties_and_slopes_give_the_exact_ends)
{
    enum { N = 1000, M = 16 };
    static double x[N];
    for (int slope = -1; slope <= 1; slope++)
        for (int align = 0; align < 2; align++) {
            for (int t = 0; t < N; t++)
                x[t] = slope * t;
            sb_case *c = hip_scored_case(N, x);
            hip_attend(c, "hip",
                       align ? "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4"
                             : "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4, align: 0");
            for (int64_t row = 1; row < c->plan.n_rows; row++) {
                int64_t end = (row + 1) * 64 < N ? (row + 1) * 64 : N, b = (end - 20 + 1) / 2,
                        a = 1;
                while (2 * a <= b)
                    a *= 2;
                a = align && a > M ? a / M : 1;
                ck_consecutive(&c->plan, row, slope > 0 ? 2 + b / a * a - M : 2, M);
            }
            sb_case_destroy(c);
        }
}
END_TEST

/* Keys in the window of the sampled rows count as the least of all, yet stand before nothing:
 * asked by the first rows alone, a rising slope ends where their window begins. */
START_TEST(keys_in_the_window_do_not_count)
{
    enum { N = 512, BQ = 256 };
    static double x[N];
    for (int t = 0; t < N; t++)
        x[t] = t;
    sb_case *c = hip_scored_case(N, x);
    for (int64_t i = BQ + 128; i < N; i++) /* the later half of the second block asks nothing */
        for (int d = 0; d < 2; d++)
            sb_tensor_bf16(&c->q, 0, i)[d] = sb_bf16_from_f32(d == 0 ? -1 : 0);
    hip_attend(
        c, "hip",
        "top_k_tokens: 16, window_tokens: 16, sink_tokens: 0, align: 0, block_q_tokens: 256, "
        "stride_q_tokens: 128");
    /* asked: rows 383 (rising) and 511 (falling from 0 in steps); 383 sees keys up to 367 */
    const int32_t    *ids;
    int64_t           n = hip_list(&c->plan, 0, 1, &ids), idx[MAX_IDS];
    const hjudge_rule r = {16, BQ, 128, 2, 1, 16, 0, 0};
    ck_assert_int_eq(n, 8);
    ck_assert_int_eq(hjudge_block(&r, &c->q, &c->k, 0, 1, idx), 8);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_le(2 * ids[i], 367);
        ck_assert_int_gt(2 * ids[i], 300);
        ck_assert_int_eq(2 * ids[i], idx[i]);
    }
    sb_case_destroy(c);
}
END_TEST

/* -0 and 0 are one score. */
START_TEST(signed_zeros_tie)
{
    sb_case *c = hip_scored_case(300, (double[300]){0});
    for (int64_t t = 0; t < 300; t++) /* 1 * -0 + 0 * x: -0 or 0 */
        for (int64_t x = 0; x < 16; x++)
            sb_tensor_bf16(&c->k, 0, t)[x] = t < 150 ? 0x8000 : 0;
    for (int64_t i = 0; i < 300 * 16; i++)
        ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32(1);
    hip_attend(c, "hip", "top_k_tokens: 16, window_tokens: 16, sink_tokens: 4");
    ck_consecutive(&c->plan, 4, 2, 8);
    sb_case_destroy(c);
}
END_TEST

/* 11.3: through bf16 and a sigmoid everything above 6.2 is one score and the earliest win; the
 * clean rule still tells them apart. */
START_TEST(official_scores_saturate)
{
    enum { N = 300 };
    static double x[N];
    for (int t = 0; t < N; t++)
        x[t] = 28 + t; /* times 1/4: 7 and more */
    for (int official = 0; official < 2; official++) {
        sb_case *c = hip_scored_case(N, x);
        hip_attend(c, "hip",
                   official
                       ? "top_k_tokens: 16, window_tokens: 16, sink_tokens: 4, align: 0, compat: "
                         "official"
                       : "top_k_tokens: 16, window_tokens: 16, sink_tokens: 4, align: 0");
        ck_consecutive(&c->plan, 4, official ? 2 : 2 + 140 - 8, 8);
        sb_case_destroy(c);
    }
    int64_t key[20];
    for (int i = 0; i < 20; i++)
        key[i] = sbi_hip_key((float)(i - 10));
    sbi_hip_official(key, 20, 0.5f);
    for (int i = 0; i < 20; i++) {
        double want = 1 / (1 + exp(-0.5 * (i - 10)));
        ck_assert_int_eq(key[i], sbi_hip_key(sb_bf16_round((float)want)));
    }
    key[0] = sbi_hip_key(-INFINITY);
    sbi_hip_official(key, 1, 0.5f);
    ck_assert_int_eq(key[0], sbi_hip_key(0));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hip_tree");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, worked_example);
    tcase_add_test(t, worked_example_misses_the_spike);
    tcase_add_test(t, chunks_partition_or_leave_the_hole);
    tcase_add_test(t, published_sizes);
    tcase_add_loop_test(t, choice_matches_sorting, 0, 4);
    tcase_add_test(t, keys_order_as_scores);
    tcase_add_test(t, ties_and_slopes_give_the_exact_ends);
    tcase_add_test(t, keys_in_the_window_do_not_count);
    tcase_add_test(t, signed_zeros_tie);
    tcase_add_test(t, official_scores_saturate);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
