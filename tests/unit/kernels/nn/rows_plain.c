#include "tests/unit/kernels/nn/rows_plain.h"

#include <math.h>

#include "kernels/nn/draw.h"
#include "kernels/nn/rope.h"

static sb_status product(void *products, const sb_rows_product *p, void *work, void *stream)
{
    (void)products, (void)work, (void)stream;
    for (int64_t r = 0; r < p->n; r++)
        for (int64_t o = 0; o < p->rows; o++) {
            const sb_bf16 *x = p->x + r * p->ldx, *w = p->w + o * p->cols;
            float          sum = 0, *y = (float *)p->y + r * p->rows + o;
            for (int64_t i = 0; i < p->cols; i++)
                sum += sb_bf16_to_f32(x[i]) * sb_bf16_to_f32(w[i]);
            if (p->y_type == SB_BF16)
                ((sb_bf16 *)p->y)[r * p->rows + o] = sb_bf16_from_f32(sum);
            else
                *y = sum + (p->adds ? *y : 0);
        }
    return SB_OK;
}

static sb_status embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                       int64_t n, float *x, int32_t *position, void *stream)
{
    (void)stream;
    for (int64_t r = 0; r < n; r++) {
        for (int64_t i = 0; i < width; i++)
            x[r * width + i] = sb_bf16_to_f32(table[ids[r] * width + i]);
        position[r] = (int32_t)(first + r);
    }
    return SB_OK;
}

static sb_status norm(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                      sb_bf16 *y, void *stream)
{
    (void)stream;
    for (int64_t r = 0; r < n; r++) {
        double sum = 0;
        for (int64_t i = 0; i < width; i++)
            sum += (double)x[r * width + i] * (double)x[r * width + i];
        float scale = (float)(1 / sqrt(sum / (double)width + eps));
        for (int64_t i = 0; i < width; i++)
            y[r * width + i] = sb_bf16_from_f32(x[r * width + i] * scale * weight[i]);
    }
    return SB_OK;
}

static void spread_head(const sb_rows_spread *s, int64_t row, int64_t head, const sb_tensor *to,
                        int64_t to_head, int64_t to_row, int turns)
{
    int64_t d = to->dim, width = (s->q->heads + 2 * s->k->heads) * d;
    float   v[2 * SB_ROPE_MAX_PAIRS], c, n;
    for (int64_t i = 0; i < d; i++)
        v[i] = s->rows[row * width + head * d + i] + (s->bias != NULL ? s->bias[head * d + i] : 0);
    for (int64_t i = 0; turns && i < d / 2; i++) {
        sb_rope_angle(s->inv_freq[i], s->multiplier, s->position[row], &c, &n);
        sb_rope_turn(&v[i], &v[i + d / 2], c, n);
    }
    for (int64_t i = 0; i < d; i++)
        sb_tensor_bf16(to, to_head, to_row)[i] = sb_bf16_from_f32(v[i]);
}

static sb_status spread(const sb_rows_spread *s, void *stream)
{
    int64_t h = s->q->heads, kv = s->k->heads;
    (void)stream;
    for (int64_t r = 0; r < s->n; r++) {
        int64_t kv_row = s->step != NULL ? s->step->slot : s->first + r;
        for (int64_t i = 0; i < h + 2 * kv; i++)
            if (i < h)
                spread_head(s, r, i, s->q, i, s->first + r, 1);
            else if (i < h + kv)
                spread_head(s, r, i, s->k, i - h, kv_row, 1);
            else
                spread_head(s, r, i, s->v, i - h - kv, kv_row, 0);
    }
    return SB_OK;
}

static sb_status gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows, void *stream)
{
    (void)stream;
    for (int64_t r = 0; r < n; r++)
        for (int64_t h = 0; h < o->heads; h++)
            for (int64_t i = 0; i < o->dim; i++)
                rows[(r * o->heads + h) * o->dim + i] = sb_tensor_bf16(o, h, first + r)[i];
    return SB_OK;
}

static sb_status gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream)
{
    (void)stream;
    for (int64_t r = 0; r < n; r++)
        for (int64_t i = 0; i < width; i++) {
            sb_bf16 *at = rows + r * 2 * width + i;
            float    g  = sb_bf16_to_f32(at[0]) + (bias != NULL ? bias[i] : 0);
            float    u  = sb_bf16_to_f32(at[width]) + (bias != NULL ? bias[width + i] : 0);
            at[0]       = sb_bf16_from_f32(g / (1.0f + expf(-g)) * u);
        }
    return SB_OK;
}

static sb_status add(float *x, const float *bias, int64_t n, int64_t width, void *stream)
{
    (void)stream;
    for (int64_t i = 0; i < n * width; i++)
        x[i] += bias[i % width];
    return SB_OK;
}

static sb_status draw(sb_bf16 *w, int64_t n, uint64_t seed, float sd, void *stream)
{
    (void)stream;
    for (int64_t i = 0; i < n; i += 2) {
        float two[2];
        sb_normal_pair(seed, i / 2, two);
        w[i]     = sb_bf16_from_f32(sd * two[0]);
        w[i + 1] = sb_bf16_from_f32(sd * two[1]);
    }
    return SB_OK;
}

const sb_device_rows rows_plain = {.product = product,
                                   .embed   = embed,
                                   .norm    = norm,
                                   .spread  = spread,
                                   .gather  = gather,
                                   .gate    = gate,
                                   .add     = add,
                                   .draw    = draw};
