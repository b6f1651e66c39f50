/* What a look asks of the device (kernels/exec/look.h) against the CPU's functions over the same
 * rows: dense attention of single rows, what their best selection would have kept, values that are
 * no numbers, rows themselves. */
#include "tests/cuda/device_main.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/look.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/exec/top_mass.h"

static const sb_backend *const dev = &sb_backend_cuda;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static sb_tensor filled(int64_t heads, int64_t tokens, int64_t dim, int64_t room, uint64_t seed,
                        double size)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = (tokens + room) * dim};
    sb_rng    g = (sb_rng){seed};
    t.data      = malloc((size_t)(heads * t.head_stride) * sizeof(sb_bf16));
    ck_assert_ptr_nonnull(t.data);
    for (int64_t i = 0; i < heads * t.head_stride; i++)
        ((sb_bf16 *)t.data)[i] = sb_bf16_from_f32((float)(size * (2 * sb_rng_uniform(&g) - 1)));
    return t;
}

static sb_tensor uploaded(const sb_tensor *t)
{
    sb_tensor c     = *t;
    size_t    bytes = (size_t)(t->heads * t->head_stride) * sizeof(sb_bf16);
    must(dev->alloc(bytes, &c.data));
    must(dev->copy(c.data, t->data, bytes, SB_COPY_TO_DEVICE, NULL));
    must(dev->sync(NULL));
    return c;
}

/* Ascending ids, the last one n_keys - 1. */
static int64_t *some_rows(int64_t n, int64_t n_keys, uint64_t seed)
{
    int64_t *id = malloc((size_t)n * sizeof *id);
    sb_rng   g  = (sb_rng){seed};
    ck_assert_ptr_nonnull(id);
    for (int64_t i = 0; i < n; i++) { /* one of each of n equal parts */
        int64_t a = i * n_keys / n, b = (i + 1) * n_keys / n;
        id[i] = a + (int64_t)(sb_rng_uniform(&g) * (double)(b - a));
    }
    id[n - 1] = n_keys - 1;
    return id;
}

static const struct {
    int64_t heads, kv_heads, dim, keys, rows, room;
    double  size;
} shapes[] = {
    {4, 2, 64, 300, 300, 0, 1},    {8, 2, 128, 4099, 576, 29, 2}, {8, 8, 128, 1000, 17, 0, 3},
    {2, 1, 64, 70000, 200, 64, 2}, {32, 4, 128, 5000, 130, 0, 1}, {4, 4, 128, 1, 1, 3, 1},
    {80, 1, 64, 700, 33, 0, 1},    {8, 2, 128, 131072, 64, 0, 4}, {3, 1, 128, 2050, 600, 5, .05},
};

typedef struct rig {
    sb_tensor q, k, v, k_there, v_there;
    sb_run    all;
    int64_t  *id;
    sb_ctx    here, there;
    float     scale;
} rig;

static rig make(int i)
{
    rig r     = {.all = {0, shapes[i].keys}};
    r.q       = filled(shapes[i].heads, shapes[i].rows, shapes[i].dim, 0, 11, shapes[i].size);
    r.k       = filled(shapes[i].kv_heads, shapes[i].keys, shapes[i].dim, shapes[i].room, 12, 1);
    r.v       = filled(shapes[i].kv_heads, shapes[i].keys, shapes[i].dim, shapes[i].room, 13, 1);
    r.k.gid   = (sb_gid){&r.all, 1, shapes[i].keys};
    r.id      = some_rows(shapes[i].rows, shapes[i].keys, 14);
    r.here    = (sb_ctx){.backend = &sb_backend_cpu, .threads = 4};
    r.there   = (sb_ctx){.backend = dev, .threads = 4};
    r.scale   = 1.0f / sqrtf((float)shapes[i].dim);
    r.k_there = uploaded(&r.k);
    r.v_there = uploaded(&r.v);
    return r;
}

/* The run of the keys stands in the rig itself. */
static void bind(rig *r)
{
    const sb_gid gid = {&r->all, 1, r->all.len};
    r->k.gid = r->v.gid = r->k_there.gid = r->v_there.gid = gid;
}

static void drop(rig *r)
{
    free(r->q.data);
    free(r->k.data);
    free(r->v.data);
    free(r->id);
    dev->free(r->k_there.data);
    dev->free(r->v_there.data);
}

typedef struct result {
    sb_tensor o;
    float    *lse;
} result;

static result empty(const rig *r)
{
    result x        = {.o = r->q};
    size_t n        = (size_t)(r->q.heads * r->q.tokens);
    x.o.dtype       = SB_F32;
    x.o.head_stride = r->q.tokens * r->q.dim;
    x.o.data        = malloc(n * (size_t)r->q.dim * sizeof(float));
    x.lse           = malloc(n * sizeof *x.lse);
    ck_assert(x.o.data != NULL && x.lse != NULL);
    memset(x.o.data, 0x7f, n * (size_t)r->q.dim * sizeof(float)); /* poison */
    memset(x.lse, 0x7f, n * sizeof *x.lse);
    return x;
}

static void result_drop(result *x)
{
    free(x->o.data);
    free(x->lse);
}

START_TEST(dense_rows_are_the_hosts)
{
    rig r = make(_i);
    bind(&r);
    result want = empty(&r), got = empty(&r), again = empty(&r);
    double num = 0, den = 0, worst = 0;
    size_t n = (size_t)(r.q.heads * r.q.tokens);
    must(sb_dense_rows_cpu(&r.here, &r.q, r.id, &r.k, &r.v, r.scale, &want.o, want.lse));
    must(
        sb_dense_rows_cuda(&r.there, &r.q, r.id, &r.k_there, &r.v_there, r.scale, &got.o, got.lse));
    must(sb_dense_rows_cuda(&r.there, &r.q, r.id, &r.k_there, &r.v_there, r.scale, &again.o,
                            again.lse));
    ck_assert_mem_eq(got.o.data, again.o.data, n * (size_t)r.q.dim * sizeof(float));
    ck_assert_mem_eq(got.lse, again.lse, n * sizeof *got.lse);
    for (size_t i = 0; i < n * (size_t)r.q.dim; i++) {
        double a = (double)((float *)want.o.data)[i], b = (double)((float *)got.o.data)[i];
        num += (a - b) * (a - b);
        den += a * a;
    }
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)want.lse[i] - (double)got.lse[i]));
    ck_assert_msg(num <= 2e-5 * den, "nmse %g", num / den); /* P in bf16: as attend_cuda */
    ck_assert_msg(worst <= 1e-4, "lse %g", worst);
    result_drop(&want);
    result_drop(&got);
    result_drop(&again);
    drop(&r);
}
END_TEST

START_TEST(best_selections_keep_what_the_host_says)
{
    rig r = make(_i);
    bind(&r);
    int64_t  n    = r.q.heads * r.q.tokens;
    result   x    = empty(&r);
    int64_t *keep = malloc((size_t)n * sizeof *keep);
    double  *want = malloc((size_t)n * sizeof *want), *got = malloc((size_t)n * sizeof *got);
    sb_rng   g = (sb_rng){15};
    ck_assert(keep != NULL && want != NULL && got != NULL);
    must(sb_dense_rows_cpu(&r.here, &r.q, r.id, &r.k, &r.v, r.scale, &x.o, x.lse));
    for (int64_t i = 0; i < n; i++) {
        int64_t sees = r.id[i % r.q.tokens] + 1;
        keep[i]      = i % 7 == 0 ? sees : 1 + (int64_t)(sb_rng_uniform(&g) * (double)(sees - 1));
        got[i]       = NAN;
    }
    must(sb_top_mass_cpu(&r.here, &r.q, r.id, &r.k, r.scale, x.lse, keep, want));
    must(sb_top_mass_cuda(&r.there, &r.q, r.id, &r.k_there, r.scale, x.lse, keep, got));
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(fabs(got[i] - want[i]) <= 1e-4 + 2e-3 * want[i],
                      "%lld of %lld keys: %.9g, wanted %.9g", (long long)keep[i],
                      (long long)r.id[i % r.q.tokens] + 1, got[i], want[i]);
        if (keep[i] == r.id[i % r.q.tokens] + 1)
            ck_assert_msg(fabs(got[i] - 1) < 2e-4, "all keys hold %.9g", got[i]);
    }
    result_drop(&x);
    free(keep);
    free(want);
    free(got);
    drop(&r);
}
END_TEST

START_TEST(values_that_are_no_numbers_are_found)
{
    sb_tensor     t   = filled(6, 1001, _i == 0 ? 64 : 128, 7, 16, 1);
    sb_ctx        ctx = {.backend = dev, .threads = 4};
    sb_not_finite here, there;
    static const struct {
        int64_t head, row, at;
        float   x;
    } bad[] = {{5, 1000, 63, NAN}, {5, 3, 0, INFINITY}, {2, 999, 31, -INFINITY}, {0, 0, 1, NAN}};
    for (size_t n = 0; n <= sizeof bad / sizeof *bad; n++) {
        /* what lies between heads is nobody's */
        sb_tensor_bf16(&t, 1, 0)[-1] = sb_bf16_from_f32(NAN);
        sb_tensor on                 = uploaded(&t);
        sb_not_finite_cpu(&ctx, &t, &here);
        must(sb_not_finite_cuda(&ctx, &on, &there));
        ck_assert_int_eq(there.n, (int64_t)n);
        ck_assert(here.n == there.n && here.head == there.head && here.row == there.row);
        if (n > 0) {
            ck_assert_int_eq(there.head, bad[n - 1].head);
            ck_assert_int_eq(there.row, bad[n - 1].row);
        }
        dev->free(on.data);
        if (n < sizeof bad / sizeof *bad)
            sb_tensor_bf16(&t, bad[n].head, bad[n].row)[bad[n].at] = sb_bf16_from_f32(bad[n].x);
    }
    free(t.data);
}
END_TEST

START_TEST(rows_are_taken_as_they_are)
{
    static const int64_t take[] = {1000, 0, 1, 2, 17, 17, 999, 500}; /* in any order, twice too */
    enum { N = sizeof take / sizeof *take };
    sb_tensor t   = filled(6, 1001, _i == 0 ? 64 : 128, 7, 21, 1);
    sb_tensor on  = uploaded(&t);
    sb_ctx    ctx = {.backend = dev, .threads = 4};
    int64_t   row = t.dim * (int64_t)sizeof(sb_bf16);
    for (int words = 0; words < 2; words++) { /* whole rows; two values at a time, as lse lies */
        sb_look_rows from = {on.data, words ? 4 : row, t.heads,
                             words ? t.head_stride / 2 : t.head_stride / t.dim};
        size_t       n    = (size_t)from.row_bytes;
        char        *got  = malloc((size_t)(t.heads * N) * n);
        ck_assert_ptr_nonnull(got);
        must(sb_take_rows_cuda(&ctx, &from, take, N, got));
        for (int64_t h = 0; h < t.heads; h++)
            for (int64_t i = 0; i < N; i++)
                ck_assert_mem_eq(got + (size_t)(h * N + i) * n,
                                 (char *)t.data + (size_t)(h * from.apart + take[i]) * n, n);
        must(sb_take_rows_cuda(&ctx, &from, take, 0, NULL));
        free(got);
    }
    ck_assert_int_eq(sb_take_rows_cuda(&ctx, &(sb_look_rows){on.data, 2, 1, 9}, take, 1, on.data),
                     SB_ERR_INTERNAL);
    dev->free(on.data);
    free(t.data);
}
END_TEST

START_TEST(what_is_refused)
{
    sb_ctx    ctx = {.backend = dev, .threads = 1};
    sb_tensor q = filled(2, 1, 32, 0, 1, 1), k = filled(1, 9, 32, 0, 2, 1);
    sb_run    all   = {0, 9};
    int64_t   id[1] = {8}, keep[1] = {1};
    float     lse[2], o[64];
    double    mass[2];
    sb_tensor to = q;
    k.gid        = (sb_gid){&all, 1, 9};
    to.dtype     = SB_F32;
    to.data      = o;
    ck_assert_int_eq(sb_dense_rows_cuda(&ctx, &q, id, &k, &k, 1, &to, lse), SB_ERR_UNSUPPORTED);
    ck_assert_int_eq(sb_top_mass_cuda(&ctx, &q, id, &k, 1, lse, keep, mass), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed head_dim 64 and 128"));
    free(q.data);
    free(k.data);
    q     = filled(2, 1, 64, 0, 1, 1);
    k     = filled(1, 9, 64, 0, 2, 1);
    id[0] = 9;
    ck_assert_int_eq(sb_top_mass_cuda(&ctx, &q, id, &k, 1, lse, keep, mass), SB_ERR_INTERNAL);
    free(q.data);
    free(k.data);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("looks cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, dense_rows_are_the_hosts, 0, sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(t, best_selections_keep_what_the_host_says, 0,
                        sizeof shapes / sizeof *shapes);
    tcase_add_loop_test(t, values_that_are_no_numbers_are_found, 0, 2);
    tcase_add_loop_test(t, rows_are_taken_as_they_are, 0, 2);
    tcase_add_test(t, what_is_refused);
    suite_add_tcase(s, t);
    return device_run(s);
}
