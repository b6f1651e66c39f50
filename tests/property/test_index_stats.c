/* Pair counts, work density and digest of an index: quality_metrics B1 and D, sharding 1.1. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/index_stats.h"
#include "kernels/exec/segments.h"
#include "kernels/power_attention/power_attention.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"

typedef struct laid {
    sb_plan        plan;
    sb_shape       shape;
    sb_arena       arena;
    unsigned char *memory;
} laid;

static laid lay(const char *method, const char *text, sb_gid gid, int64_t n_keys)
{
    const sb_method *m = sb_method_find(method);
    sb_case          c; /* only its parameters */
    laid l = {.shape = {.q_gid = gid, .n_keys = n_keys, .heads = 4, .kv_heads = 2, .head_dim = 64}};
    sb_ctx ctx = {.backend = &sb_backend_cpu, .arena = &l.arena, .threads = 1};
    sb_case_params(&c, m, text);
    sb_arena_init_count(&l.arena);
    ck_assert_int_eq(m->layout(&ctx, c.params, &l.shape, &l.plan, NULL), SB_OK);
    size_t bytes = l.arena.high_water_bytes + 64;
    l.memory     = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&l.arena, l.memory, bytes, SB_ARENA_GUARD);
    ck_assert_int_eq(m->layout(&ctx, c.params, &l.shape, &l.plan, NULL), SB_OK);
    ck_assert_int_eq(m->plan[SB_CPU](&ctx, c.params, &l.shape, NULL, NULL, NULL, &l.plan), SB_OK);
    return l;
}

/* The whole; three shares of it must add up to it. */
static sb_index_stats count(const laid *l, int64_t head)
{
    sb_index_stats s, x, sum = {0};
    ck_assert_int_eq(sb_index_stats_count(&l->plan, &l->shape, head, &s), SB_OK);
    for (int64_t part = 0; part < 3; part++) {
        ck_assert_int_eq(sb_index_stats_count_part(&l->plan, &l->shape, head, part, 3, &x), SB_OK);
        sum.rho_num += x.rho_num;
        sum.rho_den += x.rho_den;
        sum.tile_lanes += x.tile_lanes;
        sum.tile_lanes_dense += x.tile_lanes_dense;
        sum.digest += x.digest;
    }
    ck_assert_mem_eq(&sum, &s, sizeof s);
    return s;
}

/* D: dense through the sparse path: rho = 1, rho_tile = 1, exactly. */
START_TEST(dense_is_exactly_one)
{
    static const int64_t lengths[] = {1, 63, 64, 65, 1000, 131072, INT64_C(1) << 21};
    int64_t              n         = lengths[_i];
    sb_run               run       = {0, n};
    laid                 l         = lay("dense", "", (sb_gid){&run, 1, n}, n);
    sb_index_stats       s         = count(&l, 0);
    ck_assert_int_eq(s.rho_num, n * (n + 1) / 2);
    ck_assert_int_eq(s.rho_den, n * (n + 1) / 2);
    ck_assert_int_eq(s.tile_lanes, s.tile_lanes_dense);
    int64_t lanes = 0;
    for (int64_t tile = 0; tile < n; tile += 64) /* the last tile is padded to 64 rows */
        lanes += 64 * 64 * (tile / 64 + 1);
    ck_assert_int_eq(s.tile_lanes_dense, lanes);
    free(l.memory);
}
END_TEST

/* Fewer queries than keys, and a decode step: the denominator is N_q * o + N_q (N_q + 1) / 2 [B1].
 */
START_TEST(offset_queries)
{
    sb_run         run = {900, 100};
    laid           l   = lay("dense", "", (sb_gid){&run, 1, 100}, 1000);
    sb_index_stats s   = count(&l, 0);
    ck_assert_int_eq(s.rho_den, 100 * 900 + 100 * 101 / 2);
    ck_assert_int_eq(s.rho_num, s.rho_den);
    free(l.memory);
    run.start = 999;
    run.len   = 1;
    l = lay("streaming_llm", "sink_tokens: 4, window_tokens: 65", (sb_gid){&run, 1, 1}, 1000);
    l.shape.is_decode = 1;
    s                 = count(&l, 0);
    ck_assert_int_eq(s.rho_num, 69);
    ck_assert_int_eq(s.rho_den, 1000);
    ck_assert_int_eq(s.tile_lanes, 64 * 3); /* keys 0..3 in one block, 935..999 in two */
    ck_assert_int_eq(s.tile_lanes_dense, 64 * 16);
    free(l.memory);
}
END_TEST

/* Full blocks count b * b, the diagonal b (b + 1) / 2 [B1]: power_attention at a million tokens,
 * from its block counts. */
START_TEST(power_attention_at_a_million_tokens)
{
    enum { B = 256 };
    int64_t                   n = INT64_C(1) << 20, want = 0, blocks;
    sb_power_attention_params p;
    sb_run                    run = {0, n};
    laid                      l   = lay("power_attention", "", (sb_gid){&run, 1, n}, n);
    ck_assert_int_eq(sb_params_default(sb_power_attention.params, &p), SB_OK);
    for (int64_t b = 0; b < n / B; b++) {
        sb_power_attention_row(&p, b, NULL, &blocks);
        want += (blocks - 1) * B * B + B * (B + 1) / 2;
    }
    sb_index_stats s = count(&l, 3);
    ck_assert_int_eq(s.rho_num, want);
    /* 14.0 blocks a row, half of one masked, of 2048 on average */
    ck_assert_double_le(fabs((double)s.rho_num / (double)s.rho_den - 13.5 / 2048), 1e-5);
    free(l.memory);
}
END_TEST

/* The row tile [first, last] of one row block and keys [0, n): 64-lane blocks that it needs.
 * `listed` and `seen` say of each key whether a list names it, and whether any row sees it. */
static int64_t blocks_of(const char *listed, const char *seen, int64_t n, int packs)
{
    int64_t blocks = 0, packed = 0;
    for (int64_t kb = 0; kb < n; kb += 64) {
        int touched = 0;
        for (int64_t k = kb; k < kb + 64 && k < n; k++) {
            packed += packs && listed[k] && seen[k];
            touched |= seen[k] && !(packs && listed[k]);
        }
        blocks += touched;
    }
    return blocks + (packed + 63) / 64;
}

static int window_sees(const sb_plan *p, int64_t q, int64_t k)
{
    return q - k < p->window_tokens || k < p->sink_tokens;
}

/* Random mixes of overlapping parts against key-by-key counting, and the contract of segments.h. */
START_TEST(random_plans_equal_brute_force)
{
    enum { N = 400, B = 50, ROWS = 8 };
    sb_rng  r = {(uint64_t)_i};
    int32_t row_id[ROWS], tile[ROWS * N], token[ROWS * N];
    int64_t tile_ptr[ROWS + 1] = {0}, token_ptr[ROWS + 1] = {0}, unit = 1 + _i % 4,
                            width = 1 + (int64_t)sb_rng_below(&r, 80);
    if (_i % 3 == 2) { /* whole 64-key blocks: alone they are not packed */
        unit  = 64;
        width = 64 * (1 + _i % 2);
    }
    int64_t gap[2] = {1 + (int64_t)sb_rng_below(&r, 60), 1 + (int64_t)sb_rng_below(&r, 60)};
    for (int b = 0; b < ROWS; b++) {
        row_id[b]        = b;
        tile_ptr[b + 1]  = tile_ptr[b];
        token_ptr[b + 1] = token_ptr[b];
        for (int64_t t = (int64_t)sb_rng_below(&r, 9); t * unit < N;
             t += 1 + (int64_t)sb_rng_below(&r, (uint64_t)gap[0]))
            tile[tile_ptr[b + 1]++] = (int32_t)t;
        for (int64_t t = (int64_t)sb_rng_below(&r, 9); t < N;
             t += 1 + (int64_t)sb_rng_below(&r, (uint64_t)gap[1]))
            token[token_ptr[b + 1]++] = (int32_t)t;
    }
    sb_plan  plan   = {.parts         = 1u + (uint32_t)_i % 7u,
                       .row_tokens    = B,
                       .n_rows        = ROWS,
                       .row_id        = row_id,
                       .sink_tokens   = (int64_t)sb_rng_below(&r, 90),
                       .window_tokens = 1 + (int64_t)sb_rng_below(&r, 120),
                       .tiles         = {1, tile_ptr, tile, ROWS * N, unit, width},
                       .tokens        = {1, token_ptr, token, ROWS * N, 1, 1}};
    sb_run   runs[] = {{0, 130}, {150, 100}, {250, 150}};
    sb_shape shape  = {
         .q_gid = {runs, 3, 380}, .n_keys = N, .heads = 1, .kv_heads = 1, .head_dim = 64};
    sb_index_stats s;
    int64_t        pairs = 0, all = 0, lanes = 0, dense_lanes = 0;
    static char    seen[N][N], listed[ROWS][N];
    memset(seen, 0, sizeof seen);
    memset(listed, 0, sizeof listed);
    for (int64_t b = 0; b < ROWS; b++)
        for (int64_t k = 0; k < N; k++) {
            int in = 0;
            for (int64_t i = tile_ptr[b]; (plan.parts & SB_PART_TILES) && i < tile_ptr[b + 1]; i++)
                in |= k >= tile[i] * unit && k < tile[i] * unit + width;
            for (int64_t i = token_ptr[b]; (plan.parts & SB_PART_TOKENS) && i < token_ptr[b + 1];
                 i++)
                in |= k == token[i];
            listed[b][k] = (char)in;
        }
    for (int64_t q = 0; q < N; q++)
        for (int64_t k = 0; k <= q; k++)
            seen[q][k] = (char)(listed[q / B][k] ||
                                ((plan.parts & SB_PART_WINDOW) && window_sees(&plan, q, k)));
    int packs = (plan.parts & SB_PART_TOKENS) || ((plan.parts & SB_PART_TILES) && unit != 64);
    for (int64_t q = 0; q < N; q++) {
        if (q >= 130 && q < 150)
            continue;
        /* nominal 64 x 64 grid, cut at row blocks where there are lists */
        int64_t first = q / 64 * 64, last = first + 63;
        if (plan.parts != SB_PART_WINDOW) {
            first = first > q / B * B ? first : q / B * B;
            last  = last < q / B * B + B - 1 ? last : q / B * B + B - 1;
        }
        last = last < N ? last : N - 1;
        char any[N];
        for (int64_t k = 0; k < N; k++)
            for (int64_t t = first + (any[k] = 0); t <= last; t++)
                any[k] |= seen[t][k];
        int64_t rows = q == first ? 64 - (last - first) : 1; /* the first row brings the padding */
        lanes += rows * 64 * blocks_of(listed[q / B], any, N, packs);
        int64_t dense_last = (q | 63) < N ? q | 63 : N - 1;
        dense_lanes += (q % 64 == 0 ? 64 - (dense_last - q) : 1) * 64 * (dense_last / 64 + 1);
        for (int64_t k = 0; k <= q; k++)
            pairs += seen[q][k];
        all += q + 1;
    }
    ck_assert_int_eq(sb_index_stats_count(&plan, &shape, 0, &s), SB_OK);
    ck_assert_int_eq(s.rho_num, pairs);
    ck_assert_int_eq(s.rho_den, all);
    ck_assert_int_eq(s.tile_lanes, lanes);
    ck_assert_int_eq(s.tile_lanes_dense, dense_lanes);
    /* ranges: ascending, disjoint, and every key visible to some row of [first, last] */
    for (int64_t first = 0; first < N; first += 17) {
        int64_t last = first + 12 < first / B * B + B - 1 ? first + 12 : first / B * B + B - 1,
                end  = 0;
        sb_segments it;
        sb_segment  g;
        sb_segments_begin(&it, &plan, 0, sb_plan_row(&plan, first), first, last);
        while (sb_segments_next(&it, &g)) {
            ck_assert(g.begin >= end && g.end > g.begin && g.end <= last + 1);
            end = g.end;
            for (int64_t k = g.begin; k < g.end; k++) {
                int any = 0;
                for (int64_t t = first; t <= last; t++)
                    any |= seen[t][k];
                if (!any)
                    ck_abort_msg("rows %lld..%lld, key %lld: in a range, seen by none",
                                 (long long)first, (long long)last, (long long)k);
            }
        }
    }
}
END_TEST

/* All figures add up over ranks; the digest does too, and so is the same for every rank count
 * [sharding 1.1]. */
START_TEST(sums_do_not_depend_on_ranks)
{
    static const struct {
        const char *method, *params;
    } table[] = {{"dense", ""},
                 {"a_shape", "sink_tokens: 9, window_tokens: 100"},
                 {"streaming_llm", "window_tokens: 33"},
                 {"power_attention", "block_tokens: 16"},
                 {"power_attention", "block_tokens: 7, pattern: longnet"}};
    enum { N = 1003 };
    sb_index_stats one = {0};
    for (int64_t ranks = 1; ranks <= 4; ranks++) {
        sb_index_stats sum = {0};
        for (int64_t rank = 0; rank < ranks; rank++) {
            int64_t        quantum = strncmp(table[_i].params, "block_tokens: 16", 16) == 0  ? 16
                                     : strncmp(table[_i].params, "block_tokens: 7", 15) == 0 ? 7
                                                                                             : 1;
            sb_run         run[2];
            laid           l = lay(table[_i].method, table[_i].params,
                                   sb_case_zigzag(run, 0, N, quantum, rank, ranks), N);
            sb_index_stats s = count(&l, 1);
            sum.rho_num += s.rho_num;
            sum.rho_den += s.rho_den;
            sum.tile_lanes += s.tile_lanes;
            sum.tile_lanes_dense += s.tile_lanes_dense;
            sum.digest += s.digest;
            free(l.memory);
        }
        if (ranks == 1)
            one = sum;
        ck_assert_mem_eq(&sum, &one, sizeof sum);
    }
}
END_TEST

/* Any other selection, head or place has another digest. */
START_TEST(digest_is_sensitive)
{
    static const struct {
        const char *method, *params;
        int64_t     n, head;
    } table[] = {{"power_attention", "block_tokens: 16", 1000, 0},
                 {"power_attention", "block_tokens: 16", 1000, 1},
                 {"power_attention", "block_tokens: 16", 1017, 0},
                 {"power_attention", "block_tokens: 17", 1000, 0},
                 {"power_attention", "block_tokens: 16, window_blocks: 4, sink_blocks: 0", 1000, 0},
                 {"power_attention", "block_tokens: 16, pattern: dilated", 1000, 0},
                 {"a_shape", "sink_tokens: 1, window_tokens: 5", 1000, 0},
                 {"a_shape", "sink_tokens: 5, window_tokens: 1", 1000, 0},
                 {"a_shape", "sink_tokens: 1, window_tokens: 5", 1000, 2},
                 {"a_shape", "sink_tokens: 1, window_tokens: 5", 1001, 0},
                 {"dense", "", 1000, 0}};
    enum { N = sizeof table / sizeof *table };
    uint64_t digest[N];
    for (int i = 0; i < N; i++) {
        sb_run run = {0, table[i].n};
        laid   l = lay(table[i].method, table[i].params, (sb_gid){&run, 1, table[i].n}, table[i].n);
        digest[i] = count(&l, table[i].head).digest;
        for (int j = 0; j < i; j++)
            ck_assert_msg(digest[i] != digest[j], "%d and %d have one digest", i, j);
        if (l.plan.tiles.id != NULL) { /* one id off by one */
            l.plan.tiles.id[l.plan.tiles.row_ptr[l.plan.n_rows] - 2]--;
            ck_assert_uint_ne(count(&l, table[i].head).digest, digest[i]);
        }
        free(l.memory);
    }
    sb_run run = {0, 1000}; /* equal rules are equal selections, whatever the method's name */
    laid   l =
        lay("streaming_llm", "sink_tokens: 1, window_tokens: 5", (sb_gid){&run, 1, 1000}, 1000);
    ck_assert_uint_eq(count(&l, 0).digest, digest[6]);
    free(l.memory);
}
END_TEST

START_TEST(foreign_rows_are_an_error)
{
    sb_run         run = {0, 64}, other = {64, 64};
    laid           l  = lay("power_attention", "block_tokens: 16", (sb_gid){&run, 1, 64}, 128);
    sb_index_stats s  = {.rho_num = -5};
    l.shape.q_gid.run = &other;
    ck_assert_int_eq(sb_index_stats_count(&l.plan, &l.shape, 0, &s), SB_ERR_INTERNAL);
    ck_assert_int_eq(s.rho_num, -5);
    free(l.memory);
}
END_TEST

/* [STYLE 4] 2^20 tokens x 32 heads x 128 is 2^32 elements: the last head's rows lie past what 32
 * bits can address. The memory is reserved, not used: only the pages that a decode step touches
 * come to exist. */
START_TEST(offsets_past_32_bits)
{
    const int64_t n = INT64_C(1) << 20, heads = 32, d = 128;
    sb_bf16      *m = mmap(NULL, (size_t)(n * heads * d) * 2, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED)
        return; /* no 8 GiB of address space here (ulimit -v): nothing to see */
    sb_run    all = {0, n}, last = {n - 1, 1};
    sb_tensor k = {.data        = m,
                   .dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = n,
                   .dim         = d,
                   .head_stride = n * d,
                   .gid         = {&all, 1, n}};
    sb_tensor q = sb_case_tensor(SB_BF16, heads, 1, d), o = sb_case_tensor(SB_F32, heads, 1, d);
    q.gid = o.gid = (sb_gid){&last, 1, 1};
    memset(q.data, 0, (size_t)(heads * d) * 2);
    ck_assert_int_eq(sb_tensor_bf16(&k, 31, n - 1) - m, (INT64_C(1) << 32) - d);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t i = n - 64; i < n; i++)
            for (int64_t x = 0; x < d; x++)
                sb_tensor_bf16(&k, h, i)[x] = sb_bf16_from_f32((float)(h + 1));
    float       lse[32];
    sb_plan     plan = {.parts = SB_PART_WINDOW, .row_tokens = 1, .window_tokens = 64};
    sb_ctx      ctx  = {.backend = &sb_backend_cpu, .threads = 1};
    sb_attn_in  in   = {.q = &q, .k = &k, .v = &k, .scale = 1};
    sb_attn_out out  = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    ck_assert_int_eq(sb_attend_window_cpu(&ctx, NULL, &in, &plan, NULL, &out), SB_OK);
    for (int64_t h = 0; h < heads; h++) {
        ck_assert(sb_tensor_f32(&o, h, 0)[d - 1] == (float)(h + 1));
        ck_assert(lse[h] == logf(64.0f));
    }
    free(q.data);
    free(o.data);
    munmap(m, (size_t)(n * heads * d) * 2);
}
END_TEST

/* Tiles past 2^31 in one index: row pointers and sizes are 64-bit. Counted, not stored. */
START_TEST(layout_counts_past_32_bits)
{
    const int64_t n     = INT64_C(1) << 20;
    sb_run        run   = {0, n};
    sb_shape      shape = {
             .q_gid = {&run, 1, n}, .n_keys = n, .heads = 1, .kv_heads = 1, .head_dim = 64};
    const sb_method *m = &sb_power_attention;
    sb_case          c;
    sb_arena         a;
    sb_plan          plan;
    sb_ctx           ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1};
    sb_case_params(&c, m,
                   "pattern: sliding_window, block_tokens: 1, window_blocks: 8192, sink_blocks: 0");
    sb_arena_init_count(&a);
    ck_assert_int_eq(m->layout(&ctx, c.params, &shape, &plan, NULL), SB_OK);
    int64_t want = n * 8192 - INT64_C(8192) * 8191 / 2; /* 2^33 - 2^25 + 2^12 */
    ck_assert_int_eq(plan.tiles.capacity, want);
    ck_assert_uint_ge(a.high_water_bytes, (size_t)want * 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("index_stats");
    TCase *t = tcase_create("counts");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, dense_is_exactly_one, 0, 7);
    tcase_add_test(t, offset_queries);
    tcase_add_test(t, power_attention_at_a_million_tokens);
    tcase_add_loop_test(t, random_plans_equal_brute_force, 0, 70);
    tcase_add_loop_test(t, sums_do_not_depend_on_ranks, 0, 5);
    tcase_add_test(t, digest_is_sensitive);
    tcase_add_test(t, foreign_rows_are_an_error);
    tcase_add_test(t, offsets_past_32_bits);
    tcase_add_test(t, layout_counts_past_32_bits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
