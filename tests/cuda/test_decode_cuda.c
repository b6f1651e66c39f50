/* Decode on the device against the CPU's executor, dense and with plans, and the device's merge of
 * partials against the CPU's: 1 to 16 queries, grouped heads, ragged ends, keys in shards of
 * several runs, rows that see nothing, running outputs, rooms with more space (NaN) than keys.
 * Without a device: skipped (77).
 */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/merge_lse.h"
#include "tests/cuda/device_case.h"
#include "tests/cuda/device_lists.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

static const sb_case_shape shapes[] = {
    {1, 1, 2, 1, 64},       {1, 257, 4, 4, 128},   {1, 1000, 32, 8, 128}, {1, 40001, 8, 2, 128},
    {1, 30011, 8, 1, 64},   {2, 15, 8, 2, 128},    {3, 5000, 8, 1, 64},   {4, 777, 16, 4, 64},
    {5, 2048, 3, 3, 128},   {8, 3001, 8, 1, 128},  {8, 3001, 16, 2, 64},  {16, 16, 4, 4, 64},
    {16, 4099, 4, 1, 128},  {16, 8191, 8, 2, 64},  {16, 1025, 6, 6, 128}, {7, 19, 24, 8, 128},
    {1, 700, 512, 512, 64}, {13, 2500, 10, 5, 64},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static void on_cpu(const sb_tensor *q, const sb_tensor *k, const sb_tensor *v, float scale,
                   sb_tensor *o, float **lse)
{
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 2};
    sb_attn_in  in  = {.q = q, .k = k, .v = v, .scale = scale};
    sb_attn_out out = {.o = o, .mode = SB_OUT_SET};
    *o              = sb_case_tensor(SB_F32, q->heads, q->tokens, q->dim);
    *lse            = malloc((size_t)(q->heads * q->tokens) * sizeof **lse);
    out.lse         = *lse;
    must(sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out));
}

static void matches(const device_case *d, const sb_tensor *o, const float *lse, const char *what)
{
    device_error e     = device_compare(d, o, lse);
    double       limit = d->o.dtype == SB_BF16 ? SB_NMSE_PO_BF16 : SB_NMSE_P_BF16;
    ck_assert_msg(e.nmse <= limit && e.lse_abs <= SB_LSE_DEVICE_ABS, "%s: nmse %g, lse %g", what,
                  e.nmse, e.lse_abs);
}

/* As many keys as `at_hand` in the room of c's; the rest of the room is NaN. */
static void shorten(sb_case *c, int64_t at_hand)
{
    for (int64_t h = 0; h < c->k.heads; h++)
        for (int64_t i = at_hand; i < c->k.tokens; i++) {
            memset(sb_tensor_bf16(&c->k, h, i), 0xFF, (size_t)c->k.dim * sizeof(sb_bf16));
            memset(sb_tensor_bf16(&c->v, h, i), 0xFF, (size_t)c->k.dim * sizeof(sb_bf16));
        }
    c->k_run.len = c->k.tokens = c->v.tokens = c->k.gid.n_tokens = c->v.gid.n_tokens = at_hand;
}

/* The last queries; queries inside the sequence; keys that end before the queries and before their
 * room does. */
START_TEST(one_call)
{
    sb_case_shape s = shapes[_i];
    sb_case      *c = sb_case_random(s, 40 + (uint64_t)_i);
    for (int form = 0; form < 3; form++) {
        sb_tensor o;
        float    *lse;
        char      what[96];
        if (form == 1)
            c->q_run.start = (s.n_k - s.n_q) / 3;
        if (form == 2)
            shorten(c, (s.n_k + 1) / 2);
        (void)snprintf(what, sizeof what, "%lld of %lld, %lld/%lld heads, d %lld, form %d",
                       (long long)s.n_q, (long long)s.n_k, (long long)s.heads,
                       (long long)s.kv_heads, (long long)s.dim, form);
        on_cpu(&c->q, &c->k, &c->v, c->scale, &o, &lse);
        for (int t = 0; t < 2; t++) {
            device_case d;
            device_open(&d, &c->q, &c->k, &c->v, t == 0 ? SB_BF16 : SB_F32);
            must(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "decode"));
            matches(&d, &o, lse, what);
            device_close(&d);
        }
        free(o.data);
        free(lse);
    }
    sb_case_destroy(c);
}
END_TEST

/* Keys in three shards of two runs, a MERGE each, first into (0, -inf) or SET: as one call. Queries
 * at a third of the sequence see nothing of some runs. */
START_TEST(shards_merge_to_the_whole)
{
    enum { SHARDS = 3 };
    sb_case_shape s = shapes[_i / 2];
    sb_case      *c = sb_case_random(s, 90 + (uint64_t)_i);
    sb_tensor     o;
    float        *lse;
    device_case   d = {0};
    if (_i % 2 == 1)
        c->q_run.start = (s.n_k - s.n_q) / 3;
    on_cpu(&c->q, &c->k, &c->v, c->scale, &o, &lse);
    for (int64_t step = 0; step < SHARDS; step++) {
        sb_run    run[2];
        sb_gid    g = sb_case_zigzag(run, 0, s.n_k, 1, step, SHARDS);
        sb_tensor k = sb_case_take(&c->k, 0, &g), v = sb_case_take(&c->v, 0, &g);
        if (step == 0)
            device_open(&d, &c->q, &k, &v, SB_F32);
        else
            device_keys(&d, &k, &v);
        must(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale,
                           step == 0 ? SB_OUT_SET : SB_OUT_MERGE, "decode"));
        free(k.data);
        free(v.data);
    }
    matches(&d, &o, lse, "merged");
    device_close(&d);
    free(o.data);
    free(lse);
    sb_case_destroy(c);
}
END_TEST

/* Queries in two runs. */
START_TEST(queries_in_runs)
{
    sb_case  *c      = sb_case_random((sb_case_shape){4000, 4000, 8, 2, 128}, 5);
    sb_run    run[2] = {{100, 3}, {3990, 9}};
    sb_gid    g      = {run, 2, 12};
    sb_tensor q      = sb_case_take(&c->q, 0, &g), o;
    float    *lse;
    on_cpu(&q, &c->k, &c->v, c->scale, &o, &lse);
    device_case d;
    device_open(&d, &q, &c->k, &c->v, SB_BF16);
    must(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "decode"));
    matches(&d, &o, lse, "two runs");
    device_close(&d);
    free(q.data);
    free(o.data);
    free(lse);
    sb_case_destroy(c);
}
END_TEST

/* ---- with a plan ---- */

enum { T = SB_PART_TILES, K = SB_PART_TOKENS, W = SB_PART_WINDOW };
static const list_form forms[] = {
    {1, 0, 0, W, 0, 0, 128, 300, 0, 0},        {1, 0, 0, W, 0, 0, 0, 1, 0, 0},
    {64, 16, 16, T, 5, 0, 0, 0, 0, 0},         {64, 1, 8, T, 2, 0, 0, 0, 0, 0},
    {128, 128, 128, T, 20, 1, 0, 0, 0, 0},     {100, 16, 48, T, 25, 0, 0, 0, 0, 0},
    {64, 1, 1, K, 3, 0, 0, 0, 0, 0},           {4, 1, 1, K, 5, 1, 0, 0, 0, 9},
    {64, 8, 16, T | K | W, 5, 0, 3, 30, 0, 9}, {3, 2, 2, T | W, 10, 1, 5, 50, 0, 0},
    {64, 1, 1, K, 0, 0, 0, 0, 0, 0},           {64, 32, 32, T, 30, 0, 0, 0, 96, 0},
    {128, 1, 1, K, 30, 1, 0, 0, 100, 0},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

static void plan_on_cpu(const sb_tensor *q, const sb_case *c, const sb_plan *plan, sb_tensor *o,
                        float **lse)
{
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 2};
    sb_attn_in  in  = {.q = q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out out = {.o = o, .mode = SB_OUT_SET};
    *o              = sb_case_tensor(SB_F32, q->heads, q->tokens, q->dim);
    *lse            = malloc((size_t)(q->heads * q->tokens) * sizeof **lse);
    out.lse         = *lse;
    must(sb_attend_block_csr_cpu(&ctx, NULL, &in, plan, NULL, &out));
}

/* The last queries, and queries inside the sequence. */
START_TEST(plans_match_the_cpu)
{
    sb_case_shape s = shapes[_i % N_SHAPES];
    sb_case      *c = sb_case_random(s, 300 + (uint64_t)_i);
    for (int inside = 0; inside < 2; inside++) {
        if (inside)
            c->q_run.start = (s.n_k - s.n_q) / 3;
        sb_plan   p = device_lists(&forms[_i / N_SHAPES], s.heads, c->q_run.start,
                                   c->q_run.start + s.n_q, s.n_k, 7 + (uint64_t)_i);
        sb_tensor o;
        float    *lse;
        char      what[96];
        (void)snprintf(what, sizeof what, "form %d, %lld of %lld, %lld/%lld heads, d %lld, %d",
                       _i / N_SHAPES, (long long)s.n_q, (long long)s.n_k, (long long)s.heads,
                       (long long)s.kv_heads, (long long)s.dim, inside);
        plan_on_cpu(&c->q, c, &p, &o, &lse);
        for (int t = 0; t < 2; t++) {
            device_case d;
            device_open(&d, &c->q, &c->k, &c->v, t == 0 ? SB_BF16 : SB_F32);
            must(device_place(&d, &p, s.n_k));
            must(device_attend(&d, sb_attend_block_csr_cuda, &d.plan, c->scale, SB_OUT_SET,
                               "decode"));
            matches(&d, &o, lse, what);
            device_close(&d);
        }
        free(o.data);
        free(lse);
        device_lists_free(&p);
    }
    sb_case_destroy(c);
}
END_TEST

/* Windows of every kind, by themselves and by head. */
START_TEST(windows_match_the_cpu)
{
    sb_case_shape  s       = shapes[_i];
    sb_case       *c       = sb_case_random(s, 400 + (uint64_t)_i);
    sb_window_span span[3] = {{0, 0}, {s.n_k / 2, s.n_k / 4}, {s.n_k - 1, s.n_k / 2}};
    sb_head_window head[512];
    for (int64_t h = 0; h < s.heads; h++)
        head[h] = (sb_head_window){h % 5, 1 + 37 * h};
    sb_window_form of[] = {
        {.unit_tokens = 24},
        {.dilation_tokens = 3},
        {.unit_tokens = 8, .dilation_tokens = 7, .n_tokens = s.n_k},
        {.span = span, .n_spans = 3},
        {.head = head, .n_heads = s.heads},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sb_plan p = {
            .parts = SB_PART_WINDOW, .sink_tokens = 9, .window_tokens = 200, .form = of[i]};
        sb_tensor   o;
        float      *lse;
        device_case d;
        char        what[64];
        if (i == 3 && s.n_k < 8) /* spans ascend */
            continue;
        (void)snprintf(what, sizeof what, "window %d, shape %d", (int)i, _i);
        plan_on_cpu(&c->q, c, &p, &o, &lse);
        device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
        must(device_place(&d, &p, s.n_k));
        must(device_attend(&d, sb_attend_block_csr_cuda, &d.plan, c->scale, SB_OUT_SET, "decode"));
        matches(&d, &o, lse, what);
        device_close(&d);
        free(o.data);
        free(lse);
    }
    sb_case_destroy(c);
}
END_TEST

/* Queries in two runs, keys in three shards of two runs, a MERGE each: as one call. */
START_TEST(plans_of_shards)
{
    enum { SHARDS = 3, N = 4000 };
    sb_case    *c      = sb_case_random((sb_case_shape){N, N, 8, 2, _i % 2 ? 64 : 128}, 5);
    sb_run      run[2] = {{100, 3}, {3990, 9}};
    sb_gid      g      = {run, 2, 12};
    sb_tensor   q      = sb_case_take(&c->q, 0, &g), o;
    sb_plan     p      = device_lists(&forms[_i], 8, 0, N, N, 70 + (uint64_t)_i);
    float      *lse;
    device_case d = {0};
    if (forms[_i].segment > 0) /* slots: all keys in one run */
        p.slots.n_heads = 0;
    plan_on_cpu(&q, c, &p, &o, &lse);
    for (int64_t step = 0; step < SHARDS; step++) {
        sb_run    part[2];
        sb_gid    keys = sb_case_zigzag(part, 0, N, 1, step, SHARDS);
        sb_tensor k = sb_case_take(&c->k, 0, &keys), v = sb_case_take(&c->v, 0, &keys);
        if (step == 0) {
            device_open(&d, &q, &k, &v, SB_F32);
            must(device_place(&d, &p, N));
        } else {
            device_keys(&d, &k, &v);
        }
        must(device_attend(&d, sb_attend_block_csr_cuda, &d.plan, c->scale,
                           step == 0 ? SB_OUT_SET : SB_OUT_MERGE, "decode"));
        free(k.data);
        free(v.data);
    }
    matches(&d, &o, lse, "merged");
    device_close(&d);
    free(q.data);
    free(o.data);
    free(lse);
    device_lists_free(&p);
    sb_case_destroy(c);
}
END_TEST

START_TEST(runs_repeat_bit_by_bit)
{
    sb_case    *c = sb_case_random((sb_case_shape){4, 20000, 8, 2, 128}, 3);
    sb_plan     p = device_lists(&forms[8], 8, 19996, 20000, 20000, 3);
    device_case d;
    size_t      bytes = (size_t)(8 * 4 * 128) * sizeof(sb_bf16);
    void       *first = malloc(bytes);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    must(device_place(&d, &p, 20000));
    for (int i = 0; i < 20; i++) {
        must(device_attend(&d, _i == 0 ? sb_attend_dense_cuda : sb_attend_block_csr_cuda,
                           _i == 0 ? NULL : &d.plan, c->scale, SB_OUT_SET, "decode"));
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

static void refused(const sb_case *c, const sb_plan *plan, const char *why)
{
    device_case d;
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_int_eq(device_attend(&d,
                                   plan != NULL ? sb_attend_block_csr_cuda : sb_attend_dense_cuda,
                                   plan, c->scale, SB_OUT_SET, "decode"),
                     SB_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(sb_error_text(), why) != NULL, "%s", sb_error_text());
    device_close(&d);
}

START_TEST(refusals_say_why)
{
    sb_plan  window = {.parts = SB_PART_WINDOW, .window_tokens = 9};
    sb_case *many   = sb_case_random((sb_case_shape){17, 64, 2, 1, 64}, 1);
    sb_case *rows   = sb_case_random((sb_case_shape){9, 64, 8, 1, 64}, 1);
    sb_case *runs   = sb_case_random((sb_case_shape){1, 64, 2, 1, 64}, 1);
    sb_run   run[9];
    for (int64_t i = 0; i < 9; i++)
        run[i] = (sb_run){7 * i, i < 8 ? 7 : 8};
    runs->k.gid = runs->v.gid = (sb_gid){run, 9, 64};
    refused(many, NULL, "found more than 16 queries");
    refused(rows, NULL, "found more than 64 rows");
    refused(runs, &window, "found a plan, and keys in no run or more than 8");
    sb_case_destroy(many);
    sb_case_destroy(rows);
    sb_case_destroy(runs);
}
END_TEST

/* ---- a step in device memory ---- */

/* Heads of a group that fill one tile and more, rooms in which parts are one, few, and as many as
 * fit. */
static const sb_case_shape step_shapes[] = {
    {1, 700, 9, 3, 64}, {1, 5000, 32, 8, 128},   {1, 40001, 8, 2, 128},  {1, 4100, 24, 1, 64},
    {1, 300, 2, 1, 64}, {1, 3500, 512, 512, 64}, {1, 70000, 64, 1, 128}, {1, 3400, 14, 2, 64}};
/* Where a part more begins; 12 parts are merged by one warp, 13 by four. */
static const int64_t step_keys[] = {1,    2,    255,  256,  257,  512,   513,  3071,
                                    3072, 3073, 3329, 4099, 5000, 40001, 70000};
enum {
    N_STEPS     = sizeof step_shapes / sizeof *step_shapes,
    N_STEP_KEYS = sizeof step_keys / sizeof *step_keys
};

/* What the harness gives a step: a room, and a place. */
typedef struct step_rig {
    sb_arena work;
    size_t   bytes;
    void    *place;
} step_rig;

static void step_open(step_rig *r, const sb_case *c)
{
    sb_shape shape = {
        .heads = c->q.heads, .kv_heads = c->k.heads, .head_dim = c->q.dim, .is_decode = 1};
    r->bytes = (size_t)sb_attend_step_bytes(&shape);
    sb_arena_init(&r->work, device_room(r->bytes), r->bytes, SB_ARENA_PLAIN);
    r->place = device_room(sizeof(sb_step));
}

static void step_place(const step_rig *r, int64_t n_keys)
{
    sb_step here = {.slot = (int32_t)n_keys - 1, .n_keys = (int32_t)n_keys};
    must(sb_backend_cuda.copy(r->place, &here, sizeof here, SB_COPY_TO_DEVICE, NULL));
    must(sb_backend_cuda.sync(NULL));
}

static void step_close(step_rig *r)
{
    device_guard(r->work.base, r->bytes, "partials");
    sb_backend_cuda.free(r->work.base);
    sb_backend_cuda.free(r->place);
}

/* The first n keys, the query the last of them. */
static void look_back(sb_case *c, device_case *d, int64_t n)
{
    c->q_run.start = n - 1;
    c->k_run.len   = n;
    d->k.tokens = d->v.tokens = d->k.gid.n_tokens = d->v.gid.n_tokens = n;
}

static void same_bits(const device_case *a, const device_case *b, int64_t n)
{
    size_t o_bytes = (size_t)(a->o.heads * a->o.dim * sb_dtype_bytes(a->o.dtype));
    ck_assert_msg(memcmp(a->got.data, b->got.data, o_bytes) == 0, "o of %lld keys", (long long)n);
    ck_assert_msg(memcmp(a->got_lse, b->got_lse, (size_t)a->o.heads * 4) == 0, "lse of %lld keys",
                  (long long)n);
}

/* The bits of the call that says it; rows behind the keys are NaN. */
START_TEST(a_step_tells_what_a_call_says)
{
    sb_case *c = sb_case_random(step_shapes[_i / 2], 300 + (uint64_t)_i);
    step_rig r;
    step_open(&r, c);
    for (int i = N_STEP_KEYS - 1; i >= 0; i--) {
        int64_t n = step_keys[i];
        if (n > step_shapes[_i / 2].n_k)
            continue;
        shorten(c, n);
        device_case said, told;
        device_open(&said, &c->q, &c->k, &c->v, _i % 2 == 0 ? SB_BF16 : SB_F32);
        device_open(&told, &c->q, &c->k, &c->v, _i % 2 == 0 ? SB_BF16 : SB_F32);
        look_back(c, &said, n);
        must(device_attend(&said, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"));
        look_back(c, &told, 1); /* what the call says does not count */
        told.step = r.place;
        told.work = &r.work;
        step_place(&r, n);
        sb_arena_reset(&r.work, 0);
        must(device_attend(&told, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"));
        same_bits(&said, &told, n);
        device_close(&said);
        device_close(&told);
        c->q_run.start = 0;
    }
    step_close(&r);
    sb_case_destroy(c);
}
END_TEST

static void queue_step(device_case *d, step_rig *r, float scale)
{
    sb_ctx ctx = {.backend = &sb_backend_cuda, .arena = &r->work, .step = r->place, .threads = 1};
    sb_attn_in  in  = {.q = &d->q, .k = &d->k, .v = &d->v, .scale = scale};
    sb_attn_out out = {.o = &d->o, .lse = d->lse, .mode = SB_OUT_SET};
    sb_arena_reset(&r->work, 0);
    must(sb_attend_dense_cuda(&ctx, NULL, &in, NULL, NULL, &out));
}

static void fetch(device_case *d)
{
    size_t bytes = (size_t)(d->o.heads * d->o.dim * sb_dtype_bytes(d->o.dtype));
    must(sb_backend_cuda.copy(d->got.data, d->o.data, bytes, SB_COPY_TO_HOST, NULL));
    must(sb_backend_cuda.copy(d->got_lse, d->lse, (size_t)d->o.heads * 4, SB_COPY_TO_HOST, NULL));
    must(sb_backend_cuda.sync(NULL));
}

/* Captured with one key, launched with more and more. */
START_TEST(a_captured_step_serves_all_that_follow)
{
    const sb_backend *b = &sb_backend_cuda;
    sb_case          *c = sb_case_random(step_shapes[_i], 400 + (uint64_t)_i);
    device_case       said, told;
    sb_graph         *g = NULL;
    step_rig          r;
    step_open(&r, c);
    device_open(&said, &c->q, &c->k, &c->v, SB_BF16);
    device_open(&told, &c->q, &c->k, &c->v, SB_BF16);
    look_back(c, &told, 1);
    step_place(&r, 1);
    queue_step(&told, &r, c->scale); /* kernels are loaded */
    must(b->sync(NULL));
    must(b->graph_begin(NULL));
    queue_step(&told, &r, c->scale);
    must(b->graph_end(NULL, &g));
    for (int i = 0; i < N_STEP_KEYS && step_keys[i] <= step_shapes[_i].n_k; i++) {
        look_back(c, &said, step_keys[i]);
        must(device_attend(&said, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"));
        step_place(&r, step_keys[i]);
        must(b->graph_launch(g, NULL));
        fetch(&told);
        same_bits(&said, &told, step_keys[i]);
    }
    b->graph_close(g);
    step_close(&r);
    device_close(&said);
    device_close(&told);
    sb_case_destroy(c);
}
END_TEST

/* Kernels that would go by what the call says. */
START_TEST(what_cannot_follow_a_step_says_so)
{
    static const char *const kernels[] = {"sm90", "portable", "gather"};
    sb_case                 *c         = sb_case_random((sb_case_shape){1, 600, 8, 2, 128}, 1);
    device_case              d;
    step_rig                 r;
    step_open(&r, c);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    d.step = r.place;
    d.work = &r.work;
    step_place(&r, 600);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, kernels[i]),
            SB_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "found a step in device memory"));
    }
    step_close(&r);
    device_close(&d);
    sb_case_destroy(c);
    c = sb_case_random((sb_case_shape){1, 600, 80, 1, 64}, 1); /* more rows than decode takes */
    step_open(&r, c);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    d.step = r.place;
    d.work = &r.work;
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cuda, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "more than 64 rows"));
    step_close(&r);
    device_close(&d);
    sb_case_destroy(c);
}
END_TEST

/* ---- merge ---- */

typedef struct merge_form {
    int64_t parts, rows, dim;
    int     wire; /* o and lse of a row side by side */
} merge_form;
static const merge_form merges[] = {
    {1, 1, 64, 0},  {2, 1000, 128, 0}, {33, 32, 128, 0}, {70, 9, 128, 1},
    {3, 17, 70, 1}, {6, 5, 256, 0},    {2, 333, 64, 1},
};
enum { N_MERGES = sizeof merges / sizeof *merges };

static void *to_device(const void *from, size_t bytes)
{
    void *p = NULL;
    must(sb_backend_cuda.alloc(bytes, &p));
    must(sb_backend_cuda.copy(p, from, bytes, SB_COPY_TO_DEVICE, NULL));
    return p;
}

START_TEST(merge_matches_the_cpu)
{
    const merge_form *f   = &merges[_i / 4];
    int               run = _i & 1, dtype = (_i & 2) != 0 && !run ? SB_BF16 : SB_F32;
    sb_rng            r   = {(uint64_t)_i + 3};
    int64_t           row = f->dim + (f->wire ? 1 : 0), n = f->rows * row;
    size_t            floats = (size_t)((f->parts + 1) * f->rows * (f->dim + 1));
    float            *p      = malloc(floats * sizeof *p);
    float            *lse_at = f->wire ? p + f->dim : p + (f->parts + 1) * f->rows * f->dim;
    sb_partials       all    = {.o               = p,
                                .lse             = lse_at,
                                .o_part_stride   = n,
                                .o_row_stride    = row,
                                .lse_part_stride = f->wire ? n : f->rows,
                                .lse_row_stride  = f->wire ? row : 1,
                                .n_parts         = f->parts + 1,
                                .rows            = f->rows,
                                .dim             = f->dim};
    for (int64_t i = 0; i <= f->parts; i++)
        for (int64_t t = 0; t < f->rows; t++) { /* row 0 sees nothing; others miss some parts */
            int    none = t % 7 == 0 || sb_rng_below(&r, 3) == 0;
            float *o    = p + i * n + t * row;
            for (int64_t x = 0; x < f->dim; x++)
                o[x] = none ? NAN : (float)sb_rng_below(&r, 2001) * 1e-3f - 1.0f;
            lse_at[i * all.lse_part_stride + t * all.lse_row_stride] =
                none ? -INFINITY : (float)sb_rng_below(&r, 4001) * 1e-2f - 20.0f;
        }
    /* without a running part, part 0 stays out */
    sb_partials rest = all;
    rest.n_parts     = f->parts;
    rest.o += n;
    rest.lse += all.lse_part_stride;
    size_t    o_bytes   = (size_t)(f->rows * f->dim) * (dtype == SB_BF16 ? 2 : 4);
    size_t    lse_bytes = (size_t)f->rows * 4;
    void     *want = malloc(o_bytes), *got = malloc(o_bytes);
    float    *want_lse = malloc(lse_bytes), *got_lse = malloc(lse_bytes);
    uint16_t *first = malloc(o_bytes);
    sb_merge_lse(run ? &all : &rest, (sb_dtype)dtype, want, want_lse);
    memset(first, 0xFF, o_bytes);
    for (int64_t t = 0; t < f->rows; t++) {
        got_lse[t] = run ? all.lse[t * all.lse_row_stride] : NAN;
        if (run)
            memcpy((float *)(void *)first + t * f->dim, p + t * row, (size_t)f->dim * 4);
    }
    float      *on    = to_device(p, floats * sizeof *p);
    void       *o     = to_device(first, o_bytes);
    float      *lse   = to_device(got_lse, lse_bytes);
    sb_partials there = rest;
    there.o           = on + (rest.o - p);
    there.lse         = on + (rest.lse - p);
    must(sb_merge_lse_cuda(&there, (sb_dtype)dtype,
                           run ? SB_MERGE_INTO_RUNNING : SB_MERGE_INTO_NOTHING, o, lse, NULL));
    must(sb_backend_cuda.copy(got, o, o_bytes, SB_COPY_TO_HOST, NULL));
    must(sb_backend_cuda.copy(got_lse, lse, lse_bytes, SB_COPY_TO_HOST, NULL));
    must(sb_backend_cuda.sync(NULL));
    for (int64_t t = 0; t < f->rows; t++) {
        ck_assert(got_lse[t] == want_lse[t] || fabsf(got_lse[t] - want_lse[t]) <= SB_LSE_ABS);
        for (int64_t x = 0; x < f->dim; x++) {
            int64_t at = t * f->dim + x;
            float   w =
                dtype == SB_BF16 ? sb_bf16_to_f32(((sb_bf16 *)want)[at]) : ((float *)want)[at];
            float g = dtype == SB_BF16 ? sb_bf16_to_f32(((sb_bf16 *)got)[at]) : ((float *)got)[at];
            ck_assert_msg(fabsf(w - g) <= (dtype == SB_BF16 ? 0x1p-8f : (float)SB_MERGE_ABS),
                          "row %lld column %lld: %g, not %g", (long long)t, (long long)x, (double)g,
                          (double)w);
        }
    }
    sb_backend_cuda.free(on);
    sb_backend_cuda.free(o);
    sb_backend_cuda.free(lse);
    free(p);
    free(want);
    free(got);
    free(want_lse);
    free(got_lse);
    free(first);
}
END_TEST

START_TEST(merge_refuses_bf16_that_runs)
{
    sb_partials p = {.n_parts = 1, .rows = 1, .dim = 4};
    sb_bf16     o[4];
    float       lse;
    ck_assert_int_eq(sb_merge_lse_cuda(&p, SB_BF16, SB_MERGE_INTO_RUNNING, o, &lse, NULL),
                     SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_merge_lse_cuda(&p, SB_F32, SB_MERGE_INTO_RUNNING, o, NULL, NULL),
                     SB_ERR_INTERNAL);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("decode cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, one_call, 0, N_SHAPES);
    tcase_add_loop_test(t, shards_merge_to_the_whole, 0, 2 * N_SHAPES);
    tcase_add_test(t, queries_in_runs);
    tcase_add_loop_test(t, plans_match_the_cpu, 0, N_FORMS * N_SHAPES);
    tcase_add_loop_test(t, windows_match_the_cpu, 0, N_SHAPES);
    tcase_add_loop_test(t, plans_of_shards, 0, N_FORMS);
    tcase_add_loop_test(t, runs_repeat_bit_by_bit, 0, 2);
    tcase_add_test(t, refusals_say_why);
    tcase_add_loop_test(t, a_step_tells_what_a_call_says, 0, 2 * N_STEPS);
    tcase_add_loop_test(t, a_captured_step_serves_all_that_follow, 0, N_STEPS);
    tcase_add_test(t, what_cannot_follow_a_step_says_so);
    tcase_add_loop_test(t, merge_matches_the_cpu, 0, 4 * N_MERGES);
    tcase_add_test(t, merge_refuses_bf16_that_runs);
    suite_add_tcase(s, t);
    return device_run(s);
}
