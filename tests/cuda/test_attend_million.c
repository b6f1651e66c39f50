/* A million tokens, 32 query heads of 128: q and o hold 2^32 numbers, so an offset in 32 bits would
 * miss. Sampled rows against the fp64 judge, the last ones among them. Operands repeat after a
 * prime number of rows, so that the host keeps one period and one KV head. Without a device, or
 * with one of less than 40 GB: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/plan_place.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/judge.h"
#include "tests/oracle/predicates.h"
#include "tests/tolerance.h"

enum { N = 1 << 20, HEADS = 32, KV_HEADS = 8, D = 128, PERIOD = 65537, TILE = 64, ROW = 128 };

static const sb_backend *const b = &sb_backend_cuda;
static sb_bf16                *period; /* [PERIOD][D] */
static sb_run                  all = {0, N};
static sb_tensor               q, k, v, o;
static float                  *lse;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static void *room(int64_t bytes)
{
    void *p = NULL;
    must(b->alloc((size_t)bytes, &p));
    must(b->fill(p, 0xFF, (size_t)bytes, NULL));
    return p;
}

/* Row of the period that token t of head h has; salt: of q, k and v. */
static int64_t row_of(int64_t salt, int64_t h, int64_t t) { return (t + 4099 * h + salt) % PERIOD; }

static sb_tensor operand(int64_t heads, int64_t salt)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = N,
                   .dim         = D,
                   .head_stride = (int64_t)N * D,
                   .gid         = {&all, 1, N}};
    t.data      = room(heads * N * D * 2);
    for (int64_t h = 0; h < heads; h++)
        for (int64_t at = 0; at < N;) {
            int64_t row = row_of(salt, h, at), n = PERIOD - row < N - at ? PERIOD - row : N - at;
            must(b->copy(sb_tensor_bf16(&t, h, at), period + row * D,
                         (size_t)(n * D) * sizeof *period, SB_COPY_TO_DEVICE, NULL));
            at += n;
        }
    must(b->sync(NULL));
    return t;
}

enum { SALT_Q = 11, SALT_K = 20011, SALT_V = 40009 };

static void open_operands(void)
{
    period = malloc((size_t)PERIOD * D * sizeof *period);
    ck_assert_ptr_nonnull(period);
    for (int64_t i = 0; i < (int64_t)PERIOD * D; i++)
        period[i] = sb_bf16_from_f32((float)(sb_mix((uint64_t)i) >> 40) * 0x1p-22f - 2.0f);
    q      = operand(HEADS, SALT_Q);
    k      = operand(KV_HEADS, SALT_K);
    v      = operand(KV_HEADS, SALT_V);
    o      = q;
    o.data = room((int64_t)HEADS * N * D * 2);
    lse    = room((int64_t)HEADS * N * 4);
}

/* K or V of one head in host memory. */
static sb_tensor host_head(int64_t h, int64_t salt)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = 1,
                   .tokens      = N,
                   .dim         = D,
                   .head_stride = (int64_t)N * D,
                   .gid         = {&all, 1, N}};
    t.data      = malloc((size_t)N * D * sizeof(sb_bf16));
    ck_assert_ptr_nonnull(t.data);
    for (int64_t i = 0; i < N; i++)
        memcpy(sb_tensor_bf16(&t, 0, i), period + row_of(salt, h, i) * D, D * sizeof(sb_bf16));
    return t;
}

/* Rows of all parts of the sequence and of the first and last head of the first and last group. */
static void judge(judge_visible see, const void *state, int64_t first, const char *what)
{
    static const int64_t rows[] = {N - 1, N - 77, N - 4000, N / 2 + 13, 70000, 3};
    double               num = 0, den = 0, worst = 0;
    for (int64_t g = 0; g < KV_HEADS; g += KV_HEADS - 1) {
        sb_tensor hk = host_head(g, SALT_K), hv = host_head(g, SALT_V);
        for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
            int64_t t = rows[i / 2], h = g * 4 + (i % 2 == 0 ? 0 : 3);
            double  want[D], want_lse;
            sb_bf16 got[D];
            float   got_lse;
            sb_run  one = {t, 1};
            if (t < first)
                continue;
            sb_tensor hq = {period + row_of(SALT_Q, h, t) * D, SB_BF16, 1, 1, D, D, {&one, 1, 1}};
            judge_row(&hq, &hk, &hv, 0.0883883f, see, state, 0, 0, want, &want_lse);
            must(b->copy(got, sb_tensor_bf16(&o, h, t), sizeof got, SB_COPY_TO_HOST, NULL));
            must(b->copy(&got_lse, lse + h * N + t, sizeof got_lse, SB_COPY_TO_HOST, NULL));
            must(b->sync(NULL));
            for (int x = 0; x < D; x++) {
                double e = (double)sb_bf16_to_f32(got[x]) - want[x];
                num += e * e;
                den += want[x] * want[x];
            }
            worst = fmax(worst, fabs((double)got_lse - want_lse));
        }
        free(hk.data);
        free(hv.data);
    }
    (void)printf("%s: nmse %.2g, lse %.2g\n", what, num / den, worst);
    ck_assert_msg(isfinite(num) && num <= SB_NMSE_PO_BF16 * den && worst <= 2 * SB_LSE_DEVICE_ABS,
                  "%s: nmse %g, lse %g", what, num / den, worst);
}

static void attend(sb_attend_fn call, const sb_tensor *queries, const sb_tensor *to, float *to_lse,
                   const sb_plan *plan, const char *kernel)
{
    sb_phase_times times = {0};
    sb_ctx         ctx   = {.backend = b, .phases = &times, .threads = 1};
    sb_attn_in     in    = {.q = queries, .k = &k, .v = &v, .scale = 0.0883883f};
    sb_tensor      out_o = *to;
    sb_attn_out    out   = {.o = &out_o, .lse = to_lse, .mode = SB_OUT_SET};
    must(b->fill(o.data, 0xFF, (size_t)HEADS * N * D * 2, NULL));
    ck_assert_int_eq(setenv("SPAN_CUDA_KERNEL", kernel, 1), 0);
    must(call(&ctx, NULL, &in, plan, NULL, &out));
    (void)printf("%s: %.2f ms\n", kernel, (double)times.ns[SB_PHASE_COMPUTE] * 1e-6);
}

START_TEST(window)
{
    window_rule rule = {64, 1500};
    sb_plan     plan = {.parts = SB_PART_WINDOW, .sink_tokens = 64, .window_tokens = 1500};
    attend(sb_attend_window_cuda, &q, &o, lse, &plan, "portable");
    judge(see_window, &rule, 0, "window");
}
END_TEST

static int tile_listed(int64_t row, int64_t tile)
{
    int64_t own = row * (ROW / TILE);
    return tile == 0 || tile >= own || (tile + row) % 397 == 0;
}

static int see_lists(int64_t t, int64_t key, const void *none)
{
    (void)none;
    return key <= t && tile_listed(t / ROW, key / TILE);
}

START_TEST(lists)
{
    enum { ROWS = N / ROW };
    sb_plan plan = {.parts      = SB_PART_TILES,
                    .row_tokens = ROW,
                    .n_rows     = ROWS,
                    .tiles      = {.n_heads = 1, .unit_tokens = TILE, .width_tokens = TILE}};
    sb_plan placed;
    plan.tiles.capacity = (int64_t)ROWS * (N / TILE / 397 + 8);
    plan.row_id         = malloc(ROWS * sizeof *plan.row_id);
    plan.tiles.row_ptr  = calloc(ROWS + 1, sizeof *plan.tiles.row_ptr);
    plan.tiles.id       = malloc((size_t)plan.tiles.capacity * sizeof *plan.tiles.id);
    ck_assert(plan.row_id != NULL && plan.tiles.row_ptr != NULL && plan.tiles.id != NULL);
    int64_t n = 0;
    for (int64_t r = 0; r < ROWS; r++) {
        plan.row_id[r] = (int32_t)r;
        for (int64_t t = 0; t < (r + 1) * (ROW / TILE); t++)
            if (tile_listed(r, t) && n < plan.tiles.capacity)
                plan.tiles.id[n++] = (int32_t)t;
        plan.tiles.row_ptr[r + 1] = n;
    }
    ck_assert_int_lt(n, plan.tiles.capacity); /* none was left out */
    sb_arena a;
    sb_arena_init_count(&a);
    must(sb_plan_place(b, NULL, &a, &plan, &q.gid, HEADS, N, &placed));
    size_t bytes = a.high_water_bytes;
    void  *index = room((int64_t)bytes);
    sb_arena_init(&a, index, bytes, SB_ARENA_PLAIN);
    must(sb_plan_place(b, NULL, &a, &plan, &q.gid, HEADS, N, &placed));
    must(b->sync(NULL));
    attend(sb_attend_block_csr_cuda, &q, &o, lse, &placed, "portable");
    judge(see_lists, NULL, 0, "lists, portable");
    attend(sb_attend_block_csr_cuda, &q, &o, lse, &placed, "auto");
    judge(see_lists, NULL, 0, "lists, auto");
    attend(sb_attend_block_csr_cuda, &q, &o, lse, &placed, "gather");
    judge(see_lists, NULL, 0, "lists, gather");
    b->free(index);
    free(plan.row_id);
    free(plan.tiles.row_ptr);
    free(plan.tiles.id);
}
END_TEST

/* The last 8191 queries over all keys: rows of q and o where they lie in the whole. */
START_TEST(dense_at_the_end)
{
    enum { LAST = 8191 };
    sb_run    run  = {N - LAST, LAST};
    sb_tensor part = q, to = o;
    float    *part_lse = room((int64_t)HEADS * LAST * 4);
    part.tokens = to.tokens = LAST;
    part.gid = to.gid = (sb_gid){&run, 1, LAST};
    part.data         = sb_tensor_bf16(&q, 0, N - LAST);
    to.data           = sb_tensor_bf16(&o, 0, N - LAST);
    attend(sb_attend_dense_cuda, &part, &to, part_lse, NULL, "auto");
    for (int64_t h = 0; h < HEADS; h++)
        must(b->copy(lse + h * N + N - LAST, part_lse + h * LAST, LAST * sizeof *lse,
                     SB_COPY_ON_DEVICE, NULL));
    judge(see_all, NULL, N - LAST, "dense, last queries");
    b->free(part_lse);
}
END_TEST

/* Five queries over K and V of 32 heads (q's room twice), so that heads lie past 2^31 numbers. */
START_TEST(decode_of_many_heads)
{
    enum { LAST = 5 };
    sb_run         run   = {N - LAST, LAST};
    sb_phase_times times = {0};
    sb_ctx         ctx   = {.backend = b, .phases = &times, .threads = 1};
    sb_tensor      part = q, to = o;
    float         *part_lse = room((int64_t)HEADS * LAST * 4);
    part.tokens = to.tokens = LAST;
    part.gid = to.gid = (sb_gid){&run, 1, LAST};
    part.data         = sb_tensor_bf16(&q, 0, N - LAST);
    to.data           = sb_tensor_bf16(&o, 0, N - LAST);
    sb_attn_in  in    = {.q = &part, .k = &q, .v = &q, .scale = 0.0883883f};
    sb_attn_out out   = {.o = &to, .lse = part_lse, .mode = SB_OUT_SET};
    must(b->fill(o.data, 0xFF, (size_t)HEADS * N * D * 2, NULL));
    ck_assert_int_eq(setenv("SPAN_CUDA_KERNEL", "decode", 1), 0);
    must(sb_attend_dense_cuda(&ctx, NULL, &in, NULL, NULL, &out));
    (void)printf("decode: %.2f ms\n", (double)times.ns[SB_PHASE_COMPUTE] * 1e-6);
    for (int64_t h = HEADS - 1; h >= 0; h -= HEADS / 2) {
        sb_tensor host = {.dtype       = SB_BF16,
                          .heads       = 1,
                          .tokens      = N,
                          .dim         = D,
                          .head_stride = (int64_t)N * D,
                          .gid         = {&all, 1, N}};
        host.data      = malloc((size_t)N * D * sizeof(sb_bf16));
        ck_assert_ptr_nonnull(host.data);
        for (int64_t i = 0; i < N; i++)
            memcpy(sb_tensor_bf16(&host, 0, i), period + row_of(SALT_Q, h, i) * D,
                   D * sizeof(sb_bf16));
        for (int64_t i = 0; i < LAST; i += LAST - 1) {
            sb_run    one = {N - LAST + i, 1};
            sb_tensor hq  = {
                 sb_tensor_bf16(&host, 0, N - LAST + i), SB_BF16, 1, 1, D, D, {&one, 1, 1}};
            double  want[D], want_lse, num = 0, den = 0;
            sb_bf16 got[D];
            float   got_lse;
            judge_row(&hq, &host, &host, 0.0883883f, see_all, NULL, 0, 0, want, &want_lse);
            must(b->copy(got, sb_tensor_bf16(&to, h, i), sizeof got, SB_COPY_TO_HOST, NULL));
            must(b->copy(&got_lse, part_lse + h * LAST + i, sizeof got_lse, SB_COPY_TO_HOST, NULL));
            must(b->sync(NULL));
            for (int x = 0; x < D; x++) {
                double e = (double)sb_bf16_to_f32(got[x]) - want[x];
                num += e * e;
                den += want[x] * want[x];
            }
            ck_assert_msg(isfinite(num) && num <= SB_NMSE_PO_BF16 * den &&
                              fabs((double)got_lse - want_lse) <= 2 * SB_LSE_DEVICE_ABS,
                          "head %lld query %lld: nmse %g, lse %g not %g", (long long)h,
                          (long long)i, num / den, (double)got_lse, want_lse);
        }
        free(host.data);
    }
    b->free(part_lse);
}
END_TEST

int main(void)
{
    int missing = device_missing(40);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("a million tokens");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_operands, NULL);
    tcase_add_test(t, window);
    tcase_add_test(t, lists);
    tcase_add_test(t, dense_at_the_end);
    tcase_add_test(t, decode_of_many_heads);
    suite_add_tcase(s, t);
    return device_run(s);
}
