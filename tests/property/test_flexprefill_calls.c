/* flexprefill, calls that are dense or refused [flexprefill 3.0, 5, 6, 10.1], parameters, and input
 * that is no number. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/property/flex_rig.h"

enum { MAX_BLOCKS = 64 };

START_TEST(defaults_are_the_designs)
{
    sb_flexprefill_params p;
    ck_assert_int_eq(sb_params_default(sb_flexprefill.params, &p), SB_OK);
    ck_assert_int_eq(p.block_tokens, 128);
    ck_assert(p.gamma == 0.95 && p.tau == 0.1);
    ck_assert_int_eq(p.min_budget_tokens, 1024);
    ck_assert_int_eq(p.max_budget_tokens, 0);
    ck_assert_int_eq(p.slash_cover, 1);
    ck_assert_int_eq(p.compat, SB_FLEXPREFILL_CLEAN);
    ck_assert_int_eq(sb_flexprefill.quantum_tokens(&p), 128);
    ck_assert_int_eq(sb_flexprefill.plan_keys, SB_PLAN_KEYS_ALL);
    ck_assert(!(sb_flexprefill.caps & SB_CAP_DECODE)); /* 6: dense */
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_flexprefill.params, "gamma"), &p, "1"),
                     SB_ERR_USAGE);
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_flexprefill.params, "tau"), &p, "-0.1"),
                     SB_ERR_USAGE);
}
END_TEST

/* ---- 3.0, 5, 6: where it is dense, and where it is refused ---- */

START_TEST(short_and_decode_are_dense)
{
    static const struct {
        int64_t     n;
        const char *params;
        int         fallback;
    } table[] = {
        {64, "block_tokens: 32, min_budget_tokens: 1, max_budget_tokens: 1", 1}, /* 2 B */
        {65, "block_tokens: 32, min_budget_tokens: 1, max_budget_tokens: 1", 0},
        {160, "block_tokens: 32, min_budget_tokens: 129, max_budget_tokens: 1", 1}, /* 5 blocks */
        {161, "block_tokens: 32, min_budget_tokens: 129, max_budget_tokens: 1", 0},
        {160, "block_tokens: 32, min_budget_tokens: 128, max_budget_tokens: 1", 0},
        {300, "block_tokens: 32, min_budget_tokens: 300", 1}, /* 10.1: min_budget >= N */
        {300, "block_tokens: 32, min_budget_tokens: 9000000000000000000", 1},
        {1024, "", 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        int64_t  n = table[i].n;
        sb_case *c = flex_one_thread((sb_case_shape){n, n, 2, 1, 32}, 3);
        flex_dense(c);
        float *o = flex_copy(c->o.data, 2 * n * 32, sizeof *o);
        flex_attend(c, table[i].params);
        ck_assert_int_eq(c->plan.fallback, table[i].fallback);
        ck_assert_int_eq(c->plan.parts, table[i].fallback ? SB_PART_WINDOW : SB_PART_TILES);
        ck_assert_int_eq(memcmp(c->o.data, o, (size_t)(2 * n * 32) * sizeof *o) == 0,
                         table[i].fallback);
        free(o);
        sb_case_destroy(c);
    }
    sb_case *c = flex_one_thread((sb_case_shape){1, 700, 2, 1, 32}, 4);
    flex_dense(c);
    float *o     = flex_copy(c->o.data, 2 * 32, sizeof *o);
    c->is_decode = 1;
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, max_budget_tokens: 1");
    ck_assert_int_eq(c->plan.fallback, 1);
    ck_assert_mem_eq(c->o.data, o, 2 * 32 * sizeof *o);
    free(o);
    sb_case_destroy(c);
}
END_TEST

static void ck_refused(sb_case *c, const char *params, const char *reason)
{
    ck_assert_int_eq(sb_case_attend(c, &sb_flexprefill, params, SB_F32), SB_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(sb_error_text(), reason) != NULL, "%s", sb_error_text());
}

START_TEST(unsupported_calls_are_refused_with_the_reason)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 1);
    ck_refused(c, "block_tokens: 48", "block_tokens: found 48, allowed 32, 64 or 128");
    sb_shape     huge = {.n_keys = INT64_C(1) << 28, .heads = 1, .kv_heads = 1, .head_dim = 64};
    sb_run       all  = {0, huge.n_keys};
    const sb_gid gid  = {&all, 1, huge.n_keys};
    sb_case_params(c, &sb_flexprefill, "block_tokens: 32");
    huge.q_gid = gid;
    ck_assert_int_eq(sb_flexprefill.check(c->params, &huge), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed below 134217728 with blocks of 32"));
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1");
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor k   = c->k;
    k.tokens      = 299;
    ck_assert_int_eq(
        sb_flexprefill.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
        SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "299 keys, it needs all 300"));
    sb_case_destroy(c);
    c = sb_case_random((sb_case_shape){37, 300, 4, 2, 16}, 1); /* chunked prefill, cached prefix */
    ck_refused(c, "block_tokens: 32", "queries: found 37 for 300 keys");
    ck_refused(c, "block_tokens: 128", "queries: found 37 for 300 keys"); /* short ones too */
    sb_case_destroy(c);
}
END_TEST

/* The plan finds out as well, whatever check was told: from the sum over all ranks. And a mean
 * needs all rows of its block. */
START_TEST(plan_refuses_missing_queries)
{
    sb_case  *c      = sb_case_random((sb_case_shape){300, 300, 2, 1, 16}, 1);
    sb_run    run[2] = {{32, 268}, {0, 0}};
    sb_gid    g      = {run, 2, 268};
    sb_tensor q      = sb_case_take(&c->q, 0, &g);
    flex_attend(c, "block_tokens: 32, min_budget_tokens: 1");
    for (int cut = 0; cut < 2; cut++) {
        sb_shape shape = c->seen;
        sb_ctx   ctx   = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
        sb_plan  plan;
        shape.q_gid = q.gid = g;
        sb_arena_reset(&c->arena, 0);
        ck_assert_int_eq(sb_flexprefill.layout(&ctx, c->params, &shape, &plan, NULL), SB_OK);
        ck_assert_int_eq(
            sb_flexprefill.plan[SB_CPU](&ctx, c->params, &shape, &q, &c->k, NULL, &plan),
            cut ? SB_ERR_INTERNAL : SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), cut ? "row block 8 has 31 of its queries"
                                                  : "queries: found 268 for 300 keys") != NULL,
                      "%s", sb_error_text());
        run[0]     = (sb_run){32, 255}; /* up to 287 */
        g.n_tokens = 255;
    }
    free(q.data);
    sb_case_destroy(c);
}
END_TEST

/* Logits that are no number, or infinite: nothing hangs, and every row keeps its two blocks. */
START_TEST(not_numbers_do_no_harm)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY, 3e38f};
    for (int where = 0; where < 8; where++) {
        sb_case *c = flex_one_thread((sb_case_shape){300, 300, 2, 1, 16}, 6);
        sb_bf16  x = sb_bf16_from_f32(bad[where % 4]);
        if (where < 4)
            sb_tensor_bf16(&c->k, 0, 133)[3] = x;
        else
            for (int64_t i = 0; i < 300 * 16; i++)
                ((sb_bf16 *)c->q.data)[i] = x;
        for (int tau = 0; tau < 2; tau++) {
            flex_attend(c, tau ? "block_tokens: 32, min_budget_tokens: 64, tau: 1"
                               : "block_tokens: 32, min_budget_tokens: 64, tau: 0");
            for (int64_t i = 0; i < c->plan.n_rows; i++) {
                int keep[MAX_BLOCKS];
                flex_flags(&c->plan, 0, i, keep);
            }
        }
        sb_case_destroy(c);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flexprefill calls");
    TCase *t = tcase_create("calls");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_designs);
    tcase_add_test(t, short_and_decode_are_dense);
    tcase_add_test(t, unsupported_calls_are_refused_with_the_reason);
    tcase_add_test(t, plan_refuses_missing_queries);
    tcase_add_test(t, not_numbers_do_no_harm);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
