#include "tests/unit/harness/model/checkpoint/rows_double.h"

#include <check.h>
#include <math.h>

#include "kernels/nn/rope.h"
#include "tests/unit/harness/run/fake_device.h"

enum { WORK = 256 };

int     rows_double_missing;
int64_t rows_double_products;

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

static sb_status product(void *products, const sb_rows_product *p, void *work, void *stream)
{
    ck_assert_ptr_nonnull(products);
    there(work, WORK);
    there(p->w, p->rows * p->cols * 2);
    there(p->x, ((p->n - 1) * p->ldx + p->cols) * 2);
    there(p->y, p->n * p->rows * sb_dtype_bytes(p->y_type));
    rows_double_products++;
    fake_enter(stream);
    for (int64_t r = 0; r < p->n; r++)
        for (int64_t o = 0; o < p->rows; o++) {
            float sum = 0;
            for (int64_t i = 0; i < p->cols; i++)
                sum += sb_bf16_to_f32(p->x[r * p->ldx + i]) * sb_bf16_to_f32(p->w[o * p->cols + i]);
            if (p->y_type == SB_BF16)
                ((sb_bf16 *)p->y)[r * p->rows + o] = sb_bf16_from_f32(sum);
            else
                ((float *)p->y)[r * p->rows + o] =
                    sum + (p->adds ? ((float *)p->y)[r * p->rows + o] : 0);
        }
    fake_leave();
    return SB_OK;
}

static sb_status embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                       int64_t n, float *x, int32_t *position, void *stream)
{
    fake_enter(stream);
    for (int64_t r = 0; r < n; r++) {
        there(table + ids[r] * width, width * 2);
        for (int64_t i = 0; i < width; i++)
            x[r * width + i] = sb_bf16_to_f32(table[ids[r] * width + i]);
        position[r] = (int32_t)(first + r);
    }
    fake_leave();
    return SB_OK;
}

static sb_status norm(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                      sb_bf16 *y, void *stream)
{
    there(x, n * width * 4);
    there(weight, width * 4);
    there(y, n * width * 2);
    fake_enter(stream);
    for (int64_t r = 0; r < n; r++) {
        double sum = 0;
        for (int64_t i = 0; i < width; i++)
            sum += (double)x[r * width + i] * (double)x[r * width + i];
        float scale = (float)(1 / sqrt(sum / (double)width + eps));
        for (int64_t i = 0; i < width; i++)
            y[r * width + i] = sb_bf16_from_f32(x[r * width + i] * scale * weight[i]);
    }
    fake_leave();
    return SB_OK;
}

static void spread_head(const sb_rows_spread *s, int64_t row, int64_t head, const sb_tensor *to,
                        int64_t to_head, int turns)
{
    int64_t d = to->dim, width = (s->q->heads + 2 * s->k->heads) * d;
    float   v[2 * SB_ROPE_MAX_PAIRS], c, n;
    for (int64_t i = 0; i < d; i++)
        v[i] = s->rows[row * width + head * d + i] +
               (s->bias != NULL ? s->bias[head * d + i] : 0);
    for (int64_t i = 0; turns && i < d / 2; i++) {
        sb_rope_angle(s->inv_freq[i], s->multiplier, s->position[row], &c, &n);
        sb_rope_turn(&v[i], &v[i + d / 2], c, n);
    }
    for (int64_t i = 0; i < d; i++)
        sb_tensor_bf16(to, to_head, s->first + row)[i] = sb_bf16_from_f32(v[i]);
}

static sb_status spread(const sb_rows_spread *s, void *stream)
{
    int64_t h = s->q->heads, kv = s->k->heads;
    holds(s->q, s->first + s->n);
    holds(s->k, s->first + s->n);
    holds(s->v, s->first + s->n);
    fake_enter(stream);
    for (int64_t r = 0; r < s->n; r++)
        for (int64_t i = 0; i < h + 2 * kv; i++)
            if (i < h)
                spread_head(s, r, i, s->q, i, 1);
            else if (i < h + kv)
                spread_head(s, r, i, s->k, i - h, 1);
            else
                spread_head(s, r, i, s->v, i - h - kv, 0);
    fake_leave();
    return SB_OK;
}

static sb_status gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows, void *stream)
{
    holds(o, first + n);
    there(rows, n * o->heads * o->dim * 2);
    fake_enter(stream);
    for (int64_t r = 0; r < n; r++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->dim; i++)
                rows[(r * o->heads + h) * o->dim + i] = sb_tensor_bf16(o, h, first + r)[i];
    fake_leave();
    return SB_OK;
}

static sb_status gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream)
{
    there(rows, n * 2 * width * 2);
    fake_enter(stream);
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++) {
            sb_bf16 *at = rows + r * 2 * width + i;
            float    g  = sb_bf16_to_f32(at[0]) + (bias != NULL ? bias[i] : 0);
            float    u  = sb_bf16_to_f32(at[width]) + (bias != NULL ? bias[width + i] : 0);
            at[0]       = sb_bf16_from_f32(g / (1.0f + expf(-g)) * u);
        }
    fake_leave();
    return SB_OK;
}

static sb_status add(float *x, const float *bias, int64_t n, int64_t width, void *stream)
{
    there(x, n * width * 4);
    there(bias, width * 4);
    fake_enter(stream);
    for (int64_t i = 0; i < n * width; i++)
        x[i] += bias[i % width];
    fake_leave();
    return SB_OK;
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
