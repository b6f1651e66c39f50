/* What the views make of quality rows: speedup's FLOP and rates, fidelity, needle_recall; figures
 * worked out by hand. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* Dense 1024 FLOP of attention proper (768 issued) in 600 ns, hip 768 + 128 in 200 ns, of which
 * 150 ns compute; a machine of 10 GFLOP/s. */
START_TEST(speedup_has_flop_and_rates)
{
    static const struct {
        const char *column;
        double      value;
    } want[]             = {{"flop_ratio", 896.0 / 1024},
                            {"ideal_speedup", 1024.0 / 896},
                            {"attention_x", 3},
                            {"compute_x", 4},
                            {"dense_mfu", 1024 / 600e-9 / 1e10},
                            {"attention_norm_x", 3 * (1024 / 600e-9 / 1e10) / 0.6},
                            {"achieved_tflops", 896 / 200e-9 / 1e12},
                            {"equiv_tflops", 1024 / 200e-9 / 1e12},
                            {"mfu", 896 / 200e-9 / 1e10},
                            {"kernel_efficiency", (768 / 150e-9) / (768 / 600e-9)}};
    sb_store        *s   = facts_open(path, SB_STORE_WRITE);
    int64_t          run = facts_run(s, "c", 0);
    sb_timing_facts  t[3];
    sb_ceiling_facts c = {"matmul", "f32", 1e10, 0};
    sb_sample_facts  f = facts_ok(run, facts_point(s, (sb_point_facts){.method = "dense"}),
                                  facts_input(s, 0), 1.0, 600);
    facts_put(s, &f);
    f    = facts_ok(run, facts_point(s, (sb_point_facts){.method = "hip"}), facts_input(s, 0), 1.0,
                    200);
    t[0] = f.timings[0];
    t[1] = f.timings[1];
    t[2] = (sb_timing_facts){.layer = -1, .phase = "compute", .ns = 150};
    f.timings   = t;
    f.n_timings = 3;
    facts_put(s, &f);
    FACTS_OK(sb_store_put_ceiling(s, run, &c));
    sb_store_close(s);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM speedup WHERE method = 'hip'",
                       want[i].column);
        ck_assert_double_eq_tol(facts_real(path, sql), want[i].value, 1e-9 * want[i].value);
    }
    /* without a ceiling no share of it; without a compute time no compute_x */
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM speedup WHERE method = 'dense' AND "
                                     "compute_x IS NULL AND kernel_efficiency IS NULL AND "
                                     "attention_x = 1 AND mfu IS NOT NULL"),
                     1);
}
END_TEST

/* Two samples of two layers each, worked out by hand; a third fell back to dense, heads do not
 * count. */
START_TEST(fidelity_means_layers_then_samples)
{
    sb_quality_facts q[5];
    sb_store        *s     = facts_open(path, SB_STORE_WRITE);
    int64_t          run   = facts_run(s, "c", 0);
    int64_t          point = facts_point(s, (sb_point_facts){.method = "hip"});
    for (int i = 0; i < 5; i++)
        q[i] = (sb_quality_facts){.layer               = i % 2,
                                  .head                = i == 4 ? 0 : -1,
                                  .def_version         = 1,
                                  .rho_num             = 10 * (i + 1),
                                  .rho_den             = 100,
                                  .tile_lanes          = 20 * (i + 1),
                                  .tile_lanes_dense    = 128,
                                  .blocks_exec         = 1.5 * (i + 1),
                                  .blocks_dense        = 10,
                                  .f_est               = 100,
                                  .f_exec              = 100 * (i + 1),
                                  .f_dense             = 1000,
                                  .recall_mean         = 0.5 + 0.1 * i,
                                  .recall_tail         = 0.4 + 0.1 * i,
                                  .recall_min          = 0.3 + 0.1 * i,
                                  .oracle_gap          = 0.01 * i,
                                  .needle_block_recall = 0.25 * i,
                                  .needle_mass         = 0.5,
                                  .needle_mass_kept    = 0.1 * i,
                                  .rel_l2              = 0.1 * (i + 1),
                                  .rel_l2_p99          = i,
                                  .rel_l1              = 0.2,
                                  .cos_row             = 0.9,
                                  .floor               = 0.002,
                                  .recall_overflow     = i == 1,
                                  .rel_l2_unreliable   = i > 1,
                                  .rows_sampled        = 2,
                                  .rows_total          = 2};
    for (int row = 0; row < 3; row++) {
        sb_sample_facts f = facts_ok(run, point, facts_input(s, row), 1.0, 10);
        if (row == 2) /* its summary would count if it had not fallen back */
            q[4].head = -1;
        f.quality   = row == 2 ? q + 4 : q + 2 * row;
        f.n_quality = row == 1 ? 3 : row == 2 ? 1 : 2;
        f.fallback  = row == 2;
        facts_put(s, &f);
    }
    sb_store_close(s);
    static const struct {
        const char *column;
        double      value;
    } want[] = {{"density", 0.25},
                {"tile_density", 200.0 / 512},
                {"block_density", 15.0 / 40},
                {"recall", 0.65}, /* samples 0.55 and 0.75 */
                {"recall_se", 0.1},
                {"recall_tail", 0.55},
                {"recall_min", 0.3},
                {"oracle_gap", 0.015},
                {"rel_l2", 0.25},
                {"floor", 0.002},
                {"at_floor", 0},
                {"rel_l1", 0.2},
                {"rel_l2_p99", 3},
                {"cos_row", 0.9},
                {"needle_block_recall", 0.375},
                {"needle_mass_recall", 0.6 / 2},
                {"flop_ratio", (1000.0 + 400) / 4000},
                {"ideal_speedup", 4000 / 1400.0},
                {"estimate_ratio", 0.1},
                {"n_overflow", 1},
                {"n_unreliable", 2},
                {"n_samples", 3},
                {"n_fallback", 1},
                {"def_version", 1}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM fidelity", want[i].column);
        ck_assert_msg(fabs(facts_real(path, sql) - want[i].value) < 1e-9,
                      "%s is %.12g, wanted %.12g", want[i].column, facts_real(path, sql),
                      want[i].value);
    }
}
END_TEST

/* A method without an index, one sample, an error at the floor. */
START_TEST(fidelity_where_figures_do_not_exist)
{
    sb_quality_facts linear = {.head              = -1,
                               .def_version       = 1,
                               .blocks_exec       = NAN,
                               .f_exec            = 500,
                               .f_dense           = 1000,
                               .recall_mean       = NAN,
                               .recall_tail       = NAN,
                               .recall_min        = NAN,
                               .recall_lo         = NAN,
                               .recall_hi         = NAN,
                               .oracle_gap        = NAN,
                               .recall_overflow   = -1,
                               .rel_l2            = 0.003,
                               .rel_l2_unreliable = 0,
                               .floor             = 0.002};
    sb_store        *s      = facts_open(path, SB_STORE_WRITE);
    sb_sample_facts  f =
        facts_ok(facts_run(s, "c", 0), facts_point(s, (sb_point_facts){.method = "linear"}),
                 facts_input(s, 0), 1.0, 10);
    f.quality = &linear;
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM fidelity WHERE density IS NULL AND tile_density IS NULL "
                  "AND block_density IS NULL AND recall IS NULL AND recall_se IS NULL AND "
                  "oracle_gap IS NULL AND rel_l2 = 0.003 AND at_floor = 1 AND flop_ratio = 0.5 "
                  "AND ideal_speedup = 2 AND n_overflow = 0"),
        1);
}
END_TEST

/* facts_input: one needle at depth 0.25 with reference 0, which facts_ok hits. */
START_TEST(needle_recall_by_depth)
{
    static const sb_needle_facts seen[] = {{0, 0, 0.5, 0.2, 0.1}, {1, 0, 1.0, 0.6, 0.6}};
    static const uint8_t         miss[] = {0, 0};
    sb_store                    *s      = facts_open(path, SB_STORE_WRITE);
    int64_t                      run    = facts_run(s, "c", 0);
    int64_t                      point  = facts_point(s, (sb_point_facts){.method = "hip"});
    for (int row = 0; row < 3; row++) { /* found; not found; fell back to dense and found */
        sb_sample_facts f = facts_ok(run, point, facts_input(s, row), row != 1, 10);
        f.hits            = row == 1 ? miss : f.hits;
        f.needles         = seen + (row == 2);
        f.n_needles       = row == 2 ? 1 : 2;
        f.fallback        = row == 2;
        facts_put(s, &f);
    }
    facts_put(s, &(sb_sample_facts){.run_id          = run,
                                    .point_id        = point,
                                    .input_id        = facts_input(s, 3),
                                    .status          = "failed",
                                    .error           = "x",
                                    .metric          = "exact@1",
                                    .score_is_binary = 1});
    sb_store_close(s);
    static const struct {
        const char *column;
        double      value;
    } want[] = {{"depth", 0.2},
                {"n", 4},
                {"n_samples", 4},
                {"found", 0.5},
                {"key_recall", 0.75},
                {"mass", 0.4},
                {"mass_recall", 1.4 / 1.6},
                {"length", 1024},
                {"lo", 0.150038989152},
                {"hi", 0.849961010848}}; /* Wilson, 2 of 4 */
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM needle_recall"), 1);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "SELECT %s FROM needle_recall", want[i].column);
        ck_assert_double_eq_tol(facts_real(path, sql), want[i].value, i < 8 ? 1e-12 : 1e-9);
    }
}
END_TEST

/* A metric that tells no hits: scores of 0 and 1 tell them, others leave them open. */
START_TEST(needle_recall_without_hits)
{
    sb_store *s   = facts_open(path, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    int64_t   point[2];
    for (int p = 0; p < 2; p++) {
        point[p] = facts_point(s, (sb_point_facts){.method = p == 0 ? "hip" : "xattention"});
        for (int row = 0; row < 4; row++) {
            sb_sample_facts f = facts_ok(run, point[p], facts_input(s, row),
                                         p == 0 ? row != 1 : 0.5 + 0.1 * row, 10);
            f.hits            = NULL;
            f.n_hits          = 0;
            facts_put(s, &f);
        }
    }
    sb_store_close(s);
    ck_assert_double_eq_tol(
        facts_real(path, "SELECT found FROM needle_recall WHERE method = 'hip'"), 0.75, 1e-12);
    ck_assert_double_eq_tol(facts_real(path, "SELECT hi FROM needle_recall WHERE method = 'hip'"),
                            0.95441273919, 1e-9); /* Wilson, 3 of 4 */
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM needle_recall WHERE method = "
                                     "'xattention' AND n = 4 AND found IS NULL AND lo IS NULL "
                                     "AND hi IS NULL"),
                     1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fidelity");
    TCase *t     = tcase_create("views");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, speedup_has_flop_and_rates);
    tcase_add_test(t, fidelity_means_layers_then_samples);
    tcase_add_test(t, fidelity_where_figures_do_not_exist);
    tcase_add_test(t, needle_recall_by_depth);
    tcase_add_test(t, needle_recall_without_hits);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
