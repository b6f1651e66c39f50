/* What methods expect of a row before any plan (sb_method.row_lanes) against what their plans list:
 * the same where parameters fix the pattern, no less where they fix a budget. */
#include <check.h>

#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"

enum { N = 700, HEADS = 4, KV_HEADS = 2, DIM = 32 };

static const char moa_file[] = "{\"sinks\": [[3, 64, 10, 0]], \"windows\": [[100, 30, 700, 64]]}";

static const struct {
    const char *method, *params, *file;
    int64_t     slack; /* keys that a head may expect more than the plan lists; -1: any number */
} exact[] = {
    {"a_shape", "sink_tokens: 5, window_tokens: 100", NULL, 0},
    {"a_shape", "sink_tokens: 650, window_tokens: 100", NULL, 0},
    {"streaming_llm", "sink_tokens: 0, window_tokens: 1", NULL, 0},
    {"streaming_llm", "sink_tokens: 4, window_tokens: 65", NULL, 0},
    {"power_attention", "block_tokens: 16", NULL, 0},
    {"power_attention", "pattern: sliding_window, block_tokens: 16, window_blocks: 3", NULL, 0},
    {"power_attention", "pattern: stride_slash, block_tokens: 8, stride_blocks: 9", NULL, 0},
    {"power_attention", "pattern: dilated, block_tokens: 16", NULL, 0},
    {"power_attention", "pattern: longnet, block_tokens: 16, window_blocks: 4, levels: 3", NULL, 0},
    {"power_attention", "pattern: moa, granularity_tokens: 1, beta: 0.2, max_new_tokens: 100", NULL,
     0},
    {"power_attention", "pattern: moa, granularity_tokens: 1", moa_file, 0},
    /* a unit's rows see the same first key: the last of them as many as the window says */
    {"power_attention", "pattern: moa, beta: 0.2, max_new_tokens: 100", NULL, 63},
    {"power_attention", "pattern: neighborhood, window_tokens: 90", NULL, 0},
    {"power_attention", "pattern: neighborhood, window_tokens: 90, stride_tokens: 8", NULL, 7},
    {"power_attention", "pattern: neighborhood, window_tokens: 20, dilation_tokens: 5", NULL, -1},
    {"power_attention",
     "pattern: blockrank, instruction_tokens: 40, document_tokens: 100, query_tokens: 30", NULL, 0},
    {"power_attention",
     "pattern: blockrank, instruction_tokens: 40, documents: 7, query_tokens: 30", NULL, 0},
    {"power_attention", "pattern: blockrank, instruction_tokens: 800", NULL, 0},
    {"random_blocks", "block_tokens: 16, density: 0.3", NULL, 0},
    {"random_blocks", "block_tokens: 16, density: 0.05, sink_blocks: 3, window_blocks: 4", NULL, 0},
    {"hip", "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4, block_q_tokens: 32, align: 0",
     NULL, -1},
    {"hip", "top_k_tokens: 512, window_tokens: 256", NULL, 0}, /* short: dense */
    {"minference", "vertical_tokens: 50, slash_tokens: 60", NULL, -1},
    {"minference", "pattern: block_sparse, top_k_blocks: 3", NULL, -1},
    {"minference", "pattern: a_shape, sink_tokens: 5, window_tokens: 100", NULL, 0},
    {"minference", "pattern: a_shape, sink_tokens: 10, window_tokens: 200, ratio: 0.5", NULL, 0},
    {"minference", "",
     "[{\"0\":[\"stream_llm\",5,100],\"1\":[\"stream_llm\",64,64],"
     "\"2\":[\"stream_llm\",700,64],\"3\":[\"stream_llm\",0,1]}]",
     0},
};
enum { N_EXACT = sizeof exact / sizeof *exact };

START_TEST(as_the_plan_lists)
{
    sb_case         *c = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 11);
    const sb_method *m = sb_method_find(exact[_i].method);
    c->file_text       = exact[_i].file;
    ck_assert_msg(sb_case_attend(c, m, exact[_i].params, SB_F32) == SB_OK, "%s", sb_error_text());
    ck_assert(m->row_lanes != NULL);
    for (int64_t t = 0; t < N; t++) {
        int64_t kept = 0, want = m->row_lanes(c->params, &c->seen, t);
        for (int64_t h = 0; h < HEADS; h++)
            kept += sb_row_support_count(&c->plan, h, t);
        if (want < kept || want > HEADS * (t + 1) ||
            (exact[_i].slack >= 0 && want - kept > HEADS * exact[_i].slack))
            ck_abort_msg("%s %s: row %lld keeps %lld pairs, %lld were expected", m->name,
                         exact[_i].params, (long long)t, (long long)kept, (long long)want);
    }
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s  = suite_create("row lanes");
    TCase *tc = tcase_create("row lanes");
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, as_the_plan_lists, 0, N_EXACT);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
