/* Every method that carries a state (state_configs.c), through its executor, against the fp64 judge
 * of recurrences: what test_executors.c asks of methods with an index, asked of those without. All
 * kernel variants, ragged chunks, grouped heads; sequences taken in pieces and token by token; bits
 * that do not depend on threads; outputs and state untouched on errors. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/registry.h"
#include "tests/oracle/scan_case.h"
#include "tests/oracle/state_configs.h"
#include "tests/tolerance.h"

static scan_case *open_config(const state_config *f, sb_case_shape shape, uint64_t seed)
{
    scan_case *s = scan_case_open(shape, f->method, f->params, seed);
    if (f->gate_dim != 0)
        scan_case_gates(s, f->gate_dim < 0 ? shape.dim : f->gate_dim, f->lowest);
    s->layer    = f->layer;
    s->n_layers = f->n_layers;
    return s;
}

static float *copy_of(const sb_tensor *t)
{
    size_t bytes = (size_t)(t->heads * t->head_stride) * sizeof(float);
    float *to    = malloc(bytes);
    memcpy(to, t->data, bytes);
    return to;
}

START_TEST(every_registered_state_is_judged)
{
    for (int i = 0; sb_methods[i] != NULL; i++) {
        int found = 0;
        for (int c = 0; state_configs[c].method != NULL; c++)
            found |= strcmp(state_configs[c].method, sb_methods[i]->name) == 0;
        ck_assert_int_eq(found, (sb_methods[i]->caps & SB_CAP_STATE) != 0);
        ck_assert_int_eq(found, (sb_methods[i]->caps & SB_CAP_NO_INDEX) != 0);
        ck_assert(!found || (sb_methods[i]->state_bytes != NULL &&
                             sb_methods[i]->plan_keys == SB_PLAN_KEYS_LOCAL));
        /* trained architectures: reports mark what they say on other weights */
        ck_assert(!found || (sb_methods[i]->caps & SB_CAP_TRAINING_FREE) == 0);
    }
}
END_TEST

static const sb_case_shape shapes[] = {{129, 129, 4, 4, 64}, {300, 300, 6, 2, 32},
                                       {37, 37, 2, 1, 48},   {1, 1, 2, 1, 48},
                                       {131, 131, 3, 1, 16}, {64, 64, 2, 2, 128}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* _i: config x shape */
START_TEST(method_matches_judge)
{
    const state_config *f     = &state_configs[_i / N_SHAPES];
    sb_case_shape       shape = shapes[_i % N_SHAPES];
    if (strstr(f->params, "taylor") != NULL && shape.dim > 48)
        shape.dim = 32; /* its channels grow with the square of it */
    scan_case   *s    = open_config(f, shape, 7 + (uint64_t)_i);
    linear_judge j    = scan_case_judge(s);
    double      *want = scan_case_want(s, &j);
    for (int isa = 0; isa < SB_CPU_ISA_COUNT; isa++) {
        if (!sb_cpu_isa_available((sb_cpu_isa)isa))
            continue;
        ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", sb_cpu_isa_name((sb_cpu_isa)isa), 1), 0);
        scan_case_reset(s);
        scan_case_ok(s, 0, shape.n_q, 0);
        double e = scan_case_error(s, want);
        ck_assert_msg(e <= SB_SCAN_REL, "%s %s %s: %g", f->method, f->params,
                      sb_cpu_isa_name((sb_cpu_isa)isa), e);
    }
    unsetenv("SPAN_CPU_KERNEL");
    s->dtype = SB_BF16;
    scan_case_reset(s);
    scan_case_ok(s, 0, shape.n_q, 0);
    ck_assert_double_le(scan_case_error(s, want), SB_SCAN_REL_BF16);
    free(want);
    scan_case_close(s);
}
END_TEST

/* N_q < N_k: what came before is in the state [lightning 5]. Pieces, some of them empty, and single
 * decode steps after them give what one call gives. */
START_TEST(pieces_and_decode_steps_continue_the_state)
{
    enum { N = 203, STEPS = 9 };
    static const int64_t ends[] = {1, 1, 64, 130, 131, N - STEPS};
    const state_config  *f      = &state_configs[_i];
    scan_case           *s      = open_config(f, (sb_case_shape){N, N, 4, 2, 32}, 5);
    int64_t              at     = 0;
    scan_case_ok(s, 0, N, 0);
    float *whole = copy_of(&s->o), *state = malloc((size_t)s->cache.state_bytes);
    memcpy(state, s->cache.state, (size_t)s->cache.state_bytes);
    scan_case_reset(s);
    for (int i = 0; i < (int)(sizeof ends / sizeof *ends); at = ends[i++])
        scan_case_ok(s, at, ends[i] - at, 0);
    for (; at < N; at++)
        scan_case_ok(s, at, 1, 1);
    ck_assert_double_le(scan_rel(s->o.data, whole, 4 * N * 32), SB_SCAN_REL);
    int64_t floats = (s->cache.state_bytes - 64) / 4;
    ck_assert_double_le(scan_rel((const float *)s->cache.state + 16, state + 16, floats),
                        SB_SCAN_REL);
    ck_assert_mem_eq(s->cache.state, state, 8); /* tokens seen */
    free(whole);
    free(state);
    scan_case_close(s);
}
END_TEST

START_TEST(threads_change_no_bit)
{
    scan_case *s  = open_config(&state_configs[_i], (sb_case_shape){150, 150, 6, 3, 32}, 11);
    s->c->threads = 1;
    scan_case_ok(s, 0, 150, 0);
    float *one = copy_of(&s->o), *state = malloc((size_t)s->cache.state_bytes);
    memcpy(state, s->cache.state, (size_t)s->cache.state_bytes);
    for (int32_t threads = 2; threads <= 7; threads += 5) {
        s->c->threads = threads;
        scan_case_reset(s);
        scan_case_ok(s, 0, 150, 0);
        ck_assert_mem_eq(s->o.data, one, 6 * 150 * 32 * sizeof *one);
        ck_assert_mem_eq(s->cache.state, state, (size_t)s->cache.state_bytes);
    }
    free(one);
    free(state);
    scan_case_close(s);
}
END_TEST

/* Heads of a group share K and V, not their queries: each head alone gives the same. */
START_TEST(a_group_is_its_heads_one_by_one)
{
    const state_config *f = &state_configs[_i];
    scan_case          *s = open_config(f, (sb_case_shape){70, 70, 4, 1, 32}, 13);
    if (strcmp(f->method, "lightning") == 0 || strstr(f->params, "retnet") != NULL)
        s->slope = 0.03; /* of one head among one it would be another */
    scan_case_ok(s, 0, 70, 0);
    for (int64_t h = 0; h < 4; h++) {
        scan_case *one = open_config(f, (sb_case_shape){70, 70, 1, 1, 32}, 13);
        one->slope     = s->slope;
        memcpy(one->c->q.data, sb_tensor_bf16(&s->c->q, h, 0), 70 * 32 * sizeof(sb_bf16));
        memcpy(one->c->k.data, s->c->k.data, 70 * 32 * sizeof(sb_bf16));
        memcpy(one->c->v.data, s->c->v.data, 70 * 32 * sizeof(sb_bf16));
        scan_case_ok(one, 0, 70, 0);
        ck_assert_mem_eq(one->o.data, sb_tensor_f32(&s->o, h, 0), 70 * 32 * sizeof(float));
        scan_case_close(one);
    }
    scan_case_close(s);
}
END_TEST

/* A token's output does not know what comes later, to the bit [lightning 10.9, linear 10.8]. */
START_TEST(later_tokens_change_no_earlier_bit)
{
    enum { N = 150, AT = 77 };
    scan_case *s = open_config(&state_configs[_i], (sb_case_shape){N, N, 4, 2, 32}, 17);
    scan_case_ok(s, 0, N, 0);
    float *before = copy_of(&s->o);
    for (int64_t i = AT; i < N; i += 5)
        for (int64_t x = 0; x < 32; x++)
            for (int64_t h = 0; h < 2; h++) {
                sb_tensor_bf16(&s->c->q, 2 * h, i)[x] = sb_bf16_from_f32((float)(x % 7) - 3);
                sb_tensor_bf16(&s->c->k, h, i)[x]     = sb_bf16_from_f32((float)(x % 5) - 2);
                sb_tensor_bf16(&s->c->v, h, i)[x]     = sb_bf16_from_f32((float)(x % 3) - 1);
            }
    for (int64_t i = AT; s->gate.data != NULL && i < N; i++)
        for (int64_t h = 0; h < 2; h++) {
            sb_tensor_f32(&s->gate, h, i)[0] = -0.125f;
            sb_tensor_f32(&s->beta, h, i)[0] = 0.5f;
        }
    scan_case_reset(s);
    scan_case_ok(s, 0, N, 0);
    for (int64_t h = 0; h < 4; h++) {
        ck_assert_mem_eq(sb_tensor_f32(&s->o, h, 0), before + h * N * 32, AT * 32 * sizeof(float));
        ck_assert(memcmp(sb_tensor_f32(&s->o, h, AT), before + (h * N + AT) * 32,
                         32 * sizeof(float)) != 0);
    }
    free(before);
    scan_case_close(s);
}
END_TEST

/* The state is read from the last mark on, as often as one likes. */
START_TEST(rollback_takes_the_state_back)
{
    enum { N = 90, MARK = 60 };
    scan_case *s = open_config(&state_configs[_i], (sb_case_shape){N, N, 2, 1, 32}, 19);
    scan_case_ok(s, 0, MARK, 0);
    sb_cache_mark(&s->cache);
    for (int64_t i = MARK; i < N; i++)
        scan_case_ok(s, i, 1, 1);
    float *first = copy_of(&s->o);
    for (int again = 0; again < 2; again++) {
        sb_cache_rollback(&s->cache);
        for (int64_t i = MARK; i < N; i++)
            scan_case_ok(s, i, 1, 1);
        ck_assert_mem_eq(s->o.data, first, 2 * N * 32 * sizeof *first);
    }
    free(first);
    scan_case_close(s);
}
END_TEST

/* What a method without an index answers where the harness asks for one. */
START_TEST(there_is_no_index_and_nothing_to_merge)
{
    const state_config *f = &state_configs[_i];
    sb_case            *c = sb_case_random((sb_case_shape){40, 40, 4, 2, 32}, 1);
    ck_assert_int_eq(sb_case_attend(c, sb_method_find(f->method), f->params, SB_F32), SB_OK);
    ck_assert_uint_eq(c->plan.parts, 0);
    ck_assert_int_eq(c->plan.n_rows, 0);
    for (int i = 0; i < 4 * 40; i++)
        ck_assert(c->lse[i] == 0.0f);
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_attn_in  in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = 1};
    sb_attn_out out = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_MERGE};
    ck_assert_int_eq(sb_attend_linear_scan_cpu(&ctx, c->params, &in, &c->plan, NULL, &out),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "no partial outputs"));
    out.mode = SB_OUT_SET;
    out.lse  = NULL; /* nobody need have room for it */
    ck_assert_int_eq(sb_attend_linear_scan_cpu(&ctx, c->params, &in, &c->plan, NULL, &out), SB_OK);
    sb_case_destroy(c);
}
END_TEST

/* A decode step on a rank that has not the token: an empty partial, and the state stays. */
START_TEST(a_rank_without_the_token_has_no_part_in_it)
{
    scan_case *s = open_config(&state_configs[_i], (sb_case_shape){30, 30, 4, 2, 32}, 23);
    sb_case   *c = s->c;
    scan_case_ok(s, 0, 30, 0);
    unsigned char *state = malloc((size_t)s->cache.state_bytes);
    memcpy(state, s->cache.state, (size_t)s->cache.state_bytes);
    sb_run        next = {30, 1};
    sb_tensor     q = c->q, k = c->k, o = sb_case_tensor(SB_F32, 4, 1, 32);
    float         lse[4];
    sb_shape      shape = {.q_gid     = {&next, 1, 1},
                           .n_keys    = 31,
                           .heads     = 4,
                           .kv_heads  = 2,
                           .head_dim  = 32,
                           .is_decode = 1};
    sb_plan       plan  = {0};
    sb_ctx        ctx   = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_attn_in    in    = {.q = &q, .k = &k, .v = &k, .scale = 1};
    sb_attn_out   out   = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    unsigned char memory[1 << 18] __attribute__((aligned(64)));
    sb_arena_init(&c->arena, memory, sizeof memory, SB_ARENA_PLAIN);
    q.tokens = 1;
    q.gid    = shape.q_gid;
    memset(o.data, 0x5a, 4 * 32 * 4);
    if (strstr(state_configs[_i].params, "taylor") == NULL) { /* whose state alone is larger */
        ck_assert_int_eq(s->m->layout(&ctx, c->params, &shape, &plan, NULL), SB_OK);
        ck_assert_int_eq(s->m->attend[SB_CPU](&ctx, c->params, &in, &plan, &s->cache, &out), SB_OK);
        for (int i = 0; i < 4 * 32; i++)
            ck_assert(((float *)o.data)[i] == 0.0f && lse[i / 32] == -INFINITY);
    }
    ck_assert_mem_eq(s->cache.state, state, (size_t)s->cache.state_bytes);
    free(state);
    free(o.data);
    scan_case_close(s);
}
END_TEST

static void refused(scan_case *s, int64_t first, int64_t n, int is_decode, sb_status st,
                    const char *text)
{
    unsigned char *state = malloc((size_t)s->cache.state_bytes);
    float         *o     = copy_of(&s->o);
    memcpy(state, s->cache.state, (size_t)s->cache.state_bytes);
    ck_assert_int_eq(scan_case_run(s, first, n, is_decode), st);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "%s", sb_error_text());
    ck_assert_mem_eq(s->cache.state, state, (size_t)s->cache.state_bytes);
    ck_assert_mem_eq(s->o.data, o, (size_t)(s->o.heads * s->o.head_stride) * 4);
    free(state);
    free(o);
}

START_TEST(errors_leave_outputs_and_state_alone)
{
    sb_case_shape shape = {40, 40, 4, 2, 32};
    scan_case    *s     = scan_case_open(shape, "linear", "kind: gla", 1);
    refused(s, 10, 5, 0, SB_ERR_INTERNAL, "token 10 comes next, the state has seen 0");
    scan_case_ok(s, 0, 10, 0);
    refused(s, 11, 5, 0, SB_ERR_INTERNAL, "token 11 comes next, the state has seen 10");
    refused(s, 9, 1, 1, SB_ERR_INTERNAL, "token 9 comes next, the state has seen 10");
    scan_case_gates(s, 32, -1);
    sb_tensor_f32(&s->gate, 1, 12)[31] = 0.5f;
    refused(s, 10, 5, 0, SB_ERR_USAGE, "gate of head 1, row 2: found 0.5, allowed a number <= 0");
    sb_tensor_f32(&s->gate, 1, 12)[31] = NAN;
    refused(s, 10, 5, 0, SB_ERR_USAGE, "gate of head 1, row 2");
    s->gate.dim = 2;
    refused(s, 10, 5, 0, SB_ERR_INTERNAL, "gate is [2][5][2], wanted fp32 [2][5][1 or head_dim]");
    s->cache.state_bytes -= 4;
    s->gate.dim                        = 32;
    sb_tensor_f32(&s->gate, 1, 12)[31] = 0;
    refused(s, 10, 5, 0, SB_ERR_INTERNAL, "a state of");
    s->cache.state_bytes += 4;
    setenv("SPAN_CPU_KERNEL", "nope", 1);
    refused(s, 10, 5, 0, SB_ERR_USAGE, "SPAN_CPU_KERNEL");
    unsetenv("SPAN_CPU_KERNEL");
    scan_case_ok(s, 10, 30, 0);
    scan_case_close(s);
    s = scan_case_open(shape, "linear", "kind: gated_delta", 1);
    scan_case_gates(s, 32, -1); /* a gate a channel is no gate a token */
    refused(s, 0, 40, 0, SB_ERR_INTERNAL, "gate is [2][40][32], wanted fp32 [2][40][1]");
    scan_case_close(s);
}
END_TEST

START_TEST(bad_calls_are_refused_with_the_reason)
{
    sb_case         *c   = sb_case_random((sb_case_shape){40, 40, 4, 2, 32}, 1);
    sb_ctx           ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor        q = c->q, k = c->k, v = c->v;
    sb_attn_in       in   = {.q = &q, .k = &k, .v = &v, .scale = 1};
    sb_plan          none = {0};
    const sb_method *m    = sb_method_find("lightning");
    ck_assert_int_eq(sb_case_attend(c, m, "", SB_F32), SB_OK);
    sb_attn_out out   = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
    sb_run      two[] = {{0, 20}, {30, 20}};
    q.gid             = (sb_gid){two, 2, 40};
    ck_assert_int_eq(m->attend[SB_CPU](&ctx, NULL, &in, &c->plan, NULL, &out), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "tokens 0 to 19 and 30 on one rank"));
    q.gid    = c->q.gid;
    k.tokens = 39;
    ck_assert_int_eq(m->attend[SB_CPU](&ctx, NULL, &in, &c->plan, NULL, &out), SB_ERR_INTERNAL);
    sb_run late = {1, 40};
    k           = c->k;
    k.gid       = (sb_gid){&late, 1, 40};
    ck_assert_int_eq(m->attend[SB_CPU](&ctx, NULL, &in, &c->plan, NULL, &out), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "the keys of tokens 0 to 39 are not here"));
    k = c->k;
    ck_assert_int_eq(m->attend[SB_CPU](&ctx, NULL, &in, &none, NULL, &out), SB_ERR_INTERNAL);
    ck_assert_int_eq(m->attend[SB_CPU](&ctx, NULL, &in, NULL, NULL, &out), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_case_attend(c, m, "chunk_tokens: 40", SB_F32), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "chunk_tokens: found 40"));
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("linear"), "feature_map: identity", SB_F32),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "normalize: found true"));
    sb_shape odd = c->seen;
    odd.head_dim = 40;
    ck_assert_int_eq(m->check(c->params, &odd), SB_ERR_UNSUPPORTED);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linear scan");
    TCase *t = tcase_create("judge"), *u = tcase_create("promises");
    int    n = state_config_count();
    tcase_set_timeout(t, 60);
    tcase_set_timeout(u, 60);
    tcase_add_test(t, every_registered_state_is_judged);
    tcase_add_loop_test(t, method_matches_judge, 0, n * N_SHAPES);
    tcase_add_loop_test(t, pieces_and_decode_steps_continue_the_state, 0, n);
    tcase_add_loop_test(u, threads_change_no_bit, 0, n);
    tcase_add_loop_test(u, a_group_is_its_heads_one_by_one, 0, n);
    tcase_add_loop_test(u, later_tokens_change_no_earlier_bit, 0, n);
    tcase_add_loop_test(u, rollback_takes_the_state_back, 0, n);
    tcase_add_loop_test(u, there_is_no_index_and_nothing_to_merge, 0, n);
    tcase_add_loop_test(u, a_rank_without_the_token_has_no_part_in_it, 0, n);
    tcase_add_test(u, errors_leave_outputs_and_state_alone);
    tcase_add_test(u, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    suite_add_tcase(s, u);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
