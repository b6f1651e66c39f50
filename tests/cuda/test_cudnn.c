/* cuDNN's attention against the CPU's dense executor, and what `impl` makes of it. Without a device
 * or without the library: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/dense/dense.h"
#include "kernels/exec/cudnn.h"
#include "tests/cuda/device_case.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

static const sb_case_shape shapes[] = {
    {129, 129, 4, 4, 64},   {1000, 1000, 8, 2, 128}, {777, 777, 8, 1, 64},  {64, 320, 4, 2, 64},
    {256, 1152, 4, 1, 128}, {2048, 2048, 4, 2, 128}, {640, 640, 4, 1, 128}, {300, 1100, 8, 2, 128},
};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

static void compare(const sb_case_shape *s, sb_attend_fn attend, const char *what)
{
    sb_case    *c = sb_case_random(*s, 5);
    device_case d;
    ck_assert_int_eq(sb_case_attend(c, &sb_dense, "", SB_F32), SB_OK);
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    sb_status st = device_attend(&d, attend, NULL, c->scale, SB_OUT_SET, "auto");
    ck_assert_msg(st == SB_OK, "%s, %lld of %lld keys, %lld/%lld heads, d %lld: %s", what,
                  (long long)s->n_q, (long long)s->n_k, (long long)s->heads, (long long)s->kv_heads,
                  (long long)s->dim, sb_error_text());
    device_error e = device_compare(&d, &c->o, c->lse);
    ck_assert_msg(e.nmse <= SB_NMSE_PO_BF16 && e.lse_abs <= SB_LSE_DEVICE_ABS,
                  "%s, %lld of %lld keys, d %lld: nmse %g, lse %g", what, (long long)s->n_q,
                  (long long)s->n_k, (long long)s->dim, e.nmse, e.lse_abs);
    device_close(&d);
    sb_case_destroy(c);
}

START_TEST(matches_the_cpu) { compare(&shapes[_i], sb_attend_dense_cudnn, "cudnn"); }
END_TEST

START_TEST(auto_matches_the_cpu) { compare(&shapes[_i], sb_dense_attend_cuda, "auto"); }
END_TEST

START_TEST(a_second_call_gives_the_same_bits)
{
    sb_case    *c = sb_case_random(shapes[1], 9);
    device_case d;
    device_open(&d, &c->q, &c->k, &c->v, SB_BF16);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cudnn, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_OK);
    size_t bytes = (size_t)(d.got.heads * d.got.head_stride) * sizeof(sb_bf16);
    void  *first = malloc(bytes);
    ck_assert_ptr_nonnull(first);
    memcpy(first, d.got.data, bytes);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cudnn, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_OK);
    ck_assert_int_eq(memcmp(first, d.got.data, bytes), 0);
    free(first);
    device_close(&d);
    sb_case_destroy(c);
}
END_TEST

START_TEST(running_and_fp32_outputs_are_refused)
{
    sb_case    *c = sb_case_random(shapes[0], 9);
    device_case d;
    device_open(&d, &c->q, &c->k, &c->v, SB_F32);
    ck_assert_int_eq(device_attend(&d, sb_attend_dense_cudnn, NULL, c->scale, SB_OUT_SET, "auto"),
                     SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "running or fp32 output"));
    device_close(&d);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    char text[96];
    if (sb_backend_cuda.available() != SB_OK || sb_cudnn_describe(text, sizeof text) != SB_OK) {
        (void)printf("skipped: %s\n", sb_error_text());
        return 77;
    }
    (void)printf("cudnn %s\n", text);
    Suite   *s = suite_create("cudnn");
    TCase   *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, matches_the_cpu, 0, N_SHAPES);
    tcase_add_loop_test(t, auto_matches_the_cpu, 0, N_SHAPES);
    tcase_add_test(t, a_second_call_gives_the_same_bits);
    tcase_add_test(t, running_and_fp32_outputs_are_refused);
    suite_add_tcase(s, t);
    return device_run(s);
}
