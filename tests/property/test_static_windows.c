/* The windows of power_attention: MoA, 1-D neighborhood, BlockRank [other_seed_methods], against
 * their formulas, over ranks, in decode; and MoA's plan files, good and bad. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/power_attention/power_attention.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/tolerance.h"

typedef struct pattern {
    const char    *params;
    judge_visible  see;
    block_rule     block;
    blockrank_rule rank;
} pattern;

enum { N = 509, H = 4, D = 32 };

/* N' = 509 + 100: beta 0.4 is a span of 243.6, 256 kept; 2000 tokens are cut to N'. */
static const pattern patterns[] = {
    {"pattern: moa, beta: 0.4, max_new_tokens: 100", see_moa, {64, 192, 64, 0, 0, 0}, {0}},
    {"pattern: moa, beta: 0.4, max_new_tokens: 100, granularity_tokens: 1",
     see_moa,
     {1, 192, 64, 0, 0, 0},
     {0}},
    {"pattern: moa, alpha_tokens: 2000, beta: 0", see_moa, {64, 1472, 64, 0, 0, 0}, {0}},
    {"pattern: moa, alpha_tokens: -1024, beta: 0.5", see_moa, {64, 64, 64, 0, 0, 0}, {0}},
    {"pattern: neighborhood, window_tokens: 40", see_neighborhood, {N, 40, 0, 1, 1, 0}, {0}},
    {"pattern: neighborhood, window_tokens: 41, stride_tokens: 5",
     see_neighborhood,
     {N, 41, 0, 5, 1, 0},
     {0}},
    {"pattern: neighborhood, window_tokens: 100, stride_tokens: 100",
     see_neighborhood,
     {N, 100, 0, 100, 1, 0},
     {0}},
    {"pattern: neighborhood, window_tokens: 12, stride_tokens: 7, dilation_tokens: 4",
     see_neighborhood,
     {N, 12, 0, 7, 4, 0},
     {0}},
    {"pattern: neighborhood, window_tokens: 1, dilation_tokens: 90",
     see_neighborhood,
     {N, 1, 0, 1, 90, 0},
     {0}},
    {"pattern: neighborhood, window_tokens: 600, stride_tokens: 33, dilation_tokens: 2",
     see_neighborhood,
     {N, 600, 0, 33, 2, 0},
     {0}},
    {"pattern: blockrank, instruction_tokens: 30, document_tokens: 50, query_tokens: 60",
     see_blockrank,
     {0},
     {30, 50, 60, N}},
    /* (509 - 100 - 9) / 7 = 57.1 */
    {"pattern: blockrank, instruction_tokens: 100, documents: 7, query_tokens: 9",
     see_blockrank,
     {0},
     {100, 58, 9, N}},
    {"pattern: blockrank, instruction_tokens: 0, document_tokens: 1, query_tokens: 1",
     see_blockrank,
     {0},
     {0, 1, 1, N}},
    {"pattern: blockrank, instruction_tokens: 400, document_tokens: 10, query_tokens: 200",
     see_all,
     {0},
     {0}},
};
enum { N_PATTERNS = sizeof patterns / sizeof *patterns };

static const void *rule_of(const pattern *p)
{
    return p->see == see_blockrank ? (const void *)&p->rank : (const void *)&p->block;
}

static void attend(sb_case *c, const char *params)
{
    ck_assert_msg(sb_case_attend(c, &sb_power_attention, params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

START_TEST(rows_see_what_the_formula_says)
{
    const pattern *p = &patterns[_i];
    sb_case       *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 3 + (uint64_t)_i);
    attend(c, p->params);
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, p->see, rule_of(p), 3);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    sb_case_destroy(c);
}
END_TEST

/* Pairs are counted exactly, whatever rows a rank holds, and the digest is one selection's. */
START_TEST(counts_equal_the_formula_for_every_rank_count)
{
    const pattern *p      = &patterns[_i];
    int64_t        want   = 0;
    uint64_t       digest = 0;
    for (int64_t q = 0; q < N; q++)
        for (int64_t k = 0; k <= q; k++)
            want += p->see(q, k, rule_of(p));
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 1);
    for (int64_t ranks = 1; ranks <= 4; ranks++) {
        int64_t  pairs = 0, lanes = 0;
        uint64_t sum = 0;
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run         run[2];
            sb_index_stats s;
            sb_gid         g = sb_case_zigzag(run, 0, N, 1, rank, ranks);
            sb_tensor      q = sb_case_take(&c->q, 0, &g);
            ck_assert_int_eq(
                sb_case_attend_on(c, &sb_power_attention, p->params, SB_F32, &q, NULL, NULL),
                SB_OK);
            ck_assert_int_eq(sb_power_attention.quantum_tokens(c->params), 1);
            ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 1, &s), SB_OK);
            pairs += s.rho_num;
            lanes += s.tile_lanes;
            sum += s.digest;
            free(q.data);
        }
        ck_assert_int_eq(pairs, want);
        ck_assert_int_ge(lanes, want);
        ck_assert(ranks == 1 || sum == digest);
        digest = sum;
    }
    sb_case_destroy(c);
}
END_TEST

/* Every bit of a row is the same for 1 to 4 ranks. */
START_TEST(rows_do_not_depend_on_ranks)
{
    const pattern *p = &patterns[_i];
    sb_case       *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 5);
    attend(c, p->params);
    float *o = malloc(H * N * D * sizeof *o);
    memcpy(o, c->o.data, H * N * D * sizeof *o);
    for (int64_t ranks = 2; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2];
            sb_gid    g = sb_case_zigzag(run, 0, N, 1, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g);
            ck_assert_int_eq(
                sb_case_attend_on(c, &sb_power_attention, p->params, SB_F32, &q, NULL, NULL),
                SB_OK);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++)
                    if (memcmp(sb_tensor_f32(&c->o, h, i), o + (h * N + judge_gid(&g, i)) * D,
                               D * 4) != 0)
                        ck_abort_msg("%d ranks, row %d", (int)ranks, (int)judge_gid(&g, i));
            free(q.data);
        }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* Neighborhood with stride and dilation 1 is the sliding window, with stride = window blocks that
 * do not see each other [Neighborhood attention]. */
START_TEST(neighborhood_identities)
{
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 5);
    ck_assert_int_eq(
        sb_case_attend(c, sb_method_find("a_shape"), "sink_tokens: 0, window_tokens: 70", SB_F32),
        SB_OK);
    float *o = malloc(H * N * D * sizeof *o);
    memcpy(o, c->o.data, H * N * D * sizeof *o);
    attend(c, "pattern: neighborhood, window_tokens: 70");
    ck_assert_mem_eq(c->o.data, o, H * N * D * sizeof *o);
    attend(c, "pattern: neighborhood, window_tokens: 64, stride_tokens: 64");
    memcpy(o, c->o.data, H * N * D * sizeof *o);
    attend(c, "pattern: sliding_window, block_tokens: 64, window_blocks: 1, sink_blocks: 0");
    for (int64_t h = 0; h < H; h++) /* the last, short block looks further back: it is cut at N */
        ck_assert_mem_eq(sb_tensor_f32(&c->o, h, 0), o + h * N * D, (size_t)(N / 64 * 64 * D) * 4);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* span = min(alpha + beta N', N'), at least 128, up to a multiple of 64, of which 64 are sinks. */
START_TEST(spans_of_moa)
{
    static const struct {
        double  alpha, beta;
        int64_t n, window;
    } table[] = {{0, 0.5, 9216, 4544},     {-1024, 1, 5120, 4032}, {0, 0.125, 1024, 64},
                 {0, 0.125, 1032, 128},    {0, 0.126, 1024, 128},  {100, 1, 1000, 960},
                 {-5000, 0.1, 4096, 64},   {0, 0.75, 13312, 9920}, {64, 0.0625, 1024, 64},
                 {0, 1, 1048576, 1048512}, {1e12, 0, 640, 576}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        sb_head_window w;
        sb_moa_window(table[i].alpha, table[i].beta, table[i].n, &w);
        ck_assert_int_eq(w.sink_tokens, 64);
        ck_assert_int_eq(w.window_tokens, table[i].window);
    }
}
END_TEST

/* ---- plan files ---- */

static const void *content_of(const char *text, unsigned char **memory)
{
    return sb_case_read(&sb_power_attention, text, memory);
}

/* Two layers of two heads; a head of the second layer has window 320, the others differ too. */
static const char spans[] =
    "{\"alphas\": [[0, -64.5], [1e3, 0]], \"betas\": [[0.5, 0.25], [0, 1]]}";
static const char windows[] = "{\"windows\": [[64, 128], [1, 320]], \"sinks\": [[0, 3], [64, 64]]}";

static sb_plan plan_of(const void *content, int32_t layer, const char *params, sb_cache *cache,
                       int64_t n_keys, int is_decode, sb_head_window out[2])
{
    static _Alignas(64) unsigned char buf[4096];
    sb_case                           c;
    sb_arena                          a;
    sb_plan                           plan;
    sb_run                            run = {is_decode ? n_keys - 1 : 0, is_decode ? 1 : n_keys};
    sb_ctx   ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1, .layer = layer};
    sb_shape s   = {.q_gid     = {&run, 1, run.len},
                    .n_keys    = n_keys,
                    .heads     = 2,
                    .kv_heads  = 1,
                    .head_dim  = 64,
                    .is_decode = is_decode};
    sb_case_params(&c, &sb_power_attention, params);
    sb_power_attention_params *p = (sb_power_attention_params *)(void *)c.params;
    if (content != NULL) {
        strcpy(p->plan_file.path, "plan.json");
        p->plan_file.content = content;
    }
    ck_assert_msg(sb_power_attention.check(p, &s) == SB_OK, "%s", sb_error_text());
    sb_arena_init(&a, buf, sizeof buf, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_power_attention.layout(&ctx, p, &s, &plan, cache), SB_OK);
    ck_assert_int_eq(sb_power_attention.plan[SB_CPU](&ctx, p, &s, NULL, NULL, cache, &plan), SB_OK);
    ck_assert(sb_arena_canaries_intact(&a));
    memcpy(out, plan.form.head, 2 * sizeof *out);
    return plan;
}

static void ck_window(sb_head_window w, int64_t sink, int64_t window)
{
    ck_assert_int_eq(w.sink_tokens, sink);
    ck_assert_int_eq(w.window_tokens, window);
}

START_TEST(plan_file_gives_each_head_its_window)
{
    unsigned char *room;
    sb_head_window w[2];
    const void    *content = content_of(spans, &room);
    ck_assert_msg(content != NULL, "%s", sb_error_text());
    /* N' = 2000 + 1000 */
    (void)plan_of(content, 0, "pattern: moa, max_new_tokens: 1000", NULL, 2000, 0, w);
    ck_window(w[0], 64, 1536 - 64);
    ck_window(w[1], 64, 704 - 64); /* 685.5 */
    (void)plan_of(content, 1, "pattern: moa, max_new_tokens: 1000", NULL, 2000, 0, w);
    ck_window(w[0], 64, 1024 - 64);
    ck_window(w[1], 64, 3008 - 64);
    free(room);
    content = content_of(windows, &room);
    ck_assert_msg(content != NULL, "%s", sb_error_text());
    (void)plan_of(content, 0, "pattern: moa", NULL, 2000, 0, w);
    ck_window(w[0], 0, 64);
    ck_window(w[1], 3, 128);
    (void)plan_of(content, 1, "pattern: moa", NULL, 2000, 0, w);
    ck_window(w[0], 64, 64); /* up to whole steps */
    ck_window(w[1], 64, 320);
    free(room);
}
END_TEST

/* A decode step keeps the spans of the prompt; without a prefill before it, those of what there is.
 */
START_TEST(decode_keeps_the_prompts_spans)
{
    int64_t        state = 0;
    sb_cache       cache = {.state = &state, .state_bytes = sizeof state};
    sb_head_window w[2];
    const char    *p = "pattern: moa, beta: 0.5, max_new_tokens: 100";
    sb_plan        a = plan_of(NULL, 0, p, &cache, 1000, 0, w); /* 550 */
    ck_window(w[0], 64, 576 - 64);
    ck_assert_int_eq(state, 1000);
    (void)plan_of(NULL, 0, p, &cache, 1090, 1, w);
    ck_window(w[1], 64, 576 - 64);
    state = 0;
    (void)plan_of(NULL, 0, p, &cache, 1100, 1, w); /* 600 */
    ck_window(w[1], 64, 640 - 64);
    ck_assert_int_eq(a.form.unit_tokens, 64);
}
END_TEST

/* Heads of one KV head may see different keys: each against its own formula. */
START_TEST(heads_with_windows_of_their_own)
{
    unsigned char *room;
    const void    *content =
        content_of("{\"sinks\": [[0, 3, 70, 5]], \"windows\": [[1, 128, 200, 1000]]}", &room);
    static const block_rule rules[H] = {{16, 16, 0, 0, 0, 0},
                                        {16, 128, 3, 0, 0, 0},
                                        {16, 208, 70, 0, 0, 0},
                                        {16, 1008, 5, 0, 0, 0}};
    sb_case                *c        = sb_case_random((sb_case_shape){N, N, H, 2, D}, 17);
    sb_ctx                  ctx      = {.backend = &sb_backend_cpu, .threads = 2};
    sb_attn_in              in       = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    attend(c, "pattern: moa, granularity_tokens: 16");
    sb_attn_out                out = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
    sb_power_attention_params *p   = (sb_power_attention_params *)(void *)c->params;
    strcpy(p->plan_file.path, "x/plan.json");
    p->plan_file.content = content;
    ck_assert_int_eq(
        sb_power_attention.plan[SB_CPU](&ctx, p, &c->seen, &c->q, &c->k, NULL, &c->plan), SB_OK);
    ck_assert_int_eq(sb_power_attention.attend[SB_CPU](&ctx, p, &in, &c->plan, NULL, &out), SB_OK);
    for (int64_t h = 0; h < H; h++) {
        int64_t        pairs = 0;
        sb_index_stats s;
        for (int64_t q = 0; q < N; q++)
            for (int64_t k = 0; k <= q; k++)
                pairs += see_moa(q, k, &rules[h]);
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, h, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, pairs);
        for (int64_t i = 0; i < N; i += 11) {
            double want[D], lse;
            judge_row(&c->q, &c->k, &c->v, c->scale, see_moa, &rules[h], h, i, want, &lse);
            ck_assert_double_le(lse - (double)c->lse[h * N + i], SB_LSE_ABS);
            ck_assert_double_le((double)c->lse[h * N + i] - lse, SB_LSE_ABS);
        }
    }
    free(room);
    sb_case_destroy(c);
}
END_TEST

START_TEST(bad_plan_files_say_what_is_wrong)
{
    static const char *const table[][2] = {
        {"", "line 1, column 0: no JSON"},
        {"{\"alphas\": [[1]], \"betas\": [[1]]} x", "no JSON"},
        {"{\"alphas\": [[1]], \"betas\": [[1]], \"alphas\": [[2]]}",
         "no JSON: duplicate object key"},
        {"[[1]]", "found an array of 1, allowed an object with alphas and betas"},
        {"null", "no JSON"},
        {"{}", "alphas: found nothing, allowed an array of 1 to 4096"},
        {"{\"alphas\": [[1]]}",
         "betas: found nothing, allowed an array of 1, as the first one has"},
        {"{\"alphas\": [[1]], \"windows\": [[1]]}",
         "found the key `alphas`, allowed sinks, windows"},
        {"{\"alpha\\ns\": [[1]]}", "found the key `alpha?s`"},
        {"{\"alphas\": [], \"betas\": []}", "alphas: found an array of 0"},
        {"{\"alphas\": [[]], \"betas\": [[]]}", "alphas[0]: found an array of 0"},
        {"{\"alphas\": [[1, 2], [1]], \"betas\": [[1, 2], [1, 2]]}",
         "alphas[1]: found an array of 1, allowed an array of 2"},
        {"{\"alphas\": [[1, 2]], \"betas\": [[1, 2], [1, 2]]}",
         "betas: found an array of 2, allowed an array of 1"},
        {"{\"alphas\": [[1, 2]], \"betas\": [[1, \"2\"]]}",
         "betas[0][1]: found a string, allowed a number"},
        {"{\"alphas\": [[1, null]], \"betas\": [[1, 2]]}", "alphas[0][1]: found null"},
        {"{\"alphas\": [[1, 1e300]], \"betas\": [[1, 2]]}", "alphas[0][1]: found 1e+300"},
        {"{\"alphas\": [[1, 1e999]], \"betas\": [[1, 2]]}", "no JSON: real number overflow"},
        {"{\"sinks\": [[1, -1]], \"windows\": [[1, 2]]}", "sinks[0][1]: found -1"},
        {"{\"sinks\": [[1, 1]], \"windows\": [[1, 0]]}", "windows[0][1]: found 0"},
        {"{\"sinks\": [[1, 1]], \"windows\": [[1, 2.5]]}",
         "windows[0][1]: found 2.5, allowed a whole number"},
    };
    unsigned char *room;
    ck_assert_ptr_null(content_of(table[_i][0], &room));
    ck_assert_msg(strstr(sb_error_text(), table[_i][1]) != NULL, "%s: %s", table[_i][0],
                  sb_error_text());
}
END_TEST
enum { N_BAD = 20 };

/* Bytes of a good file changed at random: read or refused, never worse; depth without end too. */
START_TEST(hostile_plan_files_are_refused)
{
    sb_rng r = {(uint64_t)_i};
    for (int t = 0; t < 400; t++) {
        const char    *good = t % 2 ? spans : windows;
        char           text[sizeof windows + sizeof spans];
        unsigned char *room;
        memcpy(text, good, strlen(good) + 1);
        for (int f = 0; f <= t % 4; f++)
            text[sb_rng_below(&r, strlen(good))] = (char)(1 + sb_rng_below(&r, 255));
        if (t % 5 == 0)
            text[sb_rng_below(&r, strlen(good))] = '\0';
        (void)content_of(text, &room);
        free(room);
    }
    char          *deep = malloc(100001);
    unsigned char *room;
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    ck_assert_ptr_null(content_of(deep, &room));
    free(deep);
}
END_TEST

START_TEST(files_of_another_model_are_unsupported)
{
    unsigned char            *room;
    sb_power_attention_params p;
    sb_run                    run   = {0, 100};
    sb_shape                  shape = {
                         .q_gid = {&run, 1, 100}, .n_keys = 100, .heads = 4, .kv_heads = 2, .head_dim = 64};
    sb_arena a;
    sb_plan  plan;
    sb_ctx   ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1, .layer = 2};
    ck_assert_int_eq(sb_params_default(sb_power_attention.params, &p), SB_OK);
    p.pattern = SB_POWER_MOA;
    strcpy(p.plan_file.path, "plan.json");
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_INTERNAL);
    p.plan_file.content = content_of(spans, &room);
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_str_eq(sb_error_text(),
                     "plan_file: found 2 heads in each layer, allowed the model's 4");
    shape.heads = 2;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_OK);
    sb_arena_init_count(&a);
    ck_assert_int_eq(sb_power_attention.layout(&ctx, &p, &shape, &plan, NULL), SB_ERR_UNSUPPORTED);
    ck_assert_str_eq(sb_error_text(), "plan_file: found 2 layers, the model has a layer 2");
    p.pattern       = SB_POWER_NEIGHBORHOOD;
    p.stride_tokens = 300;
    ck_assert_int_eq(sb_power_attention.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_str_eq(sb_error_text(), "stride_tokens: found 300, allowed up to window_tokens 256");
    free(room);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("static_windows");
    TCase *t = tcase_create("patterns"), *u = tcase_create("plan files");
    tcase_set_timeout(t, 60);
    tcase_set_timeout(u, 60);
    tcase_add_loop_test(t, rows_see_what_the_formula_says, 0, N_PATTERNS);
    tcase_add_loop_test(t, counts_equal_the_formula_for_every_rank_count, 0, N_PATTERNS);
    tcase_add_loop_test(t, rows_do_not_depend_on_ranks, 0, N_PATTERNS);
    tcase_add_test(t, neighborhood_identities);
    tcase_add_test(t, spans_of_moa);
    tcase_add_test(u, plan_file_gives_each_head_its_window);
    tcase_add_test(u, decode_keeps_the_prompts_spans);
    tcase_add_test(u, heads_with_windows_of_their_own);
    tcase_add_loop_test(u, bad_plan_files_say_what_is_wrong, 0, N_BAD);
    tcase_add_loop_test(u, hostile_plan_files_are_refused, 0, 4);
    tcase_add_test(u, files_of_another_model_are_unsupported);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
