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

/* What a kernel of a layer gets: structs by value, as a launch has them. */
typedef struct call {
    void           *products, *work;
    sb_rows_product product;
    sb_rows_spread  spread;
    sb_tensor       q, k, v;
    float          *x;
    const float    *weight;
    sb_bf16        *y;
    int64_t         n, first, width;
    double          eps;
} call;

static sb_status run_product(void *arg)
{
    call *c = arg;
    return rows_plain.product(c->products, &c->product, c->work, NULL);
}

static sb_status product(void *products, const sb_rows_product *p, void *work, void *stream)
{
    call c = {.products = products, .work = work, .product = *p};
    ck_assert_ptr_nonnull(products);
    there(work, WORK);
    there(p->w, p->rows * p->cols * 2);
    there(p->x, ((p->n - 1) * p->ldx + p->cols) * 2);
    there(p->y, p->n * p->rows * sb_dtype_bytes(p->y_type));
    return fake_kernel(stream, run_product, &c, sizeof c);
}

static sb_status embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                       int64_t n, float *x, int32_t *position, void *stream)
{
    there(table, width * 2);
    there(x, n * width * 4);
    fake_enter(stream);
    return left(rows_plain.embed(table, width, ids, first, n, x, position, stream));
}

static sb_status run_norm(void *arg)
{
    call *c = arg;
    return rows_plain.norm(c->x, c->n, c->width, c->weight, c->eps, c->y, NULL);
}

static sb_status norm(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                      sb_bf16 *y, void *stream)
{
    call c = {.x = (float *)x, .n = n, .width = width, .weight = weight, .eps = eps, .y = y};
    there(x, n * width * 4);
    there(weight, width * 4);
    there(y, n * width * 2);
    return fake_kernel(stream, run_norm, &c, sizeof c);
}

static sb_status run_spread(void *arg)
{
    call *c     = arg;
    c->spread.q = &c->q;
    c->spread.k = &c->k;
    c->spread.v = &c->v;
    return rows_plain.spread(&c->spread, NULL);
}

static sb_status spread(const sb_rows_spread *s, void *stream)
{
    call c = {.spread = *s, .q = *s->q, .k = *s->k, .v = *s->v};
    holds(s->q, s->first + s->n);
    holds(s->k, s->first + s->n);
    holds(s->v, s->first + s->n);
    there(s->rows, s->n * (s->q->heads + 2 * s->k->heads) * s->q->dim * 4);
    if (s->step != NULL)
        ck_assert_int_ge(fake_room_of(s->step, sizeof *s->step), 0);
    return fake_kernel(stream, run_spread, &c, sizeof c);
}

static sb_status run_gather(void *arg)
{
    call *c = arg;
    return rows_plain.gather(&c->q, c->first, c->n, c->y, NULL);
}

static sb_status gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows, void *stream)
{
    call c = {.q = *o, .first = first, .n = n, .y = rows};
    holds(o, first + n);
    there(rows, n * o->heads * o->dim * 2);
    return fake_kernel(stream, run_gather, &c, sizeof c);
}

static sb_status run_gate(void *arg)
{
    call *c = arg;
    return rows_plain.gate(c->y, c->weight, c->n, c->width, NULL);
}

static sb_status gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream)
{
    call c = {.y = rows, .weight = bias, .n = n, .width = width};
    there(rows, n * 2 * width * 2);
    return fake_kernel(stream, run_gate, &c, sizeof c);
}

static sb_status run_add(void *arg)
{
    call *c = arg;
    return rows_plain.add(c->x, c->weight, c->n, c->width, NULL);
}

static sb_status add(float *x, const float *bias, int64_t n, int64_t width, void *stream)
{
    call c = {.x = x, .weight = bias, .n = n, .width = width};
    there(x, n * width * 4);
    there(bias, width * 4);
    return fake_kernel(stream, run_add, &c, sizeof c);
}

static sb_status draw(sb_bf16 *w, int64_t n, uint64_t seed, float sd, void *stream)
{
    there(w, n * 2);
    fake_enter(stream);
    return left(rows_plain.draw(w, n, seed, sd, stream));
}

/* fake_backend is a constant of another file: copied before main. */
__attribute__((constructor)) static void make_backend(void)
{
    backend      = fake_backend_graphs;
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
                                    .add           = add,
                                    .draw          = draw};
