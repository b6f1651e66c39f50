/* A look at a layer that lies on a device (sb_layer_view.there): what it says is what a look at
 * copies says. The device is none (fake_device.h); its functions are the CPU's, at work there. The
 * real one's: tests/cuda/test_look_cuda.c. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/exec/top_mass.h"
#include "kernels/registry.h"
#include "tests/property/quality_case.h"
#include "tests/unit/harness/run/fake_device.h"

enum { N = 1500, HEADS = 4, KV_HEADS = 2, DIM = 32 };

static int         calls[4];
static const char *fails; /* a call of the device */

static sb_ctx on_host(const sb_ctx *ctx, int which)
{
    sb_ctx c = *ctx;
    ck_assert_ptr_eq(ctx->backend, &fake_backend);
    c.backend = &sb_backend_cpu;
    calls[which]++;
    fake_enter(ctx->stream);
    return c;
}

static void is_there(const sb_tensor *t)
{
    ck_assert_int_ge(fake_room_of(t->data, (size_t)(t->heads * t->head_stride) * sizeof(sb_bf16)),
                     0);
}

static sb_status dense_rows(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                            const sb_tensor *k, const sb_tensor *v, float scale, sb_tensor *o,
                            float *lse)
{
    is_there(k);
    is_there(v);
    sb_ctx    c  = on_host(ctx, 0);
    sb_status st = sb_dense_rows_cpu(&c, q, row_gid, k, v, scale, o, lse);
    fake_leave();
    return st;
}

static sb_status top_mass(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                          const sb_tensor *k, float scale, const float *lse, const int64_t *keep,
                          double *mass)
{
    is_there(k);
    sb_ctx    c  = on_host(ctx, 1);
    sb_status st = sb_top_mass_cpu(&c, q, row_gid, k, scale, lse, keep, mass);
    fake_leave();
    return st;
}

static sb_status not_finite(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out)
{
    is_there(t);
    sb_ctx c = on_host(ctx, 2);
    sb_not_finite_cpu(&c, t, out);
    fake_leave();
    return SB_OK;
}

/* A copy a row, so that one that fails is told. */
static sb_status take_rows(const sb_ctx *ctx, const sb_look_rows *from, const int64_t *local,
                           int64_t n, void *to)
{
    size_t    row = (size_t)from->row_bytes;
    sb_status st  = SB_OK;
    ck_assert_ptr_eq(ctx->backend, &fake_backend);
    calls[3]++;
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = fake_backend.copy_rows((char *)to + (size_t)i * row, (size_t)n * row,
                                    (const char *)from->data + (size_t)local[i] * row,
                                    (size_t)from->apart * row, row, (size_t)from->heads,
                                    SB_COPY_TO_HOST, ctx->stream);
    sb_status done = fake_backend.sync(ctx->stream);
    return st == SB_OK ? done : st;
}

static const sb_look_ops ops = {dense_rows, top_mass, not_finite, take_rows};

/* A copy on the device. */
static void *upload(const void *from, size_t bytes)
{
    void *to = NULL;
    ck_assert_int_eq(fake_backend.alloc(bytes, &to), SB_OK);
    ck_assert_int_eq(fake_backend.copy(to, from, bytes, SB_COPY_TO_DEVICE, NULL), SB_OK);
    ck_assert_int_eq(fake_backend.sync(NULL), SB_OK);
    return to;
}

static sb_tensor there(const sb_tensor *t)
{
    sb_tensor c = *t;
    c.data      = upload(t->data, (size_t)(t->heads * t->head_stride) * sizeof(sb_bf16));
    return c;
}

/* The same rows with no data: nobody may read them here. */
static sb_tensor bare(const sb_tensor *t)
{
    sb_tensor c = *t;
    c.data      = NULL;
    return c;
}

static sb_status look(sb_case *c, const sb_method *m, const sb_input *in, int on_device,
                      sb_quality *q)
{
    sb_comm *comm = NULL;
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .comm = comm, .arena = &c->arena, .threads = 2};
    sb_tensor b[] = {bare(&c->q), bare(&c->k), bare(&c->v), bare(&c->o)};
    sb_layer_view view = quality_view(c, m, &ctx);
    sb_tensor     d[4] = {0};
    sb_look_there t    = {
           .ops = &ops, .backend = &fake_backend, .q = d, .k = d + 1, .v = d + 2, .o = d + 3};
    if (on_device) {
        fake_reset();
        d[0]                  = there(&c->q);
        d[1]                  = there(&c->k);
        d[2]                  = there(&c->v);
        d[3]                  = there(&c->o);
        t.lse                 = upload(c->lse, (size_t)(HEADS * N) * sizeof *c->lse);
        view.q                = &b[0];
        view.k                = &b[1];
        view.v                = &b[2];
        view.o                = &b[3];
        view.lse              = NULL;
        view.there            = &t;
        fake_device.fail_call = fails;
    }
    sb_quality_init(q, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "00ff", in);
    sb_status st          = sb_quality_look(q, &view);
    fake_device.fail_call = NULL;
    for (int i = 0; on_device && i < 4; i++)
        fake_backend.free(d[i].data);
    if (on_device)
        fake_backend.free((void *)(uintptr_t)t.lse);
    sb_comm_destroy(comm);
    return st;
}

static const struct {
    const char *method, *params;
    int64_t     exact_tokens; /* below N: rows are sampled */
} cases[] = {{"a_shape", "sink_tokens: 9, window_tokens: 300", 0},
             {"a_shape", "sink_tokens: 9, window_tokens: 300", N},
             {"flexprefill", "gamma: 0.7, min_budget_tokens: 128", 0},
             {"random_blocks", "density: 0.3", N},
             {"dense", "", 0},
             {"lightning", "", 0}};

START_TEST(a_look_there_says_what_one_at_copies_says)
{
    static sb_span   spans[] = {{0, 3, 0, SB_SPAN_NEEDLE, 0},
                                {500, 506, 0.3, SB_SPAN_NEEDLE, 1},
                                {503, 509, 0.3, SB_SPAN_NEEDLE, 2},
                                {1460, 1500, 1, SB_SPAN_QUERY, -1}};
    const sb_input   in      = {.n_tokens = N, .n_context = N - 20, .spans = spans, .n_spans = 4};
    const sb_method *m       = sb_method_find(cases[_i].method);
    sb_case         *c       = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 8);
    sb_quality       copies, device;
    ck_assert_msg(sb_case_attend(c, m, cases[_i].params, SB_BF16) == SB_OK, "%s", sb_error_text());
    memset(calls, 0, sizeof calls);
    sb_quality_exact_tokens = cases[_i].exact_tokens;
    ck_assert_msg(look(c, m, &in, 0, &copies) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(calls[0] + calls[1] + calls[2] + calls[3], 0);
    ck_assert_msg(look(c, m, &in, 1, &device) == SB_OK, "%s", sb_error_text());
    sb_quality_exact_tokens = 8192;
    ck_assert(calls[0] > 0 && calls[2] == 1 && calls[3] > 0);
    ck_assert_int_eq(calls[1] > 0, strcmp(m->name, "lightning") != 0); /* has no recall */
    ck_assert_int_eq(copies.n_facts, device.n_facts);
    ck_assert_mem_eq(copies.facts, device.facts,
                     (size_t)copies.n_facts * sizeof *copies.facts); /* NaN bit by bit */
    ck_assert_int_eq(copies.n_needles, device.n_needles);
    for (int64_t i = 0; i < copies.n_needles; i++) { /* field by field: the record has gaps */
        const sb_needle_facts *a = &copies.needles[i], *b = &device.needles[i];
        ck_assert(a->layer == b->layer && a->span_no == b->span_no);
        ck_assert_double_eq(a->key_recall, b->key_recall);
        ck_assert_double_eq(a->mass, b->mass);
        ck_assert_double_eq(a->mass_kept, b->mass_kept);
    }
    ck_assert_uint_eq(copies.digest, device.digest);
    sb_quality_fini(&copies);
    sb_quality_fini(&device);
    sb_case_destroy(c);
}
END_TEST

START_TEST(what_diverges_there_is_told)
{
    sb_case         *c = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 8);
    const sb_method *m = sb_method_find("dense");
    char             text[400];
    sb_quality       q;
    ck_assert_int_eq(sb_case_attend(c, m, "", SB_BF16), SB_OK);
    sb_tensor_bf16(&c->o, 2, 700)[5]  = sb_bf16_from_f32(NAN);
    sb_tensor_bf16(&c->o, 2, 700)[6]  = sb_bf16_from_f32(INFINITY);
    sb_tensor_bf16(&c->o, 3, 100)[31] = sb_bf16_from_f32(-INFINITY);
    ck_assert_int_eq(look(c, m, NULL, 0, &q), SB_ERR_INTERNAL);
    (void)snprintf(text, sizeof text, "%s", sb_error_text());
    ck_assert_ptr_nonnull(strstr(text, "dense diverges: 3 of 192000 values"));
    ck_assert_ptr_nonnull(strstr(text, "the first in head 2, row 700"));
    ck_assert_int_eq(look(c, m, NULL, 1, &q), SB_ERR_INTERNAL);
    ck_assert_str_eq(sb_error_text(), text);
    sb_case_destroy(c);
}
END_TEST

/* A call of the device that fails ends the look with what it said. */
START_TEST(a_device_that_fails_is_told)
{
    sb_case         *c = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 8);
    const sb_method *m = sb_method_find("dense");
    sb_quality       q;
    ck_assert_int_eq(sb_case_attend(c, m, "", SB_BF16), SB_OK);
    fails = "copy";
    ck_assert_int_eq(look(c, m, NULL, 1, &q), SB_ERR_DEVICE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "copy"));
    sb_quality_fini(&q);
    fails = NULL;
    ck_assert_int_eq(look(c, m, NULL, 1, &q), SB_OK);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run quality, on a device");
    TCase *t = tcase_create("there");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_look_there_says_what_one_at_copies_says, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(t, what_diverges_there_is_told);
    tcase_add_test(t, a_device_that_fails_is_told);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
