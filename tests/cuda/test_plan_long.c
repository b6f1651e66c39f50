/* Plans of 128K and of a million tokens made on the device beside the CPU's: what is larger there
 * than in short contexts is offsets, counts and the room of the streaming forms. Some 110 rows a
 * head are looked at, of as many query blocks. Without a device: skipped (77). */
#include <check.h>
#include <stdio.h>

#include "tests/cuda/device_main.h"
#include "tests/cuda/device_plan.h"

/* A million tokens take up to this much of the device. */
enum { LEAST_GIB = 60 };

static const plan_spec specs[] = {
    {"flexprefill", "gamma=.9", "structured", 4, 1, 128, 131072},
    {"pbs_attn", "", "structured", 4, 1, 128, 131072},
    {"hip", "", "structured", 4, 1, 128, 131072},
    {"hip", "top_k_tokens=2048 window_tokens=1024", "structured", 2, 1, 128, 131072},
    {"xattention", "", "structured", 4, 1, 128, 131072},
    {"minference", "vertical_tokens=1000 slash_tokens=6096", "structured", 4, 1, 128, 131072},
    {"minference", "pattern=block_sparse", "structured", 4, 1, 128, 131072},
    {"anchor_attention", "theta=4", "structured", 4, 1, 128, 131072},
    {"flexprefill", "gamma=.9", "structured", 2, 1, 128, 1048576},
    {"pbs_attn", "", "structured", 2, 1, 128, 1048576},
    {"hip", "", "structured", 2, 1, 128, 1048576},
    {"minference", "vertical_tokens=512 slash_tokens=2048", "structured", 2, 1, 128, 1048576},
    {"minference", "pattern=block_sparse", "structured", 2, 1, 128, 1048576},
    {"anchor_attention", "theta=4", "structured", 2, 1, 128, 1048576},
};

START_TEST(device_and_host_select_the_same)
{
    const plan_spec *s = &specs[_i];
    plan_apart       r = device_plan_compare(s);
    (void)printf("%s %s, %lld tokens: density %.4f, of %lld rows %lld equal, differ %.2e, recall "
                 "%.5f and %.5f\n",
                 s->method, s->params, (long long)s->n_tokens, r.density, (long long)r.rows,
                 (long long)r.equal_rows, r.share, r.recall[0], r.recall[1]);
    (void)fflush(stdout);
    ck_assert_int_ge(r.rows, 64 * s->heads);
    device_plan_hold(s, &r);
}
END_TEST

int main(void)
{
    int missing = device_missing(LEAST_GIB);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("plan_long");
    TCase *t = tcase_create("long");
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, device_and_host_select_the_same, 0, (int)(sizeof specs / sizeof *specs));
    suite_add_tcase(s, t);
    return device_run(s);
}
