/* The quality pass where it samples, and what it says of needles [quality_metrics B6, C; workloads
 * 5]. The limit below which every row is taken is turned down, so that short sequences are sampled.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/estimate.h"
#include "kernels/base/rng.h"
#include "kernels/registry.h"
#include "tests/property/quality_case.h"

enum { N = 2000, HEADS = 2, KV_HEADS = 1, DIM = 32, SINK = 9, WINDOW = 300 };
#define A_SHAPE "sink_tokens: 9, window_tokens: 300"

static sb_case *make(void)
{
    return sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 8);
}

static sb_quality look(sb_case *c, int64_t exact_tokens)
{
    sb_quality_exact_tokens = exact_tokens;
    sb_quality q            = quality_of(c, "a_shape", A_SHAPE);
    sb_quality_exact_tokens = 8192;
    return q;
}

/* Every figure of 576 rows lies where that of all 2000 does, within its own stated error. */
START_TEST(sampled_figures_estimate_the_exact_ones)
{
    sb_case   *c     = make();
    sb_quality exact = look(c, N), sampled = look(c, 0);
    for (int32_t h = -1; h < HEADS; h++) {
        const sb_quality_facts *e = quality_fact(&exact, h), *s = quality_fact(&sampled, h);
        ck_assert(e->rows_sampled == N && s->rows_sampled == 576 && s->rows_total == N);
        ck_assert(e->rho_num == s->rho_num && e->f_exec == s->f_exec);
        ck_assert(s->recall_se > 0 && s->recall_se < 0.01 && s->rel_l2_se > 0);
        ck_assert_double_le(fabs(s->recall_mean - e->recall_mean), 4 * s->recall_se);
        ck_assert(s->recall_lo < s->recall_mean && s->recall_mean < s->recall_hi);
        /* some 380 degrees of freedom: 1.97 standard errors */
        ck_assert_double_eq_tol((s->recall_hi - s->recall_lo) / s->recall_se, 2 * 1.97, 0.03);
        ck_assert_double_le(fabs(s->rel_l2 - e->rel_l2), 4 * s->rel_l2_se);
        ck_assert_double_eq(s->recall_tail, e->recall_tail); /* the census is all there */
        ck_assert_double_eq_tol(s->rel_l1, e->rel_l1, 0.02);
        ck_assert_double_eq_tol(s->cos_row, e->cos_row, 0.03);
        ck_assert_double_eq_tol(s->floor, e->floor, 2e-4);
        ck_assert_double_eq_tol(s->recall_w, e->recall_w, 0.01);
        ck_assert_double_eq_tol(s->oracle_gap, e->oracle_gap, 0.05); /* 80 rows */
        ck_assert(s->rel_l2_unreliable == 0 && s->recall_overflow == 0);
        if (h < 0) /* of all heads: those of their means */
            continue;
        ck_assert_double_eq_tol(s->recall_p05, e->recall_p05, 0.05);
        ck_assert_double_ge(s->recall_min, e->recall_min);
    }
    sb_quality_fini(&exact);
    sb_quality_fini(&sampled);
    sb_case_destroy(c);
}
END_TEST

/* C: one row that carries the error makes the sample twice as large; when it still stands for a
 * fifth the figure is marked. A census row carries what it carries. */
START_TEST(an_error_that_hangs_on_one_row_doubles_the_sample)
{
    sb_case *c = make();
    sb_rows  rows;
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("dense"), "", SB_BF16), SB_OK);
    sb_quality_exact_tokens = 0;
    sb_quality calm         = quality_look_at(c, &(quality_look){.detail = SB_DETAIL_SUMMARY});
    ck_assert_int_eq(calm.facts[0].rows_sampled, 576);
    ck_assert_int_eq(calm.facts[0].rel_l2_unreliable, 0);
    /* the rows of layer 0 for an input "00ff" */
    ck_assert_int_eq(sb_rows_draw(N, sb_mix(0xff), SB_STRATUM_ROWS, &rows), SB_OK);
    int64_t bad = _i == 0 ? rows.row[200] : N - 3;
    for (int64_t x = 0; x < DIM; x++)
        sb_tensor_bf16(&c->o, 1, bad)[x] = sb_bf16_from_f32(50);
    sb_quality hit = quality_look_at(c, &(quality_look){.detail = SB_DETAIL_SUMMARY});
    ck_assert_int_eq(hit.n_facts, 1);
    ck_assert_int_eq(hit.facts[0].rows_sampled, _i == 0 ? 1024 : 576);
    ck_assert_int_eq(hit.facts[0].rel_l2_unreliable, _i == 0);
    ck_assert_double_gt(hit.facts[0].rel_l2, 10 * calm.facts[0].rel_l2);
    ck_assert_double_eq(hit.facts[0].recall_tail, calm.facts[0].recall_tail);
    ck_assert_double_eq_tol(hit.facts[0].recall_mean, 1,
                            1e-5); /* old and new rows in their places */
    ck_assert_double_eq_tol(hit.facts[0].floor, calm.facts[0].floor, 1e-4);
    sb_quality_exact_tokens = 8192;
    sb_rows_fini(&rows);
    sb_quality_fini(&calm);
    sb_quality_fini(&hit);
    sb_case_destroy(c);
}
END_TEST

/* ---- needles ---- */

static int window_sees(int64_t q, int64_t k) { return k <= q && (k < SINK || q - k < WINDOW); }

static double probability(const sb_case *c, int64_t h, int64_t q, int64_t key)
{
    double all = 0, one = 0;
    for (int64_t k = 0; k <= q; k++) {
        double s = 0;
        for (int64_t x = 0; x < DIM; x++)
            s += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, h, q)[x]) *
                 (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, 0, k)[x]);
        s = exp(s * (double)c->scale);
        all += s;
        one = k == key ? s : one;
    }
    return one / all;
}

/* One needle in the sinks in part, one that leaves the window while the question goes on, one lost,
 * one inside the question itself; a distractor that counts for nothing. */
static sb_span spans[] = {
    {1990, 1994, 0.9, SB_SPAN_NEEDLE, 0},    {6, 12, 0.0, SB_SPAN_NEEDLE, 1},
    {100, 105, 0.1, SB_SPAN_DISTRACTOR, -1}, {500, 506, 0.3, SB_SPAN_NEEDLE, 2},
    {1666, 1672, 0.8, SB_SPAN_NEEDLE, 3},    {1960, 2000, 1, SB_SPAN_QUERY, -1}};
enum { N_SPANS = 6, QUERY = 5 };

START_TEST(needles_by_hand)
{
    sb_case *c  = make();
    sb_input in = {
        .n_tokens = N, .n_context = 1980, .spans = spans, .n_spans = N_SPANS - (_i == 1)};
    /* with a query span its rows ask; without one those behind the context */
    int64_t first = _i == 0 ? spans[QUERY].tok_begin : in.n_context;
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("a_shape"), A_SHAPE, SB_BF16), SB_OK);
    sb_quality_exact_tokens = _i == 0 ? 0 : N; /* the same from a sample: the census has them all */
    sb_quality q            = quality_look_at(c, &(quality_look){NULL, &in, SB_DETAIL_PER_HEAD});
    sb_quality_exact_tokens = 8192;
    double keys = 0, seen = 0, mass = 0, kept = 0;
    int    at = 0;
    ck_assert_int_eq(q.n_needles, 4);
    for (int64_t s = 0; s < in.n_spans; s++) {
        double span_keys = 0, span_seen = 0, span_mass = 0, span_kept = 0;
        if (spans[s].kind != SB_SPAN_NEEDLE)
            continue;
        for (int64_t h = 0; h < HEADS; h++)
            for (int64_t i = first; i < N; i++)
                for (int64_t k = spans[s].tok_begin; k < spans[s].tok_end && k <= i; k++) {
                    double p = probability(c, h, i, k) / (double)(N - first) / HEADS;
                    span_keys += 1;
                    span_seen += window_sees(i, k);
                    span_mass += p;
                    span_kept += window_sees(i, k) * p;
                }
        const sb_needle_facts *n = &q.needles[at++];
        ck_assert(n->layer == 0 && n->span_no == s);
        ck_assert_double_eq_tol(n->key_recall, span_seen / span_keys, 1e-12);
        ck_assert_double_eq_tol(n->mass, span_mass, 1e-6);
        ck_assert_double_eq_tol(n->mass_kept, span_kept, 1e-6);
        keys += span_keys;
        seen += span_seen;
        mass += span_mass;
        kept += span_kept;
    }
    ck_assert_double_eq(q.needles[2].key_recall, 0); /* 500: far outside the window */
    ck_assert_double_eq(q.needles[0].key_recall, 1);
    ck_assert_double_eq(q.needles[1].key_recall, 0.5); /* tokens 6, 7, 8 are sinks */
    const sb_quality_facts *f = quality_fact(&q, -1);
    ck_assert_double_eq_tol(f->needle_block_recall, seen / keys, 1e-12);
    ck_assert_double_eq_tol(f->needle_mass, mass, 1e-6);
    ck_assert_double_eq_tol(f->needle_mass_kept, kept, 1e-6);
    double a = quality_fact(&q, 0)->needle_mass, b = quality_fact(&q, 1)->needle_mass;
    ck_assert_double_eq_tol((a + b) / 2, mass, 1e-6);
    ck_assert_double_ne(a, b);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

START_TEST(overlapping_needles_count_a_token_once)
{
    static sb_span twice[] = {{500, 506, 0.3, SB_SPAN_NEEDLE, 0},
                              {503, 509, 0.3, SB_SPAN_NEEDLE, 1}};
    static sb_span once[]  = {{500, 509, 0.3, SB_SPAN_NEEDLE, 0}};
    sb_case       *c       = make();
    sb_input       a       = {.n_tokens = N, .n_context = N - 8, .spans = twice, .n_spans = 2};
    sb_input       b       = {.n_tokens = N, .n_context = N - 8, .spans = once, .n_spans = 1};
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("dense"), "", SB_BF16), SB_OK);
    sb_quality x = quality_look_at(c, &(quality_look){NULL, &a, SB_DETAIL_SUMMARY});
    sb_quality y = quality_look_at(c, &(quality_look){NULL, &b, SB_DETAIL_SUMMARY});
    ck_assert_double_eq(x.facts[0].needle_mass, y.facts[0].needle_mass);
    ck_assert_double_eq(x.facts[0].needle_block_recall, 1);
    ck_assert_double_gt(x.needles[0].mass + x.needles[1].mass, y.needles[0].mass);
    sb_quality_fini(&x);
    sb_quality_fini(&y);
    sb_case_destroy(c);
}
END_TEST

START_TEST(inputs_without_needles_have_none)
{
    sb_case *c  = make();
    sb_input in = {.n_tokens = N, .n_context = N - 8, .spans = spans + QUERY, .n_spans = 1};
    ck_assert_int_eq(sb_case_attend(c, sb_method_find("a_shape"), A_SHAPE, SB_BF16), SB_OK);
    sb_quality q = quality_look_at(c, &(quality_look){NULL, &in, SB_DETAIL_SUMMARY});
    ck_assert_int_eq(q.n_needles, 0);
    ck_assert(isnan(q.facts[0].needle_block_recall) && isnan(q.facts[0].needle_mass) &&
              isnan(q.facts[0].needle_mass_kept));
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run quality, sampled");
    TCase *t = tcase_create("sampled");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, sampled_figures_estimate_the_exact_ones);
    tcase_add_loop_test(t, an_error_that_hangs_on_one_row_doubles_the_sample, 0, 2);
    tcase_add_loop_test(t, needles_by_hand, 0, 2);
    tcase_add_test(t, overlapping_needles_count_a_token_once);
    tcase_add_test(t, inputs_without_needles_have_none);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
