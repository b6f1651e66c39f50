/* Body of the flash step, compiled once per instruction set. The including file defines, with the
 * macro VLEN (floats in a vector, at most 16) and NV (vectors of a full column chunk), the type vf
 * and
 *   vf_load vf_store vf_set1 vf_add vf_sub vf_mul vf_max
 *   vf_fma(a, b, c) = a*b + c
 *   vf_pow2(t)              2^n from t = n + 1.5 * 2^23
 *   vf_keep_ge(x, lo, y)    lanes of y where !(x < lo), else 0
 *   vf_mask(s, bits)        lane i of s where bit i is set, else -inf
 *   vf_hmax(a), vf_hsum16(a[16 / VLEN])
 *                           the sum in the order (i, i + 8), (i, i + 4), (i, i + 2), (i, i + 1)
 *   vf_load_bf16(p)         VLEN numbers, widened
 *   widen_keys(k_row, x, n, t)
 *                           t[j] = number x + j of VLEN rows; n of KEY_DIMS numbers, a multiple of
 * 16
 *
 * Order of every sum per (row, key) and (row, column) is fixed: fma chains over d, then over keys
 * ascending, so a row's result depends neither on the rows it shares a tile with nor on the vector
 * length (AVX2 and AVX-512 agree bit for bit). */

#include <math.h>
#include <stddef.h>

#include "kernels/exec/flash.h"

enum {
    MR = 6
}; /* rows of the register tile: 6 x 4 zmm (or 6 x 2 ymm) accumulators + operands fill the register
      file */

/* exp(x) for x <= 0, Cephes' polynomial on |r| <= ln(2)/2; relative error below 2e-7. NaN stays
 * NaN. */
static inline vf vf_exp(vf x)
{
    const vf lo = vf_set1(-87.3365447f); /* exp is the least normal number here */
    vf       c  = vf_max(lo, x);         /* x second: a NaN comes through */
    vf       t  = vf_fma(c, vf_set1(1.44269504088896341f), vf_set1(12582912.0f));
    vf       n  = vf_sub(t, vf_set1(12582912.0f));
    vf       r  = vf_fma(n, vf_set1(-0.693359375f), c);
    r           = vf_fma(n, vf_set1(2.12194440e-4f), r);
    vf p        = vf_set1(1.9875691500e-4f);
    p           = vf_fma(p, r, vf_set1(1.3981999507e-3f));
    p           = vf_fma(p, r, vf_set1(8.3334519073e-3f));
    p           = vf_fma(p, r, vf_set1(4.1665795894e-2f));
    p           = vf_fma(p, r, vf_set1(1.6666665459e-1f));
    p           = vf_fma(p, r, vf_set1(5.0000001201e-1f));
    p           = vf_fma(p, vf_mul(r, r), vf_add(r, vf_set1(1.0f)));
    return vf_keep_ge(x, lo, vf_mul(p, vf_pow2(t)));
}

/* c[mr][nv vectors] = (alpha NULL ? 0 : alpha[i] * c) + a[mr][k] * b[k][...]. mr and nv are
 * constants where this is inlined. */
static inline __attribute__((always_inline)) void micro(const int mr, const int nv, const float *a,
                                                        int64_t lda, const float *b, int64_t ldb,
                                                        float *c, int64_t ldc, int64_t k,
                                                        const float *alpha)
{
    vf acc[MR][NV];
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            acc[i][j] = alpha == NULL ? vf_set1(0.0f)
                                      : vf_mul(vf_load(c + i * ldc + j * VLEN), vf_set1(alpha[i]));
    for (int64_t x = 0; x < k; x++) {
        vf bx[NV];
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            bx[j] = vf_load(b + x * ldb + j * VLEN);
#pragma GCC unroll 8
        for (int i = 0; i < mr; i++) {
            vf ai = vf_set1(a[i * lda + x]);
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++)
                acc[i][j] = vf_fma(ai, bx[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            vf_store(c + i * ldc + j * VLEN, acc[i][j]);
}

typedef struct operands {
    const float *a;
    int64_t      lda;
    const float *b;
    int64_t      ldb;
    float       *c;
    int64_t      ldc;
    int64_t      k;
    const float *alpha;
} operands;

/* The same with `nv` constant and 1 <= mr <= MR known at run time. */
static inline __attribute__((always_inline)) void panel(const int nv, const int set, int mr,
                                                        const operands *g, int64_t column)
{
    const float *al = set ? NULL : g->alpha;
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        micro(n, nv, g->a, g->lda, g->b + column, g->ldb, g->c + column, g->ldc, g->k, al);        \
        break;
    switch (mr) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
    default:
        micro(MR, nv, g->a, g->lda, g->b + column, g->ldb, g->c + column, g->ldc, g->k, al);
    }
#undef ROWS
}

static void scores(int mr, const operands *g, int64_t columns)
{
    int64_t x = 0;
    for (; x + (NV / 2) * VLEN < columns;
         x += NV * VLEN) /* may run past `columns`, never past the block */
        panel(NV, 1, mr, g, x);
    for (; x < columns; x += (NV / 2) * VLEN)
        panel(NV / 2, 1, mr, g, x);
}

static void accumulate(int mr, const operands *g, int64_t columns)
{
    int64_t x = 0;
    for (; x + NV * VLEN <= columns; x += NV * VLEN)
        panel(NV, 0, mr, g, x);
    for (; x + (NV / 2) * VLEN <= columns; x += (NV / 2) * VLEN)
        panel(NV / 2, 0, mr, g, x);
    for (; x < columns; x += VLEN)
        panel(1, 0, mr, g, x);
}

/* One row: s becomes p = exp(s - m), invisible lanes 0; updates m and l; returns what the
 * accumulator must be scaled by. */
static inline float softmax_row(float *s, uint64_t visible, float *m, float *l)
{
    vf top = vf_set1(-INFINITY);
    if (~visible != 0) {
        for (int j = 0; j < SB_TILE_KEYS / VLEN; j++) {
            vf x = vf_mask(vf_load(s + j * VLEN),
                           (uint32_t)((visible >> (j * VLEN)) & ((1u << VLEN) - 1)));
            vf_store(s + j * VLEN, x);
            top = vf_max(x, top);
        }
    } else {
        for (int j = 0; j < SB_TILE_KEYS / VLEN; j++)
            top = vf_max(vf_load(s + j * VLEN), top);
    }
    float old = *m, now = vf_hmax(top);
    now            = now > old ? now : old;
    const vf shift = vf_set1(now == -INFINITY ? 0.0f : now); /* -inf - -inf would be NaN */
    vf       sum[16 / VLEN];
    for (int j = 0; j < 16 / VLEN; j++)
        sum[j] = vf_set1(0.0f);
    for (int j = 0; j < SB_TILE_KEYS / VLEN; j++) {
        vf p = vf_exp(vf_sub(vf_load(s + j * VLEN), shift));
        vf_store(s + j * VLEN, p);
        sum[j % (16 / VLEN)] = vf_add(sum[j % (16 / VLEN)], p);
    }
    float alpha = 1.0f;
    if (now != old) {
        float lanes[VLEN] __attribute__((aligned(64)));
        vf_store(lanes, vf_exp(vf_sub(vf_set1(old), shift)));
        alpha = lanes[0];
    }
    *m = now;
    *l = *l * alpha + vf_hsum16(sum);
    return alpha;
}

static void flash_pack(const sb_bf16 *const k_row[SB_TILE_KEYS],
                       const sb_bf16 *const v_row[SB_TILE_KEYS], int64_t dim, float *kt, float *v)
{
    for (int64_t key = 0; key < SB_TILE_KEYS; key += VLEN)
        for (int64_t x = 0; x < dim; x += KEY_DIMS) {
            int64_t n = dim - x < KEY_DIMS ? dim - x : KEY_DIMS;
            vf      t[KEY_DIMS];
            widen_keys(k_row + key, x, n, t);
            for (int64_t j = 0; j < n; j++)
                vf_store(kt + (x + j) * SB_TILE_KEYS + key, t[j]);
        }
    for (int64_t key = 0; v != NULL && key < SB_TILE_KEYS; key++)
        for (int64_t x = 0; x < dim; x += VLEN)
            vf_store(v + key * dim + x, vf_load_bf16(v_row[key] + x));
}

/* Rows [r, r + mr) that see something: 1, and the first and the end of the lanes they see. */
static inline int seen_lanes(const sbi_flash_tile *t, int64_t r, int mr, int64_t *first,
                             int64_t *end)
{
    uint64_t any = 0;
    for (int i = 0; i < mr; i++)
        any |= t->visible[r + i];
    if (any == 0)
        return 0;
    *first = __builtin_ctzll(any);
    *end   = 64 - __builtin_clzll(any);
    return 1;
}

static void flash_block(const sbi_flash_tile *t)
{
    _Alignas(64) float s[MR * SB_TILE_KEYS] = {0};
    for (int64_t r = 0; r < t->n_rows; r += MR) {
        int64_t first, end;
        int     mr = t->n_rows - r < MR ? (int)(t->n_rows - r) : MR;
        if (!seen_lanes(t, r, mr, &first, &end))
            continue;
        operands qk = {.a   = t->q + r * t->dim,
                       .lda = t->dim,
                       .b   = t->kt,
                       .ldb = SB_TILE_KEYS,
                       .c   = s,
                       .ldc = SB_TILE_KEYS,
                       .k   = t->dim};
        scores(mr, &qk, end);
        float alpha[MR];
        for (int i = 0; i < mr; i++)
            alpha[i] =
                softmax_row(s + i * SB_TILE_KEYS, t->visible[r + i], &t->m[r + i], &t->l[r + i]);
        if (t->v == NULL)
            continue;
        operands pv = {.a     = s + first,
                       .lda   = SB_TILE_KEYS,
                       .b     = t->v + first * t->dim,
                       .ldb   = t->dim,
                       .c     = t->o + r * t->dim,
                       .ldc   = t->dim,
                       .k     = end - first,
                       .alpha = alpha};
        accumulate(mr, &pv, t->dim);
    }
}

static void flash_exp(const float *x, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i += VLEN)
        vf_store(y + i, vf_exp(vf_load(x + i)));
}

static void set_columns(int mr, const operands *g, int64_t columns)
{
    int64_t x = 0;
    for (; x + NV * VLEN <= columns; x += NV * VLEN)
        panel(NV, 1, mr, g, x);
    for (; x < columns; x += VLEN)
        panel(1, 1, mr, g, x);
}

static void flash_matmul(const sbi_matmul *g)
{
    for (int64_t r = 0; r < g->m; r += MR) {
        int      mr  = g->m - r < MR ? (int)(g->m - r) : MR;
        int64_t  end = r + mr, n = (end + 15) / 16 * 16; /* of the lower triangle */
        operands x = {.a     = g->a + r * g->lda,
                      .lda   = g->lda,
                      .b     = g->b,
                      .ldb   = g->ldb,
                      .c     = g->c + r * g->ldc,
                      .ldc   = g->ldc,
                      .k     = g->lower == SBI_LOWER_A && end < g->k ? end : g->k,
                      .alpha = g->alpha == NULL ? NULL : g->alpha + r};
        n          = g->lower == SBI_LOWER_C && n < g->n ? n : g->n;
        if (g->alpha == NULL)
            set_columns(mr, &x, n);
        else
            accumulate(mr, &x, n);
    }
}

#include "kernels/exec/flash_thin_impl.h"
