/* Several ranks of a scan on one device, one after the other: each finds what the ranks before it
 * have sent, and none needs more. Against the fp64 judge of the whole sequence: uneven and empty
 * shards, more ranks than fit a batch of records, decays that reach a few rows and all of them,
 * every kernel. Without a device: skipped (77). */
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

static const sb_comm_ops comm_ops = {.name = "one by one", .allgatherv = tell};
static const sb_link_ops link_ops = {
    .name = "one by one", .post = post, .wait = arrived, .drain = drain};

/* SB_ERR_UNSUPPORTED where the kernel cannot do it. */
static sb_status run(scan_case *s, ranks *r, const char *kernel)
{
    sb_status st = SB_OK;
    scan_case_reset(s);
    r->received = 0;
    for (int32_t i = 0; st == SB_OK && i < r->size; i++) {
        sb_comm c = {.ops = &comm_ops, .rank = i, .size = r->size, .impl = r};
        sb_link l = {.ops = &link_ops, .backend = b, .rank = i, .size = r->size, .impl = r};
        st        = device_scan_rank(s, r->cut[i], r->cut[i + 1] - r->cut[i], kernel, &c, &l);
    }
    for (int32_t i = 0; i < r->size; i++) {
        b->free(r->sent[i]);
        r->sent[i] = NULL;
    }
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
    double      slope; /* >= 0: of all heads */
} config;

static const config configs[] = {
    {"lightning", "", -1},
    {"lightning", "act: identity", 0},
    {"lightning", "act: elu", 1e-7},
    {"lightning", "act: 1+elu, slope_heads: kv", 0.05},
    {"lightning", "act: relu, scale: 0", 0.9},
    {"lightning", "act: silu", 2000},
    {"linear", "kind: retnet, force_mode: chunked", -1},
    {"linear", "kind: elu1, force_mode: chunked", -1},
    {"linear", "kind: elu1, normalize: false, feature_map: sqrelu, force_mode: chunked", -1},
    {"linear", "kind: elu1, force_mode: recurrent", -1},
    {"linear", "kind: retnet, force_mode: recurrent", -1},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const sb_case_shape shapes[] = {
    {2500, 2500, 4, 2, 128}, {1793, 1793, 5, 5, 64}, {700, 700, 2, 1, 128}};
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
    return s;
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
            ck_assert_msg(e <= SB_SCAN_REL_BF16 && es <= SB_SCAN_REL_BF16,
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
    scan_case *s     = open_config(&(config){"lightning", "", _i < 2 ? 0.9 : 0.06},
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

/* Without decay and map nothing but o is rounded: the fold of integers is exact. */
START_TEST(integers_are_exact)
{
    enum { N = 1700 };
    int64_t    d = _i == 0 ? 64 : 128;
    scan_case *s =
        open_config(&(config){"lightning", "act: identity", 0}, (sb_case_shape){N, N, 2, 2, d}, 3);
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
    tcase_add_loop_test(t, integers_are_exact, 0, 2);
    suite_add_tcase(s, t);
    int failed = device_run(s);
    for (int k = 0; k < N_KERNELS; k++)
        (void)printf("%s: %d sequences, largest error of bf16 o %.2g\n", kernels[k], calls[k],
                     worst[k]);
    return failed;
}
