/* The operator on a device that is none: memory of its own, seen only through the backend's table,
 * and an attend that runs the CPU's executor there. What reaches it, what comes back, what is
 * refused; the real device: tests/cuda/test_operator_cuda.c. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/shard/device.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/registry.h"
#include "tests/unit/harness/run/fake_device.h"
#include "tests/unit/harness/run/operator_rig.h"

static void on_device(const sb_tensor *t)
{
    ck_assert_int_ge(fake_room_of(t->data, (size_t)(t->heads * t->head_stride) * sizeof(sb_bf16)),
                     0);
}

static sb_status fake_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                             const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    ck_assert_ptr_eq(ctx->backend, &fake_backend);
    on_device(in->q);
    on_device(in->k);
    on_device(in->v);
    on_device(out->o);
    ck_assert_int_ge(
        fake_room_of(out->lse, (size_t)(out->o->heads * out->o->tokens) * sizeof *out->lse), 0);
    if (plan->parts & SB_PART_TILES)
        ck_assert_int_ge(
            fake_room_of(plan->tiles.id, (size_t)plan->tiles.capacity * sizeof *plan->tiles.id), 0);
    if (plan->form.head != NULL)
        ck_assert_int_ge(fake_room_of(plan->form.head, 1), 0);
    fake_device.attends++;
    fake_enter(ctx->stream);
    sb_status st = sb_attend_block_csr_cpu(ctx, params, in, plan, cache, out);
    fake_leave();
    return st;
}

static const rig_spec specs[] = {
    {"dense", "", 4, 2, 32, 300, 300},
    {"a_shape", "sink_tokens=8 window_tokens=50", 4, 2, 64, 300, 120},
    {"power_attention", "block_tokens=32", 4, 1, 32, 500, 500},
    {"power_attention", "pattern=moa alpha_tokens=100", 4, 4, 32, 500, 500},
};

START_TEST(results_are_the_hosts)
{
    const rig_spec *s = &specs[_i];
    rig_result      host, dev;
    sb_method       m = *sb_method_find(s->method);
    m.attend[SB_CUDA] = fake_attend;
    ck_assert_msg(rig_run(s, &m, &sb_backend_cpu, &host) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(fake_device.attends, 0);
    ck_assert_msg(rig_run(s, &m, &fake_backend, &dev) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(fake_device.attends, 2);
    ck_assert_int_eq(host.n, dev.n);
    ck_assert_int_eq(memcmp(host.o, dev.o, (size_t)host.n * sizeof *host.o), 0);
    ck_assert_int_eq(memcmp(host.lse, dev.lse, (size_t)host.n_lse * sizeof *host.lse), 0);
    ck_assert_int_gt(dev.times.ns[SB_PHASE_COMPUTE], 0);
    ck_assert_int_gt(dev.times.ns[SB_PHASE_SELECT], 0);
    ck_assert_int_le(dev.times.ns[SB_PHASE_COMPUTE] + dev.times.ns[SB_PHASE_SELECT],
                     dev.times.ns[SB_PHASE_ATTENTION]);
    ck_assert_uint_eq(fake_device.used, 0); /* all rooms went back */
    rig_free(&host);
    rig_free(&dev);
}
END_TEST

/* A method that carries a state: no index travels; its layout is the host's, and the room that it
 * asked for is in ctx->arena, at every call all of it. */
static sb_status fake_state(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                            const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    void *room = NULL;
    ck_assert_ptr_eq(ctx->backend, &fake_backend);
    on_device(in->q);
    on_device(in->k);
    on_device(in->v);
    on_device(out->o);
    ck_assert_ptr_nonnull(plan->method_data);
    ck_assert_ptr_null(cache);
    ck_assert_int_eq(sb_arena_alloc(ctx->arena, 4096, 1, "work", &room), SB_OK);
    ck_assert_int_ge(fake_room_of(room, 4096), 0);
    fake_enter(ctx->stream);
    memset(room, 0, 4096);
    fake_device.attends++;
    sb_status st = sb_attend_linear_scan_cpu(ctx, params, in, plan, cache, out);
    fake_leave();
    return st;
}

static int64_t fake_bytes(const void *params, const sb_shape *shape)
{
    (void)params;
    ck_assert_int_eq(shape->n_keys, 300);
    return 4096 + SB_ARENA_ALIGN; /* as a counting arena counts */
}

static const rig_spec states[] = {
    {"lightning", "", 4, 4, 64, 300, 300},
    {"lightning", "slope_heads=kv", 4, 2, 64, 300, 300},
    {"linear", "kind=elu1", 4, 2, 64, 300, 300},
    {"linear", "kind=retnet", 4, 1, 64, 300, 300},
};

START_TEST(states_are_the_hosts)
{
    const rig_spec *s = &states[_i];
    rig_result      host, dev;
    sb_method       m = *sb_method_find(s->method);
    m.attend[SB_CUDA] = fake_state;
    m.device_bytes    = fake_bytes;
    ck_assert_msg(rig_run(s, &m, &sb_backend_cpu, &host) == SB_OK, "%s", sb_error_text());
    ck_assert_msg(rig_run(s, &m, &fake_backend, &dev) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(fake_device.attends, 2);
    ck_assert_int_eq(memcmp(host.o, dev.o, (size_t)host.n * sizeof *host.o), 0);
    ck_assert_int_eq(memcmp(host.lse, dev.lse, (size_t)host.n_lse * sizeof *host.lse), 0);
    ck_assert_uint_eq(fake_device.used, 0);
    rig_free(&host);
    rig_free(&dev);
}
END_TEST

enum { GATED = 5, WIDE = 7 }; /* rows of a call, of which the host's gates have more */

static int with_gates; /* what the next call should find */

/* Gate of head h, row i, channel c is 100 h + 10 i + c; beta of it minus h + i. */
static sb_status fake_gated(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                            const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)plan;
    (void)cache;
    (void)out;
    fake_device.attends++;
    fake_enter(ctx->stream);
    ck_assert_int_eq(in->gate != NULL, with_gates);
    ck_assert_int_eq(in->beta != NULL, with_gates);
    for (int64_t h = 0; with_gates && h < 2; h++)
        for (int64_t i = 0; i < GATED; i++) {
            const float *gate = sb_tensor_f32(in->gate, h, i);
            ck_assert_int_ge(fake_room_of(gate, 4 * sizeof *gate), 0);
            for (int64_t c = 0; c < 4; c++)
                ck_assert_float_eq(gate[c], (float)(100 * h + 10 * i + c));
            ck_assert_int_ge(fake_room_of(sb_tensor_f32(in->beta, h, i), sizeof(float)), 0);
            ck_assert_float_eq(*sb_tensor_f32(in->beta, h, i), (float)(-h - i));
        }
    fake_leave();
    return SB_OK;
}

static sb_tensor host_tensor(sb_dtype dtype, int64_t dim, void *data, const sb_run *run)
{
    return (sb_tensor){.dtype       = dtype,
                       .heads       = 2,
                       .tokens      = GATED,
                       .dim         = dim,
                       .head_stride = WIDE * dim,
                       .gid         = {run, 1, GATED},
                       .data        = data};
}

/* Gates and betas reach the device, as many rows as the call has, and leave it again. */
START_TEST(gates_travel_with_the_call)
{
    static sb_bf16 rows[2 * WIDE * 4];
    static float   gates[2 * WIDE * 4], betas[2 * WIDE];
    sb_run         all = {0, GATED};
    sb_tensor      q = host_tensor(SB_BF16, 4, rows, &all), gate = q, beta = q;
    sb_shape  shape = {.q_gid = q.gid, .n_keys = 300, .heads = 2, .kv_heads = 2, .head_dim = 4};
    sb_plan   plan  = {0};
    sb_ctx    ctx   = {.backend = &fake_backend, .threads = 1};
    sb_method m     = *sb_method_find("linear");
    sb_device_call *call = NULL;
    gate                 = host_tensor(SB_F32, 4, gates, &all);
    beta                 = host_tensor(SB_F32, 1, betas, &all);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < WIDE; i++) {
            for (int64_t c = 0; c < 4; c++)
                gates[(h * WIDE + i) * 4 + c] = (float)(100 * h + 10 * i + c);
            betas[h * WIDE + i] = (float)(-h - i);
        }
    m.attend[SB_CUDA] = fake_gated;
    m.device_bytes    = fake_bytes;
    ck_assert_int_eq(sb_device_call_open(&fake_backend, &call), SB_OK);
    sb_attn_in  in  = {.q = &q, .k = &q, .v = &q, .scale = 1.0f};
    sb_attn_out out = {.o = &q, .mode = SB_OUT_SET};
    for (int i = 0; i < 4; i++) {
        with_gates = i % 2;
        ck_assert_int_eq(
            sb_device_call_sides(call, with_gates ? &gate : NULL, with_gates ? &beta : NULL),
            SB_OK);
        ck_assert_int_eq(
            sb_device_call_attend(call, &ctx, &m, NULL, &in, &shape, &plan, NULL, &out), SB_OK);
    }
    ck_assert_int_eq(fake_device.attends, 4);
    fake_device.limit = fake_device.used;
    gate.heads = beta.heads = 2;
    gate.tokens             = WIDE;
    ck_assert_int_eq(sb_device_call_sides(call, &gate, NULL), SB_ERR_NO_FIT);
    sb_device_call_close(call);
    ck_assert_uint_eq(fake_device.used, 0);
}
END_TEST

static int       layouts; /* so many so far */
static sb_status count_layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                              sb_cache *cache)
{
    (void)params;
    (void)shape;
    (void)cache;
    layouts += !ctx->arena->counting;
    *plan = (sb_plan){.row_tokens = 1};
    return SB_OK;
}
static sb_status no_choice(sb_ctx *ctx, const void *params, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)ctx;
    (void)params;
    (void)shape;
    (void)q;
    (void)k;
    (void)cache;
    plan->parts = SB_PART_WINDOW;
    return SB_OK;
}
static sb_status no_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                           const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)ctx;
    (void)params;
    (void)in;
    (void)plan;
    (void)cache;
    (void)out;
    return SB_OK;
}

/* A call like the last one finds its room laid out; queries in other runs, of the same number and
 * from the same one on, do not. */
START_TEST(layouts_are_of_their_runs)
{
    static sb_bf16   rows[2 * WIDE * 4];
    static sb_run    runs[][2] = {{{0, 2}, {8, 1}}, {{0, 2}, {8, 1}}, {{0, 2}, {16, 1}}, {{0, 3}}};
    static const int want[]    = {1, 1, 2, 3};
    sb_method        m         = *sb_method_find("dense");
    sb_ctx           ctx       = {.backend = &fake_backend, .threads = 1, .n_layers = 1};
    sb_device_call  *call      = NULL;
    m.layout_device            = count_layout;
    m.plan[SB_CUDA]            = no_choice;
    m.attend[SB_CUDA]          = no_attend;
    m.device_bytes             = fake_bytes;
    void *params               = calloc(1, m.params_bytes + 1);
    ck_assert_ptr_nonnull(params);
    layouts = 0;
    ck_assert_int_eq(sb_device_call_open(&fake_backend, &call), SB_OK);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        sb_tensor q     = host_tensor(SB_BF16, 4, rows, runs[i]);
        q.gid.n_runs    = runs[i][1].len > 0 ? 2 : 1;
        sb_shape shape  = {.q_gid = q.gid, .n_keys = 300, .heads = 2, .kv_heads = 2, .head_dim = 4};
        sb_plan  plan   = {0};
        sb_attn_in  in  = {.q = &q, .k = &q, .v = &q, .scale = 1.0f};
        sb_attn_out out = {.o = &q, .mode = SB_OUT_SET};
        ck_assert_msg(
            sb_device_call_attend(call, &ctx, &m, params, &in, &shape, &plan, NULL, &out) == SB_OK,
            "%s", sb_error_text());
        ck_assert_int_eq(layouts, want[i]);
    }
    sb_device_call_close(call);
    free(params);
    ck_assert_uint_eq(fake_device.used, 0);
}
END_TEST

/* Room by room less of it: always no_fit with numbers, never a leak. */
START_TEST(too_little_memory_is_no_fit)
{
    rig_result      r;
    const rig_spec *s = &specs[2];
    sb_method       m = *sb_method_find(s->method);
    sb_status       st;
    int             refused = 0;
    m.attend[SB_CUDA]       = fake_attend;
    for (size_t kib = 0;; kib += 40) {
        fake_device.limit = kib << 10;
        st                = rig_run(s, &m, &fake_backend, &r);
        ck_assert_uint_eq(fake_device.used, 0);
        if (st == SB_OK)
            break;
        ck_assert_msg(st == SB_ERR_NO_FIT, "%s", sb_error_text());
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "GiB more on the device"));
        refused++;
    }
    ck_assert_int_gt(refused, 4);
    rig_free(&r);
}
END_TEST

/* Every call of the backend's table fails once; none is taken for success, nothing stays. */
START_TEST(every_failing_call_comes_back)
{
    const rig_spec *s = &specs[_i];
    rig_result      dev;
    sb_method       m = *sb_method_find(s->method);
    int             k = 0;
    sb_status       st;
    m.attend[SB_CUDA] = fake_attend;
    do {
        fake_reset();
        fake_device.fail_at = ++k;
        st                  = rig_run(s, &m, &fake_backend, &dev);
        ck_assert_int_eq(fake_device.used > 0, 0);
        if (fake_device.calls < k)
            break;
        ck_assert_msg(st == SB_ERR_DEVICE, "call %d of %d: %s", k, fake_device.calls,
                      sb_status_name(st));
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "fails"));
    } while (k < 1000);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    ck_assert_int_gt(k, 10);
    rig_free(&dev);
}
END_TEST

START_TEST(methods_that_do_not_attend_there_are_refused)
{
    rig_result r;
    rig_spec   s      = specs[0];
    sb_method  m      = *sb_method_find("xattention");
    m.attend[SB_CUDA] = NULL;
    s.params          = "block_tokens=64 stride_tokens=8";
    ck_assert_int_eq(rig_run(&s, &m, &fake_backend, &r), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "xattention does not run on backend fake"));
    ck_assert_uint_eq(fake_device.used, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("operator on a device");
    TCase *t = tcase_create("fake");
    tcase_add_checked_fixture(t, fake_reset, NULL);
    tcase_add_loop_test(t, results_are_the_hosts, 0, sizeof specs / sizeof *specs);
    tcase_set_timeout(t, 60); /* sanitizers, and an operator for every call that fails */
    tcase_add_loop_test(t, every_failing_call_comes_back, 0, sizeof specs / sizeof *specs);
    tcase_add_loop_test(t, states_are_the_hosts, 0, sizeof states / sizeof *states);
    tcase_add_test(t, gates_travel_with_the_call);
    tcase_add_test(t, layouts_are_of_their_runs);
    tcase_add_test(t, too_little_memory_is_no_fit);
    tcase_add_test(t, methods_that_do_not_attend_there_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
