/* Some heads of a model attend as they do among all of them: same selection, same outputs, for
 * every method. It is what heads over ranks (sharding ulysses) rest on [sharding 4c]. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

enum { HEADS = 8, KV_HEADS = 4, DIM = 32, N = 333 };

typedef struct subset_case {
    const char *method, *params, *file;
    int         needs_group; /* 1: a part of a GQA group is refused */
} subset_case;

#define LIST_FILE                                                                                  \
    "[{\"0\":[\"block_sparse\",0,0],\"1\":[\"stream_llm\",5,100],"                                 \
    "\"2\":[\"vertical_and_slash\",60,60,0.5],\"5\":[\"stream_llm\",9,30],"                        \
    "\"6\":[\"vertical_and_slash\",90,50,0.5],\"7\":[\"block_sparse\",0,0]}]"

static const subset_case cases[] = {
    {"dense", "", NULL, 0},
    {"a_shape", "sink_tokens: 5, window_tokens: 60", NULL, 0},
    {"streaming_llm", "sink_tokens: 4, window_tokens: 65", NULL, 0},
    {"power_attention", "block_tokens: 32, window_blocks: 2", NULL, 0},
    {"power_attention", "pattern: longnet, block_tokens: 16, window_blocks: 4, levels: 3", NULL, 0},
    {"power_attention", "pattern: moa, beta: 0.2", NULL, 0},
    {"power_attention", "pattern: moa, granularity_tokens: 1",
     "{\"alphas\": [[100,80,90,70,95,120,110,64]], \"betas\": [[0,0.1,0.2,0.3,0.05,0,0,0.4]]}", 0},
    {"random_blocks", "block_tokens: 16, density: .3", NULL, 0},
    {"minference", "vertical_tokens: 50, slash_tokens: 70", NULL, 0},
    {"minference", "pattern: block_sparse, top_k_blocks: 2", NULL, 0},
    {"minference", "vertical_tokens: 50, slash_tokens: 70, top_k_blocks: 2", LIST_FILE, 0},
    {"xattention", "block_tokens: 32, stride_tokens: 8, tau: .6", NULL, 0},
    {"anchor_attention", "block_tokens: 16, step_blocks: 2, theta: 2.2", NULL, 0},
    {"anchor_attention", "block_tokens: 16, step_blocks: 2, theta: 2.2, windows: released", NULL,
     0},
    {"pbs_attn", "block_tokens: 16, segment_tokens: 64, tau: .6", NULL, 0},
    {"pbs_attn", "block_tokens: 12, segment_tokens: 36, tau: .5, perm_share: group", NULL, 1},
    {"flexprefill", "block_tokens: 32, min_budget_tokens: 1, gamma: .5, tau: 0", NULL, 0},
    {"flexprefill", "block_tokens: 32, min_budget_tokens: 1, gamma: .6, tau: 1", NULL, 0},
    {"hip", "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4, block_q_tokens: 32", NULL, 0},
    {"lightning", "", NULL, 0},
    {"lightning", "slope_heads: kv", NULL, 0},
    {"lightning", "slope_rule: paper", NULL, 0},
    {"lightning", "slope_rule: minimax, slope_heads: kv", NULL, 0},
    {"linear", "kind: elu1", NULL, 0},
    {"linear", "kind: retnet", NULL, 0},
    {"linear", "kind: gla", NULL, 0},
    {"linear", "kind: gated_delta", NULL, 0},
    {"linear", "kind: aaren", NULL, 0},
};
enum { N_CASES = sizeof cases / sizeof *cases };

START_TEST(every_method_is_here)
{
    for (const sb_method *const *m = sb_methods; *m != NULL; m++) {
        int found = 0;
        for (int i = 0; i < N_CASES; i++)
            found |= strcmp(cases[i].method, (*m)->name) == 0;
        ck_assert_msg(found, "%s has no case", (*m)->name);
    }
}
END_TEST

static sb_tensor some(const sb_tensor *t, int64_t first, int64_t n)
{
    sb_tensor s = *t;
    s.data      = sb_tensor_bf16(t, first, 0);
    s.heads     = n;
    return s;
}

static void same_selection(const sb_case *all, const sb_case *part, const char *what)
{
    static int64_t keys[N];
    static uint8_t a[N], b[N];
    for (int64_t j = 0; j < N; j++)
        keys[j] = j;
    for (int64_t h = 0; h < part->seen.heads; h++)
        for (int64_t i = 0; i < N; i++) {
            sb_row_support_of(&all->plan, part->first_head + h, i, keys, N, a);
            sb_row_support_of(&part->plan, h, i, keys, N, b);
            ck_assert_msg(memcmp(a, b, sizeof a) == 0, "%s: selection of head %lld, row %lld", what,
                          (long long)(part->first_head + h), (long long)i);
        }
}

static void same_output(const sb_case *all, const sb_case *part, int has_lse, const char *what)
{
    int64_t rows = part->seen.heads * N, first = part->first_head * N;
    double  top = 0, worst = 0, lse = 0;
    for (int64_t i = 0; i < rows * DIM; i++) {
        double x = (double)((const float *)all->o.data)[first * DIM + i];
        double y = (double)((const float *)part->o.data)[i];
        top      = fmax(top, fabs(x));
        worst    = fmax(worst, fabs(x - y));
    }
    for (int64_t i = 0; has_lse && i < rows; i++)
        lse = fmax(lse, fabs((double)all->lse[first + i] - (double)part->lse[i]));
    ck_assert_msg(isfinite(worst) && worst <= SB_SHARD_O_REL * top, "%s: o differs by %g of %g",
                  what, worst, top);
    ck_assert_msg(lse <= SB_SHARD_LSE_ABS, "%s: lse differs by %g", what, lse);
}

/* heads query heads a part, over the KV heads that they read. */
static void compare(const subset_case *s, const sb_case *all, const sb_method *m, int64_t heads)
{
    int64_t group = HEADS / KV_HEADS, kv = heads < group ? 1 : heads / group;
    for (int64_t first = 0; first < HEADS; first += heads) {
        char      what[160];
        sb_case  *part       = sb_case_random(all->shape, 11);
        sb_tensor q          = some(&part->q, first, heads);
        sb_tensor k          = some(&part->k, first / group, kv);
        sb_tensor v          = some(&part->v, first / group, kv);
        part->file_text      = s->file;
        part->first_head     = first;
        part->model_heads    = HEADS;
        part->model_kv_heads = KV_HEADS;
        (void)snprintf(what, sizeof what, "%s %s, heads %lld to %lld", s->method, s->params,
                       (long long)first, (long long)(first + heads - 1));
        sb_status st = sb_case_attend_on(part, m, s->params, SB_F32, &q, &k, &v);
        if (s->needs_group && heads < group) {
            ck_assert_int_eq(st, SB_ERR_UNSUPPORTED);
            ck_assert_ptr_nonnull(strstr(sb_error_text(), "the group's order needs all of them"));
        } else {
            ck_assert_msg(st == SB_OK, "%s: %s", what, sb_error_text());
            if ((m->caps & SB_CAP_NO_INDEX) == 0)
                same_selection(all, part, what);
            same_output(all, part, (m->caps & SB_CAP_NO_INDEX) == 0, what);
        }
        sb_case_destroy(part);
    }
}

START_TEST(some_heads_attend_as_among_all)
{
    const subset_case *s   = &cases[_i];
    const sb_method   *m   = sb_method_find(s->method);
    sb_case           *all = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 11);
    all->file_text         = s->file;
    ck_assert_msg(sb_case_attend(all, m, s->params, SB_F32) == SB_OK, "%s %s: %s", s->method,
                  s->params, sb_error_text());
    compare(s, all, m, 4); /* two whole groups */
    compare(s, all, m, 2);
    compare(s, all, m, 1); /* half of one */
    sb_case_destroy(all);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("head_subset");
    TCase *t     = tcase_create("methods");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, every_method_is_here);
    tcase_add_loop_test(t, some_heads_attend_as_among_all, 0, N_CASES);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
