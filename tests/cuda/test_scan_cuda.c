/* The device kernels of the linear scan against the fp64 judge of recurrences: maps, decays,
 * grouped heads, ragged ends, sequences in pieces and token by token, states handed over, bits that
 * repeat, what is refused. Every kernel that can do a call does it. Without a device: skipped (77).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "tests/cuda/device_main.h"
#include "tests/cuda/device_scan.h"
#include "tests/tolerance.h"

static const char *const kernels[] = {"portable", "sm90"};
enum { N_KERNELS = sizeof kernels / sizeof *kernels };
static int    calls[N_KERNELS]; /* that a kernel took */
static double worst[N_KERNELS]; /* error of o */

typedef struct config {
    const char *method, *params;
    double      slope; /* >= 0: of all heads */
} config;

static const config configs[] = {
    {"lightning", "", -1},
    {"lightning", "act: identity", -1},
    {"lightning", "act: relu", 0},
    {"lightning", "act: elu", 1e-7},
    {"lightning", "act: 1+elu, slope_heads: kv", -1},
    {"lightning", "act: identity, scale: 0", 0.9},
    {"lightning", "act: silu", 5},
    {"lightning", "act: identity", 2000},
    {"linear", "kind: retnet", -1},
    {"linear", "kind: retnet, force_mode: chunked", -1},
    {"linear", "kind: elu1", -1},
    {"linear", "kind: elu1, normalize: false, feature_map: identity", -1},
    {"linear", "kind: elu1, feature_map: relu, force_mode: chunked", -1},
    {"linear", "kind: elu1, feature_map: sqrelu, normalize: false", -1},
    {"linear", "kind: elu1, force_mode: recurrent", -1},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const sb_case_shape shapes[] = {
    {129, 129, 4, 4, 64},  {1000, 1000, 8, 2, 128}, {777, 777, 8, 1, 64},
    {1, 1, 2, 1, 64},      {64, 64, 2, 2, 128},     {65, 65, 3, 3, 128},
    {63, 63, 2, 2, 64},    {2500, 2500, 2, 1, 128}, {1793, 1793, 5, 5, 64},
    {256, 256, 2, 2, 128}, {4161, 4161, 1, 1, 128},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static scan_case *open_config(const config *f, sb_case_shape shape, uint64_t seed)
{
    scan_case *s = scan_case_open(shape, f->method, f->params, seed);
    s->slope     = f->slope;
    s->layer     = 1;
    s->n_layers  = 3;
    return s;
}

/* Short sequences and `recurrent` are taken token by token, all in fp32. */
static int by_token(const config *f, int64_t n)
{
    return strcmp(f->method, "linear") == 0 && strstr(f->params, "chunked") == NULL &&
           (n <= 64 || strstr(f->params, "recurrent") != NULL);
}

START_TEST(method_matches_judge)
{
    const config *f     = &configs[_i / N_SHAPES];
    sb_case_shape shape = shapes[_i % N_SHAPES];
    scan_case    *s     = open_config(f, shape, 7 + (uint64_t)_i);
    device_judged want  = device_judge(s);
    for (int k = 0; k < N_KERNELS; k++)
        for (int t = 0; t < 2; t++) {
            s->dtype = t == 0 ? SB_BF16 : SB_F32;
            scan_case_reset(s);
            sb_status st = device_scan(s, 0, shape.n_q, 0, kernels[k]);
            if (k > 0 && st == SB_ERR_UNSUPPORTED)
                continue;
            ck_assert_msg(st == SB_OK, "%s %s: %s", f->method, f->params, sb_error_text());
            double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
            double limit = t == 1 && by_token(f, shape.n_q) ? SB_SCAN_REL : SB_SCAN_REL_BF16;
            ck_assert_msg(e <= limit, "%s (%s) slope %g, n %lld, %lld/%lld heads, d %lld, %s: o %g",
                          f->method, f->params, f->slope, (long long)shape.n_q,
                          (long long)shape.heads, (long long)shape.kv_heads, (long long)shape.dim,
                          kernels[k], e);
            limit = by_token(f, shape.n_q) ? SB_SCAN_REL : SB_SCAN_REL_BF16;
            ck_assert_msg(es <= limit, "%s (%s) slope %g, n %lld, d %lld, %s: state %g", f->method,
                          f->params, f->slope, (long long)shape.n_q, (long long)shape.dim,
                          kernels[k], es);
            ck_assert_int_eq(*(const int64_t *)s->cache.state, shape.n_q);
            worst[k] = fmax(worst[k], t == 0 ? e : 0);
            calls[k]++;
        }
    device_judged_free(&want);
    scan_case_close(s);
}
END_TEST

/* A sequence in pieces, cut anywhere, then token by token: every row as of the whole. */
START_TEST(pieces_equal_the_whole)
{
    static const int64_t cuts[][3] = {
        {64, 128, 700}, {1, 65, 66}, {300, 811, 812}, {256, 512, 768}};
    static const config some[] = {{"lightning", "", -1},
                                  {"lightning", "act: identity", 0},
                                  {"lightning", "slope_heads: kv", 0.9},
                                  {"linear", "kind: elu1, force_mode: chunked", -1},
                                  {"linear", "kind: retnet, force_mode: chunked", -1}};
    enum { N = 830, STEPS = 3 };
    const int64_t *cut  = cuts[_i % 4];
    scan_case     *s    = open_config(&some[_i / 4], (sb_case_shape){N, N, 4, 2, _i % 2 ? 64 : 128},
                                      50 + (uint64_t)_i);
    device_judged  want = device_judge(s);
    for (int k = 0; k < N_KERNELS; k++) {
        int64_t at = 0;
        scan_case_reset(s);
        for (int p = 0; p < 4; p++) {
            int64_t   end = p < 3 ? cut[p] : N - STEPS;
            sb_status st  = device_scan(s, at, end - at, 0, kernels[k]);
            if (st == SB_ERR_UNSUPPORTED && k > 0)
                goto next;
            ck_assert_msg(st == SB_OK, "%s", sb_error_text());
            at = end;
        }
        for (; at < N; at++)
            ck_assert_msg(device_scan(s, at, 1, 1, kernels[k]) == SB_OK, "%s", sb_error_text());
        double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
        ck_assert_msg(e <= SB_SCAN_REL_BF16 && es <= SB_SCAN_REL_BF16, "%s, %d: o %g, state %g",
                      kernels[k], _i, e, es);
    next:;
    }
    device_judged_free(&want);
    scan_case_close(s);
}
END_TEST

/* Without decay and map nothing but o is rounded: integer states are exact. */
START_TEST(integers_are_exact)
{
    enum { N = 700 };
    scan_case *s = scan_case_open((sb_case_shape){N, N, 2, 2, _i == 0 ? 64 : 128}, "lightning",
                                  "act: identity", 3);
    int64_t    d = s->c->shape.dim;
    s->slope     = 0;
    for (int64_t i = 0; i < 2 * N * d; i++) {
        uint64_t r                   = sb_mix((uint64_t)i);
        ((sb_bf16 *)s->c->k.data)[i] = sb_bf16_from_f32((float)(r % 3) - 1);
        ((sb_bf16 *)s->c->v.data)[i] = sb_bf16_from_f32((float)(r / 3 % 5) - 2);
    }
    for (int k = 0; k < N_KERNELS; k++) {
        scan_case_reset(s);
        sb_status st = device_scan(s, 0, N, 0, kernels[k]);
        if (st == SB_ERR_UNSUPPORTED && k > 0)
            continue;
        ck_assert_msg(st == SB_OK, "%s", sb_error_text());
        for (int64_t h = 0; h < 2; h++)
            for (int64_t c = 0; c < d; c += 7)
                for (int64_t x = 0; x < d; x++) {
                    double sum = 0;
                    for (int64_t i = 0; i < N; i++)
                        sum += (double)sb_bf16_to_f32(sb_tensor_bf16(&s->c->k, h, i)[c]) *
                               (double)sb_bf16_to_f32(sb_tensor_bf16(&s->c->v, h, i)[x]);
                    ck_assert_double_eq((double)scan_case_state(s, 2, h)[c * d + x], sum);
                }
    }
    scan_case_close(s);
}
END_TEST

/* No sum depends on the order of CTAs; and a barrier that is missing shows up here. _i: a map and a
 * shape; fewer segments than multiprocessors, and more. */
START_TEST(runs_repeat_bit_by_bit)
{
    static const char *const   acts[] = {"act: silu", "act: identity", "act: elu", "act: 1+elu"};
    static const sb_case_shape of[]   = {{2500, 2500, 2, 1, 128},
                                         {9001, 9001, 12, 4, 128},
                                         {2500, 2500, 2, 1, 64},
                                         {9001, 9001, 12, 4, 64}};
    enum { RUNS = 12 };
    sb_case_shape shape = of[_i % 4];
    scan_case    *s     = scan_case_open(shape, "lightning", acts[_i / 4], 3);
    size_t        bytes = (size_t)(shape.heads * shape.n_q * shape.dim) * sizeof(float);
    float        *first = malloc(bytes);
    s->slope            = 1e-7;
    s->dtype            = SB_BF16;
    for (int k = 0; k < N_KERNELS; k++)
        for (int i = 0; i < RUNS; i++) {
            scan_case_reset(s);
            sb_status st = device_scan(s, 0, shape.n_q, 0, kernels[k]);
            if (st == SB_ERR_UNSUPPORTED && k > 0)
                break;
            ck_assert_int_eq(st, SB_OK);
            if (i == 0)
                memcpy(first, s->o.data, bytes);
            ck_assert_msg(memcmp(first, s->o.data, bytes) == 0, "%s, %s, d %lld: run %d",
                          kernels[k], acts[_i / 4], (long long)shape.dim, i);
        }
    free(first);
    scan_case_close(s);
}
END_TEST

/* Constant values come back as they are: weights that do not sum to one would show. */
START_TEST(normalised_rows_are_means)
{
    enum { N = 1500 };
    scan_case *s = scan_case_open((sb_case_shape){N, N, 4, 2, 128}, "linear", "kind: elu1", 3);
    for (int64_t i = 0; i < 2 * N * 128; i++)
        ((sb_bf16 *)s->c->v.data)[i] = sb_bf16_from_f32(1.5f);
    for (int k = 0; k < N_KERNELS; k++) {
        scan_case_reset(s);
        if (device_scan(s, 0, N, 0, kernels[k]) != SB_OK && k > 0)
            continue;
        for (int64_t i = 0; i < 4 * N * 128; i++)
            ck_assert_float_eq_tol(((const float *)s->o.data)[i], 1.5f, 6e-3f);
    }
    scan_case_close(s);
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *method, *params, *text;
        int64_t     dim;
    } no[] = {
        {"linear", "kind: elu1, feature_map: dpfp, normalize: false", "found dpfp", 64},
        {"linear", "kind: elu1, feature_map: taylor", "found taylor", 64},
        {"lightning", "chunk_tokens: 128", "chunk_tokens: found 128, allowed 64", 64},
        {"lightning", "", "found head_dim 32, allowed 64 and 128", 32},
    };
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        scan_case *s = scan_case_open((sb_case_shape){100, 100, 2, 2, no[i].dim}, no[i].method,
                                      no[i].params, 3);
        ck_assert_int_eq(device_scan(s, 0, 100, 0, "auto"), SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), no[i].text) != NULL, "%s", sb_error_text());
        scan_case_close(s);
    }
}
END_TEST

START_TEST(a_state_elsewhere_is_an_error)
{
    scan_case *s = scan_case_open((sb_case_shape){200, 200, 2, 2, 64}, "lightning", "", 3);
    ck_assert_int_eq(device_scan(s, 0, 100, 0, "portable"), SB_OK);
    ck_assert_int_eq(device_scan(s, 101, 50, 0, "portable"), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "token 101 comes next, the state has seen 100"));
    ck_assert_int_eq(device_scan(s, 100, 100, 0, "fast"), SB_ERR_USAGE);
    ck_assert_int_eq(device_scan(s, 100, 100, 0, "auto"), SB_OK);
    scan_case_close(s);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("scan cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, method_matches_judge, 0, N_CONFIGS * N_SHAPES);
    tcase_add_loop_test(t, pieces_equal_the_whole, 0, 5 * 4);
    tcase_add_loop_test(t, integers_are_exact, 0, 2);
    tcase_add_loop_test(t, runs_repeat_bit_by_bit, 0, 16);
    tcase_add_test(t, normalised_rows_are_means);
    tcase_add_test(t, what_is_refused);
    tcase_add_test(t, a_state_elsewhere_is_an_error);
    suite_add_tcase(s, t);
    int failed = device_run(s);
    for (int k = 0; k < N_KERNELS; k++)
        (void)printf("%s: %d calls, largest error of bf16 o %.2g\n", kernels[k], calls[k],
                     worst[k]);
    return failed;
}
