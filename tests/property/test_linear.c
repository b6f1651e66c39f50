/* linear 10: its invariants and its worked example, kind by kind. Causality, hand-off, threads,
 * groups and the kernel variants are asked of all methods that carry a state in
 * oracle/test_linear_scan.c, ranks in mpi/cases_state.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/linear_scan_room.h"
#include "kernels/linear/linear.h"
#include "tests/oracle/predicates.h"
#include "tests/oracle/scan_case.h"
#include "tests/tolerance.h"

static scan_case *open_case(int64_t n, int64_t heads, int64_t dim, const char *params)
{
    return scan_case_open((sb_case_shape){n, n, heads, heads, dim}, "linear", params, 5);
}

static float at(const scan_case *s, int64_t h, int64_t i, int64_t x)
{
    return sb_tensor_f32(&s->o, h, i)[x];
}

static double bf16_at(const sb_tensor *t, int64_t h, int64_t i, int64_t x)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(t, h, i)[x]);
}

static void put(sb_tensor *t, int64_t i, double value)
{
    sb_bf16 *row = sb_tensor_bf16(t, 0, i);
    memset(row, 0, (size_t)t->dim * sizeof *row);
    row[0] = sb_bf16_from_f32((float)value);
}

static void fill(sb_tensor *t, float value)
{
    for (int64_t i = 0; i < t->heads * t->head_stride; i++)
        ((sb_bf16 *)t->data)[i] = sb_bf16_from_f32(value);
}

static void same_inputs(scan_case *to, const scan_case *from)
{
    size_t q = (size_t)(from->c->q.heads * from->c->q.head_stride) * sizeof(sb_bf16),
           k = (size_t)(from->c->k.heads * from->c->k.head_stride) * sizeof(sb_bf16);
    memcpy(to->c->q.data, from->c->q.data, q);
    memcpy(to->c->k.data, from->c->k.data, k);
    memcpy(to->c->v.data, from->c->v.data, k);
}

static int64_t outputs(const scan_case *s) { return s->o.heads * s->o.head_stride; }

START_TEST(defaults_are_the_codes)
{
    sb_linear_params p;
    ck_assert_int_eq(sb_params_default(sb_linear.params, &p), SB_OK);
    ck_assert_int_eq(p.kind, SB_LINEAR_ELU1);
    ck_assert_int_eq(p.chunk_tokens, 64);
    ck_assert_int_eq(p.force_mode, 0);
    ck_assert_double_eq(p.scale, 0); /* 1/sqrt(d), everywhere in the code [2] */
    ck_assert_int_eq(p.feature_map, 0);
    ck_assert_int_eq(p.normalize, 0);
    ck_assert_int_eq(p.qk_norm, 0);
    ck_assert_double_eq(p.gate, 0);
    ck_assert_double_eq(p.beta, 1);
}
END_TEST

/* 10.1. _i: kind x C, N odd and above what the recurrent form takes by itself. */
START_TEST(chunked_equals_recurrence)
{
    static const char *const kinds[] = {"elu1", "retnet", "gla", "gated_delta"};
    static const int64_t     n[]     = {1, 15, 65, 333};
    int                      kind = _i / 3, c = 16 << (_i % 3);
    for (int k = 0; k < 4; k++) {
        char       params[96];
        scan_case *s[2];
        for (int mode = 0; mode < 2; mode++) {
            (void)snprintf(params, sizeof params, "kind: %s, chunk_tokens: %d, force_mode: %s",
                           kinds[kind], c, mode == 0 ? "recurrent" : "chunked");
            s[mode] = scan_case_open((sb_case_shape){n[k], n[k], 4, 2, 32}, "linear", params, 2);
            if (kind >= 2)
                scan_case_gates(s[mode], kind == 2 ? 32 : 1, -0.4);
            scan_case_ok(s[mode], 0, n[k], 0);
        }
        linear_judge j    = scan_case_judge(s[0]);
        double      *want = scan_case_want(s[0], &j);
        ck_assert_double_le(scan_case_error(s[0], want), SB_SCAN_REL);
        ck_assert_double_le(scan_case_error(s[1], want), SB_SCAN_REL);
        ck_assert(n[k] == 1 || memcmp(s[0]->o.data, s[1]->o.data, /* not the same code */
                                      (size_t)outputs(s[0]) * sizeof(float)) != 0);
        free(want);
        scan_case_close(s[0]);
        scan_case_close(s[1]);
    }
}
END_TEST

/* 10.2: gates that are equal on all channels are one gate a token; one that never changes is
 * retention's decay. */
START_TEST(gla_with_equal_gates_is_retention)
{
    enum { N = 200, D = 32 };
    scan_case *wide = open_case(N, 1, D, "kind: gla"), *one = open_case(N, 1, D, "kind: gla"),
              *constant = open_case(N, 1, D, "kind: gla, gate: -0.031748698314580298"),
              *retnet   = open_case(N, 1, D, "kind: retnet");
    scan_case_gates(wide, D, -1);
    scan_case_gates(one, 1, -1);
    for (int64_t i = 0; i < N; i++)
        for (int64_t c = 0; c < D; c++)
            sb_tensor_f32(&wide->gate, 0, i)[c] = *sb_tensor_f32(&one->gate, 0, i);
    scan_case_ok(wide, 0, N, 0);
    scan_case_ok(one, 0, N, 0);
    scan_case_ok(constant, 0, N, 0);
    scan_case_ok(retnet, 0, N, 0); /* -ln(1 - 2^-5) */
    ck_assert_mem_eq(wide->o.data, one->o.data, N * D * sizeof(float));
    ck_assert_double_le(scan_rel(constant->o.data, retnet->o.data, N * D), SB_SCAN_REL);
    scan_case_close(wide);
    scan_case_close(one);
    scan_case_close(constant);
    scan_case_close(retnet);
}
END_TEST

/* 3.2: gamma = 1 - 2^(-5 - h), whatever the layer: a lone key is remembered with gamma^t. */
START_TEST(retention_decays_by_the_head)
{
    enum { N = 100, D = 16 };
    scan_case *s =
        scan_case_open((sb_case_shape){N, N, 8, 1, D}, "linear", "kind: retnet, scale: 1", 1);
    s->layer    = 3;
    s->n_layers = 4;
    for (int64_t h = 0; h < 8; h++)
        for (int64_t i = 0; i < N; i++) {
            memset(sb_tensor_bf16(&s->c->q, h, i), 0, D * 2);
            sb_tensor_bf16(&s->c->q, h, i)[0] = sb_bf16_from_f32(1);
        }
    for (int64_t i = 0; i < N; i++)
        put(&s->c->k, i, i == 0), put(&s->c->v, i, 1);
    scan_case_ok(s, 0, N, 0);
    for (int64_t h = 0; h < 8; h++)
        for (int64_t i = 0; i < N; i++)
            ck_assert_double_eq_tol((double)at(s, h, i, 0),
                                    pow(1 - pow(2, -5.0 - (double)h), (double)i), 1e-6);
    scan_case_close(s);
}
END_TEST

/* 10.2: orthogonal unit keys, beta = 1, no decay: what was stored comes back exactly, k_t S = v_t,
 * at the last token for all of them. */
START_TEST(gated_delta_stores_orthogonal_keys_exactly)
{
    enum { D = 64 };
    for (int chunked = 0; chunked < 2; chunked++) {
        scan_case *s = open_case(D, 1, D,
                                 chunked ? "kind: gated_delta, scale: 1, qk_norm: none, "
                                           "force_mode: chunked"
                                         : "kind: gated_delta, scale: 1, qk_norm: none");
        for (int64_t i = 0; i < D; i++) {
            put(&s->c->k, i, 0);
            sb_tensor_bf16(&s->c->k, 0, i)[(i * 7) % D] = sb_bf16_from_f32(1);
        }
        memcpy(s->c->q.data, s->c->k.data, D * D * sizeof(sb_bf16));
        scan_case_ok(s, 0, D, 0);
        const float *S = scan_case_state(s, 1, 0);
        for (int64_t i = 0; i < D; i++)
            for (int64_t x = 0; x < D; x++) {
                float v = sb_bf16_to_f32(sb_tensor_bf16(&s->c->v, 0, i)[x]);
                ck_assert(S[(i * 7) % D * D + x] == v && at(s, 0, i, x) == v);
            }
        scan_case_close(s);
    }
}
END_TEST

/* ... and a key that comes again is replaced, not added to. */
START_TEST(gated_delta_replaces_what_a_key_recalls)
{
    scan_case *s = open_case(2, 1, 16, "kind: gated_delta, scale: 1, qk_norm: none");
    put(&s->c->k, 0, 1), put(&s->c->k, 1, 1);
    put(&s->c->q, 0, 1), put(&s->c->q, 1, 1);
    put(&s->c->v, 0, 3), put(&s->c->v, 1, 7);
    scan_case_ok(s, 0, 2, 0);
    ck_assert(at(s, 0, 0, 0) == 3.0f && at(s, 0, 1, 0) == 7.0f);
    scan_case_close(s);
}
END_TEST

/* k = 1,1; v = 2,4; beta = 1/2,1/2; g = 0,ln 1/2; q = 1,1: S1 = 1, o1 = 1; S: 1 -> .5, u = 1.75,
 * S2 = 2.25, o2 = 2.25. _i: recurrent, chunked, second token as a decode step. */
START_TEST(worked_gated_delta_example)
{
    static const char *const params[] = {
        "kind: gated_delta, scale: 1, qk_norm: none, force_mode: recurrent",
        "kind: gated_delta, scale: 1, qk_norm: none, force_mode: chunked",
        "kind: gated_delta, scale: 1, qk_norm: none, force_mode: chunked"};
    scan_case *s = open_case(2, 1, 16, params[_i]);
    scan_case_gates(s, 1, 0);
    put(&s->c->k, 0, 1), put(&s->c->k, 1, 1);
    put(&s->c->q, 0, 1), put(&s->c->q, 1, 1);
    put(&s->c->v, 0, 2), put(&s->c->v, 1, 4);
    ((float *)s->beta.data)[0] = ((float *)s->beta.data)[1] = 0.5f;
    ((float *)s->gate.data)[0]                              = 0;
    ((float *)s->gate.data)[1]                              = logf(0.5f);
    scan_case_ok(s, 0, _i == 2 ? 1 : 2, 0);
    ck_assert(scan_case_state(s, 1, 0)[0] == (_i == 2 ? 1.0f : 2.25f));
    if (_i == 2)
        scan_case_ok(s, 1, 1, 1);
    ck_assert(at(s, 0, 0, 0) == 1.0f);
    ck_assert_msg(at(s, 0, 1, 0) == 2.25f, "%.9g", (double)at(s, 0, 1, 0));
    ck_assert(scan_case_state(s, 1, 0)[0] == 2.25f);
    scan_case_close(s);
}
END_TEST

/* 10.3: gla without decay, and elu1 with the identity map, are tril(Q K') V scale. _i: which. */
START_TEST(without_gates_it_is_a_masked_product)
{
    enum { N = 140, D = 16 };
    scan_case *s =
        open_case(N, 2, D, _i == 0 ? "kind: gla" : "feature_map: identity, normalize: false");
    double num = 0, den = 0;
    scan_case_ok(s, 0, N, 0);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < N; i++) {
            double o[D] = {0};
            for (int64_t t = 0; t <= i; t++) {
                double dot = 0;
                for (int64_t x = 0; x < D; x++)
                    dot += bf16_at(&s->c->q, h, i, x) * bf16_at(&s->c->k, h, t, x) / sqrt(D);
                for (int64_t x = 0; x < D; x++)
                    o[x] += dot * bf16_at(&s->c->v, h, t, x);
            }
            for (int64_t x = 0; x < D; x++) {
                num += ((double)at(s, h, i, x) - o[x]) * ((double)at(s, h, i, x) - o[x]);
                den += o[x] * o[x];
            }
        }
    ck_assert_double_le(sqrt(num / den), SB_SCAN_REL);
    scan_case_close(s);
}
END_TEST

/* 10.4: rows of elu1 lie in the hull of the v rows; constant v comes back. Also for the other maps
 * that have no signs, and Taylor's, whose weights 1 + s + s^2/2 are positive. */
START_TEST(normalised_rows_are_means_of_v)
{
    static const char *const maps[] = {"elu1", "relu", "sqrelu", "taylor"};
    enum { N = 150, D = 16 };
    char params[64];
    (void)snprintf(params, sizeof params, "feature_map: %s", maps[_i]);
    scan_case *s = open_case(N, 2, D, params);
    for (int64_t i = 0; i < 2 * N; i++) /* relu: some key answers every query */
        ((sb_bf16 *)s->c->q.data)[i * D] = ((sb_bf16 *)s->c->k.data)[i * D] = sb_bf16_from_f32(1);
    scan_case_ok(s, 0, N, 0);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t x = 0; x < D; x++) {
            double lo = INFINITY, hi = -INFINITY;
            for (int64_t i = 0; i < N; i++) {
                lo = fmin(lo, bf16_at(&s->c->v, h, i, x));
                hi = fmax(hi, bf16_at(&s->c->v, h, i, x));
                ck_assert_double_ge((double)at(s, h, i, x), lo - 1e-5);
                ck_assert_double_le((double)at(s, h, i, x), hi + 1e-5);
            }
        }
    fill(&s->c->v, 1.375f);
    scan_case_reset(s);
    scan_case_ok(s, 0, N, 0);
    for (int64_t i = 0; i < outputs(s); i++)
        ck_assert_double_eq_tol((double)((float *)s->o.data)[i], 1.375, 3e-6);
    scan_case_close(s);
}
END_TEST

/* The normaliser is the scaled sum, + 1e-10 after scaling: where no key answers, the row is 0. */
START_TEST(an_empty_sum_divides_by_the_epsilon)
{
    scan_case *s = open_case(70, 1, 16, "feature_map: relu");
    fill(&s->c->k, -1);
    scan_case_ok(s, 0, 70, 0);
    for (int64_t i = 0; i < outputs(s); i++)
        ck_assert(((float *)s->o.data)[i] == 0.0f);
    scan_case_close(s);
}
END_TEST

/* 10.5: a constant query makes aaren dense softmax. */
START_TEST(aaren_is_softmax_of_a_constant_query)
{
    enum { N = 200, D = 32 };
    scan_case *s = open_case(N, 2, D, "kind: aaren");
    double     want[D], lse;
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 1; i < N; i++)
            memcpy(sb_tensor_bf16(&s->c->q, h, i), sb_tensor_bf16(&s->c->q, h, 0), D * 2);
    for (int piece = N; piece > 0; piece -= 67) { /* whole, and split in two places */
        scan_case_reset(s);
        for (int64_t i = 0; i < N; i += piece)
            scan_case_ok(s, i, i + piece < N ? piece : N - i, 0);
        for (int64_t h = 0; h < 2; h++)
            for (int64_t i = 0; i < N; i++) {
                judge_row(&s->c->q, &s->c->k, &s->c->v, s->c->scale, see_all, NULL, h, i, want,
                          &lse);
                for (int64_t x = 0; x < D; x++)
                    ck_assert_double_eq_tol((double)at(s, h, i, x), want[x], 1e-5);
            }
    }
    scan_case_close(s);
}
END_TEST

START_TEST(aaren_of_equal_scores_is_the_running_mean)
{
    enum { N = 150, D = 16 };
    scan_case *s      = open_case(N, 1, D, "kind: aaren");
    double     sum[D] = {0};
    fill(&s->c->q, 0);
    scan_case_ok(s, 0, N, 0);
    for (int64_t i = 0; i < N; i++)
        for (int64_t x = 0; x < D; x++) {
            sum[x] += bf16_at(&s->c->v, 0, i, x);
            ck_assert_double_eq_tol((double)at(s, 0, i, x), sum[x] / (double)(i + 1), 2e-6);
        }
    scan_case_close(s);
}
END_TEST

START_TEST(aaren_bears_scores_of_ten_thousand)
{
    enum { N = 130, D = 16 };
    scan_case *s = open_case(N, 1, D, "kind: aaren, scale: 1");
    for (int64_t i = 0; i < N; i++)
        put(&s->c->q, i, 100), put(&s->c->k, i, i % 5 == 2 ? 100 : i % 3 == 0 ? -100 : 10);
    for (int64_t i = 0, first = 0; i < N; i += 65, first = i)
        scan_case_ok(s, first, 65, 0);
    for (int64_t i = 0; i < N; i++)
        for (int64_t x = 0; x < D; x++) {
            double want = 0, n = 0; /* the largest score so far wins, ties share */
            for (int64_t t = 0; t <= i; t++)
                if (i < 1 || (i < 2 ? t == 1 : t % 5 == 2)) {
                    want += bf16_at(&s->c->v, 0, t, x);
                    n += 1;
                }
            ck_assert_double_eq_tol((double)at(s, 0, i, x), want / n, 1e-5);
        }
    scan_case_close(s);
}
END_TEST

/* 10.11: numbers of channels, and q.k under each map for one token: o = scale phi(q).phi(k) v. */
START_TEST(feature_maps_have_their_channels_and_signs)
{
    static const struct {
        sb_scan_map map;
        linear_map  judge;
        int64_t     dim64;
        const char *params;
    } maps[] = {
        {SB_SCAN_ELU1, MAP_ELU1, 64, "feature_map: elu1, normalize: false, scale: 1"},
        {SB_SCAN_IDENTITY, MAP_IDENTITY, 64, "feature_map: identity, normalize: false, scale: 1"},
        {SB_SCAN_RELU, MAP_RELU, 64, "feature_map: relu, normalize: false, scale: 1"},
        {SB_SCAN_SILU, MAP_SILU, 64, "feature_map: silu, normalize: false, scale: 1"},
        {SB_SCAN_SQRELU, MAP_SQRELU, 64, "feature_map: sqrelu, normalize: false, scale: 1"},
        {SB_SCAN_DPFP, MAP_DPFP, 512, "feature_map: dpfp, normalize: false, scale: 1"},
        {SB_SCAN_TAYLOR, MAP_TAYLOR, 2145, "feature_map: taylor, normalize: false, scale: 1"},
    };
    double q[16], k[16], fq[256], fk[256];
    ck_assert_int_eq(sb_scan_map_dim(maps[_i].map, 64), maps[_i].dim64);
    ck_assert_int_eq(linear_map_dim(maps[_i].judge, 64), maps[_i].dim64);
    scan_case *s = open_case(1, 1, 16, maps[_i].params);
    for (int64_t x = 0; x < 16; x++) {
        q[x] = bf16_at(&s->c->q, 0, 0, x);
        k[x] = bf16_at(&s->c->k, 0, 0, x);
    }
    linear_map_row(maps[_i].judge, q, 16, fq);
    linear_map_row(maps[_i].judge, k, 16, fk);
    double dot = 0;
    for (int64_t c = 0; c < linear_map_dim(maps[_i].judge, 16); c++)
        dot += fq[c] * fk[c];
    scan_case_ok(s, 0, 1, 0);
    for (int64_t x = 0; x < 16; x++)
        ck_assert_double_eq_tol((double)at(s, 0, 0, x), dot * bf16_at(&s->c->v, 0, 0, x),
                                1e-5 * (1 + fabs(dot)));
    scan_case_close(s);
}
END_TEST

/* Written out: dpfp of (1, 2, 0 ...) rolls [1, 2, 0, ... | -1, -2, 0, ...]; Taylor's products are
 * 1 + s + s^2/2. */
START_TEST(dpfp_and_taylor_by_hand)
{
    double x[16] = {1, 2}, y[256], z[256], dot = 0, s = 0;
    linear_map_row(MAP_DPFP, x, 16, y);
    for (int i = 0; i < 128; i++) { /* only neighbours, one place on: r_1 r_0 and r_17 r_16 */
        double want = i == 1 || i == 17 ? 2 : 0;
        ck_assert_double_eq(y[i], want);
    }
    for (int i = 0; i < 16; i++)
        x[i] = 0.3 * i - 2;
    linear_map_row(MAP_TAYLOR, x, 16, y);
    for (int i = 0; i < 16; i++)
        s += x[i] * (1 - 0.2 * i) / 4; /* 1/sqrt(16) */
    for (int i = 0; i < 16; i++)
        x[i] = 1 - 0.2 * i;
    linear_map_row(MAP_TAYLOR, x, 16, z);
    for (int i = 0; i < 153; i++)
        dot += y[i] * z[i];
    ck_assert_double_eq_tol(dot, 1 + s + s * s / 2, 1e-12);
}
END_TEST

/* q and k of any length are scaled to 1; a zero row stays zero [5]. */
START_TEST(gated_delta_reads_directions_alone)
{
    enum { N = 130, D = 32 };
    scan_case *a = open_case(N, 2, D, "kind: gated_delta"),
              *b = open_case(N, 2, D, "kind: gated_delta");
    same_inputs(b, a);
    for (int64_t i = 0; i < 2 * N * D; i++) {
        ((sb_bf16 *)b->c->q.data)[i] =
            sb_bf16_from_f32(4 * sb_bf16_to_f32(((sb_bf16 *)a->c->q.data)[i]));
        ((sb_bf16 *)b->c->k.data)[i] =
            sb_bf16_from_f32(0.25f * sb_bf16_to_f32(((sb_bf16 *)a->c->k.data)[i]));
    }
    scan_case_ok(a, 0, N, 0);
    scan_case_ok(b, 0, N, 0);
    ck_assert_double_le(scan_rel(a->o.data, b->o.data, 2 * N * D), 1e-5);
    fill(&a->c->k, 0);
    scan_case_reset(a);
    scan_case_ok(a, 0, N, 0);
    for (int64_t i = 0; i < outputs(a); i++)
        ck_assert(((float *)a->o.data)[i] == 0.0f);
    scan_case_close(a);
    scan_case_close(b);
}
END_TEST

/* beta = 0 writes nothing; g far below 0 forgets everything, without a NaN on the way. */
START_TEST(gates_at_their_ends)
{
    enum { N = 100, D = 16 };
    static const char *const kinds[] = {"kind: gla, scale: 1",
                                        "kind: gated_delta, scale: 1, qk_norm: none"};
    scan_case               *s       = open_case(N, 1, D, "kind: gated_delta, beta: 0");
    scan_case_ok(s, 0, N, 0);
    for (int64_t i = 0; i < N * D; i++)
        ck_assert(((float *)s->o.data)[i] == 0.0f);
    scan_case_close(s);
    for (int kind = 0; kind < 2; kind++) {
        s = open_case(N, 1, D, kinds[kind]);
        scan_case_gates(s, 1, 0);
        for (int64_t i = 0; i < N; i++) {
            ((float *)s->gate.data)[i] = i == 40 ? -1e4f : 0;
            ((float *)s->beta.data)[i] = 1;
            put(&s->c->q, i, 1), put(&s->c->k, i, i == 3 || i == 60), put(&s->c->v, i, (double)i);
        }
        scan_case_ok(s, 0, N, 0);
        for (int64_t i = 0; i < N; i++)
            ck_assert(at(s, 0, i, 0) == (i >= 60 ? 60.0f : i >= 3 && i < 40 ? 3.0f : 0.0f));
        scan_case_close(s);
    }
}
END_TEST

/* One strong gate amid weak ones: sums that would cancel are never formed [3.3]. */
START_TEST(gla_keeps_weak_gates_beside_strong_ones)
{
    enum { N = 96, D = 16 };
    scan_case *s = open_case(N, 1, D, "kind: gla, force_mode: chunked");
    scan_case_gates(s, D, -0.01);
    for (int64_t i = 0; i < N; i += 9)
        for (int64_t c = 0; c < D; c++)
            sb_tensor_f32(&s->gate, 0, i)[c] = -800.0f;
    linear_judge j    = scan_case_judge(s);
    double      *want = scan_case_want(s, &j);
    scan_case_ok(s, 0, N, 0);
    ck_assert_double_le(scan_case_error(s, want), 1e-6);
    free(want);
    scan_case_close(s);
}
END_TEST

/* ---- 10.10: the transition that gated_delta sends to other ranks ---- */

static float *sent; /* this rank's record, as posted */

/* Rank 1 has the token after. */
static sb_status spy_gather(sb_comm *c, const void *send, void *recv, const int64_t *count_bytes,
                            const int64_t *displ_bytes)
{
    sbi_scan_told next = {.start = ((const sbi_scan_told *)send)->tokens, .tokens = 1};
    (void)c, (void)count_bytes;
    memcpy((char *)recv + displ_bytes[1], &next, sizeof next);
    return SB_OK;
}

static sb_status spy_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    (void)l, (void)stream;
    ck_assert(n == 1 && t->peer == 1 && !t->is_receive);
    sent = malloc((size_t)t->bytes);
    memcpy(sent, t->data, (size_t)t->bytes);
    return SB_OK;
}

static sb_status nothing_to_do(sb_link *l, void *stream)
{
    (void)l, (void)stream;
    return SB_OK;
}

START_TEST(gated_delta_sends_the_product_of_its_transitions)
{
    enum { N = 150, D = 16 };
    static const sb_comm_ops ops   = {.name = "spy", .allgatherv = spy_gather};
    static const sb_link_ops lops  = {
         .name = "spy", .post = spy_post, .wait = nothing_to_do, .drain = nothing_to_do};
    sb_comm                  comm  = {.ops = &ops, .size = 2};
    sb_link                  link  = {.ops = &lops, .backend = &sb_backend_cpu, .size = 2};
    scan_case               *s     = open_case(N, 1, D, "kind: gated_delta");
    sb_case                 *c     = s->c;
    sb_shape                 shape = {.q_gid    = c->q.gid,
                                      .n_keys   = N + 1, /* somebody comes after */
                                      .heads    = 1,
                                      .kv_heads = 1,
                                      .head_dim = D};
    static unsigned char     memory[1 << 20] __attribute__((aligned(64)));
    sb_arena                 arena;
    sb_plan                  plan    = {0};
    double                   M[D][D] = {{0}}, num = 0, den = 0;
    scan_case_gates(s, 1, -0.05);
    sb_arena_init(&arena, memory, sizeof memory, SB_ARENA_PLAIN);
    sb_ctx ctx = {
        .backend = &sb_backend_cpu, .arena = &arena, .comm = &comm, .link = &link, .threads = 1};
    sb_attn_in in  = {
         .q = &c->q, .k = &c->k, .v = &c->v, .scale = 1, .gate = &s->gate, .beta = &s->beta};
    sb_attn_out out = {.o = &s->o, .mode = SB_OUT_SET};
    ck_assert_int_eq(sb_linear.layout(&ctx, c->params, &shape, &plan, NULL), SB_OK);
    ck_assert_int_eq(sb_linear.attend[SB_CPU](&ctx, c->params, &in, &plan, &s->cache, &out), SB_OK);
    for (int i = 0; i < D; i++)
        M[i][i] = 1;
    for (int64_t t = 0; t < N; t++) { /* M = e^g (I - beta k'k) M */
        double k[D], kM[D] = {0}, length = 1e-6, g = exp((double)*sb_tensor_f32(&s->gate, 0, t)),
                     beta = (double)*sb_tensor_f32(&s->beta, 0, t);
        for (int i = 0; i < D; i++)
            length += bf16_at(&c->k, 0, t, i) * bf16_at(&c->k, 0, t, i);
        for (int i = 0; i < D; i++)
            k[i] = bf16_at(&c->k, 0, t, i) / sqrt(length);
        for (int i = 0; i < D; i++)
            for (int x = 0; x < D; x++)
                kM[x] += k[i] * M[i][x];
        for (int i = 0; i < D; i++)
            for (int x = 0; x < D; x++)
                M[i][x] = g * (M[i][x] - beta * k[i] * kM[x]);
    }
    const float *record = sent, *S = scan_case_state(s, 1, 0);
    for (int i = 0; i < D; i++)
        for (int x = 0; x < D; x++) {
            double got = (double)record[i * 2 * D + D + x];
            num += (got - M[i][x]) * (got - M[i][x]);
            den += M[i][x] * M[i][x];
            /* from zero: B is the state itself */
            ck_assert_float_eq_tol(record[i * 2 * D + x], S[i * D + x], 1e-5f);
        }
    ck_assert_double_gt(den, 1e-6);
    ck_assert_double_le(sqrt(num / den), SB_SCAN_REL);
    free(sent);
    scan_case_close(s);
}
END_TEST

static const struct {
    const char *params;
    int64_t     head_dim;
    const char *why; /* on a device; NULL: it is laid out */
} on_devices[] = {
    {"kind: elu1", 64, NULL},
    {"kind: retnet, chunk_tokens: 64", 128, NULL},
    {"kind: elu1, feature_map: dpfp, normalize: false", 64, "feature_map: found dpfp"},
    {"kind: elu1", 32, "found head_dim 32"},
    {"kind: retnet, chunk_tokens: 128", 64, "chunk_tokens: found 128"},
};

/* What attend would find on a device the layout says, which needs none: so a plan tells it. */
START_TEST(layout_refuses_what_devices_do)
{
    enum { N = 1000 };
    static const sb_backend device = {.id = SB_CUDA, .name = "cuda"};
    sb_run                  all    = {0, N};
    sb_shape                shape  = {.q_gid    = {.run = &all, .n_runs = 1, .n_tokens = N},
                                      .n_keys   = N,
                                      .heads    = 2,
                                      .kv_heads = 2,
                                      .head_dim = on_devices[_i].head_dim};
    scan_case              *s      = open_case(N, 2, 64, on_devices[_i].params);
    const char             *why    = on_devices[_i].why;
    sb_arena                arena;
    sb_plan                 plan = {0};
    sb_ctx                  ctx  = {.backend = &sb_backend_cpu, .arena = &arena, .threads = 1};
    sb_arena_init_count(&arena);
    ck_assert_int_eq(sb_linear.layout(&ctx, s->c->params, &shape, &plan, NULL), SB_OK);
    ctx.backend = &device;
    ck_assert_int_eq(sb_linear.layout(&ctx, s->c->params, &shape, &plan, NULL),
                     why == NULL ? SB_OK : SB_ERR_UNSUPPORTED);
    ck_assert(why == NULL || strstr(sb_error_text(), why) != NULL);
    scan_case_close(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("linear");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_codes);
    tcase_add_loop_test(t, chunked_equals_recurrence, 0, 12);
    tcase_add_test(t, gla_with_equal_gates_is_retention);
    tcase_add_test(t, retention_decays_by_the_head);
    tcase_add_test(t, gated_delta_stores_orthogonal_keys_exactly);
    tcase_add_test(t, gated_delta_replaces_what_a_key_recalls);
    tcase_add_loop_test(t, worked_gated_delta_example, 0, 3);
    tcase_add_loop_test(t, without_gates_it_is_a_masked_product, 0, 2);
    tcase_add_loop_test(t, normalised_rows_are_means_of_v, 0, 4);
    tcase_add_test(t, an_empty_sum_divides_by_the_epsilon);
    tcase_add_test(t, aaren_is_softmax_of_a_constant_query);
    tcase_add_test(t, aaren_of_equal_scores_is_the_running_mean);
    tcase_add_test(t, aaren_bears_scores_of_ten_thousand);
    tcase_add_loop_test(t, feature_maps_have_their_channels_and_signs, 0, 7);
    tcase_add_test(t, dpfp_and_taylor_by_hand);
    tcase_add_test(t, gated_delta_reads_directions_alone);
    tcase_add_test(t, gates_at_their_ends);
    tcase_add_test(t, gla_keeps_weak_gates_beside_strong_ones);
    tcase_add_test(t, gated_delta_sends_the_product_of_its_transitions);
    tcase_add_loop_test(t, layout_refuses_what_devices_do, 0,
                        (int)(sizeof on_devices / sizeof *on_devices));
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
