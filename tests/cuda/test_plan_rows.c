/* Plans of some rows of a sequence, as one rank of several makes them on its device: its own
 * queries, all keys and the sequence's last queries in a tensor of their own. Their lists are those
 * of the plan of all rows, to the last id, and beside the CPU's as near as those. Without a device:
 * skipped (77). */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/cuda/plan_part.h"
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

START_TEST(some_rows_get_their_lists_of_all_rows)
{
    const rows_case *r = &cases[_i];
    const sb_method *m = sb_method_find(r->method);
    sb_case         *c = sb_case_random(r->shape, 3);
    int64_t          n = r->shape.n_k, differ = 0, listed = 0;
    plan_part        all;
    ck_assert(m->plan_last_queries != NULL);
    must(sb_case_attend(c, m, r->params, SB_F32));
    plan_part_attend(&all, c, m, &c->q.gid);
    for (int i = 0; i < PARTS; i++) {
        int64_t   end = i + 1 < PARTS ? r->start[i + 1] : n;
        sb_run    run = {r->start[i], end - r->start[i]};
        sb_gid    gid = {.run = &run, .n_runs = 1, .n_tokens = run.len};
        plan_part part;
        plan_part_attend(&part, c, m, &gid);
        plan_part_is_of(&part, &all);
        if (part.got->parts & SB_PART_TILES)
            ck_assert_int_eq(part.got->row_tokens, c->plan.row_tokens);
        plan_part_beside_cpu(&part, c, 13, &differ, &listed);
        double apart = plan_part_nmse(&part, &all);
        ck_assert_msg(apart <= SB_NMSE_PO_BF16, "part %d: nmse %g", i, apart);
        plan_part_close(&part);
    }
    (void)printf("%s %s: %lld of %lld keys differ from the CPU's\n", r->method, r->params,
                 (long long)differ, (long long)listed);
    ck_assert_int_gt(listed, 0);
    ck_assert_msg((double)differ <= 2e-3 * (double)listed, "%lld of %lld keys differ",
                  (long long)differ, (long long)listed);
    plan_part_close(&all);
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
