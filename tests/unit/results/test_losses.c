/* Points beside dense and means over tasks: views losses, losses_mean, accuracy_mean, ruler_length
 * on small databases whose figures are worked out by hand or by results/stats. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/stats/compare.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path = strdup(facts_path(dir, "t.db"));
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

/* ---- making databases ---- */

/* An input of a task: version tells contents of the same row apart. */
static int64_t put_input(sb_store *s, const char *task, int64_t row, const char *version)
{
    const sb_dataset_facts d = {.suite             = "probe",
                                .task              = task,
                                .mode              = "native",
                                .generator_version = version,
                                .params_json       = "{}",
                                .corpus            = "",
                                .corpus_sha256     = "",
                                .length_tokens     = 1024};
    char                   text[96], sha[65];
    int64_t                dataset = 0, id = 0;
    (void)snprintf(text, sizeof text, "%s %s %lld", task, version, (long long)row);
    FACTS_OK(sbi_text_sha256(text, sha));
    FACTS_OK(sb_store_put_dataset(s, &d, &dataset));
    FACTS_OK(sb_store_put_input(
        s, &(sb_input_facts){.dataset_id = dataset, .row_no = row, .sha256 = sha}, &id));
    return id;
}

static void put_score(sb_store *s, int64_t run, int64_t point, int64_t input, double score,
                      int is_binary)
{
    const sb_sample_facts f = {.run_id          = run,
                               .point_id        = point,
                               .input_id        = input,
                               .status          = "ok",
                               .prediction      = "",
                               .metric          = "m@1",
                               .score           = score,
                               .score_is_binary = is_binary};
    facts_put(s, &f);
}

/* Rows [first, last) of one point: score(row). */
static void put_rows(sb_store *s, int64_t run, sb_point_facts p, int64_t first, int64_t last,
                     double (*score)(int64_t row))
{
    const char *task  = p.task == NULL ? "niah_single" : p.task;
    int64_t     point = facts_point(s, p);
    for (int64_t row = first; row < last; row++) {
        double v = score(row);
        put_score(s, run, point, put_input(s, task, row, "1"), v, score(0) == 0 || score(0) == 1);
    }
}

static double right(int64_t row) { return (void)row, 1; }
static double wrong(int64_t row) { return (void)row, 0; }
static double base_50(int64_t row) { return row >= 2; } /* wrong at 0, 1 */
static double cand_50(int64_t row) { return row < 40; } /* wrong at 40..49 */
static double wrong_third(int64_t row) { return row % 3 != 0; }
static double wrong_fifth(int64_t row) { return row % 5 != 0; }
static double half(int64_t row) { return 0.5 + 0.25 * (double)(row % 3 - 1); }
static double half_less(int64_t row) { return 0.25 + 0.25 * (double)(row % 2); }

static void refresh(void)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    FACTS_OK(sb_store_check(path, stdout));
}

static int64_t count(const char *where)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", where);
    return facts_int(path, sql);
}

static double real(const char *what, const char *from)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s", what, from);
    return facts_real(path, sql);
}

static void is_text(const char *what, const char *from, const char *want)
{
    char sql[512];
    (void)snprintf(sql, sizeof sql, "SELECT %s FROM %s", what, from);
    char *got = facts_text(path, sql);
    ck_assert_str_eq(got, want);
    free(got);
}

/* ---- losses ---- */

/* b = 10, c = 2 of 50: the spec's p = 0.03857, difference -0.16. */
START_TEST(binary_scores_get_mcnemar)
{
    sb_interval want;
    sb_store   *s   = facts_open(path, SB_STORE_WRITE);
    int64_t     run = facts_run(s, "c", 0);
    put_rows(s, run, (sb_point_facts){0}, 0, 50, base_50);
    put_rows(s, run, (sb_point_facts){.method = "hip"}, 0, 50, cand_50);
    sb_store_close(s);
    is_text("reason", "losses", "scores changed since it was computed");
    refresh();
    ck_assert_int_eq(count("losses"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT n * 10000 + b * 100 + c FROM losses"), 501002);
    ck_assert_double_eq_tol(real("p", "losses"), 0.03857, 5e-6);
    ck_assert_double_eq(real("p_holm", "losses"), real("p", "losses"));
    ck_assert_double_eq_tol(real("difference", "losses"), -0.16, 1e-12);
    FACTS_OK(sb_stats_paired_score(10, 2, 50, &want));
    ck_assert_double_eq(real("lo", "losses"), want.lo);
    ck_assert_double_eq(real("hi", "losses"), want.hi);
    ck_assert_double_eq_tol(real("half_width", "losses"), (want.hi - want.lo) / 2, 1e-12);
    ck_assert_double_eq_tol(real("resolution", "losses"), 1.959964 * sqrt(12.0) / 50, 1e-6);
    ck_assert_int_eq(count("losses WHERE test = 'mcnemar' AND verdict = 'loss' AND reason IS NULL "
                           "AND margin = 0.03 AND non_inferior = 0 AND n_unpaired = 0 AND n_tests "
                           "= 1 AND method = 'hip' AND metric = 'm@1'"),
                     1);
}
END_TEST

START_TEST(fractions_get_a_paired_bootstrap)
{
    enum { N = 30 };
    double      d[N], p = 0, mean = 0;
    sb_interval i;
    sb_store   *s   = facts_open(path, SB_STORE_WRITE);
    int64_t     run = facts_run(s, "c", 0);
    put_rows(s, run, (sb_point_facts){.task = "vt"}, 0, N, half);
    put_rows(s, run, (sb_point_facts){.task = "vt", .method = "hip"}, 0, N, half_less);
    sb_store_close(s);
    refresh();
    for (int row = 0; row < N; row++)
        mean += (d[row] = half_less(row) - half(row)) / N;
    ck_assert_double_eq_tol(real("difference", "losses"), mean, 1e-12);
    FACTS_OK(sb_stats_paired_bootstrap(d, N, 99, &i)); /* another order and seed: nearly the same */
    ck_assert_double_eq_tol(real("lo", "losses"), i.lo, 0.01);
    ck_assert_double_eq_tol(real("hi", "losses"), i.hi, 0.01);
    FACTS_OK(sb_stats_sign_flip(d, N, 99, &p));
    ck_assert_double_eq_tol(real("p", "losses"), p, 0.02);
    ck_assert_int_eq(count("losses WHERE test = 'paired_bootstrap' AND n = 30"), 1);
}
END_TEST

/* No pair differs: -+ z^2 / (n + z^2), which is within 0.03 from n = 125 on. */
START_TEST(few_equal_pairs_certify_nothing)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (uint64_t seed = 0; seed < 2; seed++) {
        put_rows(s, run, (sb_point_facts){.seed = seed}, 0, seed == 0 ? 124 : 125, right);
        put_rows(s, run, (sb_point_facts){.seed = seed, .method = "hip"}, 0, seed == 0 ? 124 : 125,
                 right);
    }
    put_rows(s, run, (sb_point_facts){.seed = 2, .task = "vt"}, 0, 3, half);
    put_rows(s, run, (sb_point_facts){.seed = 2, .task = "vt", .method = "hip"}, 0, 3, half);
    sb_store_close(s);
    refresh();
    is_text("verdict", "losses WHERE seed = 0", "undecided");
    is_text("verdict", "losses WHERE seed = 1", "non-inferior");
    is_text("verdict", "losses WHERE seed = 2", "undecided");
    ck_assert_double_eq_tol(real("lo", "losses WHERE seed = 2"), -0.5615, 1e-4);
    ck_assert_int_eq(count("losses WHERE p = 1 AND difference = 0"), 3);
}
END_TEST

START_TEST(only_equal_inputs_are_paired)
{
    sb_store *s    = facts_open(path, SB_STORE_WRITE);
    int64_t   run  = facts_run(s, "c", 0);
    int64_t   hip  = facts_point(s, (sb_point_facts){.method = "hip"});
    int64_t   none = facts_point(s, (sb_point_facts){.method = "a_shape"});
    put_rows(s, run, (sb_point_facts){0}, 0, 20, right);
    put_rows(s, run, (sb_point_facts){.method = "pbs_attn"}, 0, 12, wrong_third); /* cut short */
    for (int64_t row = 0; row < 20; row++) { /* rows 15..19 come of another generator */
        put_score(s, run, hip, put_input(s, "niah_single", row, row < 15 ? "1" : "2"), 0, 1);
        put_score(s, run, none, put_input(s, "niah_single", row + 100, "1"), 0, 1);
    }
    put_rows(s, run, (sb_point_facts){.method = "flexprefill", .length_tokens = 2048}, 0, 5, right);
    sb_store_close(s);
    refresh();
    ck_assert_int_eq(count("losses WHERE method = 'pbs_attn' AND n = 12 AND n_unpaired = 8 AND b = "
                           "4 AND c = 0 AND reason IS NULL"),
                     1);
    ck_assert_int_eq(count("losses WHERE method = 'hip' AND n = 15 AND n_unpaired = 10 AND "
                           "n_differ = 5 AND difference IS NULL AND lo IS NULL AND p IS NULL AND "
                           "verdict IS NULL AND test IS NULL"),
                     1);
    is_text("reason", "losses WHERE method = 'hip'",
            "rows of the same number have other inputs at dense");
    ck_assert_int_eq(count("losses WHERE method = 'a_shape' AND n = 0 AND n_unpaired = 40 AND "
                           "n_differ = 0 AND verdict IS NULL"),
                     1);
    is_text("reason", "losses WHERE method = 'a_shape'", "no input in common with dense");
    is_text("reason", "losses WHERE method = 'flexprefill'", "no dense scores of the same cell");
    ck_assert_int_eq(count("losses WHERE n_tests = 1 AND method <> 'flexprefill'"), 3);
}
END_TEST

/* The same cells as speedup: seed, decode, ranks, task data must be equal; state goes with
 * allgather in any layout; an anchor nobody asked for is no base; of two dense the smaller hash. */
START_TEST(the_base_is_dense_of_the_same_cell)
{
    sb_store            *s      = facts_open(path, SB_STORE_WRITE);
    int64_t              run    = facts_run(s, "c", 0);
    const sb_point_facts lone[] = {{.method = "hip", .seed = 1},
                                   {.method = "hip", .decode = "dense"},
                                   {.method = "hip", .ranks = 2},
                                   {.method = "hip", .task_json = "{\"k\":2}"},
                                   {.method = "hip", .model_json = "{\"head_dim\":128}"},
                                   {.method = "hip", .layout = "contiguous"}};
    put_rows(s, run, (sb_point_facts){.scheme = "allgather", .layout = "block_striped"}, 0, 3,
             right);
    put_rows(s, run, (sb_point_facts){.method_json = "{\"impl\":\"other\"}"}, 0, 3, right);
    put_rows(s, run, (sb_point_facts){0}, 0, 3, right);
    put_rows(s, run, (sb_point_facts){.method = "hip"}, 0, 3, right);
    put_rows(s, run, (sb_point_facts){.method = "lightning", .scheme = "state"}, 0, 3, right);
    for (int i = 0; i < 6; i++)
        put_rows(s, run, lone[i], 0, 3, right);
    int64_t               anchor = facts_point(s, (sb_point_facts){.seed = 1});
    const sb_sample_facts f      = {.run_id          = run,
                                    .point_id        = anchor,
                                    .input_id        = put_input(s, "niah_single", 0, "1"),
                                    .is_anchor       = 1,
                                    .status          = "ok",
                                    .prediction      = "",
                                    .metric          = "m@1",
                                    .score           = 1,
                                    .score_is_binary = 1};
    facts_put(s, &f);
    sb_store_close(s);
    refresh();
    ck_assert_int_eq(count("losses WHERE reason = 'no dense scores of the same cell'"), 6);
    ck_assert_int_eq(count("losses WHERE reason IS NULL AND n = 3"), 2);
    ck_assert_int_eq(count("losses AS l JOIN point AS d ON d.id = l.base_id WHERE l.sharding = "
                           "'state' AND d.hash = (SELECT min(hash) FROM point WHERE method = "
                           "'dense' AND scheme = 'allgather' AND seed = 0)"),
                     1);
    ck_assert_int_eq(count("losses AS l JOIN point AS d ON d.id = l.base_id WHERE l.method = 'hip' "
                           "AND d.hash = (SELECT min(hash) FROM point WHERE method = 'dense' AND "
                           "seed = 0 AND layout = 'zigzag')"),
                     1);
}
END_TEST

START_TEST(figures_are_null_until_computed_again)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int i = 0; i < 2; i++) {
        const char *task = i == 0 ? "niah_single" : "vt";
        put_rows(s, run, (sb_point_facts){.task = task}, 0, 30, i == 0 ? right : half);
        put_rows(s, run, (sb_point_facts){.task = task, .method = "hip"}, 0, 30,
                 i == 0 ? wrong_third : half_less);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
    int before = sqlite3_total_changes(s->db);
    FACTS_OK(sb_store_refresh_intervals(s));
    ck_assert_int_eq(sqlite3_total_changes(s->db), before); /* nothing was computed again */
    sb_store_close(s);
    double old = real("difference", "losses WHERE task = 'vt'");
    ck_assert_int_eq(count("losses WHERE p_holm IS NOT NULL AND n_tests = 2"), 2);
    ck_assert_int_eq(count("losses_mean WHERE difference IS NOT NULL"), 1);
    ck_assert_int_eq(count("accuracy_mean WHERE half_width IS NOT NULL"), 2);

    s   = facts_open(path, SB_STORE_WRITE);
    run = facts_run(s, "c", 0); /* a newer score of dense at one input */
    put_score(s, run, facts_point(s, (sb_point_facts){.task = "vt"}), put_input(s, "vt", 4, "1"),
              1.0, 0);
    sb_store_close(s);
    ck_assert_int_eq(count("losses WHERE task = 'vt' AND difference IS NULL AND p IS NULL AND "
                           "verdict IS NULL AND reason = 'scores changed since it was computed'"),
                     1);
    /* the other task keeps its own figures, but not what was corrected over both */
    ck_assert_int_eq(
        count("losses WHERE task = 'niah_single' AND p IS NOT NULL AND p_holm IS NULL"), 1);
    ck_assert_int_eq(count("losses_mean WHERE difference IS NULL AND reason IS NOT NULL"), 1);
    ck_assert_int_eq(count("accuracy_mean WHERE method = 'dense' AND score > 0 AND lo IS NULL AND "
                           "reason = 'scores changed since the interval was computed'"),
                     1);
    ck_assert_int_eq(count("accuracy_mean WHERE method = 'hip' AND lo IS NOT NULL"), 1);
    refresh();
    ck_assert_double_eq_tol(real("difference", "losses WHERE task = 'vt'"),
                            old - (1.0 - half(4)) / 30, 1e-12);
    ck_assert_int_eq(count("losses WHERE p_holm IS NOT NULL"), 2);
    ck_assert_int_eq(count("comparison"), 3);
    ck_assert_int_eq(count("mean_interval"), 2);
}
END_TEST

/* Two methods on two tasks are four tests; the means are a family of two. Another length is another
 * family. */
START_TEST(holm_corrects_within_a_length)
{
    static double (*const score[])(int64_t) = {wrong_third, wrong_fifth};
    double    p[4], want[4];
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int length = 1024; length <= 2048; length += 1024)
        for (int t = 0; t < 2; t++) {
            sb_point_facts f = {.task = t == 0 ? "niah_single" : "qa", .length_tokens = length};
            put_rows(s, run, f, 0, 40, right);
            f.method = "hip";
            put_rows(s, run, f, 0, length == 1024 ? 40 : 20, score[t]);
            f.method = "a_shape";
            put_rows(s, run, f, 0, 40, score[1 - t]);
        }
    sb_store_close(s);
    refresh();
    for (int length = 1024; length <= 2048; length += 1024) {
        char sql[256];
        for (int i = 0; i < 4; i++) {
            (void)snprintf(sql, sizeof sql,
                           "losses WHERE length = %d AND task = '%s' AND method = '%s'", length,
                           i % 2 ? "qa" : "niah_single", i < 2 ? "hip" : "a_shape");
            p[i] = real("p", sql);
        }
        FACTS_OK(sb_stats_holm(p, 4, want));
        for (int i = 0; i < 4; i++) {
            (void)snprintf(sql, sizeof sql,
                           "losses WHERE length = %d AND task = '%s' AND method = '%s'", length,
                           i % 2 ? "qa" : "niah_single", i < 2 ? "hip" : "a_shape");
            ck_assert_double_eq(real("p_holm", sql), want[i]);
        }
    }
    ck_assert_int_eq(count("losses WHERE n_tests = 4"), 8);
    ck_assert_int_eq(count("losses_mean WHERE n_tests = 2 AND p_holm >= p"), 4);
}
END_TEST

/* ---- means ---- */

START_TEST(means_need_every_task_with_equal_n)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int t = 0; t < 3; t++) {
        const char    *task = (const char *const[]){"niah_single", "qa", "vt"}[t];
        sb_point_facts f    = {.task = task, .chance = 0.25};
        put_rows(s, run, f, 0, 30, t == 2 ? half : right);
        f.method = "hip";
        put_rows(s, run, f, 0, 30, t == 2 ? half_less : wrong_third);
        f.method = "a_shape"; /* one task short of samples */
        put_rows(s, run, f, 0, t == 1 ? 20 : 30, right);
        f.method = "minference"; /* one task short */
        if (t > 0)
            put_rows(s, run, f, 0, 30, right);
        f.method = "pbs_attn"; /* one task twice, with other data */
        put_rows(s, run, f, 0, 30, right);
        f.task_json = "{\"k\":2}";
        if (t == 0)
            put_rows(s, run, f, 0, 30, right);
    }
    sb_store_close(s);
    refresh();
    ck_assert_double_eq_tol(real("score", "accuracy_mean WHERE method = 'dense'"),
                            (1 + 1 + 0.5) / 3, 1e-12);
    ck_assert_double_eq_tol(real("score", "accuracy_mean WHERE method = 'hip'"),
                            (2.0 / 3 + 2.0 / 3 + 0.375) / 3, 1e-12);
    ck_assert_int_eq(count("accuracy_mean WHERE method IN ('dense', 'hip') AND n = 30 AND n_total "
                           "= 90 AND n_tasks = 3 AND chance = 0.25 AND n_failed = 0 AND lo < score "
                           "AND score < hi AND reason IS NULL AND interval_kind IS NOT NULL"),
                     2);
    ck_assert_int_eq(count("accuracy_mean WHERE reason IS NOT NULL AND score IS NULL AND lo IS "
                           "NULL AND half_width IS NULL AND interval_kind IS NULL"),
                     3);
    is_text("reason", "accuracy_mean WHERE method = 'a_shape'", "tasks differ in samples: 20..30");
    is_text("reason", "accuracy_mean WHERE method = 'minference'", "2 of 3 tasks have scores");
    is_text("reason", "accuracy_mean WHERE method = 'pbs_attn'",
            "a task stands here with more than one data set or metric");
    is_text("reason", "losses_mean WHERE method = 'minference'", "2 of 3 tasks have scores");
    ck_assert_double_eq_tol(real("difference", "losses_mean WHERE method = 'hip'"),
                            (2.0 / 3 + 2.0 / 3 + 0.375 - 2.5) / 3, 1e-12);
    ck_assert_int_eq(count("losses_mean WHERE method = 'hip' AND n = 90 AND n_tasks = 3 AND margin "
                           "= 0.01 AND test = 'paired_bootstrap' AND verdict = 'loss' AND lo < "
                           "difference AND difference < hi"),
                     1);
    ck_assert_int_eq(count("losses_mean WHERE verdict IS NULL AND reason IS NOT NULL"), 3);
}
END_TEST

/* The interval is that of the stratified bootstrap: narrower than one over all scores, for the
 * tasks lie apart. */
START_TEST(mean_intervals_are_stratified)
{
    enum { N = 60 };
    double        v[2 * N];
    const int64_t n[] = {N, N};
    sb_interval   want;
    sb_store     *s   = facts_open(path, SB_STORE_WRITE);
    int64_t       run = facts_run(s, "c", 0);
    put_rows(s, run, (sb_point_facts){.task = "qa"}, 0, N, wrong_fifth);
    put_rows(s, run, (sb_point_facts){.task = "vt"}, 0, N, half_less);
    sb_store_close(s);
    refresh();
    for (int i = 0; i < N; i++) {
        v[i]     = wrong_fifth(i);
        v[N + i] = half_less(i);
    }
    FACTS_OK(sb_stats_bootstrap_strata(v, n, 2, (sb_interval){0, 1}, 4, &want));
    ck_assert_double_eq_tol(real("lo", "accuracy_mean"), want.lo, 0.004);
    ck_assert_double_eq_tol(real("hi", "accuracy_mean"), want.hi, 0.004);
    ck_assert_int_eq(count("losses_mean"), 0); /* dense is no candidate */
}
END_TEST

START_TEST(ruler_needs_its_thirteen_tasks)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int length = 1024; length <= 2048; length += 1024)
        for (int t = 0; t < (length == 1024 ? 13 : 12); t++) {
            char task[16];
            (void)snprintf(task, sizeof task, "task_%d", t);
            put_rows(s, run,
                     (sb_point_facts){.suite = "ruler", .task = task, .length_tokens = length}, 0,
                     4, wrong_third);
        }
    for (int t = 0; t < 26;
         t++) { /* everything right, everything wrong: no rounding leaves [0, 1] */
        char task[16];
        (void)snprintf(task, sizeof task, "task_%d", t % 13);
        put_rows(s, run,
                 (sb_point_facts){.suite         = "ruler",
                                  .task          = task,
                                  .length_tokens = 4096,
                                  .method        = t < 13 ? "dense" : "hip"},
                 0, 2, t < 13 ? right : wrong);
    }
    put_rows(s, run, (sb_point_facts){0}, 0, 4, right); /* of suite probe */
    sb_store_close(s);
    refresh();
    ck_assert_int_eq(count("ruler_length WHERE length = 4096 AND score IN (0, 1) AND (lo = 0 OR hi "
                           "= 1) AND half_width BETWEEN 0.05 AND 0.07"),
                     2);
    ck_assert_int_eq(
        count("losses_mean WHERE difference = -1 AND lo = -1 AND hi < -0.7 AND verdict "
              "= 'loss'"),
        1);
    ck_assert_int_eq(count("ruler_length"), 4);
    ck_assert_double_eq_tol(real("score", "ruler_length WHERE length = 1024"), 0.5, 1e-12);
    ck_assert_int_eq(count("ruler_length WHERE length = 1024 AND n = 4 AND n_total = 52 AND "
                           "half_width > 0 AND reason IS NULL"),
                     1);
    ck_assert_int_eq(count("ruler_length WHERE length = 2048 AND n IS NULL AND score IS NULL AND "
                           "lo IS NULL AND half_width IS NULL"),
                     1);
    is_text("reason", "ruler_length WHERE length = 2048", "12 of the 13 tasks have scores");
}
END_TEST

/* ---- merged shards ---- */

/* All figures as one text, without ids. */
static char *figures(const char *db)
{
    return facts_text(
        db,
        "SELECT group_concat(line, char(10)) FROM (SELECT point_hash || ' ' || metric || ' ' || "
        "n || ' ' || n_unpaired || ' ' || quote(difference) || ' ' || quote(lo) || ' ' || "
        "quote(hi) || ' ' || quote(p) || ' ' || quote(p_holm) || ' ' || verdict AS line FROM "
        "losses UNION ALL SELECT method || ' ' || quote(difference) || ' ' || quote(lo) || ' ' "
        "|| quote(hi) || ' ' || quote(p) || ' ' || quote(p_holm) FROM losses_mean UNION ALL "
        "SELECT method || ' ' || quote(score) || ' ' || quote(lo) || ' ' || quote(hi) FROM "
        "accuracy_mean ORDER BY line)");
}

static void make_part(const char *to, int64_t first, int64_t last, int turned)
{
    sb_store *s   = facts_open(to, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int i = 0; i < 4; i++) {
        int            k = turned ? 3 - i : i;
        sb_point_facts f = {.task   = k % 2 ? "vt" : "niah_single",
                            .method = k < 2 ? "dense" : "hip"};
        put_rows(s, run, f, first, last,
                 k == 0   ? right
                 : k == 1 ? half
                 : k == 2 ? wrong_third
                          : half_less);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
    FACTS_OK(sb_store_end_run(s, run, "finished"));
    sb_store_close(s);
}

START_TEST(merged_shards_equal_one_database)
{
    char *whole = strdup(facts_path(dir, "whole.db")), *said = NULL;
    char *a = strdup(facts_path(dir, "a.db")), *b = strdup(facts_path(dir, "b.db"));
    make_part(whole, 0, 40, 0);
    make_part(a, 0, 25, 0);
    make_part(b, 25, 40, 1);
    for (int i = 0; i < 2; i++) {
        const char *shards[] = {i == 0 ? a : b, i == 0 ? b : a};
        size_t      n        = 0;
        FILE       *f        = open_memstream(&said, &n);
        (void)remove(path);
        FACTS_OK(sb_store_merge(path, shards, 2, f));
        ck_assert_int_eq(fclose(f), 0);
        free(said);
        FACTS_OK(sb_store_check(path, stdout));
        char *want = figures(whole), *got = figures(path);
        ck_assert_str_ne(want, "");
        ck_assert_ptr_null(strstr(want, "NULL"));
        ck_assert_str_eq(got, want);
        free(want), free(got);
    }
    sqlite3 *db = NULL; /* what was computed is no fact */
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path, "UPDATE comparison SET p = p / 2; DELETE FROM mean_interval"));
    sqlite3_close(db);
    size_t n     = 0;
    int    equal = 0;
    FILE  *f     = open_memstream(&said, &n);
    FACTS_OK(sb_store_diff(whole, path, f, &equal));
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(equal, 1);
    free(said), free(whole), free(a), free(b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses");
    TCase *t     = tcase_create("losses");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, binary_scores_get_mcnemar);
    tcase_add_test(t, fractions_get_a_paired_bootstrap);
    tcase_add_test(t, few_equal_pairs_certify_nothing);
    tcase_add_test(t, only_equal_inputs_are_paired);
    tcase_add_test(t, the_base_is_dense_of_the_same_cell);
    tcase_add_test(t, figures_are_null_until_computed_again);
    tcase_add_test(t, holm_corrects_within_a_length);
    tcase_add_test(t, means_need_every_task_with_equal_n);
    tcase_add_test(t, mean_intervals_are_stratified);
    tcase_add_test(t, ruler_needs_its_thirteen_tasks);
    tcase_add_test(t, merged_shards_equal_one_database);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
