#include "tests/property/window_methods.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/index_stats.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"

void window_covers_all_equals_dense(const sb_method *m, const char *params)
{
    enum { N = 333, D = 64 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 4, 2, D}, 8);
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("dense"), "", SB_F32), SB_OK);
    float *o = malloc(4 * N * D * sizeof *o);
    memcpy(o, c->o.data, 4 * N * D * sizeof *o);
    ck_assert_int_eq(sb_case_attend(c, m, params, SB_F32), SB_OK);
    ck_assert_mem_eq(c->o.data, o, 4 * N * D * sizeof *o);
    free(o);
    sb_case_destroy(c);
}

void window_density_is_the_closed_form(const sb_method *m, int64_t sink, int64_t window)
{
    static const int64_t       lengths[] = {1, 7, 1000, INT64_C(1) << 20};
    _Alignas(16) unsigned char params[SB_CASE_PARAMS];
    char                       text[32];
    ck_assert_int_eq(sb_params_default(m->params, params), SB_OK);
    (void)snprintf(text, sizeof text, "%lld", (long long)sink);
    ck_assert_int_eq(sb_param_set(sb_params_find(m->params, "sink_tokens"), params, text), SB_OK);
    (void)snprintf(text, sizeof text, "%lld", (long long)window);
    ck_assert_int_eq(sb_param_set(sb_params_find(m->params, "window_tokens"), params, text), SB_OK);
    for (int i = 0; i < 4; i++) {
        int64_t  n = lengths[i], want = 0;
        sb_run   run   = {0, n};
        sb_shape shape = {
            .q_gid = {&run, 1, n}, .n_keys = n, .heads = 2, .kv_heads = 1, .head_dim = 64};
        sb_arena       a;
        sb_ctx         ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1};
        sb_plan        plan;
        sb_index_stats s;
        sb_arena_init_count(&a);
        ck_assert_int_eq(m->check(params, &shape), SB_OK);
        ck_assert_int_eq(m->layout(&ctx, params, &shape, &plan, NULL), SB_OK);
        ck_assert_int_eq(m->plan[SB_CPU](&ctx, params, &shape, NULL, NULL, NULL, &plan), SB_OK);
        ck_assert_int_eq(sb_index_stats_count(&plan, &shape, 1, &s), SB_OK);
        for (int64_t q = 0; q < n; q++)
            want += q + 1 < sink + window ? q + 1 : sink + window;
        ck_assert_int_eq(s.rho_num, want);
        ck_assert_int_eq(s.rho_den, n * (n + 1) / 2);
        ck_assert_int_eq((int)m->quantum_tokens(params), 1);
    }
}

void window_shards_keep_every_bit(const sb_method *m, const char *params)
{
    enum { N = 509, D = 32, H = 2 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 1, D}, 14);
    ck_assert_int_eq(sb_case_attend(c, m, params, SB_F32), SB_OK);
    float *o = malloc(H * N * D * sizeof *o);
    memcpy(o, c->o.data, H * N * D * sizeof *o);
    for (int64_t ranks = 2; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2], keys[] = {{0, 5}, {5, 250}, {255, 1}, {256, N - 256}};
            sb_gid    g = sb_case_zigzag(run, 0, N, 1, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g), k = c->k, v = c->v;
            k.gid = v.gid = (sb_gid){keys, 4, N};
            ck_assert_int_eq(sb_case_attend_on(c, m, params, SB_F32, &q, &k, &v), SB_OK);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++)
                    ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i), o + (h * N + judge_gid(&g, i)) * D,
                                     D * 4);
            free(q.data);
        }
    free(o);
    sb_case_destroy(c);
}

void window_seen_by(const sb_method *m, const char *params, int64_t n, int64_t q, int *seen)
{
    ck_assert_int_le(n, 16);
    sb_case *c = sb_case_random((sb_case_shape){n, n, 1, 1, 16}, 9);
    memset(c->v.data, 0, (size_t)(n * 16) * 2);
    for (int64_t k = 0; k < n; k++)
        sb_tensor_bf16(&c->v, 0, k)[k] = sb_bf16_from_f32(1.0f);
    ck_assert_int_eq(sb_case_attend(c, m, params, SB_F32), SB_OK);
    for (int64_t k = 0; k < n; k++)
        seen[k] = sb_tensor_f32(&c->o, 0, q)[k] > 0.0f;
    sb_case_destroy(c);
}
