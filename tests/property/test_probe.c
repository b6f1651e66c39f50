/* Properties of the probe under plain dense attention, named after [probe_model 14] and the knobs
 * they rest on. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "tests/unit/harness/model/probe_rig.h"

#define D SB_PROBE_DIM
#define MAX_TOKENS 1024

static int32_t ids[MAX_TOKENS];

/* Tasks by hand. Each builds an input, runs it, and returns its score in [0, 1]. */
typedef struct variant {
    const char *const *settings;
    uint64_t           seed;
} variant;

static int32_t pick(uint64_t seed, uint64_t i, int32_t base, int32_t n)
{
    return base + (int32_t)(sb_mix(seed * 1009u + i) % (uint64_t)n);
}

/* k1 k2 k3 v1 v2 v3 */
static void item(uint64_t seed, uint64_t i, int32_t out[6])
{
    for (uint64_t j = 0; j < 3; j++)
        out[j] = pick(seed, 16 * i + j, SB_TOK_KEY, SB_TOK_KEY_N);
    out[3] = pick(seed, 16 * i + 3, SB_TOK_LEAD, SB_TOK_LEAD_N);
    out[4] = pick(seed, 16 * i + 4, SB_TOK_VAL, SB_TOK_VAL_N);
    out[5] = pick(seed, 16 * i + 5, SB_TOK_VAL, SB_TOK_VAL_N);
}

/* One needle, two strangers, and distractors that share two of three key tokens with the needle. */
static double niah(variant v, int64_t n, int32_t distractors)
{
    sb_input in = rig_input(ids, n, SB_PROFILE_RET, 0, v.seed);
    int32_t  needle[6], other[6], alias[3], got[3];
    int64_t  at = 40;
    rig      r;
    item(v.seed, 0, needle);
    for (int32_t i = 0; i < 3 + distractors; i++, at += 40 + (int64_t)(v.seed % 7)) {
        item(v.seed, (uint64_t)i + 1, other);
        for (int32_t j = 0; i >= 3 && j < 3; j++)
            other[j] = j == i % 3 ? other[j] : needle[j];
        rig_put(ids, at, i == (int32_t)(v.seed % 3) ? needle : other, 6);
    }
    ck_assert(at < in.n_context);
    for (int32_t j = 0; j < 3; j++)
        alias[j] = needle[j] - SB_TOK_KEY + SB_TOK_KAL;
    rig_ask(&in, alias, 3, needle, 3);
    rig_open(&r, v.settings, &in, 2);
    rig_prefill(&r, in.n_context);
    got[0] = rig_emit(&r, n - 1, SB_TOK_LEAD, SB_TOK_LEAD_N, NULL, 0);
    rig_feed(&r, got[0]);
    got[1] = rig_emit(&r, -1, SB_TOK_VAL, SB_TOK_VAL_N, NULL, 0);
    rig_feed(&r, got[1]);
    got[2] = rig_emit(&r, -1, SB_TOK_VAL, SB_TOK_VAL_N, NULL, 0);
    rig_close(&r);
    return memcmp(got, needle + 3, sizeof got) == 0 ? 1.0 : 0.0;
}

static double niah_single(variant v) { return niah(v, 512, 0); }
static double niah_multikey(variant v) { return niah(v, 512, 4); }

/* VAR n EQ r: the asked chain among statements of another one. */
static double vt(variant v)
{
    enum { HOPS = 3, NAMES = HOPS + 1 };
    sb_input in       = rig_input(ids, 512, SB_PROFILE_VT, HOPS, v.seed);
    int32_t  value[2] = {pick(v.seed, 1, SB_TOK_VAL, SB_TOK_VAL_N),
                         pick(v.seed, 2, SB_TOK_VAL, SB_TOK_VAL_N)};
    int32_t  prev[2]  = {value[0], value[1]}, name[NAMES], got[NAMES], alias, suffix[2];
    double   hits     = 0.0;
    rig      r;
    for (int32_t i = 0; i < NAMES; i++)
        for (int32_t c = 0; c < 2; c++) {
            int32_t next = SB_TOK_NAME +
                           (int32_t)((v.seed * 31u + (uint64_t)(2 * i + c) * 13u) % SB_TOK_NAME_N);
            int32_t state[4] = {SB_TOK_VAR, next, SB_TOK_EQ, prev[c]};
            rig_put(ids, 30 + 50 * (2 * i + c), state, 4);
            prev[c] = next;
            if (c == 0)
                name[i] = next;
        }
    alias     = value[0] - SB_TOK_VAL + SB_TOK_VAL2;
    suffix[0] = SB_TOK_ASK;
    suffix[1] = value[0];
    rig_ask(&in, &alias, 1, suffix, 2);
    rig_open(&r, v.settings, &in, 0);
    rig_prefill(&r, in.n_context);
    for (int32_t i = 0; i < NAMES; i++)
        got[i] = rig_emit(&r, in.n_tokens - 1, SB_TOK_NAME, SB_TOK_NAME_N, got, i);
    for (int32_t i = 0; i < NAMES; i++)
        for (int32_t j = 0; j < NAMES; j++)
            hits += got[i] == name[j];
    rig_close(&r);
    return hits / NAMES;
}

/* 10 common words of 128, 1.5 times as often as the others, shuffled. */
static double cwe(variant v)
{
    enum { COMMON = 10 };
    sb_input in    = rig_input(ids, 1024, SB_PROFILE_AGG, 0, v.seed);
    sb_rng   rng   = {v.seed};
    int32_t  shift = (int32_t)(v.seed * 37u % SB_TOK_AGG_N), got[COMMON], none = 0;
    int64_t  n    = 1;
    double   hits = 0.0;
    rig      r;
    for (int32_t w = 0; w < SB_TOK_AGG_N; w++)
        for (int32_t c = 0; c < (w < COMMON ? 9 : 6); c++)
            ids[n++] = SB_TOK_AGG + (w + shift) % SB_TOK_AGG_N;
    ck_assert(n <= in.n_context);
    for (int64_t i = n - 1; i > 1; i--) {
        int64_t j = 1 + (int64_t)sb_rng_below(&rng, (uint64_t)i);
        int32_t t = ids[i];
        ids[i]    = ids[j];
        ids[j]    = t;
    }
    rig_ask(&in, &none, 0, &none, 0);
    rig_open(&r, v.settings, &in, 0);
    rig_prefill(&r, in.n_context);
    for (int32_t i = 0; i < COMMON; i++) {
        got[i] = rig_emit(&r, in.n_tokens - 1, SB_TOK_AGG, SB_TOK_AGG_N, got, i);
        hits += (got[i] - SB_TOK_AGG - shift + SB_TOK_AGG_N) % SB_TOK_AGG_N < COMMON;
    }
    rig_close(&r);
    return hits / COMMON;
}

static double (*const tasks[])(variant) = {niah_single, niah_multikey, vt, cwe};
static const char *const task_names[]   = {"niah_single", "niah_multikey", "vt", "cwe"};
enum { TASKS = 4 };

static const char *const easy[]         = {"preset=easy", NULL};
static const char *const hard[]         = {"preset=hard", NULL};
static const char *const permute_v[]    = {"ablate=permute_v", NULL};
static const char *const readout_seed[] = {"ablate=readout_seed", NULL};

START_TEST(dense_answers_every_task_on_every_preset) /* 14.1 */
{
    static const char *const *const presets[] = {NULL, easy, hard};
    int                             task      = _i % TASKS;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        double score = tasks[task]((variant){presets[_i / TASKS], seed});
        ck_assert_msg(score == 1.0, "%s, preset %d, seed %d: %g", task_names[task], _i / TASKS,
                      (int)seed, score);
    }
}
END_TEST

START_TEST(negative_controls_fall_to_chance)
{
    static const char *const *const controls[] = {permute_v, readout_seed};
    double                          sum        = 0.0;
    for (uint64_t seed = 1; seed <= 3; seed++)
        sum += tasks[_i % TASKS]((variant){controls[_i / TASKS], seed});
    ck_assert_msg(sum / 3 <= 0.25, "%s, control %d: mean %g", task_names[_i % TASKS], _i / TASKS,
                  sum / 3);
}
END_TEST

START_TEST(prev_heads_give_the_exact_code) /* 14.3: P_m equals c(x_{t-m}) bit for bit */
{
    sb_input in = rig_input(ids, MAX_TOKENS, SB_PROFILE_RET, 0, 9);
    rig      r;
    int64_t  wrong = 0;
    rig_open(&r, NULL, &in, 0);
    rig_prefill(&r, in.n_tokens);
    for (int m = 1; m <= 3; m++)
        for (int64_t t = m + 1; t < in.n_tokens; t++) /* row m looks back to BOS, whose code is 0 */
            wrong +=
                memcmp(r.probe->res.prev[m - 1] + t * D,
                       r.probe->codes.content + (int64_t)ids[t - m] * D, D * sizeof(sb_bf16)) != 0;
    ck_assert_int_eq(wrong, 0);
    rig_close(&r);
}
END_TEST

START_TEST(context_head_averages_salience) /* LOC against the kernel in double: bf16 features and
                                              gains cost about 1 % */
{
    sb_input in = rig_input(ids, 512, SB_PROFILE_RET, 0, 4);
    int32_t  needle[6];
    double   weight[128], sum = 0.0, worst = 0.0, largest = 0.0;
    rig      r;
    item(4, 0, needle);
    for (int64_t at = 150; at < 400; at += 60)
        rig_put(ids, at, needle, 6);
    rig_open(&r, NULL, &in, 0);
    rig_prefill(&r, in.n_tokens);
    for (int delta = 0; delta < 128; delta++) {
        double score = 0.0;
        for (int j = SB_PROBE_HIGH; j < SB_PROBE_PAIRS; j++)
            score += 60.0 / 32.0 * (cos(r.probe->waves.w[j] * (delta - 6)) - 1.0);
        sum += weight[delta] = exp(score);
    }
    for (int64_t t = 200; t < 440; t++)
        for (int j = 0; j < SB_PROBE_SALIENCE; j++) {
            double want = 0.0;
            for (int delta = 0; delta < 128; delta++)
                want +=
                    weight[delta] / sum *
                    (double)sb_bf16_to_f32(
                        r.probe->codes.salience[(int64_t)ids[t - delta] * SB_PROBE_SALIENCE + j]);
            worst   = fmax(worst, fabs(want - (double)sb_bf16_to_f32(
                                                  r.probe->res.loc[t * SB_PROBE_SALIENCE + j])));
            largest = fmax(largest, fabs(want));
        }
    ck_assert_double_ge(largest, 0.2);
    ck_assert_msg(worst <= 0.02 * largest, "worst error %g of %g", worst, largest);
    rig_close(&r);
}
END_TEST

/* score(D) of a positional kernel about its own shift; amplitudes of the two bands in nats. */
static double kernel(const sb_probe_waves *w, double high, double low, int64_t offset)
{
    double score = 0.0;
    for (int j = 0; j < SB_PROBE_PAIRS; j++)
        score += (j < SB_PROBE_HIGH ? high : low) / 32.0 * cos(w->w[j] * (double)offset);
    return score;
}

START_TEST(scan_finds_the_leaks_of_the_position_kernels) /* 14.2, section 8 */
{
    sb_probe_waves w;
    double         next = 0.0, leak = 0.0, beyond = 0.0, spread = 0.0;
    sb_probe_waves_init(&w, 2, 64.0);
    ck_assert_double_eq_tol(kernel(&w, 60, 10, 0), 70.0, 1e-9);
    for (int64_t offset = 1; offset < 32768; offset++) {
        double prev = kernel(&w, 60, 10, offset), context = kernel(&w, 0, 60, offset);
        next = fmax(next, prev);
        leak += exp(prev - 70.0);
        if (offset >= 64) {
            beyond = fmax(beyond, context);
            spread += exp(context - 60.0);
        }
    }
    ck_assert_double_le(next, 35.4);
    ck_assert_double_le(log(leak), -32.2);
    ck_assert_double_le(beyond, 34.6);
    ck_assert_double_le(log(spread * sb_probe_context_peak(&w, 6.0, 60.0)), -23.8);
    /* the worst of all offsets below 2^23, found by an exhaustive scan */
    ck_assert_double_eq_tol(kernel(&w, 60, 10, 4050643), 35.40, 0.01);
    ck_assert_double_eq_tol(kernel(&w, 0, 60, 388979), 34.58, 0.01);
}
END_TEST

START_TEST(query_of_a_positional_head_scores_as_the_kernel) /* rotation of bf16 features, gains, one
                                                               rounding */
{
    sb_probe_waves    w;
    sb_probe_rotation turn;
    sb_bf16           key[D], query[D], *dst = query;
    sb_probe_map      m = {
             .n_terms = 1,
             .term    = {
                    {.op = SB_PROBE_ROTATE, .n = D, .gain = 1.0f, .a = {key, D, NULL}, .rotation = &turn}}};
    sb_probe_waves_init(&w, 2, 64.0);
    sb_probe_rotation_init(&turn, &w, 3.0, 60.0, 10.0);
    sb_probe_phi(&w, 1000000, key);
    sb_probe_maps_run(&m, &dst, 1, 0, 1, 1);
    for (int64_t i = 999000; i <= 1000000; i++) {
        double score = 0.0;
        sb_probe_phi(&w, i, key);
        for (int j = 0; j < D; j++)
            score += (double)(sb_bf16_to_f32(query[j]) * sb_bf16_to_f32(key[j])) / sqrt((double)D);
        ck_assert_double_eq_tol(score, kernel(&w, 60, 10, 1000000 - i - 3), 0.35);
    }
}
END_TEST

/* Every row of the readout, with background heads attended, dropped, or full of noise. */
static void functional_rows(const char *const *settings, const sb_input *in,
                            rig_background background, float *out)
{
    rig r;
    rig_open(&r, settings, in, 0);
    r.background = background;
    rig_prefill(&r, 0);
    for (int64_t t = 0; t < in->n_tokens; t++)
        sb_model_probe.row(r.model, t, out + t * SB_PROBE_ROW_VALUES);
    rig_close(&r);
}

START_TEST(background_heads_cannot_change_answers) /* section 10: W_O = 0 */
{
    static const char *const none[] = {"background=none", NULL};
    static float             want[200 * SB_PROBE_ROW_VALUES], got[200 * SB_PROBE_ROW_VALUES];
    static const sb_profile  profiles[] = {SB_PROFILE_AGG, SB_PROFILE_RET, SB_PROFILE_VT};
    sb_input                 in         = rig_input(ids, 200, profiles[_i], 2, 6);
    for (int32_t t = 3; t < 200; t += 9)
        ids[t] = pick(6, (uint64_t)t, SB_TOK_KEY, SB_TOK_VOCAB - SB_TOK_KEY);
    functional_rows(NULL, &in, RIG_ATTENDED, want);
    functional_rows(none, &in, RIG_ATTENDED, got);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    functional_rows(NULL, &in, RIG_NOISE, got);
    ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
}
END_TEST

START_TEST(background_patterns_attend_as_named) /* section 10, measured over keys of one row */
{
    enum { N = 1024, ROW = N - 1 };
    sb_input     in                        = rig_input(ids, N, SB_PROFILE_VT, 1, 8);
    const double sink_want[SB_PROBE_HEADS] = {[5] = 0.9, [6] = 0.9};
    sb_bf16     *q                         = malloc((size_t)SB_PROBE_HEADS * N * D * sizeof *q);
    rig          r;
    sb_tensor    tq = {.data        = q,
                       .dtype       = SB_BF16,
                       .heads       = SB_PROBE_HEADS,
                       .tokens      = N,
                       .dim         = D,
                       .head_stride = N * D};
    ck_assert_ptr_nonnull(q);
    rig_open(&r, NULL, &in, 0);
    rig_prefill(&r, N);
    for (int64_t h = 1; h < SB_PROBE_HEADS;
         h++) { /* layer 1 is HOP_1: all heads but 0 are background */
        sb_bf16  *k  = r.k + ((int64_t)1 * SB_PROBE_KV_HEADS) * N * D;
        sb_bf16  *v  = r.v + ((int64_t)1 * SB_PROBE_KV_HEADS) * N * D;
        sb_tensor tk = {.data        = k,
                        .dtype       = SB_BF16,
                        .heads       = SB_PROBE_KV_HEADS,
                        .tokens      = N,
                        .dim         = D,
                        .head_stride = N * D};
        sb_tensor tv = tk;
        double    logit[N], max = -1e30, sum = 0.0, last64 = 0.0, squares = 0.0, mean = 0.0;
        tv.data = v;
        ck_assert_int_eq(sb_model_probe.qkv(r.model, 1, 0, &tq, &tk, &tv), SB_OK);
        for (int64_t i = 0; i < N; i++) {
            logit[i] = 0.0;
            for (int j = 0; j < D; j++)
                logit[i] += (double)(sb_bf16_to_f32(*(sb_tensor_bf16(&tq, h, ROW) + j)) *
                                     sb_bf16_to_f32(*(sb_tensor_bf16(&tk, h / 2, i) + j))) /
                            sqrt((double)D);
            max = fmax(max, logit[i]);
            mean += logit[i] / N;
            squares += logit[i] * logit[i] / N;
        }
        for (int64_t i = 0; i < N; i++) {
            sum += exp(logit[i] - max);
            last64 += i >= N - 64 ? exp(logit[i] - max) : 0.0;
        }
        if (sink_want[h] > 0.0) /* sink: almost all weight on BOS */
            ck_assert_double_ge(exp(logit[0] - max) / sum, sink_want[h]);
        if (h == 2) /* local: the last tokens */
            ck_assert_double_ge(last64 / sum, 0.9);
        if (h == 3) /* slash: the token 1000 back */
            ck_assert_double_ge(exp(logit[ROW - 1000] - max) / sum, 0.9);
        if (h == 4 || h == 7) /* diffuse: std 0.5, no weight on the token itself */
            ck_assert_double_eq_tol(sqrt(squares - mean * mean), 0.5, 0.1);
        if (h == 1) /* block: topic noise, so neighbours agree */
            ck_assert_double_eq_tol(logit[500], logit[504], 1.0);
    }
    free(q);
    rig_close(&r);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("probe properties");
    TCase   *tc = tcase_create("dense");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, dense_answers_every_task_on_every_preset, 0, 3 * TASKS);
    tcase_add_loop_test(tc, negative_controls_fall_to_chance, 0, 2 * TASKS);
    tcase_add_test(tc, prev_heads_give_the_exact_code);
    tcase_add_test(tc, context_head_averages_salience);
    tcase_add_test(tc, scan_finds_the_leaks_of_the_position_kernels);
    tcase_add_test(tc, query_of_a_positional_head_scores_as_the_kernel);
    tcase_add_loop_test(tc, background_heads_cannot_change_answers, 0, 3);
    tcase_add_test(tc, background_patterns_attend_as_named);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
