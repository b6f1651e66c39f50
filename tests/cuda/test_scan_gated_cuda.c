/* Scans with gates, by the delta rule and of running means on the device, against the fp64 judge of
 * recurrences: gates of channels and of tokens, weak and strong, grouped heads, ragged ends,
 * sequences in pieces and token by token, states handed over, bits that repeat, what is refused.
 * Without a device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/linear/linear.h"
#include "tests/cuda/device_main.h"
#include "tests/cuda/device_scan.h"
#include "tests/tolerance.h"

static int    calls[SB_LINEAR_KIND_COUNT];
static double worst[SB_LINEAR_KIND_COUNT]; /* error of bf16 o from chunks */

typedef struct config {
    const char *params;
    int64_t     gate_dim; /* 0: no tensors, 1, or 2: head_dim */
    double      lowest;   /* of the gates */
} config;

static const config configs[] = {
    {"kind: gla", 0, 0},
    {"kind: gla, gate: -0.02", 0, 0},
    {"kind: gla", 2, -0.5},
    {"kind: gla", 2, -1e-6},
    {"kind: gla, scale: 1", 2, -2000},
    {"kind: gla", 1, -0.1},
    {"kind: gla, force_mode: chunked", 2, -8},
    {"kind: gla, force_mode: recurrent", 2, -0.5},
    {"kind: gated_delta", 0, 0},
    {"kind: gated_delta, gate: -0.02, beta: 0.5", 0, 0},
    {"kind: gated_delta", 1, -0.1},
    {"kind: gated_delta", 1, -1e-6},
    {"kind: gated_delta, scale: 1", 1, -500},
    {"kind: gated_delta, force_mode: chunked", 1, -0.5},
    {"kind: gated_delta, qk_norm: none, beta: 0.004, gate: -0.01", 0, 0},
    {"kind: gated_delta, force_mode: recurrent", 1, -0.1},
    {"kind: aaren", 0, 0},
    {"kind: aaren, scale: 2", 0, 0},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const sb_case_shape shapes[] = {
    {129, 129, 4, 4, 64}, {1000, 1000, 4, 2, 128}, {777, 777, 8, 1, 64},    {1, 1, 2, 1, 64},
    {64, 64, 2, 2, 128},  {65, 65, 3, 3, 128},     {2500, 2500, 2, 1, 128}, {1793, 1793, 3, 3, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static scan_case *open_config(const config *f, sb_case_shape shape, uint64_t seed)
{
    scan_case *s = scan_case_open(shape, "linear", f->params, seed);
    if (f->gate_dim > 0)
        scan_case_gates(s, f->gate_dim == 1 ? 1 : shape.dim, f->lowest);
    return s;
}

static sb_linear_kind kind_of(const scan_case *s)
{
    return (sb_linear_kind)((const sb_linear_params *)(const void *)s->c->params)->kind;
}

/* Short sequences and `recurrent` are taken token by token, all in fp32; means always are. */
static int by_token(const scan_case *s, const config *f, int64_t n)
{
    return kind_of(s) == SB_LINEAR_AAREN || (strstr(f->params, "chunked") == NULL &&
                                             (n <= 64 || strstr(f->params, "recurrent") != NULL));
}

START_TEST(method_matches_judge)
{
    const config *f     = &configs[_i / N_SHAPES];
    sb_case_shape shape = shapes[_i % N_SHAPES];
    scan_case    *s     = open_config(f, shape, 7 + (uint64_t)_i);
    device_judged want  = device_judge(s);
    int           exact = by_token(s, f, shape.n_q);
    for (int t = 0; t < 2; t++) {
        s->dtype = t == 0 ? SB_BF16 : SB_F32;
        scan_case_reset(s);
        sb_status st = device_scan(s, 0, shape.n_q, 0, "auto");
        ck_assert_msg(st == SB_OK, "%s: %s", f->params, sb_error_text());
        double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
        ck_assert_msg(e <= (t == 1 && exact ? SB_SCAN_REL : SB_SCAN_REL_BF16),
                      "%s, gates %g: n %lld, %lld/%lld heads, d %lld: o %g", f->params, f->lowest,
                      (long long)shape.n_q, (long long)shape.heads, (long long)shape.kv_heads,
                      (long long)shape.dim, e);
        ck_assert_msg(es <= (exact ? SB_SCAN_REL : SB_SCAN_REL_BF16),
                      "%s, gates %g: n %lld, d %lld: state %g", f->params, f->lowest,
                      (long long)shape.n_q, (long long)shape.dim, es);
        ck_assert_int_eq(*(const int64_t *)s->cache.state, shape.n_q);
        if (t == 0 && !exact)
            worst[kind_of(s)] = fmax(worst[kind_of(s)], e);
        calls[kind_of(s)]++;
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
    static const config some[] = {{"kind: gla, force_mode: chunked", 2, -0.3},
                                  {"kind: gated_delta, force_mode: chunked", 1, -0.05},
                                  {"kind: aaren", 0, 0}};
    enum { N = 830, STEPS = 3 };
    const int64_t *cut  = cuts[_i % 4];
    scan_case     *s    = open_config(&some[_i / 4], (sb_case_shape){N, N, 4, 2, _i % 2 ? 64 : 128},
                                      50 + (uint64_t)_i);
    device_judged  want = device_judge(s);
    int64_t        at   = 0;
    for (int p = 0; p < 4; p++) {
        int64_t end = p < 3 ? cut[p] : N - STEPS;
        ck_assert_msg(device_scan(s, at, end - at, 0, "portable") == SB_OK, "%s", sb_error_text());
        at = end;
    }
    for (; at < N; at++)
        ck_assert_msg(device_scan(s, at, 1, 1, "auto") == SB_OK, "%s", sb_error_text());
    double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
    double limit = kind_of(s) == SB_LINEAR_AAREN ? SB_SCAN_REL : SB_SCAN_REL_BF16;
    ck_assert_msg(e <= limit && es <= limit, "%d: o %g, state %g", _i, e, es);
    device_judged_free(&want);
    scan_case_close(s);
}
END_TEST

/* No sum depends on the order of CTAs; and a barrier that is missing shows up here. */
START_TEST(runs_repeat_bit_by_bit)
{
    static const config of[] = {
        {"kind: gla", 2, -0.3}, {"kind: gated_delta", 1, -0.05}, {"kind: aaren", 0, 0}};
    static const sb_case_shape sizes[] = {{9001, 9001, 12, 4, 128}, {2500, 2500, 2, 1, 64}};
    enum { RUNS = 12 };
    sb_case_shape shape = sizes[_i % 2];
    scan_case    *s     = open_config(&of[_i / 2], shape, 3);
    size_t        bytes = (size_t)(shape.heads * shape.n_q * shape.dim) * sizeof(float);
    float        *first = malloc(bytes);
    s->dtype            = SB_BF16;
    for (int i = 0; i < RUNS; i++) {
        scan_case_reset(s);
        ck_assert_int_eq(device_scan(s, 0, shape.n_q, 0, "auto"), SB_OK);
        if (i == 0)
            memcpy(first, s->o.data, bytes);
        ck_assert_msg(memcmp(first, s->o.data, bytes) == 0, "%s, d %lld: run %d", of[_i / 2].params,
                      (long long)shape.dim, i);
    }
    free(first);
    scan_case_close(s);
}
END_TEST

/* Scores of +-1e4 stay finite, and equal values come back as they are [linear 10.5]. */
START_TEST(means_of_extreme_scores)
{
    enum { N = 1300 };
    scan_case *s =
        scan_case_open((sb_case_shape){N, N, 4, 2, 64}, "linear", "kind: aaren, scale: 1000", 3);
    for (int64_t i = 0; i < 2 * N * 64; i++)
        ((sb_bf16 *)s->c->v.data)[i] = sb_bf16_from_f32(1.5f);
    ck_assert_msg(device_scan(s, 0, N, 0, "auto") == SB_OK, "%s", sb_error_text());
    for (int64_t i = 0; i < 4 * N * 64; i++)
        ck_assert_float_eq_tol(((const float *)s->o.data)[i], 1.5f, 1e-5f);
    scan_case_close(s);
}
END_TEST

/* Found on the device: o is written, the state stays where it was. */
START_TEST(gates_above_zero_are_refused)
{
    static const config of[] = {{"kind: gla, force_mode: chunked", 2, -0.3},
                                {"kind: gated_delta, force_mode: chunked", 1, -0.05},
                                {"kind: gla, force_mode: recurrent", 2, -0.3},
                                {"kind: gated_delta, force_mode: recurrent", 1, -0.05}};
    enum { N = 1100, FIRST = 1000 };
    scan_case *s = open_config(&of[_i], (sb_case_shape){N, N, 2, 2, 64}, 3);
    ck_assert_int_eq(device_scan(s, 0, FIRST, 0, "auto"), SB_OK);
    void *state = malloc((size_t)s->cache.state_bytes);
    memcpy(state, s->cache.state, (size_t)s->cache.state_bytes);
    float *gate = sb_tensor_f32(&s->gate, 1, FIRST + 37), good = *gate;
    for (int i = 0; i < 2; i++) {
        *gate = i == 0 ? 1e-3f : NAN;
        ck_assert_int_eq(device_scan(s, FIRST, N - FIRST, 0, "auto"), SB_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed numbers <= 0"));
        ck_assert_mem_eq(state, s->cache.state, (size_t)s->cache.state_bytes);
    }
    *gate = good;
    ck_assert_int_eq(device_scan(s, FIRST, N - FIRST, 0, "auto"), SB_OK);
    free(state);
    scan_case_close(s);
}
END_TEST

START_TEST(what_is_refused)
{
    static const struct {
        const char *params, *kernel, *text;
        int64_t     dim;
    } no[] = {
        {"kind: gla, chunk_tokens: 128", "auto", "chunk_tokens: found 128, allowed 64", 64},
        {"kind: gated_delta", "auto", "found head_dim 32, allowed 64 and 128", 32},
        {"kind: gla", "sm90", "found gates, the delta rule or running means", 64},
    };
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        scan_case *s =
            scan_case_open((sb_case_shape){100, 100, 2, 2, no[i].dim}, "linear", no[i].params, 3);
        ck_assert_int_eq(device_scan(s, 0, 100, 0, no[i].kernel), SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), no[i].text) != NULL, "%s", sb_error_text());
        scan_case_close(s);
    }
}
END_TEST

int main(void)
{
    static const char *const kinds[] = {"elu1", "retnet", "gla", "gated_delta", "aaren"};
    int                      missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("gated scans cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, method_matches_judge, 0, N_CONFIGS * N_SHAPES);
    tcase_add_loop_test(t, pieces_equal_the_whole, 0, 3 * 4);
    tcase_add_loop_test(t, runs_repeat_bit_by_bit, 0, 6);
    tcase_add_test(t, means_of_extreme_scores);
    tcase_add_loop_test(t, gates_above_zero_are_refused, 0, 4);
    tcase_add_test(t, what_is_refused);
    suite_add_tcase(s, t);
    int failed = device_run(s);
    for (int k = SB_LINEAR_GLA; k < SB_LINEAR_KIND_COUNT; k++)
        (void)printf("%s: %d calls, largest error of bf16 o in chunks %.2g\n", kinds[k], calls[k],
                     worst[k]);
    return failed;
}
