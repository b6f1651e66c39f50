/* The quality pass against explicit sums [quality_metrics B, D]. Short sequences: every row is
 * looked at, so nothing is estimated. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/exec/attend.h"
#include "kernels/registry.h"
#include "tests/property/quality_case.h"
#include "tests/tolerance.h"

enum { N = 403, HEADS = 4, KV_HEADS = 2, DIM = 64, SINK = 5, WINDOW = 90 };
#define A_SHAPE "sink_tokens: 5, window_tokens: 90"

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

static sb_case *make(void)
{
    return sb_case_random((sb_case_shape){N, N, HEADS, KV_HEADS, DIM}, 3);
}

/* D: rho = rho_block = 1, R_i = 1 within 1e-3, rel_l2 <= 2 floor; by the dense executor and through
 * lists. */
START_TEST(dense_keeps_everything)
{
    static const struct {
        const char *method, *params;
    } all[]      = {{"dense", ""},
                    {"xattention", "block_tokens: 64, stride_tokens: 8, tau: 1"},
                    {"power_attention", "pattern: sliding_window, block_tokens: 64, window_blocks: 99"}};
    sb_case   *c = make();
    sb_quality q = quality_of(c, all[_i].method, all[_i].params);
    ck_assert_int_eq(q.n_facts, HEADS + 1);
    for (int64_t i = 0; i < q.n_facts; i++) {
        const sb_quality_facts *f     = &q.facts[i];
        int64_t                 heads = f->head < 0 ? HEADS : 1;
        ck_assert_int_eq(f->rho_num, f->rho_den);
        ck_assert_int_eq(f->rho_den, heads * N * (N + 1) / 2);
        ck_assert_int_eq(f->tile_lanes, f->tile_lanes_dense);
        ck_assert_int_eq(f->blocks_dense, heads * 4 * 5 / 2);
        ck_assert_double_eq(f->blocks_exec, (double)f->blocks_dense);
        ck_assert_int_eq(f->f_dense, 4 * DIM * f->rho_den);
        ck_assert_int_eq(f->f_exec, 4 * DIM * f->tile_lanes);
        ck_assert_double_eq_tol(f->recall_mean, 1, 1e-3);
        ck_assert_double_eq_tol(f->recall_p05, 1, 1e-3);
        ck_assert_double_eq_tol(f->recall_min, 1, 1e-3);
        ck_assert_double_eq_tol(f->recall_w, 1, 1e-3);
        ck_assert_int_eq(f->recall_overflow, 0);
        ck_assert_double_eq_tol(f->oracle_gap, 0, 1e-4);
        ck_assert_double_le(f->rel_l2, 2 * f->floor);
        ck_assert_double_le(f->rel_l2, sqrt(SB_NMSE_BF16));
        ck_assert(f->floor > 1e-3 && f->floor < 4e-3); /* one rounding to 8 bits [B3] */
        ck_assert_double_le(f->rel_l1, 4e-3);
        ck_assert_double_ge(f->cos_row, 1 - 1e-5);
        ck_assert(f->recall_se == 0 && f->rel_l2_se == 0 && f->rel_l2_unreliable == 0);
        ck_assert(f->rows_sampled == N && f->rows_total == N);
    }
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

static int descending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

static int ascending(const void *a, const void *b) { return descending(b, a); }

/* Mass of the likeliest `keep` keys of a row, in double. */
static double best_mass(const sb_case *c, int64_t head, int64_t row, int64_t keep)
{
    double p[N], sum = 0, best = 0;
    for (int64_t k = 0; k <= row; k++) {
        double s = 0;
        for (int64_t x = 0; x < DIM; x++)
            s += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, head, row)[x]) *
                 (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, head / 2, k)[x]);
        p[k] = exp(s * (double)c->scale);
        sum += p[k];
    }
    qsort(p, (size_t)row + 1, sizeof *p, descending);
    for (int64_t k = 0; k < keep; k++)
        best += p[k] / sum;
    return best;
}

/* What the records must say, from rows worked out key by key; o is the case's own, rounded. */
typedef struct judged {
    double recall[N], relative[N], sum, weighted, visible, tail, error, reference, l1, l1_reference;
    double cosine, gap, gap_rows;
} judged;

static void judge(const sb_case *c, int64_t h, judged *w)
{
    double o[DIM], dense[DIM], l, l_dense;
    *w = (judged){0};
    for (int64_t i = 0; i < N; i++) {
        double e = 0, a = 0, g2 = 0, dot = 0;
        judge_row(&c->q, &c->k, &c->v, c->scale, sees_all, NULL, h, i, dense, &l_dense);
        judge_row(&c->q, &c->k, &c->v, c->scale, sees_window, NULL, h, i, o, &l);
        w->recall[i] = exp(l - l_dense);
        w->sum += w->recall[i];
        w->weighted += (double)(i + 1) * w->recall[i];
        w->visible += (double)(i + 1);
        w->tail += i >= N - 128 ? w->recall[i] / 128 : 0;
        for (int64_t j = 0; j < DIM; j++) {
            double got = (double)sb_bf16_to_f32(sb_tensor_bf16(&c->o, h, i)[j]);
            ck_assert_double_eq_tol(got, o[j], 1e-2);
            e += (got - dense[j]) * (got - dense[j]);
            a += dense[j] * dense[j];
            g2 += got * got;
            dot += got * dense[j];
            w->l1 += fabs(got - dense[j]);
            w->l1_reference += fabs(dense[j]);
        }
        w->error += e;
        w->reference += a;
        w->relative[i] = sqrt(e / a);
        w->cosine += dot / sqrt(g2 * a) / N;
        if ((N - 1 - i) % 8 == 0) {
            w->gap +=
                best_mass(c, h, i, i + 1 < SINK + WINDOW ? i + 1 : SINK + WINDOW) - w->recall[i];
            w->gap_rows += 1;
        }
    }
}

START_TEST(every_figure_equals_explicit_sums)
{
    sb_case   *c    = make();
    sb_quality q    = quality_of(c, "a_shape", A_SHAPE);
    double     mean = 0, lowest = 2, gap = 0, error = 0, reference = 0;
    judged    *w = malloc(sizeof *w);
    for (int32_t h = 0; h < HEADS; h++) {
        const sb_quality_facts *f = quality_fact(&q, h);
        judge(c, h, w);
        /* D: recall from lse equals recall from explicit sums to 1e-4 */
        ck_assert_double_eq_tol(f->recall_mean, w->sum / N, 1e-4);
        ck_assert_double_eq_tol(f->recall_tail, w->tail, 1e-4);
        ck_assert_double_eq_tol(f->recall_w, w->weighted / w->visible, 1e-4);
        ck_assert_double_eq(f->recall_lo, f->recall_mean);
        ck_assert_double_eq(f->recall_hi, f->recall_mean);
        ck_assert_double_eq_tol(f->rel_l2, sqrt(w->error / w->reference), 1e-5);
        ck_assert_double_eq_tol(f->rel_l1, w->l1 / w->l1_reference, 1e-5);
        ck_assert_double_eq_tol(f->cos_row, w->cosine, 1e-5);
        ck_assert_double_eq_tol(f->oracle_gap, w->gap / w->gap_rows, 1e-3);
        ck_assert_double_ge(f->oracle_gap, 0.05); /* a window is a poor choice of 95 keys */
        mean += w->sum / N / HEADS;
        lowest = fmin(lowest, w->sum / N);
        gap += w->gap / w->gap_rows / HEADS;
        error += w->error;
        reference += w->reference;
        qsort(w->recall, N, sizeof *w->recall, ascending);
        qsort(w->relative, N, sizeof *w->relative, ascending);
        ck_assert_double_eq_tol(f->recall_p05, w->recall[(int)ceil(0.05 * N) - 1], 1e-4);
        ck_assert_double_eq_tol(f->recall_min, w->recall[0], 1e-4);
        ck_assert_double_eq_tol(f->rel_l2_p99, w->relative[(int)ceil(0.99 * N) - 1], 1e-4);
    }
    const sb_quality_facts *all = quality_fact(&q, -1);
    ck_assert_double_eq_tol(all->recall_mean, mean, 1e-4);
    ck_assert_double_eq_tol(all->recall_p05, lowest, 1e-4); /* of the heads' means */
    ck_assert_double_eq_tol(all->recall_min, lowest, 1e-4);
    ck_assert_double_eq_tol(all->oracle_gap, gap, 1e-3);
    ck_assert_double_eq_tol(all->rel_l2, sqrt(error / reference), 1e-5);
    ck_assert_double_lt(all->recall_mean, 0.9); /* the window does lose something */
    ck_assert(all->f_est == 0 && quality_fact(&q, 0)->f_est == -1);
    ck_assert_int_eq(all->rho_num, HEADS * ((int64_t)95 * 96 / 2 + (N - 95) * 95));
    free(w);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

/* B2: |o' - o| <= (1 - R) diam(V), summed over rows. */
START_TEST(error_is_bounded_by_lost_mass_times_the_spread_of_values)
{
    sb_case   *c      = make();
    sb_quality q      = quality_of(c, "a_shape", A_SHAPE);
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
    ck_assert_double_le(quality_fact(&q, 0)->rel_l2, sqrt(lost / reference) + 2e-3);
    sb_quality_fini(&q);
    sb_case_destroy(c);
}
END_TEST

START_TEST(without_quality_the_index_is_counted_alone)
{
    sb_case   *c    = make();
    sb_quality full = quality_of(c, "a_shape", A_SHAPE), counted;
    sb_comm   *comm;
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    sb_ctx ctx = {.backend = &sb_backend_cpu, .comm = comm, .arena = &c->arena, .threads = 1};
    sb_layer_view view = {.n_layers = 1, .shape = &c->seen, .plan = &c->plan, .ctx = &ctx};
    sb_quality_init(&counted, SB_QUALITY_NONE, SB_DETAIL_SUMMARY, "00ff", NULL);
    ck_assert_int_eq(sb_quality_look(&counted, &view), SB_OK);
    ck_assert_int_eq(counted.n_facts, 1);
    const sb_quality_facts *a = &counted.facts[0], *b = quality_fact(&full, -1);
    ck_assert(a->rho_num == b->rho_num && a->f_exec == b->f_exec && a->f_dense == b->f_dense &&
              a->blocks_exec == b->blocks_exec && a->f_est == b->f_est);
    ck_assert(counted.digest == full.digest && isnan(a->recall_mean) && isnan(a->rel_l2));
    ck_assert(a->rows_sampled == 0 && a->recall_overflow == -1 && a->rel_l2_unreliable == -1);
    sb_comm_destroy(comm);
    sb_quality_fini(&full);
    sb_quality_fini(&counted);
    sb_case_destroy(c);
}
END_TEST

/* ---- what has no recall, or no index ---- */

START_TEST(without_an_index_the_error_and_flop_are_kept)
{
    sb_case  *c          = make();
    sb_method linear     = *sb_method_find("a_shape");
    linear.caps          = (linear.caps | SB_CAP_NO_INDEX) & ~(uint32_t)SB_CAP_DECODE;
    sb_quality want      = quality_of(c, "a_shape", A_SHAPE);
    c->plan.parts        = 0; /* such a plan lists no keys, and lse is not written */
    c->plan.attend_flops = 12345;
    memset(c->lse, 0xff, HEADS * N * sizeof *c->lse);
    sb_quality got = quality_look_at(c, &(quality_look){&linear, NULL, SB_DETAIL_PER_HEAD});
    ck_assert(!got.has_index && want.has_index);
    for (int32_t h = -1; h < HEADS; h++) {
        const sb_quality_facts *g = quality_fact(&got, h), *w = quality_fact(&want, h);
        ck_assert(g->rho_den == 0 && g->tile_lanes_dense == 0 && g->blocks_dense == 0);
        ck_assert(isnan(g->recall_mean) && isnan(g->recall_tail) && isnan(g->recall_lo) &&
                  isnan(g->recall_p05) && isnan(g->recall_min) && isnan(g->recall_w) &&
                  isnan(g->oracle_gap) && g->recall_overflow == -1);
        ck_assert(g->rel_l2 == w->rel_l2 && g->rel_l1 == w->rel_l1 && g->cos_row == w->cos_row);
        ck_assert(g->f_dense == w->f_dense && g->floor == w->floor);
        ck_assert_int_eq(g->f_exec, h < 0 ? 12345 : -1);
    }
    sb_quality_fini(&want);
    sb_quality_fini(&got);
    sb_case_destroy(c);
}
END_TEST

START_TEST(a_changed_softmax_has_density_but_no_recall)
{
    sb_case   *c        = make();
    sb_quality want     = quality_of(c, "a_shape", A_SHAPE);
    c->plan.own_softmax = 1;
    sb_quality got      = quality_look_at(c, &(quality_look){.detail = SB_DETAIL_SUMMARY});
    ck_assert_int_eq(got.n_facts, 1);
    const sb_quality_facts *g = quality_fact(&got, -1), *w = quality_fact(&want, -1);
    ck_assert(got.has_index && got.digest == want.digest);
    ck_assert(g->rho_num == w->rho_num && g->f_exec == w->f_exec && g->rel_l2 == w->rel_l2);
    ck_assert(isnan(g->recall_mean) && isnan(g->oracle_gap) && g->recall_overflow == -1);
    sb_quality_fini(&want);
    sb_quality_fini(&got);
    sb_case_destroy(c);
}
END_TEST

/* ---- D: the released AnchorAttention ---- */

enum { EXAMPLE = 12 };

/* anchor_attention 10: d = 1, here in the first of 16 dimensions; q = 4 undoes the scale of 1 / 4.
 */
static sb_case *worked_example(void)
{
    static const float k[EXAMPLE] = {4, 0, 3, 0, 0, 2, 0, 1, 1, 0, 0, 1};
    sb_case           *c          = sb_case_random((sb_case_shape){EXAMPLE, EXAMPLE, 1, 1, 16}, 1);
    for (int64_t i = 0; i < EXAMPLE; i++)
        for (int64_t x = 0; x < 16; x++) {
            sb_tensor_bf16(&c->q, 0, i)[x] = sb_bf16_from_f32(x == 0 ? 4 : 0);
            sb_tensor_bf16(&c->k, 0, i)[x] = sb_bf16_from_f32(x == 0 ? k[i] : 0);
            sb_tensor_bf16(&c->v, 0, i)[x] = sb_bf16_from_f32(x == 0 ? (float)i : 0);
        }
    return c;
}

/* The released windows, super-blocks of 4: all of the first one and of the own one; key 2, kept in
 * the last super-block, is attended to a second time there. */
static void released(sb_case *c)
{
    static int32_t row_id[] = {0, 1, 2}, tile[] = {0, 0, 1, 0, 2}, twice[] = {2};
    static int64_t tile_ptr[] = {0, 1, 3, 5}, twice_ptr[] = {0, 0, 0, 1};
    float          o[EXAMPLE * 16];
    sb_plan        again = {.parts      = SB_PART_TOKENS,
                            .row_tokens = 4,
                            .n_rows     = 3,
                            .row_id     = row_id,
                            .tokens     = {1, twice_ptr, twice, 1, 1, 1}};
    c->plan              = again;
    c->plan.parts        = SB_PART_TILES;
    c->plan.tiles        = (sb_csr){1, tile_ptr, tile, 5, 4, 4};
    sb_tensor f32        = c->o;
    f32.dtype            = SB_F32;
    f32.data             = o;
    sb_ctx      ctx      = {.backend = &sb_backend_cpu, .threads = 1};
    sb_attn_in  in       = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out out      = {.o = &f32, .lse = c->lse, .mode = SB_OUT_SET};
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &c->plan, NULL, &out), SB_OK);
    out.mode = SB_OUT_MERGE;
    ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &again, NULL, &out), SB_OK);
    for (int i = 0; i < EXAMPLE * 16; i++)
        ((sb_bf16 *)c->o.data)[i] = sb_bf16_from_f32(o[i]);
    static const double want[] = {1.0663, 1.1453, 1.2325, 1.4873}; /* [anchor_attention 10] */
    for (int i = 0; i < 4; i++)
        ck_assert_double_eq_tol((double)o[(8 + i) * 16], want[i], 1e-4);
}

START_TEST(double_counting_is_an_overflow)
{
    sb_case   *c         = worked_example();
    sb_quality partition = quality_of(
        c, "anchor_attention", "block_tokens: 2, step_blocks: 2, theta: 1.5, windows: partition");
    ck_assert_int_eq(quality_fact(&partition, -1)->recall_overflow, 0);
    ck_assert_int_eq(quality_fact(&partition, 0)->recall_overflow, 0);
    ck_assert_double_lt(quality_fact(&partition, -1)->recall_mean, 1);
    released(c);
    sb_quality twice = quality_look_at(c, &(quality_look){.detail = SB_DETAIL_PER_HEAD});
    ck_assert_int_eq(quality_fact(&twice, -1)->recall_overflow, 1);
    ck_assert_int_eq(quality_fact(&twice, 0)->recall_overflow, 1);
    /* row 8: 99.5 of 91.5 */
    double dense[16], l;
    judge_row(&c->q, &c->k, &c->v, c->scale, sees_all, NULL, 0, 8, dense, &l);
    ck_assert_double_eq_tol((double)c->lse[8] - l, log(99.5 / 91.5), 5e-4);
    sb_quality_fini(&partition);
    sb_quality_fini(&twice);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run quality");
    TCase *t = tcase_create("metrics");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, dense_keeps_everything, 0, 3);
    tcase_add_test(t, every_figure_equals_explicit_sums);
    tcase_add_test(t, error_is_bounded_by_lost_mass_times_the_spread_of_values);
    tcase_add_test(t, without_quality_the_index_is_counted_alone);
    tcase_add_test(t, without_an_index_the_error_and_flop_are_kept);
    tcase_add_test(t, a_changed_softmax_has_density_but_no_recall);
    tcase_add_test(t, double_counting_is_an_overflow);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
