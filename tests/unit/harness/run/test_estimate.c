/* The row sample of the quality pass and what it says of all rows [quality_metrics C, D]. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/run/estimate.h"
#include "kernels/base/rng.h"
#include "results/stats/stats.h"

/* The program's malloc while it is asked to fail (linked with --wrap). */
static int no_memory;
void      *__real_malloc(size_t n);
void      *__wrap_malloc(size_t n);
void      *__wrap_malloc(size_t n) { return no_memory ? NULL : __real_malloc(n); }

enum { N = 8192, MAX_DRAWN = 2 * SB_STRATA * SB_STRATUM_ROWS + SB_CENSUS_ROWS };

static double uniform(uint64_t key) { return (double)(sb_mix(key) >> 11) * 0x1p-53; }

/* Recall-like values: high, with a slope over positions and noise, a few bad rows. */
static double value(int64_t row)
{
    return 0.9 - 0.2 * (double)row / N + 0.1 * (uniform((uint64_t)row) - 0.5) -
           (sb_mix((uint64_t)row + 77) % 50 == 0 ? 0.3 : 0);
}

/* Of another method on the same rows: it loses where the first does, and a little more. */
static double other(int64_t row) { return value(row) - 0.01 * uniform((uint64_t)row + 5000000); }

/* Squared errors with a heavy tail, and references. */
static double error(int64_t row) { return exp(3 * uniform((uint64_t)row + 900000)); }
static double reference(int64_t row) { return 50 + 20 * uniform((uint64_t)row + 1700000); }

static double mean_of(double (*f)(int64_t), int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += f(i);
    return sum / (double)n;
}

typedef struct sample {
    sb_rows rows;
    double  y[MAX_DRAWN][2];
} sample;

static void draw(sample *s, int64_t n, uint64_t seed, int64_t stratum_rows, double (*a)(int64_t),
                 double (*b)(int64_t))
{
    ck_assert_int_eq(sb_rows_draw(n, seed, stratum_rows, &s->rows), SB_OK);
    ck_assert_int_le(s->rows.n, MAX_DRAWN);
    for (int64_t i = 0; i < s->rows.n; i++) {
        s->y[i][0] = a(s->rows.row[i]);
        s->y[i][1] = b(s->rows.row[i]);
    }
}

/* ---- the rows ---- */

START_TEST(rows_are_distinct_ascending_and_stratified)
{
    static const int64_t lengths[] = {N + 1, N + 37, 20000, 1 << 20};
    int64_t              n = lengths[_i], m = n - SB_CENSUS_ROWS;
    sb_rows              rows;
    ck_assert_int_eq(sb_rows_draw(n, 5, SB_STRATUM_ROWS, &rows), SB_OK);
    ck_assert_int_eq(rows.n, 576);
    for (int64_t i = 1; i < rows.n; i++)
        ck_assert_int_lt(rows.row[i - 1], rows.row[i]);
    for (int64_t s = 0; s < SB_STRATA; s++) {
        const sb_stratum *t = &rows.stratum[s];
        ck_assert_int_eq(t->begin, s * m / SB_STRATA);
        ck_assert_int_eq(t->end, (s + 1) * m / SB_STRATA);
        ck_assert(t->first == s * SB_STRATUM_ROWS && t->n_drawn == SB_STRATUM_ROWS);
        for (int64_t i = t->first; i < t->first + t->n_drawn; i++)
            ck_assert(rows.row[i] >= t->begin && rows.row[i] < t->end);
    }
    ck_assert_int_eq(rows.row[rows.n - 1], n - 1);
    ck_assert_int_eq(rows.row[rows.n - SB_CENSUS_ROWS], n - SB_CENSUS_ROWS);
    sb_rows_fini(&rows);
}
END_TEST

START_TEST(short_sequences_give_fewer_rows)
{
    for (int64_t n = 1; n < 1200; n += 1 + n / 7) {
        sb_rows rows;
        int64_t want = n < SB_CENSUS_ROWS ? n : SB_CENSUS_ROWS;
        for (int64_t s = 0; s < SB_STRATA && n > SB_CENSUS_ROWS; s++) {
            int64_t m = n - SB_CENSUS_ROWS, size = (s + 1) * m / SB_STRATA - s * m / SB_STRATA;
            want += size < SB_STRATUM_ROWS ? size : SB_STRATUM_ROWS;
        }
        ck_assert_int_eq(sb_rows_draw(n, 5, SB_STRATUM_ROWS, &rows), SB_OK);
        ck_assert_int_eq(rows.n, want);
        for (int64_t i = 0; i < rows.n; i++)
            ck_assert(rows.row[i] >= 0 && rows.row[i] < n &&
                      (i == 0 || rows.row[i] > rows.row[i - 1]));
        sb_rows_fini(&rows);
    }
}
END_TEST

START_TEST(every_row_when_asked)
{
    sb_rows rows;
    ck_assert_int_eq(sb_rows_draw(20000, 5, 0, &rows), SB_OK);
    ck_assert_int_eq(rows.n, 20000);
    for (int64_t i = 0; i < rows.n; i++)
        ck_assert_int_eq(rows.row[i], i);
    sb_rows_fini(&rows);
}
END_TEST

START_TEST(twice_as_many_rows_contain_the_half)
{
    sb_rows a, b;
    ck_assert_int_eq(sb_rows_draw(20000, 9, SB_STRATUM_ROWS, &a), SB_OK);
    ck_assert_int_eq(sb_rows_draw(20000, 9, 2 * SB_STRATUM_ROWS, &b), SB_OK);
    ck_assert_int_eq(b.n, 2 * SB_STRATA * SB_STRATUM_ROWS + SB_CENSUS_ROWS);
    int64_t at = 0;
    for (int64_t i = 0; i < b.n; i++)
        at += at < a.n && a.row[at] == b.row[i];
    ck_assert_int_eq(at, a.n);
    sb_rows_fini(&a);
    sb_rows_fini(&b);
}
END_TEST

START_TEST(rows_depend_on_the_seed_alone)
{
    sb_rows a, b, c;
    ck_assert_int_eq(sb_rows_draw(20000, 9, SB_STRATUM_ROWS, &a), SB_OK);
    ck_assert_int_eq(sb_rows_draw(20000, 9, SB_STRATUM_ROWS, &b), SB_OK);
    ck_assert_int_eq(sb_rows_draw(20000, 10, SB_STRATUM_ROWS, &c), SB_OK);
    ck_assert_mem_eq(a.row, b.row, (size_t)a.n * sizeof *a.row);
    ck_assert_mem_ne(a.row, c.row, (size_t)a.n * sizeof *a.row);
    sb_rows_fini(&a);
    sb_rows_fini(&b);
    sb_rows_fini(&c);
}
END_TEST

/* ---- the mean ---- */

START_TEST(exact_mean_has_no_error)
{
    sb_rows rows;
    double *y = malloc(N * sizeof *y);
    ck_assert_int_eq(sb_rows_draw(N, 5, 0, &rows), SB_OK);
    for (int64_t i = 0; i < N; i++)
        y[i] = value(i);
    sb_estimate e = sb_estimate_mean(&rows, y, 1);
    ck_assert_double_eq_tol(e.mean, mean_of(value, N), 1e-12);
    ck_assert(e.se == 0 && e.lo == e.mean && e.hi == e.mean);
    sb_rows_fini(&rows);
    free(y);
}
END_TEST

/* Worked by hand: strata of two rows, of which one pair differs. Only a stratum that is not seen
 * whole has a variance; with all of it drawn there is none. */
START_TEST(fully_drawn_strata_have_no_variance)
{
    sample s;
    draw(&s, SB_CENSUS_ROWS + SB_STRATA * 5, 3, SB_STRATUM_ROWS, value, value);
    ck_assert_int_eq(s.rows.n, SB_CENSUS_ROWS + SB_STRATA * 5);
    ck_assert_double_eq(sb_estimate_mean(&s.rows, s.y[0], 2).se, 0);
    sb_rows_fini(&s.rows);
}
END_TEST

/* Var = sum w_l^2 (1 - f_l) s2_l / m_l for y = 0 .. 6 in one stratum and constants elsewhere:
 * s2 = 14 / 3; all the spread in one stratum of 7 rows leaves nu = 6 degrees of freedom. */
START_TEST(variance_and_degrees_of_freedom_by_hand)
{
    sample  s;
    int64_t n = SB_CENSUS_ROWS + SB_STRATA * 70;
    draw(&s, n, 3, SB_STRATUM_ROWS, value, value);
    for (int64_t i = 0; i < s.rows.n; i++)
        s.y[i][0] = i >= 7 && i < 14 ? (double)(i - 7) : 3;
    double      w = 70.0 / (double)n, var = w * w * (1 - 0.1) * (14.0 / 3) / 7;
    sb_estimate e = sb_estimate_mean(&s.rows, s.y[0], 2);
    ck_assert_double_eq_tol(e.mean, 3, 1e-12);
    ck_assert_double_eq_tol(e.se, sqrt(var), 1e-15);
    ck_assert_double_eq_tol((e.hi - e.mean) / e.se, 2.446911851, 1e-8);
    ck_assert_double_eq_tol((e.mean - e.lo) / e.se, 2.446911851, 1e-8);
    ck_assert_double_eq(e.tail, 3);
    sb_rows_fini(&s.rows);
}
END_TEST

/* D: N = 8192, sampled against exact over 1000 seeds: the t-interval covers in [0.92, 0.98], the
 * mean has no bias, pairing lowers the variance of differences. */
START_TEST(a_thousand_seeds_at_8192)
{
    double want = mean_of(value, N), other_want = mean_of(other, N), sum = 0, sum_ratio = 0;
    double want_ratio = mean_of(error, N) / mean_of(reference, N);
    double paired = 0, apart = 0;
    int    in = 0, in_paired = 0, in_ratio = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        sample s;
        draw(&s, N, sb_mix(seed), SB_STRATUM_ROWS, value, other);
        sb_estimate a = sb_estimate_mean(&s.rows, &s.y[0][0], 2);
        sb_estimate b = sb_estimate_mean(&s.rows, &s.y[0][1], 2);
        sb_estimate d = sb_estimate_difference(&s.rows, &s.y[0][0], &s.y[0][1], 2);
        sum += a.mean;
        in += a.lo <= want && want <= a.hi;
        in_paired += d.lo <= want - other_want && want - other_want <= d.hi;
        ck_assert_double_eq_tol(d.mean, a.mean - b.mean, 1e-12);
        paired += d.se * d.se;
        apart += a.se * a.se + b.se * b.se;
        sb_rows_fini(&s.rows);
        draw(&s, N, sb_mix(seed), SB_STRATUM_ROWS, error, reference);
        sb_ratio r = sb_estimate_ratio(&s.rows, &s.y[0][0], &s.y[0][1], 2);
        sum_ratio += r.value;
        in_ratio += fabs(r.value - want_ratio) <= SB_STATS_Z95 * r.se;
        sb_rows_fini(&s.rows);
    }
    /* the mean of 1000 means has a standard error of about 9e-5 */
    ck_assert_double_le(fabs(sum / 1000 - want), 4e-4);
    ck_assert_msg(in >= 920 && in <= 980, "%d of 1000 intervals cover", in);
    ck_assert_msg(in_paired >= 920 && in_paired <= 980, "%d of differences", in_paired);
    ck_assert_msg(in_ratio >= 920 && in_ratio <= 980, "%d of ratios", in_ratio);
    ck_assert_double_le(fabs(sum_ratio / 1000 / want_ratio - 1), 5e-3);
    ck_assert_double_lt(paired, 0.05 * apart);
}
END_TEST

/* ---- ratio, percentiles ---- */

/* rel_l2 [C]: r = E / A over all rows, SE(r) from z = e - r a; one row that stands for most of E is
 * seen, one of the census is not a matter of luck. */
START_TEST(ratio_by_hand)
{
    sample  s;
    int64_t n = SB_CENSUS_ROWS + SB_STRATA * 70;
    draw(&s, n, 3, SB_STRATUM_ROWS, value, value);
    for (int64_t i = 0; i < s.rows.n; i++) {
        s.y[i][0] = 2;
        s.y[i][1] = 8;
    }
    sb_ratio r = sb_estimate_ratio(&s.rows, &s.y[0][0], &s.y[0][1], 2);
    ck_assert_double_eq_tol(r.value, 0.25, 1e-14);
    ck_assert_double_eq_tol(r.num, 2 * (double)n, 1e-8);
    ck_assert_double_eq_tol(r.den, 8 * (double)n, 1e-8);
    ck_assert_double_eq_tol(r.se, 0, 1e-12);
    ck_assert_double_eq_tol(r.share, 10.0 / (double)n, 1e-12);
    s.y[20][0] = 2 + 7 * (double)n / 10; /* stands for ten rows: n more of E, besides 2 n */
    r          = sb_estimate_ratio(&s.rows, &s.y[0][0], &s.y[0][1], 2);
    ck_assert_double_eq_tol(r.share, (7 * (double)n + 20) / (9 * (double)n), 1e-12);
    double z = 7 * (double)n / 10, w = 70.0 / (double)n; /* s2 of one value z among six zeros */
    ck_assert_double_eq_tol(r.se, sqrt(w * w * 0.9 * (z * z / 7) / 7) / 8, 1e-10);
    s.y[20][0]           = 2;
    s.y[s.rows.n - 1][0] = 1e6;
    r                    = sb_estimate_ratio(&s.rows, &s.y[0][0], &s.y[0][1], 2);
    ck_assert_double_lt(r.share, SB_SHARE_MAX);
    for (int64_t i = 0; i < s.rows.n; i++)
        s.y[i][1] = 0;
    ck_assert(isnan(sb_estimate_ratio(&s.rows, &s.y[0][0], &s.y[0][1], 2).value));
    sb_rows_fini(&s.rows);
}
END_TEST

static double of_rows(const sample *s, double p)
{
    double out;
    ck_assert_int_eq(sb_estimate_percentile(&s->rows, s->y[0], 2, p, &out), SB_OK);
    return out;
}

static double percentile(const double *y, int64_t n, int64_t stride, double p)
{
    double out;
    ck_assert_int_eq(sb_percentile(y, n, stride, p, &out), SB_OK);
    return out;
}

/* The last 128 rows are all there, the others one in ten: as a share of all rows they weigh 2.8 %,
 * of the drawn ones 22 %. */
START_TEST(percentiles_weigh_rows)
{
    sample  s;
    int64_t n = SB_CENSUS_ROWS + SB_STRATA * 70, drawn = SB_STRATA * SB_STRATUM_ROWS;
    draw(&s, n, 3, SB_STRATUM_ROWS, value, value);
    for (int64_t i = 0; i < s.rows.n; i++)
        s.y[i][0] = i < drawn ? 1 : 0;
    ck_assert_double_eq(of_rows(&s, 0.05), 1);
    ck_assert_double_eq(of_rows(&s, 0.027), 0);
    sb_rows_fini(&s.rows);
    double y[] = {5, 1, 4, 2, 3};
    ck_assert_double_eq(percentile(y, 5, 1, 0.05), 1);
    ck_assert_double_eq(percentile(y, 5, 1, 0.5), 3);
    ck_assert_double_eq(percentile(y, 5, 1, 1), 5);
    ck_assert_double_eq(percentile(y, 2, 2, 1), 5);
    ck_assert(isnan(percentile(y, 0, 1, 0.5)));
    double many[400];
    for (int i = 0; i < 400; i++)
        many[i] = i + 1;
    ck_assert_double_eq(percentile(many, 400, 1, 0.05), 20); /* nearest rank, not one above */
    ck_assert_double_eq(percentile(many, 400, 1, 0.99), 396);
}
END_TEST

/* No memory is a failure, not a value that is missing. */
START_TEST(percentiles_without_memory)
{
    sample    s;
    double    y[] = {1, 2}, out = 7;
    sb_status all, drawn;
    draw(&s, SB_CENSUS_ROWS, 3, SB_STRATUM_ROWS, value, value);
    no_memory = 1;
    all       = sb_percentile(y, 2, 1, 0.5, &out);
    drawn     = sb_estimate_percentile(&s.rows, s.y[0], 2, 0.5, &out);
    no_memory = 0;
    ck_assert_int_eq(all, SB_ERR_NOMEM);
    ck_assert_int_eq(drawn, SB_ERR_NOMEM);
    ck_assert_double_eq(out, 7);
    sb_rows_fini(&s.rows);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("harness/run estimate");
    TCase *t = tcase_create("rows");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, rows_are_distinct_ascending_and_stratified, 0, 4);
    tcase_add_test(t, short_sequences_give_fewer_rows);
    tcase_add_test(t, every_row_when_asked);
    tcase_add_test(t, twice_as_many_rows_contain_the_half);
    tcase_add_test(t, rows_depend_on_the_seed_alone);
    tcase_add_test(t, exact_mean_has_no_error);
    tcase_add_test(t, fully_drawn_strata_have_no_variance);
    tcase_add_test(t, variance_and_degrees_of_freedom_by_hand);
    tcase_add_test(t, a_thousand_seeds_at_8192);
    tcase_add_test(t, ratio_by_hand);
    tcase_add_test(t, percentiles_weigh_rows);
    tcase_add_test(t, percentiles_without_memory);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
