#include "kernels/nn/blocks.h"

#include <string.h>

#include "kernels/base/bf16.h"

const sb_block_format sb_block_formats[SB_BLOCK_TYPE_COUNT] = {
    [SB_BLOCK_F32] = {"F32", 0, 1, 4},        [SB_BLOCK_F16] = {"F16", 1, 1, 2},
    [SB_BLOCK_BF16] = {"BF16", 30, 1, 2},     [SB_BLOCK_F64] = {"F64", -1, 1, 8},
    [SB_BLOCK_Q8_0] = {"Q8_0", 8, 32, 34},    [SB_BLOCK_Q4_0] = {"Q4_0", 2, 32, 18},
    [SB_BLOCK_Q4_1] = {"Q4_1", 3, 32, 20},    [SB_BLOCK_Q5_0] = {"Q5_0", 6, 32, 22},
    [SB_BLOCK_Q5_1] = {"Q5_1", 7, 32, 24},    [SB_BLOCK_Q4_K] = {"Q4_K", 12, 256, 144},
    [SB_BLOCK_Q5_K] = {"Q5_K", 13, 256, 176}, [SB_BLOCK_Q6_K] = {"Q6_K", 14, 256, 210}};

int sb_block_find_gguf(uint32_t id, sb_block_type *out)
{
    for (int t = 0; t < SB_BLOCK_TYPE_COUNT; t++)
        if (sb_block_formats[t].gguf_id >= 0 && (uint32_t)sb_block_formats[t].gguf_id == id) {
            *out = (sb_block_type)t;
            return 1;
        }
    return 0;
}

float sb_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = h >> 10 & 31u, frac = h & 0x3ffu, bits;
    float    f;
    if (exp == 0) { /* zero and subnormals: frac * 2^-24, exact */
        f = (float)frac * 0x1p-24f;
        return sign != 0 ? -f : f;
    }
    bits = sign | (exp == 31 ? 0x7f800000u : (exp + 112) << 23) | frac << 13;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static uint16_t u16(const unsigned char *p) { return (uint16_t)(p[0] | p[1] << 8); }

static uint32_t u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static float scale(const unsigned char *p) { return sb_f16_to_f32(u16(p)); }
static int   is_finite(const unsigned char *p) { return (u16(p) & 0x7c00u) != 0x7c00u; }

/* ---- one block each: 1, or 0 where a scale is not finite ---- */

static int q8_0(const unsigned char *b, float *y)
{
    float d = scale(b);
    for (int j = 0; j < 32; j++)
        y[j] = d * (float)(int8_t)b[2 + j];
    return is_finite(b);
}

static int q4_0(const unsigned char *b, float *y)
{
    float d = scale(b);
    for (int j = 0; j < 16; j++) {
        y[j]      = d * (float)((b[2 + j] & 15) - 8);
        y[j + 16] = d * (float)((b[2 + j] >> 4) - 8);
    }
    return is_finite(b);
}

static int q4_1(const unsigned char *b, float *y)
{
    float d = scale(b), m = scale(b + 2);
    for (int j = 0; j < 16; j++) {
        y[j]      = d * (float)(b[4 + j] & 15) + m;
        y[j + 16] = d * (float)(b[4 + j] >> 4) + m;
    }
    return is_finite(b) && is_finite(b + 2);
}

/* The fifth bits of values j and j + 16, as 0 or 16. */
static int high(uint32_t bits, int j) { return (int)(bits >> j & 1) << 4; }

static int q5_0(const unsigned char *b, float *y)
{
    float    d    = scale(b);
    uint32_t bits = u32(b + 2);
    for (int j = 0; j < 16; j++) {
        y[j]      = d * (float)(((b[6 + j] & 15) | high(bits, j)) - 16);
        y[j + 16] = d * (float)(((b[6 + j] >> 4) | high(bits, j + 16)) - 16);
    }
    return is_finite(b);
}

static int q5_1(const unsigned char *b, float *y)
{
    float    d = scale(b), m = scale(b + 2);
    uint32_t bits = u32(b + 4);
    for (int j = 0; j < 16; j++) {
        y[j]      = d * (float)((b[8 + j] & 15) | high(bits, j)) + m;
        y[j + 16] = d * (float)((b[8 + j] >> 4) | high(bits, j + 16)) + m;
    }
    return is_finite(b) && is_finite(b + 2);
}

/* Scale and minimum of sub-block b, six bits each out of twelve bytes. */
static void six_bits(const unsigned char *sc, int b, float *s, float *m)
{
    if (b < 4) {
        *s = (float)(sc[b] & 63);
        *m = (float)(sc[b + 4] & 63);
        return;
    }
    *s = (float)((sc[b + 4] & 15) | sc[b - 4] >> 6 << 4);
    *m = (float)(sc[b + 4] >> 4 | sc[b] >> 6 << 4);
}

/* Q4_K and, with fifth bits in qh, Q5_K. */
static int k_block(const unsigned char *b, const unsigned char *qh, const unsigned char *qs,
                   float *y)
{
    float d = scale(b), dmin = scale(b + 2);
    for (int sub = 0; sub < 8; sub++) {
        const unsigned char *q     = qs + 32 * (sub / 2);
        int                  shift = sub % 2 * 4;
        float                s, m;
        six_bits(b + 4, sub, &s, &m);
        float scaled = d * s, least = dmin * m;
        for (int l = 0; l < 32; l++) {
            int v           = (q[l] >> shift & 15) + (qh != NULL ? (qh[l] >> sub & 1) * 16 : 0);
            y[32 * sub + l] = scaled * (float)v - least;
        }
    }
    return is_finite(b) && is_finite(b + 2);
}

static int q4_k(const unsigned char *b, float *y) { return k_block(b, NULL, b + 16, y); }
static int q5_k(const unsigned char *b, float *y) { return k_block(b, b + 16, b + 48, y); }

static int q6_k(const unsigned char *b, float *y)
{
    const unsigned char *d_at = b + 208;
    float                d    = scale(d_at);
    for (int n = 0; n < 2; n++) {
        const unsigned char *ql = b + 64 * n, *qh = b + 128 + 32 * n, *sc = b + 192 + 8 * n;
        float               *out = y + 128 * n;
        for (int l = 0; l < 32; l++) {
            int h = qh[l], q[4];
            q[0]  = (ql[l] & 15) | (h & 3) << 4;
            q[1]  = (ql[l + 32] & 15) | (h >> 2 & 3) << 4;
            q[2]  = ql[l] >> 4 | (h >> 4 & 3) << 4;
            q[3]  = ql[l + 32] >> 4 | h >> 6 << 4;
            for (int k = 0; k < 4; k++)
                out[l + 32 * k] = d * (float)(int8_t)sc[l / 16 + 2 * k] * (float)(q[k] - 32);
        }
    }
    return is_finite(d_at);
}

/* ---- plain numbers ---- */

static void plain(sb_block_type type, const unsigned char *p, int64_t n, float *out)
{
    switch (type) {
    case SB_BLOCK_F16:
        for (int64_t i = 0; i < n; i++)
            out[i] = scale(p + 2 * i);
        break;
    case SB_BLOCK_BF16:
        for (int64_t i = 0; i < n; i++) {
            sb_bf16 v; /* little-endian, as all of these files */
            memcpy(&v, p + 2 * i, sizeof v);
            out[i] = sb_bf16_to_f32(v);
        }
        break;
    case SB_BLOCK_F64:
        for (int64_t i = 0; i < n; i++) {
            double v;
            memcpy(&v, p + 8 * i, sizeof v);
            out[i] = (float)v;
        }
        break;
    default:
        memcpy(out, p, (size_t)n * sizeof *out);
    }
}

typedef int (*block_fn)(const unsigned char *b, float *y);
static const block_fn one[SB_BLOCK_TYPE_COUNT] = {
    [SB_BLOCK_Q8_0] = q8_0, [SB_BLOCK_Q4_0] = q4_0, [SB_BLOCK_Q4_1] = q4_1, [SB_BLOCK_Q5_0] = q5_0,
    [SB_BLOCK_Q5_1] = q5_1, [SB_BLOCK_Q4_K] = q4_k, [SB_BLOCK_Q5_K] = q5_k, [SB_BLOCK_Q6_K] = q6_k};

int sb_block_expand(sb_block_type type, const void *blocks, int64_t n, float *out)
{
    const unsigned char   *p  = blocks;
    const sb_block_format *f  = &sb_block_formats[type];
    int                    ok = 1;
    if (one[type] == NULL) {
        plain(type, p, n, out);
        return 1;
    }
    for (int64_t i = 0; i < n; i += f->values, p += f->bytes, out += f->values)
        ok &= one[type](p, out);
    return ok;
}
