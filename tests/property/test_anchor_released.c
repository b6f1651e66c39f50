/* anchor_attention 2, 10: the windows of the released kernel, whose overlaps count twice. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/anchor_attention/anchor_attention.h"
#include "tests/oracle/case.h"
#include "tests/property/anchor_judge.h"

/* Windows `released`, rows of every super-block and of the tail: stripes in the first super-block
 * weigh twice, in output and LSE. Some row's LSE is above the dense one, which tells [10], and
 * theta = +inf is not dense. */
START_TEST(released_weighs_overlaps_twice)
{
    enum { N = 250, H = 4 }; /* token numbers are exact in bf16 */
    static double margin[4][N];
    sb_case      *c     = sb_case_random((sb_case_shape){N, N, H, 2, 32}, 40);
    ajudge_rule   r     = {8, 8, 4, 1, 0};
    int64_t       above = 0, differs = 0;
    double        lse, dense;
    char          params[160];
    for (int64_t h = 0; h < 2; h++)
        for (int64_t j = 0; j < N; j++)
            *sb_tensor_bf16(&c->v, h, j) = sb_bf16_from_f32((float)j);
    for (int theta = 0; theta < 2; theta++) {
        r.theta = theta == 0 ? 4 : 1e9;
        ajudge_params(&r, params, sizeof params);
        ck_assert_msg(sb_case_attend(c, &sb_anchor_attention, params, SB_F32) == SB_OK, "%s",
                      sb_error_text());
        ck_assert_int_eq(c->plan.own_softmax, 1);
        for (int64_t h = 0; h < H; h++) {
            for (int64_t g = 1; g < N / 64; g++)
                ajudge_margins(&c->q, &c->k, &r, h, g, margin[g]);
            for (int64_t i = 0; i < N; i++) {
                ajudge_rule all        = {1000, 1, 0, 0, 0};
                int64_t     g          = i / 64;
                double      o          = ajudge_row(&c->q, &c->k, &r, h, i,
                                      g > 0 && g < N / 64 ? margin[g] : NULL, &lse);
                double      want_dense = ajudge_row(&c->q, &c->k, &all, h, i, NULL, &dense);
                ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, h, i)[0] - o), 1e-3);
                ck_assert_double_le(fabs((double)c->lse[h * N + i] - lse), 1e-4);
                above += lse > dense + 1e-3;
                differs += theta == 1 && fabs(o - want_dense) > 1;
            }
        }
    }
    ck_assert_int_gt(above, 10);
    ck_assert_int_gt(differs, 10);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("anchor_attention released");
    TCase *t = tcase_create("windows");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, released_weighs_overlaps_twice);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
