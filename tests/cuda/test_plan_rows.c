/* Plans of some rows of a sequence, as one rank of several makes them on its device: its own
 * queries, all keys and the sequence's last queries in a tensor of their own. Their lists are those
 * of the plan of all rows, to the last id, and beside the CPU's as near as those. Without a device:
 * skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/shard/device.h"
#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

enum { PARTS = 3 };

typedef struct rows_case {
    const char   *method, *params;
    sb_case_shape shape;
    int64_t       start[PARTS]; /* of each part, the last one goes to the end */
} rows_case;

static const rows_case cases[] = {
    {"minference",
     "vertical_tokens: 100, slash_tokens: 300",
     {2000, 2000, 4, 2, 128},
     {0, 640, 1280}},
    {"minference", "vertical_tokens: 60, slash_tokens: 150", {1501, 1501, 4, 1, 64}, {0, 192, 960}},
    /* the last queries lie in two parts */
    {"minference", "vertical_tokens: 40, slash_tokens: 60", {1290, 1290, 2, 2, 128}, {0, 64, 1280}},
    {"minference",
     "pattern: block_sparse, top_k_blocks: 5",
     {2100, 2100, 4, 2, 128},
     {0, 576, 1408}},
    {"pbs_attn", "segment_tokens: 256, tau: 0.6", {2200, 2200, 4, 2, 128}, {0, 768, 1536}},
    {"pbs_attn",
     "block_tokens: 64, segment_tokens: 128, tau: 0.5",
     {1666, 1666, 4, 1, 64},
     {0, 128, 1664}},
    {"flexprefill",
     "gamma: 0.7, tau: 0, min_budget_tokens: 128",
     {2200, 2200, 4, 2, 128},
     {0, 640, 1408}},
    {"flexprefill",
     "gamma: 0.7, tau: 0.9, min_budget_tokens: 128",
     {2200, 2200, 4, 2, 128},
     {0, 640, 1408}},
    {"flexprefill",
     "gamma: 0.6, tau: 0.9, min_budget_tokens: 64, block_tokens: 64",
     {1111, 1111, 4, 4, 64},
     {0, 192, 1088}},
    {"flexprefill",
     "gamma: 0.8, tau: 0.3, min_budget_tokens: 128, compat: official",
     {2048, 2048, 8, 2, 64},
     {0, 1024, 1920}},
    {"flexprefill", "", {700, 700, 2, 1, 128}, {0, 256, 512}}, /* dense by its own rule */
};

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

/* One call on the device over the queries of `run`, and what it left. */
typedef struct there {
    sb_device_call *call;
    sb_plan         plan;
    const sb_plan  *got;
    sb_run          run;
    sb_bf16        *o; /* [heads][run.len][dim] */
} there;

static sb_tensor tokens_of(const sb_tensor *t, int64_t first, int64_t n)
{
    sb_tensor out = *t;
    out.data      = sb_tensor_bf16(t, 0, first);
    out.tokens    = n;
    return out;
}

static void fetch(there *t, const sb_tensor *o)
{
    sb_tensor host = *o;
    t->o           = malloc((size_t)(o->heads * o->tokens * o->dim) * sizeof *t->o);
    ck_assert_ptr_nonnull(t->o);
    host.data = t->o;
    must(sb_device_fetch(&sb_backend_cuda, o, &host));
}

/* Two calls: the second one finds rooms that the first has used. */
static void attend(there *t, const sb_case *c, const sb_method *m)
{
    int64_t   n     = c->shape.n_k;
    int       whole = t->run.len == n;
    sb_shape  shape = c->seen;
    sb_ctx    ctx   = {.backend = &sb_backend_cuda, .threads = 1, .n_layers = 1};
    sb_tensor own = tokens_of(&c->q, t->run.start, t->run.len), last = c->q, q, k, v, o, there_last;
    shape.q_gid = own.gid = (sb_gid){.run = &t->run, .n_runs = 1, .n_tokens = t->run.len};
    shape.all_queries     = whole ? 0 : n;
    must(sb_device_call_open(&sb_backend_cuda, &t->call));
    must(sb_device_call_upload(t->call, &own, &q));
    must(sb_device_call_upload(t->call, &c->k, &k));
    must(sb_device_call_upload(t->call, &c->v, &v));
    o = q;
    must(
        sb_device_call_take(t->call, (size_t)(q.heads * q.head_stride) * sizeof(sb_bf16), &o.data));
    int64_t asked = m->plan_last_queries(c->params, &shape);
    ck_assert_int_le(asked, n);
    if (!whole && asked > 0) {
        last = tokens_of(&c->q, n - asked, asked);
        must(sb_device_call_upload(t->call, &last, &there_last));
        ctx.last_q = &there_last;
    }
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = c->scale};
    sb_attn_out out = {.o = &o, .mode = SB_OUT_SET};
    for (int i = 0; i < 2; i++)
        must(sb_device_call_attend(t->call, &ctx, m, c->params, &in, &shape, &t->plan, NULL, &out));
    must(sb_device_call_fetch_plan(t->call, &t->plan, &t->got));
    fetch(t, &o);
}

static void close_there(there *t)
{
    sb_device_call_close(t->call);
    free(t->o);
}

/* Lists of the part are those that the whole has for these rows. */
static void same_lists(const sb_csr *part, const sb_csr *whole, const sb_plan *p, const sb_plan *w)
{
    ck_assert_int_eq(part->n_heads, whole->n_heads);
    ck_assert_int_eq(part->unit_tokens, whole->unit_tokens);
    for (int64_t h = 0; h < part->n_heads; h++)
        for (int64_t r = 0; r < p->n_rows; r++) {
            int64_t row = p->row_id[r], a = part->row_ptr[h * p->n_rows + r];
            int64_t n = part->row_ptr[h * p->n_rows + r + 1] - a;
            int64_t b = whole->row_ptr[h * w->n_rows + row];
            ck_assert_int_eq(w->row_id[row], row);
            ck_assert_msg(n == whole->row_ptr[h * w->n_rows + row + 1] - b,
                          "head %lld, row block %lld: %lld ids, of all rows %lld", (long long)h,
                          (long long)row, (long long)n,
                          (long long)(whole->row_ptr[h * w->n_rows + row + 1] - b));
            ck_assert_msg(memcmp(part->id + a, whole->id + b, (size_t)n * sizeof *part->id) == 0,
                          "head %lld, row block %lld: other ids", (long long)h, (long long)row);
        }
}

static void same_plan(const there *part, const there *whole, int64_t block_tokens)
{
    const sb_plan *p = part->got, *w = whole->got;
    ck_assert_uint_eq(p->parts, w->parts);
    ck_assert_int_eq(p->fallback, w->fallback);
    if (p->parts & SB_PART_TILES) {
        ck_assert_int_eq(p->row_tokens, block_tokens);
        ck_assert_int_eq(p->n_rows, (part->run.len + block_tokens - 1) / block_tokens);
        same_lists(&p->tiles, &w->tiles, p, w);
    }
    if (p->parts & SB_PART_TOKENS)
        same_lists(&p->tokens, &w->tokens, p, w);
    ck_assert_int_eq(p->slots.n_slots, w->slots.n_slots);
    ck_assert_int_eq(
        memcmp(p->slots.offset, w->slots.offset,
               (size_t)(p->slots.n_heads * p->slots.n_slots) * sizeof *p->slots.offset),
        0);
}

/* Keys that rows see by one plan only, and those by the CPU's. */
static void beside_the_cpu(const sb_case *c, const there *part, int64_t *differ, int64_t *listed)
{
    int64_t  n = c->shape.n_k, *id = malloc((size_t)n * sizeof *id);
    uint8_t *a = malloc((size_t)n), *b = malloc((size_t)n);
    ck_assert(id != NULL && a != NULL && b != NULL);
    for (int64_t i = 0; i < n; i++)
        id[i] = i;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t i = part->run.start; i < part->run.start + part->run.len; i += 13) {
            sb_row_support_of(&c->plan, h, i, id, i + 1, a);
            sb_row_support_of(part->got, h, i, id, i + 1, b);
            for (int64_t k = 0; k <= i; k++) {
                *listed += a[k];
                *differ += a[k] != b[k];
            }
        }
    free(id);
    free(a);
    free(b);
}

/* Rows of the part's output beside those of the whole. */
static double nmse(const sb_case *c, const there *part, const there *whole)
{
    int64_t d = c->shape.dim, n = part->run.len, all = whole->run.len;
    double  error = 0, power = 0;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t i = 0; i < n * d; i++) {
            double got  = (double)sb_bf16_to_f32(part->o[h * n * d + i]);
            double want = (double)sb_bf16_to_f32(whole->o[(h * all + part->run.start) * d + i]);
            error += (got - want) * (got - want);
            power += want * want;
        }
    return error / power;
}

START_TEST(some_rows_get_their_lists_of_all_rows)
{
    const rows_case *r = &cases[_i];
    const sb_method *m = sb_method_find(r->method);
    sb_case         *c = sb_case_random(r->shape, 3);
    int64_t          n = r->shape.n_k, differ = 0, listed = 0;
    there            all = {.run = {0, n}};
    ck_assert(m->plan_last_queries != NULL);
    must(sb_case_attend(c, m, r->params, SB_F32));
    attend(&all, c, m);
    for (int i = 0; i < PARTS; i++) {
        int64_t end  = i + 1 < PARTS ? r->start[i + 1] : n;
        there   part = {.run = {r->start[i], end - r->start[i]}};
        attend(&part, c, m);
        same_plan(&part, &all, c->plan.row_tokens);
        beside_the_cpu(c, &part, &differ, &listed);
        double apart = nmse(c, &part, &all);
        ck_assert_msg(apart <= SB_NMSE_PO_BF16, "part %d: nmse %g", i, apart);
        close_there(&part);
    }
    (void)printf("%s %s: %lld of %lld keys differ from the CPU's\n", r->method, r->params,
                 (long long)differ, (long long)listed);
    ck_assert_int_gt(listed, 0);
    ck_assert_msg((double)differ <= 2e-3 * (double)listed, "%lld of %lld keys differ",
                  (long long)differ, (long long)listed);
    close_there(&all);
    sb_case_destroy(c);
}
END_TEST

/* What a plan cannot work with it says, in place of lists of the wrong rows. */
START_TEST(rows_that_are_no_whole_blocks_are_refused)
{
    static const char *const methods[] = {"minference", "flexprefill"};
    static const sb_run      runs[]    = {{100, 900}, {128, 100}};
    for (int i = 0; i < 4; i++) {
        const sb_method *m     = sb_method_find(methods[i / 2]);
        sb_case         *c     = sb_case_random((sb_case_shape){2000, 2000, 2, 1, 64}, 3);
        sb_run           run   = runs[i % 2];
        sb_shape         shape = {.q_gid       = {.run = &run, .n_runs = 1, .n_tokens = run.len},
                                  .n_keys      = 2000,
                                  .heads       = 2,
                                  .kv_heads    = 1,
                                  .head_dim    = 64,
                                  .all_queries = 2000};
        sb_arena         device, host;
        sb_plan          plan = {0};
        sb_ctx ctx = {.backend = &sb_backend_cuda, .arena = &device, .host = &host, .n_layers = 1};
        sb_case_params(c, m, "");
        sb_arena_init_count(&device);
        sb_arena_init_count(&host);
        ck_assert_int_eq(m->layout_device(&ctx, c->params, &shape, &plan, NULL),
                         SB_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed whole blocks of"));
        sb_case_destroy(c);
    }
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("plans of some rows");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, some_rows_get_their_lists_of_all_rows, 0, sizeof cases / sizeof *cases);
    tcase_add_test(t, rows_that_are_no_whole_blocks_are_refused);
    suite_add_tcase(s, t);
    return device_run(s);
}
