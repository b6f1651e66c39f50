/* What planning says it spent on finding a selection, by the formulas of each method's section 7
 * [quality_metrics B4]. That ranks add up is tests/mpi's business (prefill_equals_one_rank). */
#include <check.h>
#include <stdlib.h>

#include "kernels/registry.h"
#include "tests/oracle/case.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 32 };

static int64_t flops_of(const char *method, const char *params, int64_t n)
{
    sb_case *c = sb_case_random((sb_case_shape){n, n, HEADS, KV_HEADS, DIM}, 5);
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
    int64_t flops = c->plan.estimate_flops;
    sb_case_destroy(c);
    return flops;
}

/* N = 1024 in blocks of 64: 16 * 17 / 2 pairs of 2 d B^2 / s. */
START_TEST(xattention_counts_antidiagonals)
{
    ck_assert_int_eq(flops_of("xattention", "block_tokens: 64, stride_tokens: 8", 1024),
                     HEADS * 136LL * 2 * DIM * 64 * 64 / 8);
    /* N^2 d / s once diagonal blocks no longer matter [xattention 7] */
    double got = (double)flops_of("xattention", "block_tokens: 16, stride_tokens: 4", 4096);
    ck_assert_double_eq_tol(got / (HEADS * 4096.0 * 4096 * DIM / 4), 1, 1.0 / 256 + 1e-9);
    ck_assert_int_eq(flops_of("xattention", "block_tokens: 64, stride_tokens: 8", 128), 0);
}
END_TEST

START_TEST(minference_counts_its_probe)
{
    ck_assert_int_eq(flops_of("minference", "vertical_tokens: 50, slash_tokens: 130", 1000),
                     3LL * HEADS * 2 * 64 * 1000 * DIM);
    ck_assert_int_eq(flops_of("minference", "vertical_tokens: 30, slash_tokens: 50", 40),
                     3LL * HEADS * 2 * 40 * 40 * DIM);
    /* 16 row blocks, the last one ragged: 16 * 17 / 2 products of means */
    ck_assert_int_eq(flops_of("minference", "pattern: block_sparse, top_k_blocks: 3", 1000),
                     HEADS * 136LL * 2 * DIM);
    ck_assert_int_eq(flops_of("minference", "pattern: a_shape", 1000), 0);
}
END_TEST

/* T = 64: super-blocks 1, 2, 3 search [16, 64 g - 16); 0 and the tail of 40 tokens are dense.
 * Stage 1: four blocks meet 3 + 4 + 5 + 6 blocks of 16 keys. */
START_TEST(anchor_attention_counts_both_stages)
{
    int64_t windows = 3 * 16 * 16 * 18, candidates = 4 * (32 + 96 + 160);
    ck_assert_int_eq(
        flops_of("anchor_attention", "block_tokens: 16, step_blocks: 4, theta: 2", 256 + 40),
        HEADS * 2LL * DIM * (windows + candidates));
    ck_assert_int_eq(flops_of("anchor_attention", "block_tokens: 16, step_blocks: 4", 100), 0);
}
END_TEST

/* Two passes of 16 probe rows over the 18 complete segments of 32 keys; then the two row blocks of
 * segment g = 0 .. 18 meet the 2 * g pooled keys of earlier segments, or 16 * 16 / 8 antidiagonals
 * of each. Tau = 1 needs no scores. */
START_TEST(pbs_attn_counts_probe_and_scores)
{
    int64_t probe = 2LL * 2 * 16 * 18 * 32 * DIM, pairs = 4 * (18 * 19 / 2);
    ck_assert_int_eq(flops_of("pbs_attn", "block_tokens: 16, segment_tokens: 32", 600),
                     HEADS * (probe + 2 * DIM * pairs));
    ck_assert_int_eq(
        flops_of("pbs_attn", "block_tokens: 16, segment_tokens: 32, selector: antidiagonal", 600),
        HEADS * (probe + 2 * DIM * pairs * 16 * 16 / 8));
    ck_assert_int_eq(
        flops_of("pbs_attn", "block_tokens: 16, segment_tokens: 32, perm_share: group", 600),
        KV_HEADS * probe + HEADS * 2 * DIM * pairs);
    ck_assert_int_eq(flops_of("pbs_attn", "block_tokens: 16, segment_tokens: 32, tau: 1", 600),
                     HEADS * probe);
    ck_assert_int_eq(flops_of("pbs_attn", "", 256), 0);
}
END_TEST

/* N = 1000 in blocks of 64: the probe twice, 16 products with the mean query; and, where every head
 * is query-aware, 16 * 17 / 2 products of means. */
START_TEST(flexprefill_counts_probe_and_means)
{
    int64_t probe = 2 * 64 * 1000 + 16;
    ck_assert_int_eq(
        flops_of("flexprefill", "block_tokens: 64, min_budget_tokens: 1, tau: 0", 1000),
        HEADS * 2LL * DIM * probe);
    ck_assert_int_eq(
        flops_of("flexprefill", "block_tokens: 64, min_budget_tokens: 1, tau: 1", 1000),
        HEADS * 2LL * DIM * (probe + 136));
    ck_assert_int_eq(flops_of("flexprefill", "block_tokens: 64", 1000), 0);
}
END_TEST

/* 16 chunks of 32 blocks: five times 32 halves of two keys, asked by every fourth query. */
START_TEST(hip_counts_its_searches)
{
    static const char params[] = "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4, "
                                 "block_q_tokens: 2048, stride_q_tokens: 4";
    ck_assert_int_eq(flops_of("hip", params, 20 + 1024),
                     HEADS * 5LL * 32 * 2 * (1044 / 4) * 2 * DIM);
    ck_assert_int_eq(flops_of("hip", params, 52), 0);
}
END_TEST

START_TEST(fixed_patterns_estimate_nothing)
{
    static const char *const methods[] = {"dense",           "a_shape",   "streaming_llm",
                                          "power_attention", "lightning", "linear"};
    ck_assert_int_eq(flops_of(methods[_i], "", 500), 0);
}
END_TEST

/* [lightning 7, linear 7] at N = 150, chunks of 64 (64, 64, 22), exact triangles; of one head, when
 * a state serves `share` query heads: 2 d^2 N (1 + 1 / share) and 4 d a pair. What ranks count adds
 * up: rows [0, 50) and [50, 150) here. */
static const struct {
    const char *method, *params;
    int64_t     share, pairs, more; /* more: of gated_delta, a KV head, in units of 2 d */
} states[] = {
    {"lightning", "", 1, 2 * 64 * 65 / 2 + 22 * 23 / 2, 0},
    {"lightning", "slope_heads: kv, chunk_tokens: 128", 2, 128 * 129 / 2 + 22 * 23 / 2, 0},
    {"linear", "force_mode: recurrent", 2, 0, 0},
    {"linear", "kind: gla", 2, 9 * 16 * 17 / 2 + 6 * 7 / 2, 0},
    {"linear", "kind: gated_delta", 2, 2 * 64 * 65 / 2 + 22 * 23 / 2,
     150 * DIM + 2 * (2 * 64 * 63 / 2 + 22 * 21 / 2)},
    {"linear", "kind: gated_delta, force_mode: recurrent", 2, 0, 150 * DIM},
};
enum { N_STATES = sizeof states / sizeof *states };

START_TEST(states_count_their_products)
{
    enum { N = 150 };
    sb_case         *c = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 5);
    const sb_method *m = sb_method_find(states[_i].method);
    int64_t          s = HEADS / states[_i].share, part[2];
    int64_t want       = (HEADS + s) * 2LL * DIM * DIM * N + HEADS * states[_i].pairs * 4LL * DIM +
                   s * states[_i].more * 2LL * DIM;
    ck_assert_int_eq(sb_case_attend(c, m, states[_i].params, SB_F32), SB_OK);
    ck_assert_int_eq(c->plan.attend_flops, want);
    for (int r = 0; r < 2; r++) {
        sb_run   own   = {r == 0 ? 0 : 50, r == 0 ? 50 : 100};
        sb_shape shape = c->seen;
        shape.q_gid    = (sb_gid){&own, 1, own.len};
        sb_ctx ctx     = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
        sb_arena_reset(&c->arena, 0);
        ck_assert_int_eq(m->layout(&ctx, c->params, &shape, &c->plan, NULL), SB_OK);
        ck_assert_int_eq(m->plan[SB_CPU](&ctx, c->params, &shape, &c->q, &c->k, NULL, &c->plan),
                         SB_OK);
        part[r] = c->plan.attend_flops;
    }
    ck_assert_int_eq(part[0] + part[1], want);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("estimate_flops");
    TCase *t = tcase_create("formulas");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, xattention_counts_antidiagonals);
    tcase_add_test(t, minference_counts_its_probe);
    tcase_add_test(t, anchor_attention_counts_both_stages);
    tcase_add_test(t, pbs_attn_counts_probe_and_scores);
    tcase_add_test(t, flexprefill_counts_probe_and_means);
    tcase_add_test(t, hip_counts_its_searches);
    tcase_add_loop_test(t, fixed_patterns_estimate_nothing, 0, 6);
    tcase_add_loop_test(t, states_count_their_products, 0, N_STATES);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
