/* Merging partials: the tests of sharding 12, "merge". */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/merge_lse.h"
#include "tests/tolerance.h"

enum { D = 70 }; /* not a multiple of anything */

static sb_partials wire(const float *base, int64_t parts, int64_t rows)
{
    return (sb_partials){.o               = base,
                         .lse             = base + D,
                         .o_part_stride   = rows * (D + 1),
                         .o_row_stride    = D + 1,
                         .lse_part_stride = rows * (D + 1),
                         .lse_row_stride  = D + 1,
                         .n_parts         = parts,
                         .rows            = rows,
                         .dim             = D};
}

static float rnd(uint64_t *s) { return (float)(sb_mix((*s)++) >> 40) * 0x1p-23f - 1.0f; }

START_TEST(identity)
{
    float    p[2][D + 1], o[D], lse;
    uint64_t s = 1;
    for (int x = 0; x < D; x++) {
        p[0][x] = rnd(&s);
        p[1][x] = NAN; /* an empty part's o is never read as a number */
    }
    p[0][D]           = 3.25f;
    p[1][D]           = -INFINITY;
    sb_partials parts = wire(p[0], 2, 1);
    sb_merge_lse(&parts, SB_F32, o, &lse);
    ck_assert_mem_eq(o, p[0], sizeof o);
    ck_assert(lse == 3.25f);
    parts.n_parts = 1;
    sb_merge_lse(&parts, SB_F32, o, NULL);
    ck_assert_mem_eq(o, p[0], sizeof o);
}
END_TEST

START_TEST(both_empty)
{
    float   p[2][D + 1], o[D], lse = 1;
    sb_bf16 h[D];
    for (int i = 0; i < D; i++)
        p[0][i] = p[1][i] = NAN;
    p[0][D] = p[1][D] = -INFINITY;
    sb_partials parts = wire(p[0], 2, 1);
    memset(o, 0xff, sizeof o);
    memset(h, 0xff, sizeof h);
    sb_merge_lse(&parts, SB_F32, o, &lse);
    sb_merge_lse(&parts, SB_BF16, h, NULL);
    ck_assert(lse == -INFINITY);
    for (int x = 0; x < D; x++)
        ck_assert(o[x] == 0.0f && h[x] == 0);
}
END_TEST

START_TEST(gaps_of_80)
{
    float       p[2][D + 1] = {{0}}, o[D], lse, sign = _i ? 80.0f : -80.0f;
    sb_partials parts = wire(p[0], 2, 1);
    for (int x = 0; x < D; x++) {
        p[0][x] = 1.0f;
        p[1][x] = -2.0f;
    }
    p[0][D] = 700.0f;
    p[1][D] = 700.0f + sign;
    sb_merge_lse(&parts, SB_F32, o, &lse);
    for (int x = 0; x < D; x++)
        ck_assert(o[x] == (_i ? -2.0f : 1.0f));
    ck_assert(lse == (_i ? 780.0f : 700.0f));
}
END_TEST

/* Random K-way: parts of one softmax over 64 scores, against fp64; any order of the parts gives it
 * to 1e-6. */
START_TEST(k_way_equals_full_softmax_and_commutes)
{
    enum { N = 64, ROWS = 5, K = 6 };
    uint64_t     s = (uint64_t)_i * 1000003u;
    static float score[ROWS][N], value[ROWS][N][D], p[2][K][ROWS][D + 1], o[2][ROWS][D],
        lse[2][ROWS];
    for (int r = 0; r < ROWS; r++)
        for (int j = 0; j < N; j++) {
            score[r][j] = 20.0f * rnd(&s);
            for (int x = 0; x < D; x++)
                value[r][j][x] = rnd(&s);
        }
    int cut[K + 1] = {0, 1, 17, 17, 40, 63, 64}; /* part 2 is empty */
    for (int k = 0; k < K; k++)
        for (int r = 0; r < ROWS; r++) {
            double top = -INFINITY, sum = 0, acc[D] = {0};
            for (int j = cut[k]; j < cut[k + 1]; j++)
                top = fmax(top, (double)score[r][j]);
            for (int j = cut[k]; j < cut[k + 1]; j++) {
                double w = exp((double)score[r][j] - top);
                sum += w;
                for (int x = 0; x < D; x++)
                    acc[x] += w * (double)value[r][j][x];
            }
            for (int x = 0; x < D; x++)
                p[0][k][r][x] = sum > 0 ? (float)(acc[x] / sum) : 0.0f;
            p[0][k][r][D] = sum > 0 ? (float)(top + log(sum)) : -INFINITY;
            memcpy(p[1][K - 1 - k][r], p[0][k][r], sizeof p[0][0][0]);
        }
    for (int i = 0; i < 2; i++) {
        sb_partials parts = wire(p[i][0][0], K, ROWS);
        sb_merge_lse(&parts, SB_F32, o[i], lse[i]);
    }
    for (int r = 0; r < ROWS; r++) {
        double sum = 0, acc[D] = {0};
        for (int j = 0; j < N; j++) {
            double w = exp((double)score[r][j]);
            sum += w;
            for (int x = 0; x < D; x++)
                acc[x] += w * (double)value[r][j][x];
        }
        for (int i = 0; i < 2; i++)
            ck_assert_double_le(fabs((double)lse[i][r] - log(sum)), SB_LSE_ABS);
        for (int x = 0; x < D; x++) {
            ck_assert_double_le(fabs((double)o[0][r][x] - acc[x] / sum),
                                3e-6); /* lse rounded near 20: 1e-6 a weight */
            ck_assert_double_le(fabs((double)o[0][r][x] - (double)o[1][r][x]), SB_MERGE_ABS);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("merge_lse");
    TCase *t = tcase_create("merge");
    tcase_add_test(t, identity);
    tcase_add_test(t, both_empty);
    tcase_add_loop_test(t, gaps_of_80, 0, 2);
    tcase_add_loop_test(t, k_way_equals_full_softmax_and_commutes, 0, 20);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
