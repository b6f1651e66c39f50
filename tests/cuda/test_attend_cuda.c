/* The device executors against the CPU's (which the fp64 judge of tests/oracle watches): plans of
 * every method of the registry, and lists made up at random; ragged ends, grouped heads, queries
 * fewer than keys, queries and keys in several runs, running outputs, lists that lie. Every kernel
 * that can do a call does it. Without a device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/attend.h"
#include "kernels/registry.h"
#include "tests/cuda/device_case.h"
#include "tests/cuda/device_lists.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

static const char *const kernels[] = {"portable", "sm90", "gather", "decode", "slots", "pairs"};
enum { N_KERNELS = sizeof kernels / sizeof *kernels };
static int calls[N_KERNELS]; /* that a kernel took */

typedef struct config {
    const char *method, *params;
} config;

static const config configs[] = {
    {"dense", ""},
    {"a_shape", "sink_tokens: 5, window_tokens: 37"},
    {"a_shape", "sink_tokens: 0, window_tokens: 1"},
    {"a_shape", "sink_tokens: 128, window_tokens: 300"},
    {"streaming_llm", "sink_tokens: 4, window_tokens: 65"},
    {"power_attention", "block_tokens: 16, window_blocks: 2"},
    {"power_attention", "block_tokens: 7, window_blocks: 1, sink_blocks: 0"},
    {"power_attention", "block_tokens: 128, window_blocks: 1"},
    {"power_attention", "pattern: sliding_window, block_tokens: 64, window_blocks: 3"},
    {"power_attention",
     "pattern: stride_slash, block_tokens: 32, window_blocks: 2, stride_blocks: 5"},
    {"power_attention", "pattern: dilated, block_tokens: 24, window_blocks: 9, dilation_blocks: 3"},
    {"power_attention", "pattern: moa, alpha_tokens: 200, beta: 0"},
    {"power_attention", "pattern: neighborhood, window_tokens: 37, dilation_tokens: 3"},
    {"power_attention", "pattern: blockrank, query_tokens: 50"},
    {"minference", "vertical_tokens: 100, slash_tokens: 100"},
    {"minference", "pattern: block_sparse, top_k_blocks: 3"},
    {"xattention", "block_tokens: 128, stride_tokens: 8, tau: 0.7"},
    {"xattention", "block_tokens: 64, stride_tokens: 4, tau: 0.5"},
    {"anchor_attention", "block_tokens: 64, step_blocks: 4, theta: 3"},
    {"pbs_attn", "block_tokens: 16, segment_tokens: 48, tau: 0.7"},
    {"pbs_attn", "block_tokens: 128, segment_tokens: 256, tau: 0.7"},
    {"flexprefill", "block_tokens: 128, gamma: 0.7, min_budget_tokens: 128"},
    {"hip", "top_k_tokens: 64"},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

static const sb_case_shape shapes[] = {
    {129, 129, 4, 4, 64},  {1000, 1000, 8, 2, 128}, {777, 777, 8, 1, 64}, {37, 300, 4, 2, 64},
    {65, 131, 4, 1, 128},  {1, 257, 4, 4, 128},     {1, 1, 2, 1, 64},     {300, 1100, 8, 2, 128},
    {640, 640, 4, 1, 128}, {256, 1152, 4, 2, 64},   {7, 613, 8, 2, 128},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static sb_attend_fn executor(const char *method)
{
    return strcmp(method, "dense") == 0 ? sb_attend_dense_cuda : sb_attend_block_csr_cuda;
}

/* Room for the copies of two heads at a time, where the plan has slots; close frees it. */
static void *work_open(device_case *d, const sb_plan *plan, sb_arena *work, size_t *bytes)
{
    void *room = NULL;
    *bytes     = (size_t)(4 * d->k.tokens * d->k.dim) * sizeof(sb_bf16) + (size_t)256;
    if (plan->slots.n_heads > 0) {
        room = device_room(*bytes);
        sb_arena_init(work, room, *bytes, SB_ARENA_PLAIN);
        d->work = work;
    }
    return room;
}

static void work_close(void *room, size_t bytes)
{
    if (room != NULL)
        device_guard(room, bytes, "copies in slots");
    sb_backend_cuda.free(room);
}

/* The call on every kernel that takes it; the portable one takes all. */
static void all_kernels_match(device_case *d, sb_attend_fn attend, const sb_plan *plan, float scale,
                              const sb_tensor *o, const float *lse, const char *what)
{
    for (int k = 0; k < N_KERNELS; k++) {
        sb_status st = device_attend(d, attend, plan, scale, SB_OUT_SET, kernels[k]);
        if (k > 0 && st == SB_ERR_UNSUPPORTED)
            continue;
        ck_assert_msg(st == SB_OK, "%s, %s: %s", what, kernels[k], sb_error_text());
        device_error e     = device_compare(d, o, lse);
        double       limit = d->o.dtype == SB_BF16 ? SB_NMSE_PO_BF16 : SB_NMSE_P_BF16;
        ck_assert_msg(e.nmse <= limit && e.lse_abs <= SB_LSE_DEVICE_ABS, "%s, %s: nmse %g, lse %g",
                      what, kernels[k], e.nmse, e.lse_abs);
        calls[k]++;
    }
}

START_TEST(method_matches_the_cpu)
{
    const config    *f = &configs[_i / N_SHAPES];
    sb_case_shape    s = shapes[_i % N_SHAPES];
    sb_case         *c = sb_case_random(s, 11 + (uint64_t)_i);
    const sb_method *m = sb_method_find(f->method);
    char             what[160];
    c->threads = 8;
    (void)snprintf(what, sizeof what, "%s (%s), %lld of %lld, %lld/%lld heads, d %lld", f->method,
                   f->params, (long long)s.n_q, (long long)s.n_k, (long long)s.heads,
                   (long long)s.kv_heads, (long long)s.dim);
    sb_status st = sb_case_attend(c, m, f->params, SB_F32);
    if (st == SB_ERR_UNSUPPORTED && s.n_q < s.n_k) { /* wants all queries */
        sb_case_destroy(c);
        return;
    }
    ck_assert_msg(st == SB_OK, "%s: %s", what, sb_error_text());
    for (int t = 0; t < 2; t++) {
        device_case d;
        sb_arena    work;
        size_t      bytes;
        device_open(&d, &c->q, &c->k, &c->v, t == 0 ? SB_BF16 : SB_F32);
        ck_assert_msg(device_place(&d, &c->plan, s.n_k) == SB_OK, "%s: %s", what, sb_error_text());
        void *room = work_open(&d, &c->plan, &work, &bytes);
        all_kernels_match(&d, executor(f->method), &d.plan, c->scale, &c->o, c->lse, what);
        work_close(room, bytes);
        device_close(&d);
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- lists at random ---- */

enum { T = SB_PART_TILES, K = SB_PART_TOKENS, W = SB_PART_WINDOW };
static const list_form forms[] = {
    {128, 128, 128, T, 30, 0, 0, 0, 0, 0},
    {128, 64, 64, T, 30, 0, 0, 0, 0, 0},
    {256, 64, 64, T, 20, 1, 0, 0, 0, 0},
    {256, 128, 128, T, 100, 0, 0, 0, 0, 0},
    {64, 64, 64, T, 40, 0, 0, 0, 0, 0},
    {128, 64, 128, T, 20, 0, 0, 0, 0, 0},
    {100, 1, 64, T, 2, 0, 0, 0, 0, 0},
    {33, 2, 2, T, 10, 0, 0, 0, 0, 0},
    {64, 1, 1, K, 7, 0, 0, 0, 0, 0},
    {64, 1, 1, K, 0, 1, 0, 0, 0, 0},
    {16, 1, 1, K | W, 5, 0, 3, 40, 0, 0},
    {128, 128, 128, T | W, 20, 0, 7, 200, 0, 0},
    {128, 64, 64, T | K | W, 10, 0, 0, 1, 0, 0},
    {128, 1, 1, K, 60, 0, 0, 0, 0, 0},
    {256, 1, 1, K | W, 50, 1, 200, 300, 0, 0},
    {128, 32, 32, T | K | W, 30, 0, 9, 77, 0, 0},
    {200, 2, 2, T, 70, 0, 0, 0, 0, 0},
    {128, 16, 48, T | K, 25, 0, 0, 0, 0, 0},
    {128, 128, 128, T, 40, 0, 0, 0, 256, 0},
    {256, 128, 128, T, 60, 0, 0, 0, 512, 0},
    {128, 128, 128, T, 50, 1, 0, 0, 128, 0},
    {64, 32, 32, T, 30, 0, 0, 0, 96, 0},
    {128, 1, 1, K, 30, 0, 0, 0, 100, 0},
    {64, 1, 64, T, 2, 0, 0, 0, 0, 0},
    {64, 16, 64, T, 15, 1, 0, 0, 0, 0},
    {64, 8, 8, T, 12, 0, 0, 0, 0, 0},
    {128, 16, 16, T, 30, 0, 0, 0, 0, 0},
    {256, 32, 32, T, 25, 1, 0, 0, 0, 0},
    {128, 1, 8, T, 3, 0, 0, 0, 0, 0},
    {64, 3, 24, T, 6, 0, 0, 0, 0, 0},
    {128, 8, 16, T | K | W, 12, 0, 3, 30, 0, 9},
    {128, 1, 1, K, 3, 0, 0, 0, 0, 8},
    {64, 1, 1, K, 4, 0, 0, 0, 0, 40},
    {256, 1, 1, K | W, 2, 1, 5, 70, 0, 33},
    {100, 1, 1, K, 100, 0, 0, 0, 0, 0},
    {128, 1, 1, K, 8, 0, 0, 0, 100, 16},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static void on_cpu(const sb_case *c, const sb_plan *plan, sb_tensor *o, float **lse)
{
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 8};
    sb_attn_in  in  = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out out = {.mode = SB_OUT_SET};
    *o              = sb_case_tensor(SB_F32, c->q.heads, c->q.tokens, c->q.dim);
    *lse            = malloc((size_t)(c->q.heads * c->q.tokens) * sizeof **lse);
    out.o           = o;
    out.lse         = *lse;
    ck_assert_msg(sb_attend_block_csr_cpu(&ctx, NULL, &in, plan, NULL, &out) == SB_OK, "%s",
                  sb_error_text());
}

START_TEST(lists_match_the_cpu)
{
    const list_form *f = &forms[_i / N_SHAPES];
    sb_case_shape    s = shapes[_i % N_SHAPES];
    sb_case         *c = sb_case_random(s, 5 + (uint64_t)_i);
    sb_plan          p = device_lists(f, s.heads, s.n_k - s.n_q, s.n_k, s.n_k, 3 + (uint64_t)_i);
    sb_tensor        o;
    float           *lse;
    device_case      d;
    sb_arena         work;
    size_t           bytes;
    char             what[120];
    (void)snprintf(what, sizeof what, "form %d, %lld of %lld, d %lld", _i / N_SHAPES,
                   (long long)s.n_q, (long long)s.n_k, (long long)s.dim);
    on_cpu(c, &p, &o, &lse);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_msg(device_place(&d, &p, s.n_k) == SB_OK, "%s: %s", what, sb_error_text());
    void *room = work_open(&d, &p, &work, &bytes);
    all_kernels_match(&d, sb_attend_block_csr_cuda, &d.plan, c->scale, &o, lse, what);
    work_close(room, bytes);
    device_close(&d);
    free(o.data);
    free(lse);
    device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

/* Zigzag queries, keys in three shards, one MERGE each: as one call over all keys. */
START_TEST(shards_merge_to_the_whole)
{
    enum { N = 900, SHARDS = 3 };
    sb_case        *c = sb_case_random((sb_case_shape){N, N, 4, 2, 128}, 77);
    const list_form f = {100, 64, 64, T | W, 30, 0, 5, 50, 0, 0};
    sb_plan         p = device_lists(&f, 4, 0, N, N, 9);
    sb_tensor       o;
    float          *lse;
    on_cpu(c, &p, &o, &lse);
    for (int64_t rank = 0; rank < SHARDS; rank++) {
        sb_run      q_run[2], k_run[SHARDS][2];
        sb_gid      q_gid = sb_case_zigzag(q_run, 0, N, 100, rank, SHARDS);
        sb_tensor   q = sb_case_take(&c->q, 0, &q_gid), want = sb_case_take(&o, 0, &q_gid);
        float      *want_lse = malloc((size_t)(4 * q.tokens) * sizeof *want_lse);
        device_case d;
        for (int64_t h = 0; h < 4; h++)
            for (int64_t i = 0; i < q.tokens; i++)
                want_lse[h * q.tokens + i] = lse[h * N + judge_gid(&q_gid, i)];
        for (int64_t step = 0; step < SHARDS; step++) {
            sb_gid    g = sb_case_zigzag(k_run[step], 0, N, 50, step, SHARDS);
            sb_tensor k = sb_case_take(&c->k, 0, &g), v = sb_case_take(&c->v, 0, &g);
            if (step == 0) {
                device_open(&d, &q, &k, &v, SB_F32);
                ck_assert_int_eq(device_place(&d, &p, N), SB_OK);
            } else {
                device_keys(&d, &k, &v);
            }
            ck_assert_msg(device_attend(&d, sb_attend_block_csr_cuda, &d.plan, c->scale,
                                        step == 0 ? SB_OUT_SET : SB_OUT_MERGE, "auto") == SB_OK,
                          "%s", sb_error_text());
            free(k.data);
            free(v.data);
        }
        device_error e = device_compare(&d, &want, want_lse);
        ck_assert_msg(e.nmse <= SB_NMSE_P_BF16 && e.lse_abs <= SB_LSE_DEVICE_ABS,
                      "rank %lld: nmse %g, lse %g", (long long)rank, e.nmse, e.lse_abs);
        device_close(&d);
        free(q.data);
        free(want.data);
        free(want_lse);
    }
    free(o.data);
    free(lse);
    device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

/* The same on every kernel that takes it: dense, windows, tiles; shards of two runs that start on
 * tiles; the last shard first, of whose keys many rows see none. */
START_TEST(every_kernel_merges_shards)
{
    enum { N = 1500, SHARDS = 3, H = 8 };
    static const list_form in[] = {
        {1, 0, 0, W, 0, 0, 70, 300, 0, 0},     {1, 0, 0, W, 0, 0, 300, 130, 0, 0},
        {128, 128, 128, T, 30, 0, 0, 0, 0, 0}, {256, 64, 64, T, 20, 1, 0, 0, 0, 0},
        {128, 1, 1, K, 40, 0, 0, 0, 0, 0},     {64, 32, 32, T | K | W, 20, 0, 3, 90, 0, 0},
        {64, 8, 8, T, 20, 0, 0, 0, 0, 0},      {128, 1, 1, K, 4, 0, 0, 0, 0, 24}};
    enum { FORMS = 1 + sizeof in / sizeof *in };
    static const int64_t groups[] = {1, 2, 4, 8, 4, 4, 2, 4, 1, 0};
    int                  which    = _i / 2;
    sb_case  *c = sb_case_random((sb_case_shape){N, N, H, H / groups[which], _i % 2 ? 64 : 128}, 7);
    sb_plan   unbound = {.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
    sb_plan              p = which == 0 ? unbound : device_lists(&in[which - 1], H, 0, N, N, 9);
    sb_tensor o;
    float    *lse;
    ck_assert_int_lt(which, (int)FORMS);
    on_cpu(c, &p, &o, &lse);
    for (int kernel = 0; kernel < 3; kernel++)
        for (int64_t rank = 0; rank < SHARDS; rank++) {
            sb_run      q_run[2], k_run[2];
            sb_gid      q_gid = sb_case_zigzag(q_run, 0, N, 128, rank, SHARDS);
            sb_tensor   q = sb_case_take(&c->q, 0, &q_gid), want = sb_case_take(&o, 0, &q_gid);
            float      *want_lse = malloc((size_t)(H * q.tokens) * sizeof *want_lse);
            device_case d        = {0};
            sb_status   st       = SB_OK;
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < q.tokens; i++)
                    want_lse[h * q.tokens + i] = lse[h * N + judge_gid(&q_gid, i)];
            for (int64_t step = SHARDS - 1; step >= 0 && st == SB_OK; step--) {
                sb_gid    g = sb_case_zigzag(k_run, 0, N, 128, step, SHARDS);
                sb_tensor k = sb_case_take(&c->k, 0, &g), v = sb_case_take(&c->v, 0, &g);
                if (step == SHARDS - 1) {
                    device_open(&d, &q, &k, &v, SB_F32);
                    ck_assert_int_eq(device_place(&d, &p, N), SB_OK);
                } else {
                    device_keys(&d, &k, &v);
                }
                st = device_attend(&d, which == 0 ? sb_attend_dense_cuda : sb_attend_block_csr_cuda,
                                   &d.plan, c->scale,
                                   step == SHARDS - 1 ? SB_OUT_SET : SB_OUT_MERGE, kernels[kernel]);
                free(k.data);
                free(v.data);
            }
            if (kernel != 1 || st != SB_ERR_UNSUPPORTED) {
                ck_assert_msg(st == SB_OK, "%s", sb_error_text());
                device_error e = device_compare(&d, &want, want_lse);
                ck_assert_msg(e.nmse <= SB_NMSE_P_BF16 && e.lse_abs <= SB_LSE_DEVICE_ABS,
                              "%s, form %d, rank %lld: nmse %g, lse %g", kernels[kernel], which,
                              (long long)rank, e.nmse, e.lse_abs);
                calls[kernel] += SHARDS;
            }
            device_close(&d);
            free(q.data);
            free(want.data);
            free(want_lse);
        }
    free(o.data);
    free(lse);
    if (which > 0)
        device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

/* Zigzag queries over all keys, in rooms with more space than tokens: rows of the whole. */
START_TEST(queries_in_runs)
{
    enum { N = 1500, AT_HAND = 1400, RANKS = 3, H = 4 };
    sb_case *c   = sb_case_random((sb_case_shape){N, N, H, 2, _i == 0 ? 64 : 128}, 31);
    c->k_run.len = c->k.tokens = c->v.tokens = c->k.gid.n_tokens = c->v.gid.n_tokens = AT_HAND;
    c->q_run.len = c->q.tokens = c->q.gid.n_tokens = AT_HAND;
    /* dense, tiles of 128, tiles of 64, windows: one over fewer keys than queries */
    for (int f = 0; f < 5; f++) {
        static const list_form windows[] = {{1, 0, 0, W, 0, 0, 70, 300, 0, 0},
                                            {1, 0, 0, W, 0, 0, 300, 130, 0, 0}};
        const list_form       *of        = f < 3 ? &forms[f == 2] : &windows[f - 3];
        sb_plan                p         = device_lists(of, H, 0, N, N, 9);
        sb_plan                unbound = {.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
        sb_tensor              o;
        float                 *lse;
        if (f == 4)
            c->k_run.len = c->k.tokens = c->v.tokens = c->k.gid.n_tokens = c->v.gid.n_tokens = 999;
        on_cpu(c, f == 0 ? &unbound : &p, &o, &lse);
        for (int64_t rank = 0; rank < RANKS; rank++) {
            sb_run      q_run[2];
            sb_gid      gid = sb_case_zigzag(q_run, 0, AT_HAND, 128, rank, RANKS);
            sb_tensor   q = sb_case_take(&c->q, 0, &gid), want = sb_case_take(&o, 0, &gid);
            float      *want_lse = malloc((size_t)(H * q.tokens) * sizeof *want_lse);
            device_case d;
            char        what[64];
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < q.tokens; i++)
                    want_lse[h * q.tokens + i] = lse[h * AT_HAND + judge_gid(&gid, i)];
            (void)snprintf(what, sizeof what, "form %d, rank %lld", f, (long long)rank);
            device_open(&d, &q, &c->k, &c->v, SB_BF16);
            ck_assert_msg(device_place(&d, &p, N) == SB_OK, "%s", sb_error_text());
            all_kernels_match(&d, f == 0 ? sb_attend_dense_cuda : sb_attend_block_csr_cuda, &d.plan,
                              c->scale, &want, want_lse, what);
            device_close(&d);
            free(q.data);
            free(want.data);
            free(want_lse);
        }
        free(o.data);
        free(lse);
        device_lists_free(&p);
    }
    sb_case_destroy(c);
}
END_TEST

/* The same bits from every run, dense and of lists: no sum depends on the order of CTAs. */
START_TEST(runs_repeat_bit_by_bit)
{
    const list_form f = {128, 32, 32, T | K | W, 40, 0, 9, 77, 0, 0};
    sb_case        *c = sb_case_random((sb_case_shape){1000, 1000, 8, 2, 128}, 3);
    sb_plan         p = device_lists(&f, 8, 0, 1000, 1000, 4);
    device_case     d;
    size_t          bytes = (size_t)(8 * 1000 * 128) * sizeof(sb_bf16);
    void           *first = malloc(bytes);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_int_eq(device_place(&d, &p, 1000), SB_OK);
    for (int k = 0; k < N_KERNELS; k++)
        for (int i = 0; i < 30; i++) {
            sb_status st =
                device_attend(&d, _i == 0 ? sb_attend_dense_cuda : sb_attend_block_csr_cuda,
                              _i == 0 ? NULL : &d.plan, c->scale, SB_OUT_SET, kernels[k]);
            if (k > 0 && st == SB_ERR_UNSUPPORTED)
                break;
            ck_assert_int_eq(st, SB_OK);
            if (i == 0)
                memcpy(first, d.got.data, bytes);
            ck_assert_int_eq(memcmp(first, d.got.data, bytes), 0);
        }
    device_close(&d);
    free(first);
    device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

/* An index that breaks its rules does not reach the device; one that got there all the same is
 * followed without leaving K, V and the ids: the device still works afterwards. */
START_TEST(lists_that_lie)
{
    sb_case        *c = sb_case_random((sb_case_shape){512, 512, 2, 1, 64}, 1);
    const list_form f = {128, 64, 64, _i == 0 ? T | K : T, 50, 0, 0, 0, 0, 0}; /* portable, any */
    sb_plan         p = device_lists(&f, 2, 0, 512, 512, 4);
    device_case     d;
    int64_t         i = 0;
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    while (p.tiles.row_ptr[i + 1] < p.tiles.row_ptr[i] + 2)
        i++;
    int32_t *id = p.tiles.id + p.tiles.row_ptr[i], keep = id[1];
    for (int what = 0; what < 3; what++) {
        id[1] = what == 0 ? 1 << 30 : what == 1 ? -5 : id[0];
        ck_assert_int_eq(device_place(&d, &p, 512), SB_ERR_INTERNAL);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "ascending ids below 8"));
    }
    id[1] = keep;
    ck_assert_int_eq(device_place(&d, &p, 512), SB_OK);
    int32_t *bad_id     = malloc((size_t)d.plan.tiles.capacity * sizeof *bad_id);
    int64_t  bad_ptr[9] = {0, -100, 1 << 20, 5, INT64_MAX / 8, 2, -7, 1 << 30, 3};
    for (int64_t n = 0; n < d.plan.tiles.capacity; n++)
        bad_id[n] = n % 3 == 0 ? INT32_MAX : n % 3 == 1 ? INT32_MIN : 3;
    const sb_backend *b = &sb_backend_cuda;
    ck_assert_int_eq(b->copy(d.plan.tiles.id, bad_id,
                             (size_t)d.plan.tiles.capacity * sizeof *bad_id, SB_COPY_TO_DEVICE,
                             NULL),
                     SB_OK);
    for (int k = 0; k < 2 * N_KERNELS; k++) {
        if (k == N_KERNELS)
            ck_assert_int_eq(
                b->copy(d.plan.tiles.row_ptr, bad_ptr, sizeof bad_ptr, SB_COPY_TO_DEVICE, NULL),
                SB_OK);
        sb_status st = device_attend(&d, sb_attend_block_csr_cuda, &d.plan, c->scale, SB_OUT_SET,
                                     kernels[k % N_KERNELS]);
        ck_assert_msg(st == SB_OK || st == SB_ERR_UNSUPPORTED, "%s", sb_error_text());
    }
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_OK);
    device_close(&d);
    free(bad_id);
    device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

START_TEST(refusals_say_why)
{
    sb_case    *c = sb_case_random((sb_case_shape){64, 64, 2, 1, 80}, 1);
    device_case d;
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found head_dim 80, allowed 64 and 128"));
    device_close(&d);
    sb_case_destroy(c);
    c = sb_case_random((sb_case_shape){64, 64, 2, 1, 64}, 1);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "fast"),
                     SB_ERR_USAGE);
    ck_assert_int_eq(
        device_attend(&d, sb_attend_block_csr_cuda, NULL, c->scale, SB_OUT_SET, "auto"),
        SB_ERR_INTERNAL);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_MERGE, "auto"),
                     SB_ERR_INTERNAL);
    device_close(&d);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("attend cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, method_matches_the_cpu, 0, N_CONFIGS * N_SHAPES);
    tcase_add_loop_test(t, lists_match_the_cpu, 0, N_FORMS * N_SHAPES);
    tcase_add_test(t, shards_merge_to_the_whole);
    tcase_add_loop_test(t, every_kernel_merges_shards, 0, 18);
    tcase_add_loop_test(t, queries_in_runs, 0, 2);
    tcase_add_loop_test(t, runs_repeat_bit_by_bit, 0, 2);
    tcase_add_loop_test(t, lists_that_lie, 0, 2);
    tcase_add_test(t, refusals_say_why);
    suite_add_tcase(s, t);
    int failed = device_run(s);
    for (int k = 0; k < N_KERNELS; k++)
        (void)printf("%s: %d calls\n", kernels[k], calls[k]);
    sb_device_facts f = {0};
    if (sb_backend_cuda.facts(&f) == SB_OK && strstr(f.detail, "capability 9.0") != NULL &&
        (calls[1] == 0 || calls[2] == 0 || calls[3] == 0 || calls[5] == 0)) {
        (void)printf("a kernel took no call, on %s\n", f.name);
        return 1;
    }
    return failed;
}
