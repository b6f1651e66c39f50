/* random_blocks: how many blocks a row sees, which of them always, and that the draw depends on
 * nothing but its keys. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/random_blocks/random_blocks.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/tolerance.h"

enum { MAX_BLOCKS = 512 };

static sb_random_blocks_params with(double density, int64_t sink, int64_t window, int64_t seed)
{
    return (sb_random_blocks_params){.block_tokens  = 128,
                                     .sink_blocks   = sink,
                                     .window_blocks = window,
                                     .seed          = seed,
                                     .density       = density};
}

static const sb_random_blocks_params configs[] = {
    {128, 1, 1, 7, 0.1}, {128, 0, 1, 7, 0.05}, {64, 4, 3, 9, 0.25},
    {64, 2, 2, 7, 1.0},  {64, 9, 5, 0, 1e-9},  {64, 0, 1, 7, 0.5},
};
enum { N_CONFIGS = sizeof configs / sizeof *configs };

START_TEST(rows_hold_what_they_promise)
{
    const sb_random_blocks_params *p = &configs[_i];
    for (int64_t b = 0; b < MAX_BLOCKS; b++) {
        int32_t ids[MAX_BLOCKS];
        int64_t n, always = 0, want = (int64_t)ceil(p->density * (double)(b + 1));
        sb_random_blocks_row(p, 0, 3, b, ids, &n);
        for (int64_t j = 0; j <= b; j++)
            always += j < p->sink_blocks || j > b - p->window_blocks;
        ck_assert_int_eq(n, want > always ? want : always);
        ck_assert_int_eq(ids[n - 1], b);
        for (int64_t i = 1; i < n; i++)
            ck_assert_int_lt(ids[i - 1], ids[i]);
        for (int64_t i = 0, j = 0; j <= b; j++) {
            int listed = i < n && ids[i] == j;
            i += listed;
            if (j < p->sink_blocks || j > b - p->window_blocks)
                ck_assert_msg(listed, "row %lld misses block %lld", (long long)b, (long long)j);
        }
    }
}
END_TEST

/* Over many heads every block between sink and window comes equally often: chi-square of 509 cells,
 * far outside only once in a million seeds. */
START_TEST(blocks_are_drawn_evenly)
{
    enum { HEADS = 2000, BLOCK = 511 };
    sb_random_blocks_params p               = with(0.1, 1, 1, 7);
    int64_t                 seen[BLOCK + 1] = {0};
    double                  chi             = 0;
    int32_t                 ids[BLOCK + 1];
    int64_t                 n;
    for (int64_t h = 0; h < HEADS; h++) {
        sb_random_blocks_row(&p, 0, h, BLOCK, ids, &n);
        for (int64_t i = 0; i < n; i++)
            seen[ids[i]]++;
    }
    ck_assert_int_eq(n, 52);
    double share = (52.0 - 2) / (BLOCK - 1), mean = HEADS * share;
    for (int64_t j = 1; j < BLOCK; j++)
        chi += ((double)seen[j] - mean) * ((double)seen[j] - mean) / (mean * (1 - share));
    ck_assert_double_lt(fabs(chi - (BLOCK - 1)), 5 * sqrt(2.0 * (BLOCK - 1)));
}
END_TEST

START_TEST(the_draw_depends_on_its_keys)
{
    sb_random_blocks_params p = with(0.1, 1, 1, 7), q = with(0.1, 1, 1, 8);
    int32_t                 a[MAX_BLOCKS], b[MAX_BLOCKS];
    int64_t                 n, m;
    sb_random_blocks_row(&p, 1, 2, 500, a, &n);
    sb_random_blocks_row(&p, 1, 2, 500, b, &m);
    ck_assert(n == m && memcmp(a, b, (size_t)n * sizeof *a) == 0);
    sb_random_blocks_row(&q, 1, 2, 500, b, &m);
    ck_assert_msg(memcmp(a, b, (size_t)n * sizeof *a) != 0, "another seed");
    sb_random_blocks_row(&p, 0, 2, 500, b, &m);
    ck_assert_msg(memcmp(a, b, (size_t)n * sizeof *a) != 0, "another layer");
    sb_random_blocks_row(&p, 1, 3, 500, b, &m);
    ck_assert_msg(memcmp(a, b, (size_t)n * sizeof *a) != 0, "another head");
    sb_random_blocks_row(&p, 1, 2, 501, b, &m);
    ck_assert_msg(memcmp(a, b, (size_t)(n - 1) * sizeof *a) != 0, "another row");
}
END_TEST

static int see_random(int64_t q, int64_t k, const void *state)
{
    const sb_random_blocks_params *p = state;
    int32_t                        ids[MAX_BLOCKS];
    int64_t                        n, seen = 0;
    sb_random_blocks_row(p, 0, 0, q / p->block_tokens, ids, &n);
    for (int64_t i = 0; i < n; i++)
        seen |= ids[i] == k / p->block_tokens;
    return seen && k <= q;
}

static const sb_case_shape one_head[] = {
    {129, 129, 1, 1, 64}, {700, 700, 1, 1, 64}, {1, 300, 1, 1, 64}, {100, 333, 1, 1, 128}};

START_TEST(output_is_the_judges)
{
    sb_case *c = sb_case_random(one_head[_i], 7);
    ck_assert_int_eq(sb_case_attend(c, &sb_random_blocks, "density: 0.4, block_tokens: 32", SB_F32),
                     SB_OK);
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_random, c->params, 7);
    ck_assert_msg(e.nmse <= SB_NMSE_F32, "nmse %g", e.nmse);
    sb_case_destroy(c);
}
END_TEST

START_TEST(all_blocks_are_dense)
{
    static const sb_case_shape shapes[] = {
        {129, 129, 4, 4, 64}, {700, 700, 8, 2, 64}, {37, 300, 4, 2, 64}};
    sb_case *c = sb_case_random(shapes[_i], 7);
    ck_assert_int_eq(sb_case_attend(c, &sb_random_blocks, "density: 1, block_tokens: 32", SB_F32),
                     SB_OK);
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_all, NULL, 7);
    ck_assert_msg(e.nmse <= SB_NMSE_F32, "nmse %g", e.nmse);
    sb_case_destroy(c);
}
END_TEST

START_TEST(every_head_has_its_own_lists)
{
    static const sb_case_shape s  = {640, 640, 4, 2, 64};
    sb_case                   *c  = sb_case_random(s, 3);
    int64_t                    at = 0;
    ck_assert_int_eq(sb_case_attend(c, &sb_random_blocks, "density: 0.3, block_tokens: 64", SB_F32),
                     SB_OK);
    const sb_csr *t = &c->plan.tiles;
    for (int64_t h = 0; h < s.heads; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            int32_t ids[MAX_BLOCKS];
            int64_t n, i = h * c->plan.n_rows + row;
            sb_random_blocks_row((const void *)c->params, 0, h, c->plan.row_id[row], ids, &n);
            ck_assert_int_eq(t->row_ptr[i], at);
            ck_assert_int_eq(t->row_ptr[i + 1] - t->row_ptr[i], n);
            ck_assert_int_eq(memcmp(t->id + at, ids, (size_t)n * sizeof *ids), 0);
            at += n;
        }
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite   *s = suite_create("random_blocks");
    TCase   *t = tcase_create("properties");
    SRunner *r = srunner_create(s);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, rows_hold_what_they_promise, 0, N_CONFIGS);
    tcase_add_test(t, blocks_are_drawn_evenly);
    tcase_add_test(t, the_draw_depends_on_its_keys);
    tcase_add_loop_test(t, output_is_the_judges, 0, 4);
    tcase_add_loop_test(t, all_blocks_are_dense, 0, 3);
    tcase_add_test(t, every_head_has_its_own_lists);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
