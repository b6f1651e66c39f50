/* power_attention 10, and the figures of its sections 3, 4 and 6. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/index_stats.h"
#include "kernels/power_attention/power_attention.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/property/graph.h"
#include "tests/tolerance.h"

static sb_power_attention_params defaults(sb_power_pattern pattern)
{
    sb_power_attention_params p;
    ck_assert_int_eq(sb_params_default(sb_power_attention.params, &p), SB_OK);
    p.pattern = (int32_t)pattern;
    return p;
}

static int64_t row_of(const void *state, int64_t b, int32_t *ids)
{
    int64_t n;
    sb_power_attention_row(state, b, ids, &n);
    return n;
}

static int64_t log2_floor(int64_t x)
{
    return x > 0 ? 63 - __builtin_clzll((unsigned long long)x) : 0;
}

START_TEST(defaults_are_the_papers)
{
    sb_power_attention_params p = defaults(SB_POWER_POWER);
    ck_assert_int_eq(p.block_tokens, 256);
    ck_assert_int_eq(sb_power_attention.quantum_tokens(&p), 256);
    ck_assert_int_eq(p.stride_blocks, 32);
    ck_assert_int_eq(p.dilation_blocks, 2);
    ck_assert_int_eq(p.levels, 5);
    ck_assert(!(sb_power_attention.caps & SB_CAP_TRAINING_FREE));
    ck_assert(sb_power_attention.caps & SB_CAP_DECODE);
}
END_TEST

/* Every list: ascending, no duplicates, ends in the own block (5: no empty softmax), and equal to
 * the predicate as a set. */
START_TEST(lists_equal_predicates)
{
    static const judge_visible see[]   = {see_power, see_sliding, see_stride, see_dilated,
                                          see_longnet};
    static const block_rule    table[] = {{1, 5, 1, 0, 0, 0},
                                          {1, 9, 1, 0, 0, 0},
                                          {1, 6, 1, 32, 0, 0},
                                          {1, 20, 0, 0, 2, 0},
                                          {1, 8, 0, 0, 0, 5}};
    for (int variant = 0; variant < 4; variant++) {
        sb_power_attention_params p = defaults((sb_power_pattern)_i);
        block_rule                r = table[_i];
        if (variant > 0) { /* 1: W = 1, 2: wide sink, 3: small steps */
            r.w = p.window_blocks =
                _i == SB_POWER_LONGNET ? 4 : (const int64_t[]){0, 1, 3, 7}[variant];
            r.s = p.sink_blocks = (const int64_t[]){0, 0, 6, 2}[variant];
            r.r = p.stride_blocks = variant + 1;
            r.x = p.dilation_blocks = variant;
            r.levels = p.levels = variant + 1;
        }
        for (int64_t b = 0; b < 700; b++) {
            int32_t ids[701];
            int64_t n, counted, want = 0;
            sb_power_attention_row(&p, b, NULL, &counted);
            sb_power_attention_row(&p, b, ids, &n);
            int bad = n != counted || n < 1 || ids[n - 1] != b;
            for (int64_t k = 0; k <= b; k++)
                if (see[_i](b, k, &r))
                    bad |= want >= n || ids[want++] != k;
            ck_assert_msg(!bad && want == n, "variant %d block %lld: %lld blocks, wanted %lld",
                          variant, (long long)b, (long long)n, (long long)want);
        }
    }
}
END_TEST

/* 10.4: block counts of every row by the closed form of section 3, and the table under it. */
START_TEST(block_counts)
{
    static const struct {
        int64_t nb, last, layers;
        double  mean, causal, square;
    } table[]                   = {{128, 10, 6, 8.91, .138, .070},
                                   {512, 12, 8, 10.98, .043, .021},
                                   {1024, 13, 9, 11.99, .023, .012},
                                   {4096, 15, 11, 14.00, .0068, .0034}};
    sb_power_attention_params p = defaults(SB_POWER_POWER);
    for (int t = 0; t < 4; t++) {
        int64_t sum = 0, n = 0, nb = table[t].nb, reach[16];
        for (int64_t b = 0; b < nb; b++) {
            sb_power_attention_row(&p, b, NULL, &n);
            int64_t log_term = log2_floor(b) - 2 > 0 ? log2_floor(b) - 2 : 0;
            int64_t want     = (b + 1 < 5 ? b + 1 : 5) + log_term + (b >= 5 && (b & (b - 1)) != 0);
            if (n != want)
                ck_abort_msg("block %lld: %lld blocks, closed form %lld", (long long)b,
                             (long long)n, (long long)want);
            sum += n;
        }
        ck_assert_int_eq(n, table[t].last);
        double total = (double)sum, causal = (double)(nb * (nb + 1) / 2),
               square = (double)(nb * nb);
        ck_assert_double_le(fabs(total / (double)nb - table[t].mean),
                            0.006); /* its 10.98 is 10.9746 */
        ck_assert_double_le(fabs(total / causal - table[t].causal), 0.00051 * (t < 3 ? 1 : 0.1));
        ck_assert_double_le(fabs(total / square - table[t].square), 0.00051 * (t < 3 ? 1 : 0.1));
        graph_reach(nb, nb - 1, row_of, &p, table[t].layers, reach, NULL);
        ck_assert_int_eq(reach[table[t].layers - 1], nb);
        ck_assert_int_lt(reach[table[t].layers - 2], nb);
    }
}
END_TEST

/* 10.4: the listed reach vectors of sections 3 and 4. */
START_TEST(reach_vectors)
{
    static const int64_t      power_128[]  = {10, 35, 75, 110, 126, 128};
    static const int64_t      power_4096[] = {15,   90,   345,  915,  1797, 2763,
                                              3513, 3918, 4063, 4094, 4096};
    static const int64_t      stride_32[]  = {10, 30, 50, 70, 90, 110, 126, 128};
    int64_t                   got[20];
    sb_power_attention_params p = defaults(SB_POWER_POWER);
    graph_reach(128, 127, row_of, &p, 6, got, NULL);
    ck_assert_mem_eq(got, power_128, sizeof power_128);
    graph_reach(4096, 4095, row_of, &p, 11, got, NULL);
    ck_assert_mem_eq(got, power_4096, sizeof power_4096);
    p = defaults(SB_POWER_STRIDE_SLASH);
    graph_reach(128, 127, row_of, &p, 8, got, NULL);
    ck_assert_mem_eq(got, stride_32, sizeof stride_32);
    for (int64_t s = 31; s <= 43; s++) { /* 10 blocks in the last row force 32 <= s <= 42 */
        int64_t n;
        p.stride_blocks = s;
        sb_power_attention_row(&p, 127, NULL, &n);
        ck_assert_int_eq(n == 10, s >= 32 && s <= 42);
    }
    p = defaults(SB_POWER_SLIDING_WINDOW);
    graph_reach(128, 127, row_of, &p, 16, got, NULL);
    for (int64_t k = 0; k < 16; k++)
        ck_assert_int_eq(got[k], k < 15 ? 10 + 8 * k : 128);
    p = defaults(SB_POWER_DILATED);
    graph_reach(128, 127, row_of, &p, 20, got, NULL);
    ck_assert_int_eq(got[0], 10);
    ck_assert_int_eq(got[19], 64);
    p = defaults(SB_POWER_LONGNET);
    graph_reach(128, 127, row_of, &p, 20, got, NULL);
    ck_assert_int_eq(got[19], 80);
}
END_TEST

/* 10.3 and the theorem of section 3: b = 1, W = 1, no sink: distances {0, 1, 2, 4, ...}; depth to
 * distance D = popcount(D). */
START_TEST(theorem_pattern)
{
    sb_power_attention_params p = defaults(SB_POWER_POWER);
    p.block_tokens = p.window_blocks = 1;
    p.sink_blocks                    = 0;
    int32_t ids[32];
    int64_t n, reach[10], depth[1024];
    sb_power_attention_row(&p, 1023, ids, &n);
    ck_assert_int_eq(n, 11);
    for (int64_t i = 0; i < n; i++)
        ck_assert_int_eq(1023 - ids[i], i == n - 1 ? 0 : 1 << (n - 2 - i));
    graph_reach(1024, 1023, row_of, &p, 10, reach, depth);
    for (int64_t j = 0; j < 1024; j++)
        if (depth[j] != __builtin_popcountll((unsigned long long)(1023 - j)))
            ck_abort_msg("distance %lld in %lld layers", (long long)(1023 - j),
                         (long long)depth[j]);
    p = defaults(SB_POWER_POWER); /* window and sink only shorten paths */
    graph_reach(1024, 1023, row_of, &p, 10, reach, depth);
    for (int64_t j = 0; j < 1024; j++)
        if (depth[j] > __builtin_popcountll((unsigned long long)(1023 - j)))
            ck_abort_msg("distance %lld in %lld layers", (long long)(1023 - j),
                         (long long)depth[j]);
}
END_TEST

/* Section 10, last line: b = 1, W = 2, sink = 1, row 11 -> keys {0, 3, 7, 9, 10, 11}. */
START_TEST(tiny_example)
{
    static const int32_t      want[] = {0, 3, 7, 9, 10, 11};
    sb_power_attention_params p      = defaults(SB_POWER_POWER);
    int32_t                   ids[12];
    int64_t                   n;
    p.block_tokens  = 1;
    p.window_blocks = 2;
    sb_power_attention_row(&p, 11, ids, &n);
    ck_assert_int_eq(n, 6);
    ck_assert_mem_eq(ids, want, sizeof want);
}
END_TEST

static void attend(sb_case *c, const sb_method *m, const char *params)
{
    ck_assert_msg(sb_case_attend(c, m, params, SB_F32) == SB_OK, "%s", sb_error_text());
}

static float *kept(const sb_case *c)
{
    size_t bytes = (size_t)(c->o.heads * c->o.tokens * c->o.dim) * 4;
    float *o     = malloc(bytes);
    memcpy(o, c->o.data, bytes);
    return o;
}

static void ck_same(const sb_case *c, float *o)
{
    ck_assert_mem_eq(c->o.data, o, (size_t)(c->o.heads * c->o.tokens * c->o.dim) * 4);
    free(o);
}

/* 10.1, 10.2: N <= W * b and W >= NB are dense, here to the bit. */
START_TEST(short_or_wide_equals_dense)
{
    static const char *const params[] = {
        "block_tokens: 60, window_blocks: 5",
        "block_tokens: 64, window_blocks: 900",
        "pattern: sliding_window, block_tokens: 256",
        "pattern: stride_slash, block_tokens: 8, stride_blocks: 1",
        "pattern: dilated, block_tokens: 16, dilation_blocks: 1",
        "pattern: longnet, block_tokens: 64, levels: 1",
        "block_tokens: 1000000000, window_blocks: 1, sink_blocks: 0"};
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 4, 2, 64}, 2);
    attend(c, sb_method_find("dense"), "");
    float *o = kept(c);
    attend(c, &sb_power_attention, params[_i]);
    ck_same(c, o);
    ck_assert_int_eq(c->plan.fallback, 0);
    sb_case_destroy(c);
}
END_TEST

/* 10.6: rows < n do not change when the tail is removed: a static mask is causal to the bit. */
START_TEST(causality_by_truncation)
{
    static const char *const params[] = {
        "pattern: power, block_tokens: 16", "pattern: sliding_window, block_tokens: 16",
        "pattern: stride_slash, block_tokens: 16, stride_blocks: 7",
        "pattern: dilated, block_tokens: 16, window_blocks: 8",
        "pattern: longnet, block_tokens: 16, window_blocks: 2"};
    sb_case *c = sb_case_random((sb_case_shape){500, 500, 2, 1, 32}, 4);
    attend(c, &sb_power_attention, params[_i]);
    float *o = kept(c);
    for (int64_t n = 499; n > 0; n -= 83) {
        sb_run    run = {0, n};
        sb_gid    g   = {&run, 1, n};
        sb_tensor q = sb_case_take(&c->q, 0, &g), k = sb_case_take(&c->k, 0, &g),
                  v = sb_case_take(&c->v, 0, &g);
        ck_assert_int_eq(sb_case_attend_on(c, &sb_power_attention, params[_i], SB_F32, &q, &k, &v),
                         SB_OK);
        for (int64_t h = 0; h < 2; h++)
            ck_assert_mem_eq(sb_tensor_f32(&c->o, h, 0), o + h * 500 * 32, (size_t)n * 32 * 4);
        free(q.data);
        free(k.data);
        free(v.data);
    }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* 10.9: sliding_window sees what the token window sees on a row's own position within its block: on
 * the last row of each block the a_shape with W * b tokens and s * b sinks is the same set, so the
 * same bits. */
START_TEST(sliding_window_equals_a_shape_on_block_ends)
{
    enum { B = 64, N = 512, D = 64 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 6);
    attend(c, sb_method_find("a_shape"), "sink_tokens: 64, window_tokens: 192");
    float *o = kept(c);
    attend(c, &sb_power_attention,
           "pattern: sliding_window, block_tokens: 64, window_blocks: 3, sink_blocks: 1");
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = B - 1; i < N; i += B)
            ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i), o + (h * N + i) * D, D * 4);
    /* with blocks of one token the two are one mask on every row; lists of such blocks are summed
     * in another order than windows */
    attend(c, &sb_power_attention,
           "pattern: sliding_window, block_tokens: 1, window_blocks: 192, sink_blocks: 64");
    window_rule   rule = {64, 192};
    sb_case_error e    = sb_case_judge(c, &c->q, &c->k, &c->v, see_window, &rule, 1);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* 6: tokens that a decode step reads. */
START_TEST(decode_reads)
{
    static const struct {
        int64_t n, keys;
    } table[] = {{INT64_C(32) << 10, 2560}, {INT64_C(128) << 10, 3072}, {INT64_C(1) << 20, 3840}};
    sb_power_attention_params p = defaults(SB_POWER_POWER);
    unsigned char             buf[4096] __attribute__((aligned(64)));
    for (int t = 0; t < 3; t++) {
        sb_run         last  = {table[t].n - 1, 1};
        sb_shape       shape = {.q_gid     = {&last, 1, 1},
                                .n_keys    = table[t].n,
                                .heads     = 8,
                                .kv_heads  = 2,
                                .head_dim  = 64,
                                .is_decode = 1};
        sb_arena       a;
        sb_plan        plan;
        sb_index_stats s;
        sb_ctx         ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1};
        sb_arena_init(&a, buf, sizeof buf, SB_ARENA_GUARD);
        ck_assert_int_eq(sb_power_attention.layout(&ctx, &p, &shape, &plan, NULL), SB_OK);
        ck_assert_int_eq(sb_power_attention.plan[SB_CPU](&ctx, &p, &shape, NULL, NULL, NULL, &plan),
                         SB_OK);
        ck_assert_int_eq(sb_index_stats_count(&plan, &shape, 0, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, table[t].keys);
        ck_assert_int_eq(s.rho_den, table[t].n);
        ck_assert_int_eq(s.tile_lanes, table[t].keys);
        ck_assert_int_eq(plan.tiles.n_heads, 1);
    }
}
END_TEST

/* 10.7, selection part: the index of a row block does not depend on the number of ranks
 * [sharding 1.1]. */
START_TEST(same_lists_for_every_rank_count)
{
    enum { N = 1000, B = 16 };
    sb_power_attention_params p   = defaults((sb_power_pattern)_i);
    unsigned char            *buf = aligned_alloc(64, 1 << 16);
    p.block_tokens                = B;
    for (int64_t ranks = 1; ranks <= 4; ranks++) {
        int64_t rows = 0;
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run   run[2];
            sb_shape shape = {.q_gid    = sb_case_zigzag(run, 0, N, B, rank, ranks),
                              .n_keys   = N,
                              .heads    = 2,
                              .kv_heads = 1,
                              .head_dim = 64};
            sb_arena a;
            sb_plan  plan;
            sb_ctx   ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1};
            sb_arena_init(&a, buf, 1 << 16, SB_ARENA_GUARD);
            ck_assert_int_eq(sb_power_attention.layout(&ctx, &p, &shape, &plan, NULL), SB_OK);
            ck_assert_int_eq(
                sb_power_attention.plan[SB_CPU](&ctx, &p, &shape, NULL, NULL, NULL, &plan), SB_OK);
            ck_assert(sb_arena_canaries_intact(&a));
            for (int64_t i = 0; i < plan.n_rows; i++) {
                int32_t ids[64];
                int64_t n;
                sb_power_attention_row(&p, plan.row_id[i], ids, &n);
                ck_assert_int_eq(plan.tiles.row_ptr[i + 1] - plan.tiles.row_ptr[i], n);
                ck_assert_mem_eq(plan.tiles.id + plan.tiles.row_ptr[i], ids,
                                 (size_t)n * sizeof *ids);
                ck_assert(i == 0 || plan.row_id[i] > plan.row_id[i - 1]);
            }
            ck_assert_int_eq(plan.tiles.row_ptr[plan.n_rows], plan.tiles.capacity);
            rows += plan.n_rows;
        }
        ck_assert_int_eq(rows, (N + B - 1) / B);
    }
    free(buf);
}
END_TEST

/* Runs may cut a block (a layout that ignores quantum_tokens, a chunk of queries): each block has
 * one list, rows are the same. */
START_TEST(blocks_cut_by_runs_have_one_list)
{
    static const int32_t rows[] = {0, 1, 2, 3};
    sb_case             *c      = sb_case_random((sb_case_shape){64, 64, 2, 1, 32}, 12);
    attend(c, &sb_power_attention, "block_tokens: 16, window_blocks: 1, sink_blocks: 0");
    float    *o     = kept(c);
    sb_run    run[] = {{0, 10}, {10, 30}, {45, 5}};
    sb_gid    g     = {run, 3, 45};
    sb_tensor q     = sb_case_take(&c->q, 0, &g);
    ck_assert_int_eq(sb_case_attend_on(c, &sb_power_attention,
                                       "block_tokens: 16, window_blocks: 1, sink_blocks: 0", SB_F32,
                                       &q, NULL, NULL),
                     SB_OK);
    ck_assert_int_eq(c->plan.n_rows, 4);
    ck_assert_mem_eq(c->plan.row_id, rows, sizeof rows);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < 45; i++)
            ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i), o + (h * 64 + judge_gid(&g, i)) * 32,
                             32 * 4);
    free(o);
    free(q.data);
    sb_case_destroy(c);
}
END_TEST

START_TEST(bad_shapes_are_refused_with_the_reason)
{
    sb_power_attention_params p     = defaults(SB_POWER_LONGNET);
    sb_run                    run   = {0, 10};
    sb_shape                  shape = {
                         .q_gid = {&run, 1, 10}, .n_keys = 10, .heads = 4, .kv_heads = 2, .head_dim = 64};
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_OK);
    p.window_blocks = 6;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found 6, allowed for longnet a power of two"));
    p              = defaults(SB_POWER_POWER);
    shape.head_dim = 40;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    shape.head_dim = 64;
    shape.kv_heads = 3;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    shape.kv_heads = 2;
    shape.n_keys   = 9;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    p.block_tokens = 1;
    shape.n_keys   = INT64_C(1) << 31;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "blocks of 1"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("power_attention");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_papers);
    tcase_add_loop_test(t, lists_equal_predicates, 0, SB_POWER_BLOCK_PATTERNS);
    tcase_add_test(t, block_counts);
    tcase_add_test(t, reach_vectors);
    tcase_add_test(t, theorem_pattern);
    tcase_add_test(t, tiny_example);
    tcase_add_loop_test(t, short_or_wide_equals_dense, 0, 7);
    tcase_add_loop_test(t, causality_by_truncation, 0, SB_POWER_BLOCK_PATTERNS);
    tcase_add_test(t, sliding_window_equals_a_shape_on_block_ends);
    tcase_add_test(t, decode_reads);
    tcase_add_loop_test(t, same_lists_for_every_rank_count, 0, SB_POWER_BLOCK_PATTERNS);
    tcase_add_test(t, blocks_cut_by_runs_have_one_list);
    tcase_add_test(t, bad_shapes_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
