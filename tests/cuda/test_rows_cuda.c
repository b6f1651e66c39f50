/* The steps of device_rows.h on the device against plain loops. What is not summed gives the same
 * bits but for the device's own sine and exponential; sums differ in order. Without a device:
 * skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/nn/rope.h"
#include "tests/cuda/device_main.h"
#include "tests/unit/kernels/nn/rows_plain.h"

/* fp32 sums of up to 4096 products in another order. */
#define SUM_NMSE 1e-10
/* ... rounded to bf16: a sum next to a rounding boundary falls to the other side. */
#define ROUNDED_NMSE 1e-6

static const sb_device_rows *const dev = &sb_device_rows_cuda;

static float small(uint64_t key)
{
    return (float)((double)(sb_mix(key) >> 11) * 0x1p-52 - 1); /* in [-1, 1) */
}

static float *floats(int64_t n, uint64_t seed)
{
    float *p = malloc((size_t)n * sizeof *p);
    ck_assert_ptr_nonnull(p);
    for (int64_t i = 0; i < n; i++)
        p[i] = small(seed * 0x100000001ull + (uint64_t)i);
    return p;
}

static sb_bf16 *halves(int64_t n, uint64_t seed)
{
    sb_bf16 *p = malloc((size_t)n * sizeof *p);
    ck_assert_ptr_nonnull(p);
    for (int64_t i = 0; i < n; i++)
        p[i] = sb_bf16_from_f32(small(seed * 0x100000001ull + (uint64_t)i));
    return p;
}

static void *there(const void *from, int64_t bytes)
{
    void *p = NULL;
    ck_assert_msg(dev->backend->alloc((size_t)bytes, &p) == SB_OK, "%s", sb_error_text());
    if (from != NULL)
        ck_assert_int_eq(dev->backend->copy(p, from, (size_t)bytes, SB_COPY_TO_DEVICE, NULL),
                         SB_OK);
    ck_assert_int_eq(dev->backend->sync(NULL), SB_OK);
    return p;
}

/* malloc'd; the device's goes. */
static void *back(void *from, int64_t bytes)
{
    void *p = malloc((size_t)bytes);
    ck_assert_ptr_nonnull(p);
    ck_assert_int_eq(dev->backend->copy(p, from, (size_t)bytes, SB_COPY_TO_HOST, NULL), SB_OK);
    ck_assert_msg(dev->backend->sync(NULL) == SB_OK, "%s", sb_error_text());
    dev->backend->free(from);
    return p;
}

static void ok(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static double nmse(const float *got, const float *want, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        d += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
        s += (double)want[i] * (double)want[i];
    }
    return d / s;
}

static double nmse_half(const sb_bf16 *got, const sb_bf16 *want, int64_t n)
{
    double d = 0, s = 0;
    for (int64_t i = 0; i < n; i++) {
        double w = (double)sb_bf16_to_f32(want[i]), e = (double)sb_bf16_to_f32(got[i]) - w;
        d += e * e;
        s += w * w;
    }
    return d / s;
}

/* ---- products ---- */

typedef struct shape {
    int64_t  n, rows, cols, ldx;
    sb_dtype y_type;
    int32_t  adds;
} shape;

static const shape shapes[] = {
    {1, 656, 96, 96, SB_F32, 0},       {300, 512, 96, 96, SB_F32, 0},
    {300, 96, 256, 256, SB_F32, 1},    {77, 320, 96, 96, SB_BF16, 0},
    {77, 96, 160, 320, SB_F32, 1}, /* every other half row */
    {1, 4096, 4096, 4096, SB_F32, 1},  {513, 1024, 4096, 4096, SB_BF16, 0},
    {129, 576, 1536, 3072, SB_F32, 1}, {1, 3072, 576, 576, SB_BF16, 0},
    {1, 576, 1536, 3072, SB_F32, 1},   {1, 49152, 576, 576, SB_F32, 0}, /* decode */
};

START_TEST(products_are_the_hosts)
{
    const shape    *s       = &shapes[_i];
    int64_t         y_bytes = s->n * s->rows * sb_dtype_bytes(s->y_type);
    sb_bf16        *w = halves(s->rows * s->cols, 1), *x = halves(s->n * s->ldx, 2);
    float          *y   = floats(s->n * s->rows, 3);
    void           *all = NULL, *work = there(NULL, (int64_t)dev->product_bytes);
    sb_rows_product p = {w, x, y, s->rows, s->cols, s->n, s->ldx, s->y_type, s->adds}, d = p;
    if (dev->open(&all) != SB_OK) {
        (void)printf("products: skipped: %s\n", sb_error_text());
        return;
    }
    d.w = there(w, s->rows * s->cols * 2);
    d.x = there(x, s->n * s->ldx * 2);
    d.y = there(y, y_bytes);
    for (int again = 0; again < 2; again++) { /* the second time by the kept algorithm */
        if (again)
            ok(dev->backend->copy(d.y, y, (size_t)y_bytes, SB_COPY_TO_DEVICE, NULL));
        ok(dev->product(all, &d, work, NULL));
    }
    void *got = back(d.y, y_bytes);
    ok(rows_plain.product(NULL, &p, NULL, NULL));
    double e = s->y_type == SB_F32 ? nmse(got, y, s->n * s->rows)
                                   : nmse_half(got, (sb_bf16 *)(void *)y, s->n * s->rows);
    ck_assert_msg(e <= (s->y_type == SB_F32 ? SUM_NMSE : ROUNDED_NMSE), "shape %d: nmse %g", _i, e);
    dev->close(all);
    dev->backend->free((void *)(uintptr_t)d.w);
    dev->backend->free((void *)(uintptr_t)d.x);
    dev->backend->free(work);
    free(got);
    free(w);
    free(x);
    free(y);
}
END_TEST

START_TEST(products_out_of_line_are_refused)
{
    void *all = NULL, *room = there(NULL, 4096), *work = there(NULL, (int64_t)dev->product_bytes);
    if (dev->open(&all) != SB_OK)
        return;
    sb_rows_product p = {room, (sb_bf16 *)room + 1, room, 8, 8, 1, 8, SB_F32, 0};
    ck_assert_int_eq(dev->product(all, &p, work, NULL), SB_ERR_INTERNAL);
    p.x      = room;
    p.y_type = SB_BF16;
    p.adds   = 1;
    ck_assert_int_eq(dev->product(all, &p, work, NULL), SB_ERR_INTERNAL);
    dev->close(all);
    dev->backend->free(room);
    dev->backend->free(work);
}
END_TEST

/* ---- weights ---- */

START_TEST(drawn_weights_are_normal)
{
    enum { N = 1 << 20 };
    void    *dw   = there(NULL, N * 2);
    sb_bf16 *want = halves(N, 1);
    double   sum = 0, square = 0;
    ok(dev->draw(dw, N, 5, 0.02f, NULL));
    ok(rows_plain.draw(want, N, 5, 0.02f, NULL));
    sb_bf16 *got = back(dw, N * 2);
    for (int64_t i = 0; i < N; i++) {
        double x = (double)sb_bf16_to_f32(got[i]);
        sum += x;
        square += x * x;
    }
    ck_assert_double_le(fabs(sum / N), 1e-4); /* five times .02 / 2^10 */
    ck_assert_double_le(fabs(sqrt(square / N) / 0.02 - 1), 5e-3);
    ck_assert_double_le(nmse_half(got, want, N), ROUNDED_NMSE);
    ck_assert_int_eq(dev->draw(NULL, 3, 5, 0.02f, NULL), SB_ERR_INTERNAL);
    free(got);
    free(want);
}
END_TEST

/* ---- rows ---- */

START_TEST(embedding_rows_and_positions)
{
    enum { VOCAB = 100, WIDTH = 88, N = 333 };
    const int64_t first = 1048000;
    sb_bf16      *table = halves(VOCAB * WIDTH, 4);
    int32_t       ids[N], position[N];
    float        *x = floats(N * WIDTH, 5);
    for (int i = 0; i < N; i++)
        ids[i] = (int32_t)(sb_mix((uint64_t)i) % VOCAB);
    void *dt = there(table, VOCAB * WIDTH * 2), *di = there(ids, sizeof ids);
    void *dx = there(NULL, N * WIDTH * 4), *dp = there(NULL, sizeof position);
    ok(dev->embed(dt, WIDTH, di, first, N, dx, dp, NULL));
    ok(rows_plain.embed(table, WIDTH, ids, first, N, x, position, NULL));
    float   *gx = back(dx, N * WIDTH * 4);
    int32_t *gp = back(dp, sizeof position);
    ck_assert_mem_eq(gx, x, N * WIDTH * 4);
    ck_assert_mem_eq(gp, position, sizeof position);
    dev->backend->free(dt);
    dev->backend->free(di);
    free(gx);
    free(gp);
    free(x);
    free(table);
}
END_TEST

START_TEST(norms)
{
    static const int64_t widths[] = {8, 96, 576, 1024, 4096, 5120};
    int64_t              n = 67, width = widths[_i];
    float               *x = floats(n * width, 6), *w = floats(width, 7);
    sb_bf16             *y = halves(n * width, 8);
    void *dx = there(x, n * width * 4), *dw = there(w, width * 4), *dy = there(NULL, n * width * 2);
    ok(dev->norm(dx, n, width, dw, 1e-5, dy, NULL));
    ok(rows_plain.norm(x, n, width, w, 1e-5, y, NULL));
    sb_bf16 *got = back(dy, n * width * 2);
    double   e   = nmse_half(got, y, n * width);
    ck_assert_msg(e <= ROUNDED_NMSE, "width %lld: nmse %g", (long long)width, e);
    dev->backend->free(dx);
    dev->backend->free(dw);
    free(got);
    free(x);
    free(w);
    free(y);
}
END_TEST

START_TEST(gates)
{
    int64_t  n = 45, width = _i < 2 ? 160 : 1536;
    sb_bf16 *rows = halves(n * 2 * width, 9);
    float   *bias = _i % 2 ? floats(2 * width, 10) : NULL;
    void    *dr   = there(rows, n * 2 * width * 2);
    void    *db   = bias != NULL ? there(bias, 2 * width * 4) : NULL;
    ok(dev->gate(dr, db, n, width, NULL));
    ok(rows_plain.gate(rows, bias, n, width, NULL));
    sb_bf16 *got = back(dr, n * 2 * width * 2);
    double   e   = nmse_half(got, rows, n * 2 * width);
    ck_assert_msg(e <= ROUNDED_NMSE, "nmse %g", e);
    for (int64_t r = 0; r < n; r++) /* up stays */
        ck_assert_mem_eq(got + (2 * r + 1) * width, rows + (2 * r + 1) * width, (size_t)width * 2);
    dev->backend->free(db);
    free(got);
    free(rows);
    free(bias);
}
END_TEST

START_TEST(added_biases)
{
    enum { N = 51, WIDTH = 104 };
    float *x = floats(N * WIDTH, 11), *b = floats(WIDTH, 12);
    void  *dx = there(x, N * WIDTH * 4), *db = there(b, WIDTH * 4);
    ok(dev->add(dx, db, N, WIDTH, NULL));
    ok(rows_plain.add(x, b, N, WIDTH, NULL));
    float *got = back(dx, N * WIDTH * 4);
    ck_assert_mem_eq(got, x, N * WIDTH * 4);
    dev->backend->free(db);
    free(got);
    free(x);
    free(b);
}
END_TEST

/* ---- heads ---- */

static sb_tensor tensor(int64_t heads, int64_t tokens, int64_t dim, int64_t room)
{
    return (sb_tensor){.heads = heads, .tokens = tokens, .dim = dim, .head_stride = room * dim};
}

static int64_t bytes_of(const sb_tensor *t) { return t->heads * t->head_stride * 2; }

/* Rows in the middle of tensors with more room, at positions up to a million. */
START_TEST(rows_are_spread_over_heads)
{
    static const int64_t dims[] = {64, 128, 16, 256};
    const int64_t        d = dims[_i], heads = 6, kv = 2, n = 37, first = 5, tokens = 50;
    const int64_t        width = (heads + 2 * kv) * d;
    float               *rows = floats(n * width, 13), *bias = floats(width, 14);
    float                inv[SB_ROPE_MAX_PAIRS];
    int32_t              position[37];
    sb_tensor            host[3] = {tensor(heads, tokens, d, 64), tensor(kv, tokens, d, 80),
                                    tensor(kv, tokens, d, 50)};
    sb_tensor            where[3];
    for (int64_t i = 0; i < d / 2; i++)
        inv[i] = (float)pow(5e5, -2.0 * (double)i / (double)d);
    for (int i = 0; i < n; i++)
        position[i] = i < 20 ? i : 1048576 - i;
    for (int i = 0; i < 3; i++) {
        where[i]      = host[i];
        host[i].data  = halves(bytes_of(&host[i]) / 2, 15);
        where[i].data = there(host[i].data, bytes_of(&host[i]));
    }
    void          *dr = there(rows, n * width * 4), *db = there(bias, width * 4);
    void          *dp = there(position, sizeof position), *df = there(inv, (int64_t)sizeof inv);
    sb_rows_spread p = {rows,  bias,     position, inv,      1.25f, n,
                        first, &host[0], &host[1], &host[2], NULL};
    sb_rows_spread s = {dr, db, dp, df, 1.25f, n, first, &where[0], &where[1], &where[2], NULL};
    ok(dev->spread(&s, NULL));
    ok(rows_plain.spread(&p, NULL));
    for (int i = 0; i < 3; i++) { /* also what stands around the rows */
        sb_bf16 *got = back(where[i].data, bytes_of(&host[i]));
        double   e   = nmse_half(got, host[i].data, bytes_of(&host[i]) / 2);
        ck_assert_msg(e <= ROUNDED_NMSE, "dim %lld, tensor %d: nmse %g", (long long)d, i, e);
        free(got);
        free(host[i].data);
    }
    void *rooms[] = {dr, db, dp, df};
    for (size_t i = 0; i < 4; i++)
        dev->backend->free(rooms[i]);
    free(rows);
    free(bias);
}
END_TEST

/* A row that a step places: q's to row 0, k's and v's to the slot, all else stays. */
START_TEST(a_step_places_keys_and_values)
{
    const int64_t d = _i == 0 ? 64 : 128, heads = 9, kv = 3, slot = 41;
    const int64_t width = (heads + 2 * kv) * d;
    float        *rows = floats(width, 18), inv[SB_ROPE_MAX_PAIRS] = {0};
    int32_t       position = 70001;
    sb_step       step     = {.slot = (int32_t)slot, .n_keys = (int32_t)slot + 1};
    sb_tensor     q = tensor(heads, 1, d, 1), cache = tensor(kv, 7, d, 50);
    sb_tensor     said[3] = {q, cache, cache}, told[3] = {q, cache, cache};
    for (int64_t i = 0; i < d / 2; i++)
        inv[i] = (float)pow(5e5, -2.0 * (double)i / (double)d);
    for (int i = 0; i < 3; i++) {
        sb_bf16 *fresh = halves(bytes_of(&said[i]) / 2, 19);
        said[i].data   = there(fresh, bytes_of(&said[i]));
        told[i].data   = there(fresh, bytes_of(&told[i]));
        free(fresh);
    }
    void     *dr = there(rows, width * 4), *dp = there(&position, sizeof position);
    void     *df = there(inv, (int64_t)sizeof inv), *ds = there(&step, sizeof step);
    sb_tensor k = said[1], v = said[2];
    k.data   = sb_tensor_bf16(&said[1], 0, slot);
    v.data   = sb_tensor_bf16(&said[2], 0, slot);
    k.tokens = v.tokens = 1;
    sb_rows_spread a    = {dr, NULL, dp, df, 1.25f, 1, 0, &said[0], &k, &v, NULL};
    sb_rows_spread b    = {dr, NULL, dp, df, 1.25f, 1, 0, &told[0], &told[1], &told[2], ds};
    ok(dev->spread(&a, NULL));
    ok(dev->spread(&b, NULL));
    b.first = 1;
    ck_assert_int_eq(dev->spread(&b, NULL), SB_ERR_INTERNAL);
    for (int i = 0; i < 3; i++) {
        sb_bf16 *want = back(said[i].data, bytes_of(&said[i]));
        sb_bf16 *got  = back(told[i].data, bytes_of(&told[i]));
        ck_assert_mem_eq(got, want, (size_t)bytes_of(&said[i]));
        free(want);
        free(got);
    }
    void *rooms[] = {dr, dp, df, ds};
    for (size_t i = 0; i < 4; i++)
        dev->backend->free(rooms[i]);
    free(rows);
}
END_TEST

START_TEST(heads_are_gathered_into_rows)
{
    const int64_t d = _i == 0 ? 64 : 128, heads = 5, n = 33, first = 7;
    sb_tensor     host = tensor(heads, 40, d, 48), where = host;
    sb_bf16      *rows = halves(n * heads * d, 16);
    host.data          = halves(bytes_of(&host) / 2, 17);
    where.data         = there(host.data, bytes_of(&host));
    void *dr           = there(NULL, n * heads * d * 2);
    ok(dev->gather(&where, first, n, dr, NULL));
    ok(rows_plain.gather(&host, first, n, rows, NULL));
    sb_bf16 *got = back(dr, n * heads * d * 2);
    ck_assert_mem_eq(got, rows, (size_t)(n * heads * d) * 2);
    dev->backend->free(where.data);
    free(host.data);
    free(got);
    free(rows);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("rows cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, drawn_weights_are_normal);
    tcase_add_loop_test(t, products_are_the_hosts, 0, sizeof shapes / sizeof *shapes);
    tcase_add_test(t, products_out_of_line_are_refused);
    tcase_add_test(t, embedding_rows_and_positions);
    tcase_add_loop_test(t, norms, 0, 6);
    tcase_add_loop_test(t, gates, 0, 4);
    tcase_add_test(t, added_biases);
    tcase_add_loop_test(t, rows_are_spread_over_heads, 0, 4);
    tcase_add_loop_test(t, a_step_places_keys_and_values, 0, 2);
    tcase_add_loop_test(t, heads_are_gathered_into_rows, 0, 2);
    suite_add_tcase(s, t);
    return device_run(s);
}
