/* Every method of the registry that has an index, through its executor, against the fp64 judge
 * (those that carry a state instead: test_linear_scan.c): all kernel variants, shapes with ragged
 * ends and grouped heads, queries fewer than keys, decode. And what the executors promise beyond
 * numbers: bits that depend neither on threads nor on sharding, untouched outputs on errors, exact
 * values where the input allows them. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/flash.h"
#include "kernels/exec/merge_lse.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/oracle/state_configs.h"
#include "tests/tolerance.h"

typedef struct config {
    const char   *method, *params;
    judge_visible see;
    window_rule   window;
    block_rule    block;
} config;

static const config configs[] = {
    {"dense", "", see_all, {0, 0}, {0}},
    {"a_shape", "sink_tokens: 5, window_tokens: 37", see_window, {5, 37}, {0}},
    {"a_shape", "sink_tokens: 0, window_tokens: 1", see_window, {0, 1}, {0}},
    {"a_shape", "sink_tokens: 128, window_tokens: 300", see_window, {128, 300}, {0}},
    {"streaming_llm", "sink_tokens: 4, window_tokens: 65", see_window, {4, 65}, {0}},
    {"power_attention",
     "block_tokens: 16, window_blocks: 2",
     see_power,
     {0, 0},
     {16, 2, 1, 0, 0, 0}},
    {"power_attention",
     "block_tokens: 7, window_blocks: 1, sink_blocks: 0",
     see_power,
     {0, 0},
     {7, 1, 0, 0, 0, 0}},
    {"power_attention",
     "block_tokens: 1, window_blocks: 1, sink_blocks: 2",
     see_power,
     {0, 0},
     {1, 1, 2, 0, 0, 0}},
    {"power_attention",
     "pattern: sliding_window, block_tokens: 64, window_blocks: 3",
     see_sliding,
     {0, 0},
     {64, 3, 1, 0, 0, 0}},
    {"power_attention",
     "pattern: stride_slash, block_tokens: 32, window_blocks: 2, stride_blocks: 5",
     see_stride,
     {0, 0},
     {32, 2, 1, 5, 0, 0}},
    {"power_attention",
     "pattern: dilated, block_tokens: 24, window_blocks: 9, dilation_blocks: 3",
     see_dilated,
     {0, 0},
     {24, 9, 0, 0, 3, 0}},
    {"power_attention",
     "pattern: longnet, block_tokens: 8, window_blocks: 4, levels: 4",
     see_longnet,
     {0, 0},
     {8, 4, 0, 0, 0, 4}},
    /* windows with more to them; where they depend on the length, property tests judge them */
    {"power_attention",
     "pattern: moa, alpha_tokens: 200, beta: 0",
     see_moa,
     {0, 0},
     {64, 192, 64, 0, 0, 0}},
    {"power_attention",
     "pattern: moa, alpha_tokens: 1, beta: 0, granularity_tokens: 1",
     see_moa,
     {0, 0},
     {1, 64, 64, 0, 0, 0}},
    {"power_attention",
     "pattern: neighborhood, window_tokens: 37, dilation_tokens: 3",
     see_neighborhood,
     {0, 0},
     {1 << 20, 37, 0, 1, 3, 0}},
    {"power_attention", "pattern: blockrank, query_tokens: 5000", see_all, {0, 0}, {0}},
    /* selection needs its own judge (property tests); here the budgets that reach every key */
    {"minference", "vertical_tokens: 5000, slash_tokens: 100", see_all, {0, 0}, {0}},
    {"minference", "vertical_tokens: 40, slash_tokens: 5000", see_all, {0, 0}, {0}},
    {"minference", "pattern: block_sparse, top_k_blocks: 64", see_all, {0, 0}, {0}},
    /* where the choice does not depend on the data: sink and own block, and all blocks */
    {"xattention",
     "block_tokens: 16, stride_tokens: 4, tau: 0",
     see_sliding,
     {0, 0},
     {16, 1, 1, 0, 0, 0}},
    {"xattention", "block_tokens: 32, stride_tokens: 8, tau: 1", see_all, {0, 0}, {0}},
    {"anchor_attention", "block_tokens: 16, step_blocks: 4, theta: 1e9", see_all, {0, 0}, {0}},
    {"anchor_attention", "block_tokens: 24, step_blocks: 1, theta: 1e9", see_all, {0, 0}, {0}},
    {"pbs_attn", "block_tokens: 16, segment_tokens: 48, tau: 1", see_all, {0, 0}, {0}},
    {"pbs_attn", "block_tokens: 64, segment_tokens: 128, tau: 1", see_all, {0, 0}, {0}},
    /* budgets of one block: the first column and the diagonals; a floor above the length: dense */
    {"flexprefill",
     "block_tokens: 32, tau: 0, min_budget_tokens: 1, max_budget_tokens: 1",
     see_sliding,
     {0, 0},
     {32, 1, 1, 0, 0, 0}},
    {"flexprefill",
     "block_tokens: 64, tau: 0, min_budget_tokens: 1, max_budget_tokens: 1, slash_cover: 2",
     see_sliding,
     {0, 0},
     {64, 2, 1, 0, 0, 0}},
    {"flexprefill", "min_budget_tokens: 5000", see_all, {0, 0}, {0}},
    {"hip", "top_k_tokens: 4096", see_all, {0, 0}, {0}},
    /* lists drawn by head: none of them but sink and window, and all */
    {"random_blocks", "density: 1, block_tokens: 48", see_all, {0, 0}, {0}},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const void *rule_of(const config *c)
{
    return c->see == see_window ? (const void *)&c->window : (const void *)&c->block;
}

/* Does the method refuse the queries of a part of a sequence? Then its shards need ranks:
 * tests/mpi. pbs_attn sees only in plan, from the sum over ranks, that queries are missing. */
static int wants_all_queries(const config *f)
{
    sb_run   last  = {1, 1};
    sb_shape shape = {
        .q_gid = {&last, 1, 1}, .n_keys = 2, .heads = 1, .kv_heads = 1, .head_dim = 16};
    const sb_method *m = sb_method_find(f->method);
    sb_case          c = {.is_decode = 0};
    sb_case_params(&c, m, f->params);
    return strcmp(f->method, "pbs_attn") == 0 ||
           m->check(c.params, &shape) == SB_ERR_UNSUPPORTED;
}

/* n_q, n_k, heads, kv heads, d: ragged last block and GQA on purpose; the last ones: fewer queries
 * than keys, odd widths. */
static const sb_case_shape shapes[] = {
    {129, 129, 4, 4, 64}, {1000, 1000, 8, 2, 64}, {4096, 4096, 2, 1, 128}, {37, 300, 4, 2, 16},
    {1, 1, 2, 1, 48},     {65, 131, 3, 1, 256},   {90, 90, 80, 1, 80}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void use_variant(sb_cpu_isa isa)
{
    ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", sb_cpu_isa_name(isa), 1), 0);
}

static void no_variant(void) { unsetenv("SPAN_CPU_KERNEL"); }

static void attend_ok(sb_case *c, const char *method, const char *params, sb_dtype dtype)
{
    const sb_method *m = sb_method_find(method);
    ck_assert_ptr_nonnull(m);
    ck_assert_msg(sb_case_attend(c, m, params, dtype) == SB_OK, "%s (%s): %s", method, params,
                  sb_error_text());
}

START_TEST(every_registered_method_has_a_judge)
{
    for (int i = 0; sb_methods[i] != NULL; i++) {
        int found = 0;
        for (int c = 0; c < N_CONFIGS; c++)
            found |= strcmp(configs[c].method, sb_methods[i]->name) == 0;
        for (int c = 0; state_configs[c].method != NULL; c++)
            found |= strcmp(state_configs[c].method, sb_methods[i]->name) == 0;
        ck_assert_msg(found, "%s is registered, and no config here tests it", sb_methods[i]->name);
        ck_assert_ptr_eq(sb_method_find(sb_methods[i]->name), sb_methods[i]);
        ck_assert(sb_methods[i]->summary[0] != '\0' && sb_methods[i]->source[0] != '\0');
    }
    ck_assert_ptr_null(sb_method_find("densest"));
}
END_TEST

/* _i: config x shape. Large shapes: the widest variant only, a sample of rows. */
START_TEST(method_matches_judge)
{
    const config *f   = &configs[_i / N_SHAPES];
    sb_case_shape s   = shapes[_i % N_SHAPES];
    sb_case      *c   = sb_case_random(s, 7 + (uint64_t)_i);
    int           big = s.n_k >= 1000;
    if (wants_all_queries(f) && s.n_q < s.n_k) {
        ck_assert_int_eq(sb_case_attend(c, sb_method_find(f->method), f->params, SB_F32),
                         SB_ERR_UNSUPPORTED);
        sb_case_destroy(c);
        return;
    }
    for (int isa = SB_CPU_ISA_COUNT - 1, done = 0; isa >= 0; isa--) {
        if (!sb_cpu_isa_available((sb_cpu_isa)isa) || (big && done))
            continue;
        use_variant((sb_cpu_isa)isa);
        attend_ok(c, f->method, f->params, SB_F32);
        sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, f->see, rule_of(f),
                                        big          ? 211
                                        : s.n_q > 60 ? 7
                                                     : 1);
        ck_assert_msg(e.nmse <= SB_NMSE_F32 && e.lse_abs <= SB_LSE_ABS, "%s %s %s: nmse %g, lse %g",
                      f->method, f->params, sb_cpu_isa_name((sb_cpu_isa)isa), e.nmse, e.lse_abs);
        done = 1;
    }
    no_variant();
    attend_ok(c, f->method, f->params, SB_BF16);
    ck_assert_double_le(sb_case_judge(c, &c->q, &c->k, &c->v, f->see, rule_of(f),
                                      big          ? 211
                                      : s.n_q > 60 ? 7
                                                   : 1)
                            .nmse,
                        SB_NMSE_BF16);
    sb_case_destroy(c);
}
END_TEST

/* One query at the end, over a cache with room to spare and many runs: decode. It must equal the
 * last row of a prefill. */
START_TEST(decode_equals_last_row_of_prefill)
{
    const config    *f = &configs[_i];
    const sb_method *m = sb_method_find(f->method);
    if (m->plan_keys == SB_PLAN_KEYS_ALL && (m->caps & SB_CAP_DECODE) == 0)
        return; /* its selection is one of the prefill; decode is dense */
    sb_case *c = sb_case_random((sb_case_shape){333, 333, 4, 2, 64}, 5);
    attend_ok(c, f->method, f->params, SB_F32);
    float o[4 * 64], lse[4];
    for (int h = 0; h < 4; h++) {
        memcpy(o + h * 64, sb_tensor_f32(&c->o, h, 332), 64 * sizeof *o);
        lse[h] = c->lse[h * 333 + 332];
    }
    sb_run    last = {332, 1}, runs[] = {{0, 100}, {100, 1}, {101, 200}, {301, 31}, {332, 1}};
    sb_gid    one = {&last, 1, 1};
    sb_tensor q = sb_case_take(&c->q, 0, &one), k = sb_case_tensor(SB_BF16, 2, 400, 64),
              v = sb_case_tensor(SB_BF16, 2, 400, 64);
    memset(k.data, 0xff,
           2 * 400 * 64 * 2); /* rows past the filled ones are NaN and must not be read */
    memset(v.data, 0xff, 2 * 400 * 64 * 2);
    for (int h = 0; h < 2; h++) {
        memcpy(sb_tensor_bf16(&k, h, 0), sb_tensor_bf16(&c->k, h, 0), 333 * 64 * 2);
        memcpy(sb_tensor_bf16(&v, h, 0), sb_tensor_bf16(&c->v, h, 0), 333 * 64 * 2);
    }
    k.tokens = v.tokens = 333;
    k.gid = v.gid = (sb_gid){runs, 5, 333};
    c->is_decode  = 1;
    ck_assert_int_eq(sb_case_attend_on(c, m, f->params, SB_F32, &q, &k, &v), SB_OK);
    for (int h = 0; h < 4; h++) {
        ck_assert_mem_eq(sb_tensor_f32(&c->o, h, 0), o + h * 64, 64 * sizeof *o);
        ck_assert_float_eq(c->lse[h], lse[h]);
    }
    free(q.data);
    free(k.data);
    free(v.data);
    sb_case_destroy(c);
}
END_TEST

/* [sharding 1.2], and more: with gathered keys every bit is the same for any number of ranks,
 * layout and threads. */
START_TEST(query_shards_keep_every_bit)
{
    const config    *f = &configs[_i];
    const sb_method *m = sb_method_find(f->method);
    if (wants_all_queries(f)) /* a shard alone is refused; its ranks together: tests/mpi */
        return;
    sb_case *c = sb_case_random((sb_case_shape){451, 451, 6, 2, 64}, 11);
    attend_ok(c, f->method, f->params, SB_F32);
    int64_t   bytes = 6 * 451 * 64 * 4, quantum = m->quantum_tokens(c->params);
    sb_tensor whole = c->o, copy = sb_case_tensor(SB_F32, 6, 451, 64);
    float    *lse = malloc(6 * 451 * sizeof *lse);
    memcpy(copy.data, whole.data, (size_t)bytes);
    memcpy(lse, c->lse, 6 * 451 * sizeof *lse);
    c->threads = 1;
    attend_ok(c, f->method, f->params, SB_F32);
    ck_assert_mem_eq(c->o.data, copy.data, (size_t)bytes);
    for (int64_t ranks = 2; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2], keys[3] = {{0, 77}, {77, 300}, {377, 74}};
            sb_gid    g = sb_case_zigzag(run, 0, 451, quantum, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g), k = c->k, v = c->v;
            k.gid = v.gid = (sb_gid){keys, 3, 451};
            c->threads    = (int32_t)ranks;
            ck_assert_int_eq(sb_case_attend_on(c, m, f->params, SB_F32, &q, &k, &v), SB_OK);
            for (int64_t h = 0; h < 6; h++)
                for (int64_t i = 0; i < g.n_tokens; i++) {
                    int64_t id = judge_gid(&g, i);
                    ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i), sb_tensor_f32(&copy, h, id),
                                     64 * 4);
                    ck_assert_mem_eq(&c->lse[h * g.n_tokens + i], &lse[h * 451 + id], 4);
                }
            free(q.data);
        }
    free(copy.data);
    free(lse);
    sb_case_destroy(c);
}
END_TEST

/* Keys in three shards of several runs: partials merged, and one running partial, both equal the
 * whole [sharding 3]. */
START_TEST(key_shards_merge_to_the_whole)
{
    enum { H = 4, N = 400, D = 64, PARTS = 3 };
    const config    *f = &configs[_i];
    const sb_method *m = sb_method_find(f->method);
    sb_case         *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 3);
    sb_tensor        part[PARTS], running = sb_case_tensor(SB_F32, H, N, D),
                           merged = sb_case_tensor(SB_F32, H, N, D);
    float *o = malloc(PARTS * H * N * D * sizeof *o), *lse = malloc(PARTS * H * N * sizeof *lse);
    float *run_lse    = malloc(H * N * sizeof *run_lse),
          *merged_lse = malloc(H * N * sizeof *merged_lse);
    memset(running.data, 0xff, H * N * D * 4); /* an empty partial's o is never read as a number */
    for (int i = 0; i < H * N; i++)
        run_lse[i] = -INFINITY;
    for (int p = 0; p < PARTS; p++) {
        sb_run    run[2];
        sb_gid    g = sb_case_zigzag(run, 0, N, 1, p, PARTS);
        sb_tensor k = sb_case_take(&c->k, 0, &g), v = sb_case_take(&c->v, 0, &g);
        ck_assert_int_eq(sb_case_attend_on(c, m, f->params, SB_F32, NULL, &k, &v), SB_OK);
        memcpy(o + p * H * N * D, c->o.data, H * N * D * sizeof *o);
        memcpy(lse + p * H * N, c->lse, H * N * sizeof *lse);
        for (int64_t h = 0; h < H; h++)
            for (int64_t i = h; i < N; i += 3) {
                int sees = 0;
                for (int64_t x = 0; x < g.n_tokens; x++)
                    sees |= f->see(i, judge_gid(&g, x), rule_of(f));
                ck_assert_int_eq(sees, c->lse[h * N + i] != -INFINITY);
                for (int64_t x = 0; !sees && x < D; x++)
                    sees = sb_tensor_f32(&c->o, h, i)[x] != 0.0f;
                ck_assert(sees == (c->lse[h * N + i] != -INFINITY));
            }
        sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 2};
        sb_attn_in  in  = {.q = &c->q, .k = &k, .v = &v, .scale = c->scale};
        sb_attn_out out = {.o = &running, .lse = run_lse, .mode = SB_OUT_MERGE};
        ck_assert_int_eq(m->attend[SB_CPU](&ctx, c->params, &in, &c->plan, NULL, &out), SB_OK);
        part[p] = k;
        free(v.data);
    }
    sb_partials parts = {.o               = o,
                         .lse             = lse,
                         .o_part_stride   = H * N * D,
                         .o_row_stride    = D,
                         .lse_part_stride = H * N,
                         .lse_row_stride  = 1,
                         .n_parts         = PARTS,
                         .rows            = H * N,
                         .dim             = D};
    sb_merge_lse(&parts, SB_F32, merged.data, merged_lse);
    c->o            = merged;
    c->lse          = merged_lse;
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, f->see, rule_of(f), 7);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    c->o   = running;
    c->lse = run_lse;
    e      = sb_case_judge(c, &c->q, &c->k, &c->v, f->see, rule_of(f), 7);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    for (int p = 0; p < PARTS; p++)
        free(part[p].data);
    free(running.data);
    free(merged.data);
    free(o);
    free(lse);
    free(run_lse);
    free(merged_lse);
    sb_case_destroy(c);
}
END_TEST

/* Sampled rows of the quality pass have the executor's bits, for dense and for the method's own
 * support [quality_metrics C]. */
START_TEST(sampled_rows_equal_the_executor)
{
    enum { H = 4, N = 700, D = 64, S = 9 };
    static const int64_t ids[S] = {0, 1, 63, 64, 65, 300, 301, 640, 699};
    const config        *f      = &configs[_i];
    sb_case             *c      = sb_case_random((sb_case_shape){N, N, H, 2, D}, 19);
    sb_tensor            q = sb_case_tensor(SB_BF16, H, S, D), o = sb_case_tensor(SB_F32, H, S, D);
    float                lse[H * S], only[H * S];
    sb_ctx               ctx = {.backend = &sb_backend_cpu, .threads = 2};
    for (int h = 0; h < H; h++)
        for (int i = 0; i < S; i++)
            memcpy(sb_tensor_bf16(&q, h, i), sb_tensor_bf16(&c->q, h, ids[i]), D * 2);
    attend_ok(c, f->method, f->params, SB_F32);
    ck_assert_int_eq(sb_plan_rows_cpu(&ctx, &c->plan, &q, ids, &c->k, &c->v, c->scale, &o, lse),
                     SB_OK);
    ck_assert_int_eq(sb_plan_rows_cpu(&ctx, &c->plan, &q, ids, &c->k, &c->v, c->scale, NULL, only),
                     SB_OK);
    ck_assert_mem_eq(lse, only, sizeof lse);
    for (int h = 0; h < H; h++)
        for (int i = 0; i < S; i++) {
            ck_assert_mem_eq(sb_tensor_f32(&o, h, i), sb_tensor_f32(&c->o, h, ids[i]), D * 4);
            ck_assert_mem_eq(&lse[h * S + i], &c->lse[h * N + ids[i]], 4);
        }
    attend_ok(c, "dense", "", SB_F32);
    ck_assert_int_eq(sb_dense_rows_cpu(&ctx, &q, ids, &c->k, &c->v, c->scale, &o, only), SB_OK);
    for (int h = 0; h < H; h++)
        for (int i = 0; i < S; i++) {
            ck_assert_mem_eq(sb_tensor_f32(&o, h, i), sb_tensor_f32(&c->o, h, ids[i]), D * 4);
            ck_assert_mem_eq(&only[h * S + i], &c->lse[h * N + ids[i]], 4);
            ck_assert_float_le(lse[h * S + i],
                               only[h * S + i] + 1e-6f); /* a support never holds more mass */
        }
    free(q.data);
    free(o.data);
    sb_case_destroy(c);
}
END_TEST

/* A method's own steps are timed as select (and estimate, where it reads all keys, and permute,
 * where it orders them), the executor as compute, and nothing else is claimed. */
START_TEST(phases_are_bracketed)
{
    for (int i = 0; sb_methods[i] != NULL; i++) {
        sb_case *c = sb_case_random((sb_case_shape){600, 600, 2, 1, 64}, 1);
        ck_assert_int_eq(sb_case_attend(c, sb_methods[i], "", SB_BF16), SB_OK);
        sb_phase_times t   = {.kernel = NULL};
        sb_ctx ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .phases = &t, .threads = 1};
        sb_attn_in  in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = 1};
        sb_attn_out out = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
        ck_assert_int_eq(
            sb_methods[i]->plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &c->k, NULL, &c->plan),
            SB_OK);
        ck_assert_int_eq(t.ns[SB_PHASE_COMPUTE], 0);
        ck_assert_int_eq(sb_methods[i]->attend[SB_CPU](&ctx, c->params, &in, &c->plan, NULL, &out),
                         SB_OK);
        for (int p = 0; p < SB_PHASE_COUNT; p++)
            if (p != SB_PHASE_ESTIMATE)
                ck_assert_int_eq(t.ns[p] > 0,
                                 p == SB_PHASE_SELECT || p == SB_PHASE_COMPUTE ||
                                     (p == SB_PHASE_PERMUTE && c->plan.slots.n_heads > 0));
        sb_case_destroy(c);
    }
}
END_TEST

/* All values equal: any softmax gives that value, to the bit once o is rounded. */
START_TEST(constant_values_come_out_exactly)
{
    const config *f = &configs[_i];
    sb_case      *c = sb_case_random((sb_case_shape){200, 200, 4, 2, 64}, 23);
    sb_bf16       x = sb_bf16_from_f32(-1.3671875f);
    for (int64_t i = 0; i < 2 * 200 * 64; i++)
        ((sb_bf16 *)c->v.data)[i] = x;
    attend_ok(c, f->method, f->params, SB_BF16);
    for (int64_t i = 0; i < 4 * 200 * 64; i++)
        if (((sb_bf16 *)c->o.data)[i] != x)
            ck_abort_msg("element %lld differs", (long long)i);
    sb_case_destroy(c);
}
END_TEST

/* q = 0: every visible key weighs 1. Small integers in V then give exact sums, and exact means over
 * 2^m keys. */
START_TEST(small_integers_are_exact)
{
    sb_case *c = sb_case_random((sb_case_shape){512, 512, 2, 1, 32}, 29);
    memset(c->q.data, 0, 2 * 512 * 32 * 2);
    for (int64_t i = 0; i < 512; i++)
        for (int64_t x = 0; x < 32; x++)
            sb_tensor_bf16(&c->v, 0, i)[x] = sb_bf16_from_f32((float)((i * 7 + x * 3) % 33 - 16));
    for (int isa = 0; isa < SB_CPU_ISA_COUNT; isa++) {
        if (!sb_cpu_isa_available((sb_cpu_isa)isa))
            continue;
        use_variant((sb_cpu_isa)isa);
        attend_ok(c, "dense", "", SB_F32);
        for (int64_t n = 1; n <= 512; n *= 2) {
            ck_assert(c->lse[512 + n - 1] == logf((float)n));
            for (int64_t x = 0; x < 32; x++) {
                float sum = 0;
                for (int64_t i = 0; i < n; i++)
                    sum += (float)((i * 7 + x * 3) % 33 - 16);
                ck_assert(sb_tensor_f32(&c->o, 1, n - 1)[x] == sum / (float)n);
            }
        }
    }
    no_variant();
    sb_case_destroy(c);
}
END_TEST

START_TEST(huge_scores_stay_finite)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 64}, 31);
    c->scale   = 40.0f; /* scores of some thousands: one key wins, the others underflow */
    attend_ok(c, "dense", "", SB_F32);
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_all, NULL, 1);
    ck_assert_double_le(e.nmse, 1e-6); /* scores near 1e4 carry an absolute error of 1e-3 in fp32 */
    sb_case_destroy(c);
}
END_TEST

/* All three parts at once, overlapping on purpose: each visible key counts once. */
typedef struct any_plan {
    const sb_plan *plan;
} any_plan;

static int see_plan(int64_t q, int64_t k, const void *state)
{
    const sb_plan *p   = ((const any_plan *)state)->plan;
    int64_t        row = q / p->row_tokens;
    if (k > q)
        return 0;
    if (q - k < p->window_tokens || k < p->sink_tokens)
        return 1;
    for (int64_t i = p->tiles.row_ptr[row]; i < p->tiles.row_ptr[row + 1]; i++)
        if (k >= p->tiles.id[i] * p->tiles.unit_tokens &&
            k < p->tiles.id[i] * p->tiles.unit_tokens + p->tiles.width_tokens)
            return 1;
    for (int64_t i = p->tokens.row_ptr[row]; i < p->tokens.row_ptr[row + 1]; i++)
        if (k == p->tokens.id[i])
            return 1;
    return 0;
}

/* Random overlapping parts; tile forms that are packed and one that is not. */
enum { MIXED_N = 260, MIXED_B = 26, MIXED_ROWS = 10, MIXED_CAPACITY = MIXED_ROWS * 130 };
typedef struct mixed {
    sb_plan plan;
    int32_t row_id[MIXED_ROWS], tile[MIXED_CAPACITY], token[MIXED_CAPACITY];
    int64_t tile_ptr[MIXED_ROWS + 1], token_ptr[MIXED_ROWS + 1];
} mixed;

static void mix(mixed *m, int i)
{
    static const int64_t forms[][2] = {{2, 5}, {2, 2}, {1, 64}, {64, 64}};
    const int64_t       *form       = forms[i % 4];
    sb_rng               r          = {(uint64_t)i * 77};
    memset(m, 0, sizeof *m);
    for (int b = 0; b < MIXED_ROWS; b++) {
        m->row_id[b]        = b;
        m->tile_ptr[b + 1]  = m->tile_ptr[b];
        m->token_ptr[b + 1] = m->token_ptr[b];
        for (int32_t t = 0; t * form[0] < MIXED_N;
             t += 1 + (int32_t)sb_rng_below(&r, (uint64_t)(1 + 120 / form[0])))
            m->tile[m->tile_ptr[b + 1]++] = t;
        for (int32_t t = (int32_t)sb_rng_below(&r, 30); t < MIXED_N;
             t += 1 + (int32_t)sb_rng_below(&r, 40))
            m->token[m->token_ptr[b + 1]++] = t;
    }
    m->plan = (sb_plan){.parts         = SB_PART_WINDOW | SB_PART_TILES,
                        .row_tokens    = MIXED_B,
                        .n_rows        = MIXED_ROWS,
                        .row_id        = m->row_id,
                        .sink_tokens   = i % 5,
                        .window_tokens = 1 + 9 * (i % 3),
                        .tiles  = {1, m->tile_ptr, m->tile, MIXED_CAPACITY, form[0], form[1]},
                        .tokens = {1, m->token_ptr, m->token, MIXED_CAPACITY, 1, 1}};
    if (i % 8 < 4)
        m->plan.parts |= SB_PART_TOKENS;
    else /* see_plan() reads all parts */
        memset(m->token_ptr, 0, sizeof m->token_ptr);
}

START_TEST(mixed_parts_count_each_key_once)
{
    enum { N = MIXED_N, H = 2 };
    static mixed m;
    sb_case     *c = sb_case_random((sb_case_shape){N, N, H, 1, 32}, (uint64_t)_i);
    float        lse[H * N];
    sb_tensor    o   = sb_case_tensor(SB_F32, H, N, 32);
    sb_ctx       ctx = {.backend = &sb_backend_cpu, .threads = 2};
    sb_attn_in   in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out  out = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    mix(&m, _i);
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &m.plan, NULL, &out), SB_OK);
    c->o            = o;
    c->lse          = lse;
    any_plan      s = {&m.plan};
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_plan, &s, 1);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    free(o.data);
    sb_case_destroy(c);
}
END_TEST

/* Rows of a packed list, alone and in tiles cut anywhere, keep every bit. */
START_TEST(mixed_parts_keep_every_bit)
{
    enum { N = MIXED_N, H = 2, D = 32 };
    static mixed         m;
    static const int64_t rows[] = {0, 1, 25, 26, 51, 64, 130, 131, 133, 180, 259};
    enum { S = sizeof rows / sizeof *rows };
    sb_case    *c = sb_case_random((sb_case_shape){N, N, H, 1, D}, (uint64_t)_i);
    float       lse[H * N], part_lse[H * N];
    sb_tensor   o = sb_case_tensor(SB_F32, H, N, D), part = sb_case_tensor(SB_F32, H, N, D);
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 2};
    sb_attn_in  in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out out = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    mix(&m, _i);
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &m.plan, NULL, &out), SB_OK);
    for (int64_t cut = 1; cut < N; cut += 31) {
        sb_run    run = {cut, N - cut < 45 ? N - cut : 45};
        sb_gid    g   = {&run, 1, run.len};
        sb_tensor q = sb_case_take(&c->q, 0, &g), few = part;
        few.tokens      = run.len;
        few.head_stride = run.len * D;
        in.q            = &q;
        out             = (sb_attn_out){.o = &few, .lse = part_lse, .mode = SB_OUT_SET};
        ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &m.plan, NULL, &out), SB_OK);
        for (int64_t h = 0; h < H; h++) {
            ck_assert_mem_eq(sb_tensor_f32(&few, h, 0), sb_tensor_f32(&o, h, cut),
                             (size_t)run.len * D * 4);
            ck_assert_mem_eq(part_lse + h * run.len, lse + h * N + cut, (size_t)run.len * 4);
        }
        free(q.data);
    }
    sb_tensor q = sb_case_tensor(SB_BF16, H, S, D), few = part;
    few.tokens      = S;
    few.head_stride = S * D;
    for (int64_t h = 0; h < H; h++)
        for (int64_t i = 0; i < S; i++)
            memcpy(sb_tensor_bf16(&q, h, i), sb_tensor_bf16(&c->q, h, rows[i]), D * 2);
    ck_assert_int_eq(
        sb_plan_rows_cpu(&ctx, &m.plan, &q, rows, &c->k, &c->v, c->scale, &few, part_lse), SB_OK);
    for (int64_t h = 0; h < H; h++)
        for (int64_t i = 0; i < S; i++) {
            ck_assert_mem_eq(sb_tensor_f32(&few, h, i), sb_tensor_f32(&o, h, rows[i]), D * 4);
            ck_assert_mem_eq(&part_lse[h * S + i], &lse[h * N + rows[i]], 4);
        }
    free(q.data);
    free(o.data);
    free(part.data);
    sb_case_destroy(c);
}
END_TEST

/* A list for every query head: heads of one group may then differ. */
START_TEST(lists_per_head)
{
    sb_case    *c        = sb_case_random((sb_case_shape){64, 64, 2, 1, 32}, 41);
    int32_t     row_id[] = {0}, tile[] = {0, 1, 3};
    int64_t     ptr[] = {0, 1, 3};
    sb_plan     plan  = {.parts      = SB_PART_TILES,
                         .row_tokens = 64,
                         .n_rows     = 1,
                         .row_id     = row_id,
                         .tiles      = {2, ptr, tile, 3, 16, 16}};
    float       lse[128];
    sb_tensor   o   = sb_case_tensor(SB_F32, 2, 64, 32);
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 1};
    sb_attn_in  in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = 0.0f};
    sb_attn_out out = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &plan, NULL, &out), SB_OK);
    ck_assert(lse[63] == logf(16.0f) && lse[15] == logf(16.0f) && lse[0] == 0.0f);
    ck_assert(lse[64 + 63] == logf(32.0f) && lse[64 + 31] == logf(16.0f) &&
              lse[64 + 15] == -INFINITY);
    free(o.data);
    sb_case_destroy(c);
}
END_TEST

/* Hosts of one run may differ: the two FMA variants give the same bits. */
START_TEST(avx2_and_avx512_agree_bitwise)
{
    if (!sb_cpu_isa_available(SB_CPU_AVX512))
        return;
    for (int64_t d = 16; d <= 256; d += 16) {
        sb_case *c = sb_case_random((sb_case_shape){150, 150, 2, 1, d}, (uint64_t)d);
        float    lse[300];
        use_variant(SB_CPU_AVX2);
        attend_ok(c, "dense", "", SB_F32);
        void *o = malloc((size_t)(300 * d) * 4);
        memcpy(o, c->o.data, (size_t)(300 * d) * 4);
        memcpy(lse, c->lse, sizeof lse);
        use_variant(SB_CPU_AVX512);
        attend_ok(c, "dense", "", SB_F32);
        ck_assert_mem_eq(o, c->o.data, (size_t)(300 * d) * 4);
        ck_assert_mem_eq(lse, c->lse, sizeof lse);
        free(o);
        sb_case_destroy(c);
    }
}
END_TEST

START_TEST(variant_names_are_checked)
{
    sb_device_facts facts;
    setenv("SPAN_CPU_KERNEL", "sse9", 1);
    ck_assert_int_eq(sb_backend_cpu.available(), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found `sse9`, allowed here: generic"));
    setenv("SPAN_CPU_KERNEL", "generic", 1);
    ck_assert_int_eq(sb_backend_cpu.facts(&facts), SB_OK);
    ck_assert_str_eq(facts.detail, "kernel variant generic");
    ck_assert_int_ge(facts.count, 1);
    ck_assert_int_gt(facts.memory_bytes, 0);
    setenv("SPAN_CPU_KERNEL", "", 1);
    ck_assert_int_eq(sb_backend_cpu.available(), SB_OK);
}
END_TEST

/* Bad input: a status, its reason, and outputs as they were. */
START_TEST(errors_leave_outputs_alone)
{
    sb_case    *c = sb_case_random((sb_case_shape){8, 8, 4, 2, 32}, 1);
    sb_tensor   o = sb_case_tensor(SB_BF16, 4, 8, 32);
    float       lse[32];
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 1};
    sb_tensor   q = c->q, k = c->k, v = c->v;
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = 1};
    sb_attn_out out = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    memset(o.data, 0x5a, 4 * 8 * 32 * 2);
    q.dim = k.dim = v.dim = 24;
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_UNSUPPORTED);
    q.dim = k.dim = v.dim = 32;
    k.heads = v.heads = 3;
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_UNSUPPORTED);
    k.heads = v.heads = 2;
    v.tokens          = 7;
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_INTERNAL);
    v.tokens         = 8;
    sb_run crossed[] = {{4, 4}, {0, 4}};
    k.gid            = (sb_gid){crossed, 2, 8};
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_INTERNAL);
    k.gid    = c->k.gid;
    out.mode = SB_OUT_MERGE; /* bf16 is no running partial */
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_INTERNAL);
    out.mode     = SB_OUT_SET;
    sb_plan none = {0};
    ck_assert_int_eq(sb_attend_window_cpu(&ctx, NULL, &in, &none, NULL, &out), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &none, NULL, &out), SB_ERR_INTERNAL);
    int64_t ptr[]    = {0, 0};
    int32_t row_id[] = {5};
    sb_plan foreign  = {.parts      = SB_PART_TILES,
                        .row_tokens = 8,
                        .n_rows     = 1,
                        .row_id     = row_id,
                        .tiles      = {1, ptr, row_id, 1, 8, 8}};
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &foreign, NULL, &out),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "row block 0"));
    int64_t falling[8] = {7, 6, 5, 4, 3, 2, 1, 0};
    ck_assert_int_eq(sb_dense_rows_cpu(&ctx, &q, falling, &k, &v, 1, &o, lse), SB_ERR_INTERNAL);
    setenv("SPAN_CPU_KERNEL", "nope", 1);
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_USAGE);
    for (int i = 0; i < 4 * 8 * 32 * 2; i++)
        ck_assert_int_eq(((unsigned char *)o.data)[i], 0x5a);
    free(o.data);
    sb_case_destroy(c);
}
END_TEST

/* No queries (a rank that owns nothing) and no keys (a shard of length 0 in decode) are ordinary.
 */
START_TEST(empty_shards)
{
    sb_case    *c = sb_case_random((sb_case_shape){8, 8, 4, 2, 32}, 1);
    sb_tensor   o = sb_case_tensor(SB_F32, 4, 8, 32), q = c->q, k = c->k, v = c->v;
    float       lse[32];
    sb_ctx      ctx  = {.backend = &sb_backend_cpu, .threads = 2};
    sb_gid      none = {NULL, 0, 0};
    sb_attn_in  in   = {.q = &q, .k = &k, .v = &v, .scale = 1};
    sb_attn_out out  = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    k.tokens = v.tokens = 0;
    k.gid = v.gid = none;
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_OK);
    for (int i = 0; i < 32; i++)
        ck_assert(lse[i] == -INFINITY && ((float *)o.data)[i * 32] == 0.0f);
    q.tokens = o.tokens = 0;
    q.gid               = none;
    ck_assert_int_eq(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out), SB_OK);
    free(o.data);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("executors");
    TCase *t = tcase_create("judge"), *u = tcase_create("promises");
    tcase_set_timeout(t, 60);
    tcase_set_timeout(u, 60);
    tcase_add_test(t, every_registered_method_has_a_judge);
    tcase_add_loop_test(t, method_matches_judge, 0, N_CONFIGS * N_SHAPES);
    tcase_add_loop_test(t, key_shards_merge_to_the_whole, 0, N_CONFIGS);
    tcase_add_loop_test(t, mixed_parts_count_each_key_once, 0, 16);
    tcase_add_loop_test(u, mixed_parts_keep_every_bit, 0, 16);
    tcase_add_test(t, huge_scores_stay_finite);
    tcase_add_loop_test(u, decode_equals_last_row_of_prefill, 0, N_CONFIGS);
    tcase_add_loop_test(u, query_shards_keep_every_bit, 0, N_CONFIGS);
    tcase_add_loop_test(u, sampled_rows_equal_the_executor, 0, N_CONFIGS);
    tcase_add_loop_test(u, constant_values_come_out_exactly, 0, N_CONFIGS);
    tcase_add_test(u, phases_are_bracketed);
    tcase_add_test(u, small_integers_are_exact);
    tcase_add_test(u, lists_per_head);
    tcase_add_test(u, avx2_and_avx512_agree_bitwise);
    tcase_add_test(u, variant_names_are_checked);
    tcase_add_test(u, errors_leave_outputs_alone);
    tcase_add_test(u, empty_shards);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
