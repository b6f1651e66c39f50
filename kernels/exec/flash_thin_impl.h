/* The flash step for few rows, straight from K and V: the rest of flash_impl.h, which includes it
 * last. Packing a block for one row costs as much as the row; here keys are transposed in registers
 * and values widened as they are read. The sums are those of the packed step, term by term. */

enum {
    THIN_GROUPS  = 4, /* of VLEN keys at a time, at most: chains hide each other's latency */
    THIN_VECTORS = 8, /* columns of one row at a time, in vectors */
    THIN_KEYS    = 16 /* values that all columns take before the next ones: 4 KiB of d = 128 */
};

/* One row of K or V into the cache: rows that are read once each, a piece of every one at a time,
 * are no stream that hardware would see. */
static inline void thin_fetch(const sb_bf16 *row, int64_t dim)
{
    for (int64_t x = 0; x < dim; x += 32) /* 64 bytes */
        __builtin_prefetch(row + x);
}

/* scores() without a packed block: c[i][key] = sum of q[i][x] * k[key][x], x ascending. */
static inline __attribute__((always_inline)) void thin_scores(const int mr, const int groups,
                                                              const float          *q,
                                                              const sb_bf16 *const *k_row,
                                                              int64_t dim, int64_t keys, float *c)
{
    for (int64_t key = 0; key < keys; key += groups * VLEN) {
        vf acc[THIN_GROUPS][MR];
        for (int64_t i = key + groups * VLEN; i < keys && i < key + 2 * groups * VLEN; i++)
            thin_fetch(k_row[i], dim);
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++)
#pragma GCC unroll 8
            for (int i = 0; i < mr; i++)
                acc[g][i] = vf_set1(0.0f);
        for (int64_t x = 0; x < dim; x += KEY_DIMS) {
            int64_t n = dim - x < KEY_DIMS ? dim - x : KEY_DIMS;
            vf      t[THIN_GROUPS][KEY_DIMS];
#pragma GCC unroll 8
            for (int g = 0; g < groups; g++)
                widen_keys(k_row + key + g * VLEN, x, n, t[g]);
            for (int64_t j = 0; j < n; j++)
#pragma GCC unroll 8
                for (int i = 0; i < mr; i++) {
                    vf qi = vf_set1(q[i * dim + x + j]);
#pragma GCC unroll 8
                    for (int g = 0; g < groups; g++)
                        acc[g][i] = vf_fma(qi, t[g][j], acc[g][i]);
                }
        }
#pragma GCC unroll 8
        for (int g = 0; g < groups; g++)
#pragma GCC unroll 8
            for (int i = 0; i < mr; i++)
                vf_store(c + i * SB_TILE_KEYS + key + g * VLEN, acc[g][i]);
    }
}

/* Columns [column, column + nv * VLEN) of o = alpha * o + p * v, keys ascending. */
static inline __attribute__((always_inline)) void
thin_values(const int mr, const int nv, const float *p, const sb_bf16 *const *v_row, int64_t keys,
            int64_t dim, int64_t column, const float *alpha, float *o)
{
    vf acc[MR][THIN_VECTORS];
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            acc[i][j] = vf_mul(vf_load(o + i * dim + column + j * VLEN), vf_set1(alpha[i]));
    for (int64_t key = 0; key < keys; key++) {
        vf v[THIN_VECTORS];
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            v[j] = vf_load_bf16(v_row[key] + column + j * VLEN);
#pragma GCC unroll 8
        for (int i = 0; i < mr; i++) {
            vf pi = vf_set1(p[i * SB_TILE_KEYS + key]);
#pragma GCC unroll 8
            for (int j = 0; j < nv; j++)
                acc[i][j] = vf_fma(pi, v[j], acc[i][j]);
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < mr; i++)
#pragma GCC unroll 8
        for (int j = 0; j < nv; j++)
            vf_store(o + i * dim + column + j * VLEN, acc[i][j]);
}

static inline __attribute__((always_inline)) void thin_accumulate(const int mr, const float *p,
                                                                  const sb_bf16 *const *v_row,
                                                                  int64_t keys, int64_t dim,
                                                                  const float *alpha, float *o)
{
    static const float one[MR] = {1.0f, 1.0f, 1.0f, 1.0f, 1.0f, 1.0f};
    const int          wide    = mr == 1 ? THIN_VECTORS : NV; /* accumulators that registers hold */
    for (int64_t key = 0; key < keys; key += THIN_KEYS, alpha = one) {
        int64_t n = keys - key < THIN_KEYS ? keys - key : THIN_KEYS, x = 0;
        for (int64_t i = key + n; i < keys && i < key + 2 * THIN_KEYS; i++)
            thin_fetch(v_row[i], dim);
        for (; x + wide * VLEN <= dim; x += wide * VLEN)
            thin_values(mr, wide, p + key, v_row + key, n, dim, x, alpha, o);
        for (; x < dim; x += VLEN)
            thin_values(mr, 1, p + key, v_row + key, n, dim, x, alpha, o);
    }
}

/* mr rows from r on, which see lanes [first, end) and maybe less. */
static inline __attribute__((always_inline)) void thin_rows(const int mr, const sbi_flash_tile *t,
                                                            int64_t r, int64_t first, int64_t end,
                                                            const sb_bf16 *const *k_row,
                                                            const sb_bf16 *const *v_row, float *s)
{
    float alpha[MR];
    for (int64_t i = first; t->v != NULL && i < end && i < first + THIN_KEYS; i++)
        thin_fetch(v_row[i], t->dim);
    thin_scores(mr, mr <= 2 ? THIN_GROUPS : 2, t->q + r * t->dim, k_row, t->dim, end, s);
    for (int i = 0; i < mr; i++)
        alpha[i] = softmax_row(s + i * SB_TILE_KEYS, t->visible[r + i], &t->m[r + i], &t->l[r + i]);
    if (t->v != NULL)
        thin_accumulate(mr, s + first, v_row + first, end - first, t->dim, alpha,
                        t->o + r * t->dim);
}

static void flash_thin(const sbi_flash_tile *t, const sb_bf16 *const k_row[SB_TILE_KEYS],
                       const sb_bf16 *const v_row[SB_TILE_KEYS])
{
    _Alignas(64) float s[MR * SB_TILE_KEYS] = {0};
    for (int64_t r = 0; r < t->n_rows; r += MR) {
        int64_t first, end;
        int     mr = t->n_rows - r < MR ? (int)(t->n_rows - r) : MR;
        if (!seen_lanes(t, r, mr, &first, &end))
            continue;
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        thin_rows(n, t, r, first, end, k_row, v_row, s);                                           \
        break;
        switch (mr) {
            ROWS(1)
            ROWS(2)
            ROWS(3)
            ROWS(4)
            ROWS(5)
        default:
            thin_rows(MR, t, r, first, end, k_row, v_row, s);
        }
#undef ROWS
    }
}
