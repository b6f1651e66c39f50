/* Plans of one rank's queries as the layouts deal them out, in several runs of ids: made on the
 * device they have the lists of the device's plan of all rows, to the last id, and as near the
 * CPU's as those. Without a device: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/shard/shard.h"
#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

typedef struct runs_case {
    const char    *method, *params;
    sb_case_shape  shape;
    sb_layout_kind kind;
    int32_t        ranks;
} runs_case;

static const runs_case cases[] = {
    {"minference",
     "vertical_tokens: 100, slash_tokens: 300",
     {2000, 2000, 4, 2, 128},
     SB_LAYOUT_ZIGZAG,
     3},
    {"minference",
     "vertical_tokens: 60, slash_tokens: 150",
     {1501, 1501, 4, 1, 64},
     SB_LAYOUT_BLOCK_STRIPED,
     2},
    {"minference",
     "pattern: block_sparse, top_k_blocks: 5",
     {2100, 2100, 4, 2, 128},
     SB_LAYOUT_ZIGZAG,
     2},
    {"minference",
     "pattern: block_sparse, top_k_blocks: 9",
     {3333, 3333, 4, 1, 64},
     SB_LAYOUT_LPT,
     3},
    {"anchor_attention", "theta: 8.5", {16384, 16384, 4, 2, 128}, SB_LAYOUT_ZIGZAG, 2},
    {"anchor_attention", "theta: 8.2", {22000, 22000, 4, 1, 64}, SB_LAYOUT_ZIGZAG, 3},
    {"anchor_attention", "theta: 8.4", {12700, 12700, 8, 1, 128}, SB_LAYOUT_BLOCK_STRIPED, 2},
    {"anchor_attention",
     "theta: 8.4, compat: official",
     {14337, 14337, 2, 2, 128},
     SB_LAYOUT_BLOCK_STRIPED,
     3},
    {"anchor_attention", "theta: 8.5, step_blocks: 32", {20000, 20000, 4, 2, 64}, SB_LAYOUT_LPT, 2},
    {"anchor_attention", "theta: 1e9", {8200, 8200, 2, 1, 128}, SB_LAYOUT_LPT, 2},
    {"flexprefill",
     "gamma: 0.7, tau: 0, min_budget_tokens: 128",
     {2200, 2200, 4, 2, 128},
     SB_LAYOUT_ZIGZAG,
     2},
    {"flexprefill",
     "gamma: 0.7, tau: 0.9, min_budget_tokens: 128",
     {2900, 2900, 4, 2, 64},
     SB_LAYOUT_BLOCK_STRIPED,
     3},
    {"pbs_attn", "segment_tokens: 256, tau: 0.6", {2200, 2200, 4, 2, 128}, SB_LAYOUT_ZIGZAG, 2},
    {"pbs_attn",
     "block_tokens: 64, segment_tokens: 128, tau: 0.5",
     {1666, 1666, 4, 1, 64},
     SB_LAYOUT_LPT,
     3},
    {"hip", "top_k_tokens: 256, window_tokens: 128", {2500, 2500, 4, 2, 128}, SB_LAYOUT_ZIGZAG, 2},
    {"hip",
     "top_k_tokens: 256, window_tokens: 128",
     {2900, 2900, 4, 1, 64},
     SB_LAYOUT_BLOCK_STRIPED,
     3},
};

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

/* One call on the device over some queries, and what it left. */
typedef struct there {
    sb_device_call *call;
    sb_plan         plan;
    const sb_plan  *got;
    sb_tensor       own; /* its queries; host memory */
    sb_bf16        *o;   /* [heads][own.tokens][dim] */
} there;

static void upload(there *t, const sb_tensor *from, sb_tensor *out)
{
    must(sb_device_call_upload(t->call, from, out));
}

static void fetch(there *t, const sb_tensor *o)
{
    sb_tensor host = *o;
    t->o           = malloc((size_t)(o->heads * o->tokens * o->dim) * sizeof *t->o);
    ck_assert_ptr_nonnull(t->o);
    host.data = t->o;
    must(sb_device_fetch(&sb_backend_cuda, o, &host));
}

/* The sequence's last queries, for the methods that look at them beside their own rows. */
static void last_queries(there *t, const sb_case *c, const sb_method *m, const sb_shape *shape,
                         sb_tensor *out)
{
    int64_t   n    = m->plan_last_queries(c->params, shape);
    sb_tensor last = c->q;
    last.data      = sb_tensor_bf16(&c->q, 0, c->shape.n_k - n);
    last.tokens    = n;
    upload(t, &last, out);
}

/* Two calls: the second one finds rooms that the first has used. */
static void attend(there *t, const sb_case *c, const sb_method *m, const sb_gid *gid)
{
    sb_shape  shape = c->seen;
    sb_ctx    ctx   = {.backend = &sb_backend_cuda, .threads = 1, .n_layers = 1};
    sb_tensor q, k, v, o, last;
    int       looks = m->plan_last_queries != NULL && gid->n_tokens < c->shape.n_k;
    *t              = (there){.own = sb_case_take(&c->q, 0, gid)};
    shape.q_gid     = *gid;
    must(sb_device_call_open(&sb_backend_cuda, &t->call));
    upload(t, &t->own, &q);
    upload(t, &c->k, &k);
    upload(t, &c->v, &v);
    o = q;
    must(
        sb_device_call_take(t->call, (size_t)(q.heads * q.head_stride) * sizeof(sb_bf16), &o.data));
    if (looks) {
        shape.all_queries = c->shape.n_k;
        if (m->plan_last_queries(c->params, &shape) > 0) {
            last_queries(t, c, m, &shape, &last);
            ctx.last_q = &last;
        }
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
    free(t->own.data);
    free(t->o);
}

/* Lists of the part are those that the whole has for these rows. */
static void same_lists(const sb_csr *part, const sb_csr *whole, const sb_plan *p, const sb_plan *w)
{
    ck_assert_int_eq(part->n_heads, whole->n_heads);
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

static void same_plan(const there *part, const there *whole)
{
    const sb_plan *p = part->got, *w = whole->got;
    ck_assert_uint_eq(p->parts, w->parts);
    ck_assert_int_eq(p->row_tokens, w->row_tokens);
    ck_assert_int_eq(p->n_rows, (part->own.tokens + p->row_tokens - 1) / p->row_tokens);
    same_lists(&p->tiles, &w->tiles, p, w);
    if (p->parts & SB_PART_TOKENS)
        same_lists(&p->tokens, &w->tokens, p, w);
}

/* Keys that rows see by one plan only, and those by the CPU's. */
static void beside_the_cpu(const sb_case *c, const there *part, int64_t *differ, int64_t *listed)
{
    const sb_gid *g = &part->own.gid;
    int64_t       n = c->shape.n_k, *id = malloc((size_t)n * sizeof *id);
    uint8_t      *a = malloc((size_t)n), *b = malloc((size_t)n);
    ck_assert(id != NULL && a != NULL && b != NULL);
    for (int64_t i = 0; i < n; i++)
        id[i] = i;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int32_t r = 0; r < g->n_runs; r++)
            for (int64_t i = g->run[r].start; i < g->run[r].start + g->run[r].len; i += 61) {
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
    const sb_gid *g = &part->own.gid;
    int64_t       d = c->shape.dim, n = part->own.tokens, all = c->shape.n_k;
    double        error = 0, power = 0;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t r = 0, at = 0; r < g->n_runs; at += g->run[r++].len)
            for (int64_t i = 0; i < g->run[r].len * d; i++) {
                double got  = (double)sb_bf16_to_f32(part->o[(h * n + at) * d + i]);
                double want = (double)sb_bf16_to_f32(whole->o[(h * all + g->run[r].start) * d + i]);
                error += (got - want) * (got - want);
                power += want * want;
            }
    return error / power;
}

/* All ranks' plans together estimate as much as the CPU's; of minference's lines every rank takes
 * two passes over the keys, the CPU three. flexprefill and pbs_attn go over all keys on every rank,
 * beside their own rows; hip's searches take turns that hang on scores. */
static void same_work(const sb_case *c, const runs_case *r, int64_t flops, int32_t plans)
{
    if (strcmp(r->method, "minference") != 0 && strcmp(r->method, "anchor_attention") != 0)
        return;
    int lines = strcmp(r->method, "minference") == 0 && strstr(r->params, "block_sparse") == NULL;
    if (lines)
        ck_assert_int_eq(3 * flops, 2 * plans * c->plan.estimate_flops);
    else
        ck_assert_int_eq(flops, c->plan.estimate_flops);
}

START_TEST(runs_get_their_lists_of_all_rows)
{
    const runs_case *r = &cases[_i];
    const sb_method *m = sb_method_find(r->method);
    sb_case         *c = sb_case_random(r->shape, 3);
    int64_t          n = r->shape.n_k, differ = 0, listed = 0, flops = 0;
    int32_t          plans = 0, most_runs = 0;
    sb_map           map;
    there            all;
    must(sb_case_attend(c, m, r->params, SB_F32));
    must(sb_map_create(r->kind, n, m->quantum_tokens(c->params), r->ranks, &map));
    attend(&all, c, m, &c->q.gid);
    for (int32_t i = 0; i < r->ranks; i++) {
        sb_gid gid = sb_map_gid(&map, i);
        there  part;
        if (gid.n_tokens == 0)
            continue;
        attend(&part, c, m, &gid);
        same_plan(&part, &all);
        beside_the_cpu(c, &part, &differ, &listed);
        double apart = nmse(c, &part, &all);
        ck_assert_msg(apart <= SB_NMSE_PO_BF16, "rank %d: nmse %g", (int)i, apart);
        flops += part.got->estimate_flops;
        most_runs = gid.n_runs > most_runs ? gid.n_runs : most_runs;
        plans++;
        close_there(&part);
    }
    (void)printf("%s %s, up to %d runs: %lld of %lld keys differ from the CPU's\n", r->method,
                 r->params, (int)most_runs, (long long)differ, (long long)listed);
    ck_assert_int_gt(most_runs, 1);
    ck_assert_int_gt(listed, 0);
    /* a search by halves goes another way where two scores are nearly equal [hip 3.1] */
    double most = strcmp(r->method, "hip") == 0 ? 0.05 : 2e-3;
    ck_assert_msg((double)differ <= most * (double)listed, "%lld of %lld keys differ",
                  (long long)differ, (long long)listed);
    same_work(c, r, flops, plans);
    close_there(&all);
    sb_map_fini(&map);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("plans of several runs");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, runs_get_their_lists_of_all_rows, 0, sizeof cases / sizeof *cases);
    suite_add_tcase(s, t);
    return device_run(s);
}
