#include "kernels/exec/linear_scan_rows.h"

#include <math.h>
#include <string.h>

float sbi_scan_dot(const float *a, const float *b, int64_t n)
{
    float sum[16] = {0};
    for (int64_t i = 0; i < n; i += 16)
        for (int j = 0; j < 16; j++)
            sum[j] += a[i + j] * b[i + j];
    for (int w = 8; w > 0; w /= 2)
        for (int j = 0; j < w; j++)
            sum[j] += sum[j + w];
    return sum[0];
}

static void widen(const sb_bf16 *from, float *to, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] = sb_bf16_to_f32(from[i]);
}

/* ---- maps [linear 3.1]: x [d] to y [dk], padding included ---- */

/* y = e^min(x, 0), which no x can overflow. */
static void exp_below(const sbi_flash_ops *ops, const float *x, float *y, int64_t d)
{
    for (int64_t i = 0; i < d; i++)
        y[i] = x[i] < 0.0f ? x[i] : 0.0f;
    ops->exp(y, y, d);
}

/* e^x below 0 and x + 1 above it, minus `less`: 0 for elu + 1, whose small values keep all bits. */
static void map_elu(const sbi_flash_ops *ops, const float *x, float *y, int64_t d, float less)
{
    exp_below(ops, x, y, d);
    for (int64_t i = 0; i < d; i++)
        y[i] = (y[i] - less) + (x[i] > 0.0f ? x[i] : 0.0f);
}

static void map_silu(const sbi_flash_ops *ops, const float *x, float *y, int64_t d)
{
    for (int64_t i = 0; i < d; i++)
        y[i] = -fabsf(x[i]);
    ops->exp(y, y, d);
    for (int64_t i = 0; i < d; i++) /* 1 / (1 + e^-x), with e^-|x| for either sign */
        y[i] = x[i] * ((x[i] < 0.0f ? y[i] : 1.0f) / (1.0f + y[i]));
}

static void map_relu(const float *x, float *y, int64_t d, int squared)
{
    for (int64_t i = 0; i < d; i++) {
        float r = x[i] > 0.0f ? x[i] : 0.0f;
        y[i]    = squared ? r * r : r;
    }
}

/* r = [relu(x), -relu(x)], then r times r rolled by 1, 2, 3, 4 places. */
static void map_dpfp(float *x, float *y, int64_t d)
{
    int64_t n = 2 * d;
    map_relu(x, x, d, 0);
    for (int64_t i = 0; i < d; i++)
        x[d + i] = -x[i];
    for (int64_t j = 1; j <= 4; j++, y += n)
        for (int64_t i = 0; i < n; i++)
            y[i] = x[i] * x[(i - j + n) % n];
}

/* [1, x / d^(1/4), x_i^2 / sqrt(2 d), x_i x_j / sqrt(d) for i < j]: products of two such rows are
 * 1 + s + s^2 / 2 with s = q.k / sqrt(d). */
static void map_taylor(const float *x, float *y, int64_t d, int64_t dk)
{
    float   quarter = (float)pow((double)d, -0.25), half = (float)(1.0 / sqrt((double)d));
    float   square = (float)(1.0 / sqrt(2.0 * (double)d));
    int64_t at     = 1 + 2 * d;
    y[0]           = 1.0f;
    for (int64_t i = 0; i < d; i++) {
        y[1 + i]     = x[i] * quarter;
        y[1 + d + i] = x[i] * x[i] * square;
    }
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = i + 1; j < d; j++)
            y[at++] = x[i] * half * x[j];
    for (; at < dk; at++)
        y[at] = 0.0f;
}

static void map_row(const sbi_scan_head *h, float *x, float *y)
{
    const sbi_scan_room *r = h->room;
    switch (r->scan.map) {
    case SB_SCAN_SILU:
        map_silu(h->ops, x, y, r->d);
        break;
    case SB_SCAN_RELU:
    case SB_SCAN_SQRELU:
        map_relu(x, y, r->d, r->scan.map == SB_SCAN_SQRELU);
        break;
    case SB_SCAN_ELU:
    case SB_SCAN_ELU1:
        map_elu(h->ops, x, y, r->d, r->scan.map == SB_SCAN_ELU1 ? 0.0f : 1.0f);
        break;
    case SB_SCAN_DPFP:
        map_dpfp(x, y, r->d);
        break;
    case SB_SCAN_TAYLOR:
        map_taylor(x, y, r->d, r->dk);
        break;
    default:
        memcpy(y, x, (size_t)r->d * sizeof *y);
    }
}

/* To length 1; a zero row stays zero [linear 5]. */
static void unit_row(float *x, int64_t n)
{
    float f = 1.0f / sqrtf(sbi_scan_dot(x, x, n) + 1e-6f);
    for (int64_t i = 0; i < n; i++)
        x[i] *= f;
}

void sbi_scan_load(const sbi_scan_head *h, const sb_tensor *t, int64_t head, int64_t first,
                   int64_t m, float *to)
{
    const sbi_scan_room *r = h->room;
    for (int64_t i = 0; i < m; i++, to += r->dk) {
        widen(sb_tensor_bf16(t, head, first + i), h->s->raw, r->d);
        map_row(h, h->s->raw, to);
        if (r->scan.unit_rows)
            unit_row(to, r->dk);
    }
}

void sbi_scan_load_values(const sbi_scan_head *h, int64_t first, int64_t m, float *to)
{
    int64_t d = h->room->d, kv = sbi_scan_kv_head(h);
    for (int64_t i = 0; i < m; i++, to += h->cols) {
        widen(sb_tensor_bf16(h->in->v, kv, h->key_slot + first + i), to, d);
        memset(to + d, 0, (size_t)(h->cols - d) * sizeof *to);
    }
}

void sbi_scan_transpose(const sbi_scan_head *h, const float *from, int64_t m, float *to)
{
    int64_t dk = h->room->dk, c = h->room->chunk;
    for (int64_t x = 0; x < dk; x += 16) /* a cache line of each row at a time */
        for (int64_t i = 0; i < c; i++)
            for (int64_t j = x; j < x + 16; j++)
                to[j * c + i] = i < m ? from[i * dk + j] : 0.0f;
}

void sbi_scan_store(const sbi_scan_head *h, int64_t query_head, int64_t first, int64_t m,
                    const float *o, int64_t ld, const float *factor)
{
    const sb_tensor *to = h->out->o;
    int64_t          d  = h->room->d;
    for (int64_t i = 0; i < m; i++, o += ld) {
        float f = factor == NULL ? 1.0f : factor[i];
        if (to->dtype == SB_BF16) {
            sb_bf16 *row = sb_tensor_bf16(to, query_head, first + i);
            for (int64_t x = 0; x < d; x++)
                row[x] = sb_bf16_from_f32(o[x] * f);
        } else {
            float *row = sb_tensor_f32(to, query_head, first + i);
            for (int64_t x = 0; x < d; x++)
                row[x] = o[x] * f;
        }
    }
}
