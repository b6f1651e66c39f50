/* Functions on rows against double precision, and norms without weights. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/nn/activation.h"
#include "kernels/nn/norm.h"

static double want(sb_activation a, double x)
{
    double elu = x > 0 ? x : exp(x) - 1;
    switch (a) {
    case SB_ACT_SILU:
        return x / (1 + exp(-x));
    case SB_ACT_RELU:
        return fmax(x, 0);
    case SB_ACT_ELU:
        return elu;
    case SB_ACT_ELU1:
        return elu + 1;
    case SB_ACT_ELU2:
        return elu + 2;
    case SB_ACT_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case SB_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case SB_ACT_LEAK:
        return x > 0 ? x : x / 100;
    case SB_ACT_SINE:
        return sin(x);
    default:
        return x;
    }
}

START_TEST(functions_are_those_of_double_precision)
{
    for (int k = -400; k <= 400; k++) {
        float x = (float)k / 20, y = x;
        sb_activate((sb_activation)_i, &y, 1);
        ck_assert_double_le(fabs((double)y - want((sb_activation)_i, (double)x)),
                            4e-6 * fmax(1, fabs((double)x)));
    }
}
END_TEST

START_TEST(ends_do_not_become_no_numbers)
{
    static const float ends[] = {-1e30f, -200, 200, 1e30f};
    for (int i = 0; i < 4; i++) {
        float x = ends[i], gate = ends[i], one = 1;
        sb_activate((sb_activation)_i, &x, 1);
        ck_assert(!isnan(x));
        sb_geglu(&gate, &one, 1, 1, 1, 1);
        ck_assert(!isnan(gate));
    }
}
END_TEST

START_TEST(gates)
{
    enum { ROWS = 7, WIDTH = 5, LD = 8 };
    float gate[ROWS * LD], up[ROWS * LD], x[ROWS * LD];
    for (int i = 0; i < ROWS * LD; i++) {
        gate[i] = x[i] = (float)(i - 28) / 8;
        up[i]          = (float)(i % 5) - 2;
    }
    sb_geglu(gate, up, ROWS, WIDTH, LD, 2);
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < LD; c++) {
            double v = (double)x[r * LD + c];
            double g = v / 2 * (1 + tanh(sqrt(2 / acos(-1)) * (v + 0.044715 * v * v * v)));
            double w = c < WIDTH ? g * (double)up[r * LD + c] : v; /* between rows: untouched */
            ck_assert_double_le(fabs((double)gate[r * LD + c] - w), 4e-6);
        }
    sb_multiply(x, up, ROWS * LD, 2);
    for (int i = 0; i < ROWS * LD; i++)
        ck_assert_float_eq(x[i], (float)(i - 28) / 8 * up[i]);
}
END_TEST

START_TEST(a_norm_without_weights_is_one_with_ones)
{
    enum { ROWS = 3, WIDTH = 37 };
    float x[ROWS * WIDTH], y[ROWS * WIDTH], ones[WIDTH];
    for (int i = 0; i < ROWS * WIDTH; i++)
        x[i] = i < WIDTH ? 0 : sinf((float)i);
    for (int i = 0; i < WIDTH; i++)
        ones[i] = 1;
    sb_rmsnorm(x, ROWS, WIDTH, ones, 1e-6, y, 1);
    sb_rmsnorm(x, ROWS, WIDTH, NULL, 1e-6, x, 2); /* in place */
    ck_assert_mem_eq(x, y, sizeof x);
    ck_assert_float_eq(x[0], 0); /* a row of zeros stays one */
}
END_TEST

int main(void)
{
    Suite   *s = suite_create("activation");
    TCase   *t = tcase_create("rows");
    SRunner *r = srunner_create(s);
    tcase_add_loop_test(t, functions_are_those_of_double_precision, 0, SB_ACT_COUNT);
    tcase_add_loop_test(t, ends_do_not_become_no_numbers, 0, SB_ACT_COUNT);
    tcase_add_test(t, gates);
    tcase_add_test(t, a_norm_without_weights_is_one_with_ones);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
