/* The quality pass against explicit sums [quality_metrics D]: recall from LSE equals recall from
 * probabilities; dense is exactly dense. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/run/quality.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

enum { N = 403, HEADS = 4, KV_HEADS = 2, DIM = 64, SINK = 5, WINDOW = 90 };

static int sees_all(int64_t q, int64_t k, const void *state)
{
    (void)state;
    return k <= q;
}

static int sees_window(int64_t q, int64_t k, const void *state)
{
    (void)state;
    return k <= q && (k < SINK || q - k < WINDOW);
}

static sb_quality look_at(const char *method, const char *params, sb_case **out)
{
    sb_case   *c = sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 3);
    sb_comm   *comm;
    sb_quality q;
    ck_assert_int_eq(sb_case_attend(c, sb_method_find(method), params, SB_BF16), SB_OK);
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    sb_ctx ctx = {.backend = &sb_backend_cpu, .comm = comm, .arena = &c->arena, .threads = 2};
    sb_layer_view view = {.n_layers = 1,
                          .shape    = &c->seen,
                          .plan     = &c->plan,
                          .q        = &c->q,
                          .k        = &c->k,
                          .v        = &c->v,
                          .o        = &c->o,
                          .lse      = c->lse,
                          .ctx      = &ctx,
                          .scale    = c->scale};
    sb_quality_init(&q, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "00ff");
    ck_assert_int_eq(sb_quality_look(&q, &view), SB_OK);
    ck_assert_int_eq(q.n_facts, HEADS + 1);
    sb_comm_destroy(comm);
    *out = c;
    return q;
}

START_TEST(dense_run_keeps_everything) /* rho = 1, R_i = 1 within 1e-3, only bf16 rounding left in
                                          the output */
{
    sb_case   *c;
    sb_quality q = look_at("dense", "", &c);
    for (int64_t i = 0; i < q.n_facts; i++) {
        ck_assert_int_eq(q.facts[i].rho_num, q.facts[i].rho_den);
        ck_assert_int_eq(q.facts[i].tile_lanes, q.facts[i].tile_lanes_dense);
        ck_assert_double_eq_tol(q.facts[i].recall_mean, 1, 1e-3);
        ck_assert_double_eq_tol(q.facts[i].recall_p05, 1, 1e-3);
        ck_assert_double_le(q.facts[i].rel_l2, sqrt(SB_NMSE_BF16));
        ck_assert_double_eq(q.facts[i].recall_se, 0); /* short: every row was looked at */
    }
    ck_assert_int_eq(q.facts[HEADS].rho_den, (int64_t)HEADS * N * (N + 1) / 2);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

START_TEST(recall_from_lse_equals_recall_from_explicit_sums)
{
    sb_case   *c;
    sb_quality q    = look_at("a_shape", "sink_tokens: 5, window_tokens: 90", &c);
    double     mean = 0, lowest = 2;
    for (int64_t h = 0; h < HEADS; h++) {
        double sum = 0, tail = 0, error = 0, reference = 0, o[DIM], dense[DIM], l, l_dense;
        for (int64_t i = 0; i < N; i++) {
            judge_row(&c->q, &c->k, &c->v, c->scale, sees_all, NULL, h, i, dense, &l_dense);
            judge_row(&c->q, &c->k, &c->v, c->scale, sees_window, NULL, h, i, o, &l);
            sum += exp(l - l_dense);
            tail += i >= N - 128 ? exp(l - l_dense) : 0;
            for (int64_t j = 0; j < DIM; j++) {
                error += (o[j] - dense[j]) * (o[j] - dense[j]);
                reference += dense[j] * dense[j];
            }
        }
        ck_assert_int_eq(q.facts[h].head, h);
        ck_assert_double_eq_tol(q.facts[h].recall_mean, sum / N, 1e-4);
        ck_assert_double_eq_tol(q.facts[h].recall_tail, tail / 128, 1e-4);
        ck_assert_double_eq_tol(q.facts[h].rel_l2, sqrt(error / reference),
                                2e-3); /* o is rounded to bf16 */
        mean += sum / N / HEADS;
        lowest = fmin(lowest, sum / N);
    }
    ck_assert_int_eq(q.facts[HEADS].head, -1);
    ck_assert_double_eq_tol(q.facts[HEADS].recall_mean, mean, 1e-4);
    ck_assert_double_eq_tol(q.facts[HEADS].recall_p05, lowest, 1e-4); /* of the heads' means */
    ck_assert_double_lt(q.facts[HEADS].recall_mean, 0.9); /* the window does lose something */
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

START_TEST(error_is_bounded_by_lost_mass_times_the_spread_of_values) /* B2: |o' - o| <= (1 - R)
                                                                        diam(V), summed over rows */
{
    sb_case   *c;
    sb_quality q      = look_at("a_shape", "sink_tokens: 5, window_tokens: 90", &c);
    double     spread = 0;
    for (int64_t i = 0; i < N; i++) {
        double norm = 0;
        for (int64_t j = 0; j < DIM; j++) {
            double x = (double)sb_bf16_to_f32(sb_tensor_bf16(&c->v, 0, i)[j]);
            norm += x * x;
        }
        spread = fmax(spread, 2 * sqrt(norm));
    }
    double reference = 0, lost = 0, dense[DIM], o[DIM], l, l_dense;
    for (int64_t i = 0; i < N; i++) {
        judge_row(&c->q, &c->k, &c->v, c->scale, sees_all, NULL, 0, i, dense, &l_dense);
        judge_row(&c->q, &c->k, &c->v, c->scale, sees_window, NULL, 0, i, o, &l);
        double r = 1 - exp(l - l_dense);
        lost += r * r * spread * spread;
        for (int64_t j = 0; j < DIM; j++)
            reference += dense[j] * dense[j];
    }
    ck_assert_double_le(q.facts[0].rel_l2, sqrt(lost / reference) + 2e-3);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

START_TEST(without_quality_the_index_is_counted_alone)
{
    sb_case   *c;
    sb_quality full = look_at("a_shape", "sink_tokens: 5, window_tokens: 90", &c), counted;
    sb_comm   *comm;
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    sb_ctx ctx = {.backend = &sb_backend_cpu, .comm = comm, .arena = &c->arena, .threads = 1};
    sb_layer_view view = {.n_layers = 1, .shape = &c->seen, .plan = &c->plan, .ctx = &ctx};
    sb_quality_init(&counted, SB_QUALITY_NONE, SB_DETAIL_SUMMARY, "00ff");
    ck_assert_int_eq(sb_quality_look(&counted, &view), SB_OK);
    ck_assert_int_eq(counted.n_facts, 1);
    ck_assert_int_eq(counted.facts[0].rho_num, full.facts[HEADS].rho_num);
    ck_assert(counted.digest == full.digest && isnan(counted.facts[0].recall_mean));
    sb_comm_destroy(comm);
    sb_quality_fini(&full);
    sb_quality_fini(&counted);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run quality");
    TCase *t = tcase_create("metrics");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, dense_run_keeps_everything);
    tcase_add_test(t, recall_from_lse_equals_recall_from_explicit_sums);
    tcase_add_test(t, error_is_bounded_by_lost_mass_times_the_spread_of_values);
    tcase_add_test(t, without_quality_the_index_is_counted_alone);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
