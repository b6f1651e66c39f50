#include "tests/unit/harness/model/checkpoint/rows_double.h"

#include <check.h>

#include "tests/unit/harness/run/fake_device.h"
#include "tests/unit/kernels/nn/rows_plain.h"

enum { WORK = 256 };

int rows_double_missing;

static void there(const void *p, int64_t bytes)
{
    ck_assert_msg(fake_room_of(p, (size_t)bytes) >= 0, "%lld bytes are not the device's",
                  (long long)bytes);
    ck_assert_uint_eq((uintptr_t)p % 16, 0);
}

static void holds(const sb_tensor *t, int64_t tokens)
{
    ck_assert_int_ge(t->tokens, tokens);
    there(t->data, ((t->heads - 1) * t->head_stride + tokens * t->dim) * (int64_t)sizeof(sb_bf16));
}

static sb_status room(int64_t *bytes)
{
    *bytes = (int64_t)(fake_device.limit - fake_device.used);
    return SB_OK;
}

static sb_backend backend;

static sb_status open_products(void **out)
{
    static int something;
    if (rows_double_missing)
        return sb_fail(SB_ERR_UNSUPPORTED, "products: the library is not there");
    *out = &something;
    return SB_OK;
}

static void close_products(void *products) { ck_assert_ptr_nonnull(products); }

static sb_status left(sb_status st)
{
    fake_leave();
    return st;
}

static sb_status product(void *products, const sb_rows_product *p, void *work, void *stream)
{
    ck_assert_ptr_nonnull(products);
    there(work, WORK);
    there(p->w, p->rows * p->cols * 2);
    there(p->x, ((p->n - 1) * p->ldx + p->cols) * 2);
    there(p->y, p->n * p->rows * sb_dtype_bytes(p->y_type));
    fake_enter(stream);
    return left(rows_plain.product(products, p, work, stream));
}

static sb_status embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                       int64_t n, float *x, int32_t *position, void *stream)
{
    there(table, width * 2);
    there(x, n * width * 4);
    fake_enter(stream);
    return left(rows_plain.embed(table, width, ids, first, n, x, position, stream));
}

static sb_status norm(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                      sb_bf16 *y, void *stream)
{
    there(x, n * width * 4);
    there(weight, width * 4);
    there(y, n * width * 2);
    fake_enter(stream);
    return left(rows_plain.norm(x, n, width, weight, eps, y, stream));
}

static sb_status spread(const sb_rows_spread *s, void *stream)
{
    holds(s->q, s->first + s->n);
    holds(s->k, s->first + s->n);
    holds(s->v, s->first + s->n);
    there(s->rows, s->n * (s->q->heads + 2 * s->k->heads) * s->q->dim * 4);
    fake_enter(stream);
    return left(rows_plain.spread(s, stream));
}

static sb_status gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows, void *stream)
{
    holds(o, first + n);
    there(rows, n * o->heads * o->dim * 2);
    fake_enter(stream);
    return left(rows_plain.gather(o, first, n, rows, stream));
}

static sb_status gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream)
{
    there(rows, n * 2 * width * 2);
    fake_enter(stream);
    return left(rows_plain.gate(rows, bias, n, width, stream));
}

static sb_status add(float *x, const float *bias, int64_t n, int64_t width, void *stream)
{
    there(x, n * width * 4);
    there(bias, width * 4);
    fake_enter(stream);
    return left(rows_plain.add(x, bias, n, width, stream));
}

/* fake_backend is a constant of another file: copied before main. */
__attribute__((constructor)) static void make_backend(void)
{
    backend      = fake_backend;
    backend.room = room;
}

const sb_device_rows rows_double = {.backend       = &backend,
                                    .product_bytes = WORK,
                                    .open          = open_products,
                                    .close         = close_products,
                                    .product       = product,
                                    .embed         = embed,
                                    .norm          = norm,
                                    .spread        = spread,
                                    .gather        = gather,
                                    .gate          = gate,
                                    .add           = add};
