/* The public views on small databases whose figures are worked out by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/stats/stats.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char        dir[256];
static const char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path = strdup(facts_path(dir, "t.db"));
}

static void teardown(void)
{
    facts_remove(dir);
    free((void *)path);
}

static void scores(sb_store *s, int64_t run, int64_t point, int n, int n_right, double right)
{
    for (int i = 0; i < n; i++) {
        sb_sample_facts f =
            facts_ok(run, point, facts_input(s, i), i < n_right ? right : 0.0, 1000);
        f.score_is_binary = right == 1.0;
        facts_put(s, &f);
    }
}

/* [workloads 5.2]: 425/500, 85/100, 500/500, 25/25 in one table, by plain SQL. */
START_TEST(accuracy_is_wilson_for_binary_metrics)
{
    static const int kats[][2] = {{85, 100}, {25, 25}, {0, 7}, {1, 1}, {3, 11}};
    sb_store        *s         = facts_open(path, SB_STORE_WRITE);
    int64_t          run       = facts_run(s, "c", 0);
    for (int i = 0; i < 5; i++)
        scores(s, run, facts_point(s, (sb_point_facts){.seed = (uint64_t)i}), kats[i][1],
               kats[i][0], 1.0);
    sb_store_close(s);
    for (int i = 0; i < 5; i++) {
        char        sql[160];
        sb_interval want;
        FACTS_OK(sb_stats_wilson(kats[i][0], kats[i][1], &want));
        static const char *const columns[] = {"score", "lo", "hi", "n"};
        const double             values[]  = {(double)kats[i][0] / kats[i][1], want.lo, want.hi,
                                              (double)kats[i][1]};
        for (int c = 0; c < 4; c++) {
            (void)snprintf(sql, sizeof sql, "SELECT %s FROM accuracy WHERE seed = %d", columns[c],
                           i);
            ck_assert_double_eq_tol(facts_real(path, sql), values[c], 1e-12);
        }
    }
    ck_assert_double_eq_tol(facts_real(path, "SELECT 100 * lo FROM accuracy WHERE seed = 0"), 76.72,
                            0.005);
    ck_assert_double_eq_tol(facts_real(path, "SELECT 100 * hi FROM accuracy WHERE seed = 0"), 90.69,
                            0.005);
    ck_assert_double_eq(facts_real(path, "SELECT hi FROM accuracy WHERE seed = 1"), 1.0);
    ck_assert_double_eq(facts_real(path, "SELECT lo FROM accuracy WHERE seed = 2"), 0.0);
    ck_assert_int_eq(
        facts_int(path, "SELECT count(*) FROM accuracy WHERE interval_kind <> 'wilson'"), 0);
}
END_TEST

START_TEST(failed_counts_as_zero_and_unrun_does_not_count)
{
    sb_store       *s     = facts_open(path, SB_STORE_WRITE);
    int64_t         run   = facts_run(s, "c", 0);
    int64_t         point = facts_point(s, (sb_point_facts){.chance = 0.25});
    sb_sample_facts f     = facts_ok(run, point, facts_input(s, 0), 1.0, 10);
    facts_put(s, &f);
    facts_put(s, &(sb_sample_facts){.run_id          = run,
                                    .point_id        = point,
                                    .input_id        = facts_input(s, 1),
                                    .status          = "failed",
                                    .error           = "no answer",
                                    .metric          = "exact@1",
                                    .score_is_binary = 1});
    facts_put(s, &(sb_sample_facts){.run_id   = run,
                                    .point_id = point,
                                    .input_id = facts_input(s, 2),
                                    .status   = "no_fit",
                                    .error    = "needs 9 GiB"});
    facts_put(s, &(sb_sample_facts){.run_id   = run,
                                    .point_id = point,
                                    .input_id = facts_input(s, 3),
                                    .status   = "unsupported",
                                    .error    = "head_dim 7"});
    int64_t none = facts_point(s, (sb_point_facts){.seed = 1});
    facts_put(s, &(sb_sample_facts){.run_id   = run,
                                    .point_id = none,
                                    .input_id = facts_input(s, 0),
                                    .status   = "no_fit",
                                    .error    = "needs 9 GiB"});
    (void)facts_point(s, (sb_point_facts){.seed = 2});
    sb_store_close(s);
    ck_assert_double_eq(facts_real(path, "SELECT score FROM accuracy"), 0.5);
    ck_assert_int_eq(facts_int(path, "SELECT n * 10 + n_failed FROM accuracy"), 21);
    ck_assert_double_eq(facts_real(path, "SELECT chance FROM accuracy"), 0.25);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM accuracy"), 1);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT n_ok * 1000 + n_failed * 100 + n_unsupported * 10 + n_no_fit FROM coverage "
            "WHERE seed = 0 AND status = 'partial' AND reason = 'no answer'"),
        1111);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM coverage WHERE seed = 1 AND status = 'no_fit' AND n = 1"),
        1);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM coverage WHERE seed = 2 AND status = 'missing' AND n = 0"),
        1);
}
END_TEST

START_TEST(newest_run_counts_and_anchors_do_not)
{
    sb_store       *s        = facts_open(path, SB_STORE_WRITE);
    int64_t         old      = facts_run(s, "c", 0);
    int64_t         point    = facts_point(s, (sb_point_facts){0});
    int64_t         other    = facts_point(s, (sb_point_facts){.seed = 1});
    int64_t         inputs[] = {facts_input(s, 0), facts_input(s, 1)};
    sb_sample_facts f;
    for (int i = 0; i < 2; i++) {
        f = facts_ok(old, point, inputs[i], 0.0, 10);
        facts_put(s, &f);
    }
    int64_t recent = facts_run(s, "c", 0);
    f              = facts_ok(recent, point, inputs[0], 1.0, 20);
    facts_put(s, &f);
    f           = facts_ok(recent, point, inputs[1], 1.0, 30);
    f.is_anchor = 1; /* the older sample that was asked for counts */
    facts_put(s, &f);
    f           = facts_ok(recent, other, inputs[0], 1.0, 40);
    f.is_anchor = 1; /* nobody asked for this point */
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM accuracy"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT n FROM accuracy"), 2);
    ck_assert_double_eq(facts_real(path, "SELECT score FROM accuracy"), 0.5);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM coverage"), 1);
    ck_assert_double_eq(
        facts_real(path, "SELECT median_ms FROM latency WHERE seed = 1 AND phase = 'attention'"),
        40e-6);
    ck_assert_int_eq(
        facts_int(path, "SELECT is_anchor FROM latency WHERE seed = 1 AND phase = 'attention'"), 1);
    ck_assert_double_eq(
        facts_real(path, "SELECT median_ms FROM latency WHERE seed = 0 AND phase = 'attention'"),
        15e-6);
}
END_TEST

START_TEST(fractions_get_a_stored_interval_until_their_rows_change)
{
    sb_store *s     = facts_open(path, SB_STORE_WRITE);
    int64_t   run   = facts_run(s, "c", 0);
    int64_t   point = facts_point(s, (sb_point_facts){.task = "vt"});
    scores(s, run, point, 30, 20, 0.75);
    ck_assert_int_eq(sqlite3_total_changes(s->db) > 0, 1);
    FACTS_OK(sb_store_refresh_intervals(s));
    int before = sqlite3_total_changes(s->db);
    FACTS_OK(sb_store_refresh_intervals(s));
    ck_assert_int_eq(sqlite3_total_changes(s->db), before); /* nothing was computed again */
    sb_store_close(s);
    ck_assert_double_eq_tol(facts_real(path, "SELECT score FROM accuracy"), 0.5, 1e-12);
    double lo = facts_real(path, "SELECT lo FROM accuracy WHERE interval_kind = 'bootstrap'");
    double hi = facts_real(path, "SELECT hi FROM accuracy");
    ck_assert(lo > 0.3 && lo < 0.42 && hi > 0.58 &&
              hi < 0.68); /* 0.5 +- 1.96 * 0.3536 / sqrt(30) = 0.127 */
    ck_assert_double_eq_tol(facts_real(path, "SELECT half_width FROM accuracy"), (hi - lo) / 2,
                            1e-12);

    s                 = facts_open(path, SB_STORE_WRITE);
    run               = facts_run(s, "c", 0);
    sb_sample_facts f = facts_ok(run, point, facts_input(s, 0), 0.5, 10); /* 0.75 before */
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM accuracy WHERE lo IS NULL AND hi IS NULL AND n = 30 AND "
                  "interval_kind IS NULL"),
        1);
    s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sb_store_refresh_intervals(s));
    sb_store_close(s);
    ck_assert(facts_real(path, "SELECT lo FROM accuracy") < lo + 1e-9);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM interval"), 1);
}
END_TEST

/* 20 repetitions of 1..20 ms in each of 2 layers, warm-ups of 1 s: sums are 2, 4, ... 40 ms. */
START_TEST(latency_sums_layers_and_takes_ranks)
{
    enum { REPETITIONS = 20 };
    sb_timing_facts t[2 * REPETITIONS + 3];
    int             n   = 0;
    sb_store       *s   = facts_open(path, SB_STORE_WRITE);
    int64_t         run = facts_run(s, "c", 0);
    int64_t         point =
        facts_point(s, (sb_point_facts){.method = "hip", .method_json = "{\"top_k_tokens\":512}"});
    sb_sample_facts f = facts_ok(run, point, facts_input(s, 0), 1.0, 0);
    for (int r = 0; r < REPETITIONS; r++)
        for (int layer = 0; layer < 2; layer++)
            t[n++] = (sb_timing_facts){
                .layer = layer, .phase = "attention", .repetition = r, .ns = (r + 1) * 1000000};
    t[n++] = (sb_timing_facts){
        .layer = 0, .phase = "attention", .repetition = 0, .is_warmup = 1, .ns = 1000000000};
    t[n++]    = (sb_timing_facts){.layer = -1, .phase = "prefill", .repetition = 0, .ns = 3000000};
    t[n++]    = (sb_timing_facts){.layer = -1, .phase = "prefill", .repetition = 1, .ns = 4000000};
    f.timings = t;
    f.n_timings = n;
    facts_put(s, &f);
    sb_store_close(s);
    static const struct {
        const char *column;
        double      ms;
    } want[] = {{"median_ms", 21}, {"p95_ms", 38}, {"min_ms", 2},
                {"max_ms", 40},    {"iqr_ms", 20}, {"n", 20}};
    for (int i = 0; i < 6; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM latency WHERE phase = 'attention'",
                       want[i].column);
        ck_assert_double_eq_tol(facts_real(path, sql), want[i].ms, 1e-9);
    }
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT median_ms FROM latency WHERE phase = 'prefill'"), 3.5, 1e-9);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT count(*) FROM latency WHERE params = '{\"top_k_tokens\":512}' AND method = "
            "'hip' AND sharding = 'allgather' AND backend = 'cpu' AND ranks = 1"),
        2);
}
END_TEST

static void put_timed(sb_store *s, int64_t run, sb_point_facts point, int64_t row, int64_t ns,
                      int is_anchor)
{
    sb_sample_facts f = facts_ok(run, facts_point(s, point), facts_input(s, row), 1.0, ns);
    f.is_anchor       = is_anchor;
    facts_put(s, &f);
}

START_TEST(speedup_pairs_within_run_and_cell)
{
    sb_store      *s      = facts_open(path, SB_STORE_WRITE);
    sb_point_facts hip    = {.method = "hip"};
    sb_point_facts longer = {.method = "hip", .length_tokens = 2048};
    sb_point_facts wider  = {.method = "hip", .ranks = 2};
    sb_point_facts dense  = {.method = "dense"};
    int64_t        first  = facts_run(s, "c", 0);
    put_timed(s, first, dense, 0, 600, 0);
    put_timed(s, first, hip, 0, 200, 0);
    put_timed(s, first, hip, 1, 200, 0);
    put_timed(s, first, longer, 0, 100, 0); /* no dense of 2048 tokens */
    int64_t second = facts_run(s, "c", 0);  /* resumed: its own anchor, twice as slow a machine */
    put_timed(s, second, dense, 1, 1200, 1);
    put_timed(s, second, hip, 2, 600, 0);
    int64_t third = facts_run(s, "c", 0); /* no anchor in this run, though others have one */
    put_timed(s, third, wider, 0, 50, 0);
    sb_store_close(s);
    /* first run 600 / 200 = 3 from 2 repetitions, second 1200 / 600 = 2 from 1: (2 * 3 + 1 * 2) / 3
     */
    ck_assert_double_eq_tol(
        facts_real(path,
                   "SELECT attention_x FROM speedup WHERE method = 'hip' AND length = 1024 AND "
                   "ranks = 1 AND reason IS NULL"),
        8.0 / 3, 1e-12);
    ck_assert_double_eq_tol(
        facts_real(
            path,
            "SELECT prefill_x FROM speedup WHERE method = 'hip' AND length = 1024 AND ranks = 1"),
        8.0 / 3, 1e-12);
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT attention_x FROM speedup WHERE method = 'dense'"), 1.0, 1e-12);
    static const char *const none[] = {"length = 2048", "ranks = 2"};
    for (int i = 0; i < 2; i++) {
        char sql[256];
        (void)snprintf(
            sql, sizeof sql,
            "SELECT reason FROM speedup WHERE attention_x IS NULL AND prefill_x IS NULL AND %s",
            none[i]);
        char *reason = facts_text(path, sql);
        ck_assert_str_eq(reason, "no dense time of the same run and cell");
        free(reason);
    }
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE dense_mfu IS NOT NULL"),
                     0);
    char *impl =
        facts_text(path, "SELECT dense_impl FROM speedup WHERE method = 'hip' AND length = 1024");
    ck_assert_str_eq(impl, "avx2"); /* what ran, where the sample tells it */
    free(impl);
}
END_TEST

/* Dense has no state to pass on: a time under sharding state is paired with dense under allgather.
 * There as elsewhere dense is the fastest of its layouts. */
START_TEST(speedup_pairs_with_the_best_layout_of_dense)
{
    sb_store      *s     = facts_open(path, SB_STORE_WRITE);
    sb_point_facts dense = {.method = "dense", .scheme = "allgather", .layout = "block_striped"};
    sb_point_facts other = {.method = "dense", .scheme = "allgather", .layout = "zigzag"};
    sb_point_facts state = {.method = "lightning", .scheme = "state", .layout = "contiguous"};
    sb_point_facts wider = state;
    sb_point_facts lists = {.method = "hip", .scheme = "allgather", .layout = "contiguous"};
    sb_point_facts ring  = {.method = "hip", .scheme = "ring", .layout = "zigzag"};
    wider.ranks          = 2;
    int64_t run          = facts_run(s, "c", 0);
    put_timed(s, run, other, 0, 100, 1);
    put_timed(s, run, dense, 0, 600, 0);
    put_timed(s, run, state, 0, 200, 0);
    put_timed(s, run, wider, 0, 200, 0);
    put_timed(s, run, lists, 0, 50, 0);
    put_timed(s, run, ring, 0, 50, 0);
    sb_store_close(s);
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT attention_x FROM speedup WHERE sharding = 'state' AND ranks = 1"),
        0.5, 1e-12);
    ck_assert_double_eq_tol(facts_real(path, "SELECT attention_x FROM speedup WHERE method = 'hip' "
                                             "AND sharding = 'allgather'"),
                            2.0, 1e-12);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE dense_layout = 'zigzag'"),
                     3); /* dense in block_striped, too */
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE sharding = 'ring' AND "
                                     "attention_x IS NULL AND dense_layout IS NULL"),
                     1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE sharding = 'state' AND "
                                     "ranks = 2 AND attention_x IS NULL"),
                     1);
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT attention_x FROM speedup WHERE method = 'dense'"), 1.0 / 6, 1e-12);
}
END_TEST

START_TEST(speedup_leaves_oversubscribed_runs_out)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 1);
    put_timed(s, run, (sb_point_facts){.method = "dense"}, 0, 600, 0);
    put_timed(s, run, (sb_point_facts){.method = "hip"}, 0, 200, 0);
    sb_store_close(s);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT count(*) FROM speedup WHERE attention_x IS NULL AND prefill_x IS NULL AND "
            "reason LIKE 'oversubscribed%' AND density = 0.25"),
        2);
    ck_assert_int_eq(facts_int(path, "SELECT min(oversubscribed) FROM latency"), 1);
}
END_TEST

START_TEST(density_sums_pairs_and_leaves_fallbacks_out)
{
    static const sb_quality_facts two[]  = {{.layer       = 0,
                                             .head        = -1,
                                             .def_version = 1,
                                             .rho_num     = 10,
                                             .rho_den     = 40,
                                             .recall_mean = 0.5,
                                             .rows_total  = 1},
                                            {.layer       = 1,
                                             .head        = -1,
                                             .def_version = 1,
                                             .rho_num     = 30,
                                             .rho_den     = 40,
                                             .recall_mean = 0.9,
                                             .rows_total  = 1},
                                            {.layer       = 1,
                                             .head        = 3,
                                             .def_version = 1,
                                             .rho_num     = 40,
                                             .rho_den     = 40,
                                             .recall_mean = 1.0,
                                             .rows_total  = 1}};
    static const sb_quality_facts whole  = {.layer       = 0,
                                            .head        = -1,
                                            .def_version = 1,
                                            .rho_num     = 40,
                                            .rho_den     = 40,
                                            .recall_mean = 1.0,
                                            .rows_total  = 1};
    static const sb_quality_facts linear = {.layer       = 0,
                                            .head        = -1,
                                            .def_version = 1,
                                            .recall_mean = NAN,
                                            .rel_l2      = 0.5,
                                            .rows_total  = 1};
    sb_store                     *s      = facts_open(path, SB_STORE_WRITE);
    int64_t                       run    = facts_run(s, "c", 0);
    int64_t                       point  = facts_point(s, (sb_point_facts){.method = "hip"});
    sb_sample_facts               f      = facts_ok(run, point, facts_input(s, 0), 1.0, 10);
    f.quality                            = two;
    f.n_quality                          = 3;
    facts_put(s, &f);
    f          = facts_ok(run, point, facts_input(s, 1), 1.0, 10);
    f.quality  = &whole;
    f.fallback = 1;
    facts_put(s, &f);
    f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "linear"}), facts_input(s, 0), 1.0,
                 10);
    f.quality = &linear;
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_double_eq(facts_real(path, "SELECT density FROM speedup WHERE method = 'hip'"), 0.5);
    ck_assert_double_eq(facts_real(path, "SELECT recall FROM speedup WHERE method = 'hip'"), 0.7);
    ck_assert_int_eq(
        facts_int(path, "SELECT n_fallback * 10 + n_samples FROM speedup WHERE method = 'hip'"),
        12);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE method = 'linear' AND "
                                     "density IS NULL AND recall IS NULL"),
                     1);
}
END_TEST

/* 4 * 64 * 4 pairs = 1024 FLOP in 600 ns is 1.7067 GFLOP/s, of 10 GFLOP/s. */
START_TEST(dense_mfu_needs_a_ceiling)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    put_timed(s, run, (sb_point_facts){.method = "dense"}, 0, 600, 0);
    put_timed(s, run, (sb_point_facts){.method = "hip"}, 0, 200, 0);
    FACTS_OK(sbi_exec(s->db, path,
                      "INSERT INTO ceiling (run_id, kind, dtype, flops_per_s) VALUES (1, 'matmul', "
                      "'f32', 1e10)"));
    sb_store_close(s);
    ck_assert_double_eq_tol(facts_real(path, "SELECT dense_mfu FROM speedup WHERE method = 'hip'"),
                            1024 / 600e-9 / 1e10, 1e-9);
}
END_TEST

START_TEST(seeds_above_int64_print_unsigned)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    (void)facts_point(s, (sb_point_facts){.seed = UINT64_MAX});
    sb_store_close(s);
    char *seed = facts_text(path, "SELECT seed FROM coverage");
    ck_assert_str_eq(seed, "18446744073709551615");
    free(seed);
    ck_assert_int_eq(facts_int(path, "SELECT seed FROM point"), -1);
}
END_TEST

static void populate(void)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    put_timed(s, run, (sb_point_facts){.method = "dense"}, 0, 600, 0);
    put_timed(s, run, (sb_point_facts){.method = "hip"}, 0, 200, 0);
    sb_store_close(s);
}

/* "Every view works in the stock sqlite3 shell and in Python's sqlite3": run `command` and look for
 * "2 views of 4 rows". */
static void foreign_reader(const char *program, const char *format)
{
    char command[2048], line[64] = "";
    (void)snprintf(command, sizeof command, "command -v %s > /dev/null", program);
    if (system(command) != 0) {
        (void)printf("%s is not installed: its test is skipped\n", program);
        return;
    }
    populate();
    (void)snprintf(command, sizeof command, format, path);
    FILE *f = popen(command, "r");
    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(line, sizeof line, f));
    ck_assert_int_eq(pclose(f), 0);
    ck_assert_str_eq(line, "2 16 2 2 3.0 0.25\n");
}

START_TEST(energy_is_of_a_repetition_and_above_idle)
{
    populate();
    ck_assert_int_gt(facts_int(path, "SELECT count(*) FROM energy_use"), 0);
    ck_assert_int_eq(facts_int(path, "SELECT n = 9 * n_samples FROM energy_use LIMIT 1"), 1);
    ck_assert_double_eq_tol(facts_real(path, "SELECT joules FROM energy_use LIMIT 1"), 1200.0 / 9,
                            1e-9);
    ck_assert_double_eq_tol(facts_real(path, "SELECT above_idle_joules FROM energy_use LIMIT 1"),
                            1000.0 / 9, 1e-9);
    ck_assert_double_eq_tol(facts_real(path, "SELECT watts FROM energy_use LIMIT 1"), 600, 1e-9);
    ck_assert_double_eq_tol(facts_real(path, "SELECT idle_watts FROM energy_use LIMIT 1"), 100,
                            1e-9);
    ck_assert_double_eq_tol(facts_real(path, "SELECT error FROM energy_use LIMIT 1"), .05, 1e-9);
}
END_TEST

/* Three repetitions of 10, 20 and 40 beside means of 30, 80 and 40: 3, 4 and 1. */
START_TEST(anchored_ratio_is_the_median_of_repetitions)
{
    sb_store             *s         = facts_open(path, SB_STORE_WRITE);
    sb_timing_facts       t[]       = {{.layer = -1, .phase = "attention", .ns = 5, .is_warmup = 1},
                                       {.layer = -1, .phase = "attention", .ns = 10},
                                       {.layer = -1, .phase = "attention", .ns = 20, .repetition = 1},
                                       {.layer = -1, .phase = "attention", .ns = 40, .repetition = 2}};
    const sb_anchor_facts anchors[] = {{20, 40, "cudnn"}, {100, 60, "cudnn"}, {40, 40, "cudnn"}};
    sb_sample_facts       f = facts_ok(facts_run(s, "c", 0), facts_point(s, (sb_point_facts){0}),
                                       facts_input(s, 0), 1.0, 10);
    f.timings               = t;
    f.n_timings             = 4;
    f.anchors               = anchors;
    f.n_anchors             = 3;
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_double_eq(facts_real(path, "SELECT anchored_x FROM speedup"), 3);
    ck_assert_int_eq(facts_int(path, "SELECT anchored_n FROM speedup"), 3);
    ck_assert_int_eq(facts_int(path, "SELECT anchor_impl = 'cudnn' FROM speedup"), 1);
}
END_TEST

/* A layer of 30, 40 (the fixture's) and one of 50, 60 on 2 ranks: 80 * 2 / 100; what has no index
 * has no phi. */
START_TEST(balance_adds_layers_up)
{
    sb_store              *s        = facts_open(path, SB_STORE_WRITE);
    const sb_balance_facts layers[] = {{0, 30, 40, 36, 24, 6, 24, 1}, {1, 50, 60, 54, 31, 3, 6, 0}};
    const sb_balance_facts rows     = {0, 10, 20, 10, 10, -1, -1, -1};
    int64_t                run      = facts_run(s, "c", 0);
    sb_sample_facts f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "hip", .ranks = 2}),
                                 facts_input(s, 0), 1.0, 10);
    f.balance         = layers;
    f.n_balance       = 2;
    facts_put(s, &f);
    f         = facts_ok(run, facts_point(s, (sb_point_facts){.method = "linear", .ranks = 2}),
                         facts_input(s, 0), 1.0, 10);
    f.balance = &rows;
    facts_put(s, &f);
    f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "dense"}), facts_input(s, 0), 1.0,
                 10);
    f.n_balance = 0;
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM balance"), 2);
    ck_assert_double_eq(facts_real(path, "SELECT imbalance FROM balance WHERE method = 'hip'"),
                        1.6);
    ck_assert_double_eq(facts_real(path, "SELECT step_imbalance FROM balance WHERE method = 'hip'"),
                        1.8);
    ck_assert_double_eq(facts_real(path, "SELECT lpt_imbalance FROM balance WHERE method = 'hip'"),
                        1.1);
    ck_assert_double_eq(facts_real(path, "SELECT phi FROM balance WHERE method = 'hip'"), 0.3);
    ck_assert_double_eq(facts_real(path, "SELECT fetched FROM balance WHERE method = 'hip'"), 0.5);
    ck_assert_double_eq(facts_real(path, "SELECT exposed_ms FROM balance WHERE method = 'hip'"),
                        40e-6);
    ck_assert_int_eq(facts_int(path, "SELECT received_bytes FROM balance WHERE method = 'hip'"),
                     100);
    ck_assert_int_eq(facts_int(path,
                               "SELECT phi IS NULL AND fetched IS NULL AND imbalance = 1 FROM "
                               "balance WHERE method = 'linear'"),
                     1);
}
END_TEST

typedef struct weak_run {
    const char *method, *scheme;
    int         ranks;
    int64_t     length_tokens, ns, pairs; /* in each of two layers; -1: no index, 0: not counted */
    int         oversubscribed;
} weak_run;

static void put_weak(sb_store *s, const weak_run *r)
{
    const sb_quality_facts layers[] = {
        {.layer = 0, .head = -1, .def_version = 1, .rho_num = r->pairs, .rho_den = r->pairs},
        {.layer = 1, .head = -1, .def_version = 1, .rho_num = r->pairs, .rho_den = r->pairs}};
    sb_point_facts  p = {.method        = r->method,
                         .scheme        = r->scheme,
                         .ranks         = r->ranks,
                         .length_tokens = r->length_tokens};
    sb_sample_facts f = facts_ok(facts_run(s, "c", r->oversubscribed), facts_point(s, p),
                                 facts_input(s, 0), 1.0, r->ns);
    f.quality         = layers;
    f.n_quality       = r->pairs == 0 ? 0 : 2;
    facts_put(s, &f);
}

/* 1000 ns on one rank, three times its pairs on two ranks: 1000 x 3 / 2 = 1500 ns would be ideal,
 * 2000 ns are 0.75 of it. The same work takes 3200 ns on one rank: 0.8. */
START_TEST(weak_efficiency_is_per_work)
{
    static const weak_run runs[] = {
        {"hip", "allgather", 1, 1024, 1000, 100, 0}, {"hip", "ring", 1, 1024, 1500, 100, 0},
        {"hip", "allgather", 1, 2048, 3200, 300, 0}, {"hip", "ring", 2, 2048, 2000, 300, 0},
        {"hip", "ulysses", 2, 2048, 1500, 300, 1},   {"hip", "ring", 4, 2048, 1000, 300, 0},
        {"linear", "state", 1, 1024, 100, -1, 0},    {"linear", "state", 2, 2048, 125, -1, 0},
        {"dense", "ring", 1, 1024, 100, 50, 0},      {"dense", "ring", 2, 2048, 200, 0, 0},
        {"a_shape", "ring", 1, 1024, 100, -1, 0},    {"a_shape", "ring", 2, 2048, 200, 50, 0},
        {"pbs_attn", "ring", 1, 1000, 100, 50, 0},   {"pbs_attn", "ring", 2, 2048, 200, 50, 0},
    };
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        put_weak(s, &runs[i]);
    sb_store_close(s);
    char *rows = facts_text(
        path, "SELECT group_concat(method || ' ' || ifnull(efficiency, reason LIKE '%not known%'), "
              "', ') FROM (SELECT * FROM weak_scaling ORDER BY method)");
    ck_assert_str_eq(rows, "a_shape 1, dense 1, hip 0.75, linear 0.8"); /* a_shape, dense: none */
    free(rows);
    rows =
        facts_text(path, "SELECT length || ' ' || ranks || ' ' || sharding || ' ' || n || ' ' || "
                         "median_ms || ' of ' || base_length || ' ' || base_sharding || ' ' || "
                         "base_n || ' ' || base_ms || ' ' || work_unit || ' ' || work || ' ' || "
                         "base_work || ' ' || ideal_ms FROM weak_scaling WHERE method = 'hip'");
    ck_assert_str_eq(rows, "2048 2 ring 1 0.002 of 1024 allgather zigzag 1 0.001 pairs 600.0 200.0 "
                           "0.0015");
    free(rows);
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT strong_efficiency FROM weak_scaling WHERE method = 'hip'"), 0.8,
        1e-12);
    ck_assert_int_eq(facts_int(path, "SELECT work_unit = 'tokens' AND work = 2048 AND base_work = "
                                     "1024 AND strong_efficiency IS NULL FROM weak_scaling WHERE "
                                     "method = 'linear'"),
                     1);
}
END_TEST

START_TEST(views_in_the_stock_shell)
{
    foreign_reader("sqlite3", "sqlite3 -readonly -separator ' ' %s \"SELECT (SELECT count(*) FROM "
                              "accuracy WHERE lo > 0.2 AND hi = 1), "
                              "(SELECT 4 * count(*) FROM latency), (SELECT count(*) FROM "
                              "coverage), (SELECT count(*) FROM speedup), "
                              "(SELECT attention_x FROM speedup WHERE method = 'hip'), (SELECT "
                              "density FROM speedup WHERE method = "
                              "'hip')\"");
}
END_TEST

START_TEST(views_in_python)
{
    foreign_reader("python3",
                   "python3 -c \"import sqlite3; print(*sqlite3.connect('%s').execute('SELECT "
                   "(SELECT count(*) FROM accuracy "
                   "WHERE lo > 0.2 AND hi = 1), (SELECT 4 * count(*) FROM latency), (SELECT "
                   "count(*) FROM coverage), (SELECT "
                   "count(*) FROM speedup), (SELECT attention_x FROM speedup WHERE method = ?), "
                   "(SELECT density FROM speedup "
                   "WHERE method = ?)', ('hip', 'hip')).fetchone())\"");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("views");
    TCase *t     = tcase_create("views");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, accuracy_is_wilson_for_binary_metrics);
    tcase_add_test(t, failed_counts_as_zero_and_unrun_does_not_count);
    tcase_add_test(t, newest_run_counts_and_anchors_do_not);
    tcase_add_test(t, fractions_get_a_stored_interval_until_their_rows_change);
    tcase_add_test(t, latency_sums_layers_and_takes_ranks);
    tcase_add_test(t, speedup_pairs_within_run_and_cell);
    tcase_add_test(t, speedup_pairs_with_the_best_layout_of_dense);
    tcase_add_test(t, speedup_leaves_oversubscribed_runs_out);
    tcase_add_test(t, density_sums_pairs_and_leaves_fallbacks_out);
    tcase_add_test(t, dense_mfu_needs_a_ceiling);
    tcase_add_test(t, energy_is_of_a_repetition_and_above_idle);
    tcase_add_test(t, anchored_ratio_is_the_median_of_repetitions);
    tcase_add_test(t, balance_adds_layers_up);
    tcase_add_test(t, weak_efficiency_is_per_work);
    tcase_add_test(t, seeds_above_int64_print_unsigned);
    tcase_add_test(t, views_in_the_stock_shell);
    tcase_add_test(t, views_in_python);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
