/* The inner steps that executors share, one kernel variant at a time: exp, matrix product,
 * few rows against packed ones. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/base/rng.h"
#include "kernels/exec/flash.h"
#include "tests/tolerance.h"

static const sbi_flash_ops *const ops[SB_CPU_ISA_COUNT] = {
    &sbi_flash_generic,
#if defined(__x86_64__)
    &sbi_flash_avx2,
    &sbi_flash_avx512,
#endif
};

START_TEST(vector_exp_is_accurate)
{
    if (!sb_cpu_isa_available((sb_cpu_isa)_i))
        return;
    float  x[16], y[16];
    double worst = 0;
    for (double at = -87.33; at < 0.001; at += 0.0005) {
        for (int i = 0; i < 16; i++)
            x[i] = fminf(0.0f, (float)(at + i * 3e-5));
        ops[_i]->exp(x, y, 16);
        for (int i = 0; i < 16; i++)
            worst = fmax(worst, fabs((double)y[i] / exp((double)x[i]) - 1));
    }
    ck_assert_double_le(worst, SB_EXP_REL);
    for (int i = 0; i < 16; i++)
        x[i] = (const float[]){0.0f, -0.0f, -INFINITY, -88.0f, -1e30f, NAN}[i % 6];
    ops[_i]->exp(x, y, 16);
    ck_assert(y[0] == 1.0f && y[1] == 1.0f && y[2] == 0.0f && y[3] == 0.0f && y[4] == 0.0f &&
              isnan(y[5]));
}
END_TEST

enum { WIDE = 160 };

static float number(uint64_t key) { return (float)(int)(sb_mix(key) % 9) - 4; }

/* Small integers, so that every sum is exact: c and all that is not c, for every number of rows and
 * columns, ragged row groups, set and added, whole and below the diagonal. */
START_TEST(matmul_is_exact_on_integers)
{
    static const int64_t rows[] = {1, 5, 6, 7, 16, 64, 131}, columns[] = {16, 32, 48, 128, 144},
                         sums[] = {0, 1, 3, 64, 129};
    static float a[WIDE * WIDE], b[WIDE * WIDE], c[WIDE * WIDE], alpha[WIDE];
    if (!sb_cpu_isa_available((sb_cpu_isa)_i))
        return;
    for (int64_t which = 0; which < 7 * 5 * 5 * 6; which++) {
        int64_t    m = rows[which % 7], n = columns[which / 7 % 5], k = sums[which / 35 % 5];
        int32_t    lower = (int32_t)(which / 175 % 3), add = (int32_t)(which / 525), bad = 0;
        sbi_matmul g = {m, n, k, a, b, c, WIDE, WIDE, WIDE, add ? alpha : NULL, lower};
        for (int64_t i = 0; i < WIDE * WIDE; i++) {
            int64_t row = i / WIDE, x = i % WIDE;
            a[i] = lower == SBI_LOWER_A && x > row ? 0 : number((uint64_t)i);
            b[i] = number(~(uint64_t)i);
            c[i] = 1000;
        }
        for (int64_t i = 0; i < WIDE; i++)
            alpha[i] = (float)(i % 3);
        ops[_i]->matmul(&g);
        for (int64_t i = 0; i < WIDE; i++)
            for (int64_t x = 0; x < WIDE; x++) {
                float want = add && i < m ? alpha[i] * 1000 : 0;
                for (int64_t y = 0; y < k && i < m; y++)
                    want += a[i * WIDE + y] * b[y * WIDE + x];
                if (i >= m || x >= n)
                    want = 1000; /* not its business */
                if (lower == SBI_LOWER_C && i < m && x < n && x > i)
                    continue; /* nobody reads it */
                bad |= c[i * WIDE + x] != want;
            }
        ck_assert_msg(!bad, "m %lld n %lld k %lld lower %d add %d", (long long)m, (long long)n,
                      (long long)k, lower, add);
    }
}
END_TEST

/* One tile in two copies: state that two blocks of random keys and masks have gone through. */
typedef struct thin_state {
    float    o[2][16 * SB_TILE_DIM_MAX], m[2][16], l[2][16];
    uint64_t visible[16];
} thin_state;

/* Rows that read K and V as they lie have the bits of packed ones: _i, the variant. */
START_TEST(thin_rows_equal_packed_ones)
{
    static thin_state         s;
    static sb_bf16            kv[2][64 * SB_TILE_DIM_MAX];
    static float              q[16 * SB_TILE_DIM_MAX];
    static _Alignas(64) float kt[64 * SB_TILE_DIM_MAX], v[64 * SB_TILE_DIM_MAX];
    sb_rng                    r = {(uint64_t)_i + 5};
    if (!sb_cpu_isa_available((sb_cpu_isa)_i))
        return;
    for (int64_t d = 16; d <= SB_TILE_DIM_MAX; d += 16)
        for (int64_t rows = 1; rows <= 13; rows++) {
            const sb_bf16 *k_row[64], *v_row[64];
            sbi_flash_tile t = {.n_rows = rows, .dim = d, .q = q, .visible = s.visible, .kt = kt};
            for (int64_t i = 0; i < 16; i++)
                for (int c = 0; c < 2; c++) {
                    s.m[c][i] = -INFINITY;
                    s.l[c][i] = 0;
                }
            memset(s.o, 0, sizeof s.o);
            for (int64_t i = 0; i < rows * d; i++)
                q[i] = (float)sb_rng_below(&r, 1000) * 1e-3f - 0.5f;
            for (int block = 0; block < 3; block++) {
                for (int64_t i = 0; i < 64 * d; i++)
                    for (int x = 0; x < 2; x++)
                        kv[x][i] = sb_bf16_from_f32((float)sb_rng_below(&r, 4000) * 1e-3f - 2.0f);
                for (int64_t i = 0; i < 64; i++) {
                    k_row[i] = kv[0] + (i * 7 % 64) * d;
                    v_row[i] = kv[1] + (i * 5 % 64) * d;
                }
                for (int64_t i = 0; i < rows; i++) {
                    uint64_t some = sb_mix(sb_rng_below(&r, UINT64_MAX));
                    uint64_t low  = some >> sb_rng_below(&r, 64);
                    s.visible[i]  = i % 4 == 0 ? ~UINT64_C(0) : i % 4 == 1 ? some : low & some;
                }
                for (int c = 0; c < 2; c++) {
                    t.o = s.o[c];
                    t.m = s.m[c];
                    t.l = s.l[c];
                    t.v = v;
                    if (c == 0) {
                        ops[_i]->pack(k_row, v_row, d, kt, v);
                        ops[_i]->block(&t);
                    } else {
                        ops[_i]->thin(&t, k_row, v_row);
                    }
                }
            }
            ck_assert_mem_eq(s.m[0], s.m[1], sizeof s.m[0]);
            ck_assert_mem_eq(s.l[0], s.l[1], sizeof s.l[0]);
            for (int64_t i = 0; i < rows * d; i++) /* == : zeros may differ in sign */
                if (s.o[0][i] != s.o[1][i])
                    ck_abort_msg("dim %d, %d rows, number %d", (int)d, (int)rows, (int)i);
        }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flash ops");
    TCase *t = tcase_create("variants");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, vector_exp_is_accurate, 0, SB_CPU_ISA_COUNT);
    tcase_add_loop_test(t, matmul_is_exact_on_integers, 0, SB_CPU_ISA_COUNT);
    tcase_add_loop_test(t, thin_rows_equal_packed_ones, 0, SB_CPU_ISA_COUNT);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
