/* The energy of timed repetitions, over a device whose counter moves as the test wants. */
#include <check.h>
#include <math.h>
#include <stdlib.h>

#include "harness/comm/comms.h"
#include "harness/run/energy.h"

/* A counter that a device of `watts` moves every step_ns of the clock. */
static int64_t step_ns, milliwatts;

static sb_status state(sb_device_state *out)
{
    *out = (sb_device_state){0};
    out->energy_mj =
        milliwatts < 0 ? -1 : sb_now_ns() / step_ns * step_ns / 1000000 * milliwatts / 1000;
    return SB_OK;
}

static void pass(int64_t ns)
{
    for (int64_t t = sb_now_ns(); sb_now_ns() - t < ns;)
        continue;
}

START_TEST(basis_finds_the_step_and_the_idle_power)
{
    sb_backend      b = {.state = state};
    sb_energy_basis basis;
    step_ns    = 20000000; /* longer than a busy machine keeps a process waiting */
    milliwatts = 100000;
    sb_energy_basis_measure(&b, &basis);
    ck_assert_msg(llabs(basis.step_ns - step_ns) < step_ns / 2, "%lld", (long long)basis.step_ns);
    ck_assert_msg(llabs(basis.idle_mw - milliwatts) < milliwatts / 3, "%lld",
                  (long long)basis.idle_mw);
}
END_TEST

START_TEST(a_device_that_tells_nothing_has_no_basis)
{
    sb_backend      none = {0}, mute = {.state = state};
    sb_energy_basis basis = {1, 1};
    sb_energy_basis_measure(&none, &basis);
    ck_assert_int_eq(basis.step_ns, 0);
    milliwatts = -1;
    sb_energy_basis_measure(&mute, &basis);
    ck_assert_int_eq(basis.step_ns, 0);
}
END_TEST

START_TEST(only_long_repetitions_have_a_figure)
{
    sb_comm        *self = NULL;
    sb_backend      b    = {.state = state};
    sb_energy_meter m;
    sb_result       r = {0};
    ck_assert_int_eq(sb_comm_self_create(&self), SB_OK);
    sb_bench bench = {.comm = self, .backend = &b, .energy = {2000000, 50000}};
    step_ns        = 2000000;
    milliwatts     = 400000;
    sb_energy_begin(&bench, &m);
    pass(10000000); /* 5 steps */
    ck_assert_int_eq(sb_energy_end(&bench, &m, "prefill", 3, &r), SB_OK);
    ck_assert_int_eq(r.facts.n_energy, 0);
    sb_energy_begin(&bench, &m);
    pass(60000000); /* 30 steps: 24 J */
    ck_assert_int_eq(sb_energy_end(&bench, &m, "prefill", 3, &r), SB_OK);
    ck_assert_int_eq(r.facts.n_energy, 1);
    const sb_energy_facts *e    = &r.own.energy[0];
    double                 want = (double)e->duration_ns * 1e-9 * (double)milliwatts;
    ck_assert_msg(fabs((double)e->millijoules - want) < .15 * want, "%lld mJ, %g",
                  (long long)e->millijoules, want);
    ck_assert_int_eq(e->repetitions, 3);
    ck_assert_int_eq(e->idle_mw, 50000);
    bench.energy = (sb_energy_basis){0}; /* never asked */
    sb_energy_begin(&bench, &m);
    pass(1000000);
    ck_assert_int_eq(sb_energy_end(&bench, &m, "prefill", 3, &r), SB_OK);
    ck_assert_int_eq(r.facts.n_energy, 1);
    sb_comm_destroy(self);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("energy");
    TCase *t     = tcase_create("meter");
    tcase_add_test(t, basis_finds_the_step_and_the_idle_power);
    tcase_add_test(t, a_device_that_tells_nothing_has_no_basis);
    tcase_add_test(t, only_long_repetitions_have_a_figure);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
