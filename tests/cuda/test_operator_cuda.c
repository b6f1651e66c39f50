/* The operator on the device beside the operator on the CPU, for the methods whose records say that
 * they attend there. Without a device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>

#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/tolerance.h"
#include "tests/unit/harness/run/operator_rig.h"

static const rig_spec specs[] = {
    {"dense", "", 8, 2, 128, 1000, 1000},
    {"dense", "", 4, 4, 64, 777, 130},
    {"a_shape", "sink_tokens=8 window_tokens=150", 8, 2, 128, 900, 900},
    {"streaming_llm", "sink_tokens=4 window_tokens=65", 8, 1, 64, 700, 700},
    {"power_attention", "block_tokens=128", 8, 2, 128, 1400, 1400},
    {"power_attention", "block_tokens=64 window_blocks=2", 4, 2, 64, 1000, 1000},
    {"power_attention", "pattern=moa alpha_tokens=100", 4, 4, 64, 900, 900},
    {"power_attention", "pattern=dilated block_tokens=24 window_blocks=9 dilation_blocks=3", 4, 2,
     128, 900, 900},
    /* the last queries only, groups and super-blocks cut by their start */
    {"xattention", "", 4, 2, 128, 3000, 1011},
    {"xattention", "stride_tokens=8 tau=0.8", 4, 1, 64, 2500, 1},
    {"anchor_attention", "theta=4", 4, 2, 128, 9000, 5000},
    {"lightning", "", 8, 8, 128, 1000, 1000},
    {"lightning", "act=identity slope_heads=kv", 8, 2, 64, 700, 700},
    {"linear", "kind=retnet", 4, 2, 128, 1500, 1500},
    {"linear", "kind=elu1", 8, 4, 64, 777, 777},
    {"linear", "kind=elu1", 4, 4, 128, 50, 50},
    {"linear", "kind=gla gate=-0.01", 8, 2, 128, 1500, 1500},
    {"linear", "kind=gated_delta gate=-0.01", 4, 2, 128, 1500, 1500},
    {"linear", "kind=aaren", 8, 4, 64, 777, 777},
};

START_TEST(device_and_host_agree)
{
    const rig_spec  *s = &specs[_i];
    const sb_method *m = sb_method_find(s->method);
    rig_result       host, dev;
    double           num = 0, den = 0, worst = 0;
    ck_assert_msg(rig_run(s, m, &sb_backend_cpu, &host) == SB_OK, "%s", sb_error_text());
    ck_assert_msg(rig_run(s, m, &sb_backend_cuda, &dev) == SB_OK, "%s", sb_error_text());
    for (int64_t i = 0; i < host.n; i++) {
        double want = (double)sb_bf16_to_f32(host.o[i]), got = (double)sb_bf16_to_f32(dev.o[i]);
        num += (got - want) * (got - want);
        den += want * want;
    }
    for (int64_t i = 0; i < host.n_lse; i++)
        worst = fmax(worst, fabs((double)host.lse[i] - (double)dev.lse[i]));
    /* both sides round o */
    double limit = m->caps & SB_CAP_STATE ? SB_SCAN_REL_BF16 * SB_SCAN_REL_BF16
                                          : SB_NMSE_PO_BF16 + SB_NMSE_BF16;
    ck_assert_msg(isfinite(num) && num <= limit * den, "%s %s: nmse %g", s->method, s->params,
                  num / den);
    ck_assert_msg(worst <= SB_LSE_DEVICE_ABS, "%s %s: lse %g", s->method, s->params, worst);
    ck_assert_int_gt(dev.times.ns[SB_PHASE_COMPUTE], 0);
    ck_assert_int_le(dev.times.ns[SB_PHASE_COMPUTE], dev.times.ns[SB_PHASE_ATTENTION]);
    rig_free(&host);
    rig_free(&dev);
}
END_TEST

START_TEST(other_widths_are_refused)
{
    const rig_spec s = {"dense", "", 4, 2, 32, 100, 100};
    rig_result     r;
    ck_assert_int_eq(rig_run(&s, sb_method_find("dense"), &sb_backend_cuda, &r),
                     SB_ERR_UNSUPPORTED);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("operator cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, device_and_host_agree, 0, sizeof specs / sizeof *specs);
    tcase_add_test(t, other_widths_are_refused);
    suite_add_tcase(s, t);
    return device_run(s);
}
