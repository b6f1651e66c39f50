/* The forward pass on a device that is none (fake_device.h): the model's own CPU code works in that
 * memory, and so do the CPU's executors. What stands where, what comes back, what is refused; the
 * real device: tests/cuda/test_forward_cuda.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/probe/probe.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/registry.h"
#include "tests/unit/harness/model/forward_double.h"
#include "tests/unit/harness/model/forward_rig.h"
#include "tests/unit/harness/run/fake_device.h"

static int wants_state; /* of attend: a cache whose state is on the device */

static void on_device(const sb_tensor *t) { ck_assert(forward_double_holds(t)); }

static void check_call(const sb_ctx *ctx, const sb_attn_in *in, const sb_cache *cache,
                       const sb_attn_out *out)
{
    ck_assert_ptr_eq(ctx->backend, &fake_backend);
    on_device(in->q);
    on_device(in->k);
    on_device(in->v);
    on_device(out->o);
    ck_assert_int_ge(
        fake_room_of(out->lse, (size_t)(out->o->heads * out->o->tokens) * sizeof *out->lse), 0);
    if (wants_state)
        ck_assert_int_ge(fake_room_of(cache->state, (size_t)cache->state_bytes), 0);
    else
        ck_assert_ptr_null(cache);
    fake_device.attends++;
}

static sb_status fake_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                             const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    check_call(ctx, in, cache, out);
    fake_enter(ctx->stream);
    sb_status st = sb_attend_block_csr_cpu(ctx, params, in, plan, NULL, out);
    fake_leave();
    return st;
}

static sb_status fake_scan(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                           const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    check_call(ctx, in, cache, out);
    fake_enter(ctx->stream);
    sb_status st = sb_attend_linear_scan_cpu(ctx, params, in, plan, cache, out);
    fake_leave();
    return st;
}

static void same(const forward_result *a, const forward_result *b)
{
    ck_assert_int_eq(a->n_emit, b->n_emit);
    ck_assert_int_eq(memcmp(a->emitted, b->emitted, (size_t)a->n_emit * sizeof *a->emitted), 0);
    ck_assert_int_eq(a->layers, b->layers);
    ck_assert_int_eq(a->n_q, b->n_q);
    ck_assert_int_eq(a->n_kv, b->n_kv);
    ck_assert_int_eq(memcmp(a->q, b->q, (size_t)a->n_q * sizeof *a->q), 0);
    ck_assert_int_eq(memcmp(a->k, b->k, (size_t)a->n_kv * sizeof *a->k), 0);
    ck_assert_int_eq(memcmp(a->v, b->v, (size_t)a->n_kv * sizeof *a->v), 0);
    ck_assert_int_eq(memcmp(a->o, b->o, (size_t)a->n_q * sizeof *a->o), 0);
    ck_assert_int_eq(memcmp(a->lse, b->lse, (size_t)a->n_lse * sizeof *a->lse), 0);
}

static const forward_spec specs[] = {
    {"niah_multiquery", 1024, "dense", "", 0},
    {"niah_multivalue", 1024, "streaming_llm", "window_tokens=300", 0}, /* rolls back */
    {"fwe", 1024, "power_attention", "block_tokens=64", 0},
    {"qa_2hop", 1024, "power_attention", "pattern=moa alpha_tokens=100",
     0}, /* its plan has state */
    {"niah_single", 1024, "a_shape", "sink_tokens=16 window_tokens=300", 1},
};

static void compare(const forward_spec *s, sb_attend_fn attend, int state)
{
    forward_result host, dev;
    sb_model      *plain = forward_probe(), *model = forward_double_probe();
    sb_method      m      = *sb_method_find(s->method);
    sb_method      dense  = *sb_method_find("dense");
    m.attend[SB_CUDA]     = attend;
    dense.attend[SB_CUDA] = attend;
    wants_state           = state;
    ck_assert_msg(forward_run(s, plain, &m, &dense, &sb_backend_cpu, &host) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_uint_eq(host.room.device_bytes, 0);
    ck_assert_uint_eq(host.room.host_bytes, host.high_water);
    ck_assert_msg(forward_run(s, model, &m, &dense, &fake_backend, &dev) == SB_OK, "%s",
                  sb_error_text());
    same(&host, &dev);
    ck_assert_int_eq(fake_device.attends, dev.layers * (2 + dev.n_feed));
    ck_assert_uint_eq(fake_device.used, 0); /* all rooms went back */
    ck_assert_uint_eq(dev.device_bytes, fake_device.most);
    ck_assert_uint_ge(dev.room.device_bytes, dev.device_bytes);
    ck_assert_uint_eq(dev.room.host_bytes, dev.high_water);
    ck_assert_int_le(dev.times.ns[SB_PHASE_ATTENTION], dev.times.ns[SB_PHASE_PREFILL]);
    ck_assert_int_gt(dev.times.ns[SB_PHASE_COMPUTE], 0);
    forward_free(&host);
    forward_free(&dev);
    sb_model_probe.destroy(plain);
    sb_model_probe.destroy(model);
}

START_TEST(answers_are_the_hosts) { compare(&specs[_i], fake_attend, 0); }
END_TEST

/* Looks that find the layer on the device see what copies show, and take no room for them. */
START_TEST(looks_there_see_the_hosts_rows)
{
    static const sb_look_ops ops;
    forward_result           copies;
    sb_model                *model = forward_double_probe();
    sb_method m = *sb_method_find(specs[_i].method), dense = *sb_method_find("dense");
    m.attend[SB_CUDA] = dense.attend[SB_CUDA] = fake_attend;
    wants_state                               = 0;
    ck_assert_int_eq(forward_run(&specs[_i], model, &m, &dense, &fake_backend, &copies), SB_OK);
    fake_reset();
    forward_look = &ops;
    compare(&specs[_i], fake_attend, 0);
    fake_reset();
    forward_result there;
    ck_assert_int_eq(forward_run(&specs[_i], model, &m, &dense, &fake_backend, &there), SB_OK);
    forward_look   = NULL;
    int64_t layers = copies.layers, rows = (2 * copies.n_q + 2 * copies.n_kv) / layers * 2;
    ck_assert_int_ge((int64_t)copies.room.host_bytes - (int64_t)there.room.host_bytes, rows);
    same(&copies, &there);
    forward_free(&copies);
    forward_free(&there);
    sb_model_probe.destroy(model);
}
END_TEST

static const forward_spec states[] = {
    {"niah_multivalue", 1024, "lightning", "slope_heads=kv", 0}, /* rolls back */
    {"niah_single", 1024, "linear", "kind=elu1", 0},
};

START_TEST(states_are_carried_there) { compare(&states[_i], fake_scan, 1); }
END_TEST

/* Room by room less of it: always no_fit with numbers, never a leak. */
START_TEST(too_little_memory_is_no_fit)
{
    const forward_spec *s     = &specs[2];
    sb_model           *model = forward_double_probe();
    sb_method           m     = *sb_method_find(s->method);
    forward_result      r;
    sb_status           st;
    int                 refused = 0;
    m.attend[SB_CUDA]           = fake_attend;
    wants_state                 = 0;
    for (size_t kib = 0;; kib += 2500) {
        fake_device.limit = kib << 10;
        st                = forward_run(s, model, &m, &m, &fake_backend, &r);
        ck_assert_uint_eq(fake_device.used, 0);
        forward_free(&r);
        if (st == SB_OK)
            break;
        ck_assert_msg(st == SB_ERR_NO_FIT, "%s", sb_error_text());
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "GiB more on the device"));
        refused++;
    }
    ck_assert_int_gt(refused, 2);
    sb_model_probe.destroy(model);
}
END_TEST

START_TEST(a_model_that_stays_on_the_host_is_refused)
{
    sb_model      *model = forward_double_probe();
    sb_method      m     = *sb_method_find("dense");
    forward_result r;
    m.attend[SB_CUDA] = fake_attend;
    forward_double_forget(model);
    ck_assert_int_eq(forward_run(&specs[0], model, &m, &m, &fake_backend, &r), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(
        strstr(sb_error_text(), "model probe has no fake implementation in this build"));
    forward_free(&r);
    sb_model_probe.destroy(model);
}
END_TEST

static sb_status no_plan(sb_ctx *ctx, const void *params, const sb_shape *shape, const sb_tensor *q,
                         const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)ctx, (void)params, (void)shape, (void)q, (void)k, (void)cache, (void)plan;
    return SB_OK;
}

/* What several ranks cannot do on a device has a reason; one rank, and the cpu, can. */
START_TEST(what_more_ranks_cannot_do_is_refused)
{
    static const struct {
        const char    *method;
        sb_scheme_use  use;
        const char    *reason; /* NULL: they can */
    } cases[] = {
        {"dense", {.heads_at_once = 4}, NULL},
        {"dense", {.heads_at_once = 1}, NULL},
        {"dense", {.ring = 1}, NULL},
        {"flexprefill", {.team = 2}, NULL},
        {"hip", {.heads_at_once = 4}, NULL},
        {"hip",
         {.heads_at_once = 2},
         "found heads_at_once 2 on 2 ranks of backend fake, allowed all 4 KV heads"},
        {"flexprefill", {.heads_at_once = 4}, NULL},
        {"minference", {.heads_at_once = 4}, NULL},
        {"pbs_attn",
         {.heads_at_once = 1},
         "found heads_at_once 1 on 2 ranks of backend fake, allowed all 4 KV heads"},
        {"power_attention", /* as if it planned there: whole heads */
         {.heads_at_once = 4},
         "found allgather on 2 ranks of backend fake, allowed ulysses: power_attention plans "
         "there"},
        {"flexprefill", {.ring = 1}, "found ring on 2 ranks of backend fake"},
        {"random_blocks", {.ring = 1}, NULL},
        {"dense", {.team = 1}, NULL},
        {"random_blocks", {.team = 1}, NULL},
        {"flexprefill",
         {.team = 1},
         "found teams of 1 on 2 ranks of backend fake, allowed ulysses: flexprefill plans there"},
        {"dense", {.fetch = 1}, NULL},
        {"flexprefill",
         {.fetch = 1},
         "found fetch on 2 ranks of backend fake, allowed allgather and ulysses: flexprefill "
         "plans"},
        {"dense", {.pass_q = 1}, NULL},
        {"random_blocks",
         {.pass_q = 1},
         "found pass_q on 2 ranks of backend fake, allowed ring and ulysses: random_blocks plans"},
        {"lightning", {.state = 1}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_method m     = *sb_method_find(cases[i].method);
        int       plain = strcmp(m.name, "dense") == 0;
        m.plan[SB_CUDA] = plain || (m.caps & SB_CAP_STATE) != 0 ? NULL : no_plan;
        sb_status st    = sb_scheme_check_device(cases[i].use, &m, &fake_backend, 2, 4);
        ck_assert_msg(st == (cases[i].reason == NULL ? SB_OK : SB_ERR_UNSUPPORTED), "case %zu: %s",
                      i, sb_error_text());
        if (cases[i].reason != NULL)
            ck_assert_msg(strstr(sb_error_text(), cases[i].reason) != NULL, "%s", sb_error_text());
        ck_assert_int_eq(sb_scheme_check_device(cases[i].use, &m, &fake_backend, 1, 4), SB_OK);
        ck_assert_int_eq(sb_scheme_check_device(cases[i].use, &m, &sb_backend_cpu, 2, 4), SB_OK);
        ck_assert_int_eq(sb_shard_check_decode(&fake_backend, &m, 2),
                         plain ? SB_OK : SB_ERR_UNSUPPORTED);
    }
    ck_assert_int_eq(
        sb_scheme_on_device((sb_scheme_use){0}, sb_method_find("dense"), 2, 4).heads_at_once, 4);
    ck_assert_int_eq(
        sb_scheme_on_device((sb_scheme_use){0}, sb_method_find("dense"), 1, 4).heads_at_once, 0);
    ck_assert_int_eq(
        sb_scheme_on_device((sb_scheme_use){.state = 1}, sb_method_find("lightning"), 2, 4)
            .heads_at_once,
        0);
    ck_assert_int_eq(sb_scheme_on_device((sb_scheme_use){.ring = 1}, sb_method_find("dense"), 2, 4)
                         .heads_at_once,
                     0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("forward pass on a device");
    TCase *t = tcase_create("fake");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, fake_reset, NULL);
    tcase_add_loop_test(t, looks_there_see_the_hosts_rows, 0, sizeof specs / sizeof *specs);
    tcase_add_loop_test(t, answers_are_the_hosts, 0, sizeof specs / sizeof *specs);
    tcase_add_loop_test(t, states_are_carried_there, 0, sizeof states / sizeof *states);
    tcase_add_test(t, too_little_memory_is_no_fit);
    tcase_add_test(t, a_model_that_stays_on_the_host_is_refused);
    tcase_add_test(t, what_more_ranks_cannot_do_is_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
