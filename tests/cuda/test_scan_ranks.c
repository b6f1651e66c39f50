/* Several ranks of a scan on one device, one after the other: each finds what the ranks before it
 * have sent, and none needs more. Against the fp64 judge of the whole sequence: uneven and empty
 * shards, more ranks than fit a batch of records, decays that reach a few rows and all of them,
 * gates, transitions, means, every kernel. Without a device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/linear_scan_room.h"
#include "tests/cuda/device_case.h"
#include "tests/cuda/device_main.h"
#include "tests/cuda/device_scan.h"
#include "tests/tolerance.h"

static const sb_backend *const b = &sb_backend_cuda;

static const char *const kernels[] = {"portable", "sm90"};
enum { N_KERNELS = sizeof kernels / sizeof *kernels, MOST_RANKS = 20 };
static int    calls[N_KERNELS]; /* sequences */
static double worst[N_KERNELS]; /* error of bf16 o */

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

/* ---- ranks one by one ---- */

/* Rank i has the tokens from cut[i] on. */
typedef struct ranks {
    int32_t size;
    int64_t cut[MOST_RANKS + 1];
    void   *sent[MOST_RANKS]; /* records, on the device */
    int64_t sent_bytes, received;
    char    asked[1 << 14]; /* what rank 0 has sent to all */
    int64_t asked_bytes;
} ranks;

/* What all ranks tell: known beforehand. */
static sb_status tell(sb_comm *c, const void *send, void *recv, const int64_t *count,
                      const int64_t *displ)
{
    const ranks *r = c->impl;
    for (int32_t i = 0; i < r->size; i++) {
        sbi_scan_told told = {.start = r->cut[i], .tokens = r->cut[i + 1] - r->cut[i]};
        ck_assert_int_eq(count[i], (int64_t)sizeof told);
        if (i != c->rank)
            memcpy((char *)recv + displ[i], &told, sizeof told);
        else
            memmove((char *)recv + displ[i], send, sizeof told);
    }
    return SB_OK;
}

/* Rank 0 comes first. */
static sb_status say(sb_comm *c, void *data, int64_t bytes, int32_t root)
{
    ranks *r = c->impl;
    ck_assert_int_eq(root, 0);
    ck_assert_int_le(bytes, (int64_t)sizeof r->asked);
    ck_assert(c->rank == 0 || bytes == r->asked_bytes);
    if (c->rank == 0)
        memcpy(r->asked, data, (size_t)bytes);
    else
        memcpy(data, r->asked, (size_t)bytes);
    r->asked_bytes = bytes;
    return SB_OK;
}

static sb_status post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    ranks *r = l->impl;
    for (int64_t i = 0; i < n; i++) {
        ck_assert(t[i].is_receive ? t[i].peer < l->rank : t[i].peer > l->rank);
        if (!t[i].is_receive && r->sent[l->rank] == NULL) {
            r->sent_bytes    = t[i].bytes;
            r->sent[l->rank] = device_room((size_t)t[i].bytes);
            must(b->copy(r->sent[l->rank], t[i].data, (size_t)t[i].bytes, SB_COPY_ON_DEVICE,
                         stream));
        } else if (t[i].is_receive) {
            ck_assert_ptr_nonnull(r->sent[t[i].peer]);
            ck_assert_int_eq(t[i].bytes, r->sent_bytes);
            must(b->copy(t[i].data, r->sent[t[i].peer], (size_t)t[i].bytes, SB_COPY_ON_DEVICE,
                         stream));
            r->received++;
        }
    }
    return SB_OK;
}

static sb_status arrived(sb_link *l, void *stream)
{
    (void)l, (void)stream;
    return SB_OK;
}

static sb_status drain(sb_link *l, void *stream)
{
    (void)l;
    return b->sync(stream);
}

static const sb_comm_ops comm_ops = {.name = "one by one", .bcast = say, .allgatherv = tell};
static const sb_link_ops link_ops = {
    .name = "one by one", .post = post, .wait = arrived, .drain = drain};

static sb_status run_one(scan_case *s, ranks *r, int32_t i, const char *kernel)
{
    sb_comm c = {.ops = &comm_ops, .rank = i, .size = r->size, .impl = r};
    sb_link l = {.ops = &link_ops, .backend = b, .rank = i, .size = r->size, .impl = r};
    return device_scan_rank(s, r->cut[i], r->cut[i + 1] - r->cut[i], kernel, &c, &l);
}

static void forget(ranks *r)
{
    for (int32_t i = 0; i < r->size; i++) {
        b->free(r->sent[i]);
        r->sent[i] = NULL;
    }
}

/* SB_ERR_UNSUPPORTED where the kernel cannot do it. */
static sb_status run(scan_case *s, ranks *r, const char *kernel)
{
    sb_status st = SB_OK;
    scan_case_reset(s);
    r->received = 0;
    for (int32_t i = 0; st == SB_OK && i < r->size; i++)
        st = run_one(s, r, i, kernel);
    forget(r);
    return st;
}

static ranks even(int32_t size, int64_t n)
{
    ranks r = {.size = size};
    for (int32_t i = 0; i <= size; i++)
        r.cut[i] = n * i / size;
    return r;
}

/* ---- cases ---- */

typedef struct config {
    const char *method, *params;
    double      slope;    /* >= 0: of all heads */
    int64_t     gate_dim; /* 0: no tensors, 1, or 2: head_dim */
    double      lowest;   /* of the gates */
} config;

static const config configs[] = {
    {"lightning", "", -1, 0, 0},
    {"lightning", "act: identity", 0, 0, 0},
    {"lightning", "act: elu", 1e-7, 0, 0},
    {"lightning", "act: 1+elu, slope_heads: kv", 0.05, 0, 0},
    {"lightning", "act: relu, scale: 0", 0.9, 0, 0},
    {"lightning", "act: silu", 2000, 0, 0},
    {"linear", "kind: retnet, force_mode: chunked", -1, 0, 0},
    {"linear", "kind: elu1, force_mode: chunked", -1, 0, 0},
    {"linear", "kind: elu1, normalize: false, feature_map: sqrelu, force_mode: chunked", -1, 0, 0},
    {"linear", "kind: elu1, force_mode: recurrent", -1, 0, 0},
    {"linear", "kind: retnet, force_mode: recurrent", -1, 0, 0},
    {"linear", "kind: gla, gate: -0.02", -1, 0, 0},
    {"linear", "kind: gla", -1, 2, -0.5},
    {"linear", "kind: gla", -1, 2, -1e-6},
    {"linear", "kind: gla, scale: 1", -1, 2, -2000},
    {"linear", "kind: gla, force_mode: chunked", -1, 1, -0.003},
    {"linear", "kind: gla, force_mode: recurrent", -1, 2, -0.01},
    {"linear", "kind: gla, force_mode: recurrent, gate: -0.001", -1, 0, 0},
    {"linear", "kind: gated_delta", -1, 0, 0},
    {"linear", "kind: gated_delta", -1, 1, -0.1},
    {"linear", "kind: gated_delta", -1, 1, -1e-6},
    {"linear", "kind: gated_delta, scale: 1", -1, 1, -500},
    {"linear", "kind: gated_delta, force_mode: chunked, gate: -0.003, beta: 0.5", -1, 0, 0},
    {"linear", "kind: gated_delta, qk_norm: none, beta: 0.004, gate: -0.01", -1, 0, 0},
    {"linear", "kind: gated_delta, force_mode: recurrent", -1, 1, -0.02},
    {"linear", "kind: aaren", -1, 0, 0},
    {"linear", "kind: aaren, scale: 2", -1, 0, 0},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const sb_case_shape shapes[] = {
    {2500, 2500, 4, 2, 128}, {1793, 1793, 5, 5, 64}, {700, 700, 2, 1, 128}, {1300, 1300, 6, 3, 64}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static ranks shards(int which, int64_t n)
{
    ranks r = even(which == 0 ? 2 : 19, n);
    if (which == 1) /* uneven, one of a single token, none on the last rank */
        r = (ranks){.size = 5, .cut = {0, n / 3, n / 3 + 1, n / 2 + 77, n, n}};
    return r;
}
enum { N_SHARDS = 3 };

static scan_case *open_config(const config *f, sb_case_shape shape, uint64_t seed)
{
    scan_case *s = scan_case_open(shape, f->method, f->params, seed);
    s->slope     = f->slope;
    s->layer     = 1;
    s->n_layers  = 3;
    if (f->gate_dim > 0)
        scan_case_gates(s, f->gate_dim == 1 ? 1 : shape.dim, f->lowest);
    return s;
}

/* All of it in fp32. */
static int is_exact(const config *f)
{
    return strstr(f->params, "aaren") != NULL || strstr(f->params, "recurrent") != NULL;
}

START_TEST(ranks_match_the_judge)
{
    const config *f     = &configs[_i / N_SHAPES];
    sb_case_shape shape = shapes[_i % N_SHAPES];
    scan_case    *s     = open_config(f, shape, 7 + (uint64_t)_i);
    device_judged want  = device_judge(s);
    for (int k = 0; k < N_KERNELS; k++)
        for (int t = 0; t < 2 * N_SHARDS; t++) {
            ranks r      = shards(t / 2, shape.n_q);
            s->dtype     = t % 2 == 0 ? SB_BF16 : SB_F32;
            sb_status st = run(s, &r, kernels[k]);
            if (k > 0 && st == SB_ERR_UNSUPPORTED)
                continue;
            must(st);
            double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
            double most = is_exact(f) ? SB_SCAN_REL : SB_SCAN_REL_BF16;
            ck_assert_msg(e <= (s->dtype == SB_F32 ? most : SB_SCAN_REL_BF16) && es <= most,
                          "%s (%s) slope %g, n %lld, d %lld, %d ranks, %s: o %g, state %g",
                          f->method, f->params, f->slope, (long long)shape.n_q,
                          (long long)shape.dim, (int)r.size, kernels[k], e, es);
            ck_assert_int_eq(*(const int64_t *)s->cache.state, shape.n_q);
            int64_t busy = r.size - (t / 2 == 1); /* every one of every one before it */
            ck_assert_int_eq(r.received, busy * (busy - 1) / 2);
            worst[k] = fmax(worst[k], t % 2 == 0 ? e : 0);
            calls[k]++;
        }
    device_judged_free(&want);
    scan_case_close(s);
}
END_TEST

/* Decode goes on from the state that the last rank keeps. */
START_TEST(decode_goes_on)
{
    enum { N = 903, STEPS = 3 };
    scan_case    *s    = open_config(&configs[_i], (sb_case_shape){N, N, 4, 2, 128}, 3);
    device_judged want = device_judge(s);
    for (int k = 0; k < N_KERNELS; k++) {
        ranks     r  = even(3, N - STEPS);
        sb_status st = run(s, &r, kernels[k]);
        if (k > 0 && st == SB_ERR_UNSUPPORTED)
            continue;
        must(st);
        for (int64_t at = N - STEPS; at < N; at++)
            must(device_scan(s, at, 1, 1, kernels[k]));
        double e = scan_case_error(s, want.o), es = device_state_error(s, &want);
        ck_assert_msg(e <= SB_SCAN_REL_BF16 && es <= SB_SCAN_REL_BF16, "%s: o %g, state %g",
                      kernels[k], e, es);
    }
    device_judged_free(&want);
    scan_case_close(s);
}
END_TEST

/* Rows past the reach of a decay have the same bits whatever came before; the first one has not.
 * And other bits never come from the same call. */
START_TEST(reach_of_a_decay)
{
    enum { N = 1500, CUT = 700 };
    int64_t    d     = _i % 2 == 0 ? 64 : 128, reach;
    scan_case *s     = open_config(&(config){"lightning", "", _i < 2 ? 0.9 : 0.06, 0, 0},
                                   (sb_case_shape){N, N, 2, 2, d}, 11);
    size_t     bytes = (size_t)(2 * N * d) * sizeof(float);
    float     *first = malloc(bytes);
    ck_assert_ptr_nonnull(first);
    s->dtype = SB_BF16;
    reach    = sb_scan_reach(s->slope, N - CUT);
    ck_assert(reach > 40 && reach < N - CUT);
    for (int k = 0; k < N_KERNELS; k++) {
        ranks r = {.size = 2, .cut = {0, CUT, N}};
        if (run(s, &r, kernels[k]) == SB_ERR_UNSUPPORTED && k > 0)
            break;
        memcpy(first, s->o.data, bytes);
        must(run(s, &r, kernels[k]));
        ck_assert_msg(memcmp(first, s->o.data, bytes) == 0, "%s: other bits", kernels[k]);
        for (int64_t h = 0; h < 2; h++) /* twice the value of the last token before the cut */
            for (int64_t x = 0; x < d; x++) {
                sb_bf16 *v = sb_tensor_bf16(&s->c->v, h, CUT - 1) + x;
                *v         = sb_bf16_from_f32(2 * sb_bf16_to_f32(*v));
            }
        must(run(s, &r, kernels[k]));
        for (int64_t h = 0; h < 2; h++) {
            const float *was = first + h * N * d, *is = sb_tensor_f32(&s->o, h, 0);
            ck_assert_msg(memcmp(was + CUT * d, is + CUT * d, (size_t)d * sizeof *is) != 0,
                          "%s: the first row does not know", kernels[k]);
            ck_assert_msg(memcmp(was + (CUT + reach) * d, is + (CUT + reach) * d,
                                 (size_t)((N - CUT - reach) * d) * sizeof *is) == 0,
                          "%s: a row out of reach has changed", kernels[k]);
        }
    }
    free(first);
    scan_case_close(s);
}
END_TEST

/* Whoever waits for whom: states are folded in the order of ranks, and no sum depends on that of
 * CTAs. */
START_TEST(runs_repeat_bit_by_bit)
{
    enum { N = 2500, RUNS = 5 };
    const config *f     = &configs[_i / 2];
    int64_t       d     = _i % 2 == 0 ? 64 : 128;
    scan_case    *s     = open_config(f, (sb_case_shape){N, N, 4, 2, d}, 3);
    ranks         r     = shards(1, N);
    size_t        bytes = (size_t)(4 * N * d) * sizeof(float), state = (size_t)s->cache.state_bytes;
    char         *first = malloc(bytes + state);
    ck_assert_ptr_nonnull(first);
    for (int k = 0; k < N_KERNELS; k++)
        for (int i = 0; i < RUNS; i++) {
            sb_status st = run(s, &r, kernels[k]);
            if (k > 0 && st == SB_ERR_UNSUPPORTED)
                break;
            must(st);
            if (i == 0) {
                memcpy(first, s->o.data, bytes);
                memcpy(first + bytes, s->cache.state, state);
            }
            ck_assert_msg(memcmp(first, s->o.data, bytes) == 0 &&
                              memcmp(first + bytes, s->cache.state, state) == 0,
                          "%s (%s), d %lld, %s: run %d", f->method, f->params, (long long)d,
                          kernels[k], i);
        }
    free(first);
    scan_case_close(s);
}
END_TEST

/* Found on the device before ranks meet: such a rank sends nothing. */
START_TEST(gates_above_zero_are_refused)
{
    static const config of[] = {
        {"linear", "kind: gla, force_mode: chunked", -1, 2, -0.3},
        {"linear", "kind: gated_delta, force_mode: chunked", -1, 1, -0.05},
        {"linear", "kind: gla, force_mode: recurrent", -1, 2, -0.3},
        {"linear", "kind: gated_delta, force_mode: recurrent", -1, 1, -0.05}};
    enum { N = 1100, CUT = 300, END = 1000 };
    scan_case *s    = open_config(&of[_i], (sb_case_shape){N, N, 2, 2, 64}, 3);
    ranks      r    = {.size = 3, .cut = {0, CUT, END, N}};
    float     *gate = sb_tensor_f32(&s->gate, 1, END - 1), good = *gate;
    scan_case_reset(s);
    must(run_one(s, &r, 0, "portable"));
    for (int i = 0; i < 2; i++) {
        *gate = i == 0 ? 1e-3f : NAN;
        ck_assert_int_eq(run_one(s, &r, 1, "portable"), SB_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed numbers <= 0"));
        ck_assert_ptr_null(r.sent[1]);
    }
    *gate = good;
    must(run_one(s, &r, 1, "portable"));
    ck_assert_ptr_nonnull(r.sent[1]);
    forget(&r);
    scan_case_close(s);
}
END_TEST

/* Scores of +-1e4 on all sides of a cut stay finite, and equal values come back as they are; where
 * the first ranks have one token each, with a score far below 0, too. */
START_TEST(means_of_extreme_scores)
{
    enum { N = 1300 };
    scan_case *s = open_config(&(config){"linear", "kind: aaren, scale: 1000", -1, 0, 0},
                               (sb_case_shape){N, N, 4, 2, 64}, 3);
    for (int64_t i = 0; i < 2 * N * 64; i++)
        ((sb_bf16 *)s->c->v.data)[i] = sb_bf16_from_f32(1.5f);
    for (int i = 0; i < 3; i++)
        for (int x = 0; x < 64; x++) /* minus the query of head 0 */
            sb_tensor_bf16(&s->c->k, 0, i)[x] = sb_tensor_bf16(&s->c->q, 0, 0)[x] ^ 0x8000u;
    for (int t = 0; t <= N_SHARDS; t++) {
        ranks r = t < N_SHARDS ? shards(t, N) : (ranks){.size = 4, .cut = {0, 1, 2, 3, N}};
        must(run(s, &r, "portable"));
        for (int64_t i = 0; i < 4 * N * 64; i++)
            ck_assert_float_eq_tol(((const float *)s->o.data)[i], 1.5f, 1e-5f);
    }
    scan_case_close(s);
}
END_TEST

/* Without decay and map nothing but o is rounded: the fold of integers is exact. */
START_TEST(integers_are_exact)
{
    enum { N = 1700 };
    static const config of[] = {{"lightning", "act: identity", 0, 0, 0},
                                {"linear", "kind: gla, gate: 0, force_mode: chunked", -1, 0, 0}};
    int64_t             d    = _i % 2 == 0 ? 64 : 128;
    scan_case          *s    = open_config(&of[_i / 2], (sb_case_shape){N, N, 2, 2, d}, 3);
    for (int64_t i = 0; i < 2 * N * d; i++) {
        uint64_t x                   = sb_mix((uint64_t)i);
        ((sb_bf16 *)s->c->k.data)[i] = sb_bf16_from_f32((float)(x % 3) - 1);
        ((sb_bf16 *)s->c->v.data)[i] = sb_bf16_from_f32((float)(x / 3 % 5) - 2);
    }
    s->dtype = SB_BF16;
    for (int k = 0; k < N_KERNELS; k++) {
        ranks r = even(11, N);
        if (run(s, &r, kernels[k]) == SB_ERR_UNSUPPORTED && k > 0)
            break;
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

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("scan over ranks, cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, ranks_match_the_judge, 0, N_CONFIGS * N_SHAPES);
    tcase_add_loop_test(t, decode_goes_on, 0, N_CONFIGS);
    tcase_add_loop_test(t, reach_of_a_decay, 0, 4);
    tcase_add_loop_test(t, runs_repeat_bit_by_bit, 0, 2 * N_CONFIGS);
    tcase_add_loop_test(t, gates_above_zero_are_refused, 0, 4);
    tcase_add_test(t, means_of_extreme_scores);
    tcase_add_loop_test(t, integers_are_exact, 0, 4);
    suite_add_tcase(s, t);
    int failed = device_run(s);
    for (int k = 0; k < N_KERNELS; k++)
        (void)printf("%s: %d sequences, largest error of bf16 o %.2g\n", kernels[k], calls[k],
                     worst[k]);
    return failed;
}
